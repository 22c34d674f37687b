/** For tests: calls in which the secure world asks something of the normal world. */
import type { TeeContext } from '../../tee-context.ts';
import { makeBox, openClient } from './box.ts';
import type { BoxOptions, OpteeBox, Running } from './box.ts';
import { invoke, open } from './clients.ts';
import type { Answer } from './clients.ts';
import type { RawParam } from './fake-message.ts';
import type { SecureCo } from './fake-optee.ts';

export interface Rig {
  readonly box: OpteeBox;
  readonly ctx: TeeContext;
  /** A call in which the secure world does this. */
  call(script: () => SecureCo): Running<Answer>;
}

export function makeRig(options: BoxOptions = {}): Rig {
  const box = makeBox(options);
  const ctx = box.run(openClient(box.optee));
  const { session } = box.run(open(ctx));
  const call = (script: () => SecureCo): Running<Answer> => {
    box.world.handle = function* (message) {
      if (message.func === 5) yield* script();
      yield* box.world.succeed(message);
    };
    const running = box.spawn('caller', invoke(ctx, session));
    box.settle();
    return running;
  };
  return { box, ctx, call };
}

/** The answer to one RPC command; undefined while it has none. */
export function ask(
  { box, call }: Rig,
  cmd: number,
  params: readonly Partial<RawParam>[],
): {
  readonly ret: number | undefined;
  readonly params: readonly RawParam[];
  caller: Running<Answer>;
} {
  let answered: { ret: number; params: readonly RawParam[] } | undefined;
  const caller = call(function* () {
    const message = yield* box.world.rpc(cmd, params);
    answered = { ret: message.ret, params: message.params };
  });
  return {
    caller,
    get ret() {
      return answered?.ret;
    },
    get params() {
      return answered?.params ?? [];
    },
  };
}
