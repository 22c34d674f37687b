/** TEE_IOC_SUPPL_SEND: the right answer to a request, and the wrong ones. */
import { EBADF, ENOENT } from '../../../abi/errno.ts';
import {
  TEEC_ERROR_BUSY,
  TEEC_ERROR_GENERIC,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_NOT_SUPPORTED,
  TEEC_ERROR_OUT_OF_MEMORY,
  TEEC_ERROR_SHORT_BUFFER,
  TEEC_SUCCESS,
} from '../../../abi/gp.ts';
import {
  OPTEE_RPC_CMD_LOAD_TA,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
} from '../../../abi/optee-rpc.ts';
import {
  TEE_IOCTL_PARAM_ATTR_META,
  TEE_IOCTL_PARAM_ATTR_TYPE_NONE,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
} from '../../../abi/tee.ts';
import type { Co } from '../../../sched/task.ts';
import type { RawParam } from './ioctls.ts';
import { lendProperly, lendWrongly } from './lend.ts';
import type { Answer } from './lend.ts';
import { EMPTY } from './state.ts';
import type { HostileThread, PendingRequest } from './state.ts';

/** Bytes that a TA's file has, when there is one: more than a page. */
const TA_FILE_SIZE = 5000;
const META_VALUE = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT | TEE_IOCTL_PARAM_ATTR_META;
const NO_ID = 0xffff_ffff;
/** No attribute has this bit. */
const BAD_ATTR = 0x1000;

const ERRORS: readonly number[] = [
  TEEC_ERROR_GENERIC,
  TEEC_ERROR_OUT_OF_MEMORY,
  TEEC_ERROR_SHORT_BUFFER,
  TEEC_ERROR_BUSY,
];

type Handler = (thread: HostileThread, params: readonly RawParam[]) => Co<Answer>;

const HANDLERS: ReadonlyMap<number, Handler> = new Map([
  [OPTEE_RPC_CMD_LOAD_TA, loadTa],
  [OPTEE_RPC_CMD_SHM_ALLOC, lendProperly],
  [OPTEE_RPC_CMD_SHM_FREE, takeBack],
]);

// --- right
export function* answerProperly(thread: HostileThread, request: PendingRequest): Co<void> {
  thread.process.takePending(request);
  const handler = HANDLERS.get(request.func);
  const answer =
    handler === undefined
      ? { ret: TEEC_ERROR_NOT_SUPPORTED, params: request.params }
      : yield* handler(thread, request.params);
  yield* send(thread, request, answer.ret, withId(request, answer.params));
}

/** Without a buffer the file's size is asked for. What is in the file does not matter. */
function* loadTa({ process }: HostileThread, params: readonly RawParam[]): Co<Answer> {
  const [uuid, file] = params;
  if (uuid === undefined || file === undefined || process.run.choose(2, 'has the TA') === 0) {
    return { ret: TEEC_ERROR_ITEM_NOT_FOUND, params };
  }
  const size = file.c === NO_ID ? TA_FILE_SIZE : file.b;
  return { ret: TEEC_SUCCESS, params: [uuid, { ...file, b: size }] };
}

function* takeBack(thread: HostileThread, params: readonly RawParam[]): Co<Answer> {
  const id = params[0]?.b ?? 0;
  const { shms } = thread.process;
  const fd = shms.get(id);
  shms.delete(id);
  if (fd !== undefined) yield* thread.ioctls.sys.close(fd);
  return { ret: TEEC_SUCCESS, params };
}

/**
 * Sends, and keeps what the kernel says it has not taken. The request was taken out before: by the
 * time that this returns, another one may have its id.
 */
function* send(
  { process, ioctls }: HostileThread,
  request: PendingRequest,
  ret: number,
  params: readonly RawParam[],
): Co<void> {
  const rc = yield* ioctls.send(process.fd, ret, params);
  if (rc !== 0 && rc !== -ENOENT && rc !== -EBADF) process.pending.push(request);
}

const metaOf = (id: number): RawParam => ({ ...EMPTY, attr: META_VALUE, a: id });

