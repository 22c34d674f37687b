/**
 * Memory for messages (struct optee_shm_arg_cache): pages that are shared with the secure world for
 * good, cut into slots for one message each, so that a call allocates and registers nothing.
 * Upstream counterpart: drivers/tee/optee/call.c, optee_get_msg_arg() and what belongs to it.
 */
import { EINVAL } from '../../../abi/errno.ts';
import { OpteeMsgArg, opteeMsgArgSize } from '../../../abi/optee-msg.ts';
import { PAGE_SIZE } from '../../../machine/address.ts';
import { Mutex } from '../../../sched/mutex.ts';
import type { LockClass } from '../../../sched/mutex.ts';
import type { Co } from '../../../sched/task.ts';
import type { Kernel } from '../../process/kernel.ts';
import type { TeeContext } from '../tee-context.ts';
import { teeShmAllocKernelBuf, teeShmAllocPrivBuf } from '../tee-shm-alloc.ts';
import type { TeeShm } from '../tee-shm.ts';
import type { MessagePlace } from './abi-ops.ts';
import { refuse } from './cause.ts';

export const SHM_ARG_CACHE_MUTEX: LockClass = { name: 'optee_shm_arg_cache.mutex', order: 300 };

/* Source: drivers/tee/optee/call.c, Linux 6.1. */
/** Parameters of a message, the two of OPEN_SESSION for the secure world itself included. */
export const MAX_ARG_PARAM_COUNT = 6;
/** Bytes of one allocation. */
export const SHM_ENTRY_SIZE = PAGE_SIZE;

/** optee_msg_arg_size(): a message, and behind it the RPC's when the secure world wants it there. */
export function msgArgSize(rpcParamCount: number): number {
  const rpc = rpcParamCount === 0 ? 0 : opteeMsgArgSize(rpcParamCount);
  return opteeMsgArgSize(MAX_ARG_PARAM_COUNT) + rpc;
}

/** How pages for messages are had. */
export interface ShmArgOptions {
  /** From `msgArgSize`. */
  readonly argSize: number;
  /** OPTEE_SHM_ARG_ALLOC_PRIV: the secure world need not know the page beforehand. */
  readonly allocPriv: boolean;
  /** OPTEE_SHM_ARG_SHARED: messages may stand anywhere in a page, so that it holds several. */
  readonly shared: boolean;
  /** Whose context a page belongs to that `ctx` is the first to need. */
  readonly owner: (ctx: TeeContext) => TeeContext;
}

/** struct optee_shm_arg_entry */
class ShmArgEntry {
  readonly shm: TeeShm;
  readonly slots: readonly MsgArg[];
  /** A bit for each slot in use. */
  map = 0;
  freed = false;

  /** @param at where `shm` is in the port's view. */
  constructor(shm: TeeShm, at: number, count: number, argSize: number) {
    this.shm = shm;
    this.slots = Array.from({ length: count }, (_, bit) => new MsgArg(this, bit, at, argSize));
  }
}

/** A slot: where a message stands while its call lasts. */
export class MsgArg implements MessagePlace {
  readonly entry: ShmArgEntry;
  readonly shm: TeeShm;
  readonly bit: number;
  readonly offs: number;
  readonly at: number;

  constructor(entry: ShmArgEntry, bit: number, start: number, argSize: number) {
    this.entry = entry;
    this.shm = entry.shm;
    this.bit = bit;
    this.offs = bit * argSize;
    this.at = start + this.offs;
  }
}

export class ShmArgCache {
  /** Guards the entries; held while one is allocated, and so while it is registered. */
  readonly mutex: Mutex;
  readonly #kernel: Kernel;
  readonly #options: ShmArgOptions;
  readonly #slotsPerEntry: number;
  /** The newest first. */
  readonly #entries: ShmArgEntry[] = [];

  constructor(kernel: Kernel, options: ShmArgOptions) {
    this.#kernel = kernel;
    this.#options = options;
    this.mutex = new Mutex(kernel.sched, SHM_ARG_CACHE_MUTEX);
    this.#slotsPerEntry = options.shared ? Math.floor(SHM_ENTRY_SIZE / options.argSize) : 1;
  }

