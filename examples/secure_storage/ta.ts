/**
 * Secure storage, the trusted application: writes, reads and deletes objects for its client. Same
 * UUID, commands, results and log lines as OP-TEE's public example (optee_examples,
 * secure_storage/ta).
 */
import {
  TA_FLAG_SINGLE_INSTANCE,
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE,
  TEE_DATA_FLAG_ACCESS_WRITE_META,
  TEE_DATA_FLAG_OVERWRITE,
  TEE_DATA_FLAG_SHARE_READ,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_HANDLE_NULL,
  TEE_MALLOC_FILL_ZERO,
  TEE_ObjectInfo,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_STORAGE_PRIVATE,
  TEE_SUCCESS,
  defineTa,
  ref,
} from 'teebox/ta';
import type { MaybePromise, TEE_Memref, TEE_ObjectHandle, TEE_Params, Tee } from 'teebox/ta';
import {
  TA_SECURE_STORAGE_CMD_DELETE,
  TA_SECURE_STORAGE_CMD_READ_RAW,
  TA_SECURE_STORAGE_CMD_WRITE_RAW,
  TA_SECURE_STORAGE_UUID,
} from './secure-storage-ta.ts';

const NONE = TEE_PARAM_TYPE_NONE;
const IN = TEE_PARAM_TYPE_MEMREF_INPUT;
const OUT = TEE_PARAM_TYPE_MEMREF_OUTPUT;

const hex8 = (result: number): string => `0x${result.toString(16).padStart(8, '0')}`;

/** A copy of a client's memory, which could change at any time; null when there is no memory. */
function ownCopy(tee: Tee, { buffer, size }: TEE_Memref): Uint8Array | null {
  const copy = tee.TEE_Malloc(size, TEE_MALLOC_FILL_ZERO);
  if (copy !== null) tee.TEE_MemMove(copy, buffer, size);
  return copy;
}

