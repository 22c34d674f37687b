/**
 * Division and what is made of it: remainders, powers, greatest common divisors and inverses. Steps
 * and working memory are those of mbed TLS; what takes a loop over limbs there is one operation on
 * bigint here.
 *
 * Upstream counterparts: optee_os lib/libmbedtls/mbedtls/library/bignum.c, bignum_core.c;
 * lib/libutee/tee_api_arith_mpi.c (mpi_egcd). Left out: constant time.
 */
import {
  LIMB_BITS,
  LIMB_BYTES,
  MBEDTLS_ERR_MPI_BAD_INPUT_DATA,
  MBEDTLS_ERR_MPI_DIVISION_BY_ZERO,
  MBEDTLS_ERR_MPI_NEGATIVE_VALUE,
  MBEDTLS_ERR_MPI_NOT_ACCEPTABLE,
  Mpi,
  MpiError,
  bitsIn,
  limbsIn,
  short,
  trailingZeros,
} from './arithmetic-mpi.ts';

/** MBEDTLS_MPI_MAX_SIZE, in bits: of an exponent and of its modulus. */
const MAX_BITS = 8 * 1024;
/** MBEDTLS_MPI_WINDOW_SIZE, and the bits from which an exponent is taken by windows. */
const WINDOW_BITS = 3;
const WINDOW_FROM = 79;

/** As many as mbedtls_mpi_core_gcd_modinv_odd() has temporaries, without and with an inverse. */
const GCD_FACTOR = 4;
const INVERSE_FACTOR = 5;
/** Temporaries of mpi_egcd(). */
const EGCD_TEMPORARIES = 7;

/**
 * a = q·b + r, rounded to zero; r has the sign of a. Where `q` is `a`, the quotient is in place
 * before the dividend is done with: a smaller dividend leaves no remainder, and q's sign is that of b.
 */
export function divide(q: Mpi | undefined, r: Mpi | undefined, a: Mpi, b: Mpi): void {
  if (b.compareInt(0) === 0) throw new MpiError(MBEDTLS_ERR_MPI_DIVISION_BY_ZERO, 'divides by 0');
  if (a.compareMagnitude(b) < 0) {
    q?.set(0);
    r?.copy(a);
    return;
  }
  const { pool } = b;
  pool.scope(() => {
    const [x, y, z, t] = [new Mpi(pool), new Mpi(pool), new Mpi(pool), new Mpi(pool)];
    x.copy(a);
    y.copy(b);
    z.grow(a.limbs + 2);
    t.grow(a.limbs + 2);
    z.magnitude = a.magnitude / b.magnitude;
    const remainder = a.magnitude % b.magnitude;
    align(x, y);
    x.magnitude = remainder;
    if (q !== undefined) {
      q.copy(z);
      q.sign = short(a.sign * b.sign);
    }
    if (r === undefined) return;
    x.sign = a.sign;
    r.copy(x);
    if (r.compareInt(0) === 0) r.sign = 1;
  });
}

/** Puts the divisor's highest bit below a limb's top, and under the dividend's highest limb. */
function align(x: Mpi, y: Mpi): void {
  const shift = LIMB_BITS - 1 - (bitsIn(y.magnitude) % LIMB_BITS);
  x.shiftLeft(shift);
  y.shiftLeft(shift);
  y.shiftLeft(LIMB_BITS * (x.limbs - y.limbs));
}

/**
 * r = a mod b, from 0 to b-1.
 * @throws RangeError where C would never end: `r` is `b`, so that no modulus is left to get below, or
 *   the dividend has no sign that tells when it is
 */
export function modulo(r: Mpi, a: Mpi, b: Mpi): void {
  if (b.compareInt(0) < 0) throw new MpiError(MBEDTLS_ERR_MPI_NEGATIVE_VALUE, 'modulus below 0');
  divide(undefined, r, a, b);
  if (r === b) throw new RangeError('modulo whose destination is the modulus would never end');
  while (r.compareInt(0) < 0) r.add(r, b);
  while (r.compare(b) >= 0) {
    if (r.sign === 0) throw new RangeError('modulo of a number without a sign would never end');
    r.sub(r, b);
  }
}

