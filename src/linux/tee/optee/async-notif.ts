/**
 * Asynchronous notifications: an interrupt of the secure world, whose handler asks for the values
 * that it stands for. One of the values asks for the bottom half: a yielding call, made by the
 * interrupt's thread.
 * Upstream counterpart: drivers/tee/optee/smc_abi.c, section 5. Left out: per-CPU interrupts.
 */
import { ENXIO } from '../../../abi/errno.ts';
import {
  OPTEE_MSG_CMD_DO_BOTTOM_HALF,
  OPTEE_MSG_CMD_STOP_ASYNC_NOTIF,
  OpteeMsgArg,
} from '../../../abi/optee-msg.ts';
import {
  OPTEE_SMC_ASYNC_NOTIF_VALUE_DO_BOTTOM_HALF,
  OPTEE_SMC_ASYNC_NOTIF_VALUE_PENDING,
  OPTEE_SMC_ASYNC_NOTIF_VALUE_VALID,
  OPTEE_SMC_ENABLE_ASYNC_NOTIF,
  OPTEE_SMC_GET_ASYNC_NOTIF_VALUE,
  OPTEE_SMC_RETURN_OK,
} from '../../../abi/optee-smc.ts';
import { endOf } from '../../../sched/task.ts';
import type { Co } from '../../../sched/task.ts';
import { WaitQueue } from '../../../sched/wait.ts';
import { refuse } from './cause.ts';
import { invokeFn } from './smc-invoke.ts';
import type { OpteeSmc } from './smc.ts';

const NAME = 'optee_notification';

export class AsyncNotif {
  readonly #smc: OpteeSmc;
  #line: number | undefined;
  /** The handler asked for the bottom half, and its thread has not begun with it. */
  #wanted = false;
  /** Handlers and the thread, as far as they run. */
  #running = 0;
  #threadRuns = false;
  readonly #idle: WaitQueue;

  constructor(smc: OpteeSmc) {
    this.#smc = smc;
    this.#idle = new WaitQueue(smc.optee.kernel.sched, 'synchronize_irq');
  }

  /** Takes the interrupt and tells the secure world to begin. -ENXIO without an interrupt. */
  *enable(): Co<number> {
    const { conduit, optee } = this.#smc;
    const { machine, trace } = optee.kernel;
    const line = machine.tree.optee?.interrupt;
    if (line === undefined) {
      optee.printk(`platform_get_irq: ret ${-ENXIO}`, 'err');
      return refuse(trace, ENXIO, 'the device tree names no interrupt for notifications', {
        object: '/firmware/optee',
        hint: 'give the node an interrupt, or the secure world no ASYNC_NOTIF capability',
      });
    }
    machine.interrupts.request(line, NAME, () => this.#handler());
    this.#line = line;
    yield* invokeFn(conduit, OPTEE_SMC_ENABLE_ASYNC_NOTIF);
    optee.printk('Asynchronous notifications enabled');
    return 0;
  }

  /** optee_smc_notif_uninit_irq(): the secure world stops, then the interrupt is given back. */
  *disable(): Co<void> {
    if (this.#line === undefined) return;
    yield* this.#simpleCall(OPTEE_MSG_CMD_STOP_ASYNC_NOTIF);
    this.#smc.optee.kernel.machine.interrupts.free(this.#line);
    this.#line = undefined;
    yield* this.#idle.waitUntil(() => this.#running === 0, 'uninterruptible');
  }

  /** notif_irq_handler() */
  *#handler(): Co<void> {
    this.#running += 1;
    for (;;) {
      const regs = yield* invokeFn(this.#smc.conduit, OPTEE_SMC_GET_ASYNC_NOTIF_VALUE);
      const value = regs[1]!;
      const flags = regs[2]!;
      if (regs[0] !== OPTEE_SMC_RETURN_OK) break;
      if ((flags & OPTEE_SMC_ASYNC_NOTIF_VALUE_VALID) === 0) break;
      if (value === OPTEE_SMC_ASYNC_NOTIF_VALUE_DO_BOTTOM_HALF) this.#wanted = true;
      else this.#smc.optee.notif.send(value);
      if ((flags & OPTEE_SMC_ASYNC_NOTIF_VALUE_PENDING) === 0) break;
    }
    if (this.#wanted && !this.#threadRuns) this.#wakeThread();
    this.#leave();
  }

  /** IRQ_WAKE_THREAD: a thread that runs already goes round once more. */
  #wakeThread(): void {
    this.#threadRuns = true;
    this.#running += 1;
    this.#smc.optee.kernel.kthread(`irq/${this.#line}-${NAME}`, this.#thread());
  }

  /** notif_irq_thread_fn() */
  *#thread(): Co<void> {
    while (this.#wanted) {
      this.#wanted = false;
      yield* this.#simpleCall(OPTEE_MSG_CMD_DO_BOTTOM_HALF);
    }
    this.#threadRuns = false;
    this.#leave();
  }

  #leave(): void {
    this.#running -= 1;
    if (this.#running === 0) this.#idle.wakeAll();
  }

  /** simple_call_with_arg(): a message without parameters; what comes of it does not matter. */
  *#simpleCall(cmd: number): Co<void> {
    const { optee } = this.#smc;
    const { argCache, ctx, ops } = optee;
    const msg = argCache.tryGet(0) ?? (yield* argCache.get(ctx, 0));
    if (typeof msg === 'number') return;
    OpteeMsgArg.cmd.set(this.#smc.port.view, msg.at, cmd);
    yield* endOf(ops.doCallWithArg(ctx, msg, false));
    if (!argCache.tryFree(msg)) yield* argCache.free(msg);
  }
}
