/** Shared memory that a hostile supplicant lends: answers to the SHM_ALLOC request, right and wrong. */
import { TEEC_ERROR_OUT_OF_MEMORY, TEEC_SUCCESS } from '../../../abi/gp.ts';
import { PAGE_SIZE } from '../../../machine/address.ts';
import type { Co } from '../../../sched/task.ts';
import type { RawParam, RawShm } from './ioctls.ts';
import { LENDABLE_PAGES } from './state.ts';
import type { HostileProcess, HostileThread } from './state.ts';

/** An answer before it is sent. */
export interface Answer {
  readonly ret: number;
  readonly params: readonly RawParam[];
}

/** Registers memory of the process, or allocates some of the kernel's, as large as asked for. */
export function* lendProperly(thread: HostileThread, [param]: readonly RawParam[]): Co<Answer> {
  return yield* lend(thread, param!, param!.b);
}

/** What sizes may come instead of the one that was asked for. */
const SIZES: readonly ((asked: number) => number)[] = [
  (asked) => Math.ceil(asked / 2),
  (asked) => asked + PAGE_SIZE,
  () => 1,
  () => PAGE_SIZE,
];

type Wrong = (thread: HostileThread, param: RawParam) => Co<Answer>;

const WRONGS: readonly (readonly [label: string, wrong: Wrong])[] = [
  ['another size', lendAnotherSize],
  ['an id of nothing', (thread, param) => answerWithId(param, thread.process.shms.size + 77)],
  ['a negative id', (_, param) => answerWithId(param, 0xffff_ffff)],
  ['an id of an old connection', (thread, param) => answerWithId(param, staleId(thread.process))],
  ['no id', (_, param) => answerWithId(param, param.c)],
];

export function* lendWrongly(thread: HostileThread, [param]: readonly RawParam[]): Co<Answer> {
  const [, wrong] = thread.process.run.oneOf(WRONGS, 'how to lend');
  return yield* wrong(thread, param!);
}

function* lendAnotherSize(thread: HostileThread, param: RawParam): Co<Answer> {
  const size = thread.process.run.oneOf(SIZES, 'size to lend')(param.b);
  return yield* lend(thread, param, size);
}

function* answerWithId(param: RawParam, id: number): Co<Answer> {
  return { ret: TEEC_SUCCESS, params: [{ ...param, c: id }] };
}

const staleId = (process: HostileProcess): number =>
  process.run.oneOf([1, ...process.staleIds], 'id');

function* lend(thread: HostileThread, param: RawParam, size: number): Co<Answer> {
  const shm = yield* make(thread, size);
  if (shm === undefined || shm.fd < 0) return { ret: TEEC_ERROR_OUT_OF_MEMORY, params: [param] };
  thread.process.shms.set(shm.id, shm.fd);
  return { ret: TEEC_SUCCESS, params: [{ ...param, c: shm.id }] };
}

function* make({ process, ioctls }: HostileThread, size: number): Co<RawShm | undefined> {
  if (process.run.choose(2, 'memory of the kernel') === 1) {
    return yield* ioctls.shmAlloc(process.fd, size);
  }
  if (size > LENDABLE_PAGES * PAGE_SIZE) return undefined;
  return yield* ioctls.shmRegister(process.fd, process.lendable, size);
}
