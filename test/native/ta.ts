/**
 * The test TA of the native programs: does to values and memory what its client can check, waits,
 * and breaks in every way that a TA in TypeScript can. Each session has an instance of its own.
 */
import {
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_HANDLE_NULL,
  TEE_MALLOC_FILL_ZERO,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
  TEE_TIMEOUT_INFINITE,
  defineTa,
  newParams,
  ref,
} from '../../src/ta/index.ts';
import type { MaybePromise, TEE_Params, TEE_TASessionHandle, Tee } from '../../src/ta/index.ts';
import { TA_TEST_CMD, TA_TEST_UUID } from './commands.ts';

type Handler = (tee: Tee, params: TEE_Params) => MaybePromise<number>;

const MISSING_UUID = 'deadbeef-0000-0000-0000-000000000000';
const OWN_BYTES = 100;
/** STRIPE writes every other word of this size. */
const WORD_BYTES = 8;
const NO_BYTES = new Uint8Array(0);

/** The bytes of a memory parameter; none for NULL. */
const bytesOf = (params: TEE_Params): Uint8Array => params[0].memref.buffer ?? NO_BYTES;

function sum(_tee: Tee, params: TEE_Params): number {
  let total = 0;
  for (const byte of bytesOf(params)) total += byte;
  params[1].value.a = total;
  return TEE_SUCCESS;
}

async function sumLater(tee: Tee, params: TEE_Params): Promise<number> {
  await tee.TEE_Wait(params[1].value.b);
  return sum(tee, params);
}

function fill(_tee: Tee, params: TEE_Params): number {
  bytesOf(params).fill(params[1].value.a);
  return TEE_SUCCESS;
}

function xor(_tee: Tee, params: TEE_Params): number {
  const bytes = bytesOf(params);
  for (let i = 0; i < bytes.length; i++) bytes[i] = bytes[i]! ^ params[1].value.a;
  return TEE_SUCCESS;
}

async function stripe(tee: Tee, params: TEE_Params): Promise<number> {
  const { a: pattern, b: ms } = params[1].value;
  await tee.TEE_Wait(ms);
  const bytes = bytesOf(params);
  for (let at = 0; at < bytes.length; at += 2 * WORD_BYTES) {
    bytes.fill(pattern, at, at + WORD_BYTES);
  }
  return TEE_SUCCESS;
}

function shortBuffer(_tee: Tee, params: TEE_Params): number {
  params[0].memref.size += 1;
  return TEE_ERROR_SHORT_BUFFER;
}

function panic(tee: Tee, params: TEE_Params): never {
  return tee.TEE_Panic(params[0].value.a);
}

function spin(): never {
  for (;;);
}

/** What a module in JavaScript, which no compiler checks, may return. */
function nonsense(): number {
  return JSON.parse('"nonsense"');
}

async function ownMemory(tee: Tee, params: TEE_Params): Promise<number> {
  const own = tee.TEE_Malloc(OWN_BYTES, TEE_MALLOC_FILL_ZERO);
  const session = ref<TEE_TASessionHandle>(TEE_HANDLE_NULL);
  let result = await open(tee, TA_TEST_UUID, session);
  if (result !== TEE_SUCCESS) return result;
  const sent = newParams();
  sent[0].memref.buffer = own?.fill(3) ?? null;
  sent[0].memref.size = OWN_BYTES;
  const types = TEE_PARAM_TYPES(
    TEE_PARAM_TYPE_MEMREF_INPUT,
    TEE_PARAM_TYPE_VALUE_OUTPUT,
    TEE_PARAM_TYPE_NONE,
    TEE_PARAM_TYPE_NONE,
  );
  const { SUM } = TA_TEST_CMD;
  result = await tee.TEE_InvokeTACommand(
    session.value,
    TEE_TIMEOUT_INFINITE,
    SUM,
    types,
    sent,
    null,
  );
  await tee.TEE_CloseTASession(session.value);
  params[0].value.a = sent[1].value.a;
  return result;
}

function open(tee: Tee, uuid: string, session = ref<TEE_TASessionHandle>(TEE_HANDLE_NULL)) {
  return tee.TEE_OpenTASession(uuid, TEE_TIMEOUT_INFINITE, 0, null, session, null);
}

async function reeTime(tee: Tee, params: TEE_Params): Promise<number> {
  const time = { seconds: 0, millis: 0 };
  await tee.TEE_GetREETime(time);
  params[0].value.a = time.seconds;
  return TEE_SUCCESS;
}

const HANDLERS: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [
    TA_TEST_CMD.INC,
    (_tee, params) => {
      params[0].value.a += 1;
      return TEE_SUCCESS;
    },
  ],
  [TA_TEST_CMD.SUM, sum],
  [TA_TEST_CMD.SUM_LATER, sumLater],
  [TA_TEST_CMD.FILL, fill],
  [TA_TEST_CMD.XOR, xor],
  [TA_TEST_CMD.STRIPE, stripe],
  [TA_TEST_CMD.SHORT_BUFFER, shortBuffer],
  [TA_TEST_CMD.WAIT, (tee, params) => tee.TEE_Wait(params[0].value.a)],
  [
    TA_TEST_CMD.THROW,
    () => {
      throw new Error('on purpose');
    },
  ],
  [TA_TEST_CMD.PANIC, panic],
  [TA_TEST_CMD.SPIN, spin],
  [TA_TEST_CMD.HANG, () => new Promise<number>(() => {})],
  [TA_TEST_CMD.NONSENSE, nonsense],
  [TA_TEST_CMD.OWN_MEMORY, ownMemory],
  [TA_TEST_CMD.REE_TIME, reeTime],
  [TA_TEST_CMD.OPEN_MISSING, (tee) => open(tee, MISSING_UUID)],
]);

export default defineTa({ uuid: TA_TEST_UUID, description: 'Native tests' }, (tee) => ({
  TA_CreateEntryPoint: () => TEE_SUCCESS,
  TA_DestroyEntryPoint() {},
  TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
  TA_CloseSessionEntryPoint() {},
  TA_InvokeCommandEntryPoint(_session, commandID, _paramTypes, params) {
    return HANDLERS.get(commandID)?.(tee, params) ?? TEE_ERROR_NOT_SUPPORTED;
  },
}));
