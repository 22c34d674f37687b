/** A message from the secure world, where it lies in shared memory (struct optee_msg_arg). */
import {
  OPTEE_MSG_ATTR_TYPE_MASK,
  OpteeMsgArg,
  OpteeMsgParam,
  opteeMsgArgSize,
  opteeMsgParamOffset,
} from '../../../abi/optee-msg.ts';
import { TEEC_ORIGIN_COMMS } from '../../../abi/gp.ts';
import type { TeeContext } from '../tee-context.ts';
import type { SmcCall } from './smc-call.ts';
import type { OpteeSmc } from './smc.ts';

/** An RPC command while it is handled. */
export class RpcMessage {
  readonly smc: OpteeSmc;
  /** Of the call that the RPC belongs to. */
  readonly ctx: TeeContext;
  readonly call: SmcCall;
  readonly view: DataView;
  /** First byte in `view`. */
  readonly at: number;

  constructor(smc: OpteeSmc, ctx: TeeContext, call: SmcCall, at: number) {
    this.smc = smc;
    this.ctx = ctx;
    this.call = call;
    this.view = smc.port.view;
    this.at = at;
  }

  get cmd(): number {
    return OpteeMsgArg.cmd.get(this.view, this.at);
  }

  get numParams(): number {
    return OpteeMsgArg.numParams.get(this.view, this.at);
  }

  /** Bytes, parameters included. */
  get size(): number {
    return opteeMsgArgSize(this.numParams);
  }

  get ret(): number {
    return OpteeMsgArg.ret.get(this.view, this.at);
  }

  /** A TEEC_Result. */
  set ret(ret: number) {
    OpteeMsgArg.ret.set(this.view, this.at, ret);
  }

  /** What is answered comes from the normal world. */
  originComms(): void {
    OpteeMsgArg.retOrigin.set(this.view, this.at, TEEC_ORIGIN_COMMS);
  }

  /** Where a parameter is in `view`. */
  param(n: number): number {
    return this.at + opteeMsgParamOffset(n);
  }

  /** Whether a parameter's attribute is exactly so, without any of the other bits. */
  hasAttr(n: number, attr: number): boolean {
    const param = this.param(n);
    return (
      OpteeMsgParam.attr.lo(this.view, param) === attr &&
      OpteeMsgParam.attr.hi(this.view, param) === 0
    );
  }

  /** Whether the message has one parameter, of this type. */
  isOnly(type: number): boolean {
    return (
      this.numParams === 1 &&
      (OpteeMsgParam.attr.lo(this.view, this.param(0)) & OPTEE_MSG_ATTR_TYPE_MASK) === type
    );
  }
}
