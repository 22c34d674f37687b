/** For tests: what the normal world answers when a test says nothing else. */
import { OPTEE_MSG_ATTR_NONCONTIG, OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT } from '../../abi/optee-msg.ts';
import {
  OPTEE_RPC_CMD_GET_TIME,
  OPTEE_RPC_CMD_LOAD_TA,
  OPTEE_RPC_CMD_NOTIFICATION,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
  OPTEE_RPC_CMD_SUSPEND,
  OPTEE_RPC_NOTIFICATION_SEND,
} from '../../abi/optee-rpc.ts';
import { TEE_ERROR_ITEM_NOT_FOUND, TEE_ERROR_NOT_SUPPORTED, TEE_SUCCESS } from '../../abi/gp.ts';
import { PAGE_SIZE, pagesFor } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { Completion } from '../../sched/wait.ts';
import type { NormalWorld } from './normal-world.ts';
import { replyTmem } from './rpc-message.ts';
import type { RpcAnswer, RpcMessage } from './rpc-message.ts';

/** Seconds and nanoseconds that are told apart easily. */
export const REE_TIME = { seconds: 1_700_000_000, nanoseconds: 123_456_789 };

const completions = new WeakMap<NormalWorld, Map<number, Completion>>();

function completion(world: NormalWorld, value: number): Completion {
  let all = completions.get(world);
  if (all === undefined) completions.set(world, (all = new Map()));
  let found = all.get(value);
  if (found === undefined) all.set(value, (found = new Completion(world.sched, 'notif')));
  return found;
}

const ANSWERS: ReadonlyMap<number, RpcAnswer> = new Map<number, RpcAnswer>([
  [
    OPTEE_RPC_CMD_NOTIFICATION,
    function* (rpc) {
      const { a: func, b: value } = rpc.value(0);
      const found = completion(rpc.world, value);
      if (func === OPTEE_RPC_NOTIFICATION_SEND) found.complete();
      else yield* found.wait('uninterruptible');
      return TEE_SUCCESS;
    },
  ],
  [
    OPTEE_RPC_CMD_SUSPEND,
    function* (rpc) {
      yield* rpc.world.sched.sleep(rpc.value(0).a * 1e6, 'interruptible');
      return TEE_SUCCESS;
    },
  ],
  [
    OPTEE_RPC_CMD_GET_TIME,
    function* (rpc) {
      rpc.setValue(0, REE_TIME.seconds, REE_TIME.nanoseconds);
      return TEE_SUCCESS;
    },
  ],
  [OPTEE_RPC_CMD_SHM_ALLOC, shmAlloc],
  [
    OPTEE_RPC_CMD_SHM_FREE,
    function* (rpc) {
      rpc.world.lent.delete(rpc.value(0).b);
      return TEE_SUCCESS;
    },
  ],
  [
    OPTEE_RPC_CMD_LOAD_TA,
    function* () {
      return TEE_ERROR_ITEM_NOT_FOUND;
    },
  ],
]);

function* shmAlloc(rpc: RpcMessage): Co<number> {
  const { b: size } = rpc.value(0);
  const { world } = rpc;
  if (size > 1 << 20) return TEE_ERROR_NOT_SUPPORTED;
  const pages = world.pages(Math.max(1, pagesFor(size)), true);
  const cookie = world.newCookie();
  world.lent.set(cookie, pages[0]!);
  const attr = OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT | OPTEE_MSG_ATTR_NONCONTIG;
  replyTmem(rpc, attr, world.pageList(pages), pages.length * PAGE_SIZE, cookie);
  return TEE_SUCCESS;
}

export function* answerRpc(rpc: RpcMessage): Co<number> {
  const answer = ANSWERS.get(rpc.cmd);
  return answer === undefined ? TEE_ERROR_NOT_SUPPORTED : yield* answer(rpc);
}
