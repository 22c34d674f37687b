/**
 * For tests: a TEE driver that answers by itself. It has a client and a supplicant device, keeps a
 * log of what was asked of it, and does what a test tells it to.
 */
import { EINVAL, ERESTARTSYS } from '../../../abi/errno.ts';
import { TEE_GEN_CAP_GP } from '../../../abi/tee.ts';
import type { Pa } from '../../../machine/address.ts';
import type { Scheduler } from '../../../sched/scheduler.ts';
import type { Co } from '../../../sched/task.ts';
import { WaitQueue } from '../../../sched/wait.ts';
import type { TeeContext } from '../tee-context.ts';
import type { TeeDriverOps, TeeParam, TeeShmPool } from '../tee-drv.ts';
import { teeDynShmAllocHelper, teeDynShmFreeHelper } from '../tee-shm-pool.ts';
import type { TeeShm } from '../tee-shm.ts';

type Invoke = NonNullable<TeeDriverOps['invokeFunc']>;
type OpenSession = NonNullable<TeeDriverOps['openSession']>;

/** Operations that a driver need not have. */
export type OptionalOp = Exclude<keyof TeeDriverOps, 'getVersion' | 'open' | 'release'>;

/** A request that the supplicant gets. */
export interface Request {
  readonly func: number;
  readonly params: readonly TeeParam[];
}

/** The driver. Every field is for a test to change. */
export class FakeTee {
  /** What was asked: `open 1`, `invoke 7`. */
  readonly log: string[] = [];
  /** What each operation answers. */
  readonly errors = { open: 0, register: 0, unregister: 0, close: 0, cancel: 0, send: 0 };
  memrefNull = true;
  invoke: Invoke = echo;
  openSession: OpenSession = openNext;
  readonly requests: Request[] = [];
  /** What the supplicant sent: return code and copies of the parameters. */
  readonly answers: { readonly ret: number; readonly params: readonly string[] }[] = [];
  /** Memory that the secure world knows. */
  readonly registered = new Set<TeeShm>();
  readonly queue: WaitQueue;

  constructor(sched: Scheduler) {
    this.queue = new WaitQueue(sched, 'fake supplicant');
  }

  /** @param left operations that the driver does not have. */
  clientOps(left: readonly OptionalOp[] = []): TeeDriverOps {
    const ops: TeeDriverOps = {
      ...this.#commonOps(),
      openSession: (ctx, arg, params, current) => {
        this.log.push(`open session ${arg.clntLogin}`);
        return this.openSession(ctx, arg, params, current);
      },
      closeSession: (_ctx, session) => this.#answer(`close session ${session}`, this.errors.close),
      invokeFunc: (ctx, arg, params) => this.invoke(ctx, arg, params),
      cancelReq: (_ctx, id, session) => this.#answer(`cancel ${id} ${session}`, this.errors.cancel),
      systemSession: () => 0,
    };
    return without(ops, left);
  }

  suppOps(left: readonly OptionalOp[] = []): TeeDriverOps {
    const { queue, requests, answers, errors } = this;
    const ops: TeeDriverOps = {
      ...this.#commonOps(),
      *suppRecv(_ctx, params) {
        for (const param of params) {
          if (param.shm === null) continue;
          yield* param.shm.put();
          return { error: -EINVAL, func: 0, count: 0 };
        }
        if ((yield* queue.waitUntil(() => requests.length > 0, 'interruptible')) !== 'woken') {
          return { error: -ERESTARTSYS, func: 0, count: 0 };
        }
        const request = requests[0]!;
        if (request.params.length > params.length) return { error: -EINVAL, func: 0, count: 0 };
        requests.shift();
        request.params.forEach((param, n) => Object.assign(params[n]!, param));
        return { error: 0, func: request.func, count: request.params.length };
      },
      *suppSend(_ctx, ret, params) {
        answers.push({ ret, params: params.map(describe) });
        return errors.send;
      },
    };
    return without(ops, left);
  }

  request(func: number, params: readonly TeeParam[]): void {
    this.requests.push({ func, params });
    this.queue.wakeOne();
  }

  /** Ordinary pages, registered unless they are the driver's own. */
  pool(): TeeShmPool {
    const register = this.#register.bind(this);
    const unregister = this.#unregister.bind(this);
    return {
      alloc: (shm, size, align) => teeDynShmAllocHelper(shm, size, align, register),
      free: (shm) => teeDynShmFreeHelper(shm, unregister),
      destroy() {},
    };
  }

  #commonOps(): TeeDriverOps {
    const { errors, log } = this;
    const open = (ctx: TeeContext): number => {
      ctx.capMemrefNull = this.memrefNull;
      return errors.open;
    };
    return {
      getVersion: () => ({ implId: 1, implCaps: 1, genCaps: TEE_GEN_CAP_GP }),
      getTeeRevision: () => '4.10',
      *open(ctx) {
        log.push(`open ${ctx.serial}`);
        return open(ctx);
      },
      *closeContext(ctx) {
        log.push(`close ${ctx.serial}`);
      },
      *release(ctx) {
        log.push(`release ${ctx.serial}`);
      },
      shmRegister: this.#register.bind(this),
      shmUnregister: this.#unregister.bind(this),
    };
  }

  *#register(_ctx: TeeContext, shm: TeeShm, pages: readonly Pa[]): Co<number> {
    if (pages.length === 0) return -EINVAL;
    if (this.errors.register === 0) this.registered.add(shm);
    return this.errors.register;
  }

  *#unregister(_ctx: TeeContext, shm: TeeShm): Co<number> {
    this.registered.delete(shm);
    return this.errors.unregister;
  }

  *#answer(text: string, result: number): Co<number> {
    this.log.push(text);
    return result;
  }
}

function without(ops: TeeDriverOps, left: readonly OptionalOp[]): TeeDriverOps {
  const kept = { ...ops };
  for (const name of left) delete kept[name];
  return kept;
}

/** Adds 1 to values, doubles sizes; the answer is the command's number, origin 4. */
export function* echo(
  _ctx: TeeContext,
  arg: { func: number; ret: number; retOrigin: number },
  params: readonly TeeParam[],
): Co<number> {
  for (const param of params) {
    param.aLo += 1;
    param.bHi += 1;
    param.cLo += 1;
    param.size *= 2;
  }
  arg.ret = arg.func;
  arg.retOrigin = 4;
  return 0;
}

const openNext: OpenSession = function* (_ctx, arg) {
  arg.session = 7;
  arg.ret = 0;
  arg.retOrigin = 4;
  return 0;
};

/** A parameter as text, for comparing. */
export function describe(param: TeeParam): string {
  const { attr, aLo, aHi, bLo, bHi, cLo, cHi, shm, shmOffs, size, uaddr } = param;
  const words = [aHi, aLo, bHi, bLo, cHi, cLo].map((n) => n.toString(16));
  return `${attr.toString(16)} ${words.join(' ')} shm=${shm?.id} +${shmOffs} ${size} @${uaddr}`;
}
