/** Other processes' memory, by process_vm_readv(2) and process_vm_writev(2). */
import type { Va } from '../machine/address.ts';
import type { Libc } from './libc.ts';
import { SpareBuffers } from './spare-buffers.ts';

/** include/uapi/linux/kcmp.h */
const KCMP_VM = 1;
export const SCRATCH_BYTES = 64 * 1024;
const MAX_IOVECS = 64;
const IOVEC_BYTES = 16;

/** Reads and writes other processes' memory; one for all native processes of a supervisor. */
export class VmAccess {
  readonly libc: Libc;
  readonly #kcmp: number;
  /** Address of the box's RAM in this process. */
  readonly ramAddress: number;
  readonly ram: Uint8Array<ArrayBuffer>;
  readonly scratch = new Uint8Array(SCRATCH_BYTES);
  readonly spare: SpareBuffers;
  readonly #scratchAddress: number;
  readonly #iovecs = new DataView(new ArrayBuffer(2 * MAX_IOVECS * IOVEC_BYTES));
  readonly #iovecAddress: number;

  /** @param kcmp the system call's number */
  constructor(libc: Libc, ram: Uint8Array<ArrayBuffer>, kcmp: number) {
    this.libc = libc;
    this.#kcmp = kcmp;
    this.spare = new SpareBuffers(libc);
    this.ram = ram;
    this.ramAddress = libc.address(ram);
    this.#scratchAddress = libc.address(this.scratch);
    this.#iovecAddress = libc.address(new Uint8Array(this.#iovecs.buffer));
  }

  /** Whether two processes have one address space (KCMP_VM). */
  isShared(pid: number, other: number): boolean {
    return this.libc.syscall(this.#kcmp, pid, other, KCMP_VM) === 0;
  }

  /** Bytes fetched into the scratch buffer, fewer at a hole; at most its size. */
  fetch(pid: number, at: number, length: number): number {
    return this.#move(pid, this.#scratchAddress, at, length, false);
  }

  /** Copies into the box's RAM; bytes copied. */
  readRam(pid: number, at: number, ramOffset: number, length: number): number {
    return this.#move(pid, this.ramAddress + ramOffset, at, length, false);
  }

  /** Copies to this process's memory at an address; bytes copied. */
  read(pid: number, at: number, local: number, length: number): number {
    return this.#move(pid, local, at, length, false);
  }

  /** Copies from this process's memory at an address; bytes copied. */
  write(pid: number, at: number, local: number, length: number): number {
    return this.#move(pid, local, at, length, true);
  }

  /** Writes pieces in order; false at the first that cannot be written whole. */
  writeEach(pid: number, writes: readonly { at: Va; data: Uint8Array }[]): boolean {
    let used = 0;
    let count = 0;
    for (const { at, data } of writes) {
      if (count === MAX_IOVECS || used + data.length > SCRATCH_BYTES) {
        if (!this.#writeGathered(pid, count, used)) return false;
        used = 0;
        count = 0;
      }
      if (data.length > SCRATCH_BYTES) {
        if (!this.#writeLarge(pid, at, data)) return false;
        continue;
      }
      this.scratch.set(data, used);
      this.#iovec(count, this.#scratchAddress + used, data.length);
      this.#iovec(MAX_IOVECS + count, at, data.length);
      used += data.length;
      count += 1;
    }
    return this.#writeGathered(pid, count, used);
  }

  /** Notes a piece of RAM that goes to the process; `flush` sends what is noted. */
  push(pid: number, at: number, ramOffset: number, length: number): void {
    if (this.#pushed === MAX_IOVECS) this.flush(pid);
    this.#iovec(this.#pushed, this.ramAddress + ramOffset, length);
    this.#iovec(MAX_IOVECS + this.#pushed, at, length);
    this.#pushed += 1;
  }
  #pushed = 0;

  flush(pid: number): void {
    const count = this.#pushed;
    this.#pushed = 0;
    const local = this.#iovecAddress;
    const remote = local + MAX_IOVECS * IOVEC_BYTES;
    if (count > 0) this.libc.processVmWritev(pid, local, count, remote, count);
  }

  #writeGathered(pid: number, count: number, bytes: number): boolean {
    if (count === 0) return true;
    const local = this.#iovecAddress;
    const remote = local + MAX_IOVECS * IOVEC_BYTES;
    return this.libc.processVmWritev(pid, local, count, remote, count) === bytes;
  }

  #writeLarge(pid: number, at: Va, data: Uint8Array): boolean {
    for (let done = 0; done < data.length;) {
      const piece = data.subarray(done, done + SCRATCH_BYTES);
      this.scratch.set(piece);
      if (this.#move(pid, this.#scratchAddress, at + done, piece.length, true) !== piece.length) {
        return false;
      }
      done += piece.length;
    }
    return true;
  }

  #move(pid: number, local: number, remote: number, length: number, write: boolean): number {
    if (length === 0) return 0;
    this.#iovec(0, local, length);
    this.#iovec(1, remote, length);
    const call = write ? this.libc.processVmWritev : this.libc.processVmReadv;
    return Math.max(0, call(pid, this.#iovecAddress, 1, this.#iovecAddress + IOVEC_BYTES, 1));
  }

  #iovec(index: number, base: number, length: number): void {
    const at = index * IOVEC_BYTES;
    this.#iovecs.setUint32(at, base, true);
    this.#iovecs.setUint32(at + 4, base / 2 ** 32, true);
    this.#iovecs.setUint32(at + 8, length, true);
    this.#iovecs.setUint32(at + 12, 0, true);
  }
}
