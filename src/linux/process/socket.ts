/**
 * Sockets (struct socket, struct sock; net/socket.c, net/core/sock.c): what streams and datagrams
 * have in common. The network itself is the outside's; a kernel without one has sockets that reach
 * nobody. `tcp.ts` and `udp.ts` are the protocols.
 * Left out: listening, binding, unconnected datagrams, ancillary data, time-outs as options, and
 * what a packet costs beside its bytes, which Linux counts against the buffers.
 */
import { ENETUNREACH, EPROTO, ERRNO } from '../../abi/errno.ts';
import { O_NONBLOCK } from '../../abi/fcntl.ts';
import type { HostEndpoint, HostNet } from '../../host/net.ts';
import type { Co } from '../../sched/task.ts';
import { WaitQueue } from '../../sched/wait.ts';
import { File } from './file.ts';
import type { FileOperations } from './file.ts';
import type { Kernel } from './kernel.ts';
import { PollHead } from './poll.ts';

/** Bytes that are there to be received. */
export interface Peeked {
  readonly bytes: Uint8Array;
  /** Of the datagram; a stream is never cut. */
  readonly whole: number;
}

export abstract class Socket {
  readonly kernel: Kernel;
  /** AF_INET or AF_INET6. */
  readonly domain: number;
  /** SOCK_STREAM or SOCK_DGRAM. */
  abstract readonly type: number;
  /** IPPROTO_* */
  abstract readonly protocol: number;
  /** sk_rcvbuf and sk_sndbuf, bytes. */
  abstract rcvbuf: number;
  abstract sndbuf: number;
  readonly head = new PollHead();
  peer: HostEndpoint | undefined;
  local: HostEndpoint | undefined;
  readonly #queue: WaitQueue;
  /** sk_err, a positive errno: told once. */
  #error = 0;

  constructor(kernel: Kernel, domain: number) {
    this.kernel = kernel;
    this.domain = domain;
    this.#queue = new WaitQueue(kernel.sched, 'sk_sleep');
  }

  /** @returns 0 or a negative errno. */
  abstract connect(peer: HostEndpoint, nonblocking: boolean): Co<number>;
  /** Waits for something to receive: 1, 0 at the end of a stream, or a negative errno. */
  abstract readable(nonblocking: boolean): Co<number>;
  /** Up to `most` bytes that stay in the queue; after `readable`. */
  abstract peek(most: number): Peeked;
  /** Takes what `peek` has shown. */
  abstract consume(length: number): void;
  /** @returns bytes taken, or a negative errno; -EPIPE comes with a SIGPIPE. */
  abstract send(data: Uint8Array, nonblocking: boolean): Co<number>;
  /** @param how SHUT_*. */
  abstract shutdown(how: number): number;
  /** POLL* that hold now. */
  abstract poll(): number;
  abstract close(): void;

  get hasError(): boolean {
    return this.#error !== 0;
  }

  /** sock_error(): a negative errno or 0; it is told once. */
  takeError(): number {
    const error = this.#error;
    this.#error = 0;
    return error === 0 ? 0 : -error;
  }

  /** The outside's errno by name. */
  protected fail(code: string): void {
    this.#error = (ERRNO as Readonly<Record<string, number>>)[code] ?? EPROTO;
    this.changed();
  }

  /** sk_state_change(), sk_data_ready() and sk_write_space() in one. */
  protected changed(): void {
    this.#queue.wakeAll();
    this.head.wake();
  }

  /** @returns false when a signal ended the sleep. */
  protected *sleepUntil(condition: () => boolean): Co<boolean> {
    return (yield* this.#queue.waitUntil(condition, 'interruptible')) !== 'signal';
  }

  /** The outside's network, or -ENETUNREACH with its cause. */
  protected net({ address }: HostEndpoint): HostNet | number {
    const { net, trace } = this.kernel;
    if (net !== undefined) return net;
    trace.cause('linux', {
      layer: 'linux/process',
      code: '-ENETUNREACH',
      text: `no way to ${address}: this box has no network`,
      object: address,
      hint: 'boot it with another `net` than "none"',
    });
    return -ENETUNREACH;
  }
}

const socketOf = (file: File): Socket => file.data as Socket;

const SOCKET_OPS: FileOperations = {
  *read(file, _current, out) {
    const socket = socketOf(file);
    const ready = yield* socket.readable((file.flags & O_NONBLOCK) !== 0);
    if (ready <= 0) return ready;
    const { bytes } = socket.peek(out.length);
    out.set(bytes);
    socket.consume(bytes.length);
    return bytes.length;
  },
  *write(file, _current, data) {
    return yield* socketOf(file).send(data, (file.flags & O_NONBLOCK) !== 0);
  },
  poll: (file) => socketOf(file).poll(),
  pollHead: (file) => socketOf(file).head,
  *release(file) {
    socketOf(file).close();
  },
};

/** sock_alloc_file() */
export const makeSocketFile = (socket: Socket, flags: number): File =>
  new File(SOCKET_OPS, 'socket:[0]', flags, socket);

/** The socket of a file; undefined for other files. */
export const socketFrom = (file: File): Socket | undefined =>
  file.data instanceof Socket ? file.data : undefined;
