/**
 * A TA that does what it is told to persistent objects, one thing a command. Its entry points are
 * coroutines over the bare system calls, so that a run needs no turn of the host's event loop.
 */
import {
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE,
  TEE_DATA_FLAG_ACCESS_WRITE_META,
  TEE_DATA_FLAG_OVERWRITE,
  TEE_DATA_SEEK_SET,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_OBJECT_ID_MAX_LEN,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { endOf } from '../../sched/task.ts';
import type { Co } from '../../sched/task.ts';
import type {
  TaEntry,
  TaEnvironment,
  TaImage,
  TaInstance,
  TaObjectInfo,
  TaParams,
} from '../../ta/runtime.ts';

export const STORAGE_TA = '5c0e7a3b-1d9f-4f6e-8f6b-6b0f3d2c4a53';

/** Commands. Parameters: memory `a` (an object's id), memory `b`, and a value. */
export const CREATE = 0;
export const WRITE = 1;
export const TRUNCATE = 2;
export const RENAME = 3;
export const REMOVE = 4;
export const READ = 5;
export const LIST = 6;

const ALL_ACCESS =
  TEE_DATA_FLAG_ACCESS_READ | TEE_DATA_FLAG_ACCESS_WRITE | TEE_DATA_FLAG_ACCESS_WRITE_META;

/** One call: where the objects are, its memory, its value, and where the size of a result goes. */
interface Request {
  readonly ta: TaEnvironment['syscalls'];
  readonly storage: number;
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  readonly value: number;
  readonly size: { size: number };
}

type Command = (request: Request) => Co<number>;

const COMMANDS: ReadonlyMap<number, Command> = new Map<number, Command>([
  [CREATE, create],
  [WRITE, write],
  [
    TRUNCATE,
    (request) => withObject(request, (h) => request.ta.storage.objTruncate(h, request.value)),
  ],
  [RENAME, (request) => withObject(request, (h) => request.ta.storage.objRename(h, request.b))],
  [REMOVE, remove],
  [
    READ,
    (request) => withObject(request, (h) => request.ta.storage.objRead(h, request.b, request.size)),
  ],
  [LIST, list],
]);

function* create({ ta, storage, a, b }: Request): Co<number> {
  const flags = ALL_ACCESS | TEE_DATA_FLAG_OVERWRITE;
  return yield* ta.storage.objCreate(storage, a, flags, 0, b, undefined);
}

function* write(request: Request): Co<number> {
  const { ta, b, value } = request;
  return yield* withObject(request, function* (handle) {
    const res = ta.storage.objSeek(handle, value, TEE_DATA_SEEK_SET);
    return res === TEE_SUCCESS ? yield* ta.storage.objWrite(handle, b) : res;
  });
}

function* remove({ ta, storage, a }: Request): Co<number> {
  const out = { handle: 0 };
  const res = yield* ta.storage.objOpen(storage, a, ALL_ACCESS, out);
  return res === TEE_SUCCESS ? yield* ta.storage.objDelete(out.handle) : res;
}

/** Opens the object, does something with it, closes it. */
function* withObject({ ta, storage, a }: Request, act: (handle: number) => Co<number>): Co<number> {
  const out = { handle: 0 };
  const opened = yield* ta.storage.objOpen(storage, a, ALL_ACCESS, out);
  if (opened !== TEE_SUCCESS) return opened;
  const res = yield* act(out.handle);
  yield* endOf(ta.crypto.objClose(out.handle));
  return res;
}

/** The ids of all objects in the storage's own order, each behind a byte of its length. */
function* list({ ta, storage, b, size }: Request): Co<number> {
  const out = { handle: 0 };
  const allocated = ta.storage.enumAlloc(out);
  if (allocated !== TEE_SUCCESS) return allocated;
  let used = 0;
  let res = yield* ta.storage.enumStart(out.handle, storage);
  while (res === TEE_SUCCESS) {
    const id = b.subarray(used + 1, used + 1 + TEE_OBJECT_ID_MAX_LEN);
    size.size = id.length;
    res = yield* ta.storage.enumNext(out.handle, noInfo(), id, size);
    if (res !== TEE_SUCCESS) break;
    b[used] = size.size;
    used += 1 + size.size;
  }
  ta.storage.enumFree(out.handle);
  size.size = used;
  return res === TEE_ERROR_ITEM_NOT_FOUND ? TEE_SUCCESS : res;
}

const noInfo = (): TaObjectInfo => ({
  objectType: 0,
  keySize: 0,
  maxKeySize: 0,
  objectUsage: 0,
  dataSize: 0,
  dataPosition: 0,
  handleFlags: 0,
});

/** @param storage TEE_STORAGE_PRIVATE* */
export function storageTa(storage: number): TaImage {
  return {
    head: {
      uuid: STORAGE_TA,
      flags: 0,
      stackSize: 4096,
      dataSize: 4096,
      version: '1.0',
      description: 'storage',
      properties: new Map(),
    },
    origin: 'src/sim/power-cut/storage-ta.ts',
    instantiate: (environment) => new StorageInstance(environment, storage),
  };
}

class StorageInstance implements TaInstance {
  readonly #environment: TaEnvironment;
  readonly #storage: number;

  constructor(environment: TaEnvironment, storage: number) {
    this.#environment = environment;
    this.#storage = storage;
  }

  *enter(
    entry: TaEntry,
    _session: number,
    command: number,
    params: TaParams | undefined,
  ): Co<number> {
    if (entry !== 'TA_InvokeCommandEntryPoint') return TEE_SUCCESS;
    const run = COMMANDS.get(command);
    if (run === undefined || params === undefined) return TEE_ERROR_BAD_PARAMETERS;
    const [a, b] = [this.#map(params, 0), this.#map(params, 1)];
    const size = params.slots[1]!;
    const { syscalls: ta } = this.#environment;
    const value = params.slots[2]!.a;
    const res = yield* run({ ta, storage: this.#storage, a: a.bytes, b: b.bytes, value, size });
    b.writeBack();
    return res;
  }

  destroy(): void {}

  #map(params: TaParams, n: number): { readonly bytes: Uint8Array; writeBack(): void } {
    const { memref, size } = params.slots[n]!;
    if (memref === undefined || size === 0) return { bytes: new Uint8Array(0), writeBack() {} };
    return this.#environment.port.mapContiguous(memref.pages, memref.offset, size, 'write');
  }
}