  /** Slots that there are, and those in use. */
  get slots(): { readonly used: number; readonly total: number } {
    const used = this.#entries.flatMap((e) => e.slots).filter((s) => isUsed(s)).length;
    return { used, total: this.#entries.length * this.#slotsPerEntry };
  }

  /** `get` where neither a sleep nor an allocation is needed; undefined: nothing was done. */
  tryGet(numParams: number): MsgArg | undefined {
    if (numParams > MAX_ARG_PARAM_COUNT || !this.mutex.tryLock()) return undefined;
    const msg = this.#takeLocked(numParams);
    this.mutex.unlock();
    return msg;
  }

  /**
   * optee_get_msg_arg(): a zeroed message for `numParams` parameters. Errors: -EINVAL for too many;
   * what allocation and registration of a page say.
   */
  *get(ctx: TeeContext, numParams: number): Co<MsgArg | number> {
    const { trace } = this.#kernel;
    if (numParams > MAX_ARG_PARAM_COUNT) {
      return refuse(trace, EINVAL, 'too many parameters for a message', {
        requested: numParams,
        limit: `MAX_ARG_PARAM_COUNT=${MAX_ARG_PARAM_COUNT}`,
        hint: 'OPEN_SESSION takes 4 parameters, INVOKE 6 (of which OP-TEE OS takes 4)',
      });
    }
    if (!this.mutex.tryLock()) yield* this.mutex.lock();
    let msg: MsgArg | number | undefined = this.#takeLocked(numParams);
    if (msg === undefined) {
      const rc = yield* this.#growLocked(ctx);
      msg = rc === 0 ? this.#takeLocked(numParams)! : rc;
    }
    this.mutex.unlock();
    return msg;
  }

  /** `free` when nobody holds the lock; false: nothing was done. */
  tryFree(msg: MsgArg): boolean {
    if (!this.mutex.tryLock()) return false;
    this.#freeLocked(msg);
    this.mutex.unlock();
    return true;
  }

  /** optee_free_msg_arg() */
  *free(msg: MsgArg): Co<void> {
    if (!this.mutex.tryLock()) yield* this.mutex.lock();
    this.#freeLocked(msg);
    this.mutex.unlock();
  }

  /** optee_shm_arg_cache_uninit(): the driver goes, whether or not calls are under way. */
  *uninit(): Co<void> {
    const { sched } = this.#kernel;
    for (const entry of this.#entries.splice(0)) {
      if (entry.map !== 0) this.#kernel.printk('optee: Freeing non-free entry', 'err');
      entry.freed = true;
      if (entry.shm.ctx.releasing) {
        throw sched.halt(
          'use after free',
          'a page of messages belongs to a context that was released (optee_shm_arg_cache_uninit)',
        );
      }
      yield* entry.shm.put();
    }
  }

  #takeLocked(numParams: number): MsgArg | undefined {
    for (const entry of this.#entries) {
      const bit = lowestClear(entry.map);
      if (bit >= this.#slotsPerEntry) continue;
      entry.map |= 1 << bit;
      return this.#clear(entry.slots[bit]!, numParams);
    }
    return undefined;
  }

  #clear(msg: MsgArg, numParams: number): MsgArg {
    const { u8, view } = this.#kernel.port;
    u8.fill(0, msg.at, msg.at + this.#options.argSize);
    OpteeMsgArg.numParams.set(view, msg.at, numParams);
    return msg;
  }

  *#growLocked(ctx: TeeContext): Co<number> {
    const { allocPriv, argSize, owner } = this.#options;
    const alloc = allocPriv ? teeShmAllocPrivBuf : teeShmAllocKernelBuf;
    const shm = yield* alloc(owner(ctx), SHM_ENTRY_SIZE);
    if (typeof shm === 'number') return shm;
    const at = this.#kernel.port.at(shm.getVa(0)!, SHM_ENTRY_SIZE, 'write');
    this.#entries.unshift(new ShmArgEntry(shm, at, this.#slotsPerEntry, argSize));
    return 0;
  }

  #freeLocked(msg: MsgArg): void {
    if (msg.entry.freed) {
      const text = 'a call ended whose message the driver had freed (optee_free_msg_arg)';
      throw this.#kernel.sched.halt('use after free', text);
    }
    msg.entry.map &= ~(1 << msg.bit);
  }
}

const isUsed = (msg: MsgArg): boolean => (msg.entry.map & (1 << msg.bit)) !== 0;

/** find_first_zero_bit(); 32 when all are set. */
const lowestClear = (map: number): number => {
  const clear = ~map;
  return clear === 0 ? 32 : 31 - Math.clz32(clear & -clear);
};
