/**
 * mmap() and what else there is for mappings as system calls (ksys_mmap_pgoff(), do_mmap() in
 * mm/mmap.c): what the file and its driver have to say before memory management is asked.
 * Left out: huge pages, MAP_GROWSDOWN.
 */
import { EACCES, EAGAIN, EBADF, EINVAL, ENODEV, EOPNOTSUPP, EPERM } from '../../abi/errno.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_LOCKED,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_TYPE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/fcntl.ts';
import { PAGE_SIZE, pageOffset, pagesFor } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { isAccounted, limitPages } from '../mm/account.ts';
import type { MapRequest } from '../mm/mmap.ts';
import type { File } from './file.ts';
import type { MmapRequest } from './mmap.ts';
import { fdget } from './sys-file.ts';
import type { Thread } from './thread.ts';
import type { Process } from './user-process.ts';

/** The arguments of mmap(). */
export type MmapCall = readonly [
  addr: number,
  length: number,
  prot: number,
  flags: number,
  fd: number,
  offset: number,
];

interface MmapArgs {
  readonly addr: number;
  readonly length: number;
  readonly prot: number;
  readonly flags: number;
  readonly fd: number;
  readonly offset: number;
}

/** Flags that have a meaning here; MAP_SHARED_VALIDATE refuses others. */
const KNOWN_FLAGS =
  MAP_TYPE | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED;
const ALL_PROT = PROT_READ | PROT_WRITE | PROT_EXEC;

export function* mapMemory(thread: Thread, call: MmapCall): Co<number> {
  const { kernel } = thread.process;
  const [addr, length, prot, flags, fd, offset] = call;
  const args: MmapArgs = { addr, length, prot, flags, fd, offset };
  if (pageOffset(args.offset) !== 0) return -EINVAL;
  const file = fileOf(thread, args);
  if (typeof file === 'number') return file;
  if (args.length === 0) return -EINVAL;
  const shared = sharing(args.flags);
  if (typeof shared === 'number') return shared;
  const locked = (args.flags & MAP_LOCKED) !== 0;
  const refused = locked ? checkLock(thread, args.length) : 0;
  if (refused < 0) return refused;
  const base = { ...placement(args), length: args.length, prot: args.prot, shared, locked };
  const request = file === undefined ? base : mapFile(thread, file, args, base);
  if (typeof request === 'number') return request;
  const at = thread.process.mm.mmap(request);
  if (at < 0 && file !== undefined) kernel.fput.put(file);
  // MAP_FIXED may have unmapped files.
  yield* kernel.fput.run();
  return at;
}

/** can_do_mlock(), mlock_future_check(): 0, -EPERM or -EAGAIN. */
function checkLock({ process }: Thread, length: number): number {
  const limit = lockLimit(process);
  if (limit === 0) return -EPERM;
  const { lockedVm } = process.mm.account;
  return lockedVm + pagesFor(length) > limit ? -EAGAIN : 0;
}

/** Pages that a process may lock; Infinity under CAP_IPC_LOCK. */
const lockLimit = (process: Process): number =>
  isAccounted(process) ? limitPages(process.rlimits.memlock) : Infinity;

/** The arguments of mremap(). */
export type MremapArgs = readonly [
  addr: number,
  oldLength: number,
  newLength: number,
  flags: number,
  ...newAddr: number[],
];

/** mremap(): what it unmaps may have been files. */
export function* remapMemory(thread: Thread, args: MremapArgs): Co<number> {
  const { mm, kernel } = thread.process;
  const [addr, oldLength, newLength, flags, newAddr = 0] = args;
  const lock = lockLimit(thread.process);
  const at = mm.mremap({ addr, oldLength, newLength, flags, newAddr, lockLimit: lock });
  yield* kernel.fput.run();
  return at;
}

/** munmap() */
export function* unmapMemory(thread: Thread, addr: number, length: number): Co<number> {
  const result = thread.process.mm.munmap(addr, length);
  yield* thread.process.kernel.fput.run();
  return result;
}

/** mprotect() */
export function protectMemory(thread: Thread, addr: number, length: number, prot: number): number {
  return thread.process.mm.mprotect(addr, length, prot);
}

/** msync(): what is written are the files, so that nothing of it can sleep. */
export function syncMemory(thread: Thread, addr: number, length: number, flags: number): number {
  return thread.process.mm.msync(addr, length, flags);
}

/** madvise() */
export function adviseMemory(thread: Thread, addr: number, length: number, advice: number): number {
  return thread.process.mm.madvise(addr, length, advice);
}

/** The file to map; undefined for anonymous memory. */
function fileOf(thread: Thread, args: MmapArgs): File | undefined | number {
  if ((args.flags & MAP_ANONYMOUS) !== 0) return undefined;
  return fdget(thread, args.fd) ?? -EBADF;
}

/** MAP_SHARED or MAP_PRIVATE, or a negative errno. */
function sharing(flags: number): boolean | number {
  const type = flags & MAP_TYPE;
  if (type === MAP_SHARED_VALIDATE) return (flags & ~KNOWN_FLAGS) === 0 ? true : -EOPNOTSUPP;
  if (type === MAP_SHARED || type === MAP_PRIVATE) return type === MAP_SHARED;
  return -EINVAL;
}

function placement(args: MmapArgs): Pick<MapRequest, 'at' | 'fixed' | 'populate'> {
  const populate = (args.flags & MAP_POPULATE) !== 0;
  if ((args.flags & MAP_FIXED_NOREPLACE) !== 0) {
    return { at: args.addr, fixed: 'noreplace', populate };
  }
  if ((args.flags & MAP_FIXED) !== 0) return { at: args.addr, fixed: 'replace', populate };
  return { at: args.addr, populate };
}

/** do_mmap() for a file, and its driver's mmap(). Takes a reference that the mapping will hold. */
function mapFile(
  thread: Thread,
  file: File,
  args: MmapArgs,
  base: MapRequest & { readonly shared: boolean },
): MapRequest | number {
  const { kernel } = thread.process;
  const mayProt = allowedProt(file, base.shared, kernel.switches.anonInodesNoexec);
  if (!file.readable) return -EACCES;
  if (base.shared && (args.prot & PROT_WRITE & ~mayProt) !== 0) return -EACCES;
  if ((args.prot & PROT_EXEC & ~mayProt) !== 0) return -EPERM;
  if (file.ops.mmap === undefined) return -ENODEV;
  const asked: MmapRequest = {
    length: args.length,
    offset: args.offset,
    writable: (args.prot & PROT_WRITE) !== 0,
    executable: (args.prot & PROT_EXEC) !== 0,
    shared: base.shared,
    pages: kernel.pages,
  };
  const refused = file.ops.mmap(file, thread, asked);
  if (refused !== 0) return refused;
  const { pfnMap, cache } = asked;
  if (pfnMap === undefined && cache === undefined) return -ENODEV;
  return {
    ...base,
    mayProt: asked.mayWrite === false ? mayProt & ~PROT_WRITE : mayProt,
    ...(pfnMap && { pfnMap }),
    ...(cache && { cache, pgoff: args.offset / PAGE_SIZE }),
    file: kernel.fput.forMapping(file.get()),
  };
}

/** VM_MAYWRITE and VM_MAYEXEC of a mapping: mprotect cannot give more either. */
function allowedProt(file: File, shared: boolean, anonNoexec: boolean): number {
  const writable = !shared || file.writable;
  const executable = !file.isAnonymous || !anonNoexec;
  return (writable ? ALL_PROT : ALL_PROT & ~PROT_WRITE) & (executable ? ALL_PROT : ~PROT_EXEC);
}
