/**
 * Requests to tee-supplicant (struct optee_supp): a queue that SUPPL_RECV takes from, and ids under
 * which SUPPL_SEND brings the answers. A supplicant whose first RECV parameter is META works
 * asynchronously, with as many requests under way as it likes; without it has one at a time.
 * Upstream counterpart: drivers/tee/optee/supp.c.
 */
import { EBADF, EINVAL, ENOENT, ERESTARTSYS } from '../../../abi/errno.ts';
import { TEEC_ERROR_COMMUNICATION, TEEC_ERROR_OUT_OF_MEMORY } from '../../../abi/gp.ts';
import { codeName } from '../../../abi/layout.ts';
import { OPTEE_RPC_CMD } from '../../../abi/optee-rpc.ts';
import {
  TEE_IOCTL_PARAM_ATTR_META,
  TEE_IOCTL_PARAM_ATTR_TYPE_NONE,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
} from '../../../abi/tee.ts';
import { Mutex } from '../../../sched/mutex.ts';
import type { LockClass } from '../../../sched/mutex.ts';
import type { Scheduler } from '../../../sched/scheduler.ts';
import type { Co, MaybeCo } from '../../../sched/task.ts';
import { Completion } from '../../../sched/wait.ts';
import { Idr } from '../../lib/idr.ts';
import type { TeeContext } from '../tee-context.ts';
import type { SuppReceived, TeeParam } from '../tee-drv.ts';
import { answer, refuse } from './cause.ts';
import { SuppList } from './supp-list.ts';
import { copyParam, isMemref, updateParam } from './supp-param.ts';
import { SuppRequest } from './supp-req.ts';
import type { OpteeSwitches } from './switches.ts';

export const SUPP_MUTEX: LockClass = { name: 'optee_supp.mutex', order: 500 };

/** `req_id` when the supplicant works asynchronously, or has no request. */
const NO_REQUEST = -1;
/** Request ids start here. */
const FIRST_ID = 1;
/** INVALID_REQ_PTR: keeps the id of a request whose owner was killed, until it is answered. */
const INVALID_REQ = 'revoked';

const META_VALUE = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT | TEE_IOCTL_PARAM_ATTR_META;

/** An outstanding request, for reports. */
export interface Outstanding {
  readonly id: number;
  readonly func: number | undefined;
  readonly state: 'queued' | 'received' | 'revoked';
}

export class Supp {
  /** Guards everything below. */
  readonly mutex: Mutex;
  /** The supplicant's context; undefined when none is connected. */
  ctx: TeeContext | undefined;
  readonly #sched: Scheduler;
  readonly #switches: OpteeSwitches;
  /** The request that a synchronous supplicant works on. */
  #reqId = NO_REQUEST;
  /** Queued, not yet received. */
  readonly #reqs: SuppList;
  readonly #idr = new Idr<SuppRequest | typeof INVALID_REQ>();
  /** Posted for each new request. */
  readonly #reqsC: Completion;

  constructor(sched: Scheduler, switches: OpteeSwitches) {
    this.#sched = sched;
    this.#switches = switches;
    this.mutex = new Mutex(sched, SUPP_MUTEX);
    this.#reqs = new SuppList(sched);
    this.#reqsC = new Completion(sched, 'optee_supp_recv');
  }

  get outstanding(): readonly Outstanding[] {
    return [...this.#idr].map(([id, req]) =>
      req === INVALID_REQ
        ? { id, func: undefined, state: INVALID_REQ }
        : { id, func: req.func, state: req.inQueue ? 'queued' : 'received' },
    );
  }

  /** Takes the one place of a supplicant; false when there is one already. */
  *connect(ctx: TeeContext): Co<boolean> {
    if (!this.mutex.tryLock()) yield* this.mutex.lock();
    const free = this.ctx === undefined;
    if (free) this.ctx = ctx;
    this.mutex.unlock();
    return free;
  }

