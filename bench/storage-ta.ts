/** The TA of the benchmark of storage: one object stays open, others are opened by their names. */
import {
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE,
  TEE_DATA_FLAG_ACCESS_WRITE_META,
  TEE_DATA_FLAG_OVERWRITE,
  TEE_DATA_SEEK_SET,
  TEE_HANDLE_NULL,
  TEE_STORAGE_PRIVATE,
  TEE_SUCCESS,
  defineTa,
  ref,
} from '../src/ta/index.ts';
import type { TEE_ObjectHandle, TEE_Params, Tee } from '../src/ta/index.ts';

export const STORAGE_BENCH_TA = '1f0b5f0a-3c4e-4f5a-9d2b-8c1f6f4b7a52';

/** [0] memref in: id. Creates an object, or the next one in its place, writes 4 KiB, closes it. */
export const CMD_CREATE_WRITE_CLOSE = 0;
/** [0] memref in: id. The object stays open. */
export const CMD_HOLD = 1;
/** Writes 4 KiB into the object that is open. */
export const CMD_WRITE_HELD = 2;
/** [0] memref in: id. Opens an object and closes it. */
export const CMD_OPEN_CLOSE = 3;

const READ_WRITE = TEE_DATA_FLAG_ACCESS_READ | TEE_DATA_FLAG_ACCESS_WRITE;
const CREATE = READ_WRITE | TEE_DATA_FLAG_ACCESS_WRITE_META | TEE_DATA_FLAG_OVERWRITE;

class Storage {
  readonly #tee: Tee;
  readonly #data: Uint8Array;
  #held: TEE_ObjectHandle = TEE_HANDLE_NULL;

  constructor(tee: Tee) {
    this.#tee = tee;
    this.#data = tee.TEE_Malloc(4096, 0)!.fill(0xa5);
  }

  async createWriteClose(id: Uint8Array): Promise<number> {
    const tee = this.#tee;
    const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
    const made = await tee.TEE_CreatePersistentObject(
      TEE_STORAGE_PRIVATE,
      id,
      CREATE,
      TEE_HANDLE_NULL,
      null,
      object,
    );
    if (made !== TEE_SUCCESS) return made;
    const result = await tee.TEE_WriteObjectData(object.value, this.#data);
    await tee.TEE_CloseObject(object.value);
    return result;
  }

  async hold(id: Uint8Array): Promise<number> {
    const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
    const tee = this.#tee;
    const result = await tee.TEE_OpenPersistentObject(TEE_STORAGE_PRIVATE, id, READ_WRITE, object);
    this.#held = object.value;
    return result;
  }

  writeHeld(): number | Promise<number> {
    this.#tee.TEE_SeekObjectData(this.#held, 0, TEE_DATA_SEEK_SET);
    return this.#tee.TEE_WriteObjectData(this.#held, this.#data);
  }

  async openClose(id: Uint8Array): Promise<number> {
    const result = await this.hold(id);
    await this.#tee.TEE_CloseObject(this.#held);
    return result;
  }
}

/** A copy of the TA's own, which it keeps. */
function idOf(tee: Tee, params: TEE_Params): Uint8Array {
  const { buffer, size } = params[0].memref;
  const id = tee.TEE_Malloc(size, 0)!;
  id.set(buffer!.subarray(0, size));
  return id;
}

export default defineTa(
  {
    uuid: STORAGE_BENCH_TA,
    flags: 0,
    stackSize: 4 * 1024,
    dataSize: 64 * 1024,
    version: '1.0',
    description: 'Benchmark of storage',
  },
  (tee) => {
    const storage = new Storage(tee);
    const commands = [
      (id: Uint8Array) => storage.createWriteClose(id),
      (id: Uint8Array) => storage.hold(id),
      () => storage.writeHeld(),
      (id: Uint8Array) => storage.openClose(id),
    ];
    return {
      TA_CreateEntryPoint: () => TEE_SUCCESS,
      TA_DestroyEntryPoint() {},
      TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
      TA_CloseSessionEntryPoint() {},
      async TA_InvokeCommandEntryPoint(_session, command, _types, params) {
        const id = idOf(tee, params);
        const result = await commands[command]!(id);
        tee.TEE_Free(id);
        return result;
      },
    };
  },
);
