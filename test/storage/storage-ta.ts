/** A TA that does with persistent objects what its client says, and keeps all handles open. */
import {
  TEE_HANDLE_NULL,
  TEE_STORAGE_PRIVATE,
  TEE_SUCCESS,
  defineTa,
  ref,
} from '../../src/ta/index.ts';
import type {
  MaybePromise,
  TEE_ObjectEnumHandle,
  TEE_ObjectHandle,
  TEE_Params,
  Tee,
} from '../../src/ta/index.ts';

export const STORAGE_TA = '5c0a2d3e-0d3c-4c2e-8f5e-0b6f3a1d9e77';

/** [0] memref in: id; [1] memref inout: data; [2] value inout: a flags or a handle's place. */
export const CMD = {
  create: 0,
  open: 1,
  read: 2,
  write: 3,
  close: 4,
  delete: 5,
  enumerate: 6,
  panic: 7,
} as const;

interface State {
  readonly tee: Tee;
  readonly objects: TEE_ObjectHandle[];
}

type Command = (state: State, params: TEE_Params) => MaybePromise<number>;

/** A copy of the TA's own. */
function own(tee: Tee, { memref }: TEE_Params[0]): Uint8Array {
  const copy = tee.TEE_Malloc(memref.size, 0)!;
  if (memref.buffer !== null) copy.set(memref.buffer.subarray(0, memref.size));
  return copy;
}

async function opened(
  { tee, objects }: State,
  params: TEE_Params,
  data: Uint8Array | undefined,
): Promise<number> {
  const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  const id = own(tee, params[0]);
  const flags = params[2].value.a;
  const result =
    data === undefined
      ? await tee.TEE_OpenPersistentObject(TEE_STORAGE_PRIVATE, id, flags, object)
      : await tee.TEE_CreatePersistentObject(
          TEE_STORAGE_PRIVATE,
          id,
          flags,
          TEE_HANDLE_NULL,
          data,
          object,
        );
  if (result === TEE_SUCCESS) params[2].value.a = objects.push(object.value) - 1;
  tee.TEE_Free(id);
  return result;
}

const COMMANDS: Readonly<Record<number, Command>> = {
  async [CMD.create](state, params) {
    const data = own(state.tee, params[1]);
    const result = await opened(state, params, data);
    state.tee.TEE_Free(data);
    return result;
  },
  [CMD.open]: (state, params) => opened(state, params, undefined),
  async [CMD.read]({ tee, objects }, params) {
    const data = own(tee, params[1]);
    const count = ref(0);
    const result = await tee.TEE_ReadObjectData(objects[params[2].value.a]!, data, count);
    params[1].memref.buffer?.set(data);
    params[1].memref.size = count.value;
    tee.TEE_Free(data);
    return result;
  },
  async [CMD.write]({ tee, objects }, params) {
    const data = own(tee, params[1]);
    const result = await tee.TEE_WriteObjectData(objects[params[2].value.a]!, data);
    tee.TEE_Free(data);
    return result;
  },
  async [CMD.close]({ tee, objects }, params) {
    await tee.TEE_CloseObject(objects[params[2].value.a]!);
    return TEE_SUCCESS;
  },
  [CMD.delete]: ({ tee, objects }, params) =>
    tee.TEE_CloseAndDeletePersistentObject1(objects[params[2].value.a]!),
  async [CMD.enumerate]({ tee }) {
    const e = ref<TEE_ObjectEnumHandle>(TEE_HANDLE_NULL);
    const result = tee.TEE_AllocatePersistentObjectEnumerator(e);
    if (result !== TEE_SUCCESS) return result;
    return tee.TEE_StartPersistentObjectEnumerator(e.value, TEE_STORAGE_PRIVATE);
  },
  [CMD.panic]: ({ tee }) => tee.TEE_Panic(0xbad),
};

export default defineTa(
  {
    uuid: STORAGE_TA,
    flags: 0,
    stackSize: 8 * 1024,
    dataSize: 256 * 1024,
    version: '1.0',
    description: 'test',
  },
  (tee) => {
    const state: State = { tee, objects: [] };
    return {
      TA_CreateEntryPoint: () => TEE_SUCCESS,
      TA_DestroyEntryPoint() {},
      TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
      TA_CloseSessionEntryPoint() {},
      TA_InvokeCommandEntryPoint: (_session, command, _types, params) =>
        COMMANDS[command]!(state, params),
    };
  },
);
