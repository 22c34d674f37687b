/**
 * io_uring's fixed buffers: user memory that is pinned once, for any number of later requests.
 *
 * Upstream counterpart: io_uring/rsrc.c (io_sqe_buffers_register, io_pin_pages, io_import_fixed) and
 * as much of io_uring/io_uring.c as gives a ring its fd. The yardstick for long-term pins: they leave
 * CMA areas and ZONE_MOVABLE, and count against RLIMIT_MEMLOCK. Left out: the queues, updates of single
 * buffers, buffers of the kernel.
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
import { PAGE_SIZE, pageOffset, pageStart, pagesFor, va } from '../../machine/address.ts';
import type { Access, Mapping } from '../../machine/bus.ts';
import { isAccounted, pagesToAccount } from '../mm/account.ts';
import type { PinCharge, Pinner } from '../mm/account.ts';
import { ADDRESS_SPACE } from '../mm/arch.ts';
import { FOLL_WRITE } from '../mm/gup-flags.ts';
import { pinSite, pinUser } from '../mm/pin-site.ts';
import type { MmSwitches } from '../mm/switches.ts';
import type { PinnedPages } from '../mm/user-memory.ts';
import { File } from '../process/file.ts';
import type { FileOperations } from '../process/file.ts';
import type { Kernel } from '../process/kernel.ts';
import type { Thread } from '../process/thread.ts';
import type { Process } from '../process/user-process.ts';

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
  /** ctx->user and ctx->mm_account: whoever made the ring pays, whoever registers. */
  readonly #maker: Pinner;
  /** The maker had no CAP_IPC_LOCK. */
  readonly #accounted: boolean;
  /** An entry without memory is undefined: dummy_ubuf. */
  #buffers: (MappedBuffer | undefined)[] = [];
  /** Large folios that count already (headpage_already_acct). */
  readonly #heads = new Set<number>();

  constructor({ kernel, cred, rlimits, mm }: Process) {
    this.#kernel = kernel;
    this.#maker = { cred, rlimits, mm };
    this.#accounted = isAccounted(this.#maker);
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

  /** io_sqe_buffer_register(), after io_buffer_validate() */
  #add({ process }: Thread, iovec: Iovec): number {
    const rc = validate(iovec, this.#kernel.pages.switches);
    if (rc !== 0) return rc;
    const buffer = iovec.base === 0 ? undefined : this.#pin(process, iovec);
    if (typeof buffer === 'number') return buffer;
    this.#buffers.push(buffer);
    return 0;
  }

  /** io_pin_pages(), io_buffer_account_pin() */
  #pin(process: Process, { base, length }: Iovec): MappedBuffer | number {
    const { switches } = this.#kernel.pages;
    const offset = pageOffset(base);
    const count = pagesFor(offset + length);
    // GUP says so too, of addresses that can be told apart.
    if (!process.mm.accessOk(base, length)) return -EFAULT;
    const pinned = pinUser(process.mm, FIXED_BUFFERS, va(pageStart(base)), count, switches);
    if (typeof pinned === 'number') return pinned;
    const rc = pinned.pages.length < count ? -EFAULT : checkFiles(process, base, length);
    const charge = rc === 0 ? this.#charge(process, pinned) : undefined;
    if (charge !== undefined) return { pinned, offset, length, charge };
    pinned.unpin();
    return rc === 0 ? -ENOMEM : rc;
  }

  /** io_account_mem(): the limit is the caller's. */
  #charge({ rlimits }: Process, { pages }: PinnedPages): PinCharge | undefined {
    const { accounts, pages: allocator } = this.#kernel;
    const count = pagesToAccount(allocator.frames, pages, this.#heads);
    return accounts.charge({ ...this.#maker, rlimits }, count, this.#accounted);
  }

  #releaseAll(): void {
    for (const buffer of this.#buffers) {
      if (buffer === undefined) continue;
      buffer.pinned.unpin();
      this.#kernel.accounts.uncharge(buffer.charge);
    }
    this.#buffers = [];
    this.#heads.clear();
  }
}

/** io_buffer_validate(): 0, -EFAULT or -EOVERFLOW. */
function validate({ base, length }: Iovec, { fixedBufferMost }: MmSwitches): number {
  if (base === 0) return length === 0 ? 0 : -EFAULT;
  if (length === 0 || length > fixedBufferMost) return -EFAULT;
  // In this order every step is exact.
  return base > ADDRESS_SPACE - PAGE_SIZE - length ? -EOVERFLOW : 0;
}

/**
 * What io_pin_pages() made sure of itself before GUP did (6.5): no file but shared memory, and one
 * only. 0, -EOPNOTSUPP or -EINVAL.
 */
function checkFiles({ mm }: Process, base: number, length: number): number {
  if (mm.mm.pages.switches.longtermRefusesDirtyTracked) return 0;
  const vmas = mm.mm.vmas.overlapping(base, base + length);
  for (const { cache } of vmas) {
    if (cache !== vmas[0]!.cache) return -EINVAL;
    if (cache !== undefined && cache.backing !== 'shmem') return -EOPNOTSUPP;
  }
  return 0;
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
  const ring = new IoRing(process);
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
