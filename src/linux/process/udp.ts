/**
 * Datagram sockets over IP (net/ipv4/udp.c, datagram.c) that have a peer.
 * Left out: bound and unconnected ones, UDP_* options.
 */
import { EAGAIN, EDESTADDRREQ, EMSGSIZE, ENOTCONN, EPIPE, ERESTARTSYS } from '../../abi/errno.ts';
import {
  IPPROTO_UDP,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
  SHUT_RD,
  SHUT_WR,
  SOCK_DGRAM,
} from '../../abi/socket.ts';
import type { HostEndpoint, HostSocket } from '../../host/net.ts';
import type { Co } from '../../sched/task.ts';
import { Socket } from './socket.ts';
import type { Peeked } from './socket.ts';

/** net.core.rmem_default and wmem_default. */
const SK_MEM_DEFAULT = 212992;
/** What fits into an IPv4 packet behind its headers, and into an IPv6 payload. */
const MOST_BYTES = { 4: 65507, 6: 65527 } as const;

export class UdpSocket extends Socket {
  readonly type = SOCK_DGRAM;
  readonly protocol = IPPROTO_UDP;
  rcvbuf = SK_MEM_DEFAULT;
  sndbuf = SK_MEM_DEFAULT;
  #host: HostSocket | undefined;
  #connecting = false;
  readonly #received: Uint8Array[] = [];
  #queued = 0;
  #sending = 0;
  #rcvShutdown = false;
  #sndShutdown = false;

  /**
   * __ip4_datagram_connect(): may be made again, and keeps the old peer when it fails. Linux does not
   * sleep here; the outside may.
   */
  *connect(peer: HostEndpoint): Co<number> {
    const net = this.net(peer);
    if (typeof net === 'number') return net;
    this.#connecting = true;
    if (this.#host === undefined) this.#host = net.connect('datagram', peer, this.#events());
    else this.#host.reconnect(peer);
    yield* this.sleepUntil(() => !this.#connecting);
    const error = this.takeError();
    if (error === 0) this.peer = peer;
    return error;
  }

  *readable(nonblocking: boolean): Co<number> {
    for (;;) {
      if (this.hasError) return this.takeError();
      if (this.#received.length > 0) return 1;
      if (this.#rcvShutdown) return 0;
      if (nonblocking) return -EAGAIN;
      const woken = yield* this.sleepUntil(() => (this.poll() & (POLLIN | POLLERR)) !== 0);
      if (!woken) return -ERESTARTSYS;
    }
  }

  peek(most: number): Peeked {
    const datagram = this.#received[0]!;
    return { bytes: datagram.subarray(0, most), whole: datagram.length };
  }

  /** The whole datagram goes, whatever of it was asked for. */
  consume(): void {
    this.#queued -= this.#received.shift()!.length;
  }

  /** udp_sendmsg() */
  *send(data: Uint8Array, nonblocking: boolean): Co<number> {
    const { peer } = this;
    if (this.#sndShutdown) return -EPIPE;
    if (peer === undefined) return -EDESTADDRREQ;
    if (data.length > MOST_BYTES[peer.family]) return -EMSGSIZE;
    if (this.hasError) return this.takeError();
    if (!this.#writeable && nonblocking) return -EAGAIN;
    if (!(yield* this.sleepUntil(() => this.#writeable))) return -ERESTARTSYS;
    this.#sending += data.length;
    this.#host!.send(data, () => {
      this.#sending = Math.max(0, this.#sending - data.length);
      this.changed();
    });
    return data.length;
  }

  shutdown(how: number): number {
    if (this.peer === undefined) return -ENOTCONN;
    if (how !== SHUT_WR) this.#rcvShutdown = true;
    if (how !== SHUT_RD) this.#sndShutdown = true;
    this.changed();
    return 0;
  }

  /** datagram_poll() */
  poll(): number {
    let mask = this.hasError ? POLLERR : 0;
    if (this.#rcvShutdown) mask |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (this.#rcvShutdown && this.#sndShutdown) mask |= POLLHUP;
    if (this.#received.length > 0) mask |= POLLIN | POLLRDNORM;
    return this.#writeable ? mask | POLLOUT | POLLWRNORM : mask;
  }

  close(): void {
    this.#host?.close();
  }

  get #writeable(): boolean {
    return this.#sending < this.sndbuf;
  }

  #events() {
    const connected = (): void => {
      this.#connecting = false;
      this.changed();
    };
    return {
      connected: (local: HostEndpoint) => {
        this.local = local;
        connected();
      },
      data: (bytes: Uint8Array) => this.#arrived(bytes),
      ended: () => {},
      failed: (code: string) => {
        this.#connecting = false;
        this.#sending = 0;
        this.fail(code);
      },
    };
  }

  /** A datagram that finds the buffer full is dropped. */
  #arrived(bytes: Uint8Array): void {
    if (this.#queued + bytes.length > this.rcvbuf) return;
    this.#received.push(bytes);
    this.#queued += bytes.length;
    this.changed();
  }
}
