/**
 * Big numbers and their octets, and random ones as the core's library draws them.
 *
 * Upstream counterparts: optee_os core/lib/libtomcrypt/mpi_desc.c, src/math/rand_bn.c.
 */
import { TEE_SUCCESS } from '../../abi/gp.ts';
import type { Rng } from './contexts.ts';

/** Big-endian octets as a number; none are 0. */
export function toNumber(octets: Uint8Array): bigint {
  let digits = '0x0';
  for (const octet of octets) digits += octet.toString(16).padStart(2, '0');
  return BigInt(digits);
}

/** mp_count_bits(): 0 for 0. */
export function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

/** mp_unsigned_bin_size(): 0 for 0. */
export function byteLength(value: bigint): number {
  return value === 0n ? 0 : Math.ceil(value.toString(16).length / 2);
}

/** Big-endian, with leading zeroes when `length` is more than the number needs. */
export function toOctets(value: bigint, length: number = byteLength(value)): Uint8Array {
  const octets = new Uint8Array(length);
  const digits = value.toString(16).padStart(2 * length, '0');
  for (let i = 0; i < length; i += 1) octets[i] = parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return octets;
}

export function gcd(left: bigint, right: bigint): bigint {
  let [a, b] = [left, right];
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

/** The remainder that is not negative. */
export function mod(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus;
  return rest < 0n ? rest + modulus : rest;
}

/** rand_bn_bits(): the highest bit can be 0. Undefined when there is no randomness. */
function randomBits(bits: number, rng: Rng): bigint | undefined {
  const octets = new Uint8Array(Math.ceil(bits / 8));
  if (rng(octets) !== TEE_SUCCESS) return undefined;
  octets[0]! &= 0xff >> ((8 - (bits % 8)) % 8);
  return toNumber(octets);
}

/** rand_bn_upto(): 1 to limit - 1. Undefined also for a limit that leaves no choice. */
export function randomUpto(limit: bigint, rng: Rng): bigint | undefined {
  const bits = bitLength(limit);
  if (bits <= 1) return undefined;
  for (;;) {
    const value = randomBits(bits, rng);
    if (value === undefined || (value > 0n && value < limit)) return value;
  }
}
