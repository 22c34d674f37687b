/**
 * The numbers that a function of the Arithmetical API calculates with. Their magnitude is a bigint;
 * sign and allocated limbs follow mbed TLS step by step, because both show: in the head of a result
 * (the sign of a zero, a sign that was never set), in results whose destination is an operand, too,
 * and in what finds no room in the pool that all limbs come from.
 *
 * Upstream counterparts: optee_os lib/libmbedtls/mbedtls/library/bignum.c (mbedtls_mpi),
 * lib/libutils/ext/mempool.c. Left out: holes in the pool, so that its last bytes can be had here.
 */
import type { Heap } from './heap.ts';

export const MBEDTLS_ERR_MPI_FILE_IO_ERROR = -0x02;
export const MBEDTLS_ERR_MPI_BAD_INPUT_DATA = -0x04;
export const MBEDTLS_ERR_MPI_NEGATIVE_VALUE = -0x0a;
export const MBEDTLS_ERR_MPI_DIVISION_BY_ZERO = -0x0c;
export const MBEDTLS_ERR_MPI_NOT_ACCEPTABLE = -0x0e;
export const MBEDTLS_ERR_MPI_ALLOC_FAILED = -0x10;

/** MBEDTLS_MPI_MAX_LIMBS. */
const MAX_LIMBS = 10_000;
export const LIMB_BYTES = 4;
export const LIMB_BITS = 32;

const MPI_MEMPOOL_SIZE = 14 * 1024;
/** struct malloc_ctx, its list of one pool, and the sentinel at a pool's end. Source: bget_malloc.c. */
const POOL_HEAD = 48 + 32 + 16;
const POOL_BYTES = MPI_MEMPOOL_SIZE - POOL_HEAD;
const BLOCK_HEAD = 16;
const QUANTUM = 16;

export const limbsFor = (bits: number): number => Math.ceil(bits / LIMB_BITS);
export const limbsIn = (magnitude: bigint): number => limbsFor(bitsIn(magnitude));

/** Bits of a magnitude without leading zeros. */
export function bitsIn(magnitude: bigint): number {
  if (magnitude === 0n) return 0;
  const digits = magnitude.toString(16);
  return digits.length * 4 - Math.clz32(Number.parseInt(digits[0]!, 16)) + 28;
}

/** Zero bits below the lowest one. */
export function trailingZeros(magnitude: bigint): number {
  return magnitude === 0n ? 0 : bitsIn(magnitude & -magnitude) - 1;
}

export interface Shortage {
  readonly requested: number;
  readonly available: number;
  /** What limits it, and its value. */
  readonly limit: string;
}

/** What a function of mbed TLS, or the copy of its result, returned. */
export class MpiError extends Error {
  /** MBEDTLS_ERR_MPI_*, TEE_ERROR_OVERFLOW. */
  readonly code: number;
  readonly shortage: Shortage | undefined;

  constructor(code: number, why: string, shortage?: Shortage) {
    super(shortage === undefined ? why : `${why}: ${told(shortage)}`);
    this.code = code;
    this.shortage = shortage;
  }
}

const told = ({ requested, available, limit }: Shortage): string =>
  `needs ${requested}, has ${available} (${limit})`;

interface Block {
  bytes: number;
}

const cost = ({ bytes }: Block): number =>
  bytes === 0 ? 0 : BLOCK_HEAD + Math.max(1, Math.ceil(bytes / QUANTUM)) * QUANTUM;

/** Where limbs live while a function runs: 14 KiB of the TA, whatever its own heap has. */
export class MpiPool {
  readonly #heap: Heap;
  readonly #live: Block[] = [];
  #used = 0;

  constructor(heap: Heap) {
    this.#heap = heap;
  }

  /** Bytes in use, heads included. */
  get usedBytes(): number {
    return this.#used;
  }

