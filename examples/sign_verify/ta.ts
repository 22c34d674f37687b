/**
 * RSA signatures, the trusted application: makes a key, signs its client's message and verifies the
 * signature. Same UUID, command, results and log lines as OP-TEE's public example (optee_examples,
 * sign_verify/ta).
 */
import {
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA1,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA224,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA384,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA512,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA1,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA224,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA256,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA384,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA512,
  TEE_ALG_SHA1,
  TEE_ALG_SHA224,
  TEE_ALG_SHA256,
  TEE_ALG_SHA384,
  TEE_ALG_SHA512,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_SHORT_BUFFER,
  TEE_HANDLE_NULL,
  TEE_MODE_DIGEST,
  TEE_MODE_SIGN,
  TEE_MODE_VERIFY,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_SUCCESS,
  TEE_TYPE_RSA_KEYPAIR,
  TEE_TYPE_RSA_PUBLIC_KEY,
  defineTa,
  memref,
  ref,
} from 'teebox/ta';
import type { TEE_Memref, TEE_ObjectHandle, TEE_OperationHandle, TEE_Params, Tee } from 'teebox/ta';
import {
  MAX_SIG_SIZE,
  TA_ALG_PKCS1_PSS_MGF1_SHA1,
  TA_ALG_PKCS1_PSS_MGF1_SHA224,
  TA_ALG_PKCS1_PSS_MGF1_SHA256,
  TA_ALG_PKCS1_PSS_MGF1_SHA384,
  TA_ALG_PKCS1_PSS_MGF1_SHA512,
  TA_ALG_PKCS1_V1_5_SHA1,
  TA_ALG_PKCS1_V1_5_SHA224,
  TA_ALG_PKCS1_V1_5_SHA256,
  TA_ALG_PKCS1_V1_5_SHA384,
  TA_ALG_PKCS1_V1_5_SHA512,
  TA_RSA_SIGN_CMD_SIGN_VERIFY,
  TA_SIGN_VERIFY_UUID,
} from './sign-verify-ta.ts';

interface Algorithm {
  readonly signature: number;
  readonly hash: number;
}

const row = (signature: number, hash: number): Algorithm => ({ signature, hash });

const ALGORITHMS: ReadonlyMap<number, Algorithm> = new Map([
  [TA_ALG_PKCS1_PSS_MGF1_SHA1, row(TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA1, TEE_ALG_SHA1)],
  [TA_ALG_PKCS1_PSS_MGF1_SHA224, row(TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA224, TEE_ALG_SHA224)],
  [TA_ALG_PKCS1_PSS_MGF1_SHA256, row(TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256, TEE_ALG_SHA256)],
  [TA_ALG_PKCS1_PSS_MGF1_SHA384, row(TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA384, TEE_ALG_SHA384)],
  [TA_ALG_PKCS1_PSS_MGF1_SHA512, row(TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA512, TEE_ALG_SHA512)],
  [TA_ALG_PKCS1_V1_5_SHA1, row(TEE_ALG_RSASSA_PKCS1_V1_5_SHA1, TEE_ALG_SHA1)],
  [TA_ALG_PKCS1_V1_5_SHA224, row(TEE_ALG_RSASSA_PKCS1_V1_5_SHA224, TEE_ALG_SHA224)],
  [TA_ALG_PKCS1_V1_5_SHA256, row(TEE_ALG_RSASSA_PKCS1_V1_5_SHA256, TEE_ALG_SHA256)],
  [TA_ALG_PKCS1_V1_5_SHA384, row(TEE_ALG_RSASSA_PKCS1_V1_5_SHA384, TEE_ALG_SHA384)],
  [TA_ALG_PKCS1_V1_5_SHA512, row(TEE_ALG_RSASSA_PKCS1_V1_5_SHA512, TEE_ALG_SHA512)],
]);

const MAX_DIGEST_SIZE = 64;

/** A key pair, and its public half as an object of its own. */
interface RsaKeys {
  keypair: TEE_ObjectHandle;
  publicKey: TEE_ObjectHandle;
}

function generate_rsa_keys(tee: Tee, keys: RsaKeys, keySize: number): number {
  const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  let result = tee.TEE_AllocateTransientObject(TEE_TYPE_RSA_KEYPAIR, keySize, object);
  if (result !== TEE_SUCCESS) return result;
  keys.keypair = object.value;
  result = tee.TEE_GenerateKey(keys.keypair, keySize, []);
  if (result !== TEE_SUCCESS) return result;
  result = tee.TEE_AllocateTransientObject(TEE_TYPE_RSA_PUBLIC_KEY, keySize, object);
  if (result !== TEE_SUCCESS) return result;
  keys.publicKey = object.value;
  return tee.TEE_CopyObjectAttributes1(keys.publicKey, keys.keypair);
}

