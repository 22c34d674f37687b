/**
 * ptrace(2) as the supervisor of native programs uses it: requests, options, what a tracee says of
 * its stop, and the flags of clone() and wait4() that matter beside it.
 * Source: include/uapi/linux/ptrace.h, elf.h, sched.h, uio.h, wait.h, asm-generic/siginfo.h, Linux 6.1.
 */
import { pad, s32, struct, u64 } from './layout.ts';

export const PTRACE_GETEVENTMSG = 0x4201;
export const PTRACE_GETSIGINFO = 0x4202;
export const PTRACE_GETREGSET = 0x4204;
export const PTRACE_SETREGSET = 0x4205;
export const PTRACE_SEIZE = 0x4206;
export const PTRACE_INTERRUPT = 0x4207;
export const PTRACE_GETSIGMASK = 0x420a;
export const PTRACE_SETSIGMASK = 0x420b;
export const PTRACE_DETACH = 17;
export const PTRACE_SYSCALL = 24;

/** Register sets (include/uapi/linux/elf.h). */
export const NT_PRSTATUS = 1;

export const PTRACE_EVENT_FORK = 1;
export const PTRACE_EVENT_VFORK = 2;
export const PTRACE_EVENT_CLONE = 3;
export const PTRACE_EVENT_STOP = 128;

/** Stops at system calls are told from a SIGTRAP by this bit of the signal. */
export const PTRACE_O_TRACESYSGOOD = 1;
export const PTRACE_O_TRACEFORK = 1 << PTRACE_EVENT_FORK;
export const PTRACE_O_TRACEVFORK = 1 << PTRACE_EVENT_VFORK;
export const PTRACE_O_TRACECLONE = 1 << PTRACE_EVENT_CLONE;
/** The tracees die with their tracer. */
export const PTRACE_O_EXITKILL = 1 << 20;

/** The first fields of siginfo_t, which has 128 bytes. */
export const Siginfo = struct('siginfo', 128, {
  signo: s32(0),
  errno: s32(4),
  code: s32(8),
  rest: pad(12, 116),
});

/** struct iovec of 64-bit machines (include/uapi/linux/uio.h). */
export const Iovec = struct('iovec', 16, { base: u64(0), len: u64(8) });

/** The child has its parent's memory (include/uapi/linux/sched.h). */
export const CLONE_VM = 0x100;

/* wait4() (include/uapi/linux/wait.h) */
export const WNOHANG = 1;
/** Children of whatever kind. */
export const __WALL = 0x40000000;
