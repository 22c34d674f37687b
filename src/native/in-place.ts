/**
 * Registered memory mapped in place (`--shm=inplace`): pages of a program are replaced by pages of a
 * memfd that is laid over the box's RAM, while all threads of the program stand still. The program is
 * made to map them itself, by ptrace, before its call is answered. When the registration goes it is
 * made to map private pages with the same content; so is a child that was forked meanwhile, before it
 * runs: as fork() copies pinned pages.
 *
 * Only private mappings are replaced. What cannot be is copied at each call, as without the option;
 * the trace says why. Left out: pages that other kernel calls have in flight (O_DIRECT, io_uring),
 * children made with CLONE_UNTRACED, MADV_DONTNEED (the content stays), programs whose own seccomp
 * filters forbid mmap().
 */
import { fstatSync } from 'node:fs';
import { EAGAIN, ERESTARTNOINTR, formatErrno } from '../abi/errno.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from '../abi/fcntl.ts';
import {
  CLONE_VM,
  PTRACE_EVENT_STOP,
  PTRACE_O_TRACECLONE,
  PTRACE_O_TRACEFORK,
  PTRACE_O_TRACEVFORK,
} from '../abi/ptrace.ts';
import { PAGE_SIZE, roundUp } from '../machine/address.ts';
import type { Kernel } from '../linux/process/kernel.ts';
import type { HostArch } from './arch.ts';
import type { NativeMemory, Placement } from './native-memory.ts';
import { sharersOf } from './descendants.ts';
import { namedVmas } from './native-vmas.ts';
import { RamWindows } from './ram-windows.ts';
import { sendSignal } from './send-signal.ts';
import type { Stop } from './ptrace.ts';
import type { SharedPages, Window } from './shared-pages.ts';
import { Errand, ThreadGone, TraceRefused, Tracer } from './tracer.ts';
import type { VmAccess } from './vm-access.ts';
import { WindowBuilder, piecesOf } from './window-builder.ts';
import type { Piece } from './window-builder.ts';
import { sharedCalls } from './filter.ts';

const COPIED = 'registered memory is copied, not mapped in place';
const LEFT = 'memory that was registered is not made private yet';
const UNPARTED = 'a child has not got memory of its own';
const UNGROWN = 'a mapping that has grown ends in a hole';

const READ_WRITE = PROT_READ | PROT_WRITE;
const PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
const FORKS = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
/** So long a fork may take before it is looked whether it has failed, milliseconds, at first. */
const FORK_MS = 100;
const CLONE_FLAGS_BYTES = 8;
/** Content goes to private pages in pieces of this size. */
const PIECE_BYTES = 4 << 20;

/** A call that waits for its answer, and how it gets one. */
export interface HeldCall {
  readonly tid: number;
  /** Gives the calling process an fd; its number or a negative errno. */
  addFd(hostFd: number): number;
  answer(): void;
  /** Answers with a negative errno instead. */
  refuse(errno: number): void;
}

export class InPlace implements Placement {
  readonly tracer: Tracer;
  /** Calls to be told of: they copy an address space, or make mappings longer. */
  readonly calls: ReadonlySet<number>;
  readonly #kernel: Kernel;
  readonly #arch: HostArch;
  readonly #vm: VmAccess;
  readonly #windows: RamWindows;
  readonly #isHeld: (tid: number) => boolean;
  #isIdle = true;
  /** Whose memory is not made private, and said to be so. */
  readonly #told = new WeakSet<SharedPages>();
  readonly #buffer = new Uint8Array(PIECE_BYTES);
  readonly #bufferAt: number;
  #forkMs = FORK_MS;
  /** Threads in a fork that nobody waits for any more; they are traced until it has ended. */
  readonly #forking = new Map<number, NativeMemory>();

  /** @param isHeld whether a thread waits for an answer of ours, so that it cannot run. */
  constructor(kernel: Kernel, arch: HostArch, vm: VmAccess, isHeld: (tid: number) => boolean) {
    this.#kernel = kernel;
    this.#arch = arch;
    this.#vm = vm;
    this.#isHeld = isHeld;
    this.tracer = new Tracer(vm.libc, arch);
    this.calls = new Set(sharedCalls(arch));
    this.#windows = new RamWindows(vm.libc, arch, kernel.machine.bus.u8);
    this.#bufferAt = vm.libc.address(this.#buffer);
  }

  /** Whether nothing was ever mapped in place. */
  get isIdle(): boolean {
    return this.#isIdle;
  }

