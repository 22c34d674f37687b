/** The TA that the model predicts: one instance for all sessions. */
import {
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_NUM_PARAMS,
  TEE_PARAM_TYPE_GET,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_VALUE_INOUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../src/abi/gp.ts';
import { TA_FLAG_MULTI_SESSION, TA_FLAG_SINGLE_INSTANCE } from '../../src/abi/ta-head.ts';
import { testTa } from '../../src/optee-os/testing/test-ta.ts';
import type { TestCall } from '../../src/optee-os/testing/test-ta.ts';
import type { Co } from '../../src/sched/task.ts';
import { MODEL_CMD } from './params.ts';

export const MODEL_UUID = '0d2f4c11-3a5b-4d0e-8c7d-9a1b2c3d4e5f';

const typesOf = ({ params }: TestCall): readonly number[] =>
  Array.from({ length: TEE_NUM_PARAMS }, (_, n) => TEE_PARAM_TYPE_GET(params!.types, n));

function* plain(call: TestCall): Co<number> {
  for (const [n, type] of typesOf(call).entries()) {
    const slot = call.params!.slots[n]!;
    if (type === TEE_PARAM_TYPE_VALUE_INOUT) slot.a = (slot.a + 1) >>> 0;
    if (type === TEE_PARAM_TYPE_VALUE_OUTPUT) Object.assign(slot, { a: 7, b: 8 });
  }
  return TEE_SUCCESS;
}

function* short(call: TestCall): Co<number> {
  for (const [n, type] of typesOf(call).entries()) {
    const isOutput = type === TEE_PARAM_TYPE_MEMREF_OUTPUT || type === TEE_PARAM_TYPE_MEMREF_INOUT;
    if (isOutput) call.params!.slots[n]!.size += 1;
  }
  return TEE_ERROR_SHORT_BUFFER;
}

function* unknown(): Co<number> {
  return TEE_ERROR_NOT_SUPPORTED;
}

export const modelTa = testTa({
  uuid: MODEL_UUID,
  flags: TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION,
  commands: { [MODEL_CMD.PLAIN]: plain, [MODEL_CMD.SHORT]: short, 2: unknown },
});
