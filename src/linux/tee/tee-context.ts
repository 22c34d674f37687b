/**
 * A client's connection to a TEE device (struct tee_context, include/linux/tee_core.h; life cycle:
 * drivers/tee/tee_core.c). One reference is the open file's, one each shared-memory object's that
 * was made through it, and drivers may hold more: it outlives its file while any of them does.
 */
import { EINVAL } from '../../abi/errno.ts';
import type { Co } from '../../sched/task.ts';
import type { Trace } from '../../trace/trace.ts';
import { Kref } from '../lib/kref.ts';
import { MemlockCharges } from './memlock-charges.ts';
import type { TeeDevice } from './tee-device.ts';
import type { TeeDriverOps } from './tee-drv.ts';

export class TeeContext {
  readonly teedev: TeeDevice;
  /** The device's operations; they stay valid for as long as the context does. */
  readonly ops: TeeDriverOps;
  /** Number of this context in traces: 1, 2, … for each subsystem. */
  readonly serial: number;
  /** The driver's own, set by its `open`. */
  data: unknown = undefined;
  readonly refcount: Kref;
  /** What is registered through it, where pins are charged. */
  readonly memlock: MemlockCharges;
  /** `release` runs: references taken and dropped from within it do not count. */
  releasing = false;
  /** Do not wait for a supplicant that is not there: true for kernel clients, false for files. */
  suppNowait = false;
  /** The TEE takes NULL memrefs; set by the driver's `open`. */
  capMemrefNull = false;

  constructor(teedev: TeeDevice, ops: TeeDriverOps, serial: number) {
    this.teedev = teedev;
    this.ops = ops;
    this.serial = serial;
    this.refcount = new Kref(teedev.kernel.sched, `tee_context ${serial}`);
    this.memlock = new MemlockCharges(teedev.tee.memlock, teedev.kernel.pages.frames);
  }

  get trace(): Trace {
    return this.teedev.kernel.trace;
  }

  /** teedev_ctx_get() */
  get(): void {
    if (!this.releasing) this.refcount.get();
  }

  /** teedev_ctx_put(): the last one lets the driver close what is still open. */
  *put(): Co<void> {
    if (this.releasing) return;
    const { sched } = this.teedev.kernel;
    if (sched.searching) yield* sched.point();
    if (!this.refcount.put()) return;
    this.releasing = true;
    if (this.trace.calls) {
      const { name } = this.teedev;
      this.trace.emit('linux', 'tee.release', { device: name, context: this.serial });
    }
    yield* this.ops.release(this);
    this.teedev.tee.contexts.delete(this);
  }
}

/** teedev_open(): a new context, or the driver's refusal; -EINVAL when the device is gone. */
export function* teedevOpen(teedev: TeeDevice): Co<TeeContext | number> {
  if (!(yield* teedev.get())) return -EINVAL;
  const { tee, desc } = teedev;
  const ctx = new TeeContext(teedev, desc!.ops, tee.nextContext());
  const rc = yield* ctx.ops.open(ctx);
  if (rc !== 0) {
    yield* teedev.put();
    return rc;
  }
  tee.contexts.add(ctx);
  if (ctx.trace.calls) {
    ctx.trace.emit('linux', 'tee.open', { device: teedev.name, context: ctx.serial });
  }
  return ctx;
}

/** teedev_close_context(): the driver hears at once, the context may live on. */
export function* teedevCloseContext(ctx: TeeContext): Co<void> {
  const { teedev, ops } = ctx;
  if (ops.closeContext !== undefined) yield* ops.closeContext(ctx);
  yield* ctx.put();
  yield* teedev.put();
}
