/**
 * For tests: a secure world that a test scripts. It answers the fast calls as configured, keeps
 * threads, registers memory by page list and cookie, and hands each message to `handle`, which is a
 * generator: what it yields are the registers of an RPC, what it gets back those of the resumption.
 */
import * as msg from '../../../../abi/optee-msg.ts';
import * as smc from '../../../../abi/optee-smc.ts';
import { pa } from '../../../../machine/address.ts';
import type { Pa } from '../../../../machine/address.ts';
import type { BusPort } from '../../../../machine/bus.ts';
import type { Machine } from '../../../../machine/machine.ts';
import type { Cpu, SecureEntry, SmcRegs } from '../../../../machine/smc.ts';
import type { Co } from '../../../../sched/task.ts';
import { FakeMessage } from './fake-message.ts';
import type { RawParam } from './fake-message.ts';

/** A secure thread: yields a0 to a2 of an RPC, and goes on with the registers it is resumed with. */
export type SecureCo<T = void> = Generator<readonly number[], T, SmcRegs>;

export interface SharedMemory {
  readonly pages: readonly Pa[];
  readonly offset: number;
  readonly size: number;
}

interface SecureThread {
  readonly co: SecureCo;
  /** Where RPC messages go: behind the call's message, or in memory had by RPC. */
  rpc: FakeMessage | undefined;
  rpcCookie: readonly [hi: number, lo: number];
}

/** Registers that a fast call answers with, by its function id. */
export type FastCalls = Map<number, readonly number[]>;

const DYNAMIC = smc.OPTEE_SMC_SEC_CAP_DYNAMIC_SHM | smc.OPTEE_SMC_SEC_CAP_MEMREF_NULL;

export class FakeOptee implements SecureEntry {
  readonly port: BusPort;
  /** 0xb2000009 and the like, in the order of the calls. */
  readonly calls: number[] = [];
  /** Commands of messages, as numbers. */
  readonly commands: number[] = [];
  readonly fast: FastCalls = new Map();
  readonly shared = new Map<bigint, SharedMemory>();
  readonly sessions = new Set<number>();
  /** Notification values that an interrupt stands for. */
  readonly pendingValues: number[] = [];
  /** Cookies that DISABLE_SHM_CACHE gives back. */
  readonly cached: (readonly [hi: number, lo: number])[] = [];
  cacheEnabled = false;
  threads = 2;
  /** What becomes of a message; by default each command succeeds. */
  handle: (message: FakeMessage) => SecureCo = (message) => this.succeed(message);
  /** a0 of a yielding call that is refused outright; 0 for none. */
  refuseWith = 0;
  readonly #running = new Map<number, SecureThread>();
  #current: SecureThread | undefined;
  #nextSession = 1;

  constructor(machine: Machine, secCaps = DYNAMIC | smc.OPTEE_SMC_SEC_CAP_RPC_ARG) {
    this.port = machine.secure;
    this.fast.set(smc.OPTEE_SMC_CALLS_UID, [
      msg.OPTEE_MSG_UID_0,
      msg.OPTEE_MSG_UID_1,
      msg.OPTEE_MSG_UID_2,
      msg.OPTEE_MSG_UID_3,
    ]);
    this.fast.set(smc.OPTEE_SMC_CALLS_REVISION, [2, 0]);
    this.fast.set(smc.OPTEE_SMC_CALL_GET_OS_REVISION, [4, 10, 0x1a2b3c4d]);
    this.offer(secCaps);
  }

  /** What EXCHANGE_CAPABILITIES answers. */
  offer(secCaps: number, maxNotifValue = 66, rpcParamCount = 4): void {
    const { OPTEE_SMC_RETURN_OK, OPTEE_SMC_EXCHANGE_CAPABILITIES } = smc;
    const regs = [OPTEE_SMC_RETURN_OK, secCaps, maxNotifValue, rpcParamCount];
    this.fast.set(OPTEE_SMC_EXCHANGE_CAPABILITIES, regs);
  }

