/**
 * For tests: trusted applications that kernel clients look for and OP-TEE does not have, or that
 * answer otherwise than OP-TEE's.
 */
import { BNXT_UUID, PTA_RNG_UUID, TA_CMD_BNXT_COPY_COREDUMP } from '../../../abi/pta.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INPUT,
} from '../../../abi/gp.ts';
import {
  TA_FLAG_DEVICE_ENUM,
  TA_FLAG_MULTI_SESSION,
  TA_FLAG_SINGLE_INSTANCE,
} from '../../../abi/ta-head.ts';
import type { TEE_Params } from '../../../ta/gp/types.ts';
import { defineTa } from '../../../ta/typescript/define.ts';
import { taImageOf } from '../../../ta/typescript/image.ts';
import type { TaImage } from '../../../ta/runtime.ts';

const FLAGS = TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION | TA_FLAG_DEVICE_ENUM;

type Invoke = (command: number, types: number, params: TEE_Params) => number;

export interface PeerOptions {
  readonly invoke: Invoke;
  /** What opening a session answers. */
  readonly open?: number;
}

/** A TA of that UUID, on the TEE bus. */
export function peerTa(uuid: string, { invoke, open = 0 }: PeerOptions): TaImage {
  const definition = defineTa({ uuid, flags: FLAGS }, () => ({
    TA_CreateEntryPoint: () => 0,
    TA_DestroyEntryPoint() {},
    TA_OpenSessionEntryPoint: () => open,
    TA_CloseSessionEntryPoint() {},
    TA_InvokeCommandEntryPoint: (_session, command, types, params) =>
      invoke(command, types, params),
  }));
  return taImageOf({ default: definition }, 'peer');
}

/** Byte `n` of the core dump that the bnxt TA has. */
export const dumpByte = (n: number): number => (n * 7 + (n >> 12)) & 0xff;

/** Broadcom's TA is not public: this one does what its client's comments say. */
export function bnxtTa(more: (command: number, params: TEE_Params) => number = () => 0): TaImage {
  const { MEMREF, VALUE, NONE } = {
    MEMREF: TEE_PARAM_TYPE_MEMREF_INOUT,
    VALUE: TEE_PARAM_TYPE_VALUE_INPUT,
    NONE: TEE_PARAM_TYPE_NONE,
  };
  const invoke: Invoke = (command, types, params) => {
    const dump = command === TA_CMD_BNXT_COPY_COREDUMP;
    const wanted = dump ? TEE_PARAM_TYPES(MEMREF, VALUE, NONE, NONE) : 0;
    if (types !== wanted) return TEE_ERROR_BAD_PARAMETERS;
    if (dump) {
      const { a: offset, b: size } = params[1].value;
      const { buffer } = params[0].memref;
      for (let n = 0; n < size; n++) buffer![n] = dumpByte(offset + n);
    }
    return more(command, params);
  };
  return peerTa(BNXT_UUID, { invoke });
}

export const rngTa = (invoke: Invoke): TaImage => peerTa(PTA_RNG_UUID, { invoke });
