/**
 * What functions on numbers have in common: operands, the pool that a call takes its memory from, and
 * what becomes of errors.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_arith_mpi.c. Left out: the line that it prints
 * before a panic.
 */
import { TEE_ERROR_OVERFLOW, TEE_SUCCESS, formatResult } from '../../abi/gp.ts';
import {
  BIGINT_HDR_SIZE_IN_U32,
  MAX_BIG_INT_BITS,
  headOf,
  isSame,
  load,
  setHead,
  store,
  wordsOf,
} from './arithmetic-layout.ts';
import type { TEE_BigInt } from './arithmetic-layout.ts';
import { MpiError, MpiPool, limbsIn } from './arithmetic-mpi.ts';
import type { Mpi } from './arithmetic-mpi.ts';
import { TeeMemory } from './memory.ts';

/** The code of nearly all panics of this chapter. Source: tee_api_arith_mpi.c. */
export const BIGINT_PANIC = 0xb16127;
/** Longest number, head included, that TEE_BigIntInit takes: more than the property promises. */
export const MAX_BIG_INT_WORDS = MAX_BIG_INT_BITS / 4;

/** x = a ∘ b */
export type Operation = (x: Mpi, a: Mpi, b: Mpi) => void;

export const add: Operation = (x, a, b) => x.add(a, b);
export const sub: Operation = (x, a, b) => x.sub(a, b);
export const mul: Operation = (x, a, b) => x.mul(a, b);

/** Operands of one call: what is one number for the TA is one here, so that it changes with it. */
export class Operands {
  readonly #pool: MpiPool;
  readonly #known: (readonly [TEE_BigInt, Mpi])[] = [];

  constructor(pool: MpiPool) {
    this.#pool = pool;
  }

  /** A number of its own: 0 for NULL. */
  destination(bigInt: TEE_BigInt | null): Mpi {
    const mpi = load(this.#pool, bigInt);
    if (bigInt !== null) this.#known.push([bigInt, mpi]);
    return mpi;
  }

  operand(bigInt: TEE_BigInt): Mpi {
    const known = this.#known.find(([other]) => isSame(other, bigInt));
    return known?.[1] ?? this.destination(bigInt);
  }
}

export class TeeNumbers extends TeeMemory {
  protected readonly mpiPool = new MpiPool(this.runtime.heap);

  protected initBigInt(api: string, bigInt: TEE_BigInt, len: number): void {
    if (len > MAX_BIG_INT_WORDS) {
      this.panic(BIGINT_PANIC, api, `${len} words are more than ${MAX_BIG_INT_WORDS}`);
    }
    wordsOf(bigInt, len).fill(0);
    setHead(bigInt, { sign: 1, allocSize: len - BIGINT_HDR_SIZE_IN_U32, limbs: 0 });
  }

  /** Runs a function: what it takes from the pool comes back, what goes wrong is a panic. */
  protected calculate<T>(api: string, body: (pool: MpiPool) => T): T {
    try {
      return this.mpiPool.scope(() => body(this.mpiPool));
    } catch (error) {
      if (!(error instanceof MpiError)) throw error;
      return this.panic(BIGINT_PANIC, api, error.message);
    }
  }

  /** As `calculate`, for a function that starts from what stands in `dest`. */
  protected change(api: string, dest: TEE_BigInt, body: (mpi: Mpi, pool: MpiPool) => void): void {
    this.calculate(api, (pool) => {
      const mpi = load(pool, dest);
      body(mpi, pool);
      this.keep(mpi, dest);
    });
  }

  /** dest = op1 ∘ op2 */
  protected combine(
    api: string,
    dest: TEE_BigInt,
    op1: TEE_BigInt,
    op2: TEE_BigInt,
    operation: Operation,
  ): void {
    this.calculate(api, (pool) => {
      const operands = new Operands(pool);
      const x = operands.destination(dest);
      operation(x, operands.operand(op1), operands.operand(op2));
      this.keep(x, dest);
    });
  }

  /** @throws MpiError when there is too little room */
  protected keep(mpi: Mpi, dest: TEE_BigInt): void {
    if (store(mpi, dest) !== TEE_SUCCESS) throw overflow(limbsIn(mpi.magnitude), dest);
  }

  /** As `calculate`, for a result that may have too little room: TEE_ERROR_OVERFLOW then. */
  protected keepOrOverflow(api: string, mpi: Mpi, dest: TEE_BigInt, body: () => void): number {
    try {
      body();
      this.keep(mpi, dest);
      return TEE_SUCCESS;
    } catch (error) {
      if (!(error instanceof MpiError)) throw error;
      return this.refuse(api, TEE_ERROR_OVERFLOW, error);
    }
  }

  /** Returns an error that a function may have, with the reason beside it. */
  protected refuse(api: string, code: number, error: MpiError): number {
    this.explain(api, formatResult(code), error);
    return code;
  }

  /** Says why, where a result alone does not. */
  protected explain(api: string, code: string, { message, shortage }: MpiError): void {
    this.runtime.environment.sched.trace.cause('ta', {
      layer: 'ta/gp',
      code,
      text: `${api}: ${message}`,
      object: this.runtime.head.uuid,
      ...shortage,
    });
  }
}

export function overflow(limbs: number, dest: TEE_BigInt): MpiError {
  return new MpiError(TEE_ERROR_OVERFLOW, 'limbs of the result', {
    requested: limbs,
    available: headOf(dest).allocSize,
    limit: 'TEE_BigIntInit of dest',
  });
}