function sign_verify(tee: Tee, types: number, params: TEE_Params): number {
  const expected = TEE_PARAM_TYPES(
    TEE_PARAM_TYPE_MEMREF_INPUT,
    TEE_PARAM_TYPE_MEMREF_OUTPUT,
    TEE_PARAM_TYPE_VALUE_INPUT,
    TEE_PARAM_TYPE_VALUE_INPUT,
  );
  if (types !== expected) return TEE_ERROR_BAD_PARAMETERS;
  const algorithm = ALGORITHMS.get(params[2].value.a);
  if (algorithm === undefined) return TEE_ERROR_BAD_PARAMETERS;
  const keys: RsaKeys = { keypair: TEE_HANDLE_NULL, publicKey: TEE_HANDLE_NULL };
  const keySize = params[3].value.a;
  tee.DMSG('Generate Key');
  let result = generate_rsa_keys(tee, keys, keySize);
  if (result === TEE_SUCCESS) result = useKeys(tee, keys, keySize, algorithm, params);
  tee.TEE_FreeTransientObject(keys.publicKey);
  tee.TEE_FreeTransientObject(keys.keypair);
  return result;
}

function useKeys(
  tee: Tee,
  keys: RsaKeys,
  keySize: number,
  algorithm: Algorithm,
  params: TEE_Params,
): number {
  const digest = memref(new Uint8Array(MAX_DIGEST_SIZE));
  const signature = memref(new Uint8Array(MAX_SIG_SIZE));
  tee.DMSG('Prepare SHA digest');
  let result = computeDigest(tee, algorithm.hash, params[0].memref.buffer, digest);
  if (result !== TEE_SUCCESS) return result;
  tee.DMSG('Signature on SHA digest');
  const { signature: id } = algorithm;
  result = withKey(tee, id, TEE_MODE_SIGN, keySize, keys.keypair, (op) =>
    tee.TEE_AsymmetricSignDigest(op, [], bytesOf(digest), signature),
  );
  if (result !== TEE_SUCCESS) return result;
  tee.DMSG('Verify Signature on SHA digest');
  result = withKey(tee, id, TEE_MODE_VERIFY, keySize, keys.publicKey, (op) =>
    tee.TEE_AsymmetricVerifyDigest(op, [], bytesOf(digest), bytesOf(signature)),
  );
  if (result !== TEE_SUCCESS) return result;
  const to = params[1].memref;
  const isShort = to.size < signature.size;
  to.size = signature.size;
  if (isShort) {
    tee.EMSG(`required sig_len = ${to.size}`);
    return TEE_ERROR_SHORT_BUFFER;
  }
  tee.TEE_MemMove(to.buffer, signature.buffer, signature.size);
  return TEE_SUCCESS;
}

const bytesOf = ({ buffer, size }: TEE_Memref): Uint8Array | null =>
  buffer?.subarray(0, size) ?? null;

function computeDigest(
  tee: Tee,
  hash: number,
  message: Uint8Array | null,
  digest: TEE_Memref,
): number {
  const op = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  let result = tee.TEE_AllocateOperation(op, hash, TEE_MODE_DIGEST, 0);
  if (result !== TEE_SUCCESS) return result;
  tee.TEE_DigestUpdate(op.value, message);
  result = tee.TEE_DigestDoFinal(op.value, null, digest);
  tee.TEE_FreeOperation(op.value);
  return result;
}

/** Runs `work` on an operation that has `key`. */
function withKey(
  tee: Tee,
  algorithm: number,
  mode: number,
  keySize: number,
  key: TEE_ObjectHandle,
  work: (op: TEE_OperationHandle) => number,
): number {
  const op = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  let result = tee.TEE_AllocateOperation(op, algorithm, mode, keySize);
  if (result === TEE_SUCCESS) result = tee.TEE_SetOperationKey(op.value, key);
  if (result === TEE_SUCCESS) result = work(op.value);
  tee.TEE_FreeOperation(op.value);
  return result;
}

export default defineTa(
  {
    uuid: TA_SIGN_VERIFY_UUID,
    flags: 0,
    stackSize: 2 * 1024,
    dataSize: 32 * 1024,
    version: '1.0',
    description: 'Example of TA using an Sign and Verify sequence',
  },
  (tee) => ({
    TA_CreateEntryPoint: () => TEE_SUCCESS,

    TA_DestroyEntryPoint() {},

    TA_OpenSessionEntryPoint: () => TEE_SUCCESS,

    TA_CloseSessionEntryPoint() {},

    TA_InvokeCommandEntryPoint(_session, commandID, paramTypes, params) {
      if (commandID !== TA_RSA_SIGN_CMD_SIGN_VERIFY) return TEE_ERROR_BAD_PARAMETERS;
      return sign_verify(tee, paramTypes, params);
    },
  }),
);
