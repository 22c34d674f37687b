/**
 * AES, the trusted application: each session holds one cipher operation that its client configures,
 * gives a key and feeds. Same UUID, commands, results and log lines as OP-TEE's public example
 * (optee_examples, aes/ta).
 */
import {
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_AES_CCM,
  TEE_ALG_AES_CTR,
  TEE_ALG_AES_ECB_NOPAD,
  TEE_ALG_AES_GCM,
  TEE_ATTR_SECRET_VALUE,
  TEE_Attribute,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_HANDLE_NULL,
  TEE_MALLOC_FILL_ZERO,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_SUCCESS,
  TEE_TYPE_AES,
  defineTa,
  ref,
} from 'teebox/ta';
import type { TEE_Memref, TEE_ObjectHandle, TEE_OperationHandle, TEE_Params, Tee } from 'teebox/ta';
import {
  TA_AES_ALGO_CBC,
  TA_AES_ALGO_CCM,
  TA_AES_ALGO_CTR,
  TA_AES_ALGO_ECB,
  TA_AES_ALGO_GCM,
  TA_AES_CMD_AUTHENC,
  TA_AES_CMD_CIPHER,
  TA_AES_CMD_PREPARE,
  TA_AES_CMD_SET_IV,
  TA_AES_CMD_SET_KEY,
  TA_AES_MODE_DECODE,
  TA_AES_MODE_ENCODE,
  TA_AES_SIZE_128BIT,
  TA_AES_SIZE_256BIT,
  TA_AES_UUID,
} from './aes-ta.ts';

const ALGORITHMS: ReadonlyMap<number, number> = new Map([
  [TA_AES_ALGO_ECB, TEE_ALG_AES_ECB_NOPAD],
  [TA_AES_ALGO_CBC, TEE_ALG_AES_CBC_NOPAD],
  [TA_AES_ALGO_CTR, TEE_ALG_AES_CTR],
  [TA_AES_ALGO_CCM, TEE_ALG_AES_CCM],
  [TA_AES_ALGO_GCM, TEE_ALG_AES_GCM],
]);

const MODES: ReadonlyMap<number, number> = new Map([
  [TA_AES_MODE_ENCODE, TEE_MODE_ENCRYPT],
  [TA_AES_MODE_DECODE, TEE_MODE_DECRYPT],
]);

const KEY_SIZES: ReadonlySet<number> = new Set([TA_AES_SIZE_128BIT, TA_AES_SIZE_256BIT]);

const NONE = TEE_PARAM_TYPE_NONE;
const VALUE_IN = TEE_PARAM_TYPE_VALUE_INPUT;
const MEMREF_IN = TEE_PARAM_TYPE_MEMREF_INPUT;
const MEMREF_OUT = TEE_PARAM_TYPE_MEMREF_OUTPUT;

/** What a session remembers. */
class AesCipher {
  readonly id: number;
  algo = 0;
  mode = 0;
  /** Bytes. */
  keySize = 0;
  opHandle: TEE_OperationHandle = TEE_HANDLE_NULL;
  keyHandle: TEE_ObjectHandle = TEE_HANDLE_NULL;

  constructor(id: number) {
    this.id = id;
  }
}

/** The TEE's id of a client's algorithm; undefined, with an error line, when there is none. */
function ta2tee_algo_id(tee: Tee, algo: number): number | undefined {
  const id = ALGORITHMS.get(algo);
  if (id === undefined) tee.EMSG(`Invalid algo ${algo}`);
  return id;
}

function ta2tee_key_size(tee: Tee, keySize: number): number | undefined {
  if (KEY_SIZES.has(keySize)) return keySize;
  tee.EMSG(`Invalid key size ${keySize}`);
  return undefined;
}

function ta2tee_mode_id(tee: Tee, mode: number): number | undefined {
  const id = MODES.get(mode);
  if (id === undefined) tee.EMSG(`Invalid mode ${mode}`);
  return id;
}

/** How a step went, and the error line to print if it failed. */
type Outcome = readonly [result: number, failure: string];
const DONE: Outcome = [TEE_SUCCESS, ''];

