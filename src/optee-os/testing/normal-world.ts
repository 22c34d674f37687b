/**
 * For tests: a normal world in a few pages. It writes messages into RAM, makes SMCs and answers
 * RPCs, and knows nothing of the secure world but its ABI.
 */
import {
  OPTEE_MSG_ATTR_META,
  OPTEE_MSG_ATTR_NONCONTIG,
  OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_INPUT,
  OPTEE_MSG_CMD_CANCEL,
  OPTEE_MSG_CMD_CLOSE_SESSION,
  OPTEE_MSG_CMD_INVOKE_COMMAND,
  OPTEE_MSG_CMD_OPEN_SESSION,
  OPTEE_MSG_CMD_REGISTER_SHM,
  OPTEE_MSG_CMD_UNREGISTER_SHM,
  OPTEE_MSG_PAGES_PER_LIST_PAGE,
  OpteeMsgArg,
  OpteeMsgParam,
  OpteeMsgParamValue,
  opteeMsgArgSize,
  opteeMsgParamOffset,
} from '../../abi/optee-msg.ts';
import {
  OPTEE_SMC_CALL_RETURN_FROM_RPC,
  OPTEE_SMC_CALL_WITH_RPC_ARG,
  OPTEE_SMC_RETURN_GET_RPC_FUNC,
  OPTEE_SMC_RETURN_IS_RPC,
  OPTEE_SMC_RPC_FUNC_ALLOC,
  OPTEE_SMC_RPC_FUNC_CMD,
  OPTEE_SMC_RPC_FUNC_FREE,
} from '../../abi/optee-smc.ts';
import { TEE_ERROR_NOT_SUPPORTED } from '../../abi/gp.ts';
import { setUuidOctets } from '../../abi/uuid.ts';
import { NodeCrypto } from '../../host/node/crypto.ts';
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { Machine } from '../../machine/machine.ts';
import { smcRegs } from '../../machine/smc.ts';
import type { SmcRegs } from '../../machine/smc.ts';
import { VirtualClock } from '../../sched/clock.ts';
import { FifoPolicy } from '../../sched/policy.ts';
import type { Policy } from '../../sched/policy.ts';
import { SeededRandom } from '../../sched/random.ts';
import { Scheduler } from '../../sched/scheduler.ts';
import type { Co } from '../../sched/task.ts';
import type { TaImage } from '../../ta/runtime.ts';
import type { Cause } from '../../trace/events.ts';
import { Trace } from '../../trace/trace.ts';
import { makeConfig } from '../config.ts';
import type { OpteeOsConfig } from '../config.ts';
import { OpteeOs } from '../optee-os.ts';
import type { OpteeOsSwitches } from '../switches.ts';
import type { TaPubKey } from '../kernel/ta-pub-key.ts';
import { UPSTREAM_SWITCHES } from '../switches.ts';
import type { MsgParam } from './msg-param.ts';
import { answerRpc } from './rpc-answers.ts';
import { RpcMessage } from './rpc-message.ts';
import type { RpcAnswer } from './rpc-message.ts';

const MIB = 1024 * 1024;
const RAM_BASE = 0x4000_0000;

/** Where things are in the test machine's 16 MiB. */
export const LAYOUT = {
  core: { base: pa(RAM_BASE), size: MIB },
  taRam: { base: pa(RAM_BASE + MIB), size: MIB },
  reservedShm: { base: pa(RAM_BASE + 2 * MIB), size: MIB },
  /** Free for the normal world. */
  normal: { base: pa(RAM_BASE + 3 * MIB), size: 13 * MIB },
} as const;

/** Interrupt line of notifications. */
export const NOTIF_LINE = 219;

/** Without the stores of TAs that ask for files before they answer. */
const MINIMAL: Partial<OpteeOsConfig> = { CFG_CORE_ASYNC_NOTIF: true, CFG_SECSTOR_TA: false };

export interface WorldOptions {
  readonly taPubKey?: TaPubKey;
  readonly config?: Partial<OpteeOsConfig>;
  readonly switches?: Partial<OpteeOsSwitches>;
  readonly tas?: readonly TaImage[];
  readonly policy?: Policy;
  readonly cpus?: number;
  /** False: the machine has no reserved shared memory. */
  readonly reserved?: boolean;
}

