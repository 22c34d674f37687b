/**
 * TEE Arithmetical API, first part: numbers and what is done with one or two of them. Specification
 * 8.3 to 8.8.
 *
 * A number is a Uint32Array of the TA's own, of TEE_BigIntSizeInU32(bits) words, that TEE_BigIntInit
 * made one. Results replace `dest`, which may be an operand, too. A result that has no room there is
 * a panic; only the conversions, TEE_BigIntSetBit, TEE_BigIntAssign and TEE_BigIntAbs return
 * TEE_ERROR_OVERFLOW.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_arith_mpi.c.
 */
import {
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_OVERFLOW,
  TEE_ERROR_SHORT_BUFFER,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  TEE_BigIntSizeInU32,
  fromOctets,
  headOf,
  isSame,
  limbsOf,
  load,
  setHead,
  toOctets,
} from './arithmetic-layout.ts';
import type { TEE_BigInt, TEE_BigIntFMM, TEE_BigIntFMMContext } from './arithmetic-layout.ts';
import { divide } from './arithmetic-modular.ts';
import { Mpi, MpiError, bitsIn, limbsFor, short } from './arithmetic-mpi.ts';
import { Operands, TeeNumbers, add, mul, overflow, sub } from './arithmetic-numbers.ts';
import type { Ref, TEE_Memref } from './types.ts';

export class TeeBasicArithmetic extends TeeNumbers {
  // --- 8.3, 8.4: sizes and initialisation
  /** Words of a number in the form of 8.11. */
  TEE_BigIntFMMSizeInU32(modulusSizeInBits: number): number {
    return TEE_BigIntSizeInU32(modulusSizeInBits);
  }

  /** Nothing is kept there; more than 0, so that it can be allocated. */
  TEE_BigIntFMMContextSizeInU32(_modulusSizeInBits: number): number {
    return 1;
  }

  /** The number is 0. @param len words of `bigInt`; panics beyond 512 */
  TEE_BigIntInit(bigInt: TEE_BigInt, len: number): void {
    this.initBigInt('TEE_BigIntInit', bigInt, len);
  }

  TEE_BigIntInitFMM(bigIntFMM: TEE_BigIntFMM, len: number): void {
    this.initBigInt('TEE_BigIntInitFMM', bigIntFMM, len);
  }

  TEE_BigIntInitFMMContext(
    _context: TEE_BigIntFMMContext,
    _len: number,
    _modulus: TEE_BigInt,
  ): void {}

  TEE_BigIntInitFMMContext1(
    _context: TEE_BigIntFMMContext,
    _len: number,
    _modulus: TEE_BigInt,
  ): number {
    return TEE_SUCCESS;
  }

  // --- 8.5: conversion
  /** @param sign below 0: so is the number @returns TEE_ERROR_OVERFLOW */
  TEE_BigIntConvertFromOctetString(
    dest: TEE_BigInt,
    buffer: Uint8Array | null,
    sign: number,
  ): number {
    const api = 'TEE_BigIntConvertFromOctetString';
    const octets = buffer ?? new Uint8Array(0);
    return this.calculate(api, (pool) => {
      const mpi = new Mpi(pool);
      return this.keepOrOverflow(api, mpi, dest, () => {
        mpi.grow(limbsFor(octets.length * 8));
        mpi.magnitude = fromOctets(octets);
        if (sign < 0) mpi.sign = -1;
      });
    });
  }

  /** The magnitude, without leading zeros. @returns TEE_ERROR_SHORT_BUFFER */
  TEE_BigIntConvertToOctetString(buffer: TEE_Memref, bigInt: TEE_BigInt): number {
    const api = 'TEE_BigIntConvertToOctetString';
    return this.calculate(api, (pool) => {
      const { magnitude } = load(pool, bigInt);
      const size = Math.ceil(bitsIn(magnitude) / 8);
      const isShort = size > buffer.size;
      if (!isShort) toOctets(magnitude, this.room(api, buffer).subarray(0, size));
      buffer.size = size;
      return isShort ? TEE_ERROR_SHORT_BUFFER : TEE_SUCCESS;
    });
  }

  /** @param shortVal 32 bits, signed */
  TEE_BigIntConvertFromS32(dest: TEE_BigInt, shortVal: number): void {
    this.change('TEE_BigIntConvertFromS32', dest, (mpi) => mpi.set(shortVal | 0));
  }

  /** @returns TEE_ERROR_OVERFLOW; of a number of 32 bits, those are there all the same */
  TEE_BigIntConvertToS32(dest: Ref<number>, src: TEE_BigInt): number {
    return this.calculate('TEE_BigIntConvertToS32', (pool) => {
      const { magnitude, sign } = load(pool, src);
      if (bitsIn(magnitude) > 32) return TEE_ERROR_OVERFLOW;
      const value = sign > 0 ? Number(magnitude) : 0 - Number(magnitude);
      dest.value = value | 0;
      return value === dest.value ? TEE_SUCCESS : TEE_ERROR_OVERFLOW;
    });
  }

  // --- 8.6: logical operations
  /** @returns a number of the sign of op1 - op2 */
  TEE_BigIntCmp(op1: TEE_BigInt, op2: TEE_BigInt): number {
    return this.calculate('TEE_BigIntCmp', (pool) => load(pool, op1).compare(load(pool, op2)));
  }

  /** @param shortVal 32 bits, signed */
  TEE_BigIntCmpS32(op: TEE_BigInt, shortVal: number): number {
    return this.calculate('TEE_BigIntCmpS32', (pool) => load(pool, op).compareInt(shortVal | 0));
  }

