/** Closing a session, for its owner and for contexts that go (optee_close_session_helper, call.c). */
import { OPTEE_MSG_CMD_CLOSE_SESSION, OpteeMsgArg } from '../../../abi/optee-msg.ts';
import { endOf } from '../../../sched/task.ts';
import type { Co } from '../../../sched/task.ts';
import type { TeeContext } from '../tee-context.ts';
import type { Optee } from './optee.ts';

/** What the secure world answers does not matter. @returns 0, or why no message could be had. */
export function* closeSessionHelper(
  optee: Optee,
  ctx: TeeContext,
  session: number,
  systemThread: boolean,
): Co<number> {
  const { argCache, callQueue, ops } = optee;
  const { view } = optee.kernel.port;
  const msg = argCache.tryGet(0) ?? (yield* argCache.get(ctx, 0));
  if (typeof msg === 'number') return msg;
  OpteeMsgArg.cmd.set(view, msg.at, OPTEE_MSG_CMD_CLOSE_SESSION);
  OpteeMsgArg.session.set(view, msg.at, session);
  yield* endOf(ops.doCallWithArg(ctx, msg, systemThread));
  if (!argCache.tryFree(msg)) yield* argCache.free(msg);
  if (systemThread) yield* callQueue.decrSysThreadCount();
  return 0;
}
