/** For tests: an RPC message as the normal world reads and answers it. */
import {
  OpteeMsgArg,
  OpteeMsgParamTmem,
  OpteeMsgParamValue,
  opteeMsgParamOffset,
} from '../../abi/optee-msg.ts';
import type { Co } from '../../sched/task.ts';
import type { NormalWorld } from './normal-world.ts';

/** How a test answers an RPC: reads and writes the message; the result goes into `ret`. */
export type RpcAnswer = (rpc: RpcMessage) => Co<number>;

/** An RPC message. */
export class RpcMessage {
  readonly world: NormalWorld;
  readonly view: DataView;
  readonly at: number;
  readonly cmd: number;

  constructor(world: NormalWorld, at: number) {
    this.world = world;
    this.view = world.machine.normal.view;
    this.at = at;
    this.cmd = OpteeMsgArg.cmd.get(this.view, at);
  }

  param(i: number): number {
    return this.at + opteeMsgParamOffset(i);
  }

  value(i: number): { a: number; b: number; c: number } {
    const at = this.param(i);
    return {
      a: OpteeMsgParamValue.a.num(this.view, at),
      b: OpteeMsgParamValue.b.num(this.view, at),
      c: OpteeMsgParamValue.c.num(this.view, at),
    };
  }

  setValue(i: number, a: number, b = 0, c = 0): void {
    const at = this.param(i);
    OpteeMsgParamValue.a.setNum(this.view, at, a);
    OpteeMsgParamValue.b.setNum(this.view, at, b);
    OpteeMsgParamValue.c.setNum(this.view, at, c);
  }
}

/** The reply of SHM_ALLOC. */
export function replyTmem(
  rpc: RpcMessage,
  attr: number,
  base: number,
  size: number,
  ref: number,
): void {
  const at = rpc.param(0);
  OpteeMsgParamTmem.attr.setNum(rpc.view, at, attr);
  OpteeMsgParamTmem.bufPtr.setNum(rpc.view, at, base);
  OpteeMsgParamTmem.size.setNum(rpc.view, at, size);
  OpteeMsgParamTmem.shmRef.setNum(rpc.view, at, ref);
}
