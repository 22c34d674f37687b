/**
 * A native process's memory, as the box's kernel sees it: user copies by process_vm_readv and
 * _writev, pins by frames of the box that stand for the process's pages.
 *
 * Within one system call reads are served from the page that the first one fetched: an ioctl's
 * buffer usually lies next to its descriptor. The copy is forgotten whenever the call may have
 * slept (`invalidate`), so that a caller never sees older bytes than a real kernel could.
 */
import { EFAULT, ENOMEM } from '../abi/errno.ts';
import { PAGE_SIZE, pa, pageStart } from '../machine/address.ts';
import type { Pa, Va } from '../machine/address.ts';
import type { GupFlags, PinnedPages, UserMemory } from '../linux/mm/user-memory.ts';
import type { Kernel } from '../linux/process/kernel.ts';
import type { Libc } from './libc.ts';
import { NativePin, SpareBuffers } from './native-pin.ts';
import type { Frames } from './native-pin.ts';
import { NativeVmas } from './native-vmas.ts';
import type { NativeVma } from './native-vmas.ts';

/** End of user space: 47 bits on x86-64 and on arm64 programs that do not ask for more. */
const TASK_SIZE = 2 ** 47 - PAGE_SIZE;
/** include/uapi/linux/kcmp.h */
const KCMP_VM = 1;
const SCRATCH_BYTES = 64 * 1024;
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

export class NativeMemory implements UserMemory {
  readonly #vm: VmAccess;
  readonly #kernel: Kernel;
  readonly #pid: number;
  readonly #vmas: NativeVmas;
  /** Files behind the shared-memory fds that were handed out, inode to device: PFN maps. */
  readonly #shmFiles: ReadonlyMap<number, number>;
  readonly #page = new Uint8Array(PAGE_SIZE);
  #pageAt = -1;
  #alive = true;
  #mayExec = false;
  #wasReplaced = false;
  /** Another process with the same address space: the parent of a vfork child. */
  readonly #sharer: NativeMemory | undefined;

  constructor(
    vm: VmAccess,
    kernel: Kernel,
    pid: number,
    shmFiles: ReadonlyMap<number, number>,
    sharer?: NativeMemory,
  ) {
    this.#vm = vm;
    this.#kernel = kernel;
    this.#pid = pid;
    this.#vmas = new NativeVmas(vm.libc, pid);
    this.#shmFiles = shmFiles;
    this.#sharer = sharer;
  }

  /** The system call may have slept, or a new one begins. */
  invalidate(): void {
    this.#pageAt = -1;
  }

  /** An exec has begun: from now on the address space may be another one. */
  execBegins(): void {
    this.#mayExec = true;
  }

  /** Whether the exec that began has replaced the address space. */
  get replaced(): boolean {
    if (!this.#mayExec || this.#wasReplaced) return this.#wasReplaced;
    const sharer = this.#sharer;
    // While somebody else goes on in the old address space, that is not gone.
    this.#wasReplaced =
      sharer?.isAlive === true ? !this.#vm.isShared(this.#pid, sharer.#pid) : this.#vmas.replaced;
    return this.#wasReplaced;
  }

  get isAlive(): boolean {
    return this.#alive;
  }

  /** The process through which the memory is reached now. */
  get #owner(): number | undefined {
    if (this.#alive && !this.replaced) return this.#pid;
    return this.#sharer === undefined ? undefined : this.#sharer.#owner;
  }

  /** The address space is gone: pins that are left hold what they have. */
  gone(): void {
    this.#alive = false;
    this.#vmas.close();
  }

  accessOk(at: number, length: number): boolean {
    return at >= 0 && length <= TASK_SIZE && at <= TASK_SIZE - length;
  }

  read(at: Va, out: Uint8Array): boolean {
    if (!this.accessOk(at, out.length)) return false;
    const start = pageStart(at);
    if (at + out.length <= start + PAGE_SIZE) {
      if (this.#pageAt !== start && !this.#fetchPage(start)) return false;
      const from = at - start;
      out.set(this.#page.subarray(from, from + out.length));
      return true;
    }
    for (let done = 0; done < out.length;) {
      const n = Math.min(SCRATCH_BYTES, out.length - done);
      const got = this.#vm.fetch(this.#pid, at + done, n);
      out.set(this.#vm.scratch.subarray(0, got), done);
      if (got !== n) return false;
      done += n;
    }
    return true;
  }

  write(at: Va, data: Uint8Array): boolean {
    return this.writeEach([{ at, data }]);
  }

  writeEach(writes: readonly { readonly at: Va; readonly data: Uint8Array }[]): boolean {
    this.invalidate();
    for (const { at, data } of writes) if (!this.accessOk(at, data.length)) return false;
    return this.#vm.writeEach(this.#pid, writes);
  }

  vmas(start: Va, end: Va): readonly NativeVma[] {
    const found: NativeVma[] = [];
    for (let vma = this.#vmas.find(start); vma !== undefined && vma.start < end;) {
      found.push(vma);
      vma = this.#vmas.find(vma.end);
    }
    return found;
  }

  pin(start: Va, count: number, flags: GupFlags): PinnedPages | number {
    const first = pageStart(start);
    const pinnable = this.#pinnable(first, count, flags);
    if (pinnable === 0) return -EFAULT;
    const frames = this.#frames(pinnable);
    if (frames === undefined) {
      this.#kernel.trace.cause('linux', {
        layer: 'native',
        code: '-ENOMEM',
        text: 'no frames for the pages of a native program',
        object: 'box RAM',
        requested: pinnable * PAGE_SIZE,
        hint: 'give the box more RAM',
      });
      return -ENOMEM;
    }
    return new NativePin(this.#vm, this.#kernel, first, frames, () => this.#owner);
  }

  /** Pages from `first` that a pin may take: mapped, writable when it writes, no PFN map. */
  #pinnable(first: Va, count: number, flags: GupFlags): number {
    const end = first + count * PAGE_SIZE;
    if (!this.accessOk(first, count * PAGE_SIZE)) return 0;
    let at: number = first;
    while (at < end) {
      const vma = this.#vmas.find(at);
      if (vma === undefined || vma.start > at) break;
      if (flags.write === true ? !vma.writable : !vma.readable) break;
      if (this.#shmFiles.get(vma.inode) === vma.device) break;
      at = vma.end;
    }
    return (Math.min(at, end) - first) / PAGE_SIZE;
  }

  #frames(count: number): Frames | undefined {
    const { pages } = this.#kernel;
    const whole = pages.allocExact(count * PAGE_SIZE);
    if (whole !== undefined) {
      const list = Array.from({ length: count }, (_, i) => pa(whole + i * PAGE_SIZE));
      return { pages: list, free: () => pages.freeExact(whole, count * PAGE_SIZE) };
    }
    const list: Pa[] = [];
    const free = (): void => {
      for (const page of list) pages.free(page, 0);
    };
    while (list.length < count) {
      const page = pages.alloc(0);
      if (page === undefined) {
        free();
        return undefined;
      }
      list.push(page);
    }
    return { pages: list, free };
  }

  #fetchPage(start: Va): boolean {
    if (this.#vm.fetch(this.#pid, start, PAGE_SIZE) !== PAGE_SIZE) return false;
    this.#page.set(this.#vm.scratch.subarray(0, PAGE_SIZE));
    this.#pageAt = start;
    return true;
  }
}
