/** TAs whose entry points sleep, break and call each other, as coroutines over the system calls. */
import { TEE_SUCCESS } from '../../src/abi/gp.ts';
import { TA_FLAG_MULTI_SESSION, TA_FLAG_SINGLE_INSTANCE } from '../../src/abi/ta-head.ts';
import { testTa } from '../../src/optee-os/testing/test-ta.ts';
import type { TestCall } from '../../src/optee-os/testing/test-ta.ts';
import type { Co } from '../../src/sched/task.ts';

/** Each session has an instance of its own. */
export const MANY_UUID = '1f1c3a62-0c5e-4b0e-9d35-5a7b11c6d001';
/** All sessions share one instance, which is entered by one at a time. */
export const ONE_UUID = '1f1c3a62-0c5e-4b0e-9d35-5a7b11c6d002';
export const MISSING_UUID = 'deadbeef-0000-0000-0000-000000000000';

export const CMD = {
  /** [0] value inout: a + 1. */
  INC: 0,
  /** [0] value in: a milliseconds. */
  WAIT: 1,
  /** [0] memref inout: its first byte + 1. */
  TOUCH: 2,
} as const;

function* increment({ params }: TestCall): Co<number> {
  const slot = params!.slots[0]!;
  slot.a += 1;
  return TEE_SUCCESS;
}

function* wait({ tee, params }: TestCall): Co<number> {
  return yield* tee.wait(params!.slots[0]!.a);
}

function* touch({ params, environment }: TestCall): Co<number> {
  const { memref, size } = params!.slots[0]!;
  if (memref === undefined || size === 0) return TEE_SUCCESS;
  const { bytes, writeBack } = environment.port.mapContiguous(
    memref.pages,
    memref.offset,
    size,
    'write',
  );
  bytes[0]! += 1;
  writeBack();
  return TEE_SUCCESS;
}

const commands = { [CMD.INC]: increment, [CMD.WAIT]: wait, [CMD.TOUCH]: touch };

export const TAS = [
  testTa({ uuid: MANY_UUID, commands }),
  testTa({ uuid: ONE_UUID, flags: TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION, commands }),
];