  /** optee_supp_release(): the supplicant is gone, whatever was asked of it fails. */
  *release(ctx: TeeContext): Co<void> {
    if (!this.mutex.tryLock()) yield* this.mutex.lock();
    // Another one may have connected since, when the place was given up at the file's close.
    if (this.ctx === ctx) this.#abortLocked();
    this.mutex.unlock();
    if (this.#sched.searching) yield* this.#sched.point();
  }

  /**
   * optee_supp_thrd_req(): asks the supplicant and sleeps, killably, for its answer, which is
   * stored into `params`. Waits for a supplicant to come unless `ctx` is a kernel client's.
   * @returns a TEEC_Result: the supplicant's, or COMMUNICATION when there is none or the caller is
   * killed.
   */
  *thrdReq(ctx: TeeContext, func: number, params: readonly TeeParam[]): Co<number> {
    if (this.ctx === undefined && ctx.suppNowait) return this.#absent(func);
    const req = new SuppRequest(this.#sched, func, params);
    if (!this.mutex.tryLock()) yield* this.mutex.lock();
    req.id = this.#idr.alloc(req, FIRST_ID);
    if (req.id < 0) {
      this.mutex.unlock();
      return TEEC_ERROR_OUT_OF_MEMORY;
    }
    this.#reqs.addTail(req);
    this.mutex.unlock();
    const { trace } = this.#sched;
    if (trace.worlds) trace.emit('linux', 'supp.request', { request: req.id, func });
    if (this.#sched.searching) yield* this.#sched.point();
    this.#reqsC.complete();
    const killed = (yield* req.c.wait('killable')) === 'signal';
    const ret = killed ? yield* this.#revoke(req) : req.ret;
    req.free();
    return ret;
  }

  /**
   * optee_supp_recv(): the next request, into `params`, whose length is the room that there is.
   * Sleeps interruptibly for one. Errors: -EINVAL for parameters that are neither empty nor META, a
   * second request of a synchronous supplicant, too little room (the request stays queued);
   * -ERESTARTSYS.
   */
  *recv(params: TeeParam[]): Co<SuppReceived> {
    for (const p of params) if (p.shm !== null && isMemref(p)) yield* p.shm.put();
    const error = this.#checkRecvParams(params);
    if (error !== 0) return failed(error);
    // At most the first one: it holds the request's id.
    const numMeta = params[0]!.attr === TEE_IOCTL_PARAM_ATTR_META ? 1 : 0;
    for (;;) {
      if (!this.mutex.tryLock()) yield* this.mutex.lock();
      const req = this.#popEntryLocked(params.length - numMeta);
      if (req !== undefined) {
        const received =
          typeof req === 'number' ? failed(req) : this.#giveLocked(req, params, numMeta);
        this.mutex.unlock();
        return received;
      }
      this.mutex.unlock();
      if ((yield* this.#reqsC.wait('interruptible')) === 'signal') return failed(-ERESTARTSYS);
    }
  }

  /**
   * optee_supp_send(): the answer to a request. Errors: -EINVAL without parameters, without the META
   * value in asynchronous work, or with another number of parameters than the request has (which
   * stays); -ENOENT for an unknown id; -EBADF when whoever asked was killed (the id is free then).
   */
  send(ret: number, params: readonly TeeParam[]): MaybeCo<number> {
    return this.mutex.tryLock() ? this.#sendLocked(ret, params) : this.#sendLater(ret, params);
  }

  *#sendLater(ret: number, params: readonly TeeParam[]): Co<number> {
    yield* this.mutex.lock();
    const rc = this.#sendLocked(ret, params);
    if (rc === 0 && this.#sched.searching) yield* this.#sched.point();
    return rc;
  }

  /** Unlocks. */
  #sendLocked(ret: number, params: readonly TeeParam[]): number {
    const synchronous = this.#reqId !== NO_REQUEST;
    const req = this.#popReqLocked(params, synchronous);
    if (typeof req === 'number') {
      this.mutex.unlock();
      return req;
    }
    const numMeta = synchronous ? 0 : 1;
    for (let n = 0; n < req.params.length; n++) updateParam(req.params[n]!, params[n + numMeta]!);
    req.ret = ret;
    req.processed = true;
    const { trace } = this.#sched;
    if (trace.worlds) trace.emit('linux', 'supp.send', { request: req.id, ret });
    req.c.complete();
    this.mutex.unlock();
    return 0;
  }

  #abortLocked(): void {
    for (const [id, req] of this.#idr) {
      this.#idr.remove(id);
      if (req === INVALID_REQ) continue;
      req.ret = this.#lost(req);
      if (req.inQueue) this.#reqs.remove(req);
      req.processed = true;
      req.c.complete();
    }
    this.ctx = undefined;
    this.#reqId = NO_REQUEST;
  }

  /** What a request comes to whose supplicant has closed its device, or died. */
  #lost({ id, func, inQueue }: SuppRequest): number {
    const done = inQueue ? 'received' : 'answered';
    const text = `tee-supplicant closed its device, or died, before it had ${done} ${rpcName(func)}`;
    return answer(this.#sched.trace, TEEC_ERROR_COMMUNICATION, text, {
      object: `request ${id}`,
      hint: 'what is asked from now on waits for the next tee-supplicant',
    });
  }

  /** Whoever asked was killed while it waited. */
  *#revoke(req: SuppRequest): Co<number> {
    if (!this.mutex.tryLock()) yield* this.mutex.lock();
    let ret = TEEC_ERROR_COMMUNICATION;
    if (req.inQueue) {
      this.#idr.remove(req.id);
      this.#reqs.remove(req);
    } else if (req.processed) {
      ret = req.ret;
    } else {
      this.#idr.replace(req.id, INVALID_REQ);
    }
    this.mutex.unlock();
    return ret;
  }

