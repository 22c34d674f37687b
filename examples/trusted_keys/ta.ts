/**
 * Trusted keys, the trusted application: seals keys of the Linux kernel with AES-GCM under a key that
 * is derived from the device's own and from this TA's UUID. Load it with `--ta`, as a board builds it
 * into its secure world (early TA): Linux looks for it before there is a tee-supplicant.
 * Same UUID, commands, results and blobs as OP-TEE's in-tree TA (optee_os ta/trusted_keys).
 */
import {
  TA_FLAG_DEVICE_ENUM,
  TA_FLAG_MULTI_SESSION,
  TA_FLAG_SINGLE_INSTANCE,
  TEE_ALG_AES_GCM,
  TEE_ATTR_SECRET_VALUE,
  TEE_Attribute,
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_HANDLE_NULL,
  TEE_Identity,
  TEE_LOGIN_REE_KERNEL,
  TEE_MALLOC_FILL_ZERO,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PROPSET_CURRENT_CLIENT,
  TEE_SUCCESS,
  TEE_TIMEOUT_INFINITE,
  TEE_TYPE_AES,
  defineTa,
  memref,
  newParams,
  ref,
} from 'teebox/ta';
import type {
  TEE_ObjectHandle,
  TEE_OperationHandle,
  TEE_Params,
  TEE_PropSetHandle,
  TEE_TASessionHandle,
  Tee,
} from 'teebox/ta';
import {
  BLOB_HEADER_SIZE,
  IV_SIZE,
  TAG_SIZE,
  TA_CMD_GET_RANDOM,
  TA_CMD_SEAL,
  TA_CMD_UNSEAL,
  TRUSTED_KEYS_UUID,
} from './trusted-keys-ta.ts';

/* Source: optee_os lib/libutee/include/pta_system.h. */
const PTA_SYSTEM_UUID = '3a2f8978-5dc0-11e8-9c2d-fa7ae01bbebc';
const PTA_SYSTEM_DERIVE_TA_UNIQUE_KEY = 1;
const TA_DERIVED_KEY_MAX_SIZE = 32;

const MAX_BUF_SIZE = 512;

const NONE = TEE_PARAM_TYPE_NONE;
const IN = TEE_PARAM_TYPE_MEMREF_INPUT;
const OUT = TEE_PARAM_TYPE_MEMREF_OUTPUT;
const ONE_OUTPUT = TEE_PARAM_TYPES(OUT, NONE, NONE, NONE);
const IN_AND_OUT = TEE_PARAM_TYPES(IN, OUT, NONE, NONE);

function get_random(tee: Tee, types: number, params: TEE_Params): number {
  tee.DMSG('Invoked TA_CMD_GET_RANDOM');
  if (types !== ONE_OUTPUT) return TEE_ERROR_BAD_PARAMETERS;
  const { buffer, size } = params[0].memref;
  if (buffer === null || size === 0) return TEE_ERROR_BAD_PARAMETERS;
  const bytes = tee.TEE_Malloc(size, TEE_MALLOC_FILL_ZERO);
  if (bytes === null) return TEE_ERROR_OUT_OF_MEMORY;
  tee.TEE_GenerateRandom(bytes);
  buffer.set(bytes);
  bytes.fill(0);
  tee.TEE_Free(bytes);
  return TEE_SUCCESS;
}

/** Fills `key`, in the TA's own memory, from the hardware's key and the TA's UUID. */
async function derive_unique_key(tee: Tee, key: Uint8Array): Promise<number> {
  const sess = ref<TEE_TASessionHandle>(TEE_HANDLE_NULL);
  const origin = ref(0);
  const forever = TEE_TIMEOUT_INFINITE;
  let res = await tee.TEE_OpenTASession(PTA_SYSTEM_UUID, forever, 0, null, sess, origin);
  if (res !== TEE_SUCCESS) return res;
  const params = newParams();
  Object.assign(params[1].memref, memref(key));
  const command = PTA_SYSTEM_DERIVE_TA_UNIQUE_KEY;
  res = await tee.TEE_InvokeTACommand(sess.value, forever, command, IN_AND_OUT, params, origin);
  await tee.TEE_CloseTASession(sess.value);
  return res;
}

