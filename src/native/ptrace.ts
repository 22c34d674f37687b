/**
 * ptrace(2) on threads of native programs, one call each. Stops are asked for and not waited for, so
 * that nothing is taken from whoever waits for the programs' ends.
 */
import { ESRCH } from '../abi/errno.ts';
import { SIGTRAP } from '../abi/fcntl.ts';
import {
  Iovec,
  NT_PRSTATUS,
  PTRACE_DETACH,
  PTRACE_GETEVENTMSG,
  PTRACE_GETREGSET,
  PTRACE_GETSIGINFO,
  PTRACE_GETSIGMASK,
  PTRACE_INTERRUPT,
  PTRACE_SEIZE,
  PTRACE_SETREGSET,
  PTRACE_SETSIGMASK,
  PTRACE_SYSCALL,
  Siginfo,
} from '../abi/ptrace.ts';
import type { HostArch } from './arch.ts';
import type { Libc } from './libc.ts';

/** Why a tracee stands: a signal that it would get, or with `event` PTRACE_EVENT_*. */
export interface Stop {
  readonly signal: number;
  readonly event: number;
  /** At a system call, on its way in or out. */
  readonly isSyscall: boolean;
}

const SIGSET_BYTES = 8;
/** With PTRACE_O_TRACESYSGOOD. */
const SYSCALL_STOP = SIGTRAP | 0x80;

export class Ptrace {
  readonly #libc: Libc;
  readonly #arch: HostArch;
  readonly #siginfo = new DataView(new ArrayBuffer(Siginfo.byteLength));
  readonly #iovec = new DataView(new ArrayBuffer(128));
  readonly #word = new BigUint64Array(new ArrayBuffer(128));
  readonly #siginfoAt: number;
  readonly #iovecAt: number;
  readonly #wordAt: number;

  constructor(libc: Libc, arch: HostArch) {
    this.#libc = libc;
    this.#arch = arch;
    const at = (buffer: ArrayBuffer): number => libc.address(new Uint8Array(buffer));
    this.#siginfoAt = at(this.#siginfo.buffer);
    this.#iovecAt = at(this.#iovec.buffer);
    this.#wordAt = at(this.#word.buffer);
  }

  /** Becomes the tracer, without stopping the thread. @returns 0 or a negative errno */
  seize(tid: number, options: number): number {
    return this.#call(PTRACE_SEIZE, tid, 0, options);
  }

  interrupt(tid: number): number {
    return this.#call(PTRACE_INTERRUPT, tid);
  }

  /** Runs on to the next system call's begin or end. */
  resumeToSyscall(tid: number): number {
    return this.#call(PTRACE_SYSCALL, tid);
  }

  /** @param signal of the delivery at which it stands, 0 for none */
  detach(tid: number, signal = 0): number {
    return this.#call(PTRACE_DETACH, tid, 0, signal);
  }

  /** Why it stands; undefined while it runs, and when it is gone. */
  stopOf(tid: number): Stop | undefined {
    const rc = this.#call(PTRACE_GETSIGINFO, tid, 0, this.#siginfoAt);
    if (rc === -ESRCH) return undefined;
    const code = rc < 0 ? 0 : Siginfo.code.get(this.#siginfo, 0);
    return {
      signal: Siginfo.signo.get(this.#siginfo, 0),
      event: code > 0xff ? code >> 8 : 0,
      isSyscall: code === SYSCALL_STOP,
    };
  }

  /** The child of a PTRACE_EVENT_FORK. */
  eventMessage(tid: number): number {
    this.#call(PTRACE_GETEVENTMSG, tid, 0, this.#wordAt);
    return Number(this.#word[0]);
  }

  /** @param registers struct user_regs_struct (x86-64), user_pt_regs (arm64) @param at its address */
  getRegisters(tid: number, registers: DataView, at: number): number {
    return this.#registers(PTRACE_GETREGSET, tid, registers.byteLength, at);
  }

  setRegisters(tid: number, registers: DataView, at: number): number {
    return this.#registers(PTRACE_SETREGSET, tid, registers.byteLength, at);
  }

  signalMask(tid: number): bigint {
    this.#call(PTRACE_GETSIGMASK, tid, SIGSET_BYTES, this.#wordAt);
    return this.#word[0]!;
  }

  setSignalMask(tid: number, mask: bigint): void {
    this.#word[0] = mask;
    this.#call(PTRACE_SETSIGMASK, tid, SIGSET_BYTES, this.#wordAt);
  }

  #registers(request: number, tid: number, length: number, at: number): number {
    Iovec.base.setNum(this.#iovec, 0, at);
    Iovec.len.setNum(this.#iovec, 0, length);
    return this.#call(request, tid, NT_PRSTATUS, this.#iovecAt);
  }

  #call(request: number, tid: number, address = 0, data = 0): number {
    const rc = this.#libc.syscall(this.#arch.ptrace, request, tid, address, data);
    return rc < 0 ? -this.#libc.errno() : rc;
  }
}
