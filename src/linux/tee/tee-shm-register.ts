/**
 * Memory that exists already, registered with the TEE: pages of a process, pinned, or of the kernel.
 * Upstream counterpart: drivers/tee/tee_shm.c, register_shm_helper() and what is around it.
 * Left out: tagged user addresses. No process turns the tagged address ABI on, so those lie outside
 * user space, as on Linux.
 */
import { EFAULT, EINVAL, ENOTSUPP } from '../../abi/errno.ts';
import { PAGE_SIZE, pa, pageOffset, pageStart, pagesFor, va } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { TaskStruct } from '../process/process.ts';
import { checkPageCount, pinUserPages } from './pin-user.ts';
import { refuse } from './refuse.ts';
import type { TeeContext } from './tee-context.ts';
import { withShmId } from './tee-shm-id.ts';
import { TEE_SHM_DYNAMIC, TEE_SHM_NO_ID, TEE_SHM_USER_MAPPED, TeeShm } from './tee-shm.ts';

/** Kernel memory to be registered: a piece of the linear map, or any pages, as vmalloc() gives. */
export interface KernelBuffer {
  readonly pages: readonly Pa[];
  /** Where it starts in the first page. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** A buffer in the kernel's linear map, by its address. */
export function linearBuffer(addr: Pa, length: number): KernelBuffer {
  const offset = pageOffset(addr);
  const first = pageStart(addr);
  const count = pagesFor(offset + length);
  const pages = Array.from({ length: count }, (_, n) => pa(first + n * PAGE_SIZE));
  return { pages, offset, length };
}

/**
 * tee_shm_register_user_buf(): memory of the calling process, for TEE_IOC_SHM_REGISTER.
 * @param addr first byte. @param length bytes. Neither need be page aligned.
 */
export function* teeShmRegisterUserBuf(
  ctx: TeeContext,
  current: TaskStruct,
  addr: number,
  length: number,
): Co<TeeShm | number> {
  if (!current.process.mm.accessOk(addr, length)) {
    return refuse(ctx.trace, EFAULT, 'the buffer lies outside user space');
  }
  const flags = TEE_SHM_USER_MAPPED | TEE_SHM_DYNAMIC;
  return yield* withShmId(ctx, (id) => {
    const shm = new TeeShm(ctx, flags, id);
    return registerShm(shm, va(pageStart(addr)), current, () =>
      pinUserPages(shm, current, addr, length),
    );
  });
}

/**
 * tee_shm_register_kernel_buf(): memory that the caller keeps until it has freed what this returns.
 */
export function* teeShmRegisterKernelBuf(
  ctx: TeeContext,
  buffer: KernelBuffer,
): Co<TeeShm | number> {
  const shm = new TeeShm(ctx, TEE_SHM_DYNAMIC, TEE_SHM_NO_ID);
  const start = va(buffer.pages[0] ?? 0);
  return yield* registerShm(shm, start, undefined, () => takeKernelPages(shm, buffer));
}

/**
 * register_shm_helper()
 * @param take gets hold of the pages: 0 or a negative errno.
 */
function* registerShm(
  shm: TeeShm,
  start: Va,
  current: TaskStruct | undefined,
  take: () => number,
): Co<TeeShm | number> {
  const { ctx } = shm;
  const { teedev, ops } = ctx;
  if (!(yield* teedev.get())) return -EINVAL;
  if (ops.shmRegister === undefined || ops.shmUnregister === undefined) {
    yield* teedev.put();
    return refuse(ctx.trace, ENOTSUPP, `${teedev.name} shares memory of its own only`);
  }
  ctx.get();
  let rc = take();
  if (rc === 0) {
    rc = yield* ops.shmRegister(ctx, shm, shm.pages, start, current);
    if (rc === 0) {
      if (ctx.trace.worlds) shm.traceAlloc('register');
      return shm;
    }
    shm.releasePages();
  }
  shm.free();
  yield* ctx.put();
  yield* teedev.put();
  return rc;
}

/** Kernel pages are listed; since 7.0 whoever owns them keeps them, before they were referenced. */
function takeKernelPages(shm: TeeShm, buffer: KernelBuffer): number {
  const { kernel, tee } = shm.ctx.teedev;
  const rc = checkPageCount(shm.ctx, buffer.length, buffer.pages.length);
  if (rc !== 0) return rc;
  shm.offset = buffer.offset;
  shm.size = buffer.length;
  shm.pages = buffer.pages;
  if (tee.switches.kernelPagesReferenced) {
    shm.referenced = true;
    for (const page of buffer.pages) kernel.pages.get(page);
  }
  return 0;
}
