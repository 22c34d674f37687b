/**
 * Other processes' memory, by process_vm_readv(2) and process_vm_writev(2). A process whose first
 * thread has ended has its memory still, and is reached through another thread.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { EPERM, ESRCH } from '../abi/errno.ts';
import { PAGE_SIZE, pageOffset } from '../machine/address.ts';
import type { Va } from '../machine/address.ts';
import type { Libc } from './libc.ts';
import { liveThreadOf } from './proc.ts';
import { SpareBuffers } from './spare-buffers.ts';

/** include/uapi/linux/kcmp.h */
const KCMP_VM = 1;
export const SCRATCH_BYTES = 64 * 1024;
const MAX_IOVECS = 64;
const IOVEC_BYTES = 16;

type ProcessVm = Libc['processVmReadv'];

/** What a call returns, -1 where Node throws. */
function moves(call: () => number): number {
  try {
    return call();
  } catch {
    return -1;
  }
}

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
  /** Threads through which processes are reached whose first one has ended. */
  readonly #through = new Map<number, number>();
  /** Whose memory is out of reach, as was told. */
  readonly #refused = new Set<number>();
  readonly #whenRefused: (pid: number) => void;

  /**
   * @param kcmp the system call's number
   * @param whenRefused called once for each process whose memory this one may not reach
   */
  constructor(
    libc: Libc,
    ram: Uint8Array<ArrayBuffer>,
    kcmp: number,
    whenRefused: (pid: number) => void = () => {},
  ) {
    this.#whenRefused = whenRefused;
    this.libc = libc;
    this.#kcmp = kcmp;
    this.spare = new SpareBuffers(libc);
    this.ram = ram;
    this.ramAddress = libc.address(ram);
    this.#scratchAddress = libc.address(this.scratch);
    this.#iovecAddress = libc.address(new Uint8Array(this.#iovecs.buffer));
  }

  /** The process is gone, and its id may become another's. */
  forget(pid: number): void {
    this.#through.delete(pid);
    this.#refused.delete(pid);
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

  /** How many of `count` pages from `at` the host's kernel can get hold of: GUP faults them in. */
  presentPages(pid: number, at: number, count: number): number {
    for (let done = 0; done < count;) {
      const n = Math.min(MAX_IOVECS, count - done);
      for (let i = 0; i < n; i++) {
        this.#iovec(i, this.#scratchAddress + i, 1);
        this.#iovec(MAX_IOVECS + i, at + (done + i) * PAGE_SIZE, 1);
      }
      const remote = this.#iovecAddress + MAX_IOVECS * IOVEC_BYTES;
      const got = this.#call(this.libc.processVmReadv, pid, this.#iovecAddress, remote, n);
      if (got !== n) return done + Math.max(0, got);
      done += n;
    }
    return count;
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
    this.#pushedBytes += length;
  }
  #pushed = 0;
  #pushedBytes = 0;

  flush(pid: number): void {
    const count = this.#pushed;
    const bytes = this.#pushedBytes;
    this.#pushed = 0;
    this.#pushedBytes = 0;
    if (count === 0) return;
    const local = this.#iovecAddress;
    const remote = local + MAX_IOVECS * IOVEC_BYTES;
    const moved = this.#call(this.libc.processVmWritev, pid, local, remote, count);
    if (moved !== bytes) this.#flushForced(pid, count, Math.max(0, moved));
  }

  /** What the process has made read-only since, and what lies behind pages that it has unmapped. */
  #flushForced(pid: number, count: number, moved: number): void {
    this.#withMemory(pid, 'r+', (fd) => {
      let skip = moved;
      for (let i = 0; i < count; i++) {
        const length = this.#iovecs.getUint32(i * IOVEC_BYTES + 8, true);
        const done = Math.min(skip, length);
        skip -= done;
        const from = this.#base(i) - this.ramAddress;
        const piece = this.ram.subarray(from + done, from + length);
        const at = this.#base(MAX_IOVECS + i) + done;
        if (piece.length > 0) moves(() => writeSync(fd, piece, 0, piece.length, at));
      }
    });
  }

  /**
   * Copies into the box's RAM whatever the protection is, as a pin does not ask for it again.
   * @param missing called for each piece of a page where nothing is mapped
   */
  readForced(
    pid: number,
    at: number,
    ramOffset: number,
    length: number,
    missing: (offset: number, length: number) => void,
  ): void {
    this.#withMemory(pid, 'r', (fd) => {
      for (let done = 0; done < length;) {
        const n = Math.min(PAGE_SIZE - pageOffset(at + done), length - done);
        const into = this.ram.subarray(ramOffset + done, ramOffset + done + n);
        if (moves(() => readSync(fd, into, 0, n, at + done)) !== n) missing(done, n);
        done += n;
      }
    });
  }

  /** /proc/PID/mem, which asks for no protection. @param use of -1 where it cannot be opened */
  #withMemory(pid: number, flags: 'r' | 'r+', use: (fd: number) => void): void {
    const fd = moves(() => openSync(`/proc/${this.#through.get(pid) ?? pid}/mem`, flags));
    use(fd);
    if (fd >= 0) closeSync(fd);
  }

  #writeGathered(pid: number, count: number, bytes: number): boolean {
    if (count === 0) return true;
    const local = this.#iovecAddress;
    const remote = local + MAX_IOVECS * IOVEC_BYTES;
    return this.#call(this.libc.processVmWritev, pid, local, remote, count) === bytes;
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
    return Math.max(
      0,
      this.#call(call, pid, this.#iovecAddress, this.#iovecAddress + IOVEC_BYTES, 1),
    );
  }

  #call(call: ProcessVm, pid: number, local: number, remote: number, count: number): number {
    const moved = call(this.#through.get(pid) ?? pid, local, count, remote, count);
    if (moved >= 0) return moved;
    const errno = this.libc.errno();
    if (errno === EPERM && !this.#refused.has(pid)) {
      this.#refused.add(pid);
      this.#whenRefused(pid);
    }
    if (errno !== ESRCH) return moved;
    const tid = liveThreadOf(pid);
    if (tid === undefined) return moved;
    this.#through.set(pid, tid);
    return call(tid, local, count, remote, count);
  }

  #base(index: number): number {
    const at = index * IOVEC_BYTES;
    return this.#iovecs.getUint32(at, true) + this.#iovecs.getUint32(at + 4, true) * 2 ** 32;
  }

  #iovec(index: number, base: number, length: number): void {
    const at = index * IOVEC_BYTES;
    this.#iovecs.setUint32(at, base, true);
    this.#iovecs.setUint32(at + 4, base / 2 ** 32, true);
    this.#iovecs.setUint32(at + 8, length, true);
    this.#iovecs.setUint32(at + 12, 0, true);
  }
}
