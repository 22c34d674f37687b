/**
 * Seccomp user notification and classic BPF, as the supervisor of native programs uses them.
 * Source: include/uapi/linux/seccomp.h, filter.h (Linux 6.6).
 */
import { pad, s32, s64, struct, u16, u32, u64, u8 } from './layout.ts';

export const SECCOMP_SET_MODE_FILTER = 1;
export const SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3;
/** Since 5.19: once received, only a fatal signal ends the notification. */
export const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 1 << 5;

/** With an errno in the low 16 bits; 0: the call is not made and succeeds. */
export const SECCOMP_RET_ERRNO = 0x0005_0000;
export const SECCOMP_RET_ALLOW = 0x7fff0000;
export const SECCOMP_RET_USER_NOTIF = 0x7fc00000;

export const SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1;
export const SECCOMP_ADDFD_FLAG_SEND = 1 << 1;
/** Since 6.6: hand the CPU over on wake-up. */
export const SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP = 1;

export const SECCOMP_IOCTL_NOTIF_RECV = 0xc0502100;
export const SECCOMP_IOCTL_NOTIF_SEND = 0xc0182101;
export const SECCOMP_IOCTL_NOTIF_ID_VALID = 0x40082102;
export const SECCOMP_IOCTL_NOTIF_ADDFD = 0x40182103;
export const SECCOMP_IOCTL_NOTIF_SET_FLAGS = 0x40082104;

/** struct seccomp_notif with its struct seccomp_data. */
export const SeccompNotif = struct('seccomp_notif', 80, {
  id: u64(0),
  pid: u32(8),
  flags: u32(12),
  nr: s32(16),
  arch: u32(20),
  instructionPointer: u64(24),
  arg0: u64(32),
  arg1: u64(40),
  arg2: u64(48),
  arg3: u64(56),
  arg4: u64(64),
  arg5: u64(72),
});

/** struct seccomp_notif_resp */
export const SeccompNotifResp = struct('seccomp_notif_resp', 24, {
  id: u64(0),
  val: s64(8),
  error: s32(16),
  flags: u32(20),
});

/** struct seccomp_notif_addfd */
export const SeccompNotifAddfd = struct('seccomp_notif_addfd', 24, {
  id: u64(0),
  flags: u32(8),
  srcfd: u32(12),
  newfd: u32(16),
  newfdFlags: u32(20),
});

/** struct sock_filter */
export const SockFilter = struct('sock_filter', 8, {
  code: u16(0),
  jt: u8(2),
  jf: u8(3),
  k: u32(4),
});

/** struct sock_fprog on 64-bit machines. */
export const SockFprog = struct('sock_fprog', 16, {
  len: u16(0),
  unused: pad(2, 6),
  filter: u64(8),
});

/** Classic BPF operations (include/uapi/linux/bpf_common.h). */
export const BPF_LD_W_ABS = 0x20;
export const BPF_JMP_JEQ_K = 0x15;
export const BPF_ALU_AND_K = 0x54;
export const BPF_RET_K = 0x06;

/** Offsets in struct seccomp_data, which a filter sees. */
export const SECCOMP_DATA_NR = 0;
export const SECCOMP_DATA_ARCH = 4;
export const SECCOMP_DATA_ARG0_LOW = 16;
export const SECCOMP_DATA_ARG1_LOW = 24;
