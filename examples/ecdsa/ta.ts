/**
 * Signatures on elliptic curves, the trusted application: digests a message, makes a key, signs and
 * verifies. Same UUID, commands, results and log lines as OP-TEE's public example (optee_examples,
 * ecdsa/ta).
 */
import {
  TEE_ALG_ECDSA_SHA1,
  TEE_ALG_ECDSA_SHA224,
  TEE_ALG_ECDSA_SHA256,
  TEE_ALG_ECDSA_SHA384,
  TEE_ALG_ECDSA_SHA512,
  TEE_ALG_SHA1,
  TEE_ALG_SHA224,
  TEE_ALG_SHA256,
  TEE_ALG_SHA384,
  TEE_ALG_SHA512,
  TEE_ATTR_ECC_CURVE,
  TEE_Attribute,
  TEE_ECC_CURVE_NIST_P192,
  TEE_ECC_CURVE_NIST_P224,
  TEE_ECC_CURVE_NIST_P256,
  TEE_ECC_CURVE_NIST_P384,
  TEE_ECC_CURVE_NIST_P521,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_HANDLE_NULL,
  TEE_MALLOC_FILL_ZERO,
  TEE_MODE_DIGEST,
  TEE_MODE_SIGN,
  TEE_MODE_VERIFY,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_SUCCESS,
  TEE_TYPE_ECDSA_KEYPAIR,
  TEE_TYPE_ECDSA_PUBLIC_KEY,
  defineTa,
  memref,
  ref,
} from 'teebox/ta';
import type { TEE_Memref, TEE_ObjectHandle, TEE_OperationHandle, TEE_Params, Tee } from 'teebox/ta';
import {
  TA_ECDSA_CMD_COMPUTE_DIGEST,
  TA_ECDSA_GEN_KEY,
  TA_ECDSA_SIGN_VERIFY_DIGEST,
  TA_ECDSA_UUID,
} from './ecdsa-ta.ts';

/** What goes with a signature algorithm. */
interface Algorithm {
  readonly hash: number;
  readonly curve: number;
  /** Bits. */
  readonly keySize: number;
}

const ALGORITHMS: ReadonlyMap<number, Algorithm> = new Map([
  [TEE_ALG_ECDSA_SHA1, { hash: TEE_ALG_SHA1, curve: TEE_ECC_CURVE_NIST_P192, keySize: 192 }],
  [TEE_ALG_ECDSA_SHA224, { hash: TEE_ALG_SHA224, curve: TEE_ECC_CURVE_NIST_P224, keySize: 224 }],
  [TEE_ALG_ECDSA_SHA256, { hash: TEE_ALG_SHA256, curve: TEE_ECC_CURVE_NIST_P256, keySize: 256 }],
  [TEE_ALG_ECDSA_SHA384, { hash: TEE_ALG_SHA384, curve: TEE_ECC_CURVE_NIST_P384, keySize: 384 }],
  [TEE_ALG_ECDSA_SHA512, { hash: TEE_ALG_SHA512, curve: TEE_ECC_CURVE_NIST_P521, keySize: 521 }],
]);

/** The longest signature, in bytes. */
const MAX_SIG_SIZE = 512;

const NONE = TEE_PARAM_TYPE_NONE;
const IN = TEE_PARAM_TYPE_MEMREF_INPUT;
const OUT = TEE_PARAM_TYPE_MEMREF_OUTPUT;

/** What a session remembers. */
class Ecdsa {
  readonly id: number;
  keypair: TEE_ObjectHandle = TEE_HANDLE_NULL;
  publicKey: TEE_ObjectHandle = TEE_HANDLE_NULL;
  algorithm = 0;
  /** Bits. */
  keySize = 0;

  constructor(id: number) {
    this.id = id;
  }
}

function releaseKeys(tee: Tee, sess: Ecdsa): void {
  tee.TEE_FreeTransientObject(sess.keypair);
  sess.keypair = TEE_HANDLE_NULL;
  tee.TEE_FreeTransientObject(sess.publicKey);
  sess.publicKey = TEE_HANDLE_NULL;
}

function compute_digest(tee: Tee, sess: Ecdsa, types: number, params: TEE_Params): number {
  const expected = TEE_PARAM_TYPES(IN, OUT, TEE_PARAM_TYPE_VALUE_INPUT, NONE);
  if (types !== expected) return TEE_ERROR_BAD_PARAMETERS;
  tee.DMSG(`Session ${sess.id}: get compute digest`);
  const to = params[1].memref;
  const wanted = to.buffer !== null && to.size > 0;
  const own = wanted ? tee.TEE_Malloc(to.size, TEE_MALLOC_FILL_ZERO) : null;
  if (wanted && own === null) return TEE_ERROR_OUT_OF_MEMORY;
  sess.algorithm = params[2].value.a;
  const digest: TEE_Memref = { buffer: own, size: to.size };
  const result = digestOf(tee, sess, params[0].memref.buffer, digest);
  if (result === TEE_SUCCESS) {
    if (own !== null) tee.TEE_MemMove(to.buffer, own, digest.size);
    to.size = digest.size;
  }
  tee.TEE_Free(own);
  return result;
}

