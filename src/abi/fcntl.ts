/**
 * Numbers of files, mappings and signals that system calls take: open flags, fcntl commands, `AT_`,
 * file modes, `PROT_` and `MAP_`, `MADV_`, resource limits, memfd flags and seals, signals.
 *
 * Upstream counterparts: include/uapi/asm-generic/{fcntl,mman-common,mman,signal,resource}.h,
 * include/uapi/linux/{fcntl,mman,stat,memfd,fs}.h. These are the generic values, which x86-64 uses;
 * arm64 has four open flags of its own (`ARM64_OPEN_FLAGS`) and shares the rest.
 * Left out: locks, leases, and what no program of the TEE stack uses.
 */

/* Source: include/uapi/asm-generic/fcntl.h, Linux 6.1. */
export const O_ACCMODE = 0o3;
export const O_RDONLY = 0;
export const O_WRONLY = 0o1;
export const O_RDWR = 0o2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_DSYNC = 0o10000;
/** Signals for what can be read and written; of user space it is O_ASYNC. */
export const FASYNC = 0o20000;
export const O_DIRECT = 0o40000;
export const O_LARGEFILE = 0o100000;
export const O_DIRECTORY = 0o200000;
export const O_NOFOLLOW = 0o400000;
export const O_NOATIME = 0o1000000;
export const O_CLOEXEC = 0o2000000;
export const __O_SYNC = 0o4000000;
export const O_SYNC = __O_SYNC | O_DSYNC;
export const O_PATH = 0o10000000;
export const __O_TMPFILE = 0o20000000;
export const O_TMPFILE = __O_TMPFILE | O_DIRECTORY;

/** Open flags by name. O_RDONLY is 0; O_SYNC and O_TMPFILE have two bits and come first. */
export const OPEN_FLAGS = {
  O_RDONLY,
  O_WRONLY,
  O_RDWR,
  O_CREAT,
  O_EXCL,
  O_NOCTTY,
  O_TRUNC,
  O_APPEND,
  O_NONBLOCK,
  O_SYNC,
  O_DSYNC,
  FASYNC,
  O_DIRECT,
  O_LARGEFILE,
  O_TMPFILE,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NOATIME,
  O_CLOEXEC,
  O_PATH,
} as const;

/** The open flags that arm64 numbers differently. Source: arch/arm64/include/uapi/asm/fcntl.h. */
export const ARM64_OPEN_FLAGS = {
  O_DIRECTORY: 0o40000,
  O_NOFOLLOW: 0o100000,
  O_DIRECT: 0o200000,
  O_LARGEFILE: 0o400000,
} as const;

/* Source: include/uapi/asm-generic/fcntl.h, include/uapi/linux/fcntl.h, Linux 6.1. */
export const F_DUPFD = 0;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_DUPFD_CLOEXEC = 1024 + 6;
export const F_ADD_SEALS = 1024 + 9;
export const F_GET_SEALS = 1024 + 10;

/** fcntl commands. */
export const FCNTL_CMD = {
  F_DUPFD,
  F_GETFD,
  F_SETFD,
  F_GETFL,
  F_SETFL,
  F_DUPFD_CLOEXEC,
  F_ADD_SEALS,
  F_GET_SEALS,
} as const;

export const FD_CLOEXEC = 1;

/* Source: include/uapi/linux/fcntl.h, Linux 6.1. */
export const F_SEAL_SEAL = 0x0001;
export const F_SEAL_SHRINK = 0x0002;
export const F_SEAL_GROW = 0x0004;
export const F_SEAL_WRITE = 0x0008;
export const F_SEAL_FUTURE_WRITE = 0x0010;

/** Seals of a memfd. */
export const F_SEAL = {
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_GROW,
  F_SEAL_WRITE,
  F_SEAL_FUTURE_WRITE,
} as const;