function huk_ae_encrypt(tee: Tee, op: TEE_OperationHandle, key: Uint8Array, out: Uint8Array) {
  out[0] = 0;
  const iv = out.subarray(1, 1 + IV_SIZE);
  tee.TEE_GenerateRandom(iv);
  const res = tee.TEE_AEInit(op, iv, TAG_SIZE * 8, 0, 0);
  if (res !== TEE_SUCCESS) return res;
  const enciphered = memref(out.subarray(BLOB_HEADER_SIZE, BLOB_HEADER_SIZE + key.length));
  const tag = memref(out.subarray(1 + IV_SIZE, BLOB_HEADER_SIZE));
  const done = tee.TEE_AEEncryptFinal(op, key, enciphered, tag);
  return done === TEE_SUCCESS && tag.size === TAG_SIZE ? done : TEE_ERROR_SECURITY;
}

function huk_ae_decrypt(tee: Tee, op: TEE_OperationHandle, blob: Uint8Array, out: Uint8Array) {
  const res = tee.TEE_AEInit(op, blob.slice(1, 1 + IV_SIZE), TAG_SIZE * 8, 0, 0);
  if (res !== TEE_SUCCESS) return res;
  const tag = blob.slice(1 + IV_SIZE, BLOB_HEADER_SIZE);
  const done = tee.TEE_AEDecryptFinal(op, blob.subarray(BLOB_HEADER_SIZE), memref(out), tag);
  return done === TEE_SUCCESS ? done : TEE_ERROR_SECURITY;
}

/** The key of the operation, which is gone from memory when this returns. */
async function set_huk_key(tee: Tee, op: TEE_OperationHandle): Promise<number> {
  const key = tee.TEE_Malloc(TA_DERIVED_KEY_MAX_SIZE, TEE_MALLOC_FILL_ZERO);
  if (key === null) return TEE_ERROR_OUT_OF_MEMORY;
  let res = await derive_unique_key(tee, key);
  if (res !== TEE_SUCCESS) tee.EMSG(`derive_unique_key failed: returned 0x${res.toString(16)}`);
  else res = use_key(tee, op, key);
  key.fill(0);
  tee.TEE_Free(key);
  return res;
}

function use_key(tee: Tee, op: TEE_OperationHandle, key: Uint8Array): number {
  const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  let res = tee.TEE_AllocateTransientObject(TEE_TYPE_AES, key.length * 8, object);
  if (res !== TEE_SUCCESS) return res;
  const attr = new TEE_Attribute();
  tee.TEE_InitRefAttribute(attr, TEE_ATTR_SECRET_VALUE, key);
  res = tee.TEE_PopulateTransientObject(object.value, [attr]);
  if (res === TEE_SUCCESS) res = tee.TEE_SetOperationKey(op, object.value);
  tee.TEE_FreeTransientObject(object.value);
  return res;
}

async function huk_crypt(tee: Tee, mode: number, source: Uint8Array, out: Uint8Array) {
  const op = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  const bits = TA_DERIVED_KEY_MAX_SIZE * 8;
  let res = tee.TEE_AllocateOperation(op, TEE_ALG_AES_GCM, mode, bits);
  if (res !== TEE_SUCCESS) return res;
  const [name, crypt] =
    mode === TEE_MODE_ENCRYPT ? ['encrypt', huk_ae_encrypt] : ['decrypt', huk_ae_decrypt];
  res = await set_huk_key(tee, op.value);
  if (res === TEE_SUCCESS) {
    res = crypt(tee, op.value, source, out);
    if (res !== TEE_SUCCESS) tee.EMSG(`huk_AE_${name} failed: returned 0x${res.toString(16)}`);
  }
  tee.TEE_FreeOperation(op.value);
  return res;
}

