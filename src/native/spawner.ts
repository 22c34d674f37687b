/**
 * Starts native programs under the seccomp filter, without root, compiler or helper program: a
 * worker thread of this process installs the filter on itself (filters are per thread and are
 * inherited by fork and exec) and forks programs from there. The listener belongs to the whole
 * process, so the box's thread serves it.
 */
import { closeSync, promises as fs } from 'node:fs';
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import {
  SECCOMP_IOCTL_NOTIF_SET_FLAGS,
  SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP,
} from '../abi/seccomp.ts';
import { HOST_ARCHS } from './arch.ts';
import { NativeUnavailable } from './libc.ts';
import type { Libc } from './libc.ts';
import type { ShmMode } from './shm-mode.ts';

/** A program to start; fds are this process's and become the program's 0, 1 and 2. */
export interface SpawnRequest {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdio: readonly [number, number, number];
  /** Close `stdio` here once the program has them. */
  readonly closeStdio?: boolean;
}

/** How a program ended. */
export interface NativeExit {
  readonly code: number | null;
  readonly signal: string | null;
}

export type ToWorker = { readonly id: number; readonly request: SpawnRequest } | 'close';

export type FromWorker =
  | { readonly kind: 'ready'; readonly listener: number }
  | { readonly kind: 'refused'; readonly step: string; readonly errno: number }
  | { readonly kind: 'started'; readonly id: number; readonly pid: number }
  | { readonly kind: 'failed'; readonly id: number; readonly error: string }
  | { readonly kind: 'exit'; readonly id: number; readonly exit: NativeExit };

export interface WorkerData {
  readonly port: MessagePort;
  /** An eventfd (8 bytes wake its reader). */
  readonly wakeFd: number;
  readonly shm: ShmMode;
}

/** What `poll` reports of a program, as it finds it out. */
export interface SpawnEvents {
  readonly started: (pid: number) => void;
  /** Not told of programs that are started while a filter asks about forks. */
  readonly ended: (exit: NativeExit) => void;
}

interface Waiting {
  readonly events: SpawnEvents;
  readonly started: () => void;
  readonly failed: (error: Error) => void;
}

export class Spawner {
  /** What the filter is for. */
  readonly shm: ShmMode;
  #listener: number;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  private constructor(worker: Worker, port: MessagePort, listener: number, shm: ShmMode) {
    this.shm = shm;
    this.#worker = worker;
    this.#port = port;
    this.#listener = listener;
  }

  /** The seccomp listener: notifications of every program started here; -1 once it is closed. */
  get listener(): number {
    return this.#listener;
  }

  /**
   * @param wakeFd written by the worker whenever `poll` has something to fetch.
   * @throws NativeUnavailable with the step that the kernel refuses.
   */
  static async start(libc: Libc, wakeFd: number, shm: ShmMode = 'copy'): Promise<Spawner> {
    if (!HOST_ARCHS.has(process.arch)) {
      throw new NativeUnavailable(`no system call table for ${process.arch}`);
    }
    // The thread pool must exist before the filter: threads started by the worker inherit it.
    await fs.stat('/');
    const { port1, port2 } = new MessageChannel();
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./spawner-worker.${extension}`, import.meta.url), {
      workerData: { port: port2, wakeFd, shm } satisfies WorkerData,
      transferList: [port2],
      // Programs' fds come from the socket of `serve`, not from this thread's own opens.
      trackUnmanagedFds: false,
    });
    worker.unref();
    port1.unref();
    const first = await new Promise<FromWorker>((resolve, reject) => {
      port1.once('message', resolve);
      worker.once('error', reject);
    });
    if (first.kind !== 'ready') {
      await worker.terminate();
      port1.close();
      const why = first.kind === 'refused' ? `${first.step} failed with errno ${first.errno}` : '?';
      throw new NativeUnavailable(why);
    }
    // Wakes on the same CPU (Linux 6.6): without it calls take longer, so a refusal does not matter.
    libc.ioctl(first.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
    return new Spawner(worker, port1, first.listener, shm);
  }

  /** Resolves once it runs; rejects when it could not be started (no such file, not executable). */
  spawn(request: SpawnRequest, events: SpawnEvents): Promise<void> {
    const id = this.#nextId++;
    return new Promise((started, failed) => {
      this.#waiting.set(id, { events, started, failed });
      this.#port.postMessage({ id, request } satisfies ToWorker);
    });
  }

  /** Handles what the worker reported since the last call. */
  poll(): void {
    for (;;) {
      const received: { message: FromWorker } | undefined = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#handle(received.message);
    }
  }

  /** From now on nobody is asked: calls that wait, and those that are made, fail with ENOSYS. */
  closeListener(): void {
    if (this.#listener >= 0) closeSync(this.#listener);
    this.#listener = -1;
  }

  async close(): Promise<void> {
    // First: calls of the worker on its way out must fail, not wait to be served.
    this.closeListener();
    this.#port.postMessage('close' satisfies ToWorker);
    await this.#worker.terminate();
    this.#port.close();
  }

  #handle(message: FromWorker): void {
    if (message.kind === 'ready' || message.kind === 'refused') return;
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    if (message.kind === 'started') {
      if (this.shm !== 'copy') this.#waiting.delete(message.id);
      waiting.events.started(message.pid);
      waiting.started();
      return;
    }
    this.#waiting.delete(message.id);
    if (message.kind === 'failed') waiting.failed(new Error(message.error));
    else waiting.events.ended(message.exit);
  }
}