  /** Answers a call after what it registered was mapped in place, and what was left made private. */
  answer(memory: NativeMemory, call: HeldCall): void {
    const pins = memory.takeFresh();
    const standing = this.#stopAround(memory, call.tid, pins.length > 0 ? COPIED : LEFT);
    if (standing === undefined) return call.answer();
    const { libc } = this.#vm;
    // Its mappings cannot change any more.
    const pieces = piecesOf(pins, memory.pid, (text) => this.#note(memory, text));
    const builder = new WindowBuilder(this.#kernel, this.#vm, this.#windows, memory.pid);
    const fd = builder.build(pieces) ? call.addFd(builder.file) : -1;
    call.answer();
    try {
      this.tracer.expect(call.tid);
      const errand = new Errand(this.tracer, libc, call.tid);
      memory.shared.instruction = errand.instruction;
      if (fd >= 0) this.#place(memory, errand, builder, fd);
      else if (pieces.length > 0) this.#note(memory, 'no file for frames could be handed over');
      this.#makePrivate(memory, errand, memory.pid);
      errand.end(memory.pid);
    } catch (error) {
      this.#explain(memory, error, COPIED);
    } finally {
      builder.finish();
      this.tracer.letGo(call.tid);
      for (const tid of standing) this.tracer.letGo(tid);
    }
  }

  letGo(memory: NativeMemory, windows: ReadonlySet<Window>): void {
    const { shared } = memory;
    for (const window of windows) {
      window.pins -= 1;
      if (window.pins > 0) continue;
      this.#windows.clearFrames([...window.frames.values()], this.#kernel.machine.bus.base);
      for (const frame of window.frames.values()) this.#kernel.pages.put(frame);
      shared.windows.delete(window.inode);
      shared.left.set(window.inode, window);
    }
    if (shared.left.size > 0) this.#leaveNow(memory);
  }

  /** One of `calls`, of a process that has memory in place; the host's kernel is to do it. */
  around(memory: NativeMemory, nr: number, args: readonly number[], call: HeldCall): void {
    if (nr === this.#arch.mremap) this.#resize(memory, call, args);
    else if (nr === this.#arch.clone3 && this.#sharesMemory(call.tid, args[0] ?? 0)) call.answer();
    else this.#fork(memory, call);
  }

  /** Whether clone3() leaves one address space: its flags are the first field of struct clone_args. */
  #sharesMemory(tid: number, at: number): boolean {
    const got = this.#vm.fetch(tid, at, CLONE_FLAGS_BYTES);
    const flags = new DataView(this.#vm.scratch.buffer).getUint32(0, true);
    return got === CLONE_FLAGS_BYTES && (flags & CLONE_VM) !== 0;
  }

  /** Lets a call that may fork go on; a child with a copy of the memory gets one of frames too. */
  #fork(memory: NativeMemory, call: HeldCall): void {
    const { tracer } = this;
    const { tid } = call;
    try {
      if (!tracer.seize(tid, FORKS)) return call.answer();
    } catch (error) {
      this.#explainFork(error);
      return call.refuse(-EAGAIN);
    }
    call.answer();
    // An interrupt would end the fork; so it is sent when that has failed, or takes for ever.
    let stop = this.#waitForFork(tid);
    if (stop === 'late') {
      tracer.ptrace.interrupt(tid);
      stop = tracer.wait(tid);
      // It begins anew, and is to have more time then.
      if (tracer.resultOf(tid) === -ERESTARTNOINTR) this.#forkMs *= 2;
    }
    if (stop === 'gone') return tracer.letGo(tid);
    // Let go of now, it would leave a child behind that nobody lets go of.
    if (typeof stop === 'string') this.#forking.set(tid, memory);
    else this.#forked(memory, tid, stop);
  }

  /** Whether forks are under way that took too long: `endForks` is to be called now and then. */
  get isForking(): boolean {
    return this.#forking.size > 0;
  }

  /** Lets go of those whose fork has ended, and of their children. */
  endForks(): void {
    for (const [tid, memory] of this.#forking) {
      const stop = this.tracer.wait(tid, 0);
      if (stop === 'asleep' || stop === 'late') continue;
      this.#forking.delete(tid);
      if (stop === 'gone') this.tracer.letGo(tid);
      else this.#forked(memory, tid, stop);
    }
  }

  /** The thread stands behind a fork, or it has failed. */
  #forked(memory: NativeMemory, tid: number, stop: Stop): void {
    const { tracer } = this;
    const hasForked = stop.event !== 0 && stop.event !== PTRACE_EVENT_STOP;
    if (hasForked) this.#part(memory, tracer.ptrace.eventMessage(tid));
    // A signal comes first: the fork begins anew after it.
    tracer.letGo(tid, stop.event === 0 ? stop.signal : 0);
  }

  /** Lets mremap() go on; where a mapping of frames has grown, the rest is private memory. */
  #resize(memory: NativeMemory, call: HeldCall, args: readonly number[]): void {
    const { tracer } = this;
    const [old = 0, oldBytes = 0, newBytes = 0] = args;
    const [from, to] = [roundUp(oldBytes, PAGE_SIZE), roundUp(newBytes, PAGE_SIZE)];
    const vma = namedVmas(memory.pid).find(({ end }) => end > old);
    const grows = from > 0 && to > from;
    if (!grows || vma === undefined || !memory.shared.has(vma)) return call.answer();
    try {
      if (!tracer.seize(call.tid)) return call.answer();
      tracer.ptrace.interrupt(call.tid);
    } catch (error) {
      this.#explain(memory, error, UNGROWN);
      return call.answer();
    }
    call.answer();
    try {
      tracer.expect(call.tid);
      const errand = new Errand(tracer, this.#vm.libc, call.tid);
      if (errand.result >= 0) {
        errand.call(this.#arch.mmap, errand.result + from, to - from, protOf(vma), PRIVATE, -1, 0);
      }
      errand.end(memory.pid);
    } catch (error) {
      this.#explain(memory, error, UNGROWN);
    } finally {
      tracer.letGo(call.tid);
    }
  }

  /** Stops the threads of a process, and has the one that is held stop once it is answered. */
  #stopAround(
    memory: NativeMemory,
    held: number,
    otherwise: string,
  ): readonly number[] | undefined {
    const isHeld = (tid: number): boolean => tid === held || this.#isHeld(tid);
    let standing: readonly number[] = [];
    try {
      standing = this.tracer.stopAll(() => sharersOf(memory.root, this.#vm), isHeld);
      if (this.tracer.seize(held)) this.tracer.ptrace.interrupt(held);
      return standing;
    } catch (error) {
      for (const tid of standing) this.tracer.letGo(tid);
      this.#explain(memory, error, otherwise);
      return undefined;
    }
  }

  #place(memory: NativeMemory, errand: Errand, builder: WindowBuilder, fd: number): void {
    this.#isIdle = false;
    const { mmap, close } = this.#arch;
    const { ino, dev } = fstatSync(builder.file);
    for (const { piece, fileOffset } of builder.laid) {
      const { start, pages, vma, isStackEnd } = piece;
      const bytes = pages * PAGE_SIZE;
      if (isStackEnd) this.#keepGrowing(errand, start);
      const flags = MAP_SHARED | MAP_FIXED;
      const at = errand.call(mmap, start, bytes, protOf(vma), flags, fd, fileOffset);
      if (at === start) builder.place(piece, memory.shared, ino, dev);
      else this.#note(memory, `${pages} pages are copied: mmap() gives ${formatErrno(at)}`);
    }
    errand.call(close, fd);
  }

  /** The stack grows by its lowest mapping, which must not be ours. */
  #keepGrowing(errand: Errand, start: number): void {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE;
    errand.call(this.#arch.mmap, start - PAGE_SIZE, PAGE_SIZE, READ_WRITE, flags, -1, 0);
  }

  /** Makes private what no registration has any more, if a thread can be had for it. */
  #leaveNow(memory: NativeMemory): void {
    const pid = memory.owner;
    if (pid === undefined) return memory.shared.left.clear();
    let standing: readonly number[] = [];
    try {
      standing = this.tracer.stopAll(
        () => sharersOf(memory.root, this.#vm),
        (tid) => this.#isHeld(tid),
      );
      // It may have executed another program until it stopped.
      const errand =
        memory.owner === pid ? this.#errandOn(standing, pid, memory.shared) : undefined;
      if (errand === undefined) return;
      this.#makePrivate(memory, errand, pid);
      errand.end(pid);
    } catch (error) {
      this.#explain(memory, error, LEFT);
    } finally {
      for (const tid of standing) this.tracer.letGo(tid);
    }
  }

  /** A thread that has just made a call; any, where an instruction for it is known. */
  #errandOn(standing: readonly number[], pid: number, shared: SharedPages): Errand | undefined {
    const { libc } = this.#vm;
    for (const tid of standing) {
      const errand = new Errand(this.tracer, libc, tid);
      if (this.#isInstruction(pid, errand.instruction)) return errand;
      errand.end(pid);
    }
    const [tid] = standing;
    const { instruction } = shared;
    if (tid === undefined || instruction === undefined) return undefined;
    if (!this.#isInstruction(pid, instruction)) return undefined;
    return new Errand(this.tracer, libc, tid, instruction);
  }

  #isInstruction(pid: number, at: number): boolean {
    const { instruction } = this.tracer.layout;
    const got = this.#vm.fetch(pid, at, instruction.length);
    return instruction.every((byte, i) => i < got && this.#vm.scratch[i] === byte);
  }

  /** What shows files without a registration becomes the program's own memory again. */
  #makePrivate({ shared }: NativeMemory, errand: Errand, pid: number): void {
    if (shared.left.size === 0) return;
    const mapped = namedVmas(pid).filter(
      ({ inode, device, shared: isShared }) =>
        isShared && shared.left.get(inode)?.device === device,
    );
    const done = mapped.map((vma) => this.#replace(errand, pid, vma));
    if (!done.includes(false)) shared.left.clear();
  }

  /** The child of a fork gets private pages for the frames, before it runs. */
  #part(memory: NativeMemory, child: number): void {
    const { tracer } = this;
    try {
      tracer.expect(child, Infinity);
      if (this.#vm.isShared(child, memory.pid)) return;
      const errand = new Errand(tracer, this.#vm.libc, child);
      const mapped = namedVmas(child).filter((vma) => memory.shared.has(vma));
      const done = mapped.map((vma) => this.#replace(errand, child, vma));
      errand.end(child);
      if (done.includes(false)) this.#killChild(memory, child);
    } catch (error) {
      this.#explain(memory, error, UNPARTED);
      if (!(error instanceof ThreadGone)) this.#killChild(memory, child);
    } finally {
      tracer.letGo(child);
    }
  }

  /** It would write to its parent's memory. */
  #killChild(memory: NativeMemory, child: number): void {
    sendSignal(child, 'SIGKILL');
    this.#note(memory, `its child ${child} is killed: no memory for a copy of registered pages`);
  }

  /**
   * Private pages with the same content in place of a mapping.
   * @returns false when that went wrong on the way: the rest is as it was
   */
  #replace(errand: Errand, pid: number, vma: Piece['vma']): boolean {
    const { mmap, mprotect } = this.#arch;
    const prot = protOf(vma);
    const isOpen = (prot & READ_WRITE) === READ_WRITE;
    if (!isOpen) errand.call(mprotect, vma.start, vma.end - vma.start, READ_WRITE);
    for (let at: number = vma.start; at < vma.end; at += PIECE_BYTES) {
      const bytes = Math.min(PIECE_BYTES, vma.end - at);
      if (this.#vm.read(pid, at, this.#bufferAt, bytes) !== bytes) return false;
      const mapped = errand.call(mmap, at, bytes, isOpen ? prot : READ_WRITE, PRIVATE, -1, 0);
      if (mapped !== at) return false;
      this.#vm.write(pid, at, this.#bufferAt, bytes);
    }
    if (!isOpen) errand.call(mprotect, vma.start, vma.end - vma.start, prot);
    return true;
  }

  #waitForFork(tid: number): ReturnType<Tracer['wait']> {
    const until = performance.now() + this.#forkMs;
    for (;;) {
      const stop = this.tracer.wait(tid, until - performance.now());
      if (stop !== 'asleep') return stop;
      if (performance.now() > until) return 'late';
    }
  }

  /** @throws what is no refusal of the host's kernel */
  #explain({ pid, shared }: NativeMemory, error: unknown, what: string): void {
    if (!(error instanceof TraceRefused)) throw error;
    // What is left is tried again at each call.
    if (error instanceof ThreadGone || (what === LEFT && this.#told.has(shared))) return;
    if (what === LEFT) this.#told.add(shared);
    const text = `pid ${pid}: ${what}: ${error.message}`;
    this.#kernel.trace.log('box', 'native', 'warning', text);
  }

  #note({ pid }: NativeMemory, text: string): void {
    this.#kernel.trace.log('linux', 'native', 'info', `pid ${pid}: ${text}`);
  }

  #explainFork(error: unknown): void {
    if (!(error instanceof TraceRefused)) throw error;
    this.#kernel.trace.cause('linux', {
      layer: 'native',
      code: '-EAGAIN',
      text: `a child would share registered memory: ${error.message}`,
      object: 'fork',
      hint: 'end the debugger of the program, or run it with --shm=copy',
    });
  }
}

const protOf = ({ readable, writable, executable }: Piece['vma']): number =>
  (readable ? PROT_READ : 0) | (writable ? PROT_WRITE : 0) | (executable ? PROT_EXEC : 0);
