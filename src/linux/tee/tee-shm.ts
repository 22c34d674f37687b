/**
 * Memory shared with a TEE (struct tee_shm, include/linux/tee_core.h; references and accessors:
 * drivers/tee/tee_shm.c). Allocation is in `tee-shm-alloc.ts`, registration of memory that exists
 * in `tee-shm-register.ts`, files in `tee-shm-fd.ts`.
 * Left out: dma-buf wrappers and DMA memory (protected heaps).
 */
import { pa } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { Access, Mapping } from '../../machine/bus.ts';
import type { Co } from '../../sched/task.ts';
import { Kref } from '../lib/kref.ts';
import type { KernelAddress } from '../lib/kernel-addresses.ts';
import type { PinnedPages } from '../mm/user-memory.ts';
import type { ProcessInfo } from '../process/process.ts';
import type { ShmCharge } from './memlock-charges.ts';
import type { TeeContext } from './tee-context.ts';

/* Source: include/linux/tee_core.h, Linux 7.3; the first four include/linux/tee_drv.h, Linux 6.1. */
/** Registered with the secure world: passed by reference. */
export const TEE_SHM_DYNAMIC = 1 << 0;
/** Pinned pages of a process. */
export const TEE_SHM_USER_MAPPED = 1 << 1;
/** From the device's pool. */
export const TEE_SHM_POOL = 1 << 2;
/** The driver's own: its pool need not register it. */
export const TEE_SHM_PRIV = 1 << 3;

/** `id` of memory that user space cannot name. */
export const TEE_SHM_NO_ID = -1;

export class TeeShm {
  readonly ctx: TeeContext;
  /** TEE_SHM_*; a static pool takes DYNAMIC away. */
  flags: number;
  /** Id on the device, from 1; TEE_SHM_NO_ID when user space has none. */
  readonly id: number;
  /** Where pool memory starts; for registered memory use `pages`. */
  paddr: Pa = pa(0);
  /** The kernel's own mapping (the linear map: its addresses are physical); none for user memory. */
  kaddr: Pa | undefined = undefined;
  /** Bytes, from `offset`. */
  size = 0;
  /** Where the buffer starts in its first page. */
  offset = 0;
  /** Its pages; empty for pool memory that does not keep a list. */
  pages: readonly Pa[] = [];
  /** The pin behind a process's memory; what must be synced for native programs goes through it. */
  pinned: PinnedPages | undefined = undefined;
  /** The process that registered its memory. */
  registeredBy: ProcessInfo | undefined = undefined;
  /** When it did: nanoseconds of the box's clock; 0 for memory that no process registered. */
  sinceNs = 0;
  /** What the pin was charged for, where pins are. */
  charge: ShmCharge | undefined = undefined;
  /** Each of the kernel's `pages` has a reference of ours. */
  referenced = false;
  /** The secure world's handle, for drivers whose handles are not addresses. */
  secWorldId: KernelAddress | undefined = undefined;
  readonly refcount: Kref;
  #address: KernelAddress | undefined = undefined;

  /** As kzalloc() and refcount_set(1); the allocating functions fill in the rest. */
  constructor(ctx: TeeContext, flags: number, id: number) {
    this.ctx = ctx;
    this.flags = flags;
    this.id = id;
    this.refcount = new Kref(ctx.teedev.kernel.sched, 'tee_shm');
  }

  /** The object's own address in the kernel: OP-TEE's cookie for it over SMC. */
  get address(): KernelAddress {
    this.#address ??= this.ctx.teedev.kernel.addresses.assign(this);
    return this.#address;
  }

  /** tee_shm_is_dynamic() */
  get isDynamic(): boolean {
    return (this.flags & TEE_SHM_DYNAMIC) !== 0;
  }

  /** refcount_inc() by somebody who holds a reference already. */
  get(): this {
    this.refcount.get();
    return this;
  }

