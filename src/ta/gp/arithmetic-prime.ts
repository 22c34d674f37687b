/**
 * Whether a number is a prime, as far as one can tell: small divisors, then Miller and Rabin's test
 * with random bases.
 *
 * Upstream counterpart: optee_os lib/libmbedtls/mbedtls/library/bignum.c (mbedtls_mpi_is_prime_ext).
 */
import { fromOctets } from './arithmetic-layout.ts';
import { expMod, modulo } from './arithmetic-modular.ts';
import {
  LIMB_BYTES,
  MBEDTLS_ERR_MPI_FILE_IO_ERROR,
  Mpi,
  MpiError,
  bitsIn,
  limbsIn,
  trailingZeros,
} from './arithmetic-mpi.ts';

const LARGEST_SMALL_PRIME = 997;
/** How often a base out of range is drawn anew. */
const DRAWS = 301;

/** 3, 5, 7, … 997. */
const SMALL_PRIMES = Array.from({ length: LARGEST_SMALL_PRIME - 2 }, (_, i) => i + 3)
  .filter((n) => {
    for (let d = 2; d * d <= n; d += 1) if (n % d === 0) return false;
    return true;
  })
  .map(BigInt);

/** Fills with random bytes. @returns a TEE_Result */
export type Rng = (out: Uint8Array) => number;

/** Of the magnitude. @throws MpiError when it cannot be told */
export function isProbablePrime(mpi: Mpi, rounds: number, rng: Rng): boolean {
  const { pool, magnitude } = mpi;
  if (magnitude < 2n) return false;
  if (magnitude === 2n) return true;
  if (!mpi.isOdd) return false;
  const divisor = SMALL_PRIMES.find((prime) => magnitude % prime === 0n);
  if (divisor !== undefined) return divisor === magnitude;
  mpi.sign = 1;
  return pool.scope(() => millerRabin(mpi, rounds, rng));
}

/** HAC 4.24. */
function millerRabin(n: Mpi, rounds: number, rng: Rng): boolean {
  const { pool } = n;
  const [less, odd, a, square] = [new Mpi(pool), new Mpi(pool), new Mpi(pool), new Mpi(pool)];
  less.copy(n);
  less.magnitude -= 1n;
  const twos = trailingZeros(less.magnitude);
  odd.copy(less);
  odd.shiftRight(twos);
  for (let round = 0; round < rounds; round += 1) {
    if (!drawBase(a, n, less, rng)) return false;
    pool.scope(() => expMod(a, a, odd, n, square));
    if (a.magnitude !== 1n && !reaches(less, a, twos, n)) return false;
  }
  return true;
}

/** Whether a², a⁴, … a^(2^(twos-1)), or a itself, is `less`. */
function reaches(less: Mpi, a: Mpi, twos: number, n: Mpi): boolean {
  const { pool } = a;
  return pool.scope(() => {
    const t = new Mpi(pool);
    for (let i = 1; i < twos && a.magnitude !== less.magnitude; i += 1) {
      t.mul(a, a);
      modulo(a, t, n);
    }
    return a.magnitude === less.magnitude;
  });
}

/** 1 < a < n-1, of as many bits as come from the generator. */
function drawBase(a: Mpi, n: Mpi, less: Mpi, rng: Rng): boolean {
  const bytes = new Uint8Array(limbsIn(n.magnitude) * LIMB_BYTES);
  const topBit = bitsIn(less.magnitude);
  a.grow(bytes.length / LIMB_BYTES);
  a.sign = 1;
  for (let draw = 0; draw < DRAWS; draw += 1) {
    if (rng(bytes) !== 0) throw new MpiError(MBEDTLS_ERR_MPI_FILE_IO_ERROR, 'no random numbers');
    const drawn = fromOctets(bytes);
    a.magnitude = bitsIn(drawn) > topBit ? BigInt.asUintN(topBit - 1, drawn) : drawn;
    if (a.magnitude > 1n && a.magnitude < less.magnitude) return true;
  }
  return false;
}