  /** supp_check_recv_params(), but for the references of memrefs. */
  #checkRecvParams(params: readonly TeeParam[]): number {
    const { trace } = this.#sched;
    if (params.length === 0) return refuse(trace, EINVAL, 'no room for parameters at all');
    for (const { attr } of params) {
      if (attr === TEE_IOCTL_PARAM_ATTR_TYPE_NONE || attr === TEE_IOCTL_PARAM_ATTR_META) continue;
      const text = `parameters of SUPPL_RECV are NONE or META, not 0x${attr.toString(16)}`;
      return refuse(trace, EINVAL, text);
    }
    return 0;
  }

  /** supp_pop_entry(): undefined when nothing is queued, or a negative errno. */
  #popEntryLocked(room: number): SuppRequest | number | undefined {
    const { trace } = this.#sched;
    if (this.#reqId !== NO_REQUEST) {
      const text = 'a synchronous supplicant has a request that it has not answered';
      return refuse(trace, EINVAL, text, { object: `request ${this.#reqId}` });
    }
    const req = this.#reqs.first();
    if (req === undefined) return undefined;
    if (room < req.params.length) {
      return refuse(trace, EINVAL, 'too little room for the parameters of the next request', {
        object: `request ${req.id}`,
        requested: req.params.length,
        available: room,
      });
    }
    this.#reqs.remove(req);
    return req;
  }

  #giveLocked(req: SuppRequest, params: TeeParam[], numMeta: number): SuppReceived {
    if (numMeta === 1) {
      const meta = params[0]!;
      meta.clear();
      meta.attr = META_VALUE;
      meta.aLo = req.id;
    } else {
      this.#reqId = req.id;
    }
    for (let n = 0; n < req.params.length; n++) copyParam(params[n + numMeta]!, req.params[n]!);
    const { trace } = this.#sched;
    const { id, func } = req;
    if (trace.worlds) trace.emit('linux', 'supp.receive', { request: id, func });
    return { error: 0, func, count: req.params.length + numMeta };
  }

  /** supp_pop_req(): the request that is answered, or a negative errno. */
  #popReqLocked(params: readonly TeeParam[], synchronous: boolean): SuppRequest | number {
    const { trace } = this.#sched;
    const [first] = params;
    if (first === undefined) return refuse(trace, EINVAL, 'no parameters at all');
    if (!synchronous && first.attr !== META_VALUE) {
      return refuse(trace, EINVAL, 'the first parameter must be the META value of SUPPL_RECV');
    }
    // An id is an int: the upper half of the value does not count.
    const id = synchronous ? this.#reqId : first.aLo | 0;
    const req = this.#idr.get(id);
    if (req === undefined || this.#hidden(req)) {
      return refuse(trace, ENOENT, `there is no request ${id}`);
    }
    if (req !== INVALID_REQ && params.length - (synchronous ? 0 : 1) !== req.params.length) {
      return refuse(trace, EINVAL, `request ${id} has another number of parameters`, {
        requested: params.length,
        available: req.params.length,
      });
    }
    this.#idr.remove(id);
    this.#reqId = NO_REQUEST;
    if (req !== INVALID_REQ) return req;
    return refuse(trace, EBADF, `whoever made request ${id} has been killed`);
  }

  /** A request that no supplicant has seen has no id yet, as far as supplicants are concerned. */
  #hidden(req: SuppRequest | typeof INVALID_REQ): boolean {
    return !this.#switches.quirkSendQueuedRequest && req !== INVALID_REQ && req.inQueue;
  }

  #absent(func: number): number {
    const text = `no tee-supplicant serves ${rpcName(func)}, and a kernel client does not wait for one`;
    return answer(this.#sched.trace, TEEC_ERROR_COMMUNICATION, text, {
      object: '/dev/teepriv0',
      hint: 'start tee-supplicant before the client',
    });
  }
}

const rpcName = (func: number): string => codeName(OPTEE_RPC_CMD, func);

function failed(error: number): SuppReceived {
  return { error, func: 0, count: 0 };
}
