/** For tests: calls that stay in a secure thread until they are let go. */
import { OPTEE_RPC_CMD_NOTIFICATION } from '../../../../abi/optee-rpc.ts';
import type { TeeContext } from '../../tee-context.ts';
import { makeBox, openClient } from './box.ts';
import type { BoxOptions, OpteeBox, Running } from './box.ts';
import { invoke, open } from './clients.ts';
import type { Answer } from './clients.ts';

/** Commands from here on wait in the secure world for the notification of their number. */
export const HELD = 10;

export interface Gate {
  readonly box: OpteeBox;
  readonly ctx: TeeContext;
  readonly session: number;
  /** The order in which commands came to a secure thread. */
  readonly entered: number[];
  /** Starts a call of command HELD + n. */
  call(n: number, session?: number): Running<Answer>;
  /** Lets call n go, and everything run. */
  release(n: number): void;
}

export function makeGate(options: BoxOptions = {}): Gate {
  const box = makeBox(options);
  const entered: number[] = [];
  box.world.handle = function* (message) {
    const { func } = message;
    if (func >= HELD) {
      entered.push(func - HELD);
      const wait = { attr: 1, a: 0n, b: BigInt(func) };
      yield* box.world.rpc(OPTEE_RPC_CMD_NOTIFICATION, [wait]);
    }
    yield* box.world.succeed(message);
  };
  const ctx = box.run(openClient(box.optee));
  const { session } = box.run(open(ctx));
  return {
    box,
    ctx,
    session,
    entered,
    call(n, of = session) {
      const running = box.spawn(`call ${n}`, invoke(ctx, of, [], HELD + n));
      box.settle();
      return running;
    },
    release(n) {
      box.optee.notif.send(HELD + n);
      box.settle();
    },
  };
}
