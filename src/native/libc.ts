/**
 * The C library of the host, as far as the supervisor needs it, through koffi. Addresses are plain
 * numbers (user space ends at 2^47). A negative result means failure; `errno()` tells why.
 */
import { loadKoffi } from '../host/node/koffi.ts';
import type { IKoffiLib } from '../host/node/koffi.ts';

export interface Libc {
  errno(): number;
  /** Address of a buffer's first byte. It stays there: the buffer is not on V8's moving heap. */
  address(buffer: Uint8Array): number;
  syscall(
    nr: number,
    a?: number,
    b?: number,
    c?: number,
    d?: number,
    e?: number,
    f?: number,
  ): number;
  ioctl(fd: number, request: number, arg: number): number;
  poll(fds: number, count: number, timeoutMs: number): number;
  close(fd: number): number;
  readlink(path: number, buffer: number, size: number): number;
  processVmReadv(pid: number, local: number, nl: number, remote: number, nr: number): number;
  processVmWritev(pid: number, local: number, nl: number, remote: number, nr: number): number;
  mmap(at: number, length: number, prot: number, flags: number, fd: number, offset: number): number;
  munmap(at: number, length: number): number;
  memcmp(a: number, b: number, length: number): number;
}

/** The native room needs koffi; it is an optional dependency, so its absence has an error. */
export class NativeUnavailable extends Error {
  constructor(why: string, cause?: unknown) {
    super(`native programs cannot run here: ${why}`, { cause });
    this.name = 'NativeUnavailable';
  }
}

/** Loads the C library. @throws NativeUnavailable without koffi or on another system than Linux. */
export function loadLibc(): Libc {
  if (process.platform !== 'linux') {
    throw new NativeUnavailable(`they need Linux's seccomp, this is ${process.platform}`);
  }
  let koffi: IKoffiLib;
  try {
    koffi = loadKoffi();
  } catch (error) {
    throw new NativeUnavailable('the optional dependency koffi is not installed', error);
  }
  const lib = koffi.load(null);
  const syscall: (nr: number, ...args: number[]) => number = lib.func(
    'long syscall(long, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t)',
  );
  return {
    errno: () => koffi.errno(),
    address: (buffer) => Number(koffi.address(buffer)),
    syscall: (nr, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) => syscall(nr, a, b, c, d, e, f),
    ioctl: lib.func('int ioctl(int, unsigned long, uint64_t)'),
    poll: lib.func('int poll(uint64_t, unsigned long, int)'),
    close: lib.func('int close(int)'),
    readlink: lib.func('long readlink(uint64_t, uint64_t, unsigned long)'),
    processVmReadv: withFlags(
      lib.func('long process_vm_readv(int, uint64_t, ulong, uint64_t, ulong, ulong)'),
    ),
    processVmWritev: withFlags(
      lib.func('long process_vm_writev(int, uint64_t, ulong, uint64_t, ulong, ulong)'),
    ),
    mmap: lib.func('int64_t mmap(uint64_t, uint64_t, int, int, int, int64_t)'),
    munmap: lib.func('int munmap(uint64_t, uint64_t)'),
    memcmp: lib.func('int memcmp(uint64_t, uint64_t, size_t)'),
  };
}

type VmCall = (pid: number, local: number, nl: number, remote: number, nr: number) => number;

function withFlags(call: (...args: number[]) => number): VmCall {
  return (pid, local, nl, remote, nr) => call(pid, local, nl, remote, nr, 0);
}
