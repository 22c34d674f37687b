/**
 * Digests and message authentication codes, the trusted application: each session holds one
 * operation. Same UUID, commands, results and log lines as OP-TEE's public example (optee_examples,
 * sha/ta). As there, the message of a MAC goes in twice.
 */
import {
  TEE_ATTR_SECRET_VALUE,
  TEE_Attribute,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_HANDLE_NULL,
  TEE_MALLOC_FILL_ZERO,
  TEE_MODE_DIGEST,
  TEE_MODE_MAC,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_SUCCESS,
  TEE_TYPE_AES,
  TEE_TYPE_HMAC_SHA1,
  TEE_TYPE_HMAC_SHA224,
  TEE_TYPE_HMAC_SHA256,
  TEE_TYPE_HMAC_SHA384,
  TEE_TYPE_HMAC_SHA512,
  defineTa,
  ref,
} from 'teebox/ta';
import type { TEE_Memref, TEE_ObjectHandle, TEE_OperationHandle, TEE_Params, Tee } from 'teebox/ta';
import {
  TA_SHA_CMD_COMPARE_MAC,
  TA_SHA_CMD_COMPUTE_DIGEST,
  TA_SHA_CMD_COMPUTE_MAC,
  TA_SHA_CMD_PREPARE,
  TA_SHA_CMD_SET_IV,
  TA_SHA_CMD_SET_KEY,
  TA_SHA_OBJ_TYPE_AES,
  TA_SHA_OBJ_TYPE_HMAC_SHA1,
  TA_SHA_OBJ_TYPE_HMAC_SHA224,
  TA_SHA_OBJ_TYPE_HMAC_SHA256,
  TA_SHA_OBJ_TYPE_HMAC_SHA384,
  TA_SHA_OBJ_TYPE_HMAC_SHA512,
  TA_SHA_UUID,
} from './sha-ta.ts';

const OBJECT_TYPES: ReadonlyMap<number, number> = new Map([
  [TA_SHA_OBJ_TYPE_HMAC_SHA256, TEE_TYPE_HMAC_SHA256],
  [TA_SHA_OBJ_TYPE_HMAC_SHA1, TEE_TYPE_HMAC_SHA1],
  [TA_SHA_OBJ_TYPE_HMAC_SHA224, TEE_TYPE_HMAC_SHA224],
  [TA_SHA_OBJ_TYPE_HMAC_SHA384, TEE_TYPE_HMAC_SHA384],
  [TA_SHA_OBJ_TYPE_HMAC_SHA512, TEE_TYPE_HMAC_SHA512],
  [TA_SHA_OBJ_TYPE_AES, TEE_TYPE_AES],
]);

const NONE = TEE_PARAM_TYPE_NONE;
const VALUE = TEE_PARAM_TYPE_VALUE_INPUT;
const IN = TEE_PARAM_TYPE_MEMREF_INPUT;
const OUT = TEE_PARAM_TYPE_MEMREF_OUTPUT;

const hex = (n: number): string => `0x${n.toString(16)}`;

/** What a session remembers. */
class Sha {
  readonly id: number;
  /** Bytes. */
  keySize = 0;
  opHandle: TEE_OperationHandle = TEE_HANDLE_NULL;
  keyHandle: TEE_ObjectHandle = TEE_HANDLE_NULL;

  constructor(id: number) {
    this.id = id;
  }
}

function release(tee: Tee, sess: Sha): void {
  tee.TEE_FreeTransientObject(sess.keyHandle);
  sess.keyHandle = TEE_HANDLE_NULL;
  tee.TEE_FreeOperation(sess.opHandle);
  sess.opHandle = TEE_HANDLE_NULL;
}

/** The session's operation anew. */
function allocateOperation(
  tee: Tee,
  sess: Sha,
  algorithm: number,
  mode: number,
  bits: number,
): number {
  tee.TEE_FreeOperation(sess.opHandle);
  const operation = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  const result = tee.TEE_AllocateOperation(operation, algorithm, mode, bits);
  sess.opHandle = operation.value;
  return result;
}

/**
 * Has `make` fill memory of the TA's own, which then goes to the client: what the client shares can
 * change at any time.
 */
