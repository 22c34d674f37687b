/**
 * Things that a supplicant can do wrong, for tests of everybody who depends on one. Without them it
 * behaves as the real one.
 */
import { SIGKILL } from '../../abi/fcntl.ts';
import { OPTEE_RPC_CMD_LOAD_TA, OPTEE_RPC_CMD_SHM_ALLOC } from '../../abi/optee-rpc.ts';
import type { Syscalls } from '../../linux/process/syscalls.ts';
import type { Co } from '../../sched/task.ts';
import type { RpcRequest } from './rpc-request.ts';

export interface SupplicantFaults {
  /** RPC commands that the faults are for (OPTEE_RPC_CMD_*); all without. */
  readonly only?: readonly number[];
  /** Time before each request is served, in nanoseconds. */
  readonly slowNs?: number;
  /** The process is killed while it serves the n-th request; 1 is the first. */
  readonly diesAtRequest?: number;
  /** Each answer is sent a second time. */
  readonly answersTwice?: boolean;
  /** Requests are received and never answered. */
  readonly neverAnswers?: boolean;
  /**
   * Bytes by which the buffer of SHM_ALLOC is larger than asked for (smaller when negative), and by
   * which LOAD_TA says that the file is larger than it is.
   */
  readonly liesAboutSizeBytes?: number;
}

/** The faults of one process, which count its requests. */
export class FaultScript {
  readonly #faults: SupplicantFaults;
  #requests = 0;

  constructor(faults: SupplicantFaults) {
    this.#faults = faults;
  }

  /** Before a request is served: says how it is to be answered. */
  *received(sys: Syscalls, request: RpcRequest): Co<Fault> {
    const { only, slowNs = 0, diesAtRequest, liesAboutSizeBytes = 0 } = this.#faults;
    const func = request.func;
    if (only !== undefined && !only.includes(func)) return NO_FAULT;
    this.#requests += 1;
    if (this.#requests === diesAtRequest) yield* sys.kill(sys.getpid(), SIGKILL);
    if (slowNs > 0) yield* sys.nanosleep(slowNs);
    return {
      answers: this.#faults.neverAnswers === true ? 0 : this.#faults.answersTwice === true ? 2 : 1,
      lie: { func, bytes: liesAboutSizeBytes },
    };
  }
}

/** What goes wrong with one request. */
export interface Fault {
  /** How often it is answered. */
  readonly answers: number;
  readonly lie: { readonly func: number; readonly bytes: number };
}

const NO_FAULT: Fault = { answers: 1, lie: { func: -1, bytes: 0 } };

/** Makes SHM_ALLOC's handler believe that another size was asked for. */
export function lieBefore({ lie }: Fault, request: RpcRequest): void {
  if (lie.bytes === 0 || lie.func !== OPTEE_RPC_CMD_SHM_ALLOC || !request.isValue(0)) return;
  request.setB(0, Math.max(0, request.b(0) + lie.bytes));
}

/** Makes the secure world believe that LOAD_TA's file has another size. */
export function lieAfter({ lie }: Fault, request: RpcRequest): void {
  if (lie.bytes === 0 || lie.func !== OPTEE_RPC_CMD_LOAD_TA || !request.isMemref(1)) return;
  request.setSize(1, Math.max(0, request.size(1) + lie.bytes));
}
