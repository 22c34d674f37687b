/**
 * The TA of algorithms.ts: a session has an operation of each algorithm, with a key of its own. One
 * command does a whole message, another feeds a piece to a message that is under way.
 */
import {
  TEE_ALG_AES_CTR,
  TEE_ALG_AES_GCM,
  TEE_ALG_SHA256,
  TEE_ATTR_SECRET_VALUE,
  TEE_Attribute,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_HANDLE_NULL,
  TEE_MODE_DIGEST,
  TEE_MODE_ENCRYPT,
  TEE_SUCCESS,
  TEE_TYPE_AES,
  defineTa,
  ref,
} from '../src/ta/index.ts';
import type { TEE_ObjectHandle, TEE_OperationHandle, TEE_Params, Tee } from '../src/ta/index.ts';

export const ALGORITHMS_TA_UUID = '0d5d4a1c-6f0e-4c52-9d56-2c0b9a3f7e11';

/** Of both ciphers. */
export const KEY = new Uint8Array(16).fill(0xa5);

/** Bytes of the tag. */
export const TAG_BYTES = 16;

/** Parameters: input, output, vector, tag. */
export const COMMAND = {
  ctr: 0,
  ctrUpdate: 1,
  gcm: 2,
  gcmUpdate: 3,
  sha256: 4,
  sha256Update: 5,
} as const;

/** Operations for whole messages, and those that stay under way. */
class Operations {
  readonly ctr: TEE_OperationHandle;
  readonly ctrUpdate: TEE_OperationHandle;
  readonly gcm: TEE_OperationHandle;
  readonly gcmUpdate: TEE_OperationHandle;
  readonly sha256: TEE_OperationHandle;
  readonly sha256Update: TEE_OperationHandle;

  constructor(tee: Tee) {
    this.ctr = keyed(tee, TEE_ALG_AES_CTR);
    this.ctrUpdate = keyed(tee, TEE_ALG_AES_CTR);
    tee.TEE_CipherInit(this.ctrUpdate, new Uint8Array(16));
    this.gcm = keyed(tee, TEE_ALG_AES_GCM);
    this.gcmUpdate = keyed(tee, TEE_ALG_AES_GCM);
    tee.TEE_AEInit(this.gcmUpdate, new Uint8Array(12), TAG_BYTES * 8, 0, 0);
    this.sha256 = allocated(tee, TEE_ALG_SHA256, TEE_MODE_DIGEST, 0);
    this.sha256Update = allocated(tee, TEE_ALG_SHA256, TEE_MODE_DIGEST, 0);
  }
}

function allocated(tee: Tee, algorithm: number, mode: number, bits: number): TEE_OperationHandle {
  const handle = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  const result = tee.TEE_AllocateOperation(handle, algorithm, mode, bits);
  if (result !== TEE_SUCCESS) tee.TEE_Panic(result);
  return handle.value;
}

function keyed(tee: Tee, algorithm: number): TEE_OperationHandle {
  const bits = KEY.length * 8;
  const operation = allocated(tee, algorithm, TEE_MODE_ENCRYPT, bits);
  const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  tee.TEE_AllocateTransientObject(TEE_TYPE_AES, bits, object);
  const secret = new TEE_Attribute();
  tee.TEE_InitRefAttribute(secret, TEE_ATTR_SECRET_VALUE, KEY);
  tee.TEE_PopulateTransientObject(object.value, [secret]);
  tee.TEE_SetOperationKey(operation, object.value);
  tee.TEE_FreeTransientObject(object.value);
  return operation;
}

type Command = (tee: Tee, operations: Operations, params: TEE_Params) => number;

const COMMANDS: ReadonlyMap<number, Command> = new Map<number, Command>([
  [
    COMMAND.ctr,
    (tee, { ctr }, [input, output, vector]) => {
      tee.TEE_CipherInit(ctr, vector.memref.buffer);
      return tee.TEE_CipherDoFinal(ctr, input.memref.buffer, output.memref);
    },
  ],
  [
    COMMAND.ctrUpdate,
    (tee, { ctrUpdate }, [input, output]) =>
      tee.TEE_CipherUpdate(ctrUpdate, input.memref.buffer, output.memref),
  ],
  [
    COMMAND.gcm,
    (tee, { gcm }, [input, output, vector, tag]) => {
      const result = tee.TEE_AEInit(gcm, vector.memref.buffer, TAG_BYTES * 8, 0, 0);
      if (result !== TEE_SUCCESS) return result;
      return tee.TEE_AEEncryptFinal(gcm, input.memref.buffer, output.memref, tag.memref);
    },
  ],
  [
    COMMAND.gcmUpdate,
    (tee, { gcmUpdate }, [input, output]) =>
      tee.TEE_AEUpdate(gcmUpdate, input.memref.buffer, output.memref),
  ],
  [
    COMMAND.sha256,
    (tee, { sha256 }, [input, output]) =>
      tee.TEE_DigestDoFinal(sha256, input.memref.buffer, output.memref),
  ],
  [
    COMMAND.sha256Update,
    (tee, { sha256Update }, [input]) => {
      tee.TEE_DigestUpdate(sha256Update, input.memref.buffer);
      return TEE_SUCCESS;
    },
  ],
]);

export default defineTa<Operations>({ uuid: ALGORITHMS_TA_UUID }, (tee) => ({
  TA_CreateEntryPoint: () => TEE_SUCCESS,
  TA_DestroyEntryPoint() {},
  TA_OpenSessionEntryPoint(_paramTypes, _params, session) {
    session.context = new Operations(tee);
    return TEE_SUCCESS;
  },
  TA_CloseSessionEntryPoint() {},
  TA_InvokeCommandEntryPoint({ context }, commandID, _paramTypes, params) {
    return COMMANDS.get(commandID)?.(tee, context, params) ?? TEE_ERROR_NOT_SUPPORTED;
  },
}));
