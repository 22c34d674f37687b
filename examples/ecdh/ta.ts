/**
 * Key agreement on elliptic curves, the trusted application: plays both sides and gives the secret
 * that they agree on. Same UUID, command, results and log lines as OP-TEE's public example
 * (optee_examples, ecdh/ta).
 */
import {
  TEE_ALG_ECDH_DERIVE_SHARED_SECRET,
  TEE_ATTR_ECC_CURVE,
  TEE_ATTR_ECC_PUBLIC_VALUE_X,
  TEE_ATTR_ECC_PUBLIC_VALUE_Y,
  TEE_ATTR_SECRET_VALUE,
  TEE_Attribute,
  TEE_ECC_CURVE_NIST_P192,
  TEE_ECC_CURVE_NIST_P224,
  TEE_ECC_CURVE_NIST_P256,
  TEE_ECC_CURVE_NIST_P384,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_GENERIC,
  TEE_ERROR_SHORT_BUFFER,
  TEE_HANDLE_NULL,
  TEE_MODE_DERIVE,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_SUCCESS,
  TEE_TYPE_ECDH_KEYPAIR,
  TEE_TYPE_GENERIC_SECRET,
  defineTa,
  memref,
  ref,
} from 'teebox/ta';
import type {
  Ref,
  TEE_Memref,
  TEE_ObjectHandle,
  TEE_OperationHandle,
  TEE_Params,
  Tee,
} from 'teebox/ta';
import {
  TA_ECDH_CMD_DERIVE_SELFTEST,
  TA_ECDH_ECC_CURVE_NIST_P192,
  TA_ECDH_ECC_CURVE_NIST_P224,
  TA_ECDH_ECC_CURVE_NIST_P256,
  TA_ECDH_ECC_CURVE_NIST_P384,
  TA_ECDH_UUID,
} from './ecdh-ta.ts';

/** Room for a coordinate on any curve, in bytes. */
const ECDH_BUF_BYTES = Math.ceil(521 / 8);

const NONE = TEE_PARAM_TYPE_NONE;

interface Curve {
  /** TEE_ECC_CURVE_* */
  readonly id: number;
  readonly bits: number;
}

const CURVES: ReadonlyMap<number, Curve> = new Map([
  [TA_ECDH_ECC_CURVE_NIST_P192, { id: TEE_ECC_CURVE_NIST_P192, bits: 192 }],
  [TA_ECDH_ECC_CURVE_NIST_P224, { id: TEE_ECC_CURVE_NIST_P224, bits: 224 }],
  [TA_ECDH_ECC_CURVE_NIST_P256, { id: TEE_ECC_CURVE_NIST_P256, bits: 256 }],
  [TA_ECDH_ECC_CURVE_NIST_P384, { id: TEE_ECC_CURVE_NIST_P384, bits: 384 }],
]);

/** A failure of one's own is the end. */
function check(tee: Tee, result: number, message: string): void {
  if (result === TEE_SUCCESS) return;
  tee.EMSG(message);
  tee.TEE_Panic(result);
}

const room = (): TEE_Memref => memref(new Uint8Array(ECDH_BUF_BYTES));

const bytesOf = ({ buffer, size }: TEE_Memref): Uint8Array =>
  buffer?.subarray(0, size) ?? new Uint8Array(0);

function gen_ec_keypair(tee: Tee, key: Ref<TEE_ObjectHandle>, curve: Curve): number {
  const result = tee.TEE_AllocateTransientObject(TEE_TYPE_ECDH_KEYPAIR, curve.bits, key);
  if (result !== TEE_SUCCESS) return result;
  const attr = new TEE_Attribute();
  tee.TEE_InitValueAttribute(attr, TEE_ATTR_ECC_CURVE, curve.id, 0);
  return tee.TEE_GenerateKey(key.value, curve.bits, [attr]);
}

/** A point. */
interface PublicKey {
  readonly x: TEE_Memref;
  readonly y: TEE_Memref;
}

function get_pub_xy(tee: Tee, key: TEE_ObjectHandle, { x, y }: PublicKey): number {
  const result = tee.TEE_GetObjectBufferAttribute(key, TEE_ATTR_ECC_PUBLIC_VALUE_X, x);
  if (result !== TEE_SUCCESS) return result;
  return tee.TEE_GetObjectBufferAttribute(key, TEE_ATTR_ECC_PUBLIC_VALUE_Y, y);
}

