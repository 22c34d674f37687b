/**
 * TEE Arithmetical API, second part: modular arithmetic, divisors and primes, fast multiplications.
 * Specification 8.9 to 8.11; the first part says how numbers lie in memory.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_arith_mpi.c. Where C reads what is not there, a
 * sensible value stands instead: TEE_BigIntExpMod whose destination is the exponent, and
 * TEE_BigIntRelativePrime of a number and itself. Where C never ends, the TA does: TEE_BigIntMod
 * whose destination is the modulus, and a modulus for a number that has no sign.
 */
import { TEE_ERROR_NOT_SUPPORTED, TEE_SUCCESS } from '../../abi/gp.ts';
import { TeeBasicArithmetic } from './arithmetic-basic.ts';
import { isSame, load } from './arithmetic-layout.ts';
import type { TEE_BigInt, TEE_BigIntFMM, TEE_BigIntFMMContext } from './arithmetic-layout.ts';
import { expMod, extendedGcd, gcd, invMod, modulo } from './arithmetic-modular.ts';
import { MBEDTLS_ERR_MPI_BAD_INPUT_DATA, Mpi, MpiError } from './arithmetic-mpi.ts';
import type { MpiPool } from './arithmetic-mpi.ts';
import { BIGINT_PANIC, Operands, add, mul, sub } from './arithmetic-numbers.ts';
import type { Operation } from './arithmetic-numbers.ts';
import { isProbablePrime } from './arithmetic-prime.ts';

/** A test of primality has at least so many rounds. */
const MIN_CONFIDENCE = 80;

export class TeeArithmetic extends TeeBasicArithmetic {
  // --- 8.9: modular arithmetic; all of it panics with a modulus below 2
  /** From 0 to n-1. The destination may be op, not n. */
  TEE_BigIntMod(dest: TEE_BigInt, op: TEE_BigInt, n: TEE_BigInt): void {
    this.#mod('TEE_BigIntMod', dest, op, n);
  }

  TEE_BigIntAddMod(dest: TEE_BigInt, op1: TEE_BigInt, op2: TEE_BigInt, n: TEE_BigInt): void {
    this.#combineMod('TEE_BigIntAddMod', dest, op1, op2, n, add);
  }

  TEE_BigIntSubMod(dest: TEE_BigInt, op1: TEE_BigInt, op2: TEE_BigInt, n: TEE_BigInt): void {
    this.#combineMod('TEE_BigIntSubMod', dest, op1, op2, n, sub);
  }

  TEE_BigIntMulMod(dest: TEE_BigInt, op1: TEE_BigInt, op2: TEE_BigInt, n: TEE_BigInt): void {
    this.#combineMod('TEE_BigIntMulMod', dest, op1, op2, n, mul);
  }

  TEE_BigIntSquareMod(dest: TEE_BigInt, op: TEE_BigInt, n: TEE_BigInt): void {
    this.#combineMod('TEE_BigIntSquareMod', dest, op, op, n, mul);
  }

  /** Panics when there is no inverse. */
  TEE_BigIntInvMod(dest: TEE_BigInt, op: TEE_BigInt, n: TEE_BigInt): void {
    const api = 'TEE_BigIntInvMod';
    this.#needModulus(api, n);
    this.calculate(api, (pool) => {
      if (load(pool, op).compareInt(0) === 0) this.panic(BIGINT_PANIC, api, '0 has no inverse');
    });
    this.combine(api, dest, op, op, (x, a) => invMod(x, a, load(x.pool, n)));
  }

  /**
   * Panics with a modulus of 2 or less, and with an exponent below 0. With dest for op1, the sign of
   * op1 is lost. @returns TEE_ERROR_NOT_SUPPORTED when the modulus is even
   */
  TEE_BigIntExpMod(
    dest: TEE_BigInt,
    op1: TEE_BigInt,
    op2: TEE_BigInt,
    n: TEE_BigInt,
    _context: TEE_BigIntFMMContext | null,
  ): number {
    const api = 'TEE_BigIntExpMod';
    return this.calculate(api, (pool) => {
      const operands = new Operands(pool);
      const [x, modulus] = [operands.destination(dest), load(pool, n)];
      const [a, e] = [operands.operand(op1), operands.operand(op2)];
      if (modulus.compareInt(2) <= 0) this.panic(BIGINT_PANIC, api, 'the modulus is not above 2');
      if (!modulus.isOdd) return this.refuse(api, TEE_ERROR_NOT_SUPPORTED, evenModulus());
      expMod(x, a, e, modulus);
      this.keep(x, dest);
      return TEE_SUCCESS;
    });
  }

  // --- 8.10: other arithmetic
  TEE_BigIntRelativePrime(op1: TEE_BigInt, op2: TEE_BigInt): boolean {
    return this.calculate('TEE_BigIntRelativePrime', (pool) => {
      const divisor = new Mpi(pool);
      gcd(divisor, load(pool, op1), load(pool, op2));
      return divisor.compareInt(1) === 0;
    });
  }

