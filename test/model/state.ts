/** Who holds what: processes, open files, contexts and shared memory of the model. */
import { EBADF, EINVAL, ENOTTY } from '../../src/abi/errno.ts';

export const PAGE = 4096;

/** How a kernel differs from others, as far as the model meets it. */
export interface KernelFacts {
  /** SHM_ALLOC gives a power of two of pages. */
  readonly powerOfTwo: boolean;
  /** What SHM_ALLOC of nothing, and of nearly 2^64, answers. */
  readonly noSize: number;
  /** Registering nothing at an unaligned address registers its page. */
  readonly registersNothing: boolean;
  /** The core knows UBUF and OBJREF parameters. */
  readonly knowsUbufs: boolean;
}

export type DeviceName = 'client' | 'supplicant';

/** Shared memory ids in use, by device. */
export class Device {
  readonly name: DeviceName;
  readonly ids = new Set<number>();

  constructor(name: DeviceName) {
    this.name = name;
  }
}

/** An open device. */
export class Context {
  readonly device: Device;
  readonly sessions = new Set<number>();
  readonly shms = new Map<number, Shm>();
  closed = false;

  constructor(device: Device) {
    this.device = device;
  }
}

/** Bytes that a program shares. */
export interface Extent {
  readonly size: number;
  /** Of the first byte, in its page. */
  readonly offset: number;
  /** From SHM_ALLOC. */
  readonly mappable: boolean;
}

export class Shm {
  readonly ctx: Context;
  readonly id: number;
  readonly extent: Extent;

  constructor(ctx: Context, id: number, extent: Extent) {
    this.ctx = ctx;
    this.id = id;
    this.extent = extent;
  }
}

/** An open file: fds of several processes, and mappings, may refer to it. */
export class OpenFile {
  readonly of: Context | Shm;
  refs = 0;

  constructor(of: Context | Shm) {
    this.of = of;
  }
}

interface Descriptor {
  readonly file: OpenFile;
  readonly cloexec: boolean;
}

export class ModelProcess {
  readonly fds = new Map<number, Descriptor>();
  readonly mappings: OpenFile[] = [];
}

/** What is behind an fd. */
export type FdKind = DeviceName | 'memory';

/** Fds of a process of some kind. */
export const fdsOf = ({ fds }: ModelProcess, kind: FdKind): readonly number[] =>
  [...fds].filter(([, { file }]) => kindOf(file) === kind).map(([fd]) => fd);

const kindOf = ({ of }: OpenFile): FdKind => (of instanceof Shm ? 'memory' : of.device.name);

/** What programs can name through an fd: sessions of its context, and memory. */
export function namesOf(
  { fds }: ModelProcess,
  fd: number,
): { readonly sessions: readonly number[]; readonly memory: readonly Shm[] } {
  const of = fds.get(fd)?.file.of;
  if (!(of instanceof Context)) return { sessions: [], memory: [] };
  return { sessions: [...of.sessions], memory: [...of.shms.values()] };
}

/** Where the last page of memory ends, as an offset into it. */
export const endOfPages = ({ offset, size }: Extent): number =>
  Math.ceil((offset + size) / PAGE) * PAGE - offset;

export function install(process: ModelProcess, file: OpenFile, cloexec: boolean): number {
  const fd = lowestFree((taken) => process.fds.has(taken), 0);
  file.refs += 1;
  process.fds.set(fd, { file, cloexec });
  return fd;
}

export function lowestFree(isTaken: (id: number) => boolean, from = 1): number {
  let id = from;
  while (isTaken(id)) id += 1;
  return id;
}

/** The context behind an fd, for an ioctl. */
export function contextOf(process: ModelProcess, fd: number): Context | number {
  const found = process.fds.get(fd);
  if (found === undefined) return -EBADF;
  return found.file.of instanceof Context ? found.file.of : -ENOTTY;
}

export function clientOf(process: ModelProcess, fd: number): Context | number {
  const ctx = contextOf(process, fd);
  return typeof ctx === 'number' || ctx.device.name === 'client' ? ctx : -EINVAL;
}