/** TA_AES_CMD_PREPARE: an operation, and an object to load its key from. */
function alloc_resources(tee: Tee, sess: AesCipher, types: number, params: TEE_Params): number {
  tee.DMSG(`Session ${sess.id}: get ciphering resources`);
  if (types !== TEE_PARAM_TYPES(VALUE_IN, VALUE_IN, VALUE_IN, NONE)) {
    return TEE_ERROR_BAD_PARAMETERS;
  }
  const algo = ta2tee_algo_id(tee, params[0].value.a);
  if (algo === undefined) return TEE_ERROR_BAD_PARAMETERS;
  sess.algo = algo;
  const keySize = ta2tee_key_size(tee, params[1].value.a);
  if (keySize === undefined) return TEE_ERROR_BAD_PARAMETERS;
  sess.keySize = keySize;
  const mode = ta2tee_mode_id(tee, params[2].value.a);
  if (mode === undefined) return TEE_ERROR_BAD_PARAMETERS;
  sess.mode = mode;

  const [result, failure] = allocate(tee, sess);
  if (failure !== '') tee.EMSG(failure);
  if (result !== TEE_SUCCESS) release(tee, sess);
  return result;
}

function allocate(tee: Tee, sess: AesCipher): Outcome {
  const bits = sess.keySize * 8;
  tee.TEE_FreeOperation(sess.opHandle);
  sess.opHandle = TEE_HANDLE_NULL;
  const operation = ref(sess.opHandle);
  let result = tee.TEE_AllocateOperation(operation, sess.algo, sess.mode, bits);
  if (result !== TEE_SUCCESS) return [result, 'Failed to allocate operation'];
  sess.opHandle = operation.value;

  tee.TEE_FreeTransientObject(sess.keyHandle);
  sess.keyHandle = TEE_HANDLE_NULL;
  const object = ref(sess.keyHandle);
  result = tee.TEE_AllocateTransientObject(TEE_TYPE_AES, bits, object);
  if (result !== TEE_SUCCESS) return [result, 'Failed to allocate transient object'];
  sess.keyHandle = object.value;

  // An operation without a key cannot be reset, which is what set_aes_key() does first.
  const key = tee.TEE_Malloc(sess.keySize, TEE_MALLOC_FILL_ZERO);
  if (key === null) return [TEE_ERROR_OUT_OF_MEMORY, ''];
  const populated = populate(tee, sess, key);
  tee.TEE_Free(key);
  return populated === DONE ? use_key(tee, sess) : populated;
}

function populate(tee: Tee, sess: AesCipher, key: Uint8Array | null): Outcome {
  const attr = new TEE_Attribute();
  tee.TEE_InitRefAttribute(attr, TEE_ATTR_SECRET_VALUE, key);
  const result = tee.TEE_PopulateTransientObject(sess.keyHandle, [attr]);
  if (result === TEE_SUCCESS) return DONE;
  return [result, `TEE_PopulateTransientObject failed, ${result.toString(16)}`];
}

function use_key(tee: Tee, sess: AesCipher): Outcome {
  const result = tee.TEE_SetOperationKey(sess.opHandle, sess.keyHandle);
  if (result === TEE_SUCCESS) return DONE;
  return [result, `TEE_SetOperationKey failed ${result.toString(16)}`];
}

function release(tee: Tee, sess: AesCipher): void {
  tee.TEE_FreeOperation(sess.opHandle);
  sess.opHandle = TEE_HANDLE_NULL;
  tee.TEE_FreeTransientObject(sess.keyHandle);
  sess.keyHandle = TEE_HANDLE_NULL;
}

