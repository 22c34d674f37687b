/**
 * The VMAs of a native process: one query each where the kernel has PROCMAP_QUERY (6.11), else
 * from the text of /proc/PID/maps.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { EINVAL, ENOTTY, ESRCH } from '../abi/errno.ts';
import {
  PROCMAP_QUERY,
  PROCMAP_QUERY_COVERING_OR_NEXT_VMA,
  PROCMAP_QUERY_VMA_READABLE,
  PROCMAP_QUERY_VMA_SHARED,
  PROCMAP_QUERY_VMA_WRITABLE,
  ProcmapQuery,
} from '../abi/procmap.ts';
import { PAGE_SIZE, va } from '../machine/address.ts';
import type { VmaInfo } from '../linux/mm/user-memory.ts';
import type { Libc } from './libc.ts';
import { liveThreadOf } from './proc.ts';

/** A VMA and the file behind it: inode and device as stat(2) has them, 0 for anonymous memory. */
export interface NativeVma extends VmaInfo {
  /** Where in the file it begins. */
  readonly offset: number;
  readonly inode: number;
  readonly device: number;
}

/** The same with what only the text of /proc/PID/maps tells. */
export interface NamedVma extends NativeVma {
  readonly executable: boolean;
  readonly name: string;
}

/** new_encode_dev() of include/linux/kdev_t.h */
const deviceNumber = (major: number, minor: number): number =>
  (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);

export class NativeVmas {
  readonly #libc: Libc;
  readonly #pid: number;
  readonly #query = new Uint8Array(ProcmapQuery.byteLength);
  readonly #view = new DataView(this.#query.buffer);
  readonly #address: number;
  #fd = -1;
  #queryable = true;

  constructor(libc: Libc, pid: number) {
    this.#libc = libc;
    this.#pid = pid;
    this.#address = libc.address(this.#query);
  }

  /** The VMA that covers `address`, or the next one above; undefined for none. */
  find(address: number): NativeVma | undefined {
    if (this.#queryable) {
      const found = this.#ask(address) ?? (this.#open() ? this.#ask(address) : undefined);
      if (found !== undefined || this.#queryable) return found;
    }
    return namedVmas(this.#pid).find((vma) => vma.end > address);
  }

  /** Those that overlap the range, in order. */
  overlapping(start: number, end: number): readonly NativeVma[] {
    const found: NativeVma[] = [];
    for (let vma = this.find(start); vma !== undefined && vma.start < end;) {
      found.push(vma);
      vma = this.find(vma.end);
    }
    return found;
  }

  /**
   * Whether the process has another address space than when its VMAs were last looked at. Only
   * PROCMAP_QUERY can tell; without it the answer is no.
   */
  get replaced(): boolean {
    if (this.#fd < 0 || !this.#queryable) return false;
    return this.#ask(0) === undefined && this.#libc.errno() === ESRCH;
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #open(): boolean {
    if (this.#fd >= 0) return false;
    try {
      this.#fd = openSync(`/proc/${liveThreadOf(this.#pid) ?? this.#pid}/maps`, 'r');
    } catch {
      return false;
    }
    return true;
  }

  #ask(address: number): NativeVma | undefined {
    if (this.#fd < 0) return undefined;
    const view = this.#view;
    this.#query.fill(0);
    ProcmapQuery.querySize.setNum(view, 0, ProcmapQuery.byteLength);
    ProcmapQuery.queryFlags.setNum(view, 0, PROCMAP_QUERY_COVERING_OR_NEXT_VMA);
    ProcmapQuery.queryAddr.setNum(view, 0, address);
    if (this.#libc.ioctl(this.#fd, PROCMAP_QUERY, this.#address) < 0) {
      this.#queryable = !NOT_SUPPORTED.has(this.#libc.errno());
      return undefined;
    }
    const flags = ProcmapQuery.vmaFlags.lo(view, 0);
    return {
      start: va(ProcmapQuery.vmaStart.num(view, 0)),
      end: va(ProcmapQuery.vmaEnd.num(view, 0)),
      memoryType: 'normal',
      readable: (flags & PROCMAP_QUERY_VMA_READABLE) !== 0,
      writable: (flags & PROCMAP_QUERY_VMA_WRITABLE) !== 0,
      shared: (flags & PROCMAP_QUERY_VMA_SHARED) !== 0,
      offset: ProcmapQuery.vmaOffset.num(view, 0),
      inode: ProcmapQuery.inode.num(view, 0),
      device: deviceNumber(ProcmapQuery.devMajor.get(view, 0), ProcmapQuery.devMinor.get(view, 0)),
    };
  }
}

/* Source: Documentation/admin-guide/mm/pagemap.rst, Linux 6.1. */
const PAGEMAP_ENTRY_BYTES = 8;
const PM_PRESENT = 1n << 63n;
/** A file's page, or shared anonymous memory. */
const PM_FILE = 1n << 61n;

const LINE =
  /^([0-9a-f]+)-([0-9a-f]+) (.)(.)(.)(.) ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+) *(.*)$/gm;

/** The VMAs of a process by /proc/PID/maps; none when it is gone. */
export function namedVmas(pid: number): NamedVma[] {
  const text = mapsOf(pid) || mapsOf(liveThreadOf(pid));
  return Array.from(text.matchAll(LINE), (match) => {
    const [, start = '', end = '', r, w, x, s, offset = '', major = '', minor = '', inode] = match;
    return {
      start: va(parseInt(start, 16)),
      end: va(parseInt(end, 16)),
      memoryType: 'normal' as const,
      readable: r === 'r',
      writable: w === 'w',
      executable: x === 'x',
      shared: s === 's',
      offset: parseInt(offset, 16),
      inode: Number(inode),
      device: deviceNumber(parseInt(major, 16), parseInt(minor, 16)),
      name: match[11] ?? '',
    };
  });
}

/** How many pages from `at` are there and are no file's, by /proc/PID/pagemap. */
export function copiedPages(pid: number, at: number, count: number): number {
  const entries = new BigUint64Array(count);
  let fd = -1;
  try {
    fd = openSync(`/proc/${liveThreadOf(pid) ?? pid}/pagemap`, 'r');
    readSync(fd, entries, 0, entries.byteLength, (at / PAGE_SIZE) * PAGEMAP_ENTRY_BYTES);
  } catch {
    return 0;
  } finally {
    if (fd >= 0) closeSync(fd);
  }
  const end = entries.findIndex((entry) => (entry & (PM_PRESENT | PM_FILE)) !== PM_PRESENT);
  return end < 0 ? count : end;
}

/** Empty for a process whose first thread has ended, as for one that is gone. */
function mapsOf(pid: number | undefined): string {
  if (pid === undefined) return '';
  try {
    return readFileSync(`/proc/${pid}/maps`, 'latin1');
  } catch {
    return '';
  }
}

/** The kernel does not know the query. */
const NOT_SUPPORTED: ReadonlySet<number> = new Set([ENOTTY, EINVAL]);
