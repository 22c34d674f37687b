/**
 * The door of `teebox serve`: a Unix socket on which `teebox exec` hands over a program's
 * arguments, directory, environment and fds. The server forks the program itself, so that the
 * programs are its children and ptrace restrictions (Yama) let it read their memory.
 */
import { closeSync, unlinkSync, writeSync } from 'node:fs';
import { EPOLLHUP, EPOLLIN, EPOLLRDHUP } from './epoll.ts';
import { FdSockets } from './fd-passing.ts';
import type { NativeExit } from './spawner.ts';
import type { NativeProgram, Supervisor } from './supervisor.ts';

/** What `exec` sends, with its three fds beside it; later only signals. */
export type ToServer =
  | {
      readonly argv: readonly string[];
      readonly cwd: string;
      readonly env: Readonly<Record<string, string>>;
    }
  | { readonly signal: NodeJS.Signals };

export type FromServer =
  { readonly pid: number } | { readonly exit: NativeExit } | { readonly error: string };

/** Messages are lines of JSON. */
export const encodeLine = (message: ToServer | FromServer): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(message)}\n`);

export class ProgramServer {
  readonly #supervisor: Supervisor;
  readonly #sockets: FdSockets;
  readonly #path: string;
  readonly #listener: number;
  readonly #connections = new Set<number>();

  /** Listens at once. @throws SocketError when the path is taken or cannot be bound. */
  constructor(supervisor: Supervisor, path: string) {
    this.#supervisor = supervisor;
    this.#path = path;
    this.#sockets = new FdSockets(supervisor.libc, supervisor.arch);
    this.#listener = this.#sockets.listen(path);
    supervisor.epoll.add(this.#listener, EPOLLIN, () => this.#accept());
  }

  close(): void {
    for (const connection of this.#connections) this.#forget(connection);
    this.#supervisor.epoll.remove(this.#listener);
    closeSync(this.#listener);
    unlinkSync(this.#path);
  }

  #accept(): void {
    const connection = this.#sockets.accept(this.#listener);
    if (connection < 0) return;
    this.#connections.add(connection);
    const state: { program: NativeProgram | undefined } = { program: undefined };
    this.#supervisor.epoll.add(connection, EPOLLIN | EPOLLHUP | EPOLLRDHUP, () =>
      this.#receive(connection, state),
    );
  }

  #receive(connection: number, state: { program: NativeProgram | undefined }): void {
    const { bytes, fds } = this.#sockets.receive(connection);
    const message = bytes.length === 0 ? undefined : parse(bytes);
    if (message === undefined) {
      // `exec` is gone: its program loses its terminal.
      for (const fd of fds) closeSync(fd);
      if (state.program?.exit === undefined) this.#signal(state.program, 'SIGHUP');
      this.#forget(connection);
    } else if ('signal' in message) {
      this.#signal(state.program, message.signal);
    } else {
      this.#start(connection, state, message, fds);
    }
  }

  #start(
    connection: number,
    state: { program: NativeProgram | undefined },
    message: Exclude<ToServer, { signal: NodeJS.Signals }>,
    fds: readonly number[],
  ): void {
    const [stdin, stdout, stderr] = fds;
    if (stdin === undefined || stdout === undefined || stderr === undefined) {
      this.#send(connection, { error: 'three fds are needed beside the request' });
      return;
    }
    const request = { ...message, stdio: [stdin, stdout, stderr] as const, closeStdio: true };
    const ended = (exit: NativeExit): void => this.#send(connection, { exit });
    this.#supervisor.spawn(request, ended).then(
      (program) => {
        state.program = program;
        this.#send(connection, { pid: program.pid });
      },
      (error: unknown) => this.#send(connection, { error: String(error) }),
    );
  }

  #signal(program: NativeProgram | undefined, signal: NodeJS.Signals): void {
    if (program !== undefined && program.exit === undefined) process.kill(program.pid, signal);
  }

  #send(connection: number, message: FromServer): void {
    if (this.#connections.has(connection)) writeSync(connection, encodeLine(message));
  }

  #forget(connection: number): void {
    if (!this.#connections.delete(connection)) return;
    this.#supervisor.epoll.remove(connection);
    closeSync(connection);
  }
}

/** Undefined for what is no request of ours: the connection is dropped. */
function parse(bytes: Uint8Array): ToServer | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isRequest(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRequest(value: unknown): value is ToServer {
  if (typeof value !== 'object' || value === null) return false;
  if (typeof Reflect.get(value, 'signal') === 'string') return true;
  const argv: unknown = Reflect.get(value, 'argv');
  const env: unknown = Reflect.get(value, 'env');
  return (
    Array.isArray(argv) &&
    argv.length > 0 &&
    argv.every((arg) => typeof arg === 'string') &&
    typeof Reflect.get(value, 'cwd') === 'string' &&
    typeof env === 'object' &&
    env !== null
  );
}
