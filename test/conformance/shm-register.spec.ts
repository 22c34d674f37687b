/** TEE_IOC_SHM_REGISTER. What differs from kernel to kernel is in `versions.spec.ts`. */
import assert from 'node:assert/strict';
import { MAP_PRIVATE, MAP_SHARED, PROT_NONE, PROT_READ, PROT_WRITE } from '../../src/abi/fcntl.ts';
import { TEE_IOC_SHM_REGISTER, TeeIoctlShmRegisterData } from '../../src/abi/tee.ts';
import { BAD_ADDRESS, KERNEL_ADDRESS, outcome } from './caller.ts';
import type { Suite } from './suite.ts';

const PAGE = 4096;
const RW = PROT_READ | PROT_WRITE;

export function shmRegister({ conforms }: Suite): void {
  conforms('returns a fd, writes the id; addr, length and flags stay', async (c) => {
    const { caller, fd } = await c.client();
    const at = await caller.map(2 * PAGE);
    const shm = await caller.shmRegister(fd, at, PAGE + 1);
    assert.ok(shm.fd > fd);
    assert.deepEqual([shm.id > 0, shm.size, shm.flags], [true, PAGE + 1, 0]);
  });

  conforms('takes any address and length, the same memory more than once', async (c) => {
    const { caller, fd } = await c.client();
    const at = await caller.map(3 * PAGE);
    for (const [offset, length] of [
      [0, 1],
      [1, 1],
      [PAGE - 1, 2],
      [100, 2 * PAGE],
      [0, 3 * PAGE],
    ] as const) {
      assert.equal((await caller.shmRegister(fd, at + offset, length)).size, length);
    }
  });

  conforms('shares ids with SHM_ALLOC', async (c) => {
    const { caller, fd } = await c.client();
    const first = await caller.shmAlloc(fd, PAGE);
    const second = await caller.shmRegister(fd, await caller.map(PAGE), PAGE);
    assert.equal(second.id, first.id + 1);
  });

  conforms('refuses flags before it looks at the address', async (c) => {
    const { caller, fd } = await c.client();
    for (const flags of [1, 0x8000_0000]) {
      assert.equal((await caller.shmRegister(fd, KERNEL_ADDRESS, PAGE, flags)).rc, 'EINVAL');
    }
  });

  conforms('reads its argument first: EFAULT', async (c) => {
    const { caller, fd } = await c.client();
    const rc = await caller.process.ioctl(fd, TEE_IOC_SHM_REGISTER, BAD_ADDRESS);
    assert.equal(outcome(rc), 'EFAULT');
  });

  conforms('is EFAULT for what lies outside user space, and for what wraps', async (c) => {
    const { caller, fd } = await c.client();
    const at = await caller.map(PAGE);
    assert.equal((await caller.shmRegister(fd, KERNEL_ADDRESS, PAGE)).rc, 'EFAULT');
    assert.equal((await caller.shmRegister(fd, at, 2n ** 63n)).rc, 'EFAULT');
    assert.equal((await caller.shmRegister(fd, at, 2n ** 64n - 1n)).rc, 'EFAULT');
  });

  conforms('is EFAULT when the first page cannot be pinned for writing', async (c) => {
    const { caller, fd } = await c.client();
    const unmapped = await caller.map(PAGE);
    await caller.process.munmap(unmapped, PAGE);
    const cases = {
      unmapped,
      'read-only': await caller.map(PAGE, PROT_READ),
      'without access': await caller.map(PAGE, PROT_NONE),
      NULL: 0,
    };
    for (const [what, at] of Object.entries(cases)) {
      assert.equal((await caller.shmRegister(fd, at, PAGE)).rc, 'EFAULT', what);
    }
  });

  conforms('is ENOMEM when a later page cannot be pinned for writing', async (c) => {
    const { caller, fd } = await c.client();
    const at = await caller.map(4 * PAGE);
    await caller.process.mprotect(at + 2 * PAGE, PAGE, PROT_READ);
    assert.equal((await caller.shmRegister(fd, at, 3 * PAGE)).rc, 'ENOMEM');
    assert.equal((await caller.shmRegister(fd, at, 2 * PAGE)).size, 2 * PAGE);
    await caller.process.munmap(at + 2 * PAGE, PAGE);
    assert.equal((await caller.shmRegister(fd, at, 4 * PAGE)).rc, 'ENOMEM');
  });

  conforms('is EFAULT for a mapping of shared memory', async (c) => {
    const { caller, fd } = await c.client();
    const shm = await caller.shmAlloc(fd, PAGE);
    const at = await caller.process.mmap({ length: PAGE, prot: RW, flags: MAP_SHARED, fd: shm.fd });
    assert.equal((await caller.shmRegister(fd, at, PAGE)).rc, 'EFAULT');
  });

  conforms('takes a private mapping of shared memory once a write has copied it', async (c) => {
    const { caller, fd } = await c.client();
    const shm = await caller.shmAlloc(fd, PAGE);
    const request = { length: PAGE, prot: RW, flags: MAP_PRIVATE, fd: shm.fd };
    const at = await caller.process.mmap(request);
    assert.equal((await caller.shmRegister(fd, at, PAGE)).rc, 'EFAULT');
    await caller.process.poke(at, Uint8Array.of(1));
    assert.equal((await caller.shmRegister(fd, at, PAGE)).size, PAGE);
  });

  conforms('lets go of the memory when its id cannot be written: EFAULT', async (c) => {
    const { caller, fd } = await c.client();
    const before = await caller.shmAlloc(fd, PAGE);
    const at = await caller.map(PAGE);
    const data = TeeIoctlShmRegisterData;
    const view = new DataView(new ArrayBuffer(data.byteLength));
    data.addr.set(view, 0, BigInt(await caller.map(PAGE)));
    data.length.set(view, 0, BigInt(PAGE));
    await caller.process.poke(at, new Uint8Array(view.buffer));
    await caller.process.mprotect(at, PAGE, PROT_READ);
    assert.equal(outcome(await caller.process.ioctl(fd, TEE_IOC_SHM_REGISTER, at)), 'EFAULT');
    assert.equal((await caller.shmAlloc(fd, PAGE)).id, before.id + 1);
  });

  conforms('keeps the pages when the process unmaps them', async (c) => {
    const { caller, fd } = await c.client();
    const at = await caller.map(PAGE);
    const shm = await caller.shmRegister(fd, at, PAGE);
    await caller.process.munmap(at, PAGE);
    assert.equal(await caller.process.close(shm.fd), 0);
  });
}
