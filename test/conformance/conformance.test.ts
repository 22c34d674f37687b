/**
 * The specs of the /dev/tee ABI, on a box for each profile, and on a real device where TEE_DEVICE
 * names one (and TEE_PRIV_DEVICE its privileged sister, with no supplicant running; without it the
 * specs count on a supplicant that loads the public example TAs).
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { _IOC_SIZE } from '../../src/abi/ioctl.ts';
import { TEE_IOCTLS } from '../../src/abi/tee.ts';
import { PROFILES } from '../../src/index.ts';
import { argument } from './argument.spec.ts';
import { BoxTarget } from './box-target.ts';
import { DeviceTarget } from './device-target.ts';
import { device } from './device.spec.ts';
import { lifetime } from './lifetime.spec.ts';
import { login } from './login.spec.ts';
import { params } from './params.spec.ts';
import { ROWS, pointers } from './pointers.spec.ts';
import type { IoctlName } from './pointers.spec.ts';
import { session } from './session.spec.ts';
import { shmAlloc } from './shm-alloc.spec.ts';
import { shmMmap } from './shm-mmap.spec.ts';
import { shmRegister } from './shm-register.spec.ts';
import { runSpecs } from './suite.ts';
import { supplicant } from './supplicant.spec.ts';
import { versions } from './versions.spec.ts';

const SPECS = {
  device,
  SHM_ALLOC: shmAlloc,
  SHM_REGISTER: shmRegister,
  'shared memory as a file': shmMmap,
  arguments: argument,
  pointers,
  parameters: params,
  sessions: session,
  logins: login,
  lifetimes: lifetime,
  supplicants: supplicant,
  'kernel versions': versions,
};

const POINTER_BYTES = 8;

for (const name of ['linux-6.1', 'linux-7.3', 'hardened'] as const) {
  runSpecs(new BoxTarget(PROFILES[name]), SPECS);
  // LOAD_TA is the first thing that is asked of a supplicant then.
  runSpecs(new BoxTarget(PROFILES[name], { CFG_SECSTOR_TA: false }), SPECS);
}

describe('the specs of pointers', () => {
  for (const name of Object.keys(TEE_IOCTLS) as IoctlName[]) {
    it(`know every field of ${name} that could be one`, () => {
      const { struct, fields } = ROWS[name];
      assert.equal(struct.byteLength, _IOC_SIZE(TEE_IOCTLS[name]));
      const wide = struct.fields.filter(({ size, padding }) => size === POINTER_BYTES && !padding);
      assert.deepEqual(wide.map((field) => field.name).sort(), Object.keys(fields).sort());
    });
  }
});

const { TEE_DEVICE } = process.env;
if (TEE_DEVICE !== undefined) runSpecs(new DeviceTarget(TEE_DEVICE, process.env), SPECS);
else it('a real device', { skip: 'TEE_DEVICE names none: the specs ran on boxes only' }, () => {});
