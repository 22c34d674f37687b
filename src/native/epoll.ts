/** One epoll instance of the host, with a function per fd. */
import type { HostArch } from './arch.ts';
import type { Libc } from './libc.ts';

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLL_CLOEXEC = 0x80000;
export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 0x80000000;
const MAX_EVENTS = 64;

export class Epoll {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #arch: HostArch;
  readonly #handlers = new Map<number, () => void>();
  readonly #event: DataView;
  readonly #eventAddress: number;
  readonly #events: DataView;
  readonly #eventsAddress: number;
  /** struct epoll_event is packed on x86-64 only. */
  readonly #stride: number;
  readonly #dataAt: number;

  constructor(libc: Libc, arch: HostArch) {
    this.#libc = libc;
    this.#arch = arch;
    const packed = arch.name === 'x86-64';
    this.#stride = packed ? 12 : 16;
    this.#dataAt = packed ? 4 : 8;
    this.#event = new DataView(new ArrayBuffer(128));
    this.#eventAddress = libc.address(new Uint8Array(this.#event.buffer));
    this.#events = new DataView(new ArrayBuffer(MAX_EVENTS * 16));
    this.#eventsAddress = libc.address(new Uint8Array(this.#events.buffer));
    this.fd = libc.syscall(arch.epollCreate1, EPOLL_CLOEXEC);
  }

  add(fd: number, events: number, handler: () => void): void {
    this.#handlers.set(fd, handler);
    this.#control(EPOLL_CTL_ADD, fd, events);
  }

  /** Other events for an fd that was added. */
  modify(fd: number, events: number): void {
    this.#control(EPOLL_CTL_MOD, fd, events);
  }

  remove(fd: number): void {
    this.#handlers.delete(fd);
    this.#control(EPOLL_CTL_DEL, fd, 0);
  }

  /** Calls the handlers of what is ready now, all of it, without waiting. @returns whether there was any */
  dispatch(): boolean {
    const n = this.#dispatchSome();
    for (let more = n; more === MAX_EVENTS;) more = this.#dispatchSome();
    return n > 0;
  }

  #dispatchSome(): number {
    const { epollPwait } = this.#arch;
    const n = this.#libc.syscall(epollPwait, this.fd, this.#eventsAddress, MAX_EVENTS, 0, 0, 8);
    const due: [fd: number, handler: (() => void) | undefined][] = [];
    for (let i = 0; i < n; i++) {
      const fd = this.#events.getUint32(i * this.#stride + this.#dataAt, true);
      due.push([fd, this.#handlers.get(fd)]);
    }
    for (const [fd, handler] of due) {
      // A handler before it may have closed this fd, and another file may have its number now.
      if (this.#handlers.get(fd) === handler) handler?.();
    }
    return n;
  }

  #control(operation: number, fd: number, events: number): void {
    this.#event.setUint32(0, events, true);
    this.#event.setUint32(this.#dataAt, fd, true);
    this.#event.setUint32(this.#dataAt + 4, 0, true);
    this.#libc.syscall(this.#arch.epollCtl, this.fd, operation, fd, this.#eventAddress);
  }
}
