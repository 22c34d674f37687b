/**
 * The supervisor of native programs: serves the seccomp notifications of every program started
 * here, in the thread that runs the box, and owns the loop of the box's scheduler: run what can
 * run, else one poll over notifications, hang-ups, exits, timers and a wake-up.
 */
import { closeSync, readSync } from 'node:fs';
import { EINTR, EMFILE } from '../abi/errno.ts';
import { O_CLOEXEC } from '../abi/fcntl.ts';
import {
  SECCOMP_IOCTL_NOTIF_ADDFD,
  SECCOMP_IOCTL_NOTIF_ID_VALID,
  SECCOMP_IOCTL_NOTIF_RECV,
  SECCOMP_IOCTL_NOTIF_SEND,
  SECCOMP_USER_NOTIF_FLAG_CONTINUE,
  SeccompNotif,
  SeccompNotifAddfd,
  SeccompNotifResp,
} from '../abi/seccomp.ts';
import type { Host } from '../host/host.ts';
import type { Kernel } from '../linux/process/kernel.ts';
import { HOST_ARCHS } from './arch.ts';
import type { HostArch } from './arch.ts';
import { EPOLLIN, Epoll } from './epoll.ts';
import { NativeUnavailable, loadLibc } from './libc.ts';
import type { Libc } from './libc.ts';
import { NativeCalls } from './native-calls.ts';
import type { Answer } from './native-calls.ts';
import { NativeFiles } from './native-files.ts';
import { NativeMemory, VmAccess } from './native-memory.ts';
import { NativeProcess, NativeThread, tgidOf } from './native-process.ts';
import { Spawner } from './spawner.ts';
import type { NativeExit, SpawnRequest } from './spawner.ts';

/** How often blocked calls are looked at for signals and death, milliseconds. */
const SIGNAL_POLL_MS = 4;
const POLLIN = 1;
const NOTIF_ARGS = [
  SeccompNotif.arg0,
  SeccompNotif.arg1,
  SeccompNotif.arg2,
  SeccompNotif.arg3,
  SeccompNotif.arg4,
  SeccompNotif.arg5,
] as const;

/** A notification that has not been answered: its id as two halves. */
export interface Notification {
  readonly idLo: number;
  readonly idHi: number;
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
  readonly #wakeFd: number;
  readonly #vm: VmAccess;
  readonly #calls: NativeCalls;
  readonly #threads = new Map<number, NativeThread>();
  readonly #processes = new Map<number, NativeProcess>();
  readonly #pidfds = new Map<number, number>();
  /** Calls that sleep. */
  readonly #pending = new Map<NativeThread, Notification>();
  /** The call that each task serves, for fds that are handed out on the way. */
  readonly #byTask = new Map<number, Notification>();
  #interrupted = false;
  #stopped = false;

