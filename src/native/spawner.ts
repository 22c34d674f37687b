/**
 * Starts native programs under the seccomp filter, without root, compiler or helper program: a
 * worker thread of this process installs the filter on itself (filters are per thread and are
 * inherited by fork and exec) and starts programs from there. The listener belongs to the whole
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
  | { readonly kind: 'failed'; readonly id: number; readonly error: string };

export interface WorkerData {
  readonly port: MessagePort;
  /** An eventfd (8 bytes wake its reader). */
  readonly wakeFd: number;
  readonly shm: ShmMode;
}

interface Waiting {
  readonly started: (pid: number) => void;
  readonly failed: (error: Error) => void;
}

export class Spawner {
  /** What the filter is for. */
  readonly shm: ShmMode;
  #listener: number;
  readonly #worker: Worker;
  readonly #exited: Promise<unknown>;
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  readonly #onExit = (): void => this.closeListener();

  private constructor(worker: Worker, port: MessagePort, listener: number, shm: ShmMode) {
    this.shm = shm;
    this.#worker = worker;
    this.#exited = new Promise((resolve) => worker.once('exit', resolve));
    // An exit of the process waits for the worker, whose last calls nobody would answer.
    process.once('exit', this.#onExit);
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
    worker.removeAllListeners('error');
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

  /** @param fn called when the worker has ended by an error, and starts nothing any more */
  onFailure(fn: (error: Error) => void): void {
    this.#worker.on('error', fn);
  }

  /** Whether a program may have been started of which `poll` has not told yet. */
  get isStarting(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * Resolves once it runs; rejects when it could not be started (no such file, not executable).
   * @param started called by `poll`, before the program's first call is served
   */
  spawn(request: SpawnRequest, started: (pid: number) => void): Promise<void> {
    const id = this.#nextId++;
    return new Promise((resolve, failed) => {
      const has = (pid: number): void => {
        started(pid);
        resolve();
      };
      this.#waiting.set(id, { started: has, failed });
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
    // First: calls of the worker on its way out, and of a child before its exec, fail then.
    this.closeListener();
    this.#worker.ref();
    this.#port.postMessage('close' satisfies ToWorker);
    await this.#exited;
    process.off('exit', this.#onExit);
    // What it started meanwhile is told of still; what it did not start will never be.
    this.poll();
    this.#port.close();
    for (const { failed } of this.#waiting.values()) failed(new Error('the box has ended'));
    this.#waiting.clear();
  }

  #handle(message: FromWorker): void {
    if (message.kind === 'ready' || message.kind === 'refused') return;
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    this.#waiting.delete(message.id);
    if (message.kind === 'started') waiting.started(message.pid);
    else waiting.failed(new Error(message.error));
  }
}
