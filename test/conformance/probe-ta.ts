/**
 * A TA that tells its client what it saw of a call: who the client is, and what of its parameters
 * has come through.
 */
import {
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_PROPSET_CURRENT_CLIENT,
  TEE_SUCCESS,
  TEE_Identity,
  defineTa,
} from '../../src/ta/index.ts';
import type { TEE_Params, Tee } from '../../src/ta/index.ts';

export const PROBE_UUID = '6b1c2a44-0f3d-4e7b-8f0a-52c9a1d7e360';

export const PROBE_CMD = {
  /** [0] value out: the login; [1] memref out: the client's UUID as text. */
  WHO: 0,
  /** [0] value inout: a and b change places. [1] value out: paramTypes. */
  SWAP: 1,
  /** [0] memref inout: all its bytes are inverted. */
  INVERT: 2,
  /** [0] memref out: asks for a byte more than there is. */
  SHORT: 3,
  /** [0] value in: the result. */
  RESULT: 4,
} as const;

type Handler = (tee: Tee, params: TEE_Params, paramTypes: number) => number;

function who(tee: Tee, params: TEE_Params): number {
  const identity = new TEE_Identity();
  tee.TEE_GetPropertyAsIdentity(TEE_PROPSET_CURRENT_CLIENT, 'gpd.client.identity', identity);
  params[0].value.a = identity.login;
  const text = new TextEncoder().encode(identity.uuid);
  params[1].memref.buffer?.set(text);
  params[1].memref.size = text.length;
  return TEE_SUCCESS;
}

function swap(_tee: Tee, params: TEE_Params, paramTypes: number): number {
  const { value } = params[0];
  [value.a, value.b] = [value.b, value.a];
  params[1].value.a = paramTypes;
  return TEE_SUCCESS;
}

function invert(_tee: Tee, params: TEE_Params): number {
  const bytes = params[0].memref.buffer ?? new Uint8Array(0);
  for (let i = 0; i < bytes.length; i++) bytes[i] = ~bytes[i]!;
  return TEE_SUCCESS;
}

function short(_tee: Tee, params: TEE_Params): number {
  params[0].memref.size += 1;
  return TEE_ERROR_SHORT_BUFFER;
}

const HANDLERS: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [PROBE_CMD.WHO, who],
  [PROBE_CMD.SWAP, swap],
  [PROBE_CMD.INVERT, invert],
  [PROBE_CMD.SHORT, short],
  [PROBE_CMD.RESULT, (_tee, params) => params[0].value.a],
]);

export default defineTa({ uuid: PROBE_UUID, description: 'Conformance probe' }, (tee) => ({
  TA_CreateEntryPoint: () => TEE_SUCCESS,
  TA_DestroyEntryPoint() {},
  TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
  TA_CloseSessionEntryPoint() {},
  TA_InvokeCommandEntryPoint(_session, commandID, paramTypes, params) {
    const handler = HANDLERS.get(commandID);
    return handler?.(tee, params, paramTypes) ?? TEE_ERROR_NOT_SUPPORTED;
  },
}));
