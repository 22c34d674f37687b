/**
 * The door of `teebox serve`: a Unix socket on which `teebox exec` hands over a program's
 * arguments, directory, environment and fds. The server starts the program itself, so that the
 * programs are its children and ptrace restrictions (Yama) let it read their memory.
 */
import { closeSync, unlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { TextDecoder } from 'node:util';
import type { MemorySnapshot } from '../box/memory-snapshot.ts';
import { EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from './epoll.ts';
import { FdSockets } from './fd-passing.ts';
import { sendSignal } from './send-signal.ts';
import type { NativeExit } from './spawner.ts';
import type { NativeProgram, Supervisor } from './supervisor.ts';

/** What `exec` sends, with its three fds beside it; later only signals. */
export type ToServer =
  ProgramRequest | { readonly signal: NodeJS.Signals } | { readonly inspect: 'memory' };

export interface ProgramRequest {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

export type FromServer =
  | { readonly pid: number }
  | { readonly exit: NativeExit }
  | { readonly error: string }
  | { readonly memory: MemorySnapshot };

/** Messages are lines of JSON. */
export const encodeLine = (message: ToServer | FromServer): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(message)}\n`);

/** Lines with more than this are nobody's: arguments and environment have 2 MiB, in JSON up to 6 times that. */
const MOST_TEXT = 16 << 20;
const EVENTS = EPOLLIN | EPOLLHUP | EPOLLRDHUP;

/** One `exec`. */
interface Connection {
  readonly fd: number;
  readonly decoder: TextDecoder;
  /** What has come of a line that is not complete. */
  text: string;
  /** Came beside the request and are not used yet. */
  fds: number[];
  program: NativeProgram | undefined;
  /** Its one program was asked for; it may not have started yet. */
  hasAsked: boolean;
  /** Signals that came before the program had started, for it: each kind once, as pending ones are. */
  readonly early: Set<NodeJS.Signals>;
  /** Answers that found no room. */
  unsent: Uint8Array;
}

export class ProgramServer {
  readonly #supervisor: Supervisor;
  readonly #sockets: FdSockets;
  readonly #path: string;
  readonly #memory: (() => MemorySnapshot) | undefined;
  readonly #listener: number;
  readonly #connections = new Set<Connection>();

  /**
   * Listens at once.
   * @param memory what it answers to who asks for the box's memory; nobody may without.
   * @throws SocketError when the path is taken or cannot be bound.
   */
  constructor(supervisor: Supervisor, path: string, memory?: () => MemorySnapshot) {
    this.#supervisor = supervisor;
    this.#path = path;
    this.#memory = memory;
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
    const fd = this.#sockets.accept(this.#listener);
    if (fd < 0) return;
    const connection: Connection = {
      fd,
      decoder: new TextDecoder(),
      text: '',
      fds: [],
      program: undefined,
      hasAsked: false,
      early: new Set(),
      unsent: new Uint8Array(),
    };
    this.#connections.add(connection);
    this.#supervisor.epoll.add(fd, EVENTS, () => {
      this.#flush(connection);
      this.#receive(connection);
    });
  }

  /** A stream keeps no borders of messages: a large request comes in pieces, signals together. */
  #receive(connection: Connection): void {
    const received = this.#connections.has(connection) && this.#sockets.receive(connection.fd);
    if (!received) return;
    const { bytes, fds } = received;
    connection.fds.push(...fds);
    connection.text += connection.decoder.decode(bytes, { stream: true });
    const lines = connection.text.split('\n');
    connection.text = lines.pop() ?? '';
    const messages = lines.map((line) => parse(line));
    for (const message of messages) if (message !== undefined) this.#act(connection, message);
    const isOurs = !messages.includes(undefined) && connection.text.length <= MOST_TEXT;
    if (bytes.length === 0 || !isOurs) this.#forget(connection);
  }

  #act(connection: Connection, message: ToServer): void {
    // An answer to the message before may have found nobody.
    if (!this.#connections.has(connection)) return;
    if ('signal' in message) {
      if (connection.program === undefined) connection.early.add(message.signal);
      else pass(connection.program, message.signal);
    } else if ('inspect' in message) {
      const memory = this.#memory?.();
      this.#send(connection, memory === undefined ? { error: 'it is not told' } : { memory });
    } else {
      this.#start(connection, message);
    }
  }

  #start(connection: Connection, message: ProgramRequest): void {
    const fds = connection.fds.splice(0);
    const close = (): void => fds.forEach((fd) => closeSync(fd));
    const [stdin, stdout, stderr] = fds;
    const areThree = stdin !== undefined && stdout !== undefined && stderr !== undefined;
    if (!areThree || connection.hasAsked) {
      close();
      const error = areThree ? 'one program for each connection' : 'three fds are needed';
      this.#send(connection, { error });
      return;
    }
    connection.hasAsked = true;
    const ended = (exit: NativeExit): void => this.#send(connection, { exit });
    this.#supervisor.spawn({ ...message, stdio: [stdin, stdout, stderr] }, ended).then(
      (program) => {
        close();
        connection.program = program;
        if (this.#connections.has(connection)) this.#send(connection, { pid: program.pid });
        else pass(program, 'SIGHUP');
        for (const signal of connection.early) pass(program, signal);
      },
      (error: unknown) => {
        close();
        this.#send(connection, { error: String(error) });
      },
    );
  }

  #send(connection: Connection, message: FromServer): void {
    if (!this.#connections.has(connection)) return;
    connection.unsent = Buffer.concat([connection.unsent, encodeLine(message)]);
    this.#flush(connection);
  }

  /** Sends what there is room for; the rest goes when who asked has read. */
  #flush(connection: Connection): void {
    const { fd, unsent } = connection;
    if (unsent.length === 0) return;
    const sent = this.#sockets.write(fd, unsent);
    if (sent < 0 || unsent.length - sent > MOST_TEXT) return this.#forget(connection);
    connection.unsent = unsent.subarray(sent);
    this.#supervisor.epoll.modify(fd, sent < unsent.length ? EVENTS | EPOLLOUT : EVENTS);
  }

  /** `exec` is gone: its program loses its terminal. */
  #forget(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    this.#supervisor.epoll.remove(connection.fd);
    for (const fd of [connection.fd, ...connection.fds.splice(0)]) closeSync(fd);
    if (connection.program !== undefined) pass(connection.program, 'SIGHUP');
  }
}

/** One that has ended gets none: its id may be another's. */
function pass(program: NativeProgram, signal: NodeJS.Signals): void {
  if (program.exit === undefined) sendSignal(program.pid, signal);
}

/** Undefined for what is no request of ours: the connection is dropped. */
function parse(line: string): ToServer | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRequest(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRequest(value: unknown): value is ToServer {
  if (typeof value !== 'object' || value === null) return false;
  if (Reflect.get(value, 'inspect') === 'memory') return true;
  const signal: unknown = Reflect.get(value, 'signal');
  if (signal !== undefined) return typeof signal === 'string' && signal in constants.signals;
  const argv: unknown = Reflect.get(value, 'argv');
  const env: unknown = Reflect.get(value, 'env');
  return (
    Array.isArray(argv) &&
    argv.length > 0 &&
    argv.every((arg) => typeof arg === 'string') &&
    typeof Reflect.get(value, 'cwd') === 'string' &&
    typeof env === 'object' &&
    env !== null &&
    Object.values(env).every((text) => typeof text === 'string')
  );
}
