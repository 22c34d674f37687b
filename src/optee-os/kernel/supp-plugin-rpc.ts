/**
 * Calls of a plugin of tee-supplicant.
 *
 * Upstream counterpart: optee_os core/tee/tee_supp_plugin_rpc.c.
 */
import {
  OPTEE_RPC_CMD_SUPP_PLUGIN,
  OPTEE_RPC_SHM_TYPE_APPL,
  OPTEE_RPC_SUPP_PLUGIN_INVOKE,
} from '../../abi/optee-rpc.ts';
import { TEE_ERROR_BAD_PARAMETERS, TEE_ERROR_OUT_OF_MEMORY, TEE_SUCCESS } from '../../abi/gp.ts';
import { UUID_LEN, setUuidOctets } from '../../abi/uuid.ts';
import { endOf } from '../../sched/task.ts';
import type { Co } from '../../sched/task.ts';
import type { Guest } from '../guest.ts';
import type { Mobj } from '../mm/mobj.ts';
import { RPC_IN, RPC_INOUT, setMemref, setValue, valueB } from './rpc.ts';
import type { ThreadCtx } from './thread.ts';

export interface PluginCall {
  /** Of the plugin. */
  readonly uuid: string;
  readonly cmd: number;
  readonly subCmd: number;
  /** In and out; may be empty. */
  readonly data: Uint8Array;
}

/**
 * tee_invoke_supp_plugin_rpc(). @param out `size` is what the plugin says that it has written, which
 * can be more than there was room for. @returns a TEE_Result
 */
export function* invokeSuppPlugin(
  guest: Guest,
  thread: ThreadCtx,
  call: PluginCall,
  out: { size: number },
): Co<number> {
  const { rpc } = guest;
  const { length } = call.data;
  if (length === 0) return yield* exchange(guest, thread, call, undefined, out);
  const mobj = yield* rpc.allocPayload(thread, length, OPTEE_RPC_SHM_TYPE_APPL);
  if (mobj === undefined) {
    guest.nexus.log.emsg(thread, 'tee_invoke_supp_plugin_rpc', "can't create mobj for plugin data");
    return TEE_ERROR_OUT_OF_MEMORY;
  }
  const res = yield* exchange(guest, thread, call, mobj, out);
  yield* rpc.freePayload(thread, mobj, OPTEE_RPC_SHM_TYPE_APPL);
  return res;
}

function* exchange(
  guest: Guest,
  thread: ThreadCtx,
  { uuid, cmd, subCmd, data }: PluginCall,
  mobj: Mobj | undefined,
  out: { size: number },
): Co<number> {
  const { port } = guest.nexus;
  if (mobj !== undefined && !mobj.covers(0, data.length)) return TEE_ERROR_BAD_PARAMETERS;
  mobj?.write(port, 0, data);
  const begun = yield* endOf(guest.rpc.begin(thread, OPTEE_RPC_CMD_SUPP_PLUGIN, 4));
  if (begun !== TEE_SUCCESS) return begun;
  const words = uuidWords(uuid);
  setValue(thread, 0, RPC_IN, OPTEE_RPC_SUPP_PLUGIN_INVOKE, words[0]!, words[1]!);
  setValue(thread, 1, RPC_IN, words[2]!, words[3]!, cmd);
  setValue(thread, 2, RPC_INOUT, subCmd, 0, 0);
  setMemref(thread, 3, RPC_INOUT, mobj, 0, data.length);
  const res = yield* guest.rpc.send(thread);
  out.size = valueB(thread, 2);
  const answer = data.subarray(0, Math.min(out.size, data.length));
  if (answer.length === 0) return res;
  mobj?.read(port, 0, answer);
  // As upstream: what copying the answer says replaces what the plugin said.
  return TEE_SUCCESS;
}

/** The octets of a UUID as the little-endian words that the message carries. */
function uuidWords(uuid: string): readonly number[] {
  const view = new DataView(new ArrayBuffer(UUID_LEN));
  setUuidOctets(view, 0, uuid);
  return [0, 4, 8, 12].map((at) => view.getUint32(at, true));
}
