/**
 * `teebox/ta`: everything that a trusted application in TypeScript imports.
 *
 *     import { defineTa, TEE_SUCCESS } from 'teebox/ta';
 *     export default defineTa({ uuid: '…' }, (tee) => ({ TA_CreateEntryPoint: () => TEE_SUCCESS, … }));
 *
 * How the functions of `tee` map C's pointers: `gp/types.ts`.
 */
export * from '../abi/gp.ts';
export * from '../abi/gp-socket.ts';
export * from '../abi/ta-head.ts';
export * from '../abi/trace-levels.ts';
export { TEE_USER_MEM_HINT_NO_FILL_ZERO } from '../abi/utee-defines.ts';
export type { Tee } from './gp/tee.ts';
export { TEE_BigIntSizeInU32 } from './gp/arithmetic-layout.ts';
export type { TEE_BigInt, TEE_BigIntFMM, TEE_BigIntFMMContext } from './gp/arithmetic-layout.ts';
export {
  TEE_Attribute,
  TEE_Identity,
  TEE_ObjectInfo,
  TEE_OperationInfo,
  TEE_OperationInfoMultiple,
  TEE_Param,
  memref,
  newParams,
  ref,
} from './gp/types.ts';
export type {
  MaybePromise,
  Ref,
  TEE_Memref,
  TEE_ObjectEnumHandle,
  TEE_ObjectHandle,
  TEE_OperationHandle,
  TEE_OperationInfoKey,
  TEE_Params,
  TEE_PropSetHandle,
  TEE_TASessionHandle,
  TEE_Time,
  TEE_Value,
  TEE_iSocket,
  TEE_iSocketHandle,
  TEE_ipSocket_Setup,
} from './gp/types.ts';
export type { TaPropertyValue } from './runtime.ts';
export { TaSession, defineTa } from './typescript/define.ts';
export type { TaDefinition, TaEntryPoints, TaProperties } from './typescript/define.ts';
