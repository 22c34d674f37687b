/**
 * The test of mutexes: writers change two numbers, readers see whether they belong together. It
 * reports how many threads were before the lock and inside, which xtest prints.
 *
 * Upstream counterpart: optee_os core/pta/tests/mutex.c.
 */
import { PTA_MUTEX_TEST_READER, PTA_MUTEX_TEST_WRITER } from '../../../abi/pta.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../../abi/gp.ts';
import type { Co, MaybeCo } from '../../../sched/task.ts';
import type { Guest } from '../../guest.ts';
import { SecureMutex } from '../../kernel/mutex.ts';
import type { PtaCall } from '../../kernel/pseudo-ta.ts';

const TYPES = TEE_PARAM_TYPES(
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_NONE,
);

/** Threads of one kind. */
class Side {
  beforeLock = 0;
  duringLock = 0;
}

export class MutexTests {
  readonly #mutex: SecureMutex;
  readonly #writers = new Side();
  readonly #readers = new Side();
  #val0 = 0;
  #val1 = 0;

  constructor({ nexus, notif }: Guest) {
    this.#mutex = new SecureMutex(nexus.sched, notif, 'test_mutex');
  }

  /** core_mutex_tests() */
  run(call: PtaCall): MaybeCo<number> {
    if (call.types !== TYPES) return TEE_ERROR_BAD_PARAMETERS;
    const { a: side } = call.params[0]!;
    if (side === PTA_MUTEX_TEST_WRITER) return this.#writer(call);
    return side === PTA_MUTEX_TEST_READER ? this.#reader(call) : TEE_ERROR_BAD_PARAMETERS;
  }

  *#writer({ thread, params }: PtaCall): Co<number> {
    const [{ b: delay }, out] = [params[0]!, params[1]!];
    const side = this.#writers;
    out.a = ++side.beforeLock;
    yield* this.#mutex.lock(thread);
    side.beforeLock -= 1;
    out.b = ++side.duringLock;
    this.#val0 += delay;
    if (thread.preemptible) yield* thread.preempt();
    this.#val1 += 2 * delay;
    side.duringLock -= 1;
    yield* this.#mutex.unlock(thread);
    return TEE_SUCCESS;
  }

  *#reader({ thread, params }: PtaCall): Co<number> {
    const [{ b: delay }, out] = [params[0]!, params[1]!];
    const side = this.#readers;
    out.a = ++side.beforeLock;
    yield* this.#mutex.readLock(thread);
    side.beforeLock -= 1;
    out.b = ++side.duringLock;
    if (thread.preemptible) yield* thread.preempt();
    const torn = delay > 0 && this.#val0 * 2 !== this.#val1;
    side.duringLock -= 1;
    yield* this.#mutex.readUnlock(thread);
    return torn ? TEE_ERROR_BAD_STATE : TEE_SUCCESS;
  }
}
