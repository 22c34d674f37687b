/** The TA of invoke-client.c: it does nothing, so that what is timed is the way to it and back. */
import { TEE_SUCCESS, defineTa } from '../../src/ta/index.ts';

export const BENCH_TA_UUID = '5be10d44-9f0c-4a35-8a8e-60714e2c13f5';

export default defineTa({ uuid: BENCH_TA_UUID }, () => ({
  TA_CreateEntryPoint: () => TEE_SUCCESS,
  TA_DestroyEntryPoint() {},
  TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
  TA_CloseSessionEntryPoint() {},
  TA_InvokeCommandEntryPoint: () => TEE_SUCCESS,
}));
