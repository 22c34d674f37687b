/** Which system calls programs inside the box have, and what about them differs from Linux. */
import type { SupportRow } from '../../abi/support.ts';

const AREA = 'Linux system call';

/** Names as in include/uapi/asm-generic/unistd.h; a note makes the row partial. */
const CALLS: readonly (readonly [name: string, note?: string])[] = [
  ['openat', 'no symbolic links, O_TMPFILE or O_DIRECT alignment'],
  ['close'],
  ['dup'],
  ['dup3'],
  [
    'fcntl',
    'F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_ADD_SEALS, F_GET_SEALS; others -EINVAL',
  ],
  ['ioctl', 'FIOCLEX, FIONBIO and the like, which the VFS answers, are left to the driver'],
  ['read'],
  ['write', 'no RLIMIT_FSIZE'],
  ['pread64'],
  ['pwrite64'],
  ['lseek', 'files have no holes'],
  ['ftruncate'],
  ['fsync'],
  ['fdatasync'],
  ['getdents64', 'entries are values and come all at once'],
  ['mkdirat'],
  ['unlinkat'],
  ['renameat2', 'RENAME_NOREPLACE; other flags -EINVAL'],
  ['fstat', 'the result is a value'],
  ['newfstatat', 'the result is a value'],
  ['faccessat2'],
  ['chdir'],
  ['getcwd'],
  ['umask'],
  ['mmap', 'MAP_HUGETLB and MAP_GROWSDOWN have no effect'],
  ['munmap'],
  ['mremap', 'as 6.1: of one mapping at a time'],
  ['mprotect'],
  ['msync'],
  [
    'madvise',
    'MADV_DONTNEED, DONTFORK, DOFORK, WIPEONFORK, KEEPONFORK, PAGEOUT; hints are accepted; others -EINVAL',
  ],
  ['memfd_create', 'no huge pages, no exec seals'],
  ['memfd_secret', 'RLIMIT_MEMLOCK is that of the process that made it'],
  ['prlimit64', 'limits are values; RLIMIT_NOFILE and RLIMIT_MEMLOCK are the ones that bind'],
  ['prctl', 'PR_SET_TAGGED_ADDR_CTRL, PR_GET_TAGGED_ADDR_CTRL, without MTE; others -EINVAL'],
  ['getpid'],
  ['gettid'],
  ['fork', 'the child goes on in a function of its own'],
  ['execve', 'the caller goes on as the new image; -EAGAIN with several threads'],
  ['exit'],
  ['exit_group'],
  ['wait4', 'a child or any; no process groups, no rusage'],
  ['kill', 'no process groups: pids below 1 answer -ESRCH'],
  ['tgkill'],
  ['rt_sigaction', 'no siginfo, no alternate stack; stop signals have no effect'],
  ['rt_sigprocmask'],
  ['nanosleep'],
  ['add_key', '-ENOSYS without a kernel client that needs keys; types `keyring` and `trusted`'],
  [
    'keyctl',
    'as add_key; GET_KEYRING_ID, JOIN_SESSION_KEYRING without a name, UPDATE, REVOKE, SETPERM, DESCRIBE, ' +
      'CLEAR, LINK, UNLINK, SEARCH, READ, INVALIDATE; others -EOPNOTSUPP',
  ],
  ['socket', 'SOCK_STREAM and SOCK_DGRAM of AF_INET and AF_INET6'],
  ['connect', 'the network is in memory, or, in live boxes that ask for it, the host’s'],
  ['sendto', 'to the peer of the socket; no other address'],
  ['recvfrom', 'no address of the sender'],
  ['recvmsg', 'one buffer; no control data'],
  ['shutdown'],
  ['getpeername'],
  ['getsockname'],
  ['getsockopt', 'SOL_SOCKET: SO_TYPE, SO_PROTOCOL, SO_DOMAIN, SO_ERROR, SO_RCVBUF, SO_SNDBUF'],
  ['setsockopt', 'SO_RCVBUF and SO_SNDBUF, which bound what waits inside the box'],
  ['poll', 'sockets; other files are always ready'],
  ['futex', 'waits on a queue object of the program'],
];

const ABSENT: readonly (readonly [name: string, note: string])[] = [
  ['bind', 'no call: programs here connect, and listen to nobody'],
  ['sendmsg', 'no call: sendto() and write()'],
  ['clone', 'threads are made by the program object'],
  ['epoll_wait', 'no call: poll()'],
];

export const PROCESS_SUPPORT: readonly SupportRow[] = [
  ...CALLS.map(([name, note]): SupportRow =>
    note === undefined
      ? { area: AREA, name, status: 'supported' }
      : { area: AREA, name, status: 'partial', note },
  ),
  ...ABSENT.map(([name, note]): SupportRow => ({ area: AREA, name, status: 'absent', note })),
];
