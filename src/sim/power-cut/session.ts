/** A box with the storage TA, and a program that calls it, stepped synchronously. */
import { SMALL } from '../../boards/boards.ts';
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INOUT,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INPUT,
  TEE_STORAGE_PRIVATE_RPMB,
  formatResult,
} from '../../abi/gp.ts';
import { Box } from '../../box/box.ts';
import type { Profile } from '../../box/profiles.ts';
import type { Host } from '../../host/host.ts';
import type { ByteStore } from '../../host/store.ts';
import type { Co } from '../../sched/task.ts';
import { LibTeec } from '../../userland/libteec/libteec.ts';
import type { TeecSession } from '../../userland/libteec/teec.ts';
import { Run } from '../run.ts';
import { LIST, READ, STORAGE_TA, storageTa } from './storage-ta.ts';

const TYPES = TEEC_PARAM_TYPES(
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_MEMREF_TEMP_INOUT,
  TEEC_VALUE_INPUT,
  TEEC_NONE,
);
/** Larger than any object of a run, and than the list of their ids. */
const MOST_BYTES = 1 << 15;
/** Of the box: keys and file numbers are the same in all runs. */
const BOX_SEED = 1;

const CONFIG = { CFG_TEE_CORE_LOG_LEVEL: 0, CFG_CORE_HEAP_SIZE: 1 << 18 };
/** tee-supplicant's device, which it keeps on the disk: a frame that was written is there. */
const RPMB_CONFIG = { CFG_RPMB_FS: true, CFG_RPMB_WRITE_KEY: true };

export interface StorageBox {
  readonly profile: Profile;
  /** TEE_STORAGE_PRIVATE* */
  readonly storage: number;
}

/** What an object turned out to be: its bytes, or the result of opening or reading it. */
export type Found = Uint8Array | number;

/** What the program of a session does. */
export type Body = (client: StorageClient) => Co<void>;

/**
 * Boots on a disk and runs a program on it. @returns why the box stopped, if it did
 * @throws BootError
 */
export function useStorage(
  host: Host,
  { profile, storage }: StorageBox,
  disk: ByteStore,
  body: Body,
): string | undefined {
  const box = new Box(host, {
    board: SMALL,
    profile,
    seed: BOX_SEED,
    supplicant: 'none',
    stateStore: disk,
    tas: [storageTa(storage)],
    config: storage === TEE_STORAGE_PRIVATE_RPMB ? { ...CONFIG, ...RPMB_CONFIG } : CONFIG,
    traceCapacity: 1,
  });
  try {
    const run = new Run(box);
    run.supplicant();
    run.program('client', function* (program) {
      const lib = new LibTeec(program, program.sys);
      const { context } = yield* lib.initializeContext(null);
      const opened = yield* lib.openSession(context, STORAGE_TA, TEEC_LOGIN_PUBLIC);
      if (opened.result !== TEEC_SUCCESS) throw new Error(formatResult(opened.result));
      yield* body(new StorageClient(lib, opened.session));
    });
    run.settle();
    return box.sched.halted?.text;
  } finally {
    box.dispose();
  }
}

export class StorageClient {
  readonly #lib: LibTeec;
  readonly #session: TeecSession;
  readonly #room = new Uint8Array(MOST_BYTES);

  constructor(lib: LibTeec, session: TeecSession) {
    this.#lib = lib;
    this.#session = session;
  }

  /** One command. @returns its TEE_Result; `data.size` is what the TA left there. */
  *call(command: number, id: Uint8Array, data: Uint8Array, value: number): Co<[number, number]> {
    const tmpref = { buffer: data.length === 0 ? null : data, size: data.length };
    const { result } = yield* this.#lib.invokeCommand(this.#session, command, {
      paramTypes: TYPES,
      params: [
        { tmpref: { buffer: id, size: id.length } },
        { tmpref },
        { value: { a: value, b: 0 } },
      ],
    });
    return [result, tmpref.size];
  }

  /** All objects that there are, by id; a result instead of the map when they cannot be told. */
  *objects(): Co<ReadonlyMap<string, Found> | number> {
    const room = this.#room;
    const [result, size] = yield* this.call(LIST, NO_ID, room, 0);
    if (result !== TEEC_SUCCESS) return result;
    const ids: Uint8Array[] = [];
    for (let at = 0; at < size; at += 1 + room[at]!)
      ids.push(room.slice(at + 1, at + 1 + room[at]!));
    const found = new Map<string, Found>();
    for (const id of ids) found.set(new TextDecoder().decode(id), yield* this.read(id));
    return found;
  }

  *read(id: Uint8Array): Co<Found> {
    const [result, size] = yield* this.call(READ, id, this.#room, 0);
    return result === TEEC_SUCCESS ? this.#room.slice(0, size) : result;
  }
}

const NO_ID = new Uint8Array(1);