function digestOf(tee: Tee, sess: Ecdsa, message: Uint8Array | null, digest: TEE_Memref): number {
  const algorithm = ALGORITHMS.get(sess.algorithm);
  if (algorithm === undefined) return TEE_ERROR_BAD_PARAMETERS;
  const op = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  const allocated = tee.TEE_AllocateOperation(op, algorithm.hash, TEE_MODE_DIGEST, 0);
  if (allocated !== TEE_SUCCESS) return allocated;
  tee.TEE_DigestUpdate(op.value, message);
  const result = tee.TEE_DigestDoFinal(op.value, null, digest);
  if (result !== TEE_SUCCESS) tee.DMSG('TEE_DigestDoFinal failed\n');
  tee.DMSG('Created digest');
  tee.TEE_FreeOperation(op.value);
  return result;
}

function genrate_key(tee: Tee, sess: Ecdsa, types: number): number {
  if (types !== TEE_PARAM_TYPES(NONE, NONE, NONE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  tee.DMSG(`Session ${sess.id}: compute genrate key`);
  const algorithm = ALGORITHMS.get(sess.algorithm);
  if (algorithm === undefined) return TEE_ERROR_BAD_PARAMETERS;
  releaseKeys(tee, sess);
  const result = makeKeys(tee, sess, algorithm);
  if (result === TEE_SUCCESS) {
    tee.DMSG('Key generated');
    sess.keySize = algorithm.keySize;
  } else {
    releaseKeys(tee, sess);
  }
  return result;
}

function makeKeys(tee: Tee, sess: Ecdsa, { curve, keySize }: Algorithm): number {
  const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  let result = tee.TEE_AllocateTransientObject(TEE_TYPE_ECDSA_KEYPAIR, keySize, object);
  if (result !== TEE_SUCCESS) return result;
  sess.keypair = object.value;
  const attr = new TEE_Attribute();
  tee.TEE_InitValueAttribute(attr, TEE_ATTR_ECC_CURVE, curve, 0);
  result = tee.TEE_GenerateKey(sess.keypair, keySize, [attr]);
  if (result !== TEE_SUCCESS) return result;
  result = tee.TEE_AllocateTransientObject(TEE_TYPE_ECDSA_PUBLIC_KEY, keySize, object);
  if (result !== TEE_SUCCESS) return result;
  sess.publicKey = object.value;
  return tee.TEE_CopyObjectAttributes1(sess.publicKey, sess.keypair);
}

function sign_verify_digest(tee: Tee, sess: Ecdsa, types: number, params: TEE_Params): number {
  if (types !== TEE_PARAM_TYPES(IN, OUT, NONE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  tee.DMSG(`Session ${sess.id}: Sign and Verify`);
  const digest = params[0].memref.buffer;
  const own = new Uint8Array(MAX_SIG_SIZE);
  const signature = memref(own);
  tee.DMSG('Sign SHA Digest\n');
  let result = withKey(tee, sess, TEE_MODE_SIGN, sess.keypair, (op) =>
    tee.TEE_AsymmetricSignDigest(op, [], digest, signature),
  );
  if (result !== TEE_SUCCESS) return result;
  tee.DMSG('Verify Signature on SHA digest');
  result = withKey(tee, sess, TEE_MODE_VERIFY, sess.publicKey, (op) =>
    tee.TEE_AsymmetricVerifyDigest(op, [], digest, own.subarray(0, signature.size)),
  );
  if (result !== TEE_SUCCESS) return result;
  const to = params[1].memref;
  if (to.size < signature.size) {
    tee.EMSG(`reqired seg size is ${to.size}`);
    to.size = signature.size;
    return TEE_ERROR_SHORT_BUFFER;
  }
  tee.TEE_MemMove(to.buffer, own, signature.size);
  to.size = signature.size;
  return TEE_SUCCESS;
}

/** Runs `work` on an operation of the session's algorithm that has `key`. */
function withKey(
  tee: Tee,
  sess: Ecdsa,
  mode: number,
  key: TEE_ObjectHandle,
  work: (op: TEE_OperationHandle) => number,
): number {
  const op = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  let result = tee.TEE_AllocateOperation(op, sess.algorithm, mode, sess.keySize);
  if (result === TEE_SUCCESS) result = tee.TEE_SetOperationKey(op.value, key);
  if (result === TEE_SUCCESS) result = work(op.value);
  tee.TEE_FreeOperation(op.value);
  return result;
}

export default defineTa<Ecdsa>(
  {
    uuid: TA_ECDSA_UUID,
    flags: 0,
    stackSize: 2 * 1024,
    dataSize: 32 * 1024,
    version: '1.0',
    description: 'Example of TA using an ECDSA Sign and Verify sequence',
  },
  (tee) => {
    let sessions = 0;
    return {
      TA_CreateEntryPoint() {
        tee.DMSG('TA created');
        return TEE_SUCCESS;
      },

      TA_DestroyEntryPoint() {},

      TA_OpenSessionEntryPoint(_paramTypes, _params, session) {
        sessions += 1;
        session.context = new Ecdsa(sessions);
        tee.DMSG(`Session ${session.context.id}: newly allocated`);
        return TEE_SUCCESS;
      },

      TA_CloseSessionEntryPoint({ context }) {
        releaseKeys(tee, context);
      },

      TA_InvokeCommandEntryPoint({ context }, commandID, paramTypes, params) {
        switch (commandID) {
          case TA_ECDSA_CMD_COMPUTE_DIGEST:
            return compute_digest(tee, context, paramTypes, params);
          case TA_ECDSA_GEN_KEY:
            return genrate_key(tee, context, paramTypes);
          case TA_ECDSA_SIGN_VERIFY_DIGEST:
            return sign_verify_digest(tee, context, paramTypes, params);
          default:
            tee.EMSG('cmd id not supported');
            return TEE_ERROR_BAD_PARAMETERS;
        }
      },
    };
  },
);
