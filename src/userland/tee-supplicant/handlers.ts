/**
 * The requests that tee-supplicant serves, one row each. What has no row is answered with
 * TEEC_ERROR_NOT_SUPPORTED.
 *
 * Upstream counterpart: process_one_request()'s dispatch in tee-supplicant/src/tee_supplicant.c.
 * Left out for now: FS, RPMB, GPROF, SOCKET, FTRACE and PLUGIN. Time is no business of a supplicant:
 * the kernel answers GET_TIME and SUSPEND itself.
 */
import {
  OPTEE_RPC_CMD_LOAD_TA,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
} from '../../abi/optee-rpc.ts';
import type { ProgramMemory } from '../../linux/process/program-memory.ts';
import type { Syscalls } from '../../linux/process/syscalls.ts';
import type { Co } from '../../sched/task.ts';
import type { Trace } from '../../trace/trace.ts';
import type { Frame } from '../frame.ts';
import { loadTa } from './load-ta.ts';
import type { RpcRequest } from './rpc-request.ts';
import { processAlloc, processFree } from './rpc-shm.ts';
import type { SuppShm } from './rpc-shm.ts';

/** The thread that serves a request, and what it shares with the others. */
export interface Server {
  readonly memory: ProgramMemory;
  readonly sys: Syscalls;
  readonly frame: Frame;
  readonly trace: Trace;
  /** The privileged device. */
  readonly fd: number;
  /** TEE_GEN_CAP_* of it. */
  readonly genCaps: number;
  /** Memory lent to the secure world, by id. */
  readonly shms: Map<number, SuppShm>;
  /** Directories that are searched for TAs, in order. */
  readonly taPath: readonly string[];
}

/** Serves one request: parameters are changed in place. @returns TEEC_Result */
export type Handler = (server: Server, request: RpcRequest) => Co<number>;

export const HANDLERS: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [OPTEE_RPC_CMD_LOAD_TA, loadTa],
  [OPTEE_RPC_CMD_SHM_ALLOC, processAlloc],
  [OPTEE_RPC_CMD_SHM_FREE, processFree],
]);
