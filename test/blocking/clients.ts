/** What the programs of the scenarios do, over libteec. They exit with 0 when all went well. */
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INOUT,
  TEEC_MEM_INPUT,
  TEEC_MEM_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INOUT,
  TEEC_VALUE_INPUT,
} from '../../src/abi/gp.ts';
import type { ProgramMain } from '../../src/linux/process/program.ts';
import type { Co } from '../../src/sched/task.ts';
import { WaitQueue } from '../../src/sched/wait.ts';
import { LibTeec } from '../../src/userland/libteec/libteec.ts';
import { TeecSharedMemory } from '../../src/userland/libteec/teec.ts';
import type { TeecContext, TeecOperation, TeecSession } from '../../src/userland/libteec/teec.ts';
import { CMD } from './tas.ts';

/** What a client does with its session. */
export type Work = (lib: LibTeec, session: TeecSession, context: TeecContext) => Co<boolean>;

const operation = (type: number, param: TeecOperation['params'][number]): TeecOperation => ({
  paramTypes: TEEC_PARAM_TYPES(type, TEEC_NONE, TEEC_NONE, TEEC_NONE),
  params: [param],
});

/** A call that must succeed and add one. */
export function* increment(lib: LibTeec, session: TeecSession): Co<boolean> {
  const value = { a: 41, b: 0 };
  const op = operation(TEEC_VALUE_INOUT, { value });
  const { result } = yield* lib.invokeCommand(session, CMD.INC, op);
  return result === TEEC_SUCCESS && value.a === 42;
}

/** A call that sleeps in the normal world. */
export const sleeping = (ms: number): Work =>
  function* (lib, session) {
    const op = operation(TEEC_VALUE_INPUT, { value: { a: ms, b: 0 } });
    return (yield* lib.invokeCommand(session, CMD.WAIT, op)).result === TEEC_SUCCESS;
  };

/** The same, and another call. */
export const waiting = (ms: number): Work =>
  function* (lib, session, context) {
    return (yield* sleeping(ms)(lib, session, context)) && (yield* increment(lib, session));
  };

/** Calls with memory that is registered for them, and with memory that stays. */
export const sharing = (bytes: number): Work =>
  function* (lib, session, context) {
    const shm = new TeecSharedMemory(TEEC_MEM_INPUT | TEEC_MEM_OUTPUT, bytes);
    if ((yield* lib.allocateSharedMemory(context, shm)) !== TEEC_SUCCESS) return false;
    const buffer = new Uint8Array(bytes);
    const op = operation(TEEC_MEMREF_TEMP_INOUT, { tmpref: { buffer, size: bytes } });
    const { result } = yield* lib.invokeCommand(session, CMD.TOUCH, op);
    yield* lib.releaseSharedMemory(shm);
    return result === TEEC_SUCCESS && buffer[0] === 1;
  };

/** Opens a session, works, closes it. */
export const client = (uuid: string, ...works: readonly Work[]): ProgramMain =>
  function* (program) {
    const lib = new LibTeec(program);
    const { result, context } = yield* lib.initializeContext();
    if (result !== TEEC_SUCCESS) return 1;
    const fine = yield* session(lib, context, uuid, works);
    yield* lib.finalizeContext(context);
    return fine ? 0 : 2;
  };

function* session(
  lib: LibTeec,
  context: TeecContext,
  uuid: string,
  works: readonly Work[],
): Co<boolean> {
  const open = yield* lib.openSession(context, uuid, TEEC_LOGIN_PUBLIC);
  if (open.result !== TEEC_SUCCESS) return false;
  for (const work of works) if (!(yield* work(lib, open.session, context))) return false;
  yield* lib.closeSession(open.session);
  return true;
}

/** A session that cannot be opened. */
export const refused = (uuid: string, results: readonly number[]): ProgramMain =>
  function* (program) {
    const lib = new LibTeec(program);
    const { context } = yield* lib.initializeContext();
    const { result } = yield* lib.openSession(context, uuid, TEEC_LOGIN_PUBLIC);
    yield* lib.finalizeContext(context);
    return results.includes(result) ? 0 : 2;
  };

/** Threads of one process, each with a session of its own in the one context. */
export const threads = (count: number, uuid: string, ...works: readonly Work[]): ProgramMain =>
  function* (program) {
    const { context } = yield* new LibTeec(program).initializeContext();
    const ended = new WaitQueue(program.kernel.sched, 'pthread_join');
    const fine: boolean[] = [];
    for (let n = 0; n < count; n++) {
      program.spawnThread(`thread ${n}`, function* ({ sys }) {
        fine.push(yield* session(new LibTeec(program, sys), context, uuid, works));
        ended.wakeAll();
      });
    }
    while (fine.length < count) yield* program.sys.futexWait(ended);
    return fine.every(Boolean) ? 0 : 2;
  };

/** Keeps a device busy: a context and memory of it, for a while. */
export const holding = (ns: number): ProgramMain =>
  function* (program) {
    const lib = new LibTeec(program);
    const { context } = yield* lib.initializeContext();
    const shm = new TeecSharedMemory(TEEC_MEM_INPUT, 5000);
    if ((yield* lib.allocateSharedMemory(context, shm)) !== TEEC_SUCCESS) return 1;
    yield* program.sys.nanosleep(ns);
    yield* lib.releaseSharedMemory(shm);
    yield* lib.finalizeContext(context);
    return 0;
  };
