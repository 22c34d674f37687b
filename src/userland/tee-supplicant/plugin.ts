/**
 * Plugins: code in the normal world that the secure world calls through tee-supplicant. Here they
 * are objects; the `.plugin` files of a native tee-supplicant are ELF, and for that one only.
 *
 * Upstream counterpart: tee-supplicant/src/plugin.c, libteec/include/tee_plugin_method.h.
 */
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_GENERIC,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_NOT_SUPPORTED,
} from '../../abi/gp.ts';
import { hex32 } from '../../abi/layout.ts';
import { OPTEE_RPC_SUPP_PLUGIN_INVOKE } from '../../abi/optee-rpc.ts';
import {
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
} from '../../abi/tee.ts';
import { UUID_LEN, formatUuid } from '../../abi/uuid.ts';
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { Server } from './handlers.ts';
import type { RpcRequest } from './rpc-request.ts';
import { paramToVa } from './rpc-shm.ts';

/** What a plugin answers. */
export interface PluginResult {
  /** TEEC_Result */
  readonly result: number;
  /** Bytes of `data` that mean something now; 0 without. */
  readonly outLength?: number;
}

/** struct plugin_method */
export interface SupplicantPlugin {
  readonly name: string;
  readonly uuid: string;
  /** Called once before the device is opened. A result other than 0 keeps the plugin out. */
  init?(): number;
  /** @param data all of the buffer, `inLength` bytes, to read and to write. */
  invoke(cmd: number, subCmd: number, data: Uint8Array, inLength: number): PluginResult;
}

const TYPES = [
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
];

type Emsg = (text: string) => void;

/** Plugins by UUID; of several with the same one the last is found. */
export type Plugins = ReadonlyMap<string, SupplicantPlugin>;

/** plugin_load_all() */
export function loadPlugins(given: readonly SupplicantPlugin[], emsg: Emsg): Plugins {
  const plugins = new Map<string, SupplicantPlugin>();
  for (const plugin of given) {
    const result = plugin.init?.() ?? 0;
    if (result === 0) plugins.set(plugin.uuid.toLowerCase(), plugin);
    else emsg(`init the <${plugin.name}> plugin failed with ${hex32(result)}`);
  }
  return plugins;
}

/**
 * plugin_process(): [0] a sub-command; [0] b,c and [1] a,b the UUID's octets as words, [1] c
 * command; [2] value a sub-command of the plugin, b length of the answer; [3] memref data.
 */
export function* pluginProcess(server: Server, request: RpcRequest): Co<number> {
  if (!request.is(TYPES)) return TEEC_ERROR_BAD_PARAMETERS;
  const at = paramToVa(server, request, 3);
  const length = request.u32('b', 3);
  if (length > 0 && at === null) return TEEC_ERROR_BAD_PARAMETERS;
  if (request.num('a', 0) !== OPTEE_RPC_SUPP_PLUGIN_INVOKE) return TEEC_ERROR_NOT_SUPPORTED;
  const plugin = server.plugins.get(uuidOf(request));
  const { result, outLength = 0 } =
    plugin === undefined
      ? { result: TEEC_ERROR_ITEM_NOT_FOUND }
      : invoke(server, request, plugin, { at, length });
  request.set('b', 2, outLength);
  return result;
}

function uuidOf(request: RpcRequest): string {
  const octets = new DataView(new ArrayBuffer(UUID_LEN));
  octets.setUint32(0, request.u32('b', 0), true);
  octets.setUint32(4, request.u32('c', 0), true);
  octets.setUint32(8, request.u32('a', 1), true);
  octets.setUint32(12, request.u32('b', 1), true);
  return formatUuid(new Uint8Array(octets.buffer));
}

interface Buffer {
  readonly at: Va | null;
  readonly length: number;
}

/** The plugin gets a copy, since the buffer need not be contiguous in RAM. */
function invoke(
  server: Server,
  request: RpcRequest,
  plugin: SupplicantPlugin,
  { at, length }: Buffer,
): PluginResult {
  const data = at === null ? new Uint8Array(0) : server.memory.read(at, length);
  try {
    const result = plugin.invoke(request.u32('c', 1), request.u32('a', 2), data, length);
    if (at !== null) server.memory.write(at, data);
    return result;
  } catch (error) {
    return failed(server, plugin, error);
  }
}

/** A plugin that throws fails alone; in C it would take tee-supplicant with it. */
function failed(server: Server, { name, uuid }: SupplicantPlugin, error: unknown): PluginResult {
  const why = error instanceof Error ? error.message : String(error);
  server.emsg(`the <${name}> plugin has thrown: ${why}`);
  server.trace.cause('client', {
    layer: 'tee-supplicant',
    code: 'TEEC_ERROR_GENERIC',
    text: `plugin ${name} has thrown: ${why}`,
    object: uuid,
    hint: 'return a result instead',
  });
  return { result: TEEC_ERROR_GENERIC };
}
