/**
 * Stream sockets over IP (net/ipv4/tcp.c, af_inet.c): connected from this side only.
 * Left out: listening, urgent data, TCP_* options; buffers do not tune themselves.
 */
import {
  EAGAIN,
  EALREADY,
  EINPROGRESS,
  EISCONN,
  ENOTCONN,
  EPIPE,
  ERESTARTSYS,
} from '../../abi/errno.ts';
import {
  IPPROTO_TCP,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
  SHUT_RD,
  SHUT_WR,
  SOCK_STREAM,
} from '../../abi/socket.ts';
import type { HostEndpoint, HostSocket } from '../../host/net.ts';
import type { Co } from '../../sched/task.ts';
import { Socket } from './socket.ts';
import type { Peeked } from './socket.ts';

/** net.ipv4.tcp_rmem and tcp_wmem, their defaults. */
const TCP_RMEM = 131072;
const TCP_WMEM = 16384;

export class TcpSocket extends Socket {
  readonly type = SOCK_STREAM;
  readonly protocol = IPPROTO_TCP;
  rcvbuf = TCP_RMEM;
  sndbuf = TCP_WMEM;
  #state: 'close' | 'syn-sent' | 'established' = 'close';
  #host: HostSocket | undefined;
  /** Pieces that have come; the first one may be consumed in part. */
  readonly #received: Uint8Array[] = [];
  #queued = 0;
  /** Bytes that the outside has not confirmed. */
  #sending = 0;
  #rcvShutdown = false;
  #sndShutdown = false;

  /** inet_stream_connect() */
  *connect(peer: HostEndpoint, nonblocking: boolean): Co<number> {
    if (this.#state === 'established') return -EISCONN;
    if (this.#state === 'syn-sent') {
      if (nonblocking) return -EALREADY;
    } else {
      const refused = this.#begin(peer);
      if (refused !== 0) return refused;
      if (nonblocking) return -EINPROGRESS;
    }
    if (!(yield* this.sleepUntil(() => this.#state !== 'syn-sent'))) return -ERESTARTSYS;
    return this.takeError();
  }

  #begin(peer: HostEndpoint): number {
    const net = this.net(peer);
    if (typeof net === 'number') return net;
    this.peer = peer;
    this.#state = 'syn-sent';
    this.#host = net.connect('stream', peer, {
      connected: (local) => this.#established(local),
      data: (bytes) => this.#arrived(bytes),
      ended: () => {
        this.#rcvShutdown = true;
        this.changed();
      },
      failed: (code) => this.#reset(code),
    });
    return 0;
  }

  *readable(nonblocking: boolean): Co<number> {
    for (;;) {
      if (this.#queued > 0) return 1;
      if (this.hasError) return this.takeError();
      if (this.#rcvShutdown) return 0;
      if (this.#state === 'close') return -ENOTCONN;
      if (nonblocking) return -EAGAIN;
      const woken = yield* this.sleepUntil(
        () => this.#queued > 0 || this.hasError || this.#rcvShutdown,
      );
      if (!woken) return -ERESTARTSYS;
    }
  }

  peek(most: number): Peeked {
    const bytes = new Uint8Array(Math.min(most, this.#queued));
    let at = 0;
    for (const piece of this.#received) {
      if (at === bytes.length) break;
      const part = piece.subarray(0, bytes.length - at);
      bytes.set(part, at);
      at += part.length;
    }
    return { bytes, whole: bytes.length };
  }

  consume(length: number): void {
    this.#queued -= length;
    for (let left = length; left > 0;) {
      const piece = this.#received[0]!;
      if (piece.length > left) this.#received[0] = piece.subarray(left);
      else this.#received.shift();
      left -= Math.min(left, piece.length);
    }
    if (this.#queued < this.rcvbuf) this.#host?.resume();
  }

  /** tcp_sendmsg() */
  *send(data: Uint8Array, nonblocking: boolean): Co<number> {
    for (let sent = 0; ;) {
      if (this.hasError) return sent > 0 ? sent : this.takeError();
      if (this.#sndShutdown || this.#state === 'close') return sent > 0 ? sent : -EPIPE;
      const room = this.#state === 'established' ? this.sndbuf - this.#sending : 0;
      if (room > 0 && data.length > 0) sent += this.#push(data.subarray(sent, sent + room));
      if (sent === data.length) return sent;
      if (room > 0) continue;
      if (nonblocking) return sent > 0 ? sent : -EAGAIN;
      const woken = yield* this.sleepUntil(() => this.#mayGoOn());
      if (!woken) return sent > 0 ? sent : -ERESTARTSYS;
    }
  }

  shutdown(how: number): number {
    if (this.#state !== 'established') return -ENOTCONN;
    if (how !== SHUT_WR) this.#rcvShutdown = true;
    if (how !== SHUT_RD && !this.#sndShutdown) {
      this.#sndShutdown = true;
      this.#host?.end();
    }
    this.changed();
    return 0;
  }

  /** tcp_poll() */
  poll(): number {
    const both = this.#rcvShutdown && this.#sndShutdown;
    let mask = both || this.#state === 'close' ? POLLHUP : 0;
    if (this.#rcvShutdown) mask |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (this.hasError) mask |= POLLERR;
    if (this.#state === 'syn-sent') return mask;
    if (this.#queued > 0) mask |= POLLIN | POLLRDNORM;
    return this.#writeable || this.#sndShutdown ? mask | POLLOUT | POLLWRNORM : mask;
  }

  close(): void {
    this.#state = 'close';
    this.#host?.close();
  }

  /** sk_stream_is_writeable() */
  get #writeable(): boolean {
    return this.sndbuf - this.#sending >= this.#sending >> 1;
  }

  #mayGoOn(): boolean {
    const stuck = this.#state === 'syn-sent' || this.#sending >= this.sndbuf;
    return !stuck || this.hasError || this.#sndShutdown;
  }

  #push(data: Uint8Array): number {
    this.#sending += data.length;
    this.#host!.send(data, () => {
      this.#sending -= data.length;
      this.changed();
    });
    return data.length;
  }

  #established(local: HostEndpoint): void {
    this.#state = 'established';
    this.local = local;
    this.changed();
  }

  #arrived(bytes: Uint8Array): void {
    this.#received.push(bytes);
    this.#queued += bytes.length;
    if (this.#queued >= this.rcvbuf) this.#host?.pause();
    this.changed();
  }

  /** tcp_reset() */
  #reset(code: string): void {
    if (this.#state === 'established') {
      this.#rcvShutdown = true;
      this.#sndShutdown = true;
    }
    this.#state = 'close';
    this.fail(code);
  }
}