async function seal_trusted_key(tee: Tee, types: number, params: TEE_Params): Promise<number> {
  tee.DMSG('Invoked TA_CMD_SEAL');
  if (types !== IN_AND_OUT) return TEE_ERROR_BAD_PARAMETERS;
  const [key, blob] = [params[0].memref, params[1].memref];
  if (key.buffer === null || key.size === 0 || key.size > MAX_BUF_SIZE) {
    return TEE_ERROR_BAD_PARAMETERS;
  }
  if ((blob.buffer === null && blob.size > 0) || blob.size > MAX_BUF_SIZE) {
    return TEE_ERROR_BAD_PARAMETERS;
  }
  const size = key.size + BLOB_HEADER_SIZE;
  const room = blob.size;
  if (size <= room) {
    const res = await huk_crypt(tee, TEE_MODE_ENCRYPT, key.buffer, blob.buffer!);
    if (res === TEE_SUCCESS) blob.size = size;
    return res;
  }
  blob.size = size;
  return TEE_ERROR_SHORT_BUFFER;
}

async function unseal_trusted_key(tee: Tee, types: number, params: TEE_Params): Promise<number> {
  tee.DMSG('Invoked TA_CMD_UNSEAL');
  if (types !== IN_AND_OUT) return TEE_ERROR_BAD_PARAMETERS;
  const [blob, key] = [params[0].memref, params[1].memref];
  if (blob.buffer === null || blob.size <= BLOB_HEADER_SIZE || blob.size > MAX_BUF_SIZE) {
    return TEE_ERROR_BAD_PARAMETERS;
  }
  if ((key.buffer === null && key.size > 0) || key.size > MAX_BUF_SIZE) {
    return TEE_ERROR_BAD_PARAMETERS;
  }
  const size = blob.size - BLOB_HEADER_SIZE;
  const room = key.size;
  if (size <= room) {
    const res = await huk_crypt(tee, TEE_MODE_DECRYPT, blob.buffer, key.buffer!);
    if (res === TEE_SUCCESS) key.size = size;
    return res;
  }
  key.size = size;
  return TEE_ERROR_SHORT_BUFFER;
}

/** Keys are the kernel's: nobody else may open a session. */
function check_login(tee: Tee): number {
  const h = ref<TEE_PropSetHandle>(TEE_HANDLE_NULL);
  let res = tee.TEE_AllocatePropertyEnumerator(h);
  if (res !== TEE_SUCCESS) return res;
  tee.TEE_StartPropertyEnumerator(h.value, TEE_PROPSET_CURRENT_CLIENT);
  const id = new TEE_Identity();
  res = tee.TEE_GetPropertyAsIdentity(h.value, null, id);
  if (res === TEE_SUCCESS && id.login !== TEE_LOGIN_REE_KERNEL) res = TEE_ERROR_ACCESS_DENIED;
  tee.TEE_FreePropertyEnumerator(h.value);
  return res;
}

export default defineTa(
  {
    uuid: TRUSTED_KEYS_UUID,
    flags: TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION | TA_FLAG_DEVICE_ENUM,
    stackSize: 4 * 1024,
    dataSize: 16 * 1024,
    version: '1.0',
    description: 'Trusted Keys',
  },
  (tee) => ({
    TA_CreateEntryPoint: () => TEE_SUCCESS,

    TA_DestroyEntryPoint() {},

    TA_OpenSessionEntryPoint: () => check_login(tee),

    TA_CloseSessionEntryPoint() {},

    TA_InvokeCommandEntryPoint(_session, commandID, paramTypes, params) {
      switch (commandID) {
        case TA_CMD_GET_RANDOM:
          return get_random(tee, paramTypes, params);
        case TA_CMD_SEAL:
          return seal_trusted_key(tee, paramTypes, params);
        case TA_CMD_UNSEAL:
          return unseal_trusted_key(tee, paramTypes, params);
        default:
          tee.EMSG(`Command ID 0x${commandID.toString(16)} is not supported`);
          return TEE_ERROR_NOT_SUPPORTED;
      }
    },
  }),
);
