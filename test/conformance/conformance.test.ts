/**
 * The specs of the /dev/tee ABI, on a box for each kernel, and on a real device where TEE_DEVICE
 * names one (and TEE_PRIV_DEVICE its privileged sister, with no supplicant running; without it the
 * specs count on a supplicant that loads the public example TAs).
 */
import { describe, it } from 'node:test';
import { PROFILES } from '../../src/index.ts';
import { argument } from './argument.spec.ts';
import { BoxTarget } from './box-target.ts';
import { device } from './device.spec.ts';
import { params } from './params.spec.ts';
import { shmAlloc } from './shm-alloc.spec.ts';
import { shmMmap } from './shm-mmap.spec.ts';
import { shmRegister } from './shm-register.spec.ts';
import { runSpecs } from './suite.ts';

const SPECS = {
  device,
  SHM_ALLOC: shmAlloc,
  SHM_REGISTER: shmRegister,
  'shared memory as a file': shmMmap,
  arguments: argument,
  parameters: params,
};

for (const name of ['linux-6.1', 'linux-7.3'] as const) {
  runSpecs(new BoxTarget(PROFILES[name]), SPECS);
}
