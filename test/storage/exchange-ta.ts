/**
 * The TA that the recordings in `fixtures/real-*` were made with, here in TypeScript: a call of the
 * storage API for each command, on handles that it keeps in numbered places.
 */
import {
  TEE_ATTR_FLAG_VALUE,
  TEE_Attribute,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_HANDLE_NULL,
  TEE_OBJECT_ID_MAX_LEN,
  TEE_ObjectInfo,
  TEE_SUCCESS,
  defineTa,
  memref,
  ref,
} from '../../src/ta/index.ts';
import type {
  MaybePromise,
  TEE_ObjectEnumHandle,
  TEE_ObjectHandle,
  TEE_Params,
  Tee,
} from '../../src/ta/index.ts';

/** Objects in storage belong to this UUID. */
export const EXCHANGE_TA = '5709a6e0-1111-4a4a-9b9b-0123456789ab';

/** [0], [1] values in: h x y z. [2] memref in: id. [3] memref inout: data. */
export const CMD = {
  create: 1,
  open: 2,
  close: 3,
  read: 5,
  write: 6,
  seek: 7,
  trunc: 8,
  rename: 9,
  info: 10,
  enum: 11,
  key: 12,
  attr: 13,
  free: 15,
} as const;

/** Of a TEE_ObjectInfo in memory. */
export const INFO_BYTES = 28;
/** What stands before an attribute's bytes: its id and their number. */
export const ATTR_HEAD = 8;
const PLACES = 8;

interface Call {
  readonly tee: Tee;
  readonly objects: TEE_ObjectHandle[];
  readonly h: number;
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly id: Uint8Array;
  readonly data: Uint8Array;
  readonly out: TEE_Params[3]['memref'];
}

/** Keeps what a function gives in the place h. */
async function kept(
  { objects, h }: Call,
  give: (object: { value: TEE_ObjectHandle }) => MaybePromise<number>,
): Promise<number> {
  const object = ref<TEE_ObjectHandle>(objects[h]!);
  const result = await give(object);
  objects[h] = object.value;
  return result;
}

function put(out: Call['out'], bytes: Uint8Array): void {
  out.buffer?.set(bytes);
  out.size = bytes.length;
}

function bytesOfInfo(info: TEE_ObjectInfo): Uint8Array {
  const fields = Uint32Array.of(
    info.objectType,
    info.objectSize,
    info.maxObjectSize,
    info.objectUsage,
    info.dataSize,
    info.dataPosition,
    info.handleFlags,
  );
  return new Uint8Array(fields.buffer);
}

function attributesOf(tee: Tee, data: Uint8Array): TEE_Attribute[] {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const attributes: TEE_Attribute[] = [];
  for (let at = 0; at < data.length;) {
    const [id, length] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    const from = at + ATTR_HEAD;
    const attribute = new TEE_Attribute();
    if ((id & TEE_ATTR_FLAG_VALUE) !== 0) {
      const [a, b] = [view.getUint32(from, true), view.getUint32(from + 4, true)];
      tee.TEE_InitValueAttribute(attribute, id, a, b);
    } else {
      tee.TEE_InitRefAttribute(attribute, id, data.subarray(from, from + length));
    }
    attributes.push(attribute);
    at = from + length;
  }
  return attributes;
}

/** All objects of a storage: info, length of the id, id. */
async function enumerate({ tee, x, out }: Call): Promise<number> {
  const e = ref<TEE_ObjectEnumHandle>(TEE_HANDLE_NULL);
  const allocated = tee.TEE_AllocatePersistentObjectEnumerator(e);
  if (allocated !== TEE_SUCCESS) return allocated;
  const found: number[] = [];
  let result = await tee.TEE_StartPersistentObjectEnumerator(e.value, x);
  while (result === TEE_SUCCESS) {
    const info = new TEE_ObjectInfo();
    const id = memref(new Uint8Array(TEE_OBJECT_ID_MAX_LEN));
    result = await tee.TEE_GetNextPersistentObject(e.value, info, id);
    if (result !== TEE_SUCCESS) break;
    found.push(...bytesOfInfo(info), id.size, ...id.buffer!.subarray(0, id.size));
  }
  await tee.TEE_FreePersistentObjectEnumerator(e.value);
  put(out, Uint8Array.from(found));
  return result;
}

