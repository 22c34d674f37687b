/**
 * Parameters of calls between user space and drivers: params_from_user() and params_to_user() of
 * drivers/tee/tee_core.c. Those of a supplicant are in `ioctl-supp.ts`.
 */
import { EFAULT, EINVAL } from '../../abi/errno.ts';
import type { U64Field } from '../../abi/layout.ts';
import {
  TEE_IOCTL_PARAM_ATTR_MASK,
  TEE_IOCTL_PARAM_ATTR_TYPE_MASK,
  TeeIoctlParam,
} from '../../abi/tee.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { UserMemory } from '../mm/user-memory.ts';
import type { IoctlFrame } from './ioctl-frame.ts';
import { MEMREF, NOTHING, OBJREF, UBUF, UNKNOWN, VALUE } from './param-kinds.ts';
import { refuse } from './refuse.ts';
import type { TeeContext } from './tee-context.ts';
import type { TeeParam } from './tee-drv.ts';
import { shmOfIdLocked } from './tee-shm-id.ts';

const { attr, a, b, c } = TeeIoctlParam;
const PARAM_SIZE = TeeIoctlParam.byteLength;
const TWO_32 = 0x1_0000_0000;

/**
 * Fills `frame.params` from the bytes at `header`; memrefs take references, which `putMemrefs` drops
 * whatever this returns: 0, -EFAULT or -EINVAL of the first parameter that is bad.
 */
export function paramsFromUser(
  ctx: TeeContext,
  mm: UserMemory,
  frame: IoctlFrame,
  header: number,
  count: number,
): MaybeCo<number> {
  frame.allocParams(count);
  frame.memrefs = 0;
  const rc = untilLocked(ctx, mm, frame, header, 0);
  return rc === MEMREF ? fromLocked(ctx, mm, frame, header) : rc;
}

/** The parameters from the memref at `frame.next` on, for which somebody else holds the lock. */
function* fromLocked(
  ctx: TeeContext,
  mm: UserMemory,
  frame: IoctlFrame,
  header: number,
): Co<number> {
  const { kernel, mutex } = ctx.teedev;
  let rc = MEMREF;
  while (rc === MEMREF) {
    const n = frame.next;
    yield* mutex.lock();
    rc = memrefFromUserLocked(ctx, frame, n);
    if (kernel.sched.searching) yield* kernel.sched.point();
    if (rc === 0) rc = untilLocked(ctx, mm, frame, header, n + 1);
  }
  return rc;
}

/**
 * The parameters from the `first` one on: 0, a negative errno, or MEMREF for one that needs a lock
 * which is not free.
 */
function untilLocked(
  ctx: TeeContext,
  mm: UserMemory,
  frame: IoctlFrame,
  header: number,
  first: number,
): number {
  const { arg, params } = frame;
  const { mutex } = ctx.teedev;
  for (let n = first; n < params.length; n++) {
    const at = header + n * PARAM_SIZE;
    if (!arg.has(mm, at + PARAM_SIZE)) return -EFAULT;
    const param = params[n]!;
    let rc = paramFromUser(ctx, mm, arg.view, at, param, n);
    frame.sizes[n] = param.size;
    frame.next = n;
    if (rc === MEMREF && mutex.tryLock()) rc = memrefFromUserLocked(ctx, frame, n);
    if (rc !== 0) return rc;
  }
  return 0;
}

/** @returns 0, a negative errno, or MEMREF for one whose memory is to be looked up. */
function paramFromUser(
  ctx: TeeContext,
  mm: UserMemory,
  view: DataView,
  at: number,
  param: TeeParam,
  n: number,
): number {
  const bits = attr.lo(view, at);
  if (attr.hi(view, at) !== 0 || (bits & ~TEE_IOCTL_PARAM_ATTR_MASK) !== 0) {
    return refuse(ctx.trace, EINVAL, `parameter ${n}: unknown attribute bits`);
  }
  param.attr = bits;
  const kind = ctx.teedev.tee.paramKinds.fromUser[bits & TEE_IOCTL_PARAM_ATTR_TYPE_MASK]!;
  if (kind === NOTHING) return 0;
  if (kind === UNKNOWN) {
    return refuse(ctx.trace, EINVAL, `parameter ${n}: no such type 0x${bits.toString(16)}`);
  }
  param.aLo = a.lo(view, at);
  param.aHi = a.hi(view, at);
  param.bLo = b.lo(view, at);
  param.bHi = b.hi(view, at);
  param.cLo = c.lo(view, at);
  param.cHi = c.hi(view, at);
  if (kind === OBJREF || kind === VALUE) return 0;
  param.size = param.bHi * TWO_32 + param.bLo;
  if (kind === UBUF) return ubufFromUser(ctx, mm, param, n);
  param.shmOffs = param.aHi * TWO_32 + param.aLo;
  return c.allOnes(view, at) ? nullMemref(ctx, n) : MEMREF;
}