  /** Gives back after `body` what it took. */
  scope<T>(body: () => T): T {
    const mark = this.#live.length;
    try {
      return body();
    } finally {
      for (const block of this.#live.splice(mark)) this.#used -= cost(block);
    }
  }

  /** @throws MpiError */
  take(bytes: number): Block {
    const block = { bytes: 0 };
    this.#live.push(block);
    this.resize(block, bytes);
    return block;
  }

  /** As malloc, copy and free: both blocks have to have room. @throws MpiError */
  resize(block: Block, bytes: number): void {
    const resized = { bytes };
    if (this.#used + cost(resized) > POOL_BYTES) {
      throw new MpiError(MBEDTLS_ERR_MPI_ALLOC_FAILED, 'bytes of the pool of numbers', {
        requested: bytes,
        available: Math.max(0, POOL_BYTES - this.#used - BLOCK_HEAD),
        limit: `MPI_MEMPOOL_SIZE=${MPI_MEMPOOL_SIZE}`,
      });
    }
    this.#used += cost(resized) - cost(block);
    block.bytes = bytes;
  }

  /** Room of the TA's own heap for as long as one step takes. @throws MpiError */
  borrowFromHeap(bytes: number): void {
    const heap = this.#heap;
    const memory = heap.allocate(bytes);
    if (memory === undefined) {
      throw new MpiError(MBEDTLS_ERR_MPI_ALLOC_FAILED, "bytes of the TA's heap", {
        requested: bytes,
        available: heap.largestFree,
        limit: `TA_DATA_SIZE=${heap.sizeBytes}`,
      });
    }
    heap.free(memory);
  }
}

/** A sign as a `signed short` holds it. */
export const short = (sign: number): number => (sign << 16) >> 16;

/** Methods set the number they are called on, which may be one of their operands. */
export class Mpi {
  readonly pool: MpiPool;
  readonly #block: Block;
  /** 1 or -1; 0 and others in numbers that were never initialised. */
  sign = 1;
  /** Limbs that it has room for; at least those of `magnitude`. */
  limbs = 0;
  magnitude = 0n;

  constructor(pool: MpiPool) {
    this.pool = pool;
    this.#block = pool.take(0);
  }

  get isZero(): boolean {
    return this.magnitude === 0n;
  }

  get isOdd(): boolean {
    return (this.magnitude & 1n) === 1n;
  }

  /** @throws MpiError, as all that can make it longer */
  grow(limbs: number): void {
    if (limbs > MAX_LIMBS) {
      throw new MpiError(MBEDTLS_ERR_MPI_ALLOC_FAILED, `${limbs} limbs are too many`);
    }
    if (limbs <= this.limbs) return;
    this.pool.resize(this.#block, limbs * LIMB_BYTES);
    this.limbs = limbs;
  }

  /** Gives limbs back, down to those of the value or to `limbs`. */
  shrink(limbs: number): void {
    const left = Math.max(limbs, limbsIn(this.magnitude));
    if (left >= this.limbs) return;
    this.pool.resize(this.#block, left * LIMB_BYTES);
    this.limbs = left;
  }

  /** A zero without limbs changes no sign where there are none, either. */
  copy(from: Mpi): void {
    if (from === this) return;
    if (from.limbs === 0 && this.limbs === 0) return;
    if (from.limbs > 0) this.grow(Math.max(1, limbsIn(from.magnitude)));
    this.sign = from.limbs > 0 ? from.sign : 1;
    this.magnitude = from.magnitude;
  }

  /** @param value 32 bits, signed */
  set(value: number): void {
    this.grow(1);
    this.sign = value < 0 ? -1 : 1;
    this.magnitude = BigInt(Math.abs(value));
  }

  /** Of the magnitude; the sign stays. */
  setBit(index: number, value: boolean): void {
    if (value) this.grow(Math.floor(index / LIMB_BITS) + 1);
    if (this.hasBit(index) !== value) this.magnitude ^= 1n << BigInt(index);
  }

  hasBit(index: number): boolean {
    return ((this.magnitude >> BigInt(index)) & 1n) === 1n;
  }

  shiftLeft(bits: number): void {
    this.grow(limbsFor(bitsIn(this.magnitude) + bits));
    this.magnitude <<= BigInt(bits);
  }

  /** Of the magnitude: what is left of -1 is a zero with its sign. */
  shiftRight(bits: number): void {
    this.magnitude >>= BigInt(bits);
  }

  compareMagnitude(other: Mpi): number {
    if (this.magnitude === other.magnitude) return 0;
    return this.magnitude > other.magnitude ? 1 : -1;
  }

  /** The sign of the difference, made of the operands' signs as they are. */
  compare(other: Mpi): number {
    return this.#compare(other.magnitude, other.sign);
  }

  /** @param value 32 bits, signed */
  compareInt(value: number): number {
    return this.#compare(BigInt(Math.abs(value)), value < 0 ? -1 : 1);
  }

  add(a: Mpi, b: Mpi): void {
    this.#addSigned(a, b, 1);
  }

  sub(a: Mpi, b: Mpi): void {
    this.#addSigned(a, b, -1);
  }

  mul(a: Mpi, b: Mpi): void {
    const { pool } = this;
    const [product, sign] = [a.magnitude * b.magnitude, a.sign * b.sign];
    const limbs = limbsIn(a.magnitude) + limbsIn(b.magnitude);
    pool.scope(() => {
      if (this === a) new Mpi(pool).copy(a);
      if (this === b) new Mpi(pool).copy(b);
      this.grow(Math.max(1, limbs));
    });
    this.magnitude = product;
    this.sign = product === 0n ? 1 : short(sign);
  }

  #compare(magnitude: bigint, sign: number): number {
    const [i, j] = [limbsIn(this.magnitude), limbsIn(magnitude)];
    if (i === 0 && j === 0) return 0;
    if (i > j) return this.sign;
    if (j > i) return 0 - sign;
    if (this.sign > 0 && sign < 0) return 1;
    if (sign > 0 && this.sign < 0) return -1;
    if (this.magnitude === magnitude) return 0;
    return this.magnitude > magnitude ? this.sign : 0 - this.sign;
  }

  #addSigned(a: Mpi, b: Mpi, flip: number): void {
    const { sign } = a;
    if (a.sign * b.sign * flip >= 0) {
      this.#addMagnitudes(a, b);
      this.sign = sign;
      return;
    }
    const order = a.compareMagnitude(b);
    if (order >= 0) this.#subMagnitudes(a, b);
    else this.#subMagnitudes(b, a);
    this.sign = order === 0 ? 1 : short(order * sign);
  }

  #addMagnitudes(a: Mpi, b: Mpi): void {
    const sum = a.magnitude + b.magnitude;
    const first = this === b ? b : a;
    this.copy(first);
    this.grow(limbsIn(sum));
    this.magnitude = sum;
  }

  /** `a` is not less than `b`. */
  #subMagnitudes(a: Mpi, b: Mpi): void {
    this.grow(a.limbs);
    this.magnitude = a.magnitude - b.magnitude;
  }
}