/* Source: include/uapi/linux/memfd.h, Linux 6.1. */
export const MFD_CLOEXEC = 0x1;
export const MFD_ALLOW_SEALING = 0x2;
export const MFD_HUGETLB = 0x4;

/** memfd_create flags. */
export const MFD = {
  MFD_CLOEXEC,
  MFD_ALLOW_SEALING,
  MFD_HUGETLB,
} as const;

/* Source: include/uapi/linux/fcntl.h, Linux 6.1. */
/** Directory descriptor that means the working directory. */
export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_EACCESS = 0x200;
export const AT_REMOVEDIR = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_NO_AUTOMOUNT = 0x800;
export const AT_EMPTY_PATH = 0x1000;
export const AT_STATX_FORCE_SYNC = 0x2000;
export const AT_STATX_DONT_SYNC = 0x4000;
export const AT_STATX_SYNC_TYPE = AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC;

/** Flags of the *at calls. EACCESS (faccessat) and REMOVEDIR (unlinkat) share a number. */
export const AT_FLAGS = {
  AT_SYMLINK_NOFOLLOW,
  AT_EACCESS,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_NO_AUTOMOUNT,
  AT_EMPTY_PATH,
  AT_STATX_FORCE_SYNC,
  AT_STATX_DONT_SYNC,
} as const;

/* Source: include/uapi/linux/fs.h, Linux 6.1. */
export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

/** lseek origins. */
export const SEEK = {
  SEEK_SET,
  SEEK_CUR,
  SEEK_END,
  SEEK_DATA,
  SEEK_HOLE,
} as const;

/* Source: include/uapi/linux/fs.h, Linux 6.1. */
export const RENAME_NOREPLACE = 1 << 0;
export const RENAME_EXCHANGE = 1 << 1;
export const RENAME_WHITEOUT = 1 << 2;

/** renameat2 flags. */
export const RENAME = {
  RENAME_NOREPLACE,
  RENAME_EXCHANGE,
  RENAME_WHITEOUT,
} as const;

/* Source: POSIX; glibc <unistd.h>. */
export const F_OK = 0;
export const X_OK = 1;
export const W_OK = 2;
export const R_OK = 4;

/** access modes. */
export const ACCESS_MODE = {
  F_OK,
  X_OK,
  W_OK,
  R_OK,
} as const;

/* Source: include/uapi/linux/stat.h, Linux 6.1. */
/** Bits of `st_mode` that hold the type. */
export const S_IFMT = 0o170000;

export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o60000;
export const S_IFDIR = 0o40000;
export const S_IFCHR = 0o20000;
export const S_IFIFO = 0o10000;

/** File types. */
export const S_IF = {
  S_IFSOCK,
  S_IFLNK,
  S_IFREG,
  S_IFBLK,
  S_IFDIR,
  S_IFCHR,
  S_IFIFO,
} as const;

export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;

/** Mode bits above the permissions. */
export const S_IS = {
  S_ISUID,
  S_ISGID,
  S_ISVTX,
} as const;

/** Bits of statx()'s mask: what every file system has, and what nobody may ask for. */
export const STATX_BASIC_STATS = 0x7ff;
export const STATX__RESERVED = 0x80000000;

/* Source: include/uapi/asm-generic/mman-common.h, Linux 6.1. */
export const PROT_NONE = 0x0;
export const PROT_READ = 0x1;
export const PROT_WRITE = 0x2;
export const PROT_EXEC = 0x4;
export const PROT_SEM = 0x8;
export const PROT_GROWSDOWN = 0x01000000;
export const PROT_GROWSUP = 0x02000000;

/** mmap and mprotect protections. */
export const PROT = {
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  PROT_EXEC,
  PROT_SEM,
  PROT_GROWSDOWN,
  PROT_GROWSUP,
} as const;