/**
 * x = a^e mod n. An operand below 0 is compensated for at the end: where `x` is `a` its sign is gone
 * by then, and a multiple of n becomes n.
 * @param square where R² mod n is kept for the next time
 */
export function expMod(x: Mpi, a: Mpi, e: Mpi, n: Mpi, square = new Mpi(x.pool)): void {
  const { pool } = x;
  if (n.compareInt(0) <= 0 || !n.isOdd) throw badInput('modulus not odd and positive');
  if (e.compareInt(0) < 0) throw badInput('exponent below 0');
  if (Math.max(bitsIn(e.magnitude), bitsIn(n.magnitude)) > MAX_BITS) {
    throw badInput(`more than ${MAX_BITS} bits`);
  }
  if (e.limbs === 0) return x.set(1);
  const { magnitude: exponent, isOdd } = e;
  pool.scope(() => {
    pool.take(LIMB_BYTES * workingLimbs(n.limbs, e.limbs));
    squareOfR(square, n);
    x.copy(a);
    x.sign = 1;
    if (x.compare(n) >= 0) modulo(x, x, n);
    x.grow(n.limbs);
    x.magnitude = powerOf(x.magnitude, exponent, n.magnitude);
    if (a.sign !== -1 || !isOdd) return;
    x.sign = x.isZero ? 1 : -1;
    x.add(n, x);
  });
}

function workingLimbs(limbs: number, exponentLimbs: number): number {
  const window = exponentLimbs * LIMB_BITS > WINDOW_FROM ? WINDOW_BITS : 1;
  return limbs * (2 ** window + 1) + 2 * limbs + 1;
}

/** What Montgomery's form needs; only its memory counts here. */
function squareOfR(square: Mpi, n: Mpi): void {
  if (square.limbs > 0) return square.grow(n.limbs);
  square.set(1);
  square.shiftLeft(2 * n.limbs * LIMB_BITS);
  modulo(square, square, n);
  square.shrink(n.limbs);
}

/** Left to right, four bits at a time. */
function powerOf(base: bigint, exponent: bigint, modulus: bigint): bigint {
  const powers = [1n];
  while (powers.length < 16) powers.push((powers.at(-1)! * base) % modulus);
  let power = 1n;
  for (const digit of exponent.toString(16)) {
    for (let bit = 0; bit < 4; bit += 1) power = (power * power) % modulus;
    power = (power * powers[Number.parseInt(digit, 16)]!) % modulus;
  }
  return power;
}

/** g = gcd(|a|, |b|); that of a number and 0 is the number. */
export function gcd(g: Mpi, a: Mpi, b: Mpi): void {
  const { pool } = g;
  pool.scope(() => {
    const [u, v] = [new Mpi(pool), new Mpi(pool)];
    u.copy(a);
    v.copy(b);
    u.sign = 1;
    v.sign = 1;
    u.grow(Math.max(1, v.limbs));
    v.grow(u.limbs);
    if (u.isZero) return g.copy(v);
    if (v.isZero) return g.copy(u);
    const [zerosU, zerosV] = [trailingZeros(u.magnitude), trailingZeros(v.magnitude)];
    u.shiftRight(zerosU);
    v.shiftRight(zerosV);
    if (u.compareMagnitude(v) > 0) gcdOfOdd(g, v, u);
    else gcdOfOdd(g, u, v);
    g.shiftLeft(Math.min(zerosU, zerosV));
  });
}

function gcdOfOdd(g: Mpi, a: Mpi, n: Mpi): void {
  g.grow(n.limbs);
  g.pool.borrowFromHeap(LIMB_BYTES * n.limbs * GCD_FACTOR);
  g.magnitude = euclid(a.magnitude, n.magnitude).divisor;
  g.sign = 1;
}

/** x = a⁻¹ mod n. @throws MpiError when there is none */
export function invMod(x: Mpi, a: Mpi, n: Mpi): void {
  if (n.compareInt(1) <= 0) throw badInput('modulus not above 1');
  if (!n.isOdd && !a.isOdd) throw noInverse();
  const { pool } = x;
  pool.scope(() => {
    const t = new Mpi(pool);
    modulo(t, a, n);
    if (n.isOdd) {
      invertByOdd(t, t, n);
      return x.copy(t);
    }
    const order = t.compareInt(1);
    if (order < 0) throw noInverse();
    if (order === 0) return x.set(1);
    invertByEven(x, t, n);
  });
}