/** TA_AES_CMD_SET_KEY */
function set_aes_key(tee: Tee, sess: AesCipher, types: number, params: TEE_Params): number {
  tee.DMSG(`Session ${sess.id}: load key material`);
  if (types !== TEE_PARAM_TYPES(MEMREF_IN, NONE, NONE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  const { buffer, size } = params[0].memref;
  if (size !== sess.keySize) {
    tee.EMSG(`Wrong key size ${size}, expect ${sess.keySize} bytes`);
    return TEE_ERROR_BAD_PARAMETERS;
  }
  tee.TEE_ResetTransientObject(sess.keyHandle);
  let outcome = populate(tee, sess, buffer);
  if (outcome === DONE) {
    tee.TEE_ResetOperation(sess.opHandle);
    outcome = use_key(tee, sess);
  }
  const [result, failure] = outcome;
  if (failure !== '') tee.EMSG(failure);
  return result;
}

/** TA_AES_CMD_SET_IV */
function reset_aes_iv(tee: Tee, sess: AesCipher, types: number, params: TEE_Params): number {
  tee.DMSG(`Session ${sess.id}: reset initial vector`);
  if (types !== TEE_PARAM_TYPES(MEMREF_IN, NONE, NONE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  tee.TEE_CipherInit(sess.opHandle, params[0].memref.buffer);
  return TEE_SUCCESS;
}

/** TA_AES_CMD_CIPHER */
function cipher_buffer(tee: Tee, sess: AesCipher, types: number, params: TEE_Params): number {
  tee.DMSG(`Session ${sess.id}: cipher buffer`);
  if (types !== TEE_PARAM_TYPES(MEMREF_IN, MEMREF_OUT, NONE, NONE)) {
    return TEE_ERROR_BAD_PARAMETERS;
  }
  const [input, output] = [params[0].memref, params[1].memref];
  if (output.size < input.size) {
    tee.EMSG(`Bad sizes: in ${input.size}, out ${output.size}`);
    return TEE_ERROR_BAD_PARAMETERS;
  }
  if (sess.opHandle === TEE_HANDLE_NULL) return TEE_ERROR_BAD_STATE;
  return tee.TEE_CipherUpdate(sess.opHandle, input.buffer, output);
}

const NONCE = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);

/** TA_AES_CMD_AUTHENC: results go through buffers of the TA's own, the client's are shared. */
function auth_enc_op(tee: Tee, sess: AesCipher, types: number, params: TEE_Params): number {
  const expected = TEE_PARAM_TYPES(MEMREF_IN, MEMREF_OUT, VALUE_IN, TEE_PARAM_TYPE_MEMREF_INOUT);
  if (types !== expected) return TEE_ERROR_BAD_PARAMETERS;
  const [input, output, tag] = [params[0].memref, params[1].memref, params[3].memref];
  const encrypt = params[2].value.a !== 0;
  const out = ownBuffer(tee, output);
  if (out === undefined) return TEE_ERROR_OUT_OF_MEMORY;
  tee.DMSG('Initializing an Authentication Encryption operation');
  let result = tee.TEE_AEInit(sess.opHandle, NONCE, tag.size * 8, 0, input.size);
  if (result === TEE_SUCCESS && encrypt) {
    const made = ownBuffer(tee, tag);
    if (made === undefined) {
      tee.TEE_Free(out.buffer);
      return TEE_ERROR_OUT_OF_MEMORY;
    }
    tee.DMSG('AE Encryption');
    result = tee.TEE_AEEncryptFinal(sess.opHandle, input.buffer, out, made);
    if (result === TEE_SUCCESS) give(tee, made, tag);
    else tee.EMSG(`TEE_AEEncryptFinal failed with 0x${result.toString(16)}`);
    tee.TEE_Free(made.buffer);
  } else if (result === TEE_SUCCESS) {
    tee.DMSG('AE Decryption');
    const expectedTag = tag.buffer ?? new Uint8Array(0);
    result = tee.TEE_AEDecryptFinal(sess.opHandle, input.buffer, out, expectedTag);
    if (result !== TEE_SUCCESS) {
      tee.EMSG(`TEE_AEDecryptFinal failed with 0x${result.toString(16)}`);
    }
  }
  if (result === TEE_SUCCESS) give(tee, out, output);
  tee.TEE_Free(out.buffer);
  return result;
}

/** A buffer of the size of a client's; undefined when there is no memory. */
function ownBuffer(tee: Tee, { buffer, size }: TEE_Memref): TEE_Memref | undefined {
  if (buffer === null || size === 0) return { buffer: null, size };
  const own = tee.TEE_Malloc(size, TEE_MALLOC_FILL_ZERO);
  return own === null ? undefined : { buffer: own, size };
}

/** Copies what was made to the client. */
function give(tee: Tee, made: TEE_Memref, to: TEE_Memref): void {
  if (made.buffer !== null) tee.TEE_MemMove(to.buffer, made.buffer, made.size);
  to.size = made.size;
}

type Command = (tee: Tee, sess: AesCipher, types: number, params: TEE_Params) => number;

const COMMANDS: ReadonlyMap<number, Command> = new Map([
  [TA_AES_CMD_PREPARE, alloc_resources],
  [TA_AES_CMD_SET_KEY, set_aes_key],
  [TA_AES_CMD_SET_IV, reset_aes_iv],
  [TA_AES_CMD_CIPHER, cipher_buffer],
  [TA_AES_CMD_AUTHENC, auth_enc_op],
]);

export default defineTa<AesCipher>(
  {
    uuid: TA_AES_UUID,
    flags: 0,
    stackSize: 2 * 1024,
    dataSize: 32 * 1024,
    version: '1.0',
    description: 'Example of TA using an AES sequence',
  },
  (tee) => {
    let sessions = 0;
    return {
      TA_CreateEntryPoint: () => TEE_SUCCESS,

      TA_DestroyEntryPoint() {},

      TA_OpenSessionEntryPoint(_paramTypes, _params, session) {
        sessions += 1;
        session.context = new AesCipher(sessions);
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
        tee.EMSG(`Command ID 0x${commandID.toString(16)} is not supported`);
        return TEE_ERROR_NOT_SUPPORTED;
      },
    };
  },
);