/* Source: include/uapi/linux/mman.h, asm-generic/mman.h and mman-common.h, Linux 6.1. */
export const MAP_SHARED = 0x01;
export const MAP_PRIVATE = 0x02;
export const MAP_SHARED_VALIDATE = 0x03;
export const MAP_TYPE = 0x0f;
export const MAP_FIXED = 0x10;
export const MAP_ANONYMOUS = 0x20;
export const MAP_GROWSDOWN = 0x0100;
export const MAP_DENYWRITE = 0x0800;
export const MAP_EXECUTABLE = 0x1000;
export const MAP_LOCKED = 0x2000;
export const MAP_NORESERVE = 0x4000;
export const MAP_POPULATE = 0x008000;
export const MAP_NONBLOCK = 0x010000;
export const MAP_STACK = 0x020000;
export const MAP_HUGETLB = 0x040000;
export const MAP_SYNC = 0x080000;
export const MAP_FIXED_NOREPLACE = 0x100000;

/** mmap flags; SHARED, PRIVATE and SHARED_VALIDATE are values under MAP_TYPE. */
export const MAP = {
  MAP_SHARED_VALIDATE,
  MAP_SHARED,
  MAP_PRIVATE,
  MAP_FIXED,
  MAP_ANONYMOUS,
  MAP_GROWSDOWN,
  MAP_DENYWRITE,
  MAP_EXECUTABLE,
  MAP_LOCKED,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_NONBLOCK,
  MAP_STACK,
  MAP_HUGETLB,
  MAP_SYNC,
  MAP_FIXED_NOREPLACE,
} as const;

/* Source: include/uapi/asm-generic/mman-common.h, Linux 6.1. */
export const MADV_NORMAL = 0;
export const MADV_RANDOM = 1;
export const MADV_SEQUENTIAL = 2;
export const MADV_WILLNEED = 3;
export const MADV_DONTNEED = 4;
export const MADV_FREE = 8;
export const MADV_REMOVE = 9;
export const MADV_DONTFORK = 10;
export const MADV_DOFORK = 11;
export const MADV_MERGEABLE = 12;
export const MADV_UNMERGEABLE = 13;
export const MADV_HUGEPAGE = 14;
export const MADV_NOHUGEPAGE = 15;
export const MADV_DONTDUMP = 16;
export const MADV_DODUMP = 17;
export const MADV_WIPEONFORK = 18;
export const MADV_KEEPONFORK = 19;
export const MADV_COLD = 20;
export const MADV_PAGEOUT = 21;
export const MADV_POPULATE_READ = 22;
export const MADV_POPULATE_WRITE = 23;
export const MADV_DONTNEED_LOCKED = 24;
export const MADV_COLLAPSE = 25;
export const MADV_HWPOISON = 100;
export const MADV_SOFT_OFFLINE = 101;

/** madvise advice. */
export const MADV = {
  MADV_NORMAL,
  MADV_RANDOM,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_REMOVE,
  MADV_DONTFORK,
  MADV_DOFORK,
  MADV_MERGEABLE,
  MADV_UNMERGEABLE,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_DONTDUMP,
  MADV_DODUMP,
  MADV_WIPEONFORK,
  MADV_KEEPONFORK,
  MADV_COLD,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_DONTNEED_LOCKED,
  MADV_COLLAPSE,
  MADV_HWPOISON,
  MADV_SOFT_OFFLINE,
} as const;

/* Source: include/uapi/linux/mman.h, Linux 6.1. */
export const MREMAP_MAYMOVE = 1;
export const MREMAP_FIXED = 2;
export const MREMAP_DONTUNMAP = 4;

/** mremap flags. */
export const MREMAP = {
  MREMAP_MAYMOVE,
  MREMAP_FIXED,
  MREMAP_DONTUNMAP,
} as const;

/* Source: include/uapi/asm-generic/mman-common.h, Linux 6.1. */
export const MS_ASYNC = 1;
export const MS_INVALIDATE = 2;
export const MS_SYNC = 4;

/** msync flags. */
export const MS = {
  MS_ASYNC,
  MS_INVALIDATE,
  MS_SYNC,
} as const;

