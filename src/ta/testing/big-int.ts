/** Numbers of the Arithmetical API for tests, and what stands in them. */
import { TEE_SUCCESS } from '../../abi/gp.ts';
import { TEE_BigIntSizeInU32 } from '../gp/arithmetic-layout.ts';
import type { TEE_BigInt } from '../gp/arithmetic-layout.ts';
import type { Tee } from '../gp/tee.ts';
import { World, inTa } from './world.ts';

/** Initialised, with the value 0 and room for `bits`. */
export function empty(tee: Tee, bits: number): TEE_BigInt {
  const bigInt = new Uint32Array(TEE_BigIntSizeInU32(bits));
  tee.TEE_BigIntInit(bigInt, bigInt.length);
  return bigInt;
}

/** With no more room than it needs, or with room for `bits`. */
export function bigInt(tee: Tee, value: bigint, bits?: number): TEE_BigInt {
  const magnitude = value < 0n ? -value : value;
  const octets = octetsOf(magnitude);
  const made = empty(tee, bits ?? magnitude.toString(2).length);
  const sign = value < 0n ? -1 : 1;
  if (tee.TEE_BigIntConvertFromOctetString(made, octets, sign) !== TEE_SUCCESS) {
    throw new Error(`${value} has no room in ${made.length} words`);
  }
  return made;
}

/** Read from memory, not by way of the library. */
export function valueOf(number: TEE_BigInt): bigint {
  const limbs = number.subarray(2, 2 + (number[1]! >>> 16));
  const magnitude = limbs.reduceRight((sum, limb) => (sum << 32n) | BigInt(limb), 0n);
  return (number[0]! | 0) < 0 ? -magnitude : magnitude;
}

export function octetsOf(magnitude: bigint): Uint8Array {
  const octets: number[] = [];
  for (let rest = magnitude; rest > 0n; rest >>= 8n) octets.unshift(Number(rest & 0xffn));
  return Uint8Array.from(octets);
}

/** Runs `body` in an entry point; what it throws comes from here. */
export async function compute(body: (tee: Tee) => void, world = new World()): Promise<void> {
  let failure: unknown;
  const guarded = (tee: Tee): void => {
    try {
      body(tee);
    } catch (error) {
      failure = error;
    }
  };
  await inTa(guarded, undefined, world);
  if (failure !== undefined) throw failure;
}
