/** Shared memory as a file: mmap(), and what keeps it. */
import assert from 'node:assert/strict';
import { MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from '../../src/abi/fcntl.ts';
import { outcome } from './caller.ts';
import type { Suite } from './suite.ts';

const PAGE = 4096;
const RW = PROT_READ | PROT_WRITE;
const shared = { prot: RW, flags: MAP_SHARED } as const;

export function shmMmap({ conforms }: Suite): void {
  conforms('two mappings show the same bytes', async (c) => {
    const { caller, fd } = await c.client();
    const { process } = caller;
    const shm = await caller.shmAlloc(fd, 2 * PAGE);
    const one = await process.mmap({ ...shared, length: 2 * PAGE, fd: shm.fd });
    const two = await process.mmap({ ...shared, length: PAGE, fd: shm.fd });
    await process.poke(one, Uint8Array.of(1, 2, 3));
    assert.deepEqual([...(await process.peek(two, 3))], [1, 2, 3]);
  });

  conforms('a private mapping keeps its writes to itself', async (c) => {
    const { caller, fd } = await c.client();
    const { process } = caller;
    const shm = await caller.shmAlloc(fd, PAGE);
    const own = await process.mmap({ length: PAGE, prot: RW, flags: MAP_PRIVATE, fd: shm.fd });
    const one = await process.mmap({ ...shared, length: PAGE, fd: shm.fd });
    await process.poke(own, Uint8Array.of(9));
    assert.deepEqual([...(await process.peek(one, 1))], [0]);
  });

  conforms('no mapping may end outside the buffer: EINVAL', async (c) => {
    const { caller, fd } = await c.client();
    const shm = await caller.shmAlloc(fd, 2 * PAGE);
    for (const [offset, length] of [
      [0, 3 * PAGE],
      [PAGE, 2 * PAGE],
      [2 * PAGE, PAGE],
      [0, 2 * PAGE + 1],
    ] as const) {
      const rc = await caller.process.mmap({ ...shared, length, offset, fd: shm.fd });
      assert.equal(outcome(rc), 'EINVAL', `${length} bytes at ${offset}`);
    }
  });

  conforms('the offset is checked, then, unless hardened, ignored', async (c) => {
    const { caller, fd } = await c.client();
    const { process } = caller;
    const shm = await caller.shmAlloc(fd, 2 * PAGE);
    const whole = await process.mmap({ ...shared, length: 2 * PAGE, fd: shm.fd });
    await process.poke(whole, Uint8Array.of(1));
    await process.poke(whole + PAGE, Uint8Array.of(2));
    const second = await process.mmap({ ...shared, length: PAGE, offset: PAGE, fd: shm.fd });
    assert.deepEqual([...(await process.peek(second, 1))], [c.target.isHardened ? 2 : 1]);
  });

  conforms('registered memory cannot be mapped: EINVAL', async (c) => {
    const { caller, fd } = await c.client();
    const shm = await caller.shmRegister(fd, await caller.map(PAGE), PAGE);
    const rc = await caller.process.mmap({ ...shared, length: PAGE, fd: shm.fd });
    assert.equal(outcome(rc), 'EINVAL');
  });

  conforms('a mapping keeps the memory and its id after close', async (c) => {
    const { caller, fd } = await c.client();
    const { process } = caller;
    const shm = await caller.shmAlloc(fd, PAGE);
    const at = await process.mmap({ ...shared, length: PAGE, fd: shm.fd });
    await process.poke(at, Uint8Array.of(7));
    await process.close(shm.fd);
    assert.deepEqual([...(await process.peek(at, 1))], [7]);
    assert.equal((await caller.shmAlloc(fd, PAGE)).id, shm.id + 1);
    await process.munmap(at, PAGE);
    assert.equal((await caller.shmAlloc(fd, PAGE)).id, shm.id);
  });

  conforms('the fd outlives exec, and so does the memory', async (c) => {
    const { caller, fd } = await c.client();
    const shm = await caller.shmAlloc(fd, PAGE);
    const at = await caller.process.mmap({ ...shared, length: PAGE, fd: shm.fd });
    await caller.process.poke(at, Uint8Array.of(5));
    const heir = await c.adopt(await caller.process.heir());
    await caller.process.exit();
    const there = await heir.process.mmap({ ...shared, length: PAGE, fd: shm.fd });
    assert.deepEqual([...(await heir.process.peek(there, 1))], [5]);
  });
}
