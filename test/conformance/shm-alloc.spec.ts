/** TEE_IOC_SHM_ALLOC. What differs from kernel to kernel is in `versions.spec.ts`. */
import assert from 'node:assert/strict';
import { MAP_SHARED, PROT_READ, PROT_WRITE } from '../../src/abi/fcntl.ts';
import { TEE_IOC_SHM_ALLOC, TeeIoctlShmAllocData } from '../../src/abi/tee.ts';
import { BAD_ADDRESS, outcome } from './caller.ts';
import type { Suite } from './suite.ts';

const PAGE = 4096;
const RW = PROT_READ | PROT_WRITE;

export function shmAlloc({ conforms }: Suite): void {
  conforms('returns a fd, writes the id and the whole pages; flags stay', async (c) => {
    const { caller, fd } = await c.client();
    const shm = await caller.shmAlloc(fd, 1);
    assert.ok(shm.fd > fd);
    assert.deepEqual([shm.id > 0, shm.size, shm.flags], [true, PAGE, 0]);
  });

  conforms('takes powers of two of pages as they are, up to 4 MiB', async (c) => {
    const { caller, fd } = await c.client();
    for (const size of [PAGE, 2 * PAGE, 1 << 16, 1 << 20]) {
      assert.equal((await caller.shmAlloc(fd, size)).size, size);
    }
  });

  conforms('gives the lowest id that is free, on the device as a whole', async (c) => {
    const { caller, fd } = await c.client();
    const other = await c.client();
    const ids: number[] = [];
    const first = await caller.shmAlloc(fd, PAGE);
    ids.push((await other.caller.shmAlloc(other.fd, PAGE)).id);
    ids.push((await caller.shmAlloc(fd, PAGE)).id);
    await caller.process.close(first.fd);
    ids.push((await other.caller.shmAlloc(other.fd, PAGE)).id);
    assert.deepEqual(ids, [first.id + 1, first.id + 2, first.id]);
  });

  conforms('refuses flags, whatever the size', async (c) => {
    const { caller, fd } = await c.client();
    for (const flags of [1, 2, 0x8000_0000]) {
      assert.equal((await caller.shmAlloc(fd, PAGE, flags)).rc, 'EINVAL');
      assert.equal((await caller.shmAlloc(fd, 1 << 30, flags)).rc, 'EINVAL');
    }
  });

  conforms('reads its argument first: EFAULT', async (c) => {
    const { caller, fd } = await c.client();
    const rc = await caller.process.ioctl(fd, TEE_IOC_SHM_ALLOC, BAD_ADDRESS);
    assert.equal(outcome(rc), 'EFAULT');
  });

  conforms('gives the memory back when its id cannot be written: EFAULT', async (c) => {
    const { caller, fd } = await c.client();
    const before = await caller.shmAlloc(fd, PAGE);
    const at = await caller.map(PAGE);
    const view = new DataView(new ArrayBuffer(TeeIoctlShmAllocData.byteLength));
    TeeIoctlShmAllocData.size.set(view, 0, BigInt(PAGE));
    await caller.process.poke(at, new Uint8Array(view.buffer));
    await caller.process.mprotect(at, PAGE, PROT_READ);
    assert.equal(outcome(await caller.process.ioctl(fd, TEE_IOC_SHM_ALLOC, at)), 'EFAULT');
    assert.equal((await caller.shmAlloc(fd, PAGE)).id, before.id + 1);
  });

  conforms('is ENOMEM beyond the largest block of the kernel', async (c) => {
    const { caller, fd } = await c.client();
    for (const size of [(4 << 20) + 1, 8 << 20, 2 ** 40, 2 ** 52]) {
      assert.equal((await caller.shmAlloc(fd, size)).rc, 'ENOMEM', `${size} bytes`);
    }
  });

  conforms('clears the memory, also when it was used before', async (c) => {
    const { caller, fd } = await c.client();
    for (let round = 0; round < 3; round++) {
      const shm = await caller.shmAlloc(fd, PAGE);
      const at = await caller.process.mmap({
        length: PAGE,
        prot: RW,
        flags: MAP_SHARED,
        fd: shm.fd,
      });
      assert.ok((await caller.process.peek(at, PAGE)).every((byte) => byte === 0));
      await caller.process.poke(at, new Uint8Array(PAGE).fill(0xa5));
      await caller.process.munmap(at, PAGE);
      await caller.process.close(shm.fd);
    }
  });
}