  /** Threads that have not come to an end. */
  get busy(): number {
    return this.#running.size;
  }

  *smc(_cpu: Cpu, regs: SmcRegs): Co<void> {
    const a0 = regs[0]!;
    this.calls.push(a0);
    const fast = this.fast.get(a0);
    if (fast !== undefined) put(regs, fast);
    else if (a0 === smc.OPTEE_SMC_CALL_RETURN_FROM_RPC) this.#resume(regs[3]!, regs);
    else if (smc.ARM_SMCCC_IS_FAST_CALL(a0)) put(regs, this.#fastCall(a0));
    else this.#begin(regs);
  }

  /** The default for each command. */
  *succeed(message: FakeMessage): SecureCo {
    if (message.cmd === msg.OPTEE_MSG_CMD_OPEN_SESSION) {
      this.sessions.add((message.session = this.#nextSession++));
    }
    if (message.cmd === msg.OPTEE_MSG_CMD_CLOSE_SESSION) this.sessions.delete(message.session);
    if (message.cmd === msg.OPTEE_MSG_CMD_REGISTER_SHM) this.#register(message);
    if (message.cmd === msg.OPTEE_MSG_CMD_UNREGISTER_SHM) this.#unregister(message);
    message.answer(0);
  }

  /**
   * An RPC with a message; gives the message back as it was answered.
   * @param claimed the number of parameters that the message says it has.
   */
  *rpc(
    cmd: number,
    params: readonly Partial<RawParam>[],
    claimed = params.length,
  ): SecureCo<FakeMessage> {
    const thread = this.#current!;
    thread.rpc ??= yield* this.#allocRpcMessage(thread);
    const filled = params.map((p) => ({ attr: 0, a: 0n, b: 0n, c: 0n, ...p }));
    thread.rpc.begin(cmd, filled, claimed);
    yield [smc.OPTEE_SMC_RETURN_RPC_CMD, ...thread.rpcCookie];
    return thread.rpc;
  }

  sharedBytes(cookie: bigint, offset: number, length: number): Uint8Array {
    const shared = this.shared.get(cookie);
    if (shared === undefined) throw new Error(`unknown cookie ${cookie.toString(16)}`);
    return this.port.mapContiguous(shared.pages, shared.offset + offset, length, 'read').bytes;
  }

  physicalBytes(address: number, length: number): Uint8Array {
    return this.port.bytes(pa(address), length, 'write');
  }

  /** Follows a page list as OP-TEE does: links only as far as entries are needed. */
  readPageList(bufPtr: bigint, size: bigint): SharedMemory {
    const offset = Number(bufPtr & 0xfffn);
    const count = Math.ceil((offset + Number(size)) / 4096);
    let list = Number(bufPtr - BigInt(offset));
    const pages: Pa[] = [];
    while (pages.length < count) {
      const at = this.port.at(pa(list), 4096, 'read');
      for (let n = 0; n < msg.OPTEE_MSG_PAGES_PER_LIST_PAGE && pages.length < count; n++) {
        pages.push(pa(Number(this.port.view.getBigUint64(at + 8 * n, true))));
      }
      list = Number(this.port.view.getBigUint64(at + 4088, true));
    }
    return { pages, offset, size: Number(size) };
  }

  #register(message: FakeMessage): void {
    const { a, b, c } = message.param(0);
    this.shared.set(c, this.readPageList(a, b));
  }

  #unregister(message: FakeMessage): void {
    this.shared.delete(message.param(0).c);
  }

  #fastCall(a0: number): readonly number[] {
    if (a0 === smc.OPTEE_SMC_GET_THREAD_COUNT) return [smc.OPTEE_SMC_RETURN_OK, this.threads];
    if (a0 === smc.OPTEE_SMC_ENABLE_ASYNC_NOTIF) return [smc.OPTEE_SMC_RETURN_OK];
    if (a0 === smc.OPTEE_SMC_GET_ASYNC_NOTIF_VALUE) return this.#notifValue();
    if (a0 === smc.OPTEE_SMC_ENABLE_SHM_CACHE) return this.#setCache(true);
    if (a0 === smc.OPTEE_SMC_DISABLE_SHM_CACHE) return this.#setCache(false);
    return [smc.OPTEE_SMC_RETURN_UNKNOWN_FUNCTION];
  }

