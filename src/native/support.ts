/** What native programs can and cannot do on a box. */
import type { SupportRow } from '../abi/support.ts';

const row = (
  name: string,
  status: SupportRow['status'] = 'supported',
  note?: string,
): SupportRow => ({ area: 'native programs', name, status, ...(note !== undefined && { note }) });

export const NATIVE_SUPPORT: readonly SupportRow[] = [
  row('open, openat, openat2 of /dev/teeN and /dev/teeprivN'),
  row('stat, lstat, fstatat, statx, access, faccessat of the nodes'),
  row('fstat, fstatat and statx of a node’s fd'),
  row(
    'reading /sys/class/tee',
    'partial',
    'attributes can be opened; opening a directory (opendir) is the host’s to answer: -ENOENT',
  ),
  row('listing /dev', 'absent', 'getdents shows the host’s /dev: open the nodes by name'),
  row('symbolic links to the nodes', 'absent', '-ENOENT: the host resolves them'),
  row('static programs, threads, fork, vfork, exec'),
  row(
    'processes that the program of `run` leaves behind',
    'partial',
    'end with the box, as in a container; orphans have teebox as their parent, not init',
  ),
  row(
    'programs after a kill -9 of teebox',
    'partial',
    'run on without a TEE: calls with a path, and execs, have -ENOSYS',
  ),
  row(
    'prctl(PR_SET_DUMPABLE, 0)',
    'partial',
    'succeeds and changes nothing: the memory must stay in reach',
  ),
  row(
    'programs whose file cannot be read (mode 0711)',
    'partial',
    'find no TEE unless teebox has CAP_SYS_PTRACE; the report says so',
  ),
  row('dup, SCM_RIGHTS, inheritance of TEE fds', 'partial', 'within programs started by teebox'),
  row('poll and lseek of TEE fds'),
  row('read of TEE fds', 'partial', 'the end of the file, where a device has -EINVAL'),
  row('write to TEE fds', 'partial', 'goes nowhere, and waits after some 200 KB; -EINVAL there'),
  row(
    'fstat, read, write, lseek of a SHM_ALLOC fd',
    'partial',
    'those of a memfd that holds the bytes; Linux: an anonymous inode, -EINVAL and -ESPIPE',
  ),
  row('close of the last fd', 'partial', 'returns at once; the release runs before the next call'),
  row(
    'mmap of a SHM_ALLOC fd',
    'partial',
    'it is a memfd: beyond its end -EINVAL becomes SIGBUS at the access; PROT_EXEC is possible',
  ),
  row(
    'opening a SHM_ALLOC fd again by /proc/PID/fd/N',
    'partial',
    'of closes that come at once some are not counted: the memory stays until the box ends',
  ),
  row(
    'ioctls of TEE fds that are not the TEE’s',
    'partial',
    'those of a socket: -ENOTTY, or an answer (FIONREAD); -EINVAL there',
  ),
  row('epoll_ctl(EPOLL_CTL_ADD) of TEE fds', 'partial', 'possible; -EPERM there'),
  row('fcntl(F_GETFL) of TEE fds', 'partial', 'always O_RDWR'),
  row('opening a TEE fd again by /proc/PID/fd/N', 'absent', '-ENXIO: it is a socket'),
  row(
    'chmod, chown, utimensat, statfs, xattrs of the nodes',
    'absent',
    '-ENOENT: the host’s /dev has none',
  ),
  row('shutdown() of TEE fds', 'partial', 'ends the context; -ENOTSOCK there'),
  row('mmap of other TEE fds', 'partial', '-ENODEV where a device has -EINVAL or -ENODEV'),
  row(
    'TEE_IOC_SHM_REGISTER',
    'partial',
    'copied at each call, in and out; with --shm=inplace one memory for program and secure world',
  ),
  row(
    'registered memory that is unmapped, moved or mapped anew',
    'partial',
    'copied by its address: what lies there now is read and written; unmapped before the first call it has zeros; as on Linux with --shm=inplace',
  ),
  row(
    'a page that is registered twice, by both ids in one call',
    'partial',
    'two copies within the call; one page with --shm=inplace',
  ),
  row(
    '--shm=inplace: heap, stack, bss, data, private mappings',
    'partial',
    'shared mappings are copied, as is all of a program that is traced; said in the trace',
  ),
  row('--shm=inplace: threads, signals, munmap, mprotect, fork, vfork, exec, exit'),
  row(
    '--shm=inplace: sleeping threads of the program',
    'partial',
    'epoll_wait, semop and sigtimedwait may end with EINTR, as under a debugger that attaches',
  ),
  row(
    '--shm=inplace: mremap',
    'partial',
    'of a mapping that is registered in part: -EFAULT, at which allocators copy',
  ),
  row('--shm=inplace: madvise(MADV_DONTNEED)', 'partial', 'what is registered keeps its content'),
  row(
    '--shm=inplace: I/O in flight (O_DIRECT, io_uring) at the moment of registration',
    'absent',
    'what it writes later is lost',
  ),
  row(
    'pins: RLIMIT_MEMLOCK, CAP_IPC_LOCK, FOLL_LONGTERM',
    'partial',
    'as the profile says; what file systems mappings are of is not looked at',
  ),
  row(
    'signals during interruptible waits',
    'partial',
    'seen within 4 ms; SA_RESTART as the kernel does',
  ),
  row('SIGKILL during killable waits', 'partial', 'seen within 4 ms'),
  row(
    'signals at the moment of a call',
    'partial',
    'before teebox has taken it, a handler without SA_RESTART ends open, stat or ioctl with -EINTR',
  ),
  row(
    'programs of teebox exec that read a terminal',
    'partial',
    'they are in the process group of teebox serve, which must be in the foreground: SIGTTIN',
  ),
  row('setuid programs', 'partial', 'only when teebox runs as root (no_new_privs otherwise)'),
  row('32-bit programs', 'absent', 'they find no TEE'),
  row('programs that install io_uring opens', 'absent', 'the filter sees system calls only'),
  row('x86-64 hosts'),
  row('arm64 hosts', 'partial', 'by their tables, never tested'),
  row('a real /dev/tee0', 'absent', 'programs get the box, not a device of the host'),
];
