/**
 * What every chapter of the library stands on: the syscall door, the way out of the secure world,
 * and the ways a TA ends.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_panic.c. Left out: the check of pointers by
 * annotation (CFG_TA_STRICT_ANNOTATION_CHECKS), for which types stand here.
 */
import { TEE_ERROR_ACCESS_DENIED, TEE_SUCCESS, formatResult } from '../../abi/gp.ts';
import type { Co } from '../../sched/task.ts';
import type { TaEnvironment, TaHead, TaSyscalls } from '../runtime.ts';
import { authorityOf } from './clauses.ts';
import type { EntryParams } from './entry-params.ts';
import type { Heap } from './heap.ts';
import type { MaybePromise, TEE_Memref } from './types.ts';

/** What the library needs of the runtime that runs its TA. */
export interface TeeRuntime {
  readonly head: TaHead;
  readonly environment: TaEnvironment;
  readonly heap: Heap;
  /** The heap of TEE_MALLOC_NO_SHARE; undefined when the TA has none. */
  readonly noShareHeap: Heap | undefined;
  /** The parameters of the entry point that runs. */
  readonly entry: EntryParams;
  /** The TA's own module, as stack traces name it. */
  readonly file: string;
  /** True once nothing of the TA may run any more. */
  readonly gone: boolean;
  /** Runs what may leave the secure world. */
  call<T>(co: Co<T>): MaybePromise<T>;
  /** The TA has panicked: whatever it catches, it ends. */
  panicked(error: unknown): void;
}

/** What a TA meets that goes on running after its end: a promise of its own came late. */
export class TaGone extends Error {
  constructor(uuid: string) {
    super(`TA ${uuid} is gone: nothing of it can call the TEE any more`);
    this.name = 'TaGone';
  }
}

const NOTHING = new Uint8Array(0);

export class TeeCore {
  protected readonly runtime: TeeRuntime;

  constructor(runtime: TeeRuntime) {
    this.runtime = runtime;
  }

  /** Ends the TA: its callers get TEE_ERROR_TARGET_DEAD. */
  TEE_Panic(panicCode: number): never {
    try {
      return this.syscalls.panic(panicCode >>> 0);
    } catch (error) {
      this.runtime.panicked(error);
      throw error;
    }
  }

  protected get syscalls(): TaSyscalls {
    if (this.runtime.gone) throw new TaGone(this.runtime.head.uuid);
    return this.runtime.environment.syscalls;
  }

  protected get heap(): Heap {
    if (this.runtime.gone) throw new TaGone(this.runtime.head.uuid);
    return this.runtime.heap;
  }

  /** A panic that the specification demands, with its reason beside it. */
  protected panic(code: number, api: string, why: string): never {
    this.runtime.environment.sched.trace.cause('ta', {
      layer: 'ta/gp',
      code: formatResult(code),
      text: `${api}: ${why}`,
      object: this.runtime.head.uuid,
      hint: `${authorityOf(api)} makes this a panic of the TA`,
    });
    return this.TEE_Panic(code);
  }

  /** Returns a result that `api` may have, else panics with it. */
  protected allow(api: string, result: number, allowed: readonly number[] = []): number {
    if (result === TEE_SUCCESS || allowed.includes(result)) return result;
    return this.panic(result, api, `the core answered ${formatResult(result)}`);
  }

  /** The room of an output buffer. A size beyond the buffer is memory that is not there. */
  protected room(api: string, target: TEE_Memref): Uint8Array {
    const buffer = target.buffer ?? NOTHING;
    if (target.size > buffer.length) {
      this.panic(TEE_ERROR_ACCESS_DENIED, api, `size ${target.size} in ${buffer.length} bytes`);
    }
    return target.size === buffer.length ? buffer : buffer.subarray(0, target.size);
  }
}
