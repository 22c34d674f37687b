/**
 * Waits for the ends of programs that were started without Node's knowing (posix-spawn.ts), and of what
 * they have left behind: this process is made the parent of their orphans, so that none is out of sight.
 */
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { PR_SET_CHILD_SUBREAPER } from '../abi/prctl.ts';
import { WNOHANG } from '../abi/ptrace.ts';
import type { HostArch } from './arch.ts';
import { EPOLLET, EPOLLIN } from './epoll.ts';
import type { Epoll } from './epoll.ts';
import { NativeUnavailable } from './libc.ts';
import type { Libc } from './libc.ts';
import type { NativeExit } from './spawner.ts';

/** The signal of a wait status, and its exit code (wait(2)). */
const SIGNAL_MASK = 0x7f;
const CODE_SHIFT = 8;
const CODE_MASK = 0xff;

export class Reaper {
  readonly #libc: Libc;
  readonly #arch: HostArch;
  readonly #epoll: Epoll;
  readonly #status = new Int32Array(new ArrayBuffer(128));
  readonly #statusAt: number;
  readonly #pidfds = new Set<number>();

  constructor(libc: Libc, arch: HostArch, epoll: Epoll) {
    this.#libc = libc;
    this.#arch = arch;
    this.#epoll = epoll;
    this.#statusAt = libc.address(new Uint8Array(this.#status.buffer));
    libc.syscall(arch.prctl, PR_SET_CHILD_SUBREAPER, 1);
  }

  /** Tells once when a child of this process has ended. @throws NativeUnavailable without a pidfd */
  watch(pid: number, ended: (exit: NativeExit) => void): void {
    const pidfd = this.#libc.syscall(this.#arch.pidfdOpen, pid, 0);
    if (pidfd < 0) throw new NativeUnavailable(`pidfd_open(${pid}): errno ${this.#libc.errno()}`);
    this.#pidfds.add(pidfd);
    // A debugger sees the end first; there is another event when it lets go.
    this.#epoll.add(pidfd, EPOLLIN | EPOLLET, () => {
      if (!this.reap(pid)) return;
      this.#forget(pidfd);
      ended(exitOf(this.#status[0]!));
    });
  }

  /** Takes note of a child's end; false when it has not ended, or is no child. */
  reap(pid: number): boolean {
    return this.#libc.syscall(this.#arch.wait4, pid, this.#statusAt, WNOHANG, 0) === pid;
  }

  close(): void {
    for (const pidfd of this.#pidfds) this.#forget(pidfd);
  }

  #forget(pidfd: number): void {
    this.#pidfds.delete(pidfd);
    this.#epoll.remove(pidfd);
    closeSync(pidfd);
  }
}

function exitOf(status: number): NativeExit {
  const number = status & SIGNAL_MASK;
  if (number === 0) return { code: (status >> CODE_SHIFT) & CODE_MASK, signal: null };
  const [signal = `signal ${number}`] =
    Object.entries(constants.signals).find(([, value]) => value === number) ?? [];
  return { code: null, signal };
}
