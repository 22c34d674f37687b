/**
 * One-time passwords, the trusted application: HOTP (RFC 4226) with a key and a counter per session.
 * Same UUID, commands, results and log lines as OP-TEE's public example (optee_examples, hotp/ta).
 */
import {
  TEE_ALG_HMAC_SHA1,
  TEE_ATTR_SECRET_VALUE,
  TEE_Attribute,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_HANDLE_NULL,
  TEE_MODE_MAC,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
  TEE_TYPE_HMAC_SHA1,
  defineTa,
  memref,
  ref,
} from 'teebox/ta';
import type { TEE_Memref, TEE_ObjectHandle, TEE_OperationHandle, TEE_Params, Tee } from 'teebox/ta';
import { TA_HOTP_CMD_GET_HOTP, TA_HOTP_CMD_REGISTER_SHARED_KEY, TA_HOTP_UUID } from './hotp-ta.ts';

const SHA1_HASH_SIZE = 20;
/** Bytes: what GlobalPlatform allows for HMAC-SHA-1. */
const MAX_KEY_SIZE = 64;
const MIN_KEY_SIZE = 10;
/** Six decimal digits. */
const DBC2_MODULO = 1_000_000;
const COUNTER_SIZE = 8;

const NONE = TEE_PARAM_TYPE_NONE;
const NO_PARAMS = TEE_PARAM_TYPES(NONE, NONE, NONE, NONE);

/** What a session remembers. */
class HotpKey {
  readonly K = new Uint8Array(MAX_KEY_SIZE);
  K_len = 0;
  /** RFC 4226's moving factor, most significant byte first. */
  readonly counter = new Uint8Array(COUNTER_SIZE);

  increment(): void {
    for (let i = COUNTER_SIZE - 1; i >= 0; i--) {
      this.counter[i] = this.counter[i]! + 1;
      if (this.counter[i] !== 0) return;
    }
  }
}

/** @returns a TEE_Result; `mac` gets the code */
function hmac_sha1(tee: Tee, key: Uint8Array, message: Uint8Array, mac: TEE_Memref): number {
  if (key.length < MIN_KEY_SIZE || key.length > MAX_KEY_SIZE) return TEE_ERROR_BAD_PARAMETERS;
  const op = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  const result = prepare(tee, key, op, object);
  if (result !== TEE_SUCCESS) tee.EMSG(`0x${result.toString(16).padStart(8, '0')}`);
  const made = result === TEE_SUCCESS ? compute(tee, op.value, message, mac) : result;
  tee.TEE_FreeOperation(op.value);
  tee.TEE_FreeTransientObject(object.value);
  return made;
}

/** An operation with its key. */
function prepare(
  tee: Tee,
  key: Uint8Array,
  op: { value: TEE_OperationHandle },
  object: { value: TEE_ObjectHandle },
): number {
  const bits = key.length * 8;
  let result = tee.TEE_AllocateOperation(op, TEE_ALG_HMAC_SHA1, TEE_MODE_MAC, bits);
  if (result !== TEE_SUCCESS) return result;
  result = tee.TEE_AllocateTransientObject(TEE_TYPE_HMAC_SHA1, bits, object);
  if (result !== TEE_SUCCESS) return result;
  const attr = new TEE_Attribute();
  tee.TEE_InitRefAttribute(attr, TEE_ATTR_SECRET_VALUE, key);
  result = tee.TEE_PopulateTransientObject(object.value, [attr]);
  return result === TEE_SUCCESS ? tee.TEE_SetOperationKey(op.value, object.value) : result;
}

function compute(tee: Tee, op: TEE_OperationHandle, message: Uint8Array, mac: TEE_Memref): number {
  tee.TEE_MACInit(op, null);
  tee.TEE_MACUpdate(op, message);
  return tee.TEE_MACComputeFinal(op, null, mac);
}

/** RFC 4226, 5.3: 31 bits from where the last four bits say. */
function truncate(hmac: Uint8Array): number {
  const offset = hmac[SHA1_HASH_SIZE - 1]! & 0xf;
  const [a = 0, b = 0, c = 0, d = 0] = hmac.subarray(offset, offset + 4);
  return (((a & 0x7f) << 24) | (b << 16) | (c << 8) | d) % DBC2_MODULO;
}

function register_shared_key(tee: Tee, state: HotpKey, types: number, params: TEE_Params): number {
  const expected = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INPUT, NONE, NONE, NONE);
  if (types !== expected) return unexpected(tee, expected, types);
  const { buffer, size } = params[0].memref;
  if (size > MAX_KEY_SIZE) return TEE_ERROR_BAD_PARAMETERS;
  state.K.fill(0);
  tee.TEE_MemMove(state.K, buffer, size);
  state.K_len = size;
  tee.DMSG(`Got shared key ${textOf(state.K)} (${size} bytes).`);
  return TEE_SUCCESS;
}

function get_hotp(tee: Tee, state: HotpKey, types: number, params: TEE_Params): number {
  const expected = TEE_PARAM_TYPES(TEE_PARAM_TYPE_VALUE_OUTPUT, NONE, NONE, NONE);
  if (types !== expected) return unexpected(tee, expected, types);
  const mac = new Uint8Array(SHA1_HASH_SIZE);
  const result = hmac_sha1(tee, state.K.subarray(0, state.K_len), state.counter, memref(mac));
  state.increment();
  const hotp = truncate(mac);
  tee.DMSG(`HOTP is: ${hotp}`);
  params[0].value.a = hotp;
  return result;
}

function unexpected(tee: Tee, expected: number, types: number): number {
  tee.EMSG(`Expected: 0x${expected.toString(16)}, got: 0x${types.toString(16)}`);
  return TEE_ERROR_BAD_PARAMETERS;
}

/** As printf("%s"): up to the first zero. */
function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end));
}

export default defineTa<HotpKey>(
  {
    uuid: TA_HOTP_UUID,
    flags: 0,
    stackSize: 2 * 1024,
    dataSize: 32 * 1024,
    version: '1.0',
    description: 'Example of One Time Passwords based HMAC operation (RFC4226)',
  },
  (tee) => ({
    TA_CreateEntryPoint: () => TEE_SUCCESS,

    TA_DestroyEntryPoint() {},

    TA_OpenSessionEntryPoint(paramTypes, _params, session) {
      if (paramTypes !== NO_PARAMS) return TEE_ERROR_BAD_PARAMETERS;
      session.context = new HotpKey();
      return TEE_SUCCESS;
    },

    TA_CloseSessionEntryPoint() {},

    TA_InvokeCommandEntryPoint({ context }, commandID, paramTypes, params) {
      switch (commandID) {
        case TA_HOTP_CMD_REGISTER_SHARED_KEY:
          return register_shared_key(tee, context, paramTypes, params);
        case TA_HOTP_CMD_GET_HOTP:
          return get_hotp(tee, context, paramTypes, params);
        default:
          return TEE_ERROR_BAD_PARAMETERS;
      }
    },
  }),
);
