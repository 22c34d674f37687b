/**
 * The supervisor of native programs: serves the seccomp notifications of every program started
 * here, in the thread that runs the box, and owns the loop of the box's scheduler: run what can
 * run, else one poll over notifications, hang-ups, exits, timers and a wake-up.
 */
import { closeSync, readSync } from 'node:fs';
import { pid as ownPid } from 'node:process';
import { EINTR, EMFILE } from '../abi/errno.ts';
import { O_CLOEXEC } from '../abi/fcntl.ts';
import type { Host } from '../host/host.ts';
import type { Kernel } from '../linux/process/kernel.ts';
import { BoxHalted } from '../sched/halt.ts';
import { HOST_ARCHS } from './arch.ts';
import type { HostArch } from './arch.ts';
import { killWithDescendants } from './descendants.ts';
import { EPOLLIN, Epoll } from './epoll.ts';
import { InPlace } from './in-place.ts';
import type { HeldCall } from './in-place.ts';
import { NativeUnavailable, loadLibc } from './libc.ts';
import type { Libc } from './libc.ts';
import { Listener } from './listener.ts';
import type { CallId } from './listener.ts';
import { NativeCalls } from './native-calls.ts';
import type { Answer } from './native-calls.ts';
import { NativeFiles } from './native-files.ts';
import { NativeMemory } from './native-memory.ts';
import { NativeProcess, NativeThread } from './native-process.ts';
import { Pidfds } from './pidfds.ts';
import { nameOf, parentOf, tgidOf } from './proc.ts';
import { Reaper } from './reaper.ts';
import { sendSignal } from './send-signal.ts';
import type { ShmMode } from './shm-mode.ts';
import { Spawner } from './spawner.ts';
import type { NativeExit, SpawnRequest } from './spawner.ts';
import { VmAccess } from './vm-access.ts';

/** How often blocked calls are looked at for signals and death, milliseconds. */
const SIGNAL_POLL_MS = 4;
/** Longest sleep of the loop: what only Node's own loop sees waits at most so long, milliseconds. */
const IDLE_MS = 250;
/** Under load Node's own loop gets a turn after so long, milliseconds. */
const TURN_MS = 10;
/** A task that never rests, like a wait that a signal keeps ending, leaves others their turn. */
const STEPS_PER_ROUND = 32;
const POLLIN = 1;
/** A call that has not been answered. */
interface Notification extends CallId {
  readonly thread: NativeThread;
}

/** A native program that was started here. */
export interface NativeProgram {
  readonly pid: number;
  /** Set once it is gone. */
  exit: NativeExit | undefined;
}

export class Supervisor {
  readonly kernel: Kernel;
  readonly files: NativeFiles;
  readonly #host: Host;
  readonly libc: Libc;
  readonly arch: HostArch;
  /** Fds whose readiness the loop acts on; others may add theirs. */
  readonly epoll: Epoll;
  readonly #spawner: Spawner;
  readonly #listener: Listener;
  readonly #inPlace: InPlace | undefined;
  readonly #wakeFd: number;
  readonly #vm: VmAccess;
  readonly #calls: NativeCalls;
  readonly #threads = new Map<number, NativeThread>();
  readonly #processes = new Map<number, NativeProcess>();
  readonly #pidfds: Pidfds;
  readonly #reaper: Reaper;
  /** Calls that sleep. */
  readonly #pending = new Map<NativeThread, Notification>();
  /** The call that each task serves, for fds that are handed out on the way. */
  readonly #byTask = new Map<number, Notification>();
  /** Programs that were started here and have not ended. */
  readonly #programs = new Set<number>();
  #onPids: ((pids: readonly number[]) => void) | undefined;
  /** Node's own loop needs a turn: a signal came, a message, or it had none for long. */
  #turnDue = false;
  #turnedMs = 0;
  /** A call was there when events were handled. */
  #callWaits = false;
  /** A call that was received, and is served after what happened before it. */
  #received: CallId | undefined;
  /** Whoever is started from now on is killed too. */
  #areKilled = false;
  #lookedMs = 0;