const COMMANDS: Readonly<Record<number, (call: Call) => MaybePromise<number>>> = {
  [CMD.create](call) {
    const { tee, objects, x, y, z, id, data } = call;
    const attributes = objects[z] ?? TEE_HANDLE_NULL;
    const initial = data.length === 0 ? null : data;
    return kept(call, (object) =>
      tee.TEE_CreatePersistentObject(x, id, y, attributes, initial, object),
    );
  },
  [CMD.open]: (call) =>
    kept(call, (object) => call.tee.TEE_OpenPersistentObject(call.x, call.id, call.y, object)),
  async [CMD.close]({ tee, objects, h }) {
    await tee.TEE_CloseObject(objects[h]!);
    objects[h] = TEE_HANDLE_NULL;
    return TEE_SUCCESS;
  },
  async [CMD.read]({ tee, objects, h, x, out }) {
    const bytes = new Uint8Array(x);
    const count = ref(0);
    const result = await tee.TEE_ReadObjectData(objects[h]!, bytes, count);
    put(out, bytes.subarray(0, result === TEE_SUCCESS ? count.value : 0));
    return result;
  },
  [CMD.write]: ({ tee, objects, h, data }) => tee.TEE_WriteObjectData(objects[h]!, data),
  [CMD.seek]: ({ tee, objects, h, x, y }) => tee.TEE_SeekObjectData(objects[h]!, x | 0, y),
  [CMD.trunc]: ({ tee, objects, h, x }) => tee.TEE_TruncateObjectData(objects[h]!, x),
  [CMD.rename]: ({ tee, objects, h, id }) => tee.TEE_RenamePersistentObject(objects[h]!, id),
  [CMD.info]({ tee, objects, h, out }) {
    const info = new TEE_ObjectInfo();
    const result = tee.TEE_GetObjectInfo1(objects[h]!, info);
    if (result === TEE_SUCCESS) put(out, bytesOfInfo(info));
    return result;
  },
  [CMD.enum]: enumerate,
  async [CMD.key](call) {
    const { tee, objects, h, x, y, data } = call;
    const made = await kept(call, (object) => tee.TEE_AllocateTransientObject(x, y, object));
    if (made !== TEE_SUCCESS) return made;
    return tee.TEE_PopulateTransientObject(objects[h]!, attributesOf(tee, data));
  },
  [CMD.attr]({ tee, objects, h, x, out }) {
    const bytes = memref(new Uint8Array(out.size));
    const result = tee.TEE_GetObjectBufferAttribute(objects[h]!, x, bytes);
    if (result === TEE_SUCCESS) put(out, bytes.buffer!.subarray(0, bytes.size));
    return result;
  },
  [CMD.free]({ tee, objects, h }) {
    tee.TEE_FreeTransientObject(objects[h]!);
    objects[h] = TEE_HANDLE_NULL;
    return TEE_SUCCESS;
  },
};

/** A copy of the TA's own: the client's memory is not for storage. */
const own = ({ memref: { buffer, size } }: TEE_Params[2]): Uint8Array =>
  buffer === null ? new Uint8Array(0) : buffer.slice(0, size);

export default defineTa(
  { uuid: EXCHANGE_TA, stackSize: 8 * 1024, dataSize: 512 * 1024, description: 'storage calls' },
  (tee) => {
    const objects = new Array<TEE_ObjectHandle>(PLACES).fill(TEE_HANDLE_NULL);
    return {
      TA_CreateEntryPoint: () => TEE_SUCCESS,
      TA_DestroyEntryPoint() {},
      TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
      TA_CloseSessionEntryPoint() {},
      async TA_InvokeCommandEntryPoint(_session, command, _types, params) {
        const [{ value: first }, { value: second }, id, { memref: out }] = params;
        const run = COMMANDS[command];
        if (run === undefined) return TEE_ERROR_NOT_SUPPORTED;
        const [data, places] = [own(params[3]), { h: first.a, x: first.b, y: second.a }];
        const call = { tee, objects, ...places, z: second.b, id: own(id), data, out };
        return run(call);
      },
    };
  },
);