/* Source: include/uapi/asm-generic/mman.h, Linux 6.1. */
export const MCL_CURRENT = 1;
export const MCL_FUTURE = 2;
export const MCL_ONFAULT = 4;

/** mlockall flags. */
export const MCL = {
  MCL_CURRENT,
  MCL_FUTURE,
  MCL_ONFAULT,
} as const;

/* Source: include/uapi/asm-generic/resource.h, Linux 6.1. */
export const RLIMIT_CPU = 0;
export const RLIMIT_FSIZE = 1;
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_CORE = 4;
export const RLIMIT_RSS = 5;
export const RLIMIT_NPROC = 6;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_MEMLOCK = 8;
export const RLIMIT_AS = 9;
export const RLIMIT_LOCKS = 10;
export const RLIMIT_SIGPENDING = 11;
export const RLIMIT_MSGQUEUE = 12;
export const RLIMIT_NICE = 13;
export const RLIMIT_RTPRIO = 14;
export const RLIMIT_RTTIME = 15;

/** Resource limits. */
export const RLIMIT = {
  RLIMIT_CPU,
  RLIMIT_FSIZE,
  RLIMIT_DATA,
  RLIMIT_STACK,
  RLIMIT_CORE,
  RLIMIT_RSS,
  RLIMIT_NPROC,
  RLIMIT_NOFILE,
  RLIMIT_MEMLOCK,
  RLIMIT_AS,
  RLIMIT_LOCKS,
  RLIMIT_SIGPENDING,
  RLIMIT_MSGQUEUE,
  RLIMIT_NICE,
  RLIMIT_RTPRIO,
  RLIMIT_RTTIME,
} as const;

/** No limit, as the 64-bit word of `struct rlimit64`. */
export const RLIM64_INFINITY = 0xffff_ffff_ffff_ffffn;

/* Signals. Source: include/uapi/asm-generic/signal.h, Linux 6.1. */
export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGUSR1 = 10;
export const SIGSEGV = 11;
export const SIGUSR2 = 12;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGSTKFLT = 16;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIGPWR = 30;
export const SIGSYS = 31;

/** Signals; SIGIOT is SIGABRT, SIGPOLL is SIGIO. */
export const SIGNALS = {
  SIGHUP,
  SIGINT,
  SIGQUIT,
  SIGILL,
  SIGTRAP,
  SIGABRT,
  SIGBUS,
  SIGFPE,
  SIGKILL,
  SIGUSR1,
  SIGSEGV,
  SIGUSR2,
  SIGPIPE,
  SIGALRM,
  SIGTERM,
  SIGSTKFLT,
  SIGCHLD,
  SIGCONT,
  SIGSTOP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SIGURG,
  SIGXCPU,
  SIGXFSZ,
  SIGVTALRM,
  SIGPROF,
  SIGWINCH,
  SIGIO,
  SIGPWR,
  SIGSYS,
} as const;

/** First and last real-time signal, as the kernel counts. */
export const SIGRTMIN = 32;
export const SIGRTMAX = 64;

/* Actions and masks. Source: include/uapi/asm-generic/signal.h and signal-defs.h, Linux 6.1. */
export const SA_NOCLDSTOP = 0x1;
export const SA_NOCLDWAIT = 0x2;
export const SA_SIGINFO = 0x4;
export const SA_ONSTACK = 0x08000000;
/** A handler that interrupts a call lets it be repeated. */
export const SA_RESTART = 0x10000000;
export const SA_NODEFER = 0x40000000;
export const SA_RESETHAND = 0x80000000;

/** Flags of a signal action. */
export const SA = {
  SA_NOCLDSTOP,
  SA_NOCLDWAIT,
  SA_SIGINFO,
  SA_ONSTACK,
  SA_RESTART,
  SA_NODEFER,
  SA_RESETHAND,
} as const;

export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;

/** How sigprocmask changes the mask. */
export const SIG_HOW = { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK } as const;
