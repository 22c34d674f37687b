/**
 * Things that a supplicant can do wrong, for tests of everybody who depends on one. Without them it
 * behaves as the real one. (A box without any supplicant is `supplicant: 'none'`.)
 */
import { SIGKILL } from '../../abi/fcntl.ts';
import { OPTEE_RPC_CMD_SHM_ALLOC } from '../../abi/optee-rpc.ts';
import {
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
} from '../../abi/tee.ts';
import { va } from '../../machine/address.ts';
import type { Syscalls } from '../../linux/process/syscalls.ts';
import type { Co } from '../../sched/task.ts';
import type { Server } from './handlers.ts';
import type { RpcRequest } from './rpc-request.ts';
import { paramToVa } from './rpc-shm.ts';

export interface SupplicantFaults {
  /** RPC commands that the faults are for (OPTEE_RPC_CMD_*); all without. */
  readonly only?: readonly number[];
  /** Time before each request is served, in nanoseconds. */
  readonly slowNs?: number;
  /** The process is killed while it serves the n-th request; 1 is the first. */
  readonly diesAtRequest?: number;
  /** The n-th request is served and never answered. */
  readonly dropsAnswer?: number;
  /** Each answer is sent a second time. */
  readonly answersTwice?: boolean;
  /** Requests are received, served and never answered. */
  readonly neverAnswers?: boolean;
  /** Requests are served, and answered with this TEEC_Result in place of their own. */
  readonly answersWith?: number;
  /** This byte of what a request returns in memory is inverted. */
  readonly corruptsByte?: number;
  /**
   * Bytes by which the buffer of SHM_ALLOC is larger than asked for (smaller when negative), and by
   * which other requests say that they return more in memory than they do.
   */
  readonly liesAboutSizeBytes?: number;
}

/** The faults of one process, which count its requests. */
export class FaultScript {
  readonly #faults: SupplicantFaults;
  readonly #isEmpty: boolean;
  #requests = 0;

  constructor(faults: SupplicantFaults) {
    this.#faults = faults;
    this.#isEmpty = Object.values(faults).every((fault) => fault === undefined);
  }

  /** Whether something may go wrong with a request. */
  concerns(request: RpcRequest): boolean {
    const { only } = this.#faults;
    return !this.#isEmpty && (only === undefined || only.includes(request.func));
  }

  /** Before such a request is served: says how it is to be answered. */
  *received(sys: Syscalls): Co<Fault> {
    const { slowNs = 0, diesAtRequest, answersWith, corruptsByte } = this.#faults;
    this.#requests += 1;
    if (this.#requests === diesAtRequest) yield* sys.kill(sys.getpid(), SIGKILL);
    if (slowNs > 0) yield* sys.nanosleep(slowNs);
    const lieBytes = this.#faults.liesAboutSizeBytes ?? 0;
    return { answers: this.#answers(), answersWith, corruptsByte, lieBytes };
  }

  #answers(): number {
    const { answersTwice = false, neverAnswers = false, dropsAnswer } = this.#faults;
    if (neverAnswers || this.#requests === dropsAnswer) return 0;
    return answersTwice ? 2 : 1;
  }
}

/** What goes wrong with one request. */
export interface Fault {
  /** How often it is answered. */
  readonly answers: number;
  /** TEEC_Result */
  readonly answersWith: number | undefined;
  readonly corruptsByte: number | undefined;
  readonly lieBytes: number;
}

export const NO_FAULT: Fault = {
  answers: 1,
  answersWith: undefined,
  corruptsByte: undefined,
  lieBytes: 0,
};

const RETURNED: ReadonlySet<number> = new Set([
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
]);

/** Makes SHM_ALLOC's handler believe that another size was asked for. */
export function lieBefore({ lieBytes }: Fault, request: RpcRequest): void {
  if (lieBytes === 0 || request.func !== OPTEE_RPC_CMD_SHM_ALLOC || !request.isValue(0)) return;
  request.set('b', 0, Math.max(0, request.num('b', 0) + lieBytes));
}

/** Spoils what the request returns in memory, and its size. */
export function spoil(
  { lieBytes, corruptsByte }: Fault,
  server: Server,
  request: RpcRequest,
): void {
  for (let n = 0; n < request.numParams; n++) {
    if (!RETURNED.has(request.type(n))) continue;
    const at = paramToVa(server, request, n);
    if (corruptsByte !== undefined && at !== null && corruptsByte < request.size(n)) {
      const byte = va(at + corruptsByte);
      server.memory.setU8(byte, server.memory.u8(byte) ^ 0xff);
    }
    if (lieBytes !== 0) request.setSize(n, Math.max(0, request.size(n) + lieBytes));
  }
}
