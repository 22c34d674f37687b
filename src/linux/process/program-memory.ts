/**
 * A program's memory as its own code sees it: a heap, loads and stores by user address. An access
 * that would be a SIGSEGV in C throws: it is a bug of the TypeScript program.
 */
import { formatErrno } from '../../abi/errno.ts';
import { roundUp, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { Access, BusPort } from '../../machine/bus.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import { UserHeap } from './user-heap.ts';
import type { Process } from './user-process.ts';

/** A program touched what it has not mapped. */
export class UserFault extends Error {
  readonly at: number;
  constructor(program: string, at: number, length: number, access: Access) {
    super(`${program}: segmentation fault: ${access} of ${length} bytes at 0x${at.toString(16)}`);
    this.name = 'UserFault';
    this.at = at;
  }
}

/** malloc() found no memory; C programs get NULL. */
export class OutOfMemory extends Error {
  constructor(program: string, size: number, why: string) {
    super(`${program}: no memory for ${size} bytes: ${why}`);
    this.name = 'OutOfMemory';
  }
}

/** The heap grows by so much at least, bytes. */
const HEAP_STEP = 64 * 1024;

export class ProgramMemory {
  readonly #process: Process;
  readonly #port: BusPort;
  /** The memory that `#heap` is in; exec gives the process another. */
  #mm: AddressSpace;
  #heap: UserHeap;

  /** @param parent whose memory was copied by fork(). */
  constructor(process: Process, parent?: ProgramMemory) {
    this.#process = process;
    this.#port = process.kernel.port;
    this.#mm = process.mm;
    this.#heap = parent === undefined ? new UserHeap() : parent.#heap.copy();
  }

  // --- heap
  /** Memory that is mapped and populated, 16-byte aligned, not cleared. @throws OutOfMemory */
  malloc(size: number): Va {
    return this.memalign(1, size);
  }

  /** posix_memalign(). @param align a power of two. @throws OutOfMemory */
  memalign(align: number, size: number): Va {
    const heap = this.#currentHeap();
    let at = heap.alloc(size, align);
    if (at === undefined) {
      this.#grow(size + align);
      at = heap.alloc(size, align)!;
    }
    return va(at);
  }

  /** malloc(), cleared. */
  calloc(size: number): Va {
    const at = this.malloc(size);
    this.write(at, new Uint8Array(size));
    return at;
  }

  /** @throws for what was not allocated; NULL is ignored. */
  free(at: Va): void {
    if (at !== 0) this.#currentHeap().free(at);
  }

  /** Bytes that malloc() has given out. */
  get heapUsed(): number {
    return this.#currentHeap().used;
  }

  // --- loads and stores
  /** A copy. @throws UserFault */
  read(at: Va, length: number): Uint8Array {
    const out = new Uint8Array(length);
    if (!this.#process.mm.read(at, out)) throw this.#fault(at, length, 'read');
    return out;
  }

  /** @throws UserFault */
  write(at: Va, data: Uint8Array): void {
    if (!this.#process.mm.write(at, data)) throw this.#fault(at, data.length, 'write');
  }

  /**
   * The bytes themselves, to read and write, when they are contiguous in RAM, as those of one page
   * always are; else undefined. Good until the memory is unmapped, or the program forks.
   */
  view(at: Va, length: number): Uint8Array<ArrayBuffer> | undefined {
    const index = this.#process.mm.load(at, length, 'write');
    return index < 0 ? undefined : this.#port.u8.subarray(index, index + length);
  }

  u8(at: Va): number {
    return this.#load(at, 1).getUint8(this.#index);
  }
  setU8(at: Va, value: number): void {
    this.write(at, Uint8Array.of(value));
  }
  u32(at: Va): number {
    return this.#load(at, 4).getUint32(this.#index, true);
  }
  setU32(at: Va, value: number): void {
    const bytes = new DataView(new ArrayBuffer(4));
    bytes.setUint32(0, value, true);
    this.write(at, new Uint8Array(bytes.buffer));
  }
  u64(at: Va): bigint {
    return this.#load(at, 8).getBigUint64(this.#index, true);
  }
  setU64(at: Va, value: bigint): void {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setBigUint64(0, value, true);
    this.write(at, new Uint8Array(bytes.buffer));
  }

  /** A C string on the heap: UTF-8, NUL terminated. */
  string(text: string): Va {
    const bytes = new TextEncoder().encode(`${text}\0`);
    const at = this.malloc(bytes.length);
    this.write(at, bytes);
    return at;
  }

  /** Where a word can be loaded from, at `#index`: RAM itself, or a copy if it spans two pages. */
  #load(at: Va, length: number): DataView {
    const index = this.#process.mm.load(at, length, 'read');
    this.#index = Math.max(index, 0);
    return index >= 0 ? this.#port.view : new DataView(this.read(at, length).buffer);
  }
  #index = 0;

  #fault(at: Va, length: number, access: Access): UserFault {
    return new UserFault(this.#process.name, at, length, access);
  }

  #currentHeap(): UserHeap {
    if (this.#mm !== this.#process.mm) {
      this.#mm = this.#process.mm;
      this.#heap = new UserHeap();
    }
    return this.#heap;
  }

  #grow(least: number): void {
    const length = roundUp(least, HEAP_STEP);
    const { mm, name } = this.#process;
    if (this.#process.exitStatus !== undefined) throw this.#process.gone();
    const at = mm.mmap({ length, populate: true });
    if (at < 0) throw new OutOfMemory(name, least, formatErrno(at));
    // Populating fails silently, from some page on.
    if (mm.load(at + length - 1, 1, 'write') < 0) {
      mm.munmap(at, length);
      throw new OutOfMemory(name, least, 'no page is free');
    }
    this.#heap.add(at, length);
  }
}
