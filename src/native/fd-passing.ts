/** Unix sockets that carry fds (SCM_RIGHTS, unix(7)): how `exec` hands its own to `serve`. */
import type { HostArch } from './arch.ts';
import type { Libc } from './libc.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;
const SUN_PATH = 108;
const CONTROL_BYTES = 64;
const MESSAGE_BYTES = 256 * 1024;

/** A failed call on a socket. */
export class SocketError extends Error {
  readonly errno: number;
  constructor(what: string, errno: number) {
    super(`${what}: errno ${errno}`);
    this.name = 'SocketError';
    this.errno = errno;
  }
}

export class FdSockets {
  readonly #libc: Libc;
  readonly #arch: HostArch;
  readonly #bytes = new Uint8Array(MESSAGE_BYTES);
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
    const fd = this.#socket();
    this.#check(`bind ${path}`, this.#libc.syscall(this.#arch.bind, fd, ...this.#address(path)));
    this.#check(`listen ${path}`, this.#libc.syscall(this.#arch.listen, fd, 16));
    return fd;
  }

  connect(path: string): number {
    const fd = this.#socket();
    this.#check(
      `connect ${path}`,
      this.#libc.syscall(this.#arch.connect, fd, ...this.#address(path)),
    );
    return fd;
  }

  accept(listener: number): number {
    return this.#libc.syscall(this.#arch.accept4, listener, 0, 0, SOCK_CLOEXEC);
  }

  /** One message with fds beside it. @throws SocketError */
  send(socket: number, bytes: Uint8Array, fds: readonly number[]): void {
    this.#bytes.set(bytes);
    this.#prepare(bytes.length, 16 + 4 * fds.length);
    this.#control.setUint32(0, 16 + 4 * fds.length, true);
    this.#control.setUint32(8, SOL_SOCKET, true);
    this.#control.setUint32(12, SCM_RIGHTS, true);
    fds.forEach((fd, i) => this.#control.setInt32(16 + 4 * i, fd, true));
    const sent = this.#libc.syscall(this.#arch.sendmsg, socket, this.#at(this.#header), 0);
    this.#check('sendmsg', sent);
  }

  /** One message; empty at the end of the stream. */
  receive(socket: number): { bytes: Uint8Array; fds: number[] } {
    new Uint8Array(this.#control.buffer).fill(0);
    this.#prepare(MESSAGE_BYTES, CONTROL_BYTES);
    const { recvmsg } = this.#arch;
    const n = this.#libc.syscall(recvmsg, socket, this.#at(this.#header), MSG_CMSG_CLOEXEC);
    const count = Math.max(0, (this.#control.getUint32(0, true) - 16) / 4);
    const fds = Array.from({ length: count }, (_, i) => this.#control.getInt32(16 + 4 * i, true));
    return { bytes: this.#bytes.slice(0, Math.max(0, n)), fds };
  }

  /** struct msghdr with one iovec and a control buffer. */
  #prepare(length: number, controlLength: number): void {
    setPointer(this.#iovec, 0, this.#libc.address(this.#bytes));
    setPointer(this.#iovec, 8, length);
    new Uint8Array(this.#header.buffer).fill(0);
    setPointer(this.#header, 16, this.#at(this.#iovec));
    setPointer(this.#header, 24, 1);
    setPointer(this.#header, 32, this.#at(this.#control));
    setPointer(this.#header, 40, controlLength);
  }

  #socket(): number {
    const type = SOCK_STREAM | SOCK_CLOEXEC;
    return this.#check('socket', this.#libc.syscall(this.#arch.socket, AF_UNIX, type, 0));
  }

  #address(path: string): [number, number] {
    const bytes = this.#sockaddr;
    const text = new TextEncoder().encode(path);
    if (text.length >= SUN_PATH) throw new SocketError(`${path} is too long for a socket`, 36);
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
