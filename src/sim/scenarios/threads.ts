/**
 * Programs with two threads each that share everything: contexts, sessions, memory. Every step of
 * every thread is drawn, so that what one uses another one closes.
 */
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_WHOLE,
  TEEC_MEM_INPUT,
  TEEC_MEM_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import type { Program } from '../../linux/process/program.ts';
import type { Syscalls } from '../../linux/process/syscalls.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { LibTeec } from '../../userland/libteec/libteec.ts';
import { TeecSharedMemory } from '../../userland/libteec/teec.ts';
import type { TeecContext, TeecOperation, TeecSession } from '../../userland/libteec/teec.ts';
import type { Run } from '../run.ts';
import type { Scenario } from '../scenario.ts';
import { CMD_ADD, CMD_PANIC, COUNTER_TA, SHARED_TA, TA_IMAGES, UNKNOWN_TA } from './tas.ts';

const PROGRAMS = 2;
const LEAST_STEPS = 4;
const MOST_STEPS = 12;
const IN_AND_OUT = TEEC_MEM_INPUT | TEEC_MEM_OUTPUT;
const ONE_BUFFER = TEEC_PARAM_TYPES(TEEC_MEMREF_WHOLE, TEEC_NONE, TEEC_NONE, TEEC_NONE);
const NO_PARAMS = TEEC_PARAM_TYPES(TEEC_NONE, TEEC_NONE, TEEC_NONE, TEEC_NONE);

/** What the threads of a program share. Whoever closes something takes it out first. */
class Belongings {
  readonly contexts: TeecContext[] = [];
  readonly sessions: TeecSession[] = [];
  readonly memory: TeecSharedMemory[] = [];
  readonly operations: TeecOperation[] = [];
}

interface Worker {
  readonly run: Run;
  readonly program: Program;
  readonly sys: Syscalls;
  readonly lib: LibTeec;
  readonly has: Belongings;
}

interface Step {
  readonly label: string;
  readonly when: (has: Belongings) => boolean;
  readonly act: (worker: Worker) => Co<unknown>;
}

const hasContext = ({ contexts }: Belongings): boolean => contexts.length > 0;
const hasSession = ({ sessions }: Belongings): boolean => sessions.length > 0;
const hasMemory = ({ memory }: Belongings): boolean => memory.length > 0;

const STEPS: readonly Step[] = [
  { label: 'open a context', when: () => true, act: openContext },
  { label: 'open a session', when: hasContext, act: openSession },
  { label: 'open a session', when: hasContext, act: openSession },
  { label: 'register memory', when: hasContext, act: registerMemory },
  { label: 'allocate memory', when: hasContext, act: allocateMemory },
  { label: 'invoke', when: hasSession, act: invoke },
  { label: 'invoke', when: hasSession, act: invoke },
  { label: 'invoke', when: hasSession, act: invoke },
  { label: 'panic', when: hasSession, act: panic },
  { label: 'cancel', when: ({ operations }) => operations.length > 0, act: cancel },
  { label: 'release memory', when: hasMemory, act: releaseMemory },
  { label: 'close a session', when: hasSession, act: closeSession },
  { label: 'close a context', when: hasContext, act: closeContext },
];

export const THREADS: Scenario = {
  name: 'threads',
  summary: 'programs whose threads open, share, call, cancel, release and close; kills; panics',
  boot: () => ({ tas: TA_IMAGES, config: { CFG_TEE_CORE_LOG_LEVEL: 1 } }),
  start(run) {
    const supplicant = run.supplicant();
    const programs = Array.from({ length: PROGRAMS }, (_, n) => startProgram(run, `program ${n}`));
    run.killSomebody([...programs, supplicant]);
    run.killSomebody([...programs, supplicant]);
    run.fillPool();
  },
};

function startProgram(run: Run, name: string): Program {
  return run.program(name, function* (program) {
    const has = new Belongings();
    const workerOf = (sys: Syscalls): Worker => ({
      run,
      program,
      sys,
      lib: new LibTeec(program, sys),
      has,
    });
    const main = workerOf(program.sys);
    yield* openContext(main);
    const other = program.spawnThread('thread', ({ sys }) => work(workerOf(sys)));
    yield* work(main);
    if (run.choose(2, 'exit without waiting') === 0) yield* run.box.sched.join(other.task);
  });
}

function* work(worker: Worker): Co<void> {
  const { run, has } = worker;
  const count = LEAST_STEPS + run.choose(MOST_STEPS - LEAST_STEPS + 1, 'steps');
  for (let n = 0; n < count; n++) {
    const possible = STEPS.filter(({ when }) => when(has));
    yield* run.oneOf(possible, 'step').act(worker);
  }
}

/** One of several things, which the program has no longer then. */
function take<T>(run: Run, things: T[], label: string): T {
  return things.splice(run.choose(things.length, label), 1)[0]!;
}

// --- steps
function* openContext({ lib, has }: Worker): Co<void> {
  const { result, context } = yield* lib.initializeContext('optee-tz');
  if (result === TEEC_SUCCESS) has.contexts.push(context);
}

function* closeContext({ run, lib, has }: Worker): Co<void> {
  yield* lib.finalizeContext(take(run, has.contexts, 'context'));
}

function* openSession({ run, lib, has }: Worker): Co<void> {
  const context = run.oneOf(has.contexts, 'context');
  const uuid = run.oneOf([COUNTER_TA, SHARED_TA, UNKNOWN_TA], 'TA');
  const { result, session } = yield* lib.openSession(context, uuid, TEEC_LOGIN_PUBLIC);
  if (result === TEEC_SUCCESS) has.sessions.push(session);
}

function* closeSession({ run, lib, has }: Worker): Co<void> {
  yield* lib.closeSession(take(run, has.sessions, 'session'));
}

function* registerMemory({ run, program, lib, has }: Worker): Co<void> {
  const page = program.memory.memalign(PAGE_SIZE, PAGE_SIZE);
  const shm = new TeecSharedMemory(IN_AND_OUT, PAGE_SIZE, page);
  const result = yield* lib.registerSharedMemory(run.oneOf(has.contexts, 'context'), shm);
  if (result === TEEC_SUCCESS) has.memory.push(shm);
}

function* allocateMemory({ run, lib, has }: Worker): Co<void> {
  const shm = new TeecSharedMemory(IN_AND_OUT, PAGE_SIZE);
  const result = yield* lib.allocateSharedMemory(run.oneOf(has.contexts, 'context'), shm);
  if (result === TEEC_SUCCESS) has.memory.push(shm);
}

function* releaseMemory({ run, lib, has }: Worker): Co<void> {
  yield* lib.releaseSharedMemory(take(run, has.memory, 'memory'));
}

function* invoke({ run, lib, has }: Worker): Co<void> {
  const session = run.oneOf(has.sessions, 'session');
  const parent = run.oneOf([undefined, ...has.memory], 'memory');
  const operation: TeecOperation =
    parent === undefined
      ? { paramTypes: NO_PARAMS, params: [] }
      : { paramTypes: ONE_BUFFER, params: [{ memref: { parent, offset: 0, size: 0 } }] };
  has.operations.push(operation);
  yield* lib.invokeCommand(session, CMD_ADD, operation);
  has.operations.splice(has.operations.indexOf(operation), 1);
}

function* panic({ run, lib, has }: Worker): Co<void> {
  yield* lib.invokeCommand(run.oneOf(has.sessions, 'session'), CMD_PANIC);
}

function* cancel({ run, lib, has }: Worker): Co<void> {
  yield* lib.requestCancellation(run.oneOf(has.operations, 'operation'));
}
