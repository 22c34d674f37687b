/**
 * The requests that tee-supplicant serves, one row each. What has no row is answered with
 * TEEC_ERROR_NOT_SUPPORTED.
 *
 * Upstream counterpart: process_one_request()'s dispatch in tee-supplicant/src/tee_supplicant.c.
 * Time is no business of a supplicant: the kernel answers GET_TIME and SUSPEND itself.
 */
import {
  OPTEE_RPC_CMD_FS,
  OPTEE_RPC_CMD_FTRACE,
  OPTEE_RPC_CMD_GPROF,
  OPTEE_RPC_CMD_LOAD_TA,
  OPTEE_RPC_CMD_RPMB,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
  OPTEE_RPC_CMD_SOCKET,
  OPTEE_RPC_CMD_SUPP_PLUGIN,
} from '../../abi/optee-rpc.ts';
import type { Kernel } from '../../linux/process/kernel.ts';
import type { ProgramMemory } from '../../linux/process/program-memory.ts';
import type { Syscalls } from '../../linux/process/syscalls.ts';
import type { MaybeCo } from '../../sched/task.ts';
import type { Trace } from '../../trace/trace.ts';
import type { Frame } from '../frame.ts';
import type { UserlandSwitches } from '../switches.ts';
import { loadTa } from './load-ta.ts';
import type { RpcRequest } from './rpc-request.ts';
import { pluginProcess } from './plugin.ts';
import type { Plugins } from './plugin.ts';
import { profProcess } from './prof.ts';
import type { SuppRpmb } from './rpmb.ts';
import { processAlloc, processFree } from './rpc-shm.ts';
import type { SuppShm } from './rpc-shm.ts';
import type { SuppSockets } from './tee-socket.ts';
import type { SuppFs } from './tee-supp-fs.ts';

/** The thread that serves a request, and what it shares with the others. */
export interface Server extends Shared {
  readonly sys: Syscalls;
  readonly frame: Frame;
}

/** What all threads of the process have in common. */
export interface Shared {
  readonly kernel: Kernel;
  readonly memory: ProgramMemory;
  readonly trace: Trace;
  readonly switches: UserlandSwitches;
  /** The privileged device. */
  readonly fd: number;
  /** TEE_GEN_CAP_* of it. */
  readonly genCaps: number;
  /** Memory lent to the secure world, by id. */
  readonly shms: Map<number, SuppShm>;
  /** Directories that are searched for TAs, in order. */
  readonly taPath: readonly string[];
  readonly fs: SuppFs;
  readonly rpmb: SuppRpmb;
  readonly sockets: SuppSockets;
  readonly plugins: Plugins;
  /** EMSG(): prints. */
  emsg(text: string): void;
}

/** Serves one request: parameters are changed in place. @returns TEEC_Result */
export type Handler = (server: Server, request: RpcRequest) => MaybeCo<number>;

export const HANDLERS: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [OPTEE_RPC_CMD_LOAD_TA, loadTa],
  [OPTEE_RPC_CMD_RPMB, (server, request) => server.rpmb.process(server, request)],
  [OPTEE_RPC_CMD_FS, (server, request) => server.fs.process(server, request)],
  [OPTEE_RPC_CMD_SHM_ALLOC, processAlloc],
  [OPTEE_RPC_CMD_SHM_FREE, processFree],
  [OPTEE_RPC_CMD_GPROF, profProcess('gmon-')],
  [OPTEE_RPC_CMD_SOCKET, (server, request) => server.sockets.process(server, request)],
  [OPTEE_RPC_CMD_FTRACE, profProcess('ftrace-')],
  [OPTEE_RPC_CMD_SUPP_PLUGIN, pluginProcess],
]);
