/**
 * The AES benchmark: encrypts or decrypts a buffer in pieces, many times over.
 *
 * Upstream counterpart: optee_os core/pta/tests/aes_perf.c.
 */
import {
  PTA_INVOKE_TESTS_AES_CBC,
  PTA_INVOKE_TESTS_AES_CTR,
  PTA_INVOKE_TESTS_AES_ECB,
  PTA_INVOKE_TESTS_AES_GCM,
  PTA_INVOKE_TESTS_AES_XTS,
} from '../../../abi/pta.ts';
import {
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_AES_CTR,
  TEE_ALG_AES_ECB_NOPAD,
  TEE_ALG_AES_GCM,
  TEE_ALG_AES_XTS,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_SUCCESS,
} from '../../../abi/gp.ts';
import { TEE_AES_BLOCK_SIZE } from '../../../abi/utee-defines.ts';
import { findAlgorithm } from '../../crypto/algorithms.ts';
import type { OperationContext } from '../../crypto/contexts.ts';
import type { Guest } from '../../guest.ts';
import type { PtaCall } from '../../kernel/pseudo-ta.ts';

const TYPES = TEE_PARAM_TYPES(
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INOUT,
);

const upFrom = (first: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => first + i);
/** Those of xtest's own benchmark. */
const KEY = upFrom(0x00, 32);
const KEY2 = upFrom(0x20, 32);
const IV = upFrom(0xa0, 16);
const NO_IV = new Uint8Array(0);

interface Mode {
  readonly algorithm: number;
  readonly iv: Uint8Array;
  readonly keys: 1 | 2;
}

const MODES: ReadonlyMap<number, Mode> = new Map<number, Mode>([
  [PTA_INVOKE_TESTS_AES_ECB, { algorithm: TEE_ALG_AES_ECB_NOPAD, iv: NO_IV, keys: 1 }],
  [PTA_INVOKE_TESTS_AES_CBC, { algorithm: TEE_ALG_AES_CBC_NOPAD, iv: IV, keys: 1 }],
  [PTA_INVOKE_TESTS_AES_CTR, { algorithm: TEE_ALG_AES_CTR, iv: IV, keys: 1 }],
  [PTA_INVOKE_TESTS_AES_XTS, { algorithm: TEE_ALG_AES_XTS, iv: IV, keys: 2 }],
  [PTA_INVOKE_TESTS_AES_GCM, { algorithm: TEE_ALG_AES_GCM, iv: IV, keys: 1 }],
]);

/** core_aes_perf_tests() */
export function aesPerfTests(guest: Guest, { types, params }: PtaCall): number {
  const [how, count, source, target] = [params[0]!, params[1]!, params[2]!, params[3]!];
  const mode = MODES.get(how.b);
  if (types !== TYPES || mode === undefined) return TEE_ERROR_BAD_PARAMETERS;
  if (source.size > target.size) return TEE_ERROR_BAD_PARAMETERS;
  const direction = how.a >>> 16 === 0 ? TEE_MODE_ENCRYPT : TEE_MODE_DECRYPT;
  const context = open(guest, mode, direction);
  const res = start(context, mode, how.a & 0xffff, source.size);
  if (res !== TEE_SUCCESS) return res;
  // A unit of 0 divides nothing: the buffer is one piece.
  const unit = count.b === 0 ? source.size : count.b;
  for (let n = 0; n < count.a; n += 1) {
    const done = update(context, source.bytes, target.bytes, unit);
    if (done !== TEE_SUCCESS) return done;
  }
  return TEE_SUCCESS;
}

function open({ nexus }: Guest, { algorithm }: Mode, direction: number): OperationContext {
  const { crypto, random } = nexus;
  const rng = (out: Uint8Array): number => {
    random.fill(out);
    return TEE_SUCCESS;
  };
  return findAlgorithm(algorithm)!.open({ crypto, rng }, direction);
}

/** init_ctx() */
function start(context: OperationContext, { iv, keys }: Mode, bits: number, size: number): number {
  const length = bits / 8;
  if (bits % 8 !== 0 || length > KEY.length) return TEE_ERROR_BAD_PARAMETERS;
  const key = KEY.subarray(0, length);
  if (context.kind === 'cipher') {
    return context.init(key, keys === 2 ? KEY2.subarray(0, length) : undefined, iv);
  }
  if (context.kind !== 'authenc') return TEE_ERROR_BAD_PARAMETERS;
  const tagLength = TEE_AES_BLOCK_SIZE;
  return context.init({ key, nonce: iv, tagLength, aadLength: 0, payloadLength: size });
}

/** do_update(), once over the buffer */
function update(
  context: OperationContext,
  source: Uint8Array,
  target: Uint8Array,
  unit: number,
): number {
  for (let at = 0; at < source.length; at += unit) {
    const piece = source.subarray(at, at + unit);
    const out = target.subarray(at, at + piece.length);
    const res = updatePiece(context, piece, out);
    if (res !== TEE_SUCCESS) return res;
  }
  return TEE_SUCCESS;
}

function updatePiece(context: OperationContext, piece: Uint8Array, out: Uint8Array): number {
  if (context.kind === 'cipher') return context.update(piece, out, false);
  if (context.kind === 'authenc') return context.updatePayload(piece, out);
  return TEE_ERROR_BAD_PARAMETERS;
}
