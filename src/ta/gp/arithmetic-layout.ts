/**
 * How a TEE_BigInt lies in the memory of its TA: two words of head, then limbs of 32 bits, the least
 * significant first. The head is where a number that was never initialised, or has too little room,
 * shows.
 *
 *     word 0   sign: 1 or -1, 0 before TEE_BigIntInit
 *     word 1   low half: limbs that there is room for; high half: limbs in use
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_arith_mpi.c (struct bigint_hdr), tee_api_types.h.
 */
import { TEE_ERROR_OVERFLOW, TEE_SUCCESS } from '../../abi/gp.ts';
import { Mpi, limbsIn } from './arithmetic-mpi.ts';
import type { MpiPool } from './arithmetic-mpi.ts';

/** A number: an array of TEE_BigIntSizeInU32(bits) words, wherever the TA has it. */
export type TEE_BigInt = Uint32Array;
/** A number in the form that TEE_BigIntComputeFMM multiplies: an ordinary one in OP-TEE. */
export type TEE_BigIntFMM = Uint32Array;
/** What fast multiplications with one modulus share: nothing in OP-TEE. */
export type TEE_BigIntFMMContext = Uint32Array;

/** CFG_TA_BIGNUM_MAX_BITS: `gpd.tee.arith.maxBigIntSize`. */
export const MAX_BIG_INT_BITS = 2048;
export const BIGINT_HDR_SIZE_IN_U32 = 2;

/** Words that a number of `bits` bits takes. Source: tee_api_defines.h, a macro there. */
export function TEE_BigIntSizeInU32(bits: number): number {
  return Math.floor((bits + 31) / 32) + BIGINT_HDR_SIZE_IN_U32;
}

const LIMB_DIGITS = 8;
const OCTET_DIGITS = 2;

interface BigIntHead {
  /** 32 bits, signed. */
  readonly sign: number;
  readonly allocSize: number;
  readonly limbs: number;
}

export function headOf(bigInt: TEE_BigInt): BigIntHead {
  const head = wordsOf(bigInt, BIGINT_HDR_SIZE_IN_U32);
  const sizes = head[1]!;
  return { sign: head[0]! | 0, allocSize: sizes & 0xffff, limbs: sizes >>> 16 };
}

export function setHead(bigInt: TEE_BigInt, { sign, allocSize, limbs }: BigIntHead): void {
  const head = wordsOf(bigInt, BIGINT_HDR_SIZE_IN_U32);
  head[0] = sign;
  head[1] = (allocSize & 0xffff) | (limbs << 16);
}

/** The limbs in use, as they stand there: the highest may be zero. */
export function limbsOf(bigInt: TEE_BigInt): Uint32Array {
  const { limbs } = headOf(bigInt);
  return wordsOf(bigInt, BIGINT_HDR_SIZE_IN_U32 + limbs).subarray(BIGINT_HDR_SIZE_IN_U32);
}

/** The words that C would touch; beyond the array that would be a fault. */
export function wordsOf(bigInt: TEE_BigInt, count: number): Uint32Array {
  if (count <= bigInt.length) return bigInt.subarray(0, count);
  throw new RangeError(`TEE_BigInt: ${count} words in an array of ${bigInt.length}`);
}

/** Whether two pointers are equal in C. */
export function isSame(a: TEE_BigInt | null, b: TEE_BigInt | null): boolean {
  if (a === null || b === null) return a === b;
  return a.buffer === b.buffer && a.byteOffset === b.byteOffset;
}

/** A number to calculate with: 0 for NULL. As get_mpi(). */
export function load(pool: MpiPool, bigInt: TEE_BigInt | null): Mpi {
  const mpi = new Mpi(pool);
  if (bigInt === null) return mpi;
  const magnitude = magnitudeOf(limbsOf(bigInt));
  mpi.grow(limbsIn(magnitude));
  mpi.sign = (headOf(bigInt).sign << 16) >> 16;
  mpi.magnitude = magnitude;
  return mpi;
}

/** @returns TEE_ERROR_OVERFLOW, `bigInt` unchanged, when it has too little room */
export function store(mpi: Mpi, bigInt: TEE_BigInt): number {
  const { allocSize } = headOf(bigInt);
  const limbs = limbsIn(mpi.magnitude);
  if (allocSize < limbs) return TEE_ERROR_OVERFLOW;
  setHead(bigInt, { sign: mpi.sign, allocSize, limbs });
  setMagnitude(limbsOf(bigInt), mpi.magnitude);
  return TEE_SUCCESS;
}

function magnitudeOf(limbs: Uint32Array): bigint {
  let digits = '0x0';
  for (let i = limbs.length - 1; i >= 0; i -= 1) {
    digits += limbs[i]!.toString(16).padStart(LIMB_DIGITS, '0');
  }
  return BigInt(digits);
}

function setMagnitude(limbs: Uint32Array, magnitude: bigint): void {
  const digits = magnitude.toString(16).padStart(limbs.length * LIMB_DIGITS, '0');
  for (let i = 0; i < limbs.length; i += 1) {
    const end = digits.length - i * LIMB_DIGITS;
    limbs[i] = Number.parseInt(digits.slice(end - LIMB_DIGITS, end), 16);
  }
}

/** Of bytes, the most significant first. */
export function fromOctets(octets: Uint8Array): bigint {
  let digits = '0x0';
  for (const octet of octets) digits += octet.toString(16).padStart(OCTET_DIGITS, '0');
  return BigInt(digits);
}

/** Fills `octets`, the most significant first; `magnitude` is not longer. */
export function toOctets(magnitude: bigint, octets: Uint8Array): void {
  const digits = magnitude.toString(16).padStart(octets.length * OCTET_DIGITS, '0');
  for (let i = 0; i < octets.length; i += 1) {
    octets[i] = Number.parseInt(digits.slice(i * OCTET_DIGITS, (i + 1) * OCTET_DIGITS), 16);
  }
}