  /** Of the magnitude: rounds to zero. */
  TEE_BigIntShiftRight(dest: TEE_BigInt, op: TEE_BigInt, bits: number): void {
    this.change('TEE_BigIntShiftRight', dest, (mpi, pool) => {
      const from = isSame(dest, op) ? mpi : load(pool, op);
      from.shiftRight(bits);
      mpi.copy(from);
    });
  }

  /** Of the magnitude. */
  TEE_BigIntGetBit(src: TEE_BigInt, bitIndex: number): boolean {
    return this.calculate('TEE_BigIntGetBit', (pool) => load(pool, src).hasBit(bitIndex >>> 0));
  }

  /** Of the magnitude. @returns TEE_ERROR_OVERFLOW */
  TEE_BigIntSetBit(op: TEE_BigInt, bitIndex: number, value: boolean): number {
    const api = 'TEE_BigIntSetBit';
    return this.calculate(api, (pool) => {
      const mpi = load(pool, op);
      return this.keepOrOverflow(api, mpi, op, () => mpi.setBit(bitIndex >>> 0, value));
    });
  }

  /** Of the magnitude, without leading zeros. */
  TEE_BigIntGetBitCount(src: TEE_BigInt): number {
    return this.calculate('TEE_BigIntGetBitCount', (pool) => bitsIn(load(pool, src).magnitude));
  }

  /** @returns TEE_ERROR_OVERFLOW */
  TEE_BigIntAssign(dest: TEE_BigInt, src: TEE_BigInt): number {
    return this.#assign('TEE_BigIntAssign', dest, src);
  }

  /** @returns TEE_ERROR_OVERFLOW */
  TEE_BigIntAbs(dest: TEE_BigInt, src: TEE_BigInt): number {
    const result = this.#assign('TEE_BigIntAbs', dest, src);
    if (result === TEE_SUCCESS) setHead(dest, { ...headOf(dest), sign: 1 });
    return result;
  }

  // --- 8.7, 8.8: basic arithmetic
  TEE_BigIntAdd(dest: TEE_BigInt, op1: TEE_BigInt, op2: TEE_BigInt): void {
    this.combine('TEE_BigIntAdd', dest, op1, op2, add);
  }

  TEE_BigIntSub(dest: TEE_BigInt, op1: TEE_BigInt, op2: TEE_BigInt): void {
    this.combine('TEE_BigIntSub', dest, op1, op2, sub);
  }

  TEE_BigIntNeg(dest: TEE_BigInt, op: TEE_BigInt): void {
    this.change('TEE_BigIntNeg', dest, (mpi, pool) => {
      if (!isSame(dest, op)) mpi.copy(load(pool, op));
      mpi.sign = short(-mpi.sign);
    });
  }

  /** Panics also when both operands together have more than 508 limbs. */
  TEE_BigIntMul(dest: TEE_BigInt, op1: TEE_BigInt, op2: TEE_BigInt): void {
    this.#multiply('TEE_BigIntMul', dest, op1, op2);
  }

  TEE_BigIntSquare(dest: TEE_BigInt, op: TEE_BigInt): void {
    this.#multiply('TEE_BigIntSquare', dest, op, op);
  }

  /**
   * Rounds to zero; the remainder has the sign of op1. Either result may be NULL. Panics when op2 is
   * 0. With dest_q for op1, a smaller op1 leaves no remainder, and the quotient has the sign of op2.
   */
  TEE_BigIntDiv(
    dest_q: TEE_BigInt | null,
    dest_r: TEE_BigInt | null,
    op1: TEE_BigInt,
    op2: TEE_BigInt,
  ): void {
    this.calculate('TEE_BigIntDiv', (pool) => {
      const operands = new Operands(pool);
      const [q, r] = [operands.destination(dest_q), operands.destination(dest_r)];
      divide(q, r, operands.operand(op1), operands.operand(op2));
      if (dest_q !== null) this.keep(q, dest_q);
      if (dest_r !== null) this.keep(r, dest_r);
    });
  }

  /** Limbs as they stand there, and no more than them. */
  #assign(api: string, dest: TEE_BigInt, src: TEE_BigInt): number {
    if (isSame(dest, src)) return TEE_SUCCESS;
    const { sign, limbs } = headOf(src);
    const { allocSize } = headOf(dest);
    if (allocSize < limbs) return this.refuse(api, TEE_ERROR_OVERFLOW, overflow(limbs, dest));
    setHead(dest, { sign, allocSize, limbs });
    limbsOf(dest).set(limbsOf(src));
    return TEE_SUCCESS;
  }

  /** By way of a product as long as it can get. */
  #multiply(api: string, dest: TEE_BigInt, op1: TEE_BigInt, op2: TEE_BigInt): void {
    this.calculate(api, (pool) => {
      const words = (op: TEE_BigInt): number =>
        TEE_BigIntSizeInU32(pool.scope(() => bitsIn(load(pool, op).magnitude)));
      const product = new Uint32Array(words(op1) + words(op2));
      this.#takeOrPanic(api, product.byteLength);
      this.initBigInt(api, product, product.length);
      this.combine(api, product, op1, op2, mul);
      this.change(api, dest, (mpi) => mpi.add(load(pool, product), new Mpi(pool)));
    });
  }

  #takeOrPanic(api: string, bytes: number): void {
    try {
      this.mpiPool.take(bytes);
    } catch (error) {
      if (!(error instanceof MpiError)) throw error;
      this.panic(TEE_ERROR_OUT_OF_MEMORY, api, error.message);
    }
  }
}