function derive_secret(
  tee: Tee,
  key: TEE_ObjectHandle,
  peer: PublicKey,
  secret: TEE_Memref,
  curve: Curve,
): number {
  const op = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  const derived = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  const algorithm = TEE_ALG_ECDH_DERIVE_SHARED_SECRET;
  let result = tee.TEE_AllocateOperation(op, algorithm, TEE_MODE_DERIVE, curve.bits);
  if (result !== TEE_SUCCESS) return result;
  result = tee.TEE_SetOperationKey(op.value, key);
  if (result === TEE_SUCCESS) {
    result = tee.TEE_AllocateTransientObject(TEE_TYPE_GENERIC_SECRET, curve.bits, derived);
  }
  if (result === TEE_SUCCESS) {
    const [x, y] = [new TEE_Attribute(), new TEE_Attribute()];
    tee.TEE_InitRefAttribute(x, TEE_ATTR_ECC_PUBLIC_VALUE_X, bytesOf(peer.x));
    tee.TEE_InitRefAttribute(y, TEE_ATTR_ECC_PUBLIC_VALUE_Y, bytesOf(peer.y));
    tee.TEE_DeriveKey(op.value, [x, y], derived.value);
    result = tee.TEE_GetObjectBufferAttribute(derived.value, TEE_ATTR_SECRET_VALUE, secret);
  }
  tee.TEE_FreeTransientObject(derived.value);
  tee.TEE_FreeOperation(op.value);
  return result;
}

function cmd_ecdh_selftest(tee: Tee, types: number, params: TEE_Params): number {
  const expected = TEE_PARAM_TYPES(
    TEE_PARAM_TYPE_VALUE_INPUT,
    NONE,
    NONE,
    TEE_PARAM_TYPE_MEMREF_OUTPUT,
  );
  if (types !== expected) return TEE_ERROR_BAD_PARAMETERS;
  const curve = CURVES.get(params[0].value.a);
  if (curve === undefined) return TEE_ERROR_BAD_PARAMETERS;
  const [a, b] = [ref<TEE_ObjectHandle>(TEE_HANDLE_NULL), ref<TEE_ObjectHandle>(TEE_HANDLE_NULL)];
  check(tee, gen_ec_keypair(tee, a, curve), 'gen key A');
  check(tee, gen_ec_keypair(tee, b, curve), 'gen key B');
  const result = agree(tee, a.value, b.value, curve, params[3].memref);
  tee.TEE_FreeTransientObject(a.value);
  tee.TEE_FreeTransientObject(b.value);
  return result;
}

/** Each side derives from its own key and the other's public one. */
function agree(
  tee: Tee,
  keyA: TEE_ObjectHandle,
  keyB: TEE_ObjectHandle,
  curve: Curve,
  to: TEE_Memref,
): number {
  const a = { x: room(), y: room() };
  const b = { x: room(), y: room() };
  check(tee, get_pub_xy(tee, keyA, a), 'get A pub');
  check(tee, get_pub_xy(tee, keyB, b), 'get B pub');
  const [secretA, secretB] = [room(), room()];
  check(tee, derive_secret(tee, keyA, b, secretA, curve), 'derive A');
  check(tee, derive_secret(tee, keyB, a, secretB, curve), 'derive B');
  const { size } = secretA;
  const equal =
    size === secretB.size && tee.TEE_MemCompare(secretA.buffer, secretB.buffer, size) === 0;
  if (!equal) return TEE_ERROR_GENERIC;
  if (to.size < size) {
    to.size = size;
    return TEE_ERROR_SHORT_BUFFER;
  }
  tee.DMSG(`curve = ${curve.id}`);
  tee.DMSG(`bits = ${curve.bits}`);
  tee.TEE_MemMove(to.buffer, secretA.buffer, size);
  to.size = size;
  return TEE_SUCCESS;
}

export default defineTa(
  {
    uuid: TA_ECDH_UUID,
    flags: 0,
    stackSize: 2 * 1024,
    dataSize: 32 * 1024,
    version: '1.0',
    description: 'Example of TA using an ECDH sequence',
  },
  (tee) => ({
    TA_CreateEntryPoint: () => TEE_SUCCESS,

    TA_DestroyEntryPoint() {},

    TA_OpenSessionEntryPoint: () => TEE_SUCCESS,

    TA_CloseSessionEntryPoint() {},

    TA_InvokeCommandEntryPoint(_session, commandID, paramTypes, params) {
      if (commandID !== TA_ECDH_CMD_DERIVE_SELFTEST) return TEE_ERROR_BAD_PARAMETERS;
      return cmd_ecdh_selftest(tee, paramTypes, params);
    },
  }),
);
