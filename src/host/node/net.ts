/** HostNet over node:net and node:dgram. Names are the resolver's of the host (getaddrinfo). */
import { createSocket } from 'node:dgram';
import type { Socket as DatagramSocket } from 'node:dgram';
import { lookup } from 'node:dns';
import { Socket, isIP } from 'node:net';
import type { HostAddress, HostEndpoint, HostNet, HostSocket, HostSocketEvents } from '../net.ts';

/** How long a peer may take nothing of what was sent before a stream was closed, milliseconds. */
const LINGER_MS = 2000;

export class NodeNet implements HostNet {
  readonly #open = new Set<HostSocket>();
  readonly #lingerMs: number;

  constructor({ lingerMs = LINGER_MS } = {}) {
    this.#lingerMs = lingerMs;
  }

  resolve(host: string, family: 0 | 4 | 6, found: (addresses: readonly HostAddress[]) => void) {
    // No name has no address; Node 26 throws at one, rather than say so.
    if (host === '') return void setImmediate(found, []);
    lookup(host, { family, all: true, order: 'verbatim' }, (error, addresses) => {
      const all = error === null ? addresses.map(({ address }) => addressOf(address)) : [];
      // A numeric host comes back whatever family was asked for.
      found(all.filter((one) => family === 0 || one.family === family));
    });
  }

  connect(kind: 'stream' | 'datagram', peer: HostEndpoint, events: HostSocketEvents): HostSocket {
    const closed = (socket: HostSocket): void => void this.#open.delete(socket);
    const socket =
      kind === 'stream'
        ? new NodeStream(peer, events, closed, this.#lingerMs)
        : new NodeDatagrams(peer, events, closed);
    this.#open.add(socket);
    return socket;
  }

  close(): void {
    for (const socket of this.#open) socket.close();
  }
}

const addressOf = (address: string): HostAddress => ({
  family: isIP(address) === 6 ? 6 : 4,
  address,
});

const codeOf = (error: Error): string => {
  const code: unknown = Reflect.get(error, 'code');
  return typeof code === 'string' ? code : 'EIO';
};

class NodeStream implements HostSocket {
  readonly #socket = new Socket({ allowHalfOpen: true });
  readonly #onClose: (socket: HostSocket) => void;
  readonly #lingerMs: number;
  #closed = false;

  constructor(
    peer: HostEndpoint,
    events: HostSocketEvents,
    onClose: (socket: HostSocket) => void,
    lingerMs: number,
  ) {
    this.#onClose = onClose;
    this.#lingerMs = lingerMs;
    const socket = this.#socket;
    const unlessClosed = (event: () => void): void => {
      if (!this.#closed) event();
    };
    socket.setNoDelay(true);
    socket.on('connect', () =>
      unlessClosed(() =>
        events.connected(localOf(peer.family, socket.localAddress, socket.localPort)),
      ),
    );
    socket.on('data', (bytes) => unlessClosed(() => events.data(new Uint8Array(bytes))));
    socket.on('end', () => unlessClosed(() => events.ended()));
    socket.on('error', (error) => {
      unlessClosed(() => events.failed(codeOf(error)));
      this.#closed = true;
    });
    socket.connect({ host: peer.address, port: peer.port, family: peer.family });
  }

  send(data: Uint8Array, sent: () => void): void {
    this.#socket.write(data.slice(), (error) => {
      if (!this.#closed && (error === undefined || error === null)) sent();
    });
  }

  reconnect(): void {
    throw new Error('a stream keeps its peer');
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  /** A peer that takes nothing must not keep the process; a connection that does not stand has nothing to send. */
  close(): void {
    this.#closed = true;
    this.#onClose(this);
    const socket = this.#socket;
    if (socket.connecting) return void socket.destroy();
    socket.setTimeout(this.#lingerMs, () => socket.destroy());
    socket.destroySoon();
  }
}

class NodeDatagrams implements HostSocket {
  readonly #socket: DatagramSocket;
  readonly #events: HostSocketEvents;
  readonly #onClose: (socket: HostSocket) => void;
  /** Undefined while there is none yet, or another is on its way. */
  #peer: HostEndpoint | undefined;
  #closed = false;
  /** Sends that the host has not confirmed: close() would drop them. */
  #sending = 0;

  constructor(peer: HostEndpoint, events: HostSocketEvents, onClose: (socket: HostSocket) => void) {
    this.#onClose = onClose;
    this.#events = events;
    const socket = createSocket(peer.family === 6 ? 'udp6' : 'udp4');
    this.#socket = socket;
    socket.on('message', (bytes) => this.#tell(() => events.data(new Uint8Array(bytes))));
    socket.on('error', (error) => this.#tell(() => events.failed(codeOf(error))));
    this.#connect(peer, (error) => events.failed(codeOf(error)));
  }

  /** What is sent while there is no peer is lost, as datagrams may be. */
  send(data: Uint8Array, sent: () => void): void {
    if (this.#peer === undefined) return void setImmediate(() => this.#tell(sent));
    this.#sending += 1;
    this.#socket.send(data.slice(), (error) => {
      this.#sending -= 1;
      if (this.#closed) this.#closeWhenSent();
      else if (error === null) sent();
      else this.#events.failed(codeOf(error));
    });
  }

  /** A socket whose new peer cannot be had keeps the old one. */
  reconnect(peer: HostEndpoint): void {
    const old = this.#peer;
    if (old !== undefined) this.#socket.disconnect();
    this.#peer = undefined;
    this.#connect(peer, (error) => {
      const failed = (): void => this.#events.failed(codeOf(error));
      if (old === undefined) failed();
      else this.#connect(old, failed, failed);
    });
  }

  pause(): void {}
  resume(): void {}
  end(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose(this);
    this.#closeWhenSent();
  }

  #connect(
    peer: HostEndpoint,
    failed: (error: Error) => void,
    connected = (): void => this.#events.connected(this.#local(peer)),
  ): void {
    this.#socket.connect(peer.port, peer.address, (...[error]: readonly unknown[]) => {
      if (error instanceof Error) return this.#tell(() => failed(error));
      this.#peer = peer;
      this.#tell(connected);
    });
  }

  #closeWhenSent(): void {
    if (this.#sending === 0) this.#socket.close();
  }

  #local({ family }: HostEndpoint): HostEndpoint {
    const { address, port } = this.#socket.address();
    return localOf(family, address, port);
  }

  #tell(event: () => void): void {
    if (!this.#closed) event();
  }
}

function localOf(family: 4 | 6, address = '', port = 0): HostEndpoint {
  return { family, address, port };
}
