/**
 * The OP-TEE secure world: what CPUs run when an SMC brings them here.
 *
 * Upstream counterparts: optee_os core/arch/arm/kernel/thread_optee_smc.c (thread_handle_fast_smc(),
 * thread_handle_std_smc()) and, of the monitor in front of it, what decides between the two by the
 * function id.
 */
import {
  ARM_SMCCC_IS_FAST_CALL,
  ARM_SMCCC_OWNER_NUM,
  ARM_SMCCC_OWNER_TRUSTED_OS,
  OPTEE_SMC_CALL_RETURN_FROM_RPC,
  OPTEE_SMC_RETURN_UNKNOWN_FUNCTION,
} from '../abi/optee-smc.ts';
import { BusFault } from '../machine/bus.ts';
import type { Cpu, SecureEntry, SmcRegs } from '../machine/smc.ts';
import { PARK } from '../sched/task.ts';
import type { Co, MaybeCo, Wait } from '../sched/task.ts';
import { Guest } from './guest.ts';
import type { ThreadCtx } from './kernel/thread.ts';
import { StdEntry } from './kernel/thread-optee-smc.ts';
import { BOOT_SITE } from './kernel/trace.ts';
import { Nexus } from './nexus.ts';
import type { OpteeOsOptions } from './nexus.ts';
import { UPSTREAM_SWITCHES } from './switches.ts';
import { fastCall } from './tee/entry-fast.ts';

/** What is in use; everything but the heap is zero when all clients have gone. */
export interface OpteeOsUsage {
  readonly threads: number;
  /** Of the normal world. */
  readonly sessions: number;
  readonly contexts: number;
  readonly registeredShm: number;
  readonly mappedShmPages: number;
  readonly taRamBytes: number;
  readonly heapBytes: number;
}

export class OpteeOs implements SecureEntry {
  readonly nexus: Nexus;
  readonly guest: Guest;
  readonly #std: StdEntry;

  constructor(options: OpteeOsOptions) {
    this.nexus = new Nexus(options, options.switches ?? UPSTREAM_SWITCHES);
    this.guest = new Guest(this.nexus);
    this.#std = new StdEntry(this.guest);
    const { config, log } = this.nexus;
    const version = `${config.CFG_OPTEE_REVISION_MAJOR}.${config.CFG_OPTEE_REVISION_MINOR}.0`;
    log.imsg(BOOT_SITE, 'init_primary', `OP-TEE version: ${version} (teebox)`);
    log.imsg(BOOT_SITE, 'init_primary', 'Primary CPU initializing');
    log.imsg(BOOT_SITE, 'init_primary', 'Primary CPU switching to normal world boot');
  }

  /** One SMC. Its coroutine yields preemption points and host waits of the thread that it runs. */
  smc(cpu: Cpu, regs: SmcRegs): Co<void> | undefined {
    const id = regs[0]!;
    if (ARM_SMCCC_IS_FAST_CALL(id) || ARM_SMCCC_OWNER_NUM(id) < ARM_SMCCC_OWNER_TRUSTED_OS) {
      this.#fast(cpu, regs);
      return undefined;
    }
    const thread = this.#enter(cpu, regs);
    if (thread === undefined) return undefined;
    const wait = this.#run(thread, regs);
    return wait === undefined ? undefined : this.#goOn(thread, regs, wait);
  }

  *#goOn(thread: ThreadCtx, regs: SmcRegs, first: Wait): Co<void> {
    for (let wait: Wait | undefined = first; wait !== undefined; wait = this.#run(thread, regs)) {
      yield wait;
    }
  }

  /** For leak checks and reports. */
  usage(): OpteeOsUsage {
    const { guest, nexus } = this;
    return {
      threads: guest.threads.used,
      sessions: guest.openSessions.size,
      contexts: [...guest.manager.contexts].length,
      registeredShm: guest.shm.count,
      mappedShmPages: nexus.mmu.mappedShmPages,
      taRamBytes: nexus.taRam.allocated,
      heapBytes: guest.heap.allocated,
    };
  }

  /** The monitor passes on what is the trusted OS's; nobody else is there. */
  #fast(cpu: Cpu, regs: SmcRegs): void {
    if (ARM_SMCCC_OWNER_NUM(regs[0]!) < ARM_SMCCC_OWNER_TRUSTED_OS) {
      regs[0] = OPTEE_SMC_RETURN_UNKNOWN_FUNCTION;
    } else {
      fastCall(this.guest, cpu, regs);
    }
  }

  /** The thread to run; undefined when there is none, or the call has ended already. */
  #enter(cpu: Cpu, regs: SmcRegs): ThreadCtx | undefined {
    const { threads } = this.guest;
    if (regs[0] === OPTEE_SMC_CALL_RETURN_FROM_RPC) return threads.resume(cpu, regs);
    const thread = threads.alloc(cpu, regs);
    if (thread === undefined) return undefined;
    const call = this.#start(thread, regs);
    if (typeof call !== 'number') thread.co = call;
    else if (this.#finish(thread, regs, call)) return undefined;
    return thread;
  }

  /** Runs a thread until it has left, or something in the box has to be waited for. */
  #run(thread: ThreadCtx, regs: SmcRegs): Wait | undefined {
    for (;;) {
      const step = this.#step(thread);
      if (step.done === true) {
        if (this.#finish(thread, regs, step.value)) return undefined;
      } else if (step.value === PARK) {
        this.guest.threads.suspend(thread, regs);
        return undefined;
      } else {
        return step.value;
      }
    }
  }

  /** A thread's call has ended: false when the normal world has to be asked for something yet. */
  #finish(thread: ThreadCtx, regs: SmcRegs, status: number): boolean {
    thread.co = this.#std.finish(thread, status);
    if (thread.co !== undefined) return false;
    this.guest.threads.exit(thread, regs, status);
    return true;
  }

  #start(thread: ThreadCtx, regs: SmcRegs): MaybeCo<number> {
    try {
      return this.#std.start(thread, regs);
    } catch (error) {
      throw this.#abort(thread, error);
    }
  }

  #step(thread: ThreadCtx): IteratorResult<Wait, number> {
    try {
      return thread.co!.next();
    } catch (error) {
      throw this.#abort(thread, error);
    }
  }

  /** An access of the core that the firewall refuses is a data abort: the core panics. */
  #abort(thread: ThreadCtx, error: unknown): unknown {
    if (!(error instanceof BusFault)) return error;
    return this.nexus.panic(thread, 'abort_handler', error.message);
  }
}