  readonly #pollfds = new DataView(new ArrayBuffer(128));
  readonly #pollAddress: number;

  private constructor(
    kernel: Kernel,
    host: Host,
    libc: Libc,
    arch: HostArch,
    spawner: Spawner,
    wakeFd: number,
  ) {
    this.kernel = kernel;
    this.#host = host;
    this.libc = libc;
    this.arch = arch;
    this.#spawner = spawner;
    this.#listener = new Listener(libc, () => spawner.listener);
    this.#wakeFd = wakeFd;
    this.epoll = new Epoll(libc, arch);
    this.epoll.add(wakeFd, EPOLLIN, () => this.#woken());
    this.#pidfds = new Pidfds(libc, arch, this.epoll);
    this.#reaper = new Reaper(libc, arch, this.epoll);
    const { u8: ram } = kernel.machine.bus;
    this.#vm = new VmAccess(libc, ram, arch.kcmp, (pid) => this.#outOfReach(pid));
    this.#inPlace =
      spawner.shm === 'copy'
        ? undefined
        : new InPlace(kernel, arch, this.#vm, (tid) => this.#isHeld(tid));
    this.files = new NativeFiles(kernel, libc, arch, this.epoll);
    this.#calls = new NativeCalls(kernel, arch, this.files, this.#vm, (fd, cloexec) =>
      this.#addFd(fd, cloexec),
    );
    this.#pollAddress = libc.address(new Uint8Array(this.#pollfds.buffer));
    this.#pollfds.setInt32(0, spawner.listener, true);
    this.#pollfds.setInt16(4, POLLIN, true);
    this.#pollfds.setInt32(8, this.epoll.fd, true);
    this.#pollfds.setInt16(12, POLLIN, true);
    kernel.sched.ownLoop(() => {});
    kernel.sched.onHalt(() => this.#stop());
    spawner.onFailure((error) =>
      kernel.sched.halt(
        'internal error',
        `the thread that starts programs: ${error.message}`,
        error,
      ),
    );
  }

  /** @throws NativeUnavailable where the host's kernel, a container or a missing part forbids it. */
  static async start(kernel: Kernel, host: Host, shm: ShmMode = 'copy'): Promise<Supervisor> {
    const arch = HOST_ARCHS.get(process.arch);
    if (arch === undefined) throw new NativeUnavailable(`no tables for ${process.arch}`);
    const libc = loadLibc();
    const wakeFd = libc.syscall(arch.eventfd2, 0, O_CLOEXEC);
    try {
      const spawner = await Spawner.start(libc, wakeFd, shm);
      return new Supervisor(kernel, host, libc, arch, spawner, wakeFd);
    } catch (error) {
      closeSync(wakeFd);
      throw error;
    }
  }

  /**
   * Starts a program; its calls are served while `run` runs.
   * @param ended called when it is gone.
   */
  spawn(request: SpawnRequest, ended?: (exit: NativeExit) => void): Promise<NativeProgram> {
    const program: { pid: number; exit: NativeExit | undefined } = { pid: 0, exit: undefined };
    const hasEnded = (exit: NativeExit): void => {
      program.exit = exit;
      this.#programs.delete(program.pid);
      this.#pidsChanged();
      ended?.(exit);
    };
    return this.#spawner
      .spawn(request, (pid) => {
        program.pid = pid;
        this.#programs.add(pid);
        this.#pidsChanged();
        if (this.#areKilled) sendSignal(pid, 'SIGKILL');
        this.#reaper.watch(pid, hasEnded);
      })
      .then(() => program);
  }

  /**
   * The loop: serves until `until()` holds or the box halts, which kills the programs. It leaves for one
   * turn of Node's event loop when a signal or a message came, a promise of the outside is pending,
   * or it had none for long.
   */
  async run(until: () => boolean): Promise<void> {
    const { sched } = this.kernel;
    while (sched.halted === undefined) {
      const state = sched.runReady(true, STEPS_PER_ROUND);
      if (state === 'host') {
        await sched.settleHost();
        continue;
      }
      if (until()) return;
      if (this.#turnDue || performance.now() - this.#turnedMs > TURN_MS) {
        this.#turnDue = false;
        await this.#host.turn();
        this.#turnedMs = performance.now();
        continue;
      }
      this.#poll(state === 'endless' ? 0 : this.#timeoutMs());
    }
  }

  /** Native processes that are alive: programs that were started here, and whoever made a call. */
  get pids(): readonly number[] {
    return [...new Set([...this.#programs, ...this.#processes.keys()])];
  }

  /** @param fn called with `pids` now, and whenever they change. */
  watchPids(fn: (pids: readonly number[]) => void): void {
    this.#onPids = fn;
    this.#pidsChanged();
  }

  /** No program holds a file of the box, and nothing runs. */
  get quiet(): boolean {
    return this.files.open.length === 0 && !this.kernel.sched.runnable;
  }

  /** Kills the native processes of this box, and those that are being started; their names. */
  killAll(): readonly string[] {
    this.#areKilled = true;
    return killWithDescendants(this.pids);
  }

  async close(): Promise<void> {
    await this.#spawner.close();
    for (const process of this.#processes.values()) {
      process.mm.gone();
      this.kernel.guests.delete(process);
    }
    this.#pidfds.close();
    this.#reaper.close();
    this.files.close();
    closeSync(this.#wakeFd);
    closeSync(this.epoll.fd);
  }

  /** The box has stopped: its programs cannot go on, and must not wait for it for ever. */
  #stop(): void {
    this.killAll();
    this.#spawner.closeListener();
    this.#pollfds.setInt32(0, this.#spawner.listener, true);
  }

  #timeoutMs(): number {
    const { sched } = this.kernel;
    const timer = sched.nextTimerNs;
    const untilTimer =
      timer === undefined ? IDLE_MS : Math.max(0, Math.ceil((timer - sched.nowNs()) / 1e6));
    const inPlace = this.#inPlace;
    const isWatching =
      this.#pending.size > 0 || inPlace?.tracer.hasSleepers === true || inPlace?.isForking === true;
    return Math.min(untilTimer, isWatching ? SIGNAL_POLL_MS : IDLE_MS);
  }

  #poll(timeoutMs: number): void {
    if (this.#received !== undefined) return this.#takeReceived();
    if (this.#inPlace?.tracer.hasSleepers === true) this.#inPlace.tracer.letGoOfSleepers();
    if (this.#inPlace?.isForking === true) this.#inPlace.endForks();
    const ready = this.libc.poll(this.#pollAddress, 2, timeoutMs);
    if (ready < 0) {
      this.#turnDue = this.libc.errno() === EINTR;
      return;
    }
    if (ready === 0) this.#turnDue = true;
    const hasCall = this.#pollfds.getInt16(6, true) !== 0;
    const hasEvents = this.#pollfds.getInt16(14, true) !== 0;
    // Hang-ups first, and what they start: a program's close() comes before its next call. But events
    // that stay, like who connects while fds are short, keep a call waiting for one round only.
    const isCallDue = hasCall && this.#callWaits;
    this.#callWaits = hasCall && hasEvents && !isCallDue;
    if (hasEvents && !isCallDue) {
      this.epoll.dispatch();
    } else if (hasCall) {
      this.#received = this.#listener.receive();
      const isLater = hasEvents && this.epoll.dispatch();
      if (!isLater) this.#takeReceived();
    }
    if (this.#pending.size > 0) this.#lookAtPending();
  }

  #woken(): void {
    readSync(this.#wakeFd, new Uint8Array(8));
    this.#spawner.poll();
    this.#turnDue = true;
  }

  /** Blocked calls whose thread was killed or has a signal to handle end their sleep. */
  #lookAtPending(): void {
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < SIGNAL_POLL_MS) return;
    this.#lookedMs = nowMs;
    for (const notification of this.#pending.values()) {
      const { thread } = notification;
      if (!thread.killed && !this.#listener.isValid(notification)) thread.killed = true;
      this.kernel.sched.interrupt(thread.task);
    }
  }

  #takeReceived(): void {
    const id = this.#received;
    if (id === undefined) return;
    this.#received = undefined;
    const { tid, nr } = this.#listener;
    if (this.#inPlace?.calls.has(nr) === true) return this.#aroundShared(this.#inPlace, id, tid);
    const isExec = this.arch.execCalls.includes(nr);
    if (isExec) this.#processes.get(tgidOf(tid) ?? 0)?.mm.execBegins();
    const thread = isExec ? undefined : this.#thread(tid);
    if (thread === undefined) this.#listener.send(id, 'continue');
    else this.#serve({ ...id, thread });
  }

  #serve(notification: Notification): void {
    const { thread } = notification;
    thread.process.callBegins(thread.tid);
    const { nr, args, ints } = this.#listener;
    const isValid = (): boolean => this.#listener.isValid(notification);
    const call = this.#calls.begin(thread, { nr, args, ints }, isValid);
    if (call === undefined) {
      this.#listener.send(notification, 'continue');
      return;
    }
    this.#pending.set(thread, notification);
    this.#byTask.set(thread.task.id, notification);
    this.kernel.sched.begin(thread.task, call, () => this.#finish(notification));
  }

  #finish(notification: Notification): void {
    const { thread } = notification;
    this.#pending.delete(thread);
    this.#byTask.delete(thread.task.id);
    // A call that the box could not finish is not answered: the programs are killed.
    if (thread.task.failed) this.#failed(thread);
    else this.#answer(notification, thread.task.result as Answer);
    if (thread.killed) this.kernel.sched.retire(thread.task);
  }

  /** Its calls fail, or find no TEE: nothing else would say why. */
  #outOfReach(pid: number): void {
    this.kernel.trace.cause('linux', {
      layer: 'native',
      code: 'EPERM',
      text: `the memory of ${nameOf(pid)} cannot be reached`,
      object: '/proc/PID/mem',
      hint: 'make its file readable (an unreadable one is not dumpable), or run teebox with CAP_SYS_PTRACE',
    });
  }

  /** Nobody else learns of what was thrown at a native program's call. */
  #failed({ task }: NativeThread): void {
    if (task.error instanceof BoxHalted) return;
    const error = task.error instanceof Error ? task.error : new Error(String(task.error));
    this.kernel.sched.halt('internal error', `call of ${task.name}: ${error.message}`, error);
  }

  /** Answers a call, after what is to be done in its program. */
  #answer(notification: Notification, answer: Answer): void {
    const { mm } = notification.thread.process;
    const inPlace = this.#inPlace;
    if (inPlace === undefined || !mm.needsErrand) return this.#listener.send(notification, answer);
    inPlace.answer(mm, this.#held(notification, notification.thread.tid, answer));
  }

  /** Whether a thread waits for the answer to a call. */
  #isHeld(tid: number): boolean {
    if (this.#received !== undefined && this.#listener.tid === tid) return true;
    for (const thread of this.#pending.keys()) if (thread.tid === tid) return true;
    return false;
  }

  /** A call that is answered by whoever does something in its program first. */
  #held(id: CallId, tid: number, answer: Answer): HeldCall {
    return {
      tid,
      addFd: (hostFd) => this.#listener.addFd(id, hostFd, true),
      answer: () => this.#listener.send(id, answer),
      refuse: (errno) => this.#listener.send(id, errno),
    };
  }

  /** A call of the host's kernel that concerns memory mapped in place, if its process has any. */
  #aroundShared(inPlace: InPlace, id: CallId, tid: number): void {
    const memory = inPlace.isIdle ? undefined : this.#processes.get(tgidOf(tid) ?? 0)?.mm;
    const call = this.#held(id, tid, 'continue');
    if (memory === undefined || memory.shared.isEmpty) return call.answer();
    inPlace.around(memory, this.#listener.nr, this.#listener.args, call);
  }

  /** ADDFD for the call that the running task serves. */
  #addFd(hostFd: number, closeOnExec: boolean): number {
    const notification = this.#byTask.get(this.kernel.sched.running().id);
    if (notification === undefined) return -EMFILE;
    return this.#listener.addFd(notification, hostFd, closeOnExec);
  }

  #thread(tid: number): NativeThread | undefined {
    const known = this.#threads.get(tid);
    if (known !== undefined && this.#isStill(known)) return known;
    if (known !== undefined) this.#threadGone(known);
    const tgid = tgidOf(tid);
    // The thread that starts programs carries the filter too.
    if (tgid === undefined || tgid === ownPid) return undefined;
    const process = this.#processOf(tgid);
    if (process === undefined) return undefined;
    const thread = new NativeThread(this.kernel.sched, tid, process);
    this.#threads.set(tid, thread);
    if (tid !== tgid) this.#pidfds.watch(tid, 'thread', () => this.#ended(tid));
    return thread;
  }

  /**
   * False for another thread under an old id. One that sleeps in a call makes no second one: it was
   * killed, and whoever called execve() goes on under its leader's id. Other ids come back when the
   * numbers have gone round.
   */
  #isStill(thread: NativeThread): boolean {
    if (this.#pending.has(thread) || thread.process.mm.replaced) return false;
    return this.#pidfds.has(thread.tid) || tgidOf(thread.tid) === thread.process.pid;
  }

  /** The process as it is now: an exec makes another one of it, with other memory. */
  #processOf(tgid: number): NativeProcess | undefined {
    const known = this.#processes.get(tgid);
    if (known !== undefined && !known.mm.replaced) return known;
    if (known !== undefined) this.#gone(known);
    return this.#adopt(tgid);
  }

  #adopt(tgid: number): NativeProcess | undefined {
    const watched =
      this.#pidfds.has(tgid) || this.#pidfds.watch(tgid, 'process', () => this.#ended(tgid));
    if (!watched) return undefined;
    const { shmFiles } = this.files;
    const mm = new NativeMemory({
      vm: this.#vm,
      kernel: this.kernel,
      pid: tgid,
      shmFiles,
      sharer: this.#sharerOf(tgid),
      placement: this.#inPlace,
    });
    const table = this.files.table(tgid, (fd, cloexec) => this.#addFd(fd, cloexec));
    const process = new NativeProcess(tgid, mm, table);
    this.#processes.set(tgid, process);
    if (this.#areKilled) sendSignal(tgid, 'SIGKILL');
    this.kernel.guests.add(process);
    this.#pidsChanged();
    return process;
  }

  /** A vfork child runs in its parent's memory until it executes or ends. */
  #sharerOf(tgid: number): NativeMemory | undefined {
    const ppid = parentOf(tgid);
    if (ppid === undefined || ppid === ownPid || !this.#vm.isShared(tgid, ppid)) return undefined;
    return this.#processOf(ppid)?.mm;
  }

  #ended(id: number): void {
    // A program that is being started may have ended already, and is waited for once it is known.
    if (!this.#programs.has(id) && !this.#spawner.isStarting) this.#reaper.reap(id);
    const process = this.#processes.get(id);
    if (process !== undefined) this.#gone(process);
    const thread = this.#threads.get(id);
    if (thread !== undefined) this.#threadGone(thread);
  }

  /** The process has ended, or its address space has by an exec, and its other threads with it. */
  #gone(process: NativeProcess): void {
    process.mm.gone();
    this.#processes.delete(process.pid);
    this.kernel.guests.delete(process);
    this.#pidsChanged();
    for (const thread of this.#threads.values()) {
      if (thread.process === process) this.#threadGone(thread);
    }
  }

  #threadGone(thread: NativeThread): void {
    const { tid, process } = thread;
    if (tid !== process.pid) this.#pidfds.unwatch(tid);
    if (this.#threads.get(tid) === thread) this.#threads.delete(tid);
    thread.killed = true;
    this.kernel.sched.interrupt(thread.task);
    if (!this.#pending.has(thread)) this.kernel.sched.retire(thread.task);
  }

  #pidsChanged(): void {
    this.#onPids?.(this.pids);
  }
}
