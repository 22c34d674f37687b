/**
 * What differs between the hosts' architectures: audit numbers, system call numbers, and which
 * arguments hold a path. arm64 has only the `at` calls. x86-64 is what the tests run on; arm64 is
 * by its tables. Source: include/uapi/linux/audit.h, arch/x86/entry/syscalls/syscall_64.tbl,
 * include/uapi/asm-generic/unistd.h.
 */
import { ARM64_OPEN_FLAGS } from '../abi/fcntl.ts';

/** How a path system call names its file. Argument indices; `dirfd` -1 means the working directory. */
export interface PathCall {
  readonly kind: 'open' | 'creat' | 'openat2' | 'stat' | 'statx' | 'access';
  readonly dirfd: number;
  readonly path: number;
  /** open: flags; stat: buffer; access: mode; statx: mask; openat2: struct open_how. */
  readonly arg: number;
  /** statx: buffer; openat2: size of its struct; stat and access: AT_* flags; -1 without. */
  readonly extra: number;
}

export interface HostArch {
  readonly name: 'x86-64' | 'arm64';
  readonly audit: number;
  readonly ioctl: number;
  readonly pathCalls: ReadonlyMap<number, PathCall>;
  /** Open flags with numbers of its own, by name. */
  readonly openFlags: Partial<typeof ARM64_OPEN_FLAGS>;
  readonly fstat: number;
  /** execve and execveat: after one the process has another address space. */
  readonly execCalls: readonly number[];
  /** Calls that may copy the address space. */
  readonly fork: number | undefined;
  readonly vfork: number | undefined;
  readonly clone: number;
  readonly clone3: number;
  /** The one call that makes a mapping longer. */
  readonly mremap: number;
  readonly mmap: number;
  readonly mprotect: number;
  readonly close: number;
  readonly ptrace: number;
  readonly wait4: number;
  readonly tgkill: number;
  readonly schedYield: number;
  readonly nanosleep: number;
  readonly seccomp: number;
  readonly prctl: number;
  readonly pidfdOpen: number;
  readonly kcmp: number;
  readonly memfdCreate: number;
  readonly ftruncate: number;
  readonly fcntl: number;
  readonly socketpair: number;
  readonly shutdown: number;
  readonly eventfd2: number;
  readonly inotifyInit1: number;
  readonly inotifyAddWatch: number;
  readonly epollCreate1: number;
  readonly epollCtl: number;
  readonly epollPwait: number;
  readonly exitGroup: number;
  readonly socket: number;
  readonly bind: number;
  readonly listen: number;
  readonly connect: number;
  readonly accept4: number;
  readonly sendmsg: number;
  readonly recvmsg: number;
  readonly statLayout: 'x86-64' | 'generic';
}

const AT_CALLS = (nr: {
  openat: number;
  openat2: number;
  newfstatat: number;
  statx: number;
  faccessat: number;
  faccessat2: number;
}): [number, PathCall][] => [
  [nr.openat, { kind: 'open', dirfd: 0, path: 1, arg: 2, extra: -1 }],
  [nr.openat2, { kind: 'openat2', dirfd: 0, path: 1, arg: 2, extra: 3 }],
  [nr.newfstatat, { kind: 'stat', dirfd: 0, path: 1, arg: 2, extra: 3 }],
  [nr.statx, { kind: 'statx', dirfd: 0, path: 1, arg: 3, extra: 4 }],
  [nr.faccessat, { kind: 'access', dirfd: 0, path: 1, arg: 2, extra: -1 }],
  [nr.faccessat2, { kind: 'access', dirfd: 0, path: 1, arg: 2, extra: 3 }],
];

const X86_64: HostArch = {
  name: 'x86-64',
  audit: 0xc000003e,
  ioctl: 16,
  seccomp: 317,
  prctl: 157,
  pidfdOpen: 434,
  kcmp: 312,
  memfdCreate: 319,
  ftruncate: 77,
  fcntl: 72,
  socketpair: 53,
  shutdown: 48,
  eventfd2: 290,
  inotifyInit1: 294,
  inotifyAddWatch: 254,
  epollCreate1: 291,
  epollCtl: 233,
  epollPwait: 281,
  exitGroup: 231,
  socket: 41,
  bind: 49,
  listen: 50,
  connect: 42,
  accept4: 288,
  sendmsg: 46,
  recvmsg: 47,
  statLayout: 'x86-64',
  fstat: 5,
  execCalls: [59, 322],
  fork: 57,
  vfork: 58,
  clone: 56,
  clone3: 435,
  mremap: 25,
  mmap: 9,
  mprotect: 10,
  openFlags: {},
  close: 3,
  ptrace: 101,
  wait4: 61,
  tgkill: 234,
  schedYield: 24,
  nanosleep: 35,
  pathCalls: new Map<number, PathCall>([
    ...AT_CALLS({
      openat: 257,
      openat2: 437,
      newfstatat: 262,
      statx: 332,
      faccessat: 269,
      faccessat2: 439,
    }),
    [2, { kind: 'open', dirfd: -1, path: 0, arg: 1, extra: -1 }],
    [85, { kind: 'creat', dirfd: -1, path: 0, arg: 1, extra: -1 }],
    [4, { kind: 'stat', dirfd: -1, path: 0, arg: 1, extra: -1 }],
    [6, { kind: 'stat', dirfd: -1, path: 0, arg: 1, extra: -1 }],
    [21, { kind: 'access', dirfd: -1, path: 0, arg: 1, extra: -1 }],
  ]),
};

const ARM64: HostArch = {
  name: 'arm64',
  audit: 0xc00000b7,
  ioctl: 29,
  seccomp: 277,
  prctl: 167,
  pidfdOpen: 434,
  kcmp: 272,
  memfdCreate: 279,
  ftruncate: 46,
  fcntl: 25,
  socketpair: 199,
  shutdown: 210,
  eventfd2: 19,
  inotifyInit1: 26,
  inotifyAddWatch: 27,
  epollCreate1: 20,
  epollCtl: 21,
  epollPwait: 22,
  exitGroup: 94,
  socket: 198,
  bind: 200,
  listen: 201,
  connect: 203,
  accept4: 242,
  sendmsg: 211,
  recvmsg: 212,
  statLayout: 'generic',
  fstat: 80,
  execCalls: [221, 281],
  fork: undefined,
  vfork: undefined,
  clone: 220,
  clone3: 435,
  mremap: 216,
  mmap: 222,
  mprotect: 226,
  openFlags: ARM64_OPEN_FLAGS,
  close: 57,
  ptrace: 117,
  wait4: 260,
  tgkill: 131,
  schedYield: 124,
  nanosleep: 101,
  pathCalls: new Map<number, PathCall>(
    AT_CALLS({
      openat: 56,
      openat2: 437,
      newfstatat: 79,
      statx: 291,
      faccessat: 48,
      faccessat2: 439,
    }),
  ),
};

/** By Node's name of the architecture. */
export const HOST_ARCHS: ReadonlyMap<string, HostArch> = new Map([
  ['x64', X86_64],
  ['arm64', ARM64],
]);
