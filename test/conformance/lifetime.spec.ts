/**
 * What keeps a context. On the privileged device everybody can see it: there is place for one
 * supplicant, and the next one is told EBUSY as long as anything keeps the last.
 */
import assert from 'node:assert/strict';
import { MAP_SHARED, PROT_READ } from '../../src/abi/fcntl.ts';
import { PTA_DEVICE_UUID } from '../../src/abi/pta.ts';
import { TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT } from '../../src/abi/tee.ts';
import { outcome } from './caller.ts';
import type { Case, Suite } from './suite.ts';

const PAGE = 4096;

/** Whether a supplicant could start now. */
async function place(c: Case): Promise<string | number> {
  const { process } = await c.caller();
  const fd = await process.open(c.target.privileged!);
  await process.exit();
  return fd < 0 ? outcome(fd) : 'free';
}

/** Whether memory keeps the place of a supplicant that has closed its device. */
const keptBy = (c: Case): string => (c.target.isHardened ? 'free' : 'EBUSY');

export function lifetime({ conforms }: Suite): void {
  conforms('one supplicant at a time', ['privileged'], async (c) => {
    const { caller, fd } = await c.supplicant();
    assert.equal(await place(c), 'EBUSY');
    assert.equal(outcome(await caller.process.open(c.target.privileged!)), 'EBUSY');
    await caller.process.close(fd);
    assert.equal(await place(c), 'free');
  });

  conforms('a context ends with its last fd', ['privileged'], async (c) => {
    const { caller, fd } = await c.supplicant();
    const twin = await caller.process.dup(fd);
    await caller.process.close(fd);
    assert.equal(await place(c), 'EBUSY');
    await caller.process.close(twin);
    assert.equal(await place(c), 'free');
  });

  conforms('the fd of a child is an fd', ['privileged'], async (c) => {
    const { caller } = await c.supplicant();
    const heir = await c.adopt(await caller.process.heir());
    await caller.process.exit();
    assert.equal(await place(c), 'EBUSY');
    await heir.process.exit();
    assert.equal(await place(c), 'free');
  });

  for (const how of ['shmAlloc', 'shmRegister'] as const) {
    conforms(`a fd from ${how} keeps the context`, ['privileged'], async (c) => {
      const { caller, fd } = await c.supplicant();
      const shm =
        how === 'shmAlloc'
          ? await caller.shmAlloc(fd, PAGE)
          : await caller.shmRegister(fd, await caller.map(PAGE), PAGE);
      await caller.process.close(fd);
      assert.equal(await place(c), keptBy(c));
      await caller.process.close(shm.fd);
      assert.equal(await place(c), 'free');
    });
  }

  conforms('so does a mapping of shared memory', ['privileged'], async (c) => {
    const { caller, fd } = await c.supplicant();
    const { process } = caller;
    const shm = await caller.shmAlloc(fd, PAGE);
    const at = await process.mmap({ length: PAGE, prot: PROT_READ, flags: MAP_SHARED, fd: shm.fd });
    await process.close(fd);
    await process.close(shm.fd);
    assert.equal(await place(c), keptBy(c));
    await process.munmap(at, PAGE);
    assert.equal(await place(c), 'free');
  });

  conforms('a process that ends lets go of everything', ['privileged'], async (c) => {
    const { caller, fd } = await c.supplicant();
    const { process } = caller;
    const shm = await caller.shmAlloc(fd, PAGE);
    await process.mmap({ length: PAGE, prot: PROT_READ, flags: MAP_SHARED, fd: shm.fd });
    await caller.shmRegister(fd, await caller.map(PAGE), PAGE);
    await process.exit();
    assert.equal(await place(c), 'free');
  });

  conforms('memory of a context that was closed is not the next one’s', async (c) => {
    const { caller, fd } = await c.client();
    const shm = await caller.shmAlloc(fd, PAGE);
    await caller.process.close(fd);
    const next = await caller.process.open(c.target.client);
    const { session } = await caller.openSession(next, { uuid: PTA_DEVICE_UUID });
    const params = [{ attr: TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT, b: 1, c: shm.id }];
    assert.equal((await caller.invoke(next, { session, params })).rc, 'EINVAL');
    assert.notEqual((await caller.shmAlloc(next, PAGE)).id, shm.id, 'its id is in use still');
  });
}
