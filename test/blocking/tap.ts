/**
 * Somebody who sits on the wall: sees each call on its way into the secure world and out of it, as
 * registers and as a message in RAM, and may change both.
 */
import { OpteeMsgArg, opteeMsgArgSize } from '../../src/abi/optee-msg.ts';
import {
  OPTEE_SMC_CALL_RETURN_FROM_RPC,
  OPTEE_SMC_CALL_WITH_ARG,
  OPTEE_SMC_CALL_WITH_REGD_ARG,
  OPTEE_SMC_CALL_WITH_RPC_ARG,
  OPTEE_SMC_RETURN_IS_RPC,
  OPTEE_SMC_RETURN_RPC_CMD,
} from '../../src/abi/optee-smc.ts';
import type { Box } from '../../src/box/box.ts';
import { pa } from '../../src/machine/address.ts';
import type { Cpu, SecureEntry, SmcRegs } from '../../src/machine/smc.ts';
import type { Co } from '../../src/sched/task.ts';

const TWO_32 = 0x1_0000_0000;

/** A message in RAM. */
export interface TappedMessage {
  readonly view: DataView;
  /** Where it is in `view`. */
  readonly at: number;
  readonly cmd: number;
  readonly numParams: number;
}

/** Through the wall. */
export type Way = 'in' | 'out';

export interface TapHooks {
  /** A call goes in; `message` is undefined when its registers name none. */
  enter?(message: TappedMessage | undefined, regs: SmcRegs): void;
  /** A call asks for an RPC command, whose message is `rpc`. */
  ask?(rpc: TappedMessage, message: TappedMessage): void;
  /** An RPC has been answered. */
  answer?(rpc: TappedMessage, regs: SmcRegs): void;
  /** A call comes out for good. */
  leave?(message: TappedMessage | undefined, regs: SmcRegs): void;
  /** Any SMC, after whatever else is told of it. */
  pass?(way: Way, regs: SmcRegs): void;
}

export class Tap implements SecureEntry {
  readonly #box: Box;
  readonly #hooks: TapHooks;
  /** Messages of calls that are in an RPC, by secure thread. */
  readonly #suspended = new Map<number, TappedMessage>();

  /** Sits down on a box's wall. */
  constructor(box: Box, hooks: TapHooks) {
    this.#box = box;
    this.#hooks = hooks;
    box.machine.conduit.install(this);
  }

  *smc(cpu: Cpu, regs: SmcRegs): Co<void> {
    const message = this.#before(regs);
    this.#hooks.pass?.('in', regs);
    const rest = this.#box.opteeOs.smc(cpu, regs);
    if (rest !== undefined) yield* rest;
    this.#after(message, regs);
    this.#hooks.pass?.('out', regs);
  }

  #before(regs: SmcRegs): TappedMessage | undefined {
    if (regs[0] === OPTEE_SMC_CALL_RETURN_FROM_RPC) {
      const message = this.#suspended.get(regs[3]!);
      if (message !== undefined) this.#hooks.answer?.(this.#behind(message), regs);
      return message;
    }
    const message = this.#locate(regs);
    if (CALLS.has(regs[0]!)) this.#hooks.enter?.(message, regs);
    return message;
  }

  #after(message: TappedMessage | undefined, regs: SmcRegs): void {
    if (!OPTEE_SMC_RETURN_IS_RPC(regs[0]!)) {
      this.#hooks.leave?.(message, regs);
    } else if (message !== undefined) {
      this.#suspended.set(regs[3]!, message);
      if (regs[0] === OPTEE_SMC_RETURN_RPC_CMD) {
        this.#hooks.ask?.(this.#behind(message), message);
      }
    }
  }

  #locate(regs: SmcRegs): TappedMessage | undefined {
    const { normal: port } = this.#box.machine;
    const { shm } = this.#box.opteeOs.guest;
    if (regs[0] === OPTEE_SMC_CALL_WITH_REGD_ARG) {
      const page = shm.find(regs[2]!, regs[1]!);
      if (page === undefined) return undefined;
      const address = page.pages[0]! + page.pageOffset + regs[3]!;
      return this.#at(port.at(pa(address), OpteeMsgArg.byteLength, 'write'));
    }
    if (!CALLS.has(regs[0]!)) return undefined;
    const address = pa(regs[1]! * TWO_32 + regs[2]!);
    return this.#at(port.at(address, OpteeMsgArg.byteLength, 'write'));
  }

  /** The RPC message that lies behind a message. */
  #behind({ at, numParams }: TappedMessage): TappedMessage {
    return this.#at(at + opteeMsgArgSize(numParams));
  }

  #at(at: number): TappedMessage {
    const { view } = this.#box.machine.normal;
    const cmd = OpteeMsgArg.cmd.get(view, at);
    return { view, at, cmd, numParams: OpteeMsgArg.numParams.get(view, at) };
  }
}

const CALLS: ReadonlySet<number> = new Set([
  OPTEE_SMC_CALL_WITH_ARG,
  OPTEE_SMC_CALL_WITH_RPC_ARG,
  OPTEE_SMC_CALL_WITH_REGD_ARG,
]);