  #notifValue(): readonly number[] {
    const value = this.pendingValues.shift();
    const more = this.pendingValues.length > 0 ? smc.OPTEE_SMC_ASYNC_NOTIF_VALUE_PENDING : 0;
    const valid = value === undefined ? 0 : smc.OPTEE_SMC_ASYNC_NOTIF_VALUE_VALID;
    return [smc.OPTEE_SMC_RETURN_OK, value ?? 0, valid | more];
  }

  #setCache(enabled: boolean): readonly number[] {
    if (this.busy > 0) return [smc.OPTEE_SMC_RETURN_EBUSY];
    this.cacheEnabled = enabled;
    const cookie = enabled ? undefined : this.cached.shift();
    if (cookie !== undefined) return [smc.OPTEE_SMC_RETURN_OK, ...cookie];
    return [enabled ? smc.OPTEE_SMC_RETURN_OK : smc.OPTEE_SMC_RETURN_ENOTAVAIL];
  }

  #begin(regs: SmcRegs): void {
    if (this.refuseWith !== 0) return put(regs, [this.refuseWith]);
    if (this.busy >= this.threads) return put(regs, [smc.OPTEE_SMC_RETURN_ETHREAD_LIMIT]);
    const message = this.#messageOf(regs);
    this.commands.push(message.cmd);
    const behind = regs[0] !== smc.OPTEE_SMC_CALL_WITH_ARG;
    const rpc = behind ? new FakeMessage(this, message.at + message.size) : undefined;
    let id = 0;
    while (this.#running.has(id)) id += 1;
    this.#running.set(id, { co: this.handle(message), rpc, rpcCookie: [0, 0] });
    this.#resume(id, regs);
  }

  #messageOf(regs: SmcRegs): FakeMessage {
    if (regs[0] === smc.OPTEE_SMC_CALL_WITH_REGD_ARG) {
      const cookie = (BigInt(regs[1]!) << 32n) | BigInt(regs[2]!);
      return new FakeMessage(this, this.sharedBytes(cookie, regs[3]!, 32).byteOffset);
    }
    const address = pa(regs[1]! * 2 ** 32 + regs[2]!);
    return new FakeMessage(this, this.port.at(address, 32, 'write'));
  }

  #resume(id: number, regs: SmcRegs): void {
    const thread = this.#running.get(id);
    if (thread === undefined) return put(regs, [smc.OPTEE_SMC_RETURN_ERESUME]);
    this.#current = thread;
    const step = thread.co.next(regs);
    if (step.done === true) {
      this.#running.delete(id);
      put(regs, [smc.OPTEE_SMC_RETURN_OK]);
      return;
    }
    const [a0 = 0, a1 = 0, a2 = 0] = step.value;
    // What the secure world leaves in a4 to a7 is not for the normal world.
    regs.fill(0x5ec5ec, 4, 8);
    put(regs, [a0, a1, a2, id]);
  }

  *#allocRpcMessage(thread: SecureThread): SecureCo<FakeMessage> {
    const regs = yield [smc.OPTEE_SMC_RETURN_RPC_ALLOC, msg.opteeMsgArgSize(6)];
    const address = pa(regs[1]! * 2 ** 32 + regs[2]!);
    thread.rpcCookie = [regs[4]!, regs[5]!];
    return new FakeMessage(this, this.port.at(address, 32, 'write'));
  }
}

function put(regs: SmcRegs, values: readonly number[]): void {
  regs.fill(0, 0, 4);
  regs.set(values);
}
