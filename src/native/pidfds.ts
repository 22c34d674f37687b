/** Pidfds of processes and threads by id: each tells once when its owner is gone. */
import { closeSync } from 'node:fs';
import { O_EXCL } from '../abi/fcntl.ts';
import type { HostArch } from './arch.ts';
import { EPOLLIN } from './epoll.ts';
import type { Epoll } from './epoll.ts';
import type { Libc } from './libc.ts';

/** pidfd_open(2): the pidfd of a thread (Linux 6.9, include/uapi/linux/pidfd.h). */
const PIDFD_THREAD = O_EXCL;

export class Pidfds {
  readonly #libc: Libc;
  readonly #arch: HostArch;
  readonly #epoll: Epoll;
  readonly #fds = new Map<number, number>();

  constructor(libc: Libc, arch: HostArch, epoll: Epoll) {
    this.#libc = libc;
    this.#arch = arch;
    this.#epoll = epoll;
  }

  has(id: number): boolean {
    return this.#fds.has(id);
  }

  /** @returns false when there is no such process, or no such thread that leads none. */
  watch(id: number, kind: 'process' | 'thread', gone: () => void): boolean {
    const flags = kind === 'thread' ? PIDFD_THREAD : 0;
    const pidfd = this.#libc.syscall(this.#arch.pidfdOpen, id, flags);
    if (pidfd < 0) return false;
    this.#fds.set(id, pidfd);
    this.#epoll.add(pidfd, EPOLLIN, () => {
      this.unwatch(id);
      gone();
    });
    return true;
  }

  unwatch(id: number): void {
    const pidfd = this.#fds.get(id);
    if (pidfd === undefined) return;
    this.#fds.delete(id);
    this.#epoll.remove(pidfd);
    closeSync(pidfd);
  }

  close(): void {
    for (const id of [...this.#fds.keys()]) this.unwatch(id);
  }
}