export interface MsgResult {
  readonly ret: number;
  readonly origin: number;
  readonly session: number;
  readonly params: readonly { readonly a: number; readonly b: number; readonly c: number }[];
}

export interface Message {
  readonly cmd: number;
  readonly func?: number;
  readonly session?: number;
  readonly params?: readonly MsgParam[];
}

export class NormalWorld {
  readonly sched: Scheduler;
  readonly machine: Machine;
  readonly os: OpteeOs;
  readonly trace: Trace;
  /** Answers that a test gives instead of the usual ones, by command. */
  readonly answers = new Map<number, RpcAnswer>();
  /** RPC commands that came, in order. */
  readonly rpcs: number[] = [];
  /** What ALLOC requests get; undefined for a page. */
  allocReply: { pa: number; cookie: number } | undefined;
  readonly #freePages: Pa[] = [];
  #next: number = LAYOUT.normal.base;
  #cookies = 0x1000;
  /** Buffers lent to the secure world, by cookie. */
  readonly lent = new Map<number, Pa>();

  constructor(options: WorldOptions = {}) {
    this.trace = new Trace();
    this.sched = new Scheduler({
      trace: this.trace,
      clock: new VirtualClock(),
      random: new SeededRandom(1),
      policy: options.policy ?? new FifoPolicy(),
      outside: { turn: async () => {}, after: () => () => {} },
      cpus: options.cpus ?? 2,
    });
    this.machine = new Machine({
      sched: this.sched,
      ram: { bytes: new Uint8Array(16 * MIB), memory: undefined, release() {} },
      base: RAM_BASE,
      tree: {
        secure: [LAYOUT.core, LAYOUT.taRam],
        reservedShm: LAYOUT.reservedShm,
        optee: { method: 'smc', interrupt: NOTIF_LINE },
      },
    });
    this.os = this.#boot(options);
    this.machine.conduit.install(this.os);
  }

