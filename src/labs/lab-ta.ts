/** The TA of the labs: looks at every byte that it is given, and gives their sum. */
import { TEE_SUCCESS, defineTa } from '../ta/index.ts';
import { taImageOf } from '../ta/typescript/image.ts';

export const LAB_UUID = '6c616273-7465-6562-6f78-000000000001';

/** Of all bytes, in 32 bits. */
export function sumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (let n = 0; n < bytes.length; n++) sum = (sum + bytes[n]!) | 0;
  return sum >>> 0;
}

/** The memory is parameter 0, the sum goes to value a of parameter 1. */
export const LAB_TA = taImageOf(
  {
    default: defineTa({ uuid: LAB_UUID, flags: 0, stackSize: 2048, dataSize: 32 * 1024 }, () => ({
      TA_CreateEntryPoint: () => TEE_SUCCESS,
      TA_DestroyEntryPoint: () => undefined,
      TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
      TA_CloseSessionEntryPoint: () => undefined,
      TA_InvokeCommandEntryPoint(_session, _command, _types, params) {
        params[1].value.a = sumOf(params[0].memref.buffer ?? new Uint8Array(0));
        return TEE_SUCCESS;
      },
    })),
  },
  'labs',
);
