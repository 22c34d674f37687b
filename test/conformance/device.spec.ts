/** The devices as files, TEE_IOC_VERSION, and ioctls that there are not. */
import assert from 'node:assert/strict';
import { MAP_SHARED, PROT_READ } from '../../src/abi/fcntl.ts';
import { _IO, _IOR, _IOWR } from '../../src/abi/ioctl.ts';
import * as abi from '../../src/abi/tee.ts';
import { BAD_ADDRESS, outcome } from './caller.ts';
import type { Caller } from './caller.ts';
import type { Suite } from './suite.ts';

const PAGE = 4096;
const CAPS = abi.TEE_GEN_CAP_GP | abi.TEE_GEN_CAP_REG_MEM | abi.TEE_GEN_CAP_MEMREF_NULL;

async function version(caller: Caller, fd: number) {
  const data = abi.TeeIoctlVersionData;
  const { rc, out } = await caller.struct(
    fd,
    abi.TEE_IOC_VERSION,
    new DataView(new ArrayBuffer(data.byteLength)),
  );
  const id = data.implId.get(out, 0);
  return { rc, id, implCaps: data.implCaps.get(out, 0), genCaps: data.genCaps.get(out, 0) };
}

/** Commands that no kernel up to 7.3 knows, although each has one thing right. */
const UNKNOWN: Readonly<Record<string, number>> = {
  'the next number': _IOR(abi.TEE_IOC_MAGIC, 11, abi.TeeIoctlBufData),
  'VERSION with another size': _IOR(abi.TEE_IOC_MAGIC, 0, 8),
  'VERSION in the other direction': _IOWR(abi.TEE_IOC_MAGIC, 0, abi.TeeIoctlVersionData),
  'INVOKE as it should have been': _IOWR(abi.TEE_IOC_MAGIC, 3, abi.TeeIoctlBufData),
  'another magic': _IOR(0xa5, 0, abi.TeeIoctlVersionData),
  'no argument': _IO(abi.TEE_IOC_MAGIC, 0),
};

export function device({ conforms }: Suite): void {
  conforms('VERSION: OP-TEE with GP, REG_MEM and MEMREF_NULL', async (c) => {
    const { caller, fd } = await c.client();
    const expected = {
      rc: 0,
      id: abi.TEE_IMPL_ID_OPTEE,
      implCaps: abi.TEE_OPTEE_CAP_TZ,
      genCaps: CAPS,
    };
    assert.deepEqual(await version(caller, fd), expected);
  });

  conforms('VERSION of the privileged device: PRIVILEGED as well', ['privileged'], async (c) => {
    const { caller, fd } = await c.supplicant();
    assert.equal((await version(caller, fd)).genCaps, CAPS | abi.TEE_GEN_CAP_PRIVILEGED);
  });

  conforms('VERSION to where nothing can be written: EFAULT', async (c) => {
    const { caller, fd } = await c.client();
    const readOnly = await caller.map(PAGE, PROT_READ);
    for (const at of [0, BAD_ADDRESS, readOnly]) {
      assert.equal(outcome(await caller.process.ioctl(fd, abi.TEE_IOC_VERSION, at)), 'EFAULT');
    }
  });

  conforms('unknown ioctls: EINVAL, not ENOTTY, without a look at the argument', async (c) => {
    const { caller, fd } = await c.client();
    for (const [what, cmd] of Object.entries(UNKNOWN)) {
      const rc = await caller.process.ioctl(fd, cmd, BAD_ADDRESS);
      assert.equal(outcome(rc), 'EINVAL', what);
    }
  });

  conforms('the device can neither be read nor mapped', async (c) => {
    const { caller, fd } = await c.client();
    const at = await caller.map(PAGE);
    assert.equal(outcome(await caller.process.read(fd, at, 1)), 'EINVAL');
    const request = { length: PAGE, prot: PROT_READ, flags: MAP_SHARED, fd };
    assert.equal(outcome(await caller.process.mmap(request)), 'ENODEV');
  });

  conforms('shared memory has no ioctls', async (c) => {
    const { caller, fd } = await c.client();
    const shm = await caller.shmAlloc(fd, PAGE);
    const rc = await caller.process.ioctl(shm.fd, abi.TEE_IOC_VERSION, await caller.map(PAGE));
    assert.equal(outcome(rc), 'ENOTTY');
  });

  conforms('a fd that is closed: EBADF', async (c) => {
    const { caller, fd } = await c.client();
    await caller.process.close(fd);
    assert.equal(outcome(await caller.process.ioctl(fd, abi.TEE_IOC_VERSION, 0)), 'EBADF');
  });
}
