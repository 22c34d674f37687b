/**
 * A socket of the loopback network: the kernel's end, and what a played server sees of its client.
 * What nobody listens to refuses streams (RST) and, once it is sent to, datagrams (ICMP port
 * unreachable).
 */
import type { HostEndpoint, HostSocket, HostSocketEvents } from '../../host/net.ts';
import type { LoopbackNet } from './loopback.ts';

export type SocketKind = 'stream' | 'datagram';

/** net.ipv4.tcp_syn_retries = 6: 1 + 2 + 4 + … + 64 seconds without an answer. */
const SYN_TIMEOUT_NS = 127e9;

/** A client of a server: one connection, or one sender of datagrams. */
export interface LoopbackPeer {
  readonly remote: HostEndpoint;
  /** To the client: a piece of the stream, or a datagram. */
  send(data: Uint8Array | string): void;
  /** Streams: takes no more of what the client sends, until `resume`. */
  pause(): void;
  resume(): void;
  /** Streams: sends no more, receives on. */
  end(): void;
  /** Streams: breaks the connection. @param code an errno name; ECONNRESET without. */
  reset(code?: string): void;
}

/** What a server does with its clients; nothing, where it is left out. */
export interface LoopbackServer {
  connected?(peer: LoopbackPeer): void;
  /** A piece of a stream, or a datagram. */
  data?(peer: LoopbackPeer, bytes: Uint8Array): void;
  /** The client of a stream sends no more. */
  ended?(peer: LoopbackPeer): void;
}

export class LoopbackSocket implements HostSocket {
  readonly #net: LoopbackNet;
  readonly #kind: SocketKind;
  readonly #localPort: number;
  readonly #events: HostSocketEvents;
  readonly #client: LoopbackPeer;
  #peer: HostEndpoint = { family: 4, address: '0.0.0.0', port: 0 };
  /** Who is at the other end of a stream. */
  #server: LoopbackServer | undefined;
  #ended = false;
  #closed = false;
  /** From the server to the kernel, and from the kernel to the server. */
  readonly #inbox = new Pipe();
  readonly #outbox = new Pipe();

  constructor(net: LoopbackNet, kind: SocketKind, localPort: number, events: HostSocketEvents) {
    this.#net = net;
    this.#kind = kind;
    this.#localPort = localPort;
    this.#events = events;
    this.#client = this.#asClient();
  }

  reconnect(peer: HostEndpoint): void {
    if (!this.#net.hasRoute(peer)) return this.#fail('ENETUNREACH');
    this.#peer = peer;
    if (this.#kind === 'datagram') this.#later(() => this.#events.connected(this.#local));
    else if (this.#net.isSilent(peer)) this.#fail('ETIMEDOUT', SYN_TIMEOUT_NS);
    else this.#later(() => this.#accepted(this.#net.server('stream', peer)));
  }

  send(data: Uint8Array, sent: () => void): void {
    const bytes = data.slice();
    const peer = this.#peer;
    this.#leaves(() => {
      this.#deliver(peer, bytes);
      this.#later(sent);
    });
  }

  pause(): void {
    this.#inbox.paused = true;
  }

  resume(): void {
    if (!this.#inbox.paused) return;
    this.#inbox.paused = false;
    this.#later(() => this.#inbox.drain());
  }

  /** FIN */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#leaves(() => this.#server?.ended?.(this.#client));
  }

  close(): void {
    if (this.#closed) return;
    this.end();
    this.#closed = true;
    this.#net.gone(this);
  }

  get #local(): HostEndpoint {
    const { family } = this.#peer;
    return { family, address: family === 6 ? '::1' : '127.0.0.1', port: this.#localPort };
  }

  #accepted(server: LoopbackServer | undefined): void {
    if (server === undefined) {
      this.#events.failed('ECONNREFUSED');
      return;
    }
    this.#server = server;
    this.#events.connected(this.#local);
    server.connected?.(this.#client);
  }

  #deliver(peer: HostEndpoint, bytes: Uint8Array): void {
    if (this.#kind === 'stream') {
      this.#server?.data?.(this.#client, bytes);
      return;
    }
    const server = this.#net.server('datagram', peer);
    server?.data?.(this.#client, bytes);
    if (server === undefined && !this.#net.isSilent(peer)) this.#fail('ECONNREFUSED');
  }

  #asClient(): LoopbackPeer {
    const local = (): HostEndpoint => this.#local;
    return {
      get remote() {
        return local();
      },
      pause: () => {
        this.#outbox.paused = true;
      },
      resume: () => {
        this.#outbox.paused = false;
        this.#net.later(() => this.#outbox.drain());
      },
      send: (data) => {
        const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data.slice();
        this.#arrives(() => this.#events.data(bytes));
      },
      end: () => this.#arrives(() => this.#events.ended()),
      reset: (code = 'ECONNRESET') => {
        this.#server = undefined;
        this.#fail(code);
      },
    };
  }

  #arrives(event: () => void): void {
    this.#later(() => this.#inbox.put(event));
  }

  /** What was sent before a close still goes out. */
  #leaves(event: () => void): void {
    this.#net.later(() => this.#outbox.put(event));
  }

  #fail(code: string, delayNs?: number): void {
    this.#later(() => this.#events.failed(code), delayNs);
  }

  #later(event: () => void, delayNs?: number): void {
    this.#net.later(() => {
      if (!this.#closed) event();
    }, delayNs);
  }
}

/** One direction: in order, and not while the receiving end wants nothing. */
class Pipe {
  paused = false;
  readonly #waiting: (() => void)[] = [];

  put(event: () => void): void {
    this.#waiting.push(event);
    this.drain();
  }

  drain(): void {
    while (!this.paused) {
      const event = this.#waiting.shift();
      if (event === undefined) return;
      event();
    }
  }
}