/** i = a⁻¹ mod n, for 0 ≤ a < n and n odd. */
function invertByOdd(i: Mpi, a: Mpi, n: Mpi): void {
  const { pool } = i;
  pool.scope(() => {
    new Mpi(pool).grow(n.limbs);
    i.grow(n.limbs);
    pool.borrowFromHeap(LIMB_BYTES * n.limbs * INVERSE_FACTOR);
    const { divisor, inverse } = euclid(a.magnitude, n.magnitude);
    if (divisor !== 1n) throw noInverse();
    i.magnitude = inverse;
    i.sign = 1;
  });
}

/** x = a⁻¹ mod n, for 1 < a < n, a odd and n even: i·n - k·a = 1 gives n - k. */
function invertByEven(x: Mpi, a: Mpi, n: Mpi): void {
  const { pool } = x;
  const [i, k, one] = [new Mpi(pool), new Mpi(pool), new Mpi(pool)];
  modulo(i, n, a);
  invertByOdd(i, i, a);
  i.mul(i, n);
  one.set(1);
  i.sub(i, one);
  divide(k, undefined, i, a);
  x.sub(n, k);
}

/** The greatest common divisor, and when that is 1, a⁻¹ mod n. */
function euclid(a: bigint, n: bigint): { divisor: bigint; inverse: bigint } {
  let [divisor, rest] = [n, a];
  let [inverse, next] = [0n, 1n];
  while (rest !== 0n) {
    const quotient = divisor / rest;
    [divisor, rest] = [rest, divisor - quotient * rest];
    [inverse, next] = [next, inverse - quotient * next];
  }
  return { divisor, inverse: inverse < 0n ? inverse + n : inverse };
}

/**
 * g = gcd(x, y) = u·x + v·y, for x > y ≥ 0. Which u and v of the many is settled by the binary
 * algorithm (HAC 14.61).
 */
export function extendedGcd(g: Mpi, u: Mpi, v: Mpi, x: Mpi, y: Mpi): void {
  const { pool } = g;
  pool.scope(() => {
    if (y.isZero) {
      u.set(1);
      v.set(0);
      return g.copy(x);
    }
    for (let i = 0; i < EGCD_TEMPORARIES; i += 1)
      pool.take(LIMB_BYTES * (limbsIn(x.magnitude) + 1));
    const found = binaryEuclid(x.magnitude, y.magnitude);
    put(u, found.u);
    put(v, found.v);
    put(g, found.gcd);
  });
}

function binaryEuclid(x: bigint, y: bigint): { gcd: bigint; u: bigint; v: bigint } {
  const twos = BigInt(Math.min(trailingZeros(x), trailingZeros(y)));
  const [p, q] = [x >> twos, y >> twos];
  const first = { rest: p, u: 1n, v: 0n };
  const second = { rest: q, u: 0n, v: 1n };
  const halve = (row: typeof first): void => {
    while ((row.rest & 1n) === 0n) {
      row.rest >>= 1n;
      if (((row.u | row.v) & 1n) === 1n) {
        row.u += q;
        row.v -= p;
      }
      row.u >>= 1n;
      row.v >>= 1n;
    }
  };
  while (first.rest !== 0n) {
    halve(first);
    halve(second);
    const [more, less] = first.rest >= second.rest ? [first, second] : [second, first];
    more.rest -= less.rest;
    more.u -= less.u;
    more.v -= less.v;
  }
  return { gcd: second.rest << twos, u: second.u, v: second.v };
}

/** Sets a number of any length. */
function put(mpi: Mpi, value: bigint): void {
  const magnitude = value < 0n ? -value : value;
  mpi.grow(Math.max(1, limbsIn(magnitude)));
  mpi.magnitude = magnitude;
  mpi.sign = value < 0n ? -1 : 1;
}

const badInput = (why: string): MpiError => new MpiError(MBEDTLS_ERR_MPI_BAD_INPUT_DATA, why);
const noInverse = (): MpiError =>
  new MpiError(MBEDTLS_ERR_MPI_NOT_ACCEPTABLE, 'there is no inverse');