function give(tee: Tee, to: TEE_Memref, make: (own: TEE_Memref) => number): number {
  const wanted = to.buffer !== null && to.size > 0;
  const buffer = wanted ? tee.TEE_Malloc(to.size, TEE_MALLOC_FILL_ZERO) : null;
  if (wanted && buffer === null) return TEE_ERROR_OUT_OF_MEMORY;
  const own: TEE_Memref = { buffer, size: to.size };
  const result = make(own);
  if (result === TEE_SUCCESS) tee.TEE_MemMove(to.buffer, own.buffer, own.size);
  to.size = own.size;
  tee.TEE_Free(buffer);
  return result;
}

/** TA_SHA_CMD_COMPUTE_DIGEST */
function compute_digest(tee: Tee, sess: Sha, types: number, params: TEE_Params): number {
  if (types !== TEE_PARAM_TYPES(IN, OUT, VALUE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  tee.DMSG(`Session ${sess.id}: get compute digest`);
  return give(tee, params[1].memref, (digest) => {
    const result = allocateOperation(tee, sess, params[2].value.a, TEE_MODE_DIGEST, 0);
    if (result !== TEE_SUCCESS) return result;
    tee.TEE_DigestUpdate(sess.opHandle, params[0].memref.buffer);
    return tee.TEE_DigestDoFinal(sess.opHandle, null, digest);
  });
}

/** How a step went, and the error line to print if it failed. */
type Outcome = readonly [result: number, failure: string];

/** TA_SHA_CMD_PREPARE: an operation, and an object to load its key from. */
function alloc_resources(tee: Tee, sess: Sha, types: number, params: TEE_Params): number {
  tee.DMSG(`Session ${sess.id}: get resources`);
  if (types !== TEE_PARAM_TYPES(VALUE, VALUE, VALUE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  const objectType = OBJECT_TYPES.get(params[2].value.a);
  if (objectType === undefined) {
    tee.EMSG(`Invalid mode ${params[2].value.a}`);
    return TEE_ERROR_BAD_PARAMETERS;
  }
  sess.keySize = params[1].value.a;
  const [result, failure] = prepare(tee, sess, params[0].value.a, objectType);
  if (failure !== '') tee.EMSG(failure);
  if (result !== TEE_SUCCESS) release(tee, sess);
  return result;
}

function prepare(tee: Tee, sess: Sha, algorithm: number, objectType: number): Outcome {
  const bits = sess.keySize * 8;
  let result = allocateOperation(tee, sess, algorithm, TEE_MODE_MAC, bits);
  if (result !== TEE_SUCCESS) return [result, 'Failed to allocate operation'];
  tee.TEE_FreeTransientObject(sess.keyHandle);
  const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  result = tee.TEE_AllocateTransientObject(objectType, bits, object);
  sess.keyHandle = object.value;
  if (result !== TEE_SUCCESS) return [result, 'Failed to allocate transient object'];
  // An operation without a key cannot be reset, which is what set_sha_key() does first.
  const key = tee.TEE_Malloc(sess.keySize, TEE_MALLOC_FILL_ZERO);
  if (key === null) return [TEE_ERROR_OUT_OF_MEMORY, ''];
  const populated = populate(tee, sess, key);
  tee.TEE_Free(key);
  return populated[0] === TEE_SUCCESS ? useKey(tee, sess) : populated;
}

function populate(tee: Tee, sess: Sha, key: Uint8Array | null): Outcome {
  const attr = new TEE_Attribute();
  tee.TEE_InitRefAttribute(attr, TEE_ATTR_SECRET_VALUE, key);
  const result = tee.TEE_PopulateTransientObject(sess.keyHandle, [attr]);
  const failed = `TEE_PopulateTransientObject failed, ${hex(result)}`;
  return [result, result === TEE_SUCCESS ? '' : failed];
}

function useKey(tee: Tee, sess: Sha): Outcome {
  const result = tee.TEE_SetOperationKey(sess.opHandle, sess.keyHandle);
  const failed = `TEE_SetOperationKey failed ${hex(result)}`;
  return [result, result === TEE_SUCCESS ? '' : failed];
}

function notInitialized(tee: Tee): number {
  tee.EMSG('Operation not properly initialized.');
  return TEE_ERROR_BAD_STATE;
}

/** TA_SHA_CMD_SET_KEY */
function set_sha_key(tee: Tee, sess: Sha, types: number, params: TEE_Params): number {
  tee.DMSG(`Session ${sess.id}: load key material`);
  if (sess.keyHandle === TEE_HANDLE_NULL || sess.opHandle === TEE_HANDLE_NULL) {
    return notInitialized(tee);
  }
  if (types !== TEE_PARAM_TYPES(IN, NONE, NONE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  const { buffer, size } = params[0].memref;
  if (size !== sess.keySize) {
    tee.EMSG(`Wrong key size ${size}, expect ${sess.keySize} bytes`);
    return TEE_ERROR_BAD_PARAMETERS;
  }
  tee.TEE_ResetTransientObject(sess.keyHandle);
  let [result, failure] = populate(tee, sess, buffer);
  if (result === TEE_SUCCESS) {
    tee.TEE_ResetOperation(sess.opHandle);
    [result, failure] = useKey(tee, sess);
  }
  if (failure !== '') tee.EMSG(failure);
  return result;
}

/** TA_SHA_CMD_SET_IV */
function reset_sha_iv(tee: Tee, sess: Sha, types: number, params: TEE_Params): number {
  tee.DMSG(`Session ${sess.id}: reset initial vector`);
  if (sess.opHandle === TEE_HANDLE_NULL) return notInitialized(tee);
  if (types !== TEE_PARAM_TYPES(IN, NONE, NONE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  tee.TEE_MACInit(sess.opHandle, params[0].memref.buffer);
  return TEE_SUCCESS;
}

/** TA_SHA_CMD_COMPUTE_MAC */
function sha_update_op(tee: Tee, sess: Sha, types: number, params: TEE_Params): number {
  tee.DMSG(`Session ${sess.id}: sha update operation`);
  if (sess.opHandle === TEE_HANDLE_NULL) return notInitialized(tee);
  if (types !== TEE_PARAM_TYPES(IN, OUT, NONE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  const message = params[0].memref.buffer;
  return give(tee, params[1].memref, (mac) => {
    tee.TEE_MACUpdate(sess.opHandle, message);
    return tee.TEE_MACComputeFinal(sess.opHandle, message, mac);
  });
}

/** TA_SHA_CMD_COMPARE_MAC */
function compare_hmac_sha_algo(tee: Tee, sess: Sha, types: number, params: TEE_Params): number {
  tee.DMSG(`Session ${sess.id}: Compare HMAC SHA`);
  if (sess.opHandle === TEE_HANDLE_NULL) return notInitialized(tee);
  if (types !== TEE_PARAM_TYPES(IN, IN, NONE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  const message = params[0].memref.buffer;
  tee.TEE_MACUpdate(sess.opHandle, message);
  return tee.TEE_MACCompareFinal(sess.opHandle, message, params[1].memref.buffer);
}

type Command = (tee: Tee, sess: Sha, types: number, params: TEE_Params) => number;

const COMMANDS: ReadonlyMap<number, Command> = new Map([
  [TA_SHA_CMD_PREPARE, alloc_resources],
  [TA_SHA_CMD_SET_KEY, set_sha_key],
  [TA_SHA_CMD_SET_IV, reset_sha_iv],
  [TA_SHA_CMD_COMPUTE_MAC, sha_update_op],
  [TA_SHA_CMD_COMPARE_MAC, compare_hmac_sha_algo],
  [TA_SHA_CMD_COMPUTE_DIGEST, compute_digest],
]);

export default defineTa<Sha>(
  {
    uuid: TA_SHA_UUID,
    flags: 0,
    stackSize: 2 * 1024,
    dataSize: 32 * 1024,
    version: '1.0',
    description: 'Example of TA using an SHA sequence',
  },
  (tee) => {
    let sessions = 0;
    return {
      TA_CreateEntryPoint: () => TEE_SUCCESS,

      TA_DestroyEntryPoint() {},

      TA_OpenSessionEntryPoint(_paramTypes, _params, session) {
        sessions += 1;
        session.context = new Sha(sessions);
        tee.DMSG(`Session ${session.context.id}: newly allocated`);
        return TEE_SUCCESS;
      },

      TA_CloseSessionEntryPoint({ context }) {
        tee.DMSG(`Session ${context.id}: release session`);
        release(tee, context);
      },

      TA_InvokeCommandEntryPoint({ context }, commandID, paramTypes, params) {
        const command = COMMANDS.get(commandID);
        if (command !== undefined) return command(tee, context, paramTypes, params);
        tee.EMSG(`Command ID ${hex(commandID)} is not supported`);
        return TEE_ERROR_NOT_SUPPORTED;
      },
    };
  },
);
