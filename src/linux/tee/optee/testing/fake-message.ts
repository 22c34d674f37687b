/** For tests: a message as the secure world sees it, in shared memory. */
import {
  OPTEE_MSG_ATTR_TYPE_MASK,
  OPTEE_MSG_ATTR_TYPE_RMEM_INPUT,
  OPTEE_MSG_ATTR_TYPE_RMEM_INOUT,
  OpteeMsgArg,
  OpteeMsgParam,
  OpteeMsgParamValue,
  opteeMsgArgSize,
  opteeMsgParamOffset,
} from '../../../../abi/optee-msg.ts';
import type { FakeOptee } from './fake-optee.ts';

export interface RawParam {
  readonly attr: number;
  readonly a: bigint;
  readonly b: bigint;
  readonly c: bigint;
}

export class FakeMessage {
  readonly world: FakeOptee;
  readonly view: DataView;
  readonly at: number;

  constructor(world: FakeOptee, at: number) {
    this.world = world;
    this.view = world.port.view;
    this.at = at;
  }

  get cmd(): number {
    return OpteeMsgArg.cmd.get(this.view, this.at);
  }
  get func(): number {
    return OpteeMsgArg.func.get(this.view, this.at);
  }
  get session(): number {
    return OpteeMsgArg.session.get(this.view, this.at);
  }
  set session(id: number) {
    OpteeMsgArg.session.set(this.view, this.at, id);
  }
  get cancelId(): number {
    return OpteeMsgArg.cancelId.get(this.view, this.at);
  }
  get numParams(): number {
    return OpteeMsgArg.numParams.get(this.view, this.at);
  }
  get ret(): number {
    return OpteeMsgArg.ret.get(this.view, this.at);
  }
  get retOrigin(): number {
    return OpteeMsgArg.retOrigin.get(this.view, this.at);
  }
  get size(): number {
    return opteeMsgArgSize(this.numParams);
  }

  answer(ret: number, origin = 4): void {
    OpteeMsgArg.ret.set(this.view, this.at, ret);
    OpteeMsgArg.retOrigin.set(this.view, this.at, origin);
  }

  param(n: number): RawParam {
    const at = this.at + opteeMsgParamOffset(n);
    const { attr, a, b, c } = OpteeMsgParamValue;
    return {
      attr: attr.lo(this.view, at),
      a: a.get(this.view, at),
      b: b.get(this.view, at),
      c: c.get(this.view, at),
    };
  }

  get params(): readonly RawParam[] {
    return Array.from({ length: this.numParams }, (_, n) => this.param(n));
  }

  octets(n: number): Uint8Array {
    return OpteeMsgParam.octets.bytes(this.view, this.at + opteeMsgParamOffset(n)).slice(0, 16);
  }

  setParam(n: number, values: Partial<RawParam>): void {
    const at = this.at + opteeMsgParamOffset(n);
    const { attr, a, b, c } = OpteeMsgParamValue;
    if (values.attr !== undefined) attr.setPair(this.view, at, values.attr, 0);
    if (values.a !== undefined) a.set(this.view, at, values.a);
    if (values.b !== undefined) b.set(this.view, at, values.b);
    if (values.c !== undefined) c.set(this.view, at, values.c);
  }

  /** Starts an RPC message here. */
  begin(cmd: number, params: readonly RawParam[], claimed: number): void {
    OpteeMsgArg.cmd.set(this.view, this.at, cmd);
    OpteeMsgArg.ret.set(this.view, this.at, 0xdead);
    OpteeMsgArg.numParams.set(this.view, this.at, claimed);
    params.forEach((p, n) => this.setParam(n, p));
  }

  /** The bytes that a memref names: registered memory, or physical memory. */
  bytes(n: number): Uint8Array {
    const { attr, a, b, c } = this.param(n);
    const type = attr & OPTEE_MSG_ATTR_TYPE_MASK;
    const registered =
      type >= OPTEE_MSG_ATTR_TYPE_RMEM_INPUT && type <= OPTEE_MSG_ATTR_TYPE_RMEM_INOUT;
    if (registered) return this.world.sharedBytes(c, Number(a), Number(b));
    return this.world.physicalBytes(Number(a), Number(b));
  }
}