  readonly #notif = new DataView(new ArrayBuffer(128));
  readonly #resp = new DataView(new ArrayBuffer(128));
  readonly #addfd = new DataView(new ArrayBuffer(128));
  readonly #pollfds = new DataView(new ArrayBuffer(128));
  readonly #notifAddress: number;
  readonly #respAddress: number;
  readonly #addfdAddress: number;
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
    this.#wakeFd = wakeFd;
    this.epoll = new Epoll(libc, arch);
    this.epoll.add(wakeFd, EPOLLIN, () => this.#woken());
    this.#vm = new VmAccess(libc, kernel.machine.bus.u8);
    this.files = new NativeFiles(kernel, libc, arch, this.epoll);
    this.#calls = new NativeCalls(kernel, arch, this.files, this.#vm, (fd, cloexec) =>
      this.#addFd(fd, cloexec),
    );
    const address = (view: DataView<ArrayBuffer>): number =>
      libc.address(new Uint8Array(view.buffer));
    this.#notifAddress = address(this.#notif);
    this.#respAddress = address(this.#resp);
    this.#addfdAddress = address(this.#addfd);
    this.#pollAddress = address(this.#pollfds);
    this.#pollfds.setInt32(0, spawner.listener, true);
    this.#pollfds.setInt16(4, POLLIN, true);
    this.#pollfds.setInt32(8, this.epoll.fd, true);
    this.#pollfds.setInt16(12, POLLIN, true);
    kernel.sched.ownLoop(() => {});
  }

  /** @throws NativeUnavailable where the host's kernel, a container or a missing part forbids it. */
  static async start(kernel: Kernel, host: Host): Promise<Supervisor> {
    const arch = HOST_ARCHS.get(process.arch);
    if (arch === undefined) throw new NativeUnavailable(`no tables for ${process.arch}`);
    const libc = await loadLibc();
    const wakeFd = libc.syscall(arch.eventfd2, 0, O_CLOEXEC);
    const spawner = await Spawner.start(libc, wakeFd);
    return new Supervisor(kernel, host, libc, arch, spawner, wakeFd);
  }

  /**
   * Starts a program; its calls are served while `run` runs.
   * @param ended called when it is gone.
   */
  spawn(request: SpawnRequest, ended?: (exit: NativeExit) => void): Promise<NativeProgram> {
    const program: { pid: number; exit: NativeExit | undefined } = { pid: 0, exit: undefined };
    return this.#spawner
      .spawn(request, (exit) => {
        program.exit = exit;
        ended?.(exit);
      })
      .then((pid) => {
        program.pid = pid;
        return program;
      });
  }

  /** Ends `run` at its next round. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * The loop: serves until `until()` holds, the box halts, or `stop` is called. It leaves for one
   * turn of Node's event loop when a signal came or a promise of the outside is pending.
   */
  async run(until: () => boolean): Promise<void> {
    const { sched } = this.kernel;
    this.#stopped = false;
    while (!this.#stopped && sched.halted === undefined) {
      const state = sched.runReady();
      if (state === 'host') {
        await sched.settleHost();
        continue;
      }
      if (until()) return;
      if (this.#interrupted) {
        this.#interrupted = false;
        await this.#host.turn();
      }
      this.#poll(this.#timeoutMs());
    }
  }

  /** Native processes that this box has met and that are alive. */
  get pids(): readonly number[] {
    return [...this.#processes.keys()];
  }

  /** No program holds a file of the box, and nothing runs. */
  get quiet(): boolean {
    return this.files.open.length === 0 && !this.kernel.sched.runnable;
  }

  /** Kills native processes that this box has met. */
  killAll(): void {
    for (const pid of this.#processes.keys()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // gone already
      }
    }
  }

  async close(): Promise<void> {
    // The listener first: calls of the worker on its way out must fail, not wait to be served.
    closeSync(this.#spawner.listener);
    await this.#spawner.close();
    closeSync(this.#wakeFd);
    closeSync(this.epoll.fd);
  }

  #timeoutMs(): number {
    const { sched } = this.kernel;
    const timer = sched.nextTimerNs;
    const untilTimer =
      timer === undefined ? 1000 : Math.max(0, Math.ceil((timer - sched.nowNs()) / 1e6));
    return this.#pending.size > 0 ? Math.min(untilTimer, SIGNAL_POLL_MS) : untilTimer;
  }

  #poll(timeoutMs: number): void {
    const ready = this.libc.poll(this.#pollAddress, 2, timeoutMs);
    if (ready < 0) {
      this.#interrupted = this.libc.errno() === EINTR;
      return;
    }
    // Hang-ups first, and what they start: a program's close() comes before its next call.
    if (this.#pollfds.getInt16(14, true) !== 0) this.epoll.dispatch();
    else if (this.#pollfds.getInt16(6, true) !== 0) this.#receive();
    if (this.#pending.size > 0) this.#lookAtPending();
  }

  #woken(): void {
    readSync(this.#wakeFd, new Uint8Array(8));
    this.#spawner.poll();
    this.#interrupted = true;
  }

  /** Blocked calls whose thread was killed or has a signal to handle end their sleep. */
  #lookAtPending(): void {
    for (const { idLo, idHi, thread } of this.#pending.values()) {
      if (!thread.killed && !this.#valid(idLo, idHi)) thread.killed = true;
      this.kernel.sched.interrupt(thread.task);
    }
  }

  #receive(): void {
    new Uint8Array(this.#notif.buffer).fill(0);
    const { listener } = this.#spawner;
    if (this.libc.ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, this.#notifAddress) < 0) return;
    const idLo = SeccompNotif.id.lo(this.#notif, 0);
    const idHi = SeccompNotif.id.hi(this.#notif, 0);
    const thread = this.#thread(SeccompNotif.pid.get(this.#notif, 0));
    if (thread === undefined) {
      this.#send(idLo, idHi, 'continue');
      return;
    }
    this.#serve({ idLo, idHi, thread });
  }

  #serve(notification: Notification): void {
    const { thread } = notification;
    thread.process.mm.invalidate();
    const nr = SeccompNotif.nr.get(this.#notif, 0);
    const args = NOTIF_ARGS.map((field) => field.num(this.#notif, 0));
    const call = this.#calls.begin(thread, nr, args, () =>
      this.#valid(notification.idLo, notification.idHi),
    );
    if (call === undefined) {
      this.#send(notification.idLo, notification.idHi, 'continue');
      return;
    }
    this.#pending.set(thread, notification);
    this.#byTask.set(thread.task.id, notification);
    this.kernel.sched.begin(thread.task, call, () => this.#finish(notification));
  }

  #finish(notification: Notification): void {
    const { thread, idLo, idHi } = notification;
    this.#pending.delete(thread);
    this.#byTask.delete(thread.task.id);
    // A call that the box could not finish is not answered: `run` ends and the programs are killed.
    if (!thread.task.failed) this.#send(idLo, idHi, thread.task.result as Answer);
    if (thread.killed) this.kernel.sched.retire(thread.task);
  }

  #valid(idLo: number, idHi: number): boolean {
    SeccompNotifResp.id.setPair(this.#resp, 0, idLo, idHi);
    const { listener } = this.#spawner;
    return this.libc.ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, this.#respAddress) === 0;
  }

  #send(idLo: number, idHi: number, answer: Answer): void {
    const resp = this.#resp;
    const failed = typeof answer === 'number' && answer < 0;
    const continues = answer === 'continue';
    SeccompNotifResp.id.setPair(resp, 0, idLo, idHi);
    SeccompNotifResp.val.set(resp, 0, failed || continues ? 0n : BigInt(answer));
    SeccompNotifResp.error.set(resp, 0, failed ? answer : 0);
    SeccompNotifResp.flags.set(resp, 0, continues ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0);
    this.libc.ioctl(this.#spawner.listener, SECCOMP_IOCTL_NOTIF_SEND, this.#respAddress);
  }

  /** ADDFD for the call that the running task serves. */
  #addFd(hostFd: number, closeOnExec: boolean): number {
    const notification = this.#byTask.get(this.kernel.sched.running().id);
    if (notification === undefined) return -EMFILE;
    const view = this.#addfd;
    SeccompNotifAddfd.id.setPair(view, 0, notification.idLo, notification.idHi);
    SeccompNotifAddfd.flags.set(view, 0, 0);
    SeccompNotifAddfd.srcfd.set(view, 0, hostFd);
    SeccompNotifAddfd.newfd.set(view, 0, 0);
    SeccompNotifAddfd.newfdFlags.set(view, 0, closeOnExec ? O_CLOEXEC : 0);
    const { listener } = this.#spawner;
    const fd = this.libc.ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, this.#addfdAddress);
    return fd < 0 ? -this.libc.errno() : fd;
  }

  #thread(tid: number): NativeThread | undefined {
    const known = this.#threads.get(tid);
    if (known !== undefined && !known.process.mm.replaced) return known;
    if (known !== undefined) this.#gone(known.process);
    const tgid = known?.process.pid ?? tgidOf(tid);
    if (tgid === undefined) return undefined;
    const process = this.#processes.get(tgid) ?? this.#adopt(tgid);
    if (process === undefined) return undefined;
    const thread = new NativeThread(this.kernel.sched, tid, process);
    this.#threads.set(tid, thread);
    return thread;
  }

  /** Meets a process for the first time, or after an exec. */
  #adopt(tgid: number): NativeProcess | undefined {
    if (!this.#pidfds.has(tgid) && !this.#watchExit(tgid)) return undefined;
    const mm = new NativeMemory(this.#vm, this.kernel, tgid, this.files.shmInodes);
    const table = this.files.table(tgid, (fd, cloexec) => this.#addFd(fd, cloexec));
    const process = new NativeProcess(tgid, mm, table);
    this.#processes.set(tgid, process);
    return process;
  }

  /** A pidfd tells when the process is gone. */
  #watchExit(tgid: number): boolean {
    const pidfd = this.libc.syscall(this.arch.pidfdOpen, tgid, 0);
    if (pidfd < 0) return false;
    this.#pidfds.set(tgid, pidfd);
    this.epoll.add(pidfd, EPOLLIN, () => {
      this.#pidfds.delete(tgid);
      this.epoll.remove(pidfd);
      closeSync(pidfd);
      const process = this.#processes.get(tgid);
      if (process !== undefined) this.#gone(process);
    });
    return true;
  }

  /** The process has ended, or its address space has by an exec, and its other threads with it. */
  #gone(process: NativeProcess): void {
    process.mm.gone();
    this.#processes.delete(process.pid);
    for (const [tid, thread] of this.#threads) {
      if (thread.process !== process) continue;
      this.#threads.delete(tid);
      thread.killed = true;
      this.kernel.sched.interrupt(thread.task);
      if (!this.#pending.has(thread)) this.kernel.sched.retire(thread.task);
    }
  }
}
