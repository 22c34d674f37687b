/** Unix sockets that carry fds (SCM_RIGHTS, unix(7)): how `exec` hands its own to `serve`. */
import { closeSync, writeSync } from 'node:fs';
import type { HostArch } from './arch.ts';
import { EAGAIN, ENAMETOOLONG, errnoName } from '../abi/errno.ts';
import type { Libc } from './libc.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0x80000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SUN_PATH = 108;
const BACKLOG = 128;
const CONTROL_BYTES = 64;
const PIECE_BYTES = 64 * 1024;

/** A failed call on a socket. */
export class SocketError extends Error {
  readonly errno: number;
  constructor(what: string, errno: number) {
    super(`${what}: ${errnoName(errno) ?? `errno ${errno}`}`);
    this.name = 'SocketError';
    this.errno = errno;
  }
}

export interface Received {
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
}

export class FdSockets {
  readonly #libc: Libc;
  readonly #arch: HostArch;
  readonly #bytes = new Uint8Array(PIECE_BYTES);
  readonly #header = new DataView(new ArrayBuffer(128));
  readonly #control = new DataView(new ArrayBuffer(128));
  readonly #iovec = new DataView(new ArrayBuffer(128));
  readonly #sockaddr = new Uint8Array(new ArrayBuffer(128));

  constructor(libc: Libc, arch: HostArch) {
    this.#libc = libc;
    this.#arch = arch;
  }

  /** A listening socket at `path`. @throws SocketError */
  listen(path: string): number {
    const { bind, listen } = this.#arch;
    return this.#socket((fd) => {
      this.#check(`bind ${path}`, this.#libc.syscall(bind, fd, ...this.#address(path)));
      this.#check(`listen ${path}`, this.#libc.syscall(listen, fd, BACKLOG));
    });
  }

  /** A socket to who listens at `path`. @throws SocketError */
  connect(path: string): number {
    const { connect } = this.#arch;
    return this.#socket((fd) =>
      this.#check(`connect ${path}`, this.#libc.syscall(connect, fd, ...this.#address(path))),
    );
  }

  accept(listener: number): number {
    return this.#libc.syscall(this.#arch.accept4, listener, 0, 0, SOCK_CLOEXEC);
  }

  /** Bytes with fds beside the first of them. @throws SocketError */
  send(socket: number, bytes: Uint8Array, fds: readonly number[]): void {
    this.#prepare(bytes, 16 + 4 * fds.length);
    this.#control.setUint32(0, 16 + 4 * fds.length, true);
    this.#control.setUint32(8, SOL_SOCKET, true);
    this.#control.setUint32(12, SCM_RIGHTS, true);
    fds.forEach((fd, i) => this.#control.setInt32(16 + 4 * i, fd, true));
    const result = this.#libc.syscall(this.#arch.sendmsg, socket, this.#at(this.#header), 0);
    const sent = this.#check('sendmsg', result);
    // A stop and its end cut it short.
    for (let at = sent; at < bytes.length;) at += writeSync(socket, bytes, at);
  }

  /** Sends what there is room for. @returns bytes that were sent; negative when nobody is there */
  write(socket: number, bytes: Uint8Array): number {
    const piece = this.#bytes.subarray(0, bytes.length);
    piece.set(bytes.subarray(0, piece.length));
    this.#prepare(piece, 0);
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const sent = this.#libc.syscall(this.#arch.sendmsg, socket, this.#at(this.#header), flags);
    return sent < 0 && this.#libc.errno() === EAGAIN ? 0 : sent;
  }

  /**
   * What has come so far, a piece of it or several messages; empty at the end of the stream.
   * @returns undefined when nothing has come
   */
  receive(socket: number): Received | undefined {
    new Uint8Array(this.#control.buffer).fill(0);
    this.#prepare(this.#bytes, CONTROL_BYTES);
    const { recvmsg } = this.#arch;
    const flags = MSG_CMSG_CLOEXEC | MSG_DONTWAIT;
    const n = this.#libc.syscall(recvmsg, socket, this.#at(this.#header), flags);
    if (n < 0 && this.#libc.errno() === EAGAIN) return undefined;
    const count = Math.max(0, (this.#control.getUint32(0, true) - 16) / 4);
    const fds = Array.from({ length: count }, (_, i) => this.#control.getInt32(16 + 4 * i, true));
    return { bytes: this.#bytes.slice(0, Math.max(0, n)), fds };
  }

  /** struct msghdr with one iovec and a control buffer. */
  #prepare(bytes: Uint8Array, controlLength: number): void {
    setPointer(this.#iovec, 0, this.#libc.address(bytes));
    setPointer(this.#iovec, 8, bytes.length);
    new Uint8Array(this.#header.buffer).fill(0);
    setPointer(this.#header, 16, this.#at(this.#iovec));
    setPointer(this.#header, 24, 1);
    setPointer(this.#header, 32, this.#at(this.#control));
    setPointer(this.#header, 40, controlLength);
  }

  /** A socket, closed again when it cannot be set up. */
  #socket(setUp: (fd: number) => void): number {
    const type = SOCK_STREAM | SOCK_CLOEXEC;
    const fd = this.#check('socket', this.#libc.syscall(this.#arch.socket, AF_UNIX, type, 0));
    try {
      setUp(fd);
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  #address(path: string): [number, number] {
    const bytes = this.#sockaddr;
    const text = new TextEncoder().encode(path);
    if (text.length >= SUN_PATH) throw new SocketError(path, ENAMETOOLONG);
    bytes.fill(0);
    bytes[0] = AF_UNIX;
    bytes.set(text, 2);
    return [this.#libc.address(bytes), 2 + text.length + 1];
  }

  #at(view: DataView<ArrayBuffer>): number {
    return this.#libc.address(new Uint8Array(view.buffer));
  }

  #check(what: string, result: number): number {
    if (result < 0) throw new SocketError(what, this.#libc.errno());
    return result;
  }
}

function setPointer(view: DataView, at: number, value: number): void {
  view.setUint32(at, value, true);
  view.setUint32(at + 4, value / 2 ** 32, true);
}