/** Offset and size of nothing are passed on as they are. */
function nullMemref(ctx: TeeContext, n: number): number {
  if (ctx.capMemrefNull) return 0;
  return refuse(ctx.trace, EINVAL, `parameter ${n}: this TEE takes no NULL memrefs`, {
    hint: 'TEE_IOC_VERSION has no TEE_GEN_CAP_MEMREF_NULL; pass a buffer',
  });
}

/** Looks the memory of a memref up, and unlocks. @returns 0 or -EINVAL */
function memrefFromUserLocked(ctx: TeeContext, frame: IoctlFrame, n: number): number {
  const param = frame.params[n]!;
  const rc = getMemory(ctx, param, n);
  ctx.teedev.mutex.unlock();
  if (rc !== 0) return rc;
  frame.memrefs += 1;
  param.shm?.syncForDevice(param.shmOffs, param.size);
  return 0;
}

function getMemory(ctx: TeeContext, param: TeeParam, n: number): number {
  // An id is an int: the upper half of the field does not count.
  const id = param.cLo | 0;
  const shm = shmOfIdLocked(ctx, id);
  if (shm === undefined) {
    return refuse(ctx.trace, EINVAL, `parameter ${n}: this context has no shared memory ${id}`);
  }
  // Sums that wrap at 2^64 are above every size here, where nothing wraps.
  const end = param.shmOffs + param.size;
  if (end > shm.size) {
    return refuse(ctx.trace, EINVAL, `parameter ${n}: range ends outside shared memory ${id}`, {
      requested: end,
      available: shm.size,
    });
  }
  param.shm = shm.get();
  return 0;
}

function ubufFromUser(ctx: TeeContext, mm: UserMemory, param: TeeParam, n: number): number {
  param.uaddr = param.aHi * TWO_32 + param.aLo;
  if (mm.accessOk(param.uaddr, param.size)) return 0;
  return refuse(ctx.trace, EFAULT, `parameter ${n}: buffer lies outside user space`);
}

/** Notes what the call has changed for writing back: never attributes, never META parameters. */
export function paramsToUser(ctx: TeeContext, frame: IoctlFrame, header: number): void {
  const { arg, params, sizes } = frame;
  const { toUser } = ctx.teedev.tee.paramKinds;
  for (let n = 0, at = header; n < params.length; n++, at += PARAM_SIZE) {
    const param = params[n]!;
    // Upstream compares the whole attribute here, so a META bit makes it one it does not know.
    const kind = param.attr > TEE_IOCTL_PARAM_ATTR_TYPE_MASK ? UNKNOWN : toUser[param.attr]!;
    if (kind === UNKNOWN) continue;
    if (kind === VALUE || kind === OBJREF) {
      a.setPair(arg.view, at, param.aLo, param.aHi);
      b.setPair(arg.view, at, param.bLo, param.bHi);
      c.setPair(arg.view, at, param.cLo, param.cHi);
      arg.put(at + a.offset, kind === VALUE ? at + PARAM_SIZE : at + c.offset);
    } else {
      // A size that nobody changed stays as user space wrote it, to the bit.
      if (param.size !== sizes[n]) setLarge(b, arg.view, at, param.size);
      arg.put(at + b.offset, at + c.offset);
    }
  }
}

/** Writes what may be as large as 2^64; from 2^53 on it was rounded. */
export function setLarge(field: U64Field, view: DataView, at: number, value: number): void {
  field.setPair(view, at, value >>> 0, Math.min(Math.floor(value / TWO_32), 0xffff_ffff));
}

/** Drops the references of memrefs; false when one needs `putMemrefs`. */
export function tryPutMemrefs(frame: IoctlFrame): boolean {
  const { params } = frame;
  for (let n = 0; n < params.length; n++) {
    const { shm } = params[n]!;
    if (shm !== null && !shm.tryPut()) return false;
    params[n]!.shm = null;
  }
  frame.memrefs = 0;
  return true;
}

/** The same where a reference is the last one, or a choice is wanted. */
export function* putMemrefs(frame: IoctlFrame): Co<void> {
  const { params } = frame;
  for (let n = 0; n < params.length; n++) {
    const { shm } = params[n]!;
    if (shm === null) continue;
    if (!shm.tryPut()) yield* shm.put();
    params[n]!.shm = null;
  }
  frame.memrefs = 0;
}

/** What the TEE wrote becomes visible to the process: output ranges as they were asked for. */
export function syncForCpu(ctx: TeeContext, frame: IoctlFrame): void {
  const { params, sizes } = frame;
  const { toUser } = ctx.teedev.tee.paramKinds;
  for (let n = 0; n < params.length; n++) {
    const { attr: bits, shm, shmOffs } = params[n]!;
    if (shm === null || toUser[bits & TEE_IOCTL_PARAM_ATTR_TYPE_MASK] !== MEMREF) continue;
    shm.syncForCpu(shmOffs, sizes[n]!);
  }
}
