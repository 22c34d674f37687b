/**
 * Secure threads: CFG_NUM_THREADS slots, each of which can hold one yielding call. A thread is not a
 * task: whoever brings its SMC runs it, on whatever CPU, until it leaves.
 *
 * A thread's coroutine leaves the secure world by yielding PARK, which is unambiguous because secure
 * code never parks in the scheduler; what the normal world gets to see stands in `out`.
 *
 * Upstream counterparts: optee_os core/kernel/thread.c, core/arch/arm/kernel/thread.c and
 * thread_optee_smc_a64.S. Left out: stacks and canaries, VFP state.
 */
import {
  OPTEE_SMC_RETURN_ERESUME,
  OPTEE_SMC_RETURN_ETHREAD_LIMIT,
  OPTEE_SMC_RETURN_RPC_FOREIGN_INTR,
  OPTEE_SMC_RETURN_GET_RPC_FUNC,
} from '../../abi/optee-smc.ts';
import type { Cpu, SmcRegs } from '../../machine/smc.ts';
import { PARK } from '../../sched/task.ts';
import type { Co } from '../../sched/task.ts';
import type { Mobj } from '../mm/mobj.ts';
import { SharedWindow } from '../mm/shared-window.ts';
import type { Nexus } from '../nexus.ts';
import { MsgParams } from '../tee/msg-params.ts';
import type { RpcShmCacheEntry, ShmCacheUser } from './rpc-shm-cache.ts';
import type { TeeTaSession } from './session.ts';
import type { LogSite } from './trace.ts';

/** THREAD_STATE_*. */
export type ThreadState = 'free' | 'suspended' | 'active';

/** Why a thread is about to leave; `none` while it runs. */
type Leaving = 'none' | 'rpc' | 'foreign-intr';

export class ThreadCtx implements LogSite {
  readonly threadId: number;
  /** Foreign interrupts are not masked in a thread, so its core is not fixed. */
  readonly coreId = -1;
  state: ThreadState = 'free';
  co: Co<number> | undefined;
  /** Where it runs, or ran last. */
  cpu: Cpu;
  leaving: Leaving = 'none';
  /** a0 to a2 of an RPC. */
  readonly out = new Uint32Array(3);
  /** a1, a2, a4, a5 of the return from it. */
  readonly back = new Uint32Array(4);

  /** Sessions entered, innermost last (thread_specific_data.sess_stack). */
  readonly sessions: TeeTaSession[] = [];
  syscallRecursion = 0;

  /** The message of this call, and what it holds a reference to for that. */
  readonly arg: SharedWindow;
  argMobj: Mobj | undefined;
  numParams = 0;
  readonly params = new MsgParams();
  /** Where the origin of an invocation from the normal world is put. */
  readonly invokeOut = { origin: 0 };
  /** The RPC message, supplied with the call or allocated. */
  readonly rpcArg: SharedWindow;
  rpcMobj: Mobj | undefined;
  rpcArgSupplied = false;
  readonly shmCache = new Map<ShmCacheUser, RpcShmCacheEntry>();

  readonly #nexus: Nexus;

  constructor(nexus: Nexus, threadId: number, cpu: Cpu) {
    this.#nexus = nexus;
    this.threadId = threadId;
    this.cpu = cpu;
    this.arg = new SharedWindow(nexus.port);
    this.rpcArg = new SharedWindow(nexus.port);
  }

  /** Whether `preempt` would do something: a choice of a policy, or an interrupt to let through. */
  get preemptible(): boolean {
    return this.cpu.foreignPending || this.#nexus.sched.searching;
  }

  /** A point at which foreign interrupts are taken. */
  *preempt(): Co<void> {
    if (this.#nexus.sched.searching) yield* this.#nexus.sched.point();
    if (!this.cpu.foreignPending) return;
    this.leaving = 'foreign-intr';
    yield PARK;
  }

  /** thread_rpc(), before the PARK that the caller yields: what comes back stands in `back`. */
  leaveForRpc(a0: number, a1: number, a2: number): void {
    this.out[0] = a0;
    this.out[1] = a1;
    this.out[2] = a2;
    this.leaving = 'rpc';
  }

  /** The session that entered the current one; undefined for a call from the normal world. */
  get callingSession(): TeeTaSession | undefined {
    return this.sessions.at(-2);
  }
}

/** The slots. */
export class Threads {
  readonly #nexus: Nexus;
  readonly slots: readonly ThreadCtx[];
  #used = 0;