  #boot(options: WorldOptions): OpteeOs {
    const { core, taRam, reservedShm } = LAYOUT;
    return new OpteeOs({
      port: this.machine.secure,
      regions: options.reserved === false ? { core, taRam } : { core, taRam, reservedShm },
      raise: (line) => this.machine.interrupts.raise(line),
      notifLine: NOTIF_LINE,
      sched: this.sched,
      config: makeConfig(MINIMAL, options.config ?? {}),
      switches: { ...UPSTREAM_SWITCHES, ...options.switches },
      random: new SeededRandom(2),
      hostCrypto: new NodeCrypto(),
      counterNs: () => this.sched.nowNs(),
      earlyTas: options.tas ?? [],
      ...(options.taPubKey !== undefined && { taPubKey: options.taPubKey }),
    });
  }

  // --- running
  /** Runs a coroutine as a task, and everything else until nothing is left to do. */
  run<T>(body: Co<T>): T {
    const task = this.spawn('test', body);
    this.settle();
    const { halted } = this.sched;
    if (halted !== undefined) throw halted.error;
    if (task.result === undefined) throw new Error('the task is still waiting');
    return task.result.value;
  }

  spawn<T>(name: string, body: Co<T>): { result: { value: T } | undefined } {
    const out: { result: { value: T } | undefined } = { result: undefined };
    this.sched.spawn(
      name,
      (function* (): Co<void> {
        out.result = { value: yield* body };
      })(),
    );
    return out;
  }

  settle(): void {
    while (this.sched.runReady() === 'host') throw new Error('a host wait in a synchronous test');
  }

  /** Causes of errors so far. */
  causes(): Cause[] {
    return [...this.trace.events()].flatMap((e) => (e.name === 'cause' ? [e.args as Cause] : []));
  }

  get lastCause(): Cause | undefined {
    return this.trace.lastCause;
  }

  /** Lines of the secure console. */
  log(): string[] {
    return [...this.trace.events()].flatMap((e) =>
      e.name === 'log' ? [(e.args as { text: string }).text] : [],
    );
  }

  // --- memory
  page(): Pa {
    const free = this.#freePages.pop();
    if (free !== undefined) return free;
    const page = pa(this.#next);
    this.#next += PAGE_SIZE;
    return page;
  }

  /** Pages in a row, or with gaps between them. */
  pages(count: number, scattered = false): Pa[] {
    const step = scattered ? 2 : 1;
    const first = this.#next;
    this.#next += count * step * PAGE_SIZE;
    return Array.from({ length: count }, (_, i) => pa(first + i * step * PAGE_SIZE));
  }

  newCookie(): number {
    this.#cookies += 0x40;
    return this.#cookies;
  }

  bytes(address: Pa, length: number): Uint8Array {
    return this.machine.normal.bytes(address, length, 'write');
  }

  /** Writes a page list and returns its address. */
  pageList(pages: readonly (number | bigint)[]): Pa {
    const lists = Math.max(1, Math.ceil(pages.length / OPTEE_MSG_PAGES_PER_LIST_PAGE));
    const list = this.pages(lists);
    const { view } = this.machine.normal;
    pages.forEach((page, i) => {
      const n = Math.floor(i / OPTEE_MSG_PAGES_PER_LIST_PAGE);
      const at = this.at(list[n]!) + (i % OPTEE_MSG_PAGES_PER_LIST_PAGE) * 8;
      view.setBigUint64(at, BigInt(page), true);
    });
    for (let n = 0; n + 1 < lists; n++) {
      view.setBigUint64(
        this.at(list[n]!) + OPTEE_MSG_PAGES_PER_LIST_PAGE * 8,
        BigInt(list[n + 1]!),
        true,
      );
    }
    return list[0]!;
  }

  /** Where an address lies in the view of the normal world's port. */
  at(address: number): number {
    return address - this.machine.bus.base;
  }

  // --- messages
  writeMessage(address: Pa, message: Message): void {
    const { view } = this.machine.normal;
    const at = this.at(address);
    const params = message.params ?? [];
    this.bytes(address, opteeMsgArgSize(params.length)).fill(0);
    OpteeMsgArg.cmd.set(view, at, message.cmd);
    OpteeMsgArg.func.set(view, at, message.func ?? 0);
    OpteeMsgArg.session.set(view, at, message.session ?? 0);
    OpteeMsgArg.numParams.set(view, at, params.length);
    params.forEach((param, i) => this.writeParam(at + opteeMsgParamOffset(i), param));
  }

  writeParam(at: number, param: MsgParam): void {
    const { view } = this.machine.normal;
    OpteeMsgParamValue.attr.setNum(view, at, param.attr);
    OpteeMsgParamValue.a.set(view, at, BigInt(param.a ?? 0));
    OpteeMsgParamValue.b.set(view, at, BigInt(param.b ?? 0));
    OpteeMsgParamValue.c.set(view, at, BigInt(param.c ?? 0));
  }

  readMessage(address: Pa): MsgResult {
    const { view } = this.machine.normal;
    const at = this.at(address);
    const count = OpteeMsgArg.numParams.get(view, at);
    return {
      ret: OpteeMsgArg.ret.get(view, at),
      origin: OpteeMsgArg.retOrigin.get(view, at),
      session: OpteeMsgArg.session.get(view, at),
      params: Array.from({ length: count }, (_, i) => {
        const param = at + opteeMsgParamOffset(i);
        return {
          a: OpteeMsgParamValue.a.num(view, param),
          b: OpteeMsgParamValue.b.num(view, param),
          c: OpteeMsgParamValue.c.num(view, param),
        };
      }),
    };
  }

  // --- calls
  /** One SMC, without answering what it asks. */
  *smc(...values: number[]): Co<SmcRegs> {
    const regs = smcRegs(...values);
    yield* this.machine.conduit.call(regs);
    return regs;
  }

  /** A fast call. */
  fast(...values: number[]): number[] {
    const regs = this.run(this.smc(...values));
    return [...regs.subarray(0, 4)];
  }

  /** Makes a yielding call and answers RPCs until it returns. @returns a0 */
  *yielding(regs: SmcRegs, rpcArg?: Pa): Co<number> {
    for (;;) {
      yield* this.machine.conduit.call(regs);
      if (!OPTEE_SMC_RETURN_IS_RPC(regs[0]!)) return regs[0]!;
      yield* this.#answer(regs, rpcArg);
      regs[0] = OPTEE_SMC_CALL_RETURN_FROM_RPC;
    }
  }

  /** Sends a message in a page of its own, with room for RPCs, and reads it when it comes back. */
  *send(message: Message, page: Pa = this.page()): Co<MsgResult> {
    this.writeMessage(page, message);
    const rpcArg = pa(page + opteeMsgArgSize(message.params?.length ?? 0));
    const a0 = yield* this.yielding(smcRegs(OPTEE_SMC_CALL_WITH_RPC_ARG, 0, page), rpcArg);
    if (a0 !== 0) throw new Error(`the call failed with SMC status ${a0}`);
    const result = this.readMessage(page);
    this.#freePages.push(page);
    return result;
  }

  *open(uuid: string, params: readonly MsgParam[] = [], login = 0, client?: string): Co<MsgResult> {
    const page = this.page();
    const meta = { attr: OPTEE_MSG_ATTR_META | OPTEE_MSG_ATTR_TYPE_VALUE_INPUT };
    const message = {
      cmd: OPTEE_MSG_CMD_OPEN_SESSION,
      params: [meta, { ...meta, c: login }, ...params],
    };
    this.writeMessage(page, message);
    const { view } = this.machine.normal;
    const octets = this.at(page) + OpteeMsgParam.octets.offset;
    setUuidOctets(view, octets + opteeMsgParamOffset(0), uuid);
    if (client !== undefined) setUuidOctets(view, octets + opteeMsgParamOffset(1), client);
    OpteeMsgParamValue.c.setNum(view, this.at(page) + opteeMsgParamOffset(1), login);
    const rpcArg = pa(page + opteeMsgArgSize(message.params.length));
    const a0 = yield* this.yielding(smcRegs(OPTEE_SMC_CALL_WITH_RPC_ARG, 0, page), rpcArg);
    if (a0 !== 0) throw new Error(`the call failed with SMC status ${a0}`);
    const result = this.readMessage(page);
    this.#freePages.push(page);
    return result;
  }

  invoke(session: number, func: number, params: readonly MsgParam[] = []): Co<MsgResult> {
    return this.send({ cmd: OPTEE_MSG_CMD_INVOKE_COMMAND, session, func, params });
  }

  close(session: number): Co<MsgResult> {
    return this.send({ cmd: OPTEE_MSG_CMD_CLOSE_SESSION, session });
  }

  cancel(session: number): Co<MsgResult> {
    return this.send({ cmd: OPTEE_MSG_CMD_CANCEL, session });
  }

  /** @param size bytes, from `offset` in the first page */
  register(
    pages: readonly (number | bigint)[],
    size: number,
    cookie: number,
    offset = 0,
  ): Co<MsgResult> {
    const attr = OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT | OPTEE_MSG_ATTR_NONCONTIG;
    const list = this.pageList(pages);
    const params = [{ attr, a: list + offset, b: size, c: cookie }];
    return this.send({ cmd: OPTEE_MSG_CMD_REGISTER_SHM, params });
  }

  unregister(cookie: number): Co<MsgResult> {
    const params = [{ attr: 0x5, c: cookie }];
    return this.send({ cmd: OPTEE_MSG_CMD_UNREGISTER_SHM, params });
  }

  // --- RPC
  *#answer(regs: SmcRegs, rpcArg: Pa | undefined): Co<void> {
    switch (OPTEE_SMC_RETURN_GET_RPC_FUNC(regs[0]!)) {
      case OPTEE_SMC_RPC_FUNC_ALLOC: {
        const reply = this.allocReply ?? { pa: this.page(), cookie: this.newCookie() };
        if (this.allocReply === undefined) this.lent.set(reply.cookie, pa(reply.pa));
        regs[1] = 0;
        regs[2] = reply.pa;
        regs[4] = 0;
        regs[5] = reply.cookie;
        return;
      }
      case OPTEE_SMC_RPC_FUNC_FREE:
        this.lent.delete(regs[2]!);
        return;
      case OPTEE_SMC_RPC_FUNC_CMD: {
        const address = regs[2] === 0 ? rpcArg : this.lent.get(regs[2]!);
        if (address === undefined) throw new Error(`no RPC message with cookie ${regs[2]}`);
        yield* this.#command(new RpcMessage(this, this.at(address)));
      }
    }
  }

  *#command(rpc: RpcMessage): Co<void> {
    this.rpcs.push(rpc.cmd);
    const own = this.answers.get(rpc.cmd);
    const ret = own === undefined ? yield* answerRpc(rpc) : yield* own(rpc);
    OpteeMsgArg.ret.set(rpc.view, rpc.at, ret);
    if (ret === TEE_ERROR_NOT_SUPPORTED) OpteeMsgArg.retOrigin.set(rpc.view, rpc.at, 0);
  }
}
