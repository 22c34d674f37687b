/** For tests: what clients and a supplicant do, as coroutines on their contexts. */
import { TEE_IOCTL_PARAM_ATTR_META } from '../../../../abi/tee.ts';
import { endOf } from '../../../../sched/task.ts';
import type { Co } from '../../../../sched/task.ts';
import type { TaskStruct } from '../../../process/process.ts';
import type { TeeContext } from '../../tee-context.ts';
import { TeeParam } from '../../tee-drv.ts';
import type { TeeShm } from '../../tee-shm.ts';

export interface ParamValues {
  readonly attr: number;
  readonly a?: number;
  readonly b?: number;
  readonly c?: number;
  readonly shm?: TeeShm | null;
  readonly offs?: number;
  readonly size?: number;
}

export function param(values: ParamValues): TeeParam {
  const p = new TeeParam();
  p.attr = values.attr;
  p.aLo = values.a ?? 0;
  p.bLo = values.b ?? 0;
  p.cLo = values.c ?? 0;
  p.shm = values.shm ?? null;
  p.shmOffs = values.offs ?? 0;
  p.size = values.size ?? 0;
  return p;
}

export interface Answer {
  readonly rc: number;
  readonly ret: number;
  readonly origin: number;
  readonly session: number;
}

export const TA_UUID = Uint8Array.from({ length: 16 }, (_, n) => n + 1);

export function* open(
  ctx: TeeContext,
  params: readonly TeeParam[] = [],
  login = 0,
  current?: TaskStruct,
): Co<Answer> {
  const clntUuid = new Uint8Array(16);
  const arg = {
    uuid: TA_UUID,
    clntUuid,
    clntLogin: login,
    cancelId: 11,
    session: 0,
    ret: 99,
    retOrigin: 99,
  };
  const rc = yield* ctx.ops.openSession!(ctx, arg, params, current);
  return { rc, ret: arg.ret, origin: arg.retOrigin, session: arg.session };
}

export function* invoke(
  ctx: TeeContext,
  session: number,
  params: readonly TeeParam[] = [],
  func = 5,
): Co<Answer> {
  const arg = { func, session, cancelId: 12, ret: 99, retOrigin: 99 };
  const rc = yield* endOf(ctx.ops.invokeFunc!(ctx, arg, params));
  return { rc, ret: arg.ret, origin: arg.retOrigin, session };
}

/** A request as a supplicant has received it. */
export interface Received {
  readonly error: number;
  readonly func: number;
  readonly count: number;
  readonly params: TeeParam[];
}

/** SUPPL_RECV with room for `slots` parameters, the first one META in asynchronous work. */
export function* recv(ctx: TeeContext, slots = 5, asynchronous = true): Co<Received> {
  const params = Array.from({ length: slots }, () => new TeeParam());
  if (asynchronous) params[0]!.attr = TEE_IOCTL_PARAM_ATTR_META;
  return { ...(yield* ctx.ops.suppRecv!(ctx, params)), params };
}

/** SUPPL_SEND of what was received. */
export function send(ctx: TeeContext, request: Received, ret = 0): Co<number> {
  return sendParams(ctx, ret, request.params.slice(0, request.count));
}

/** SUPPL_SEND of anything. */
export function* sendParams(ctx: TeeContext, ret: number, params: readonly TeeParam[]): Co<number> {
  return yield* endOf(ctx.ops.suppSend!(ctx, ret, params));
}

/** A supplicant that answers everything. */
export function* serve(ctx: TeeContext, handle: (request: Received) => number): Co<void> {
  for (;;) {
    const request = yield* recv(ctx);
    if (request.error !== 0) return;
    yield* send(ctx, request, handle(request));
  }
}
