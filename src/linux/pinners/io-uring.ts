/**
 * io_uring's fixed buffers: user memory that is pinned once, for any number of later requests.
 *
 * Upstream counterpart: io_uring/rsrc.c (io_sqe_buffers_register, io_pin_pages, io_import_fixed) and
 * as much of io_uring/io_uring.c as gives a ring its fd. The yardstick for long-term pins: they leave
 * CMA areas and ZONE_MOVABLE, and count against RLIMIT_MEMLOCK. Left out: the queues, sparse tables,
 * updates of single buffers, buffers of the kernel.
 */
import {
  EBADF,
  EBUSY,
  EFAULT,
  EINVAL,
  ENOMEM,
  ENXIO,
  EOPNOTSUPP,
  EOVERFLOW,
} from '../../abi/errno.ts';
import { O_RDWR } from '../../abi/fcntl.ts';
import { pageOffset, pageStart, pagesFor, va } from '../../machine/address.ts';
import type { Access, Mapping } from '../../machine/bus.ts';
import { isAccounted, pagesToAccount } from '../mm/account.ts';
import type { PinCharge } from '../mm/account.ts';
import { FOLL_WRITE } from '../mm/gup-flags.ts';
import { pinSite, pinUser } from '../mm/pin-site.ts';
import type { PinnedPages } from '../mm/user-memory.ts';
import { File } from '../process/file.ts';
import type { FileOperations } from '../process/file.ts';
import type { Kernel } from '../process/kernel.ts';
import type { Thread } from '../process/thread.ts';

const FIXED_BUFFERS = pinSite({
  name: 'io_pin_pages',
  call: 'pin_user_pages_fast',
  foll: FOLL_WRITE,
  lifetime: 'long',
  reason:
    'The buffers stay pinned until they are unregistered or the ring is closed: user space decides.',
  longterm: true,
});

/* Source: io_uring/rsrc.c. */
/** Buffers of a ring. */
export const IORING_MAX_REG_BUFFERS = 1 << 14;
/** The longest one, bytes. */
const MAX_BUFFER = 2 ** 40;

/** struct iovec */
export interface Iovec {
  readonly base: number;
  readonly length: number;
}

/** struct io_mapped_ubuf */
interface MappedBuffer {
  readonly pinned: PinnedPages;
  readonly offset: number;
  readonly length: number;
  readonly charge: PinCharge;
}

/** struct io_ring_ctx, as far as it holds buffers. */
export class IoRing {
  readonly #kernel: Kernel;
  /** ctx->user: who made the ring without CAP_IPC_LOCK has its buffers counted. */
  readonly #accounted: boolean;
  #buffers: MappedBuffer[] = [];
  /** Large folios that count already (headpage_already_acct). */
  readonly #heads = new Set<number>();

  constructor(kernel: Kernel, accounted: boolean) {
    this.#kernel = kernel;
    this.#accounted = accounted;
  }

  /** Registered buffers. */
  get size(): number {
    return this.#buffers.length;
  }

  /** IORING_REGISTER_BUFFERS: all or none; 0 or a negative errno. */
  register(thread: Thread, iovecs: readonly Iovec[]): number {
    if (this.#buffers.length > 0) return -EBUSY;
    if (iovecs.length === 0 || iovecs.length > IORING_MAX_REG_BUFFERS) return -EINVAL;
    for (const iovec of iovecs) {
      const rc = this.#add(thread, iovec);
      if (rc === 0) continue;
      this.#releaseAll();
      return rc;
    }
    return 0;
  }

  /** IORING_UNREGISTER_BUFFERS: 0, or -ENXIO without buffers. */
  unregister(): number {
    if (this.#buffers.length === 0) return -ENXIO;
    this.#releaseAll();
    return 0;
  }

  /** io_import_fixed(): a part of a buffer, for a request; -EFAULT when it is not inside. */
  import(index: number, at: number, length: number, access: Access): Mapping | number {
    const buffer = this.#buffers[index];
    if (buffer === undefined) return -EFAULT;
    const { pinned, offset } = buffer;
    if (at < 0 || length < 0 || at + length > buffer.length) return -EFAULT;
    return this.#kernel.port.mapContiguous(pinned.pages, offset + at, length, access);
  }

  /** The last reference to the ring has gone. */
  release(): void {
    this.#releaseAll();
  }

  /** io_sqe_buffer_register() */
  #add(thread: Thread, { base, length }: Iovec): number {
    if (base === 0 || length === 0 || length > MAX_BUFFER) return -EFAULT;
    if (base + length > Number.MAX_SAFE_INTEGER) return -EOVERFLOW;
    const offset = pageOffset(base);
    const count = pagesFor(offset + length);
    const { process } = thread;
    const { switches, frames } = this.#kernel.pages;
    const pinned = pinUser(process.mm, FIXED_BUFFERS, va(pageStart(base)), count, switches);
    if (typeof pinned === 'number') return pinned;
    const charge =
      pinned.pages.length === count
        ? this.#kernel.accounts.charge(
            process,
            pagesToAccount(frames, pinned.pages, this.#heads),
            this.#accounted,
          )
        : undefined;
    if (charge === undefined) {
      const short = pinned.pages.length < count;
      pinned.unpin();
      return short ? -EFAULT : -ENOMEM;
    }
    this.#buffers.push({ pinned, offset, length, charge });
    return 0;
  }

  #releaseAll(): void {
    for (const { pinned, charge } of this.#buffers) {
      pinned.unpin();
      this.#kernel.accounts.uncharge(charge);
    }
    this.#buffers = [];
    this.#heads.clear();
  }
}

const ringOf = (file: File | undefined): IoRing | undefined =>
  file?.data instanceof IoRing ? file.data : undefined;

const IO_URING_FOPS: FileOperations = {
  *release(file) {
    ringOf(file)!.release();
  },
};

/** io_uring_setup(): the fd of a new ring, or -EMFILE. */
export function ioUringSetup(thread: Thread): number {
  const { process } = thread;
  const ring = new IoRing(process.kernel, isAccounted(process));
  return process.files.install(
    new File(IO_URING_FOPS, 'anon_inode:[io_uring]', O_RDWR, ring),
    true,
  );
}

/** The ring behind an fd, for io_uring_register(); -EBADF or -EOPNOTSUPP. */
export function ioRing(thread: Thread, fd: number): IoRing | number {
  const file = thread.process.files.get(fd);
  return ringOf(file) ?? (file === undefined ? -EBADF : -EOPNOTSUPP);
}
