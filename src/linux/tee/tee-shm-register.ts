/**
 * Memory that exists already, registered with the TEE: pages of a process, pinned, or of the kernel.
 * Upstream counterpart: drivers/tee/tee_shm.c, register_shm_helper() and what is around it.
 */
import { EFAULT, EINVAL, ENOTSUPP } from '../../abi/errno.ts';
import { PAGE_SIZE, pa, pageStart, pagesFor, va } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { formatKernelVa, kernelVaOffset } from '../mm/kernel-layout.ts';
import type { TaskStruct } from '../process/process.ts';
import { KERNEL_SHAPES } from './kernel-registration.ts';
import { MAX_RW_COUNT, countPages, pinUserBuffer, tooLong } from './pin-user.ts';
import { refuse } from './refuse.ts';
import type { TeeContext } from './tee-context.ts';
import { withShmId } from './tee-shm-id.ts';
import { TEE_SHM_DYNAMIC, TEE_SHM_NO_ID, TEE_SHM_USER_MAPPED, TeeShm } from './tee-shm.ts';

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
    shm.registeredBy = current.process;
    shm.sinceNs = ctx.teedev.kernel.sched.nowNs();
    return registerShm(shm, va(pageStart(addr)), current, () =>
      pinUserBuffer(shm, current, addr, length),
    );
  });
}

/**
 * tee_shm_register_kernel_buf(): memory of the kernel, by its address. The caller keeps it until it
 * has freed what this returns. Which addresses are understood is the switch `kernelRegistration`'s.
 */
export function* teeShmRegisterKernelBuf(
  ctx: TeeContext,
  addr: Va,
  length: number,
): Co<TeeShm | number> {
  const { kernel, tee } = ctx.teedev;
  const shape = KERNEL_SHAPES[tee.switches.kernelRegistration];
  const shm = new TeeShm(ctx, TEE_SHM_DYNAMIC, TEE_SHM_NO_ID);
  const offset = kernelVaOffset(addr);
  const start = va(addr - offset);
  return yield* registerShm(shm, start, undefined, () => {
    const count = measure(shm, offset, length, shape.byIovIter);
    if (count < 0) return count;
    const pages = shape.take(kernel.map, start, count);
    if (typeof pages === 'number') return notFound(ctx, pages, addr);
    shm.pages = pages;
    shm.referenced = shape.referenced;
    return 0;
  });
}

/**
 * tee_shm_register_kernel_pages(), as proposed: pages that the caller lists, and keeps until it has
 * called `teeShmFreeKernel`.
 * @param offset where the buffer starts in the first page. @param length bytes.
 */
export function* teeShmRegisterKernelPages(
  ctx: TeeContext,
  pages: readonly Pa[],
  offset: number,
  length: number,
): Co<TeeShm | number> {
  const shm = new TeeShm(ctx, TEE_SHM_DYNAMIC, TEE_SHM_NO_ID);
  const start = ctx.teedev.kernel.map.linear.toVirt(pages[0] ?? pa(0));
  return yield* registerShm(shm, start, undefined, () => {
    const count = measure(shm, offset, length, false);
    if (count < 0) return count;
    if (count !== pages.length) {
      return refuse(ctx.trace, EINVAL, `${pages.length} pages are listed for ${count}`);
    }
    shm.pages = pages;
    return 0;
  });
}

/**
 * tee_shm_free_kernel(), as proposed: the caller's pages are its own again. Memory that somebody
 * still refers to would stay registered behind its back: that is warned of.
 */
export function* teeShmFreeKernel(shm: TeeShm): Co<void> {
  if (shm.refcount.count > 1)
    shm.ctx.teedev.tee.warnOnce('drivers/tee/tee_shm.c tee_shm_free_kernel');
  yield* shm.put();
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
      teedev.tee.registered.add(shm);
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

/** Fills in `offset` and `size`: how many pages that takes, or -ENOMEM. */
function measure(shm: TeeShm, offset: number, length: number, byIovIter: boolean): number {
  const count = countPages(shm.ctx, offset, length, byIovIter);
  if (count < 0) return count;
  shm.offset = offset;
  shm.size = byIovIter ? Math.min(length, MAX_RW_COUNT, count * PAGE_SIZE - offset) : length;
  if (pagesFor(offset + shm.size) === count) return count;
  return tooLong(shm.ctx, length);
}

function notFound(ctx: TeeContext, rc: number, addr: Va): number {
  const { kernelRegistration } = ctx.teedev.tee.switches;
  return refuse(ctx.trace, -rc, 'the pages of the kernel buffer are not found', {
    object: `address ${formatKernelVa(addr)}`,
    limit: `kernelRegistration=${kernelRegistration}`,
    hint: 'register memory of the linear map, or list its pages yourself',
  });
}