  /** tee_shm_put(), tee_shm_free(): the last one gives the memory back. */
  *put(): Co<void> {
    const { teedev } = this.ctx;
    if (!teedev.mutex.tryLock()) yield* teedev.mutex.lock();
    const last = this.refcount.put();
    // Under the same lock as look-ups by id, so that none finds an object without references.
    if (last && this.id >= 0) teedev.idr.remove(this.id);
    teedev.mutex.unlock();
    const { sched } = teedev.kernel;
    if (sched.searching) yield* sched.point();
    if (last) yield* this.#release();
  }

  /** `put` of a reference that is not the last while the lock is free; false: nothing was done. */
  tryPut(): boolean {
    const { mutex } = this.ctx.teedev;
    if (this.refcount.count === 1 || !mutex.tryLock()) return false;
    this.refcount.put();
    mutex.unlock();
    return true;
  }

  /** tee_shm_get_pa(): undefined for -EINVAL, an offset outside. */
  getPa(offset: number): Pa | undefined {
    return offset < this.size ? pa(this.paddr + offset) : undefined;
  }

  /** tee_shm_get_va(): where the kernel reaches the byte; undefined for -EINVAL. */
  getVa(offset: number): Pa | undefined {
    if (this.kaddr === undefined || offset >= this.size) return undefined;
    return pa(this.kaddr + offset);
  }

  /** The bytes as the kernel sees them, whatever the pages; the range must lie inside. */
  map(offset: number, length: number, access: Access): Mapping {
    const { port } = this.ctx.teedev.kernel;
    if (this.pages.length > 0) {
      return port.mapContiguous(this.pages, this.offset + offset, length, access);
    }
    return { bytes: port.bytes(pa(this.paddr + offset), length, access), writeBack() {} };
  }

  /** What the process wrote becomes visible to the secure world and to the kernel. */
  syncForDevice(offset: number, length: number): void {
    this.pinned?.syncForDevice(this.offset + offset, length);
  }

  /** What the secure world or the kernel wrote becomes visible to the process. */
  syncForCpu(offset: number, length: number): void {
    this.pinned?.syncForCpu(this.offset + offset, length);
  }

  traceAlloc(how: 'pool' | 'register'): void {
    const { serial, trace } = this.ctx;
    trace.emit('linux', 'shm.alloc', {
      id: this.id,
      context: serial,
      sizeBytes: this.size,
      how,
    });
  }

  /** release_registered_pages(): unpinned, and dirtied where a profile says so. */
  releasePages(): void {
    this.ctx.teedev.tee.registered.delete(this);
    this.pinned?.unpin(this.ctx.teedev.tee.switches.unpinDirty);
    this.#uncharge();
    if (!this.referenced) return;
    const { map } = this.ctx.teedev.kernel;
    for (const page of this.pages) map.putPage(page);
  }

  #uncharge(): void {
    if (this.charge !== undefined) this.ctx.memlock.uncharge(this.charge);
  }

  /** kfree(): its address is nobody's. */
  free(): void {
    const address = this.#address;
    if (address === undefined) return;
    this.ctx.teedev.kernel.addresses.release(address.lo, address.hi);
  }

  /** tee_shm_release() */
  *#release(): Co<void> {
    const { ctx, id, size } = this;
    const { teedev, serial, trace } = ctx;
    if (trace.worlds) trace.emit('linux', 'shm.free', { id, context: serial, sizeBytes: size });
    // A device with shared memory has users, so its pool is still there.
    if ((this.flags & TEE_SHM_POOL) !== 0) yield* teedev.pool!.free(this);
    else if (this.isDynamic) yield* this.#unregister();
    yield* ctx.put();
    this.free();
    yield* teedev.put();
  }

  /** dev_err() of the device's parent: OP-TEE's devices have none. */
  #printFailure(rc: number): void {
    const { hi, lo } = this.address;
    const pointer = [hi, lo].map((half) => half.toString(16).padStart(8, '0')).join('');
    const text = `(NULL device *): unregister shm ${pointer} failed: ${rc}`;
    this.ctx.teedev.kernel.printk(text, 'err');
  }

  *#unregister(): Co<void> {
    const { ctx } = this;
    const rc = yield* ctx.ops.shmUnregister!(ctx, this);
    if (rc !== 0) this.#printFailure(rc);
    this.releasePages();
  }
}