  /** gcd = u·op1 + v·op2, for u and v that are not NULL. Two zeros have the divisor 0. */
  TEE_BigIntComputeExtendedGcd(
    gcd: TEE_BigInt,
    u: TEE_BigInt | null,
    v: TEE_BigInt | null,
    op1: TEE_BigInt,
    op2: TEE_BigInt,
  ): void {
    this.calculate('TEE_BigIntComputeExtendedGcd', (pool) => {
      const [divisor, a] = [load(pool, gcd), load(pool, op1)];
      const b = isSame(op1, op2) ? a : load(pool, op2);
      this.#extendedGcd(pool, divisor, u, v, a, b);
      this.keep(divisor, gcd);
    });
  }

  /** 1 or 0: also when there is no memory or no random numbers to tell. */
  TEE_BigIntIsProbablePrime(op: TEE_BigInt, confidenceLevel: number): number {
    const api = 'TEE_BigIntIsProbablePrime';
    const rounds = Math.max(confidenceLevel >>> 0, MIN_CONFIDENCE);
    return this.calculate(api, (pool) => {
      const mpi = load(pool, op);
      try {
        return isProbablePrime(mpi, rounds, (out) => this.syscalls.rng(out)) ? 1 : 0;
      } catch (error) {
        if (!(error instanceof MpiError)) throw error;
        this.explain(api, '0', error);
        return 0;
      }
    });
  }

  // --- 8.11: fast modular multiplication, which is not faster
  TEE_BigIntConvertToFMM(
    dest: TEE_BigIntFMM,
    src: TEE_BigInt,
    n: TEE_BigInt,
    _context: TEE_BigIntFMMContext | null,
  ): void {
    this.#mod('TEE_BigIntConvertToFMM', dest, src, n);
  }

  TEE_BigIntConvertFromFMM(
    dest: TEE_BigInt,
    src: TEE_BigIntFMM,
    _n: TEE_BigInt,
    _context: TEE_BigIntFMMContext | null,
  ): void {
    this.change('TEE_BigIntConvertFromFMM', dest, (mpi, pool) => mpi.copy(load(pool, src)));
  }

  /** Panics with a modulus below 1. */
  TEE_BigIntComputeFMM(
    dest: TEE_BigIntFMM,
    op1: TEE_BigIntFMM,
    op2: TEE_BigIntFMM,
    n: TEE_BigInt,
    _context: TEE_BigIntFMMContext | null,
  ): void {
    this.change('TEE_BigIntComputeFMM', dest, (mpi, pool) => {
      const [a, b, modulus] = [load(pool, op1), load(pool, op2), load(pool, n)];
      const product = new Mpi(pool);
      product.mul(a, b);
      modulo(mpi, product, modulus);
    });
  }

  #needModulus(api: string, n: TEE_BigInt): void {
    this.calculate(api, (pool) => {
      if (load(pool, n).compareInt(2) < 0) this.panic(BIGINT_PANIC, api, 'the modulus is below 2');
    });
  }

  #mod(api: string, dest: TEE_BigInt, op: TEE_BigInt, n: TEE_BigInt): void {
    this.#needModulus(api, n);
    this.combine(api, dest, op, n, modulo);
  }

  /** dest = (op1 ∘ op2) mod n */
  #combineMod(
    api: string,
    dest: TEE_BigInt,
    op1: TEE_BigInt,
    op2: TEE_BigInt,
    n: TEE_BigInt,
    operation: Operation,
  ): void {
    this.#needModulus(api, n);
    this.combine(api, dest, op1, op2, (x, a, b) => {
      const [result, modulus] = [new Mpi(x.pool), load(x.pool, n)];
      operation(result, a, b);
      modulo(x, result, modulus);
    });
  }

  #extendedGcd(
    pool: MpiPool,
    divisor: Mpi,
    u: TEE_BigInt | null,
    v: TEE_BigInt | null,
    a: Mpi,
    b: Mpi,
  ): void {
    if (u === null && v === null) return gcd(divisor, a, b);
    const signs = [a.sign, b.sign] as const;
    a.sign = 1;
    b.sign = 1;
    const [factorA, factorB] = [load(pool, u), load(pool, v)];
    const order = a.compareMagnitude(b);
    if (order < 0) extendedGcd(divisor, factorB, factorA, b, a);
    else if (order > 0) extendedGcd(divisor, factorA, factorB, a, b);
    else {
      divisor.copy(a);
      factorA.set(1);
      factorB.set(0);
    }
    factorA.sign *= signs[0];
    factorB.sign *= signs[1];
    if (u !== null) this.keep(factorA, u);
    if (v !== null) this.keep(factorB, v);
  }
}

const evenModulus = (): MpiError =>
  new MpiError(MBEDTLS_ERR_MPI_BAD_INPUT_DATA, 'the modulus is even');
