/**
 * What kernel clients of a TEE call (include/linux/tee_drv.h, drivers/tee/tee_core.c). Contexts of
 * theirs do not wait for a supplicant, and may use logins that are closed to user space. Shared
 * memory: `tee-shm-alloc.ts` and `tee-shm-register.ts`.
 */
import { EINVAL, ENOENT, ENOMEM } from '../../abi/errno.ts';
import { endOf } from '../../sched/task.ts';
import type { Co } from '../../sched/task.ts';
import { teedevCloseContext, teedevOpen } from './tee-context.ts';
import type { TeeContext } from './tee-context.ts';
import type { TeeDevice } from './tee-device.ts';
import type { TeeInvoke, TeeOpenSession, TeeParam, TeeVersion } from './tee-drv.ts';
import type { TeeSubsystem } from './tee-subsystem.ts';

/**
 * tee_client_open_context(): opens the first device that matches and can be opened; one that runs
 * out of memory ends the search. `match` sees versions without TEE_GEN_CAP_PRIVILEGED, so that
 * privileged devices match like others.
 * @param start search behind the device of this context.
 * @returns -ENOENT when there is none.
 */
export function* teeClientOpenContext(
  tee: TeeSubsystem,
  match: (version: TeeVersion) => boolean,
  start?: TeeContext,
): Co<TeeContext | number> {
  for (let after = start?.teedev; ;) {
    const teedev = findDevice(tee, match, after);
    if (teedev === undefined) return -ENOENT;
    const ctx = yield* teedevOpen(teedev);
    if (ctx === -ENOMEM) return ctx;
    if (typeof ctx !== 'number') {
      ctx.suppNowait = true;
      return ctx;
    }
    after = teedev;
  }
}

/** class_find_device() */
function findDevice(
  tee: TeeSubsystem,
  match: (version: TeeVersion) => boolean,
  after: TeeDevice | undefined,
): TeeDevice | undefined {
  const { devices } = tee;
  const first = after === undefined ? 0 : devices.indexOf(after) + 1;
  return devices
    .slice(first)
    .find(({ desc }) => desc !== undefined && match(desc.ops.getVersion()));
}

/** tee_client_close_context(): its sessions are closed with it, once its memory is freed. */
export const teeClientCloseContext = teedevCloseContext;

/** tee_client_get_version() */
export function teeClientGetVersion(ctx: TeeContext): TeeVersion {
  return ctx.ops.getVersion();
}

/** tee_client_open_session(): 0 when the request was carried out; the answer is in `arg.ret`. */
export function* teeClientOpenSession(
  ctx: TeeContext,
  arg: TeeOpenSession,
  params: readonly TeeParam[],
): Co<number> {
  if (ctx.ops.openSession === undefined) return -EINVAL;
  return yield* ctx.ops.openSession(ctx, arg, params, undefined);
}

/** tee_client_close_session(): the session is gone whatever this returns. */
export function* teeClientCloseSession(ctx: TeeContext, session: number): Co<number> {
  if (ctx.ops.closeSession === undefined) return -EINVAL;
  return yield* ctx.ops.closeSession(ctx, session);
}

/** tee_client_system_session(): asks for a secure thread that is kept for the session. */
export function teeClientSystemSession(ctx: TeeContext, session: number): number {
  return ctx.ops.systemSession?.(ctx, session) ?? -EINVAL;
}

/** tee_client_invoke_func(): 0 when the request was carried out; the answer is in `arg.ret`. */
export function* teeClientInvokeFunc(
  ctx: TeeContext,
  arg: TeeInvoke,
  params: readonly TeeParam[],
): Co<number> {
  if (ctx.ops.invokeFunc === undefined) return -EINVAL;
  return yield* endOf(ctx.ops.invokeFunc(ctx, arg, params));
}

/** tee_client_cancel_req() */
export function* teeClientCancelReq(
  ctx: TeeContext,
  cancelId: number,
  session: number,
): Co<number> {
  if (ctx.ops.cancelReq === undefined) return -EINVAL;
  return yield* ctx.ops.cancelReq(ctx, cancelId, session);
}