async function delete_object(tee: Tee, types: number, params: TEE_Params): Promise<number> {
  if (types !== TEE_PARAM_TYPES(IN, NONE, NONE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  const id = ownCopy(tee, params[0].memref);
  if (id === null) return TEE_ERROR_OUT_OF_MEMORY;
  const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  // Deleting needs the right to change what is known of an object.
  const flags = TEE_DATA_FLAG_ACCESS_READ | TEE_DATA_FLAG_ACCESS_WRITE_META;
  const result = await tee.TEE_OpenPersistentObject(TEE_STORAGE_PRIVATE, id, flags, object);
  if (result === TEE_SUCCESS) await tee.TEE_CloseAndDeletePersistentObject1(object.value);
  else tee.EMSG(`Failed to open persistent object, res=${hex8(result)}`);
  tee.TEE_Free(id);
  return result;
}

async function create_raw_object(tee: Tee, types: number, params: TEE_Params): Promise<number> {
  if (types !== TEE_PARAM_TYPES(IN, IN, NONE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  const id = ownCopy(tee, params[0].memref);
  if (id === null) return TEE_ERROR_OUT_OF_MEMORY;
  const data = ownCopy(tee, params[1].memref);
  const result = data === null ? TEE_ERROR_OUT_OF_MEMORY : await write(tee, id, data);
  tee.TEE_Free(data);
  tee.TEE_Free(id);
  return result;
}

async function write(tee: Tee, id: Uint8Array, data: Uint8Array): Promise<number> {
  const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  const flags =
    TEE_DATA_FLAG_ACCESS_READ |
    TEE_DATA_FLAG_ACCESS_WRITE |
    TEE_DATA_FLAG_ACCESS_WRITE_META |
    TEE_DATA_FLAG_OVERWRITE;
  let result = await tee.TEE_CreatePersistentObject(
    TEE_STORAGE_PRIVATE,
    id,
    flags,
    TEE_HANDLE_NULL,
    null,
    object,
  );
  if (result !== TEE_SUCCESS) {
    tee.EMSG(`TEE_CreatePersistentObject failed ${hex8(result)}`);
    return result;
  }
  result = await tee.TEE_WriteObjectData(object.value, data);
  if (result === TEE_SUCCESS) {
    await tee.TEE_CloseObject(object.value);
  } else {
    tee.EMSG(`TEE_WriteObjectData failed ${hex8(result)}`);
    await tee.TEE_CloseAndDeletePersistentObject1(object.value);
  }
  return result;
}

async function read_raw_object(tee: Tee, types: number, params: TEE_Params): Promise<number> {
  if (types !== TEE_PARAM_TYPES(IN, OUT, NONE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  const id = ownCopy(tee, params[0].memref);
  if (id === null) return TEE_ERROR_OUT_OF_MEMORY;
  const data = tee.TEE_Malloc(params[1].memref.size, TEE_MALLOC_FILL_ZERO);
  const result =
    data === null ? TEE_ERROR_OUT_OF_MEMORY : await read(tee, id, data, params[1].memref);
  tee.TEE_Free(data);
  tee.TEE_Free(id);
  return result;
}

async function read(tee: Tee, id: Uint8Array, data: Uint8Array, to: TEE_Memref): Promise<number> {
  const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  const flags = TEE_DATA_FLAG_ACCESS_READ | TEE_DATA_FLAG_SHARE_READ;
  let result = await tee.TEE_OpenPersistentObject(TEE_STORAGE_PRIVATE, id, flags, object);
  if (result !== TEE_SUCCESS) {
    tee.EMSG(`Failed to open persistent object, res=${hex8(result)}`);
    return result;
  }
  result = await dump(tee, object.value, data, to);
  await tee.TEE_CloseObject(object.value);
  return result;
}

/** All of the object's data, by way of memory of the TA's own. */
async function dump(
  tee: Tee,
  object: TEE_ObjectHandle,
  data: Uint8Array,
  to: TEE_Memref,
): Promise<number> {
  const info = new TEE_ObjectInfo();
  let result = tee.TEE_GetObjectInfo1(object, info);
  if (result !== TEE_SUCCESS) {
    tee.EMSG(`Failed to create persistent object, res=${hex8(result)}`);
    return result;
  }
  if (info.dataSize > data.length) {
    to.size = info.dataSize;
    return TEE_ERROR_SHORT_BUFFER;
  }
  const count = ref(0);
  result = await tee.TEE_ReadObjectData(object, data.subarray(0, info.dataSize), count);
  if (result === TEE_SUCCESS) tee.TEE_MemMove(to.buffer, data, count.value);
  if (result !== TEE_SUCCESS || count.value !== info.dataSize) {
    const read = `read ${count.value} over ${info.dataSize}`;
    tee.EMSG(`TEE_ReadObjectData failed ${hex8(result)}, ${read}`);
    return result;
  }
  to.size = count.value;
  return result;
}

type Command = (tee: Tee, types: number, params: TEE_Params) => MaybePromise<number>;

const COMMANDS: ReadonlyMap<number, Command> = new Map([
  [TA_SECURE_STORAGE_CMD_WRITE_RAW, create_raw_object],
  [TA_SECURE_STORAGE_CMD_READ_RAW, read_raw_object],
  [TA_SECURE_STORAGE_CMD_DELETE, delete_object],
]);

export default defineTa(
  {
    uuid: TA_SECURE_STORAGE_UUID,
    flags: TA_FLAG_SINGLE_INSTANCE,
    stackSize: 2 * 1024,
    dataSize: 32 * 1024,
    version: '1.0',
    description: 'Example of TA writing/reading data from its secure storage',
  },
  (tee) => ({
    TA_CreateEntryPoint: () => TEE_SUCCESS,

    TA_DestroyEntryPoint() {},

    TA_OpenSessionEntryPoint: () => TEE_SUCCESS,

    TA_CloseSessionEntryPoint() {},

    TA_InvokeCommandEntryPoint(_session, commandID, paramTypes, params) {
      const command = COMMANDS.get(commandID);
      if (command !== undefined) return command(tee, paramTypes, params);
      tee.EMSG(`Command ID 0x${commandID.toString(16)} is not supported`);
      return TEE_ERROR_NOT_SUPPORTED;
    },
  }),
);