  /** @param boot the CPU that slots refer to until they are used */
  constructor(nexus: Nexus, boot: Cpu) {
    this.#nexus = nexus;
    const count = nexus.config.CFG_NUM_THREADS;
    this.slots = Array.from({ length: count }, (_, id) => new ThreadCtx(nexus, id, boot));
  }

  get used(): number {
    return this.#used;
  }

  /** thread_alloc_and_run(): the first free slot; else `regs` says ETHREAD_LIMIT. */
  alloc(cpu: Cpu, regs: SmcRegs): ThreadCtx | undefined {
    for (let id = 0; id < this.slots.length; id++) {
      const thread = this.slots[id]!;
      if (thread.state !== 'free') continue;
      thread.state = 'active';
      thread.cpu = cpu;
      this.#account(1);
      if (this.#nexus.trace.worlds) {
        this.#nexus.trace.emit('secure', 'thread.alloc', { thread: thread.threadId });
      }
      return thread;
    }
    return this.#exhausted(regs);
  }

  /** thread_resume_from_rpc(): a3 names the thread; else `regs` says ERESUME. */
  resume(cpu: Cpu, regs: SmcRegs): ThreadCtx | undefined {
    const thread = this.slots[regs[3]!];
    if (thread?.state !== 'suspended') return this.#notSuspended(regs);
    thread.state = 'active';
    thread.cpu = cpu;
    // What returns from a foreign interrupt brings nothing from the normal world.
    if (thread.leaving === 'rpc') {
      thread.back[0] = regs[1]!;
      thread.back[1] = regs[2]!;
      thread.back[2] = regs[4]!;
      thread.back[3] = regs[5]!;
    }
    thread.leaving = 'none';
    if (this.#nexus.trace.worlds) {
      this.#nexus.trace.emit('secure', 'thread.resume', { thread: thread.threadId });
    }
    return thread;
  }

  /** thread_state_suspend(), and what the exit path puts into the registers. */
  suspend(thread: ThreadCtx, regs: SmcRegs): void {
    if (thread.leaving === 'none') {
      throw new Error(`secure thread ${thread.threadId} sleeps in the normal world's scheduler`);
    }
    thread.state = 'suspended';
    const rpc = thread.leaving === 'rpc';
    regs[0] = rpc ? thread.out[0]! : OPTEE_SMC_RETURN_RPC_FOREIGN_INTR;
    regs[1] = rpc ? thread.out[1]! : 0;
    regs[2] = rpc ? thread.out[2]! : 0;
    regs[3] = thread.threadId;
    if (this.#nexus.trace.worlds) {
      const args = { thread: thread.threadId, rpc: OPTEE_SMC_RETURN_GET_RPC_FUNC(regs[0]!) };
      this.#nexus.trace.emit('secure', 'thread.suspend', args);
    }
  }

  /** thread_state_free(), and the registers of a finished call. */
  exit(thread: ThreadCtx, regs: SmcRegs, status: number): void {
    thread.state = 'free';
    this.#account(-1);
    answer(regs, status);
    if (this.#nexus.trace.worlds) {
      this.#nexus.trace.emit('secure', 'thread.free', { thread: thread.threadId });
    }
  }

  #exhausted(regs: SmcRegs): undefined {
    const limit = this.slots.length;
    this.#nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'OPTEE_SMC_RETURN_ETHREAD_LIMIT',
      text: 'every secure thread is in a call; the caller is to try again when one has returned',
      object: 'threads',
      requested: 1,
      available: 0,
      limit: `CFG_NUM_THREADS=${limit}`,
      hint: 'raise CFG_NUM_THREADS, or make fewer calls at a time',
    });
    answer(regs, OPTEE_SMC_RETURN_ETHREAD_LIMIT);
  }

  #notSuspended(regs: SmcRegs): undefined {
    const id = regs[3]!;
    const state = this.slots[id]?.state;
    this.#nexus.trace.cause('secure', {
      layer: 'optee-os',
      code: 'OPTEE_SMC_RETURN_ERESUME',
      text: state === undefined ? `there is no thread ${id}` : `thread ${id} is ${state}`,
      object: 'threads',
      requested: id,
      limit: `CFG_NUM_THREADS=${this.slots.length}`,
    });
    answer(regs, OPTEE_SMC_RETURN_ERESUME);
  }

  #account(delta: number): void {
    this.#used += delta;
    if (!this.#nexus.trace.pools) return;
    const { length } = this.slots;
    const args = { name: 'secure threads', used: this.#used, limit: length, unit: 'threads' };
    this.#nexus.trace.pool('secure', args);
  }
}

function answer(regs: SmcRegs, status: number): void {
  regs[0] = status;
  regs[1] = 0;
  regs[2] = 0;
  regs[3] = 0;
}