const withId = ({ id }: PendingRequest, params: readonly RawParam[]): readonly RawParam[] =>
  id === undefined ? params : [metaOf(id), ...params];

// --- wrong
/** What is wrong with an answer to a request that the process has. */
type Wrong = (thread: HostileThread, request: PendingRequest) => Co<Answer>;

/** Parameters for a result of success. */
const wrongly = (
  change: (params: readonly RawParam[], request: PendingRequest) => readonly RawParam[],
): Wrong =>
  function* (_, request) {
    return { ret: TEEC_SUCCESS, params: change(withId(request, request.params), request) };
  };

const withSizes = (size: (b: number) => number): Wrong =>
  wrongly((params) => params.map((p, n) => (n === 0 ? p : { ...p, b: size(p.b) })));

const WRONGS: readonly (readonly [label: string, wrong: Wrong])[] = [
  ['an error', sendError],
  ['success, and nothing done', wrongly((params) => params)],
  ['one parameter more', wrongly((params) => [...params, EMPTY])],
  ['one parameter fewer', wrongly((params) => params.slice(0, -1))],
  ['no parameters', wrongly(() => [])],
  [
    'no META',
    wrongly((params) => params.map((p) => ({ ...p, attr: p.attr & ~TEE_IOCTL_PARAM_ATTR_META }))),
  ],
  [
    'other attributes',
    wrongly((params, { id }) => params.map((p, n) => (n === 0 && id !== undefined ? p : EMPTY))),
  ],
  [
    'unknown attributes',
    wrongly((params) => params.map((p) => ({ ...p, attr: p.attr | BAD_ATTR }))),
  ],
  ['sizes of zero', withSizes(() => 0)],
  ['sizes beyond the buffers', withSizes((b) => b + 1)],
  ['enormous sizes', withSizes(() => 0xffff_ffff)],
];

/** What can be wrong with the answer to a request of one kind besides, as often as all of the above. */
const WRONGS_OF: ReadonlyMap<number, readonly [label: string, wrong: Wrong]> = new Map([
  [OPTEE_RPC_CMD_SHM_ALLOC, ['the wrong memory', sendWrongMemory]],
]);

export function* answerWrongly(thread: HostileThread, request: PendingRequest): Co<void> {
  const { process } = thread;
  process.takePending(request);
  const own = WRONGS_OF.get(request.func);
  const all = own === undefined ? WRONGS : [...WRONGS, ...WRONGS.map(() => own)];
  const [, wrong] = process.run.oneOf(all, 'how to answer');
  const { ret, params } = yield* wrong(thread, request);
  yield* send(thread, request, ret, params);
}

function* sendError({ process }: HostileThread, request: PendingRequest): Co<Answer> {
  const ret = process.run.oneOf(ERRORS, 'error');
  return { ret, params: withId(request, request.params) };
}

function* sendWrongMemory(thread: HostileThread, request: PendingRequest): Co<Answer> {
  const { ret, params } = yield* lendWrongly(thread, request.params);
  return { ret, params: withId(request, params) };
}

/**
 * Answers what was not asked, by number: a request that is queued, or was answered, or never was.
 * Requests have one parameter or two.
 */
export function* answerUnasked({ process, ioctls }: HostileThread): Co<void> {
  const { run, highestId } = process;
  const ids = [highestId + 1, highestId + 2, highestId, 1, 0, NO_ID];
  const id = run.oneOf(ids, 'id to answer');
  const count = 1 + run.choose(2, 'parameters');
  const value = { ...EMPTY, attr: TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT };
  const none = { ...EMPTY, attr: TEE_IOCTL_PARAM_ATTR_TYPE_NONE };
  const params = [metaOf(id), value, none].slice(0, 1 + count);
  const rc = yield* ioctls.send(process.fd, TEEC_SUCCESS, params);
  // Without META there is one request at a time, and whatever is sent answers it.
  if (rc === 0 && process.manner.receives === 'without META') process.pending.length = 0;
}
