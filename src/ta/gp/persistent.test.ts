/**
 * The library's side of persistent objects: which results each function hands on and which end the
 * TA, and what it makes of arguments. The storage behind it is answered by the test.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_SEEK_CUR,
  TEE_DATA_SEEK_END,
  TEE_DATA_SEEK_SET,
  TEE_ERROR,
  TEE_ERROR_ACCESS_CONFLICT,
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_STORAGE_NOT_AVAILABLE,
  TEE_HANDLE_NULL,
  TEE_OBJECT_ID_MAX_LEN,
  TEE_STORAGE_PRIVATE,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { hex32 } from '../../abi/layout.ts';
import type { Co } from '../../sched/task.ts';
import type { TaObjectInfo, TaStorageSyscalls } from '../runtime.ts';
import { World, inTa, panicOf } from '../testing/world.ts';
import type { Tee } from './tee.ts';
import { TEE_ObjectInfo, memref, objectEnumHandle, objectHandle, ref } from './types.ts';
import type { TEE_ObjectEnumHandle, TEE_ObjectHandle } from './types.ts';

const OBJECT = objectHandle(7);
const ENUMERATOR = objectEnumHandle(8);
const NO_OBJECT: TEE_ObjectHandle = TEE_HANDLE_NULL;
const NO_ENUMERATOR: TEE_ObjectEnumHandle = TEE_HANDLE_NULL;
const ID = Uint8Array.of(1, 2, 3);
const FLAGS = TEE_DATA_FLAG_ACCESS_READ;

/** A storage whose every call has one result, at once or after a wait. */
function storage(now: () => number, world?: () => World): Partial<TaStorageSyscalls> {
  function* later(): Co<number> {
    if (world !== undefined) yield* world().sched.sleep(1000, 'uninterruptible', 'storage');
    return now();
  }
  return {
    objOpen: later,
    objCreate: later,
    objDelete: later,
    objRename: later,
    enumAlloc: now,
    enumFree: now,
    enumReset: now,
    enumStart: later,
    enumNext: later,
    objRead: later,
    objWrite: later,
    objTruncate: later,
    objSeek: now,
  };
}

const inWorld = (answers: World['answers']): World => new World(answers);
const found = { objGetInfo: () => TEE_SUCCESS };

type Call = (tee: Tee) => unknown;
type Names = readonly (keyof typeof TEE_ERROR)[];

const STORAGE: Names = ['TEE_ERROR_CORRUPT_OBJECT', 'TEE_ERROR_STORAGE_NOT_AVAILABLE'];
const OPEN: Names = [
  ...STORAGE,
  'TEE_ERROR_ITEM_NOT_FOUND',
  'TEE_ERROR_ACCESS_CONFLICT',
  'TEE_ERROR_OUT_OF_MEMORY',
];

/** What each function may return beside success; every other error of the core ends the TA. */
const RESULTS: readonly (readonly [string, Call, Names])[] = [
  [
    'TEE_OpenPersistentObject',
    (tee) => tee.TEE_OpenPersistentObject(TEE_STORAGE_PRIVATE, ID, FLAGS, ref(OBJECT)),
    OPEN,
  ],
  [
    'TEE_CreatePersistentObject',
    (tee) =>
      tee.TEE_CreatePersistentObject(TEE_STORAGE_PRIVATE, ID, FLAGS, NO_OBJECT, null, ref(OBJECT)),
    [...OPEN, 'TEE_ERROR_STORAGE_NO_SPACE'],
  ],
  [
    'TEE_CloseAndDeletePersistentObject1',
    (tee) => tee.TEE_CloseAndDeletePersistentObject1(OBJECT),
    ['TEE_ERROR_STORAGE_NOT_AVAILABLE'],
  ],
  [
    'TEE_RenamePersistentObject',
    (tee) => tee.TEE_RenamePersistentObject(OBJECT, ID),
    [...STORAGE, 'TEE_ERROR_ACCESS_CONFLICT'],
  ],
  [
    'TEE_AllocatePersistentObjectEnumerator',
    (tee) => tee.TEE_AllocatePersistentObjectEnumerator(ref(ENUMERATOR)),
    ['TEE_ERROR_ACCESS_CONFLICT'],
  ],
  [
    'TEE_FreePersistentObjectEnumerator',
    (tee) => tee.TEE_FreePersistentObjectEnumerator(ENUMERATOR),
    [],
  ],
  [
    'TEE_ResetPersistentObjectEnumerator',
    (tee) => tee.TEE_ResetPersistentObjectEnumerator(ENUMERATOR),
    [],
  ],
  [
    'TEE_StartPersistentObjectEnumerator',
    (tee) => tee.TEE_StartPersistentObjectEnumerator(ENUMERATOR, TEE_STORAGE_PRIVATE),
    [...STORAGE, 'TEE_ERROR_ITEM_NOT_FOUND'],
  ],
  [
    'TEE_GetNextPersistentObject',
    (tee) => tee.TEE_GetNextPersistentObject(ENUMERATOR, null, memref(new Uint8Array(64))),
    [...STORAGE, 'TEE_ERROR_ITEM_NOT_FOUND'],
  ],
  [
    'TEE_ReadObjectData',
    (tee) => tee.TEE_ReadObjectData(OBJECT, new Uint8Array(4), ref(0)),
    STORAGE,
  ],
  [
    'TEE_WriteObjectData',
    (tee) => tee.TEE_WriteObjectData(OBJECT, ID),
    [...STORAGE, 'TEE_ERROR_STORAGE_NO_SPACE', 'TEE_ERROR_OVERFLOW'],
  ],
  [
    'TEE_TruncateObjectData',
    (tee) => tee.TEE_TruncateObjectData(OBJECT, 4),
    [...STORAGE, 'TEE_ERROR_STORAGE_NO_SPACE'],
  ],
  [
    'TEE_SeekObjectData',
    (tee) => tee.TEE_SeekObjectData(OBJECT, 4, TEE_DATA_SEEK_SET),
    [...STORAGE, 'TEE_ERROR_OVERFLOW'],
  ],
];

describe('results of the core', () => {
  for (const [api, call, allowed] of RESULTS) {
    test(`${api} hands on ${allowed.length === 0 ? 'none' : allowed.join(', ')}`, async () => {
      let answer: number = TEE_SUCCESS;
      const world = inWorld({ storage: storage(() => answer), crypto: found });
      for (const [name, code] of Object.entries(TEE_ERROR)) {
        if (code === TEE_SUCCESS) continue;
        answer = code;
        if (allowed.includes(name as keyof typeof TEE_ERROR)) {
          await inTa(async (tee) => assert.equal(await call(tee), code, name), undefined, world);
        } else {
          const { panic, cause } = await panicOf(call, undefined, world);
          assert.equal(hex32(panic.code), hex32(code), name);
          assert.match(cause, new RegExp(`^${api}: the core answered`));
        }
      }
    });
  }
});

type Refusal = readonly [string, Call, number, RegExp];

/** What ends the TA before, or whatever, the storage is asked. */
const REFUSALS: readonly Refusal[] = [
  [
    'TEE_RenamePersistentObject: no object',
    (tee) => tee.TEE_RenamePersistentObject(NO_OBJECT, ID),
    TEE_ERROR_ITEM_NOT_FOUND,
    /no object/,
  ],
  [
    'TEE_GetNextPersistentObject: NULL for the id',
    (tee) => tee.TEE_GetNextPersistentObject(ENUMERATOR, null, memref(null)),
    TEE_ERROR_BAD_PARAMETERS,
    /no room/,
  ],
  [
    'TEE_GetNextPersistentObject: less room than an id can have',
    (tee) =>
      tee.TEE_GetNextPersistentObject(
        ENUMERATOR,
        null,
        memref(new Uint8Array(TEE_OBJECT_ID_MAX_LEN - 1)),
      ),
    TEE_ERROR_ACCESS_DENIED,
    /up to 64 bytes/,
  ],
  [
    'TEE_ReadObjectData: no object',
    (tee) => tee.TEE_ReadObjectData(NO_OBJECT, null, ref(0)),
    TEE_ERROR_BAD_PARAMETERS,
    /no object/,
  ],
  [
    'TEE_WriteObjectData: no object',
    (tee) => tee.TEE_WriteObjectData(NO_OBJECT, null),
    TEE_ERROR_BAD_PARAMETERS,
    /no object/,
  ],
  [
    'TEE_TruncateObjectData: no object',
    (tee) => tee.TEE_TruncateObjectData(NO_OBJECT, 0),
    TEE_ERROR_BAD_PARAMETERS,
    /no object/,
  ],
  [
    'TEE_SeekObjectData: no object',
    (tee) => tee.TEE_SeekObjectData(NO_OBJECT, 0, TEE_DATA_SEEK_SET),
    TEE_ERROR_BAD_PARAMETERS,
    /no object/,
  ],
  [
    'TEE_SeekObjectData: from nowhere',
    (tee) => tee.TEE_SeekObjectData(OBJECT, 0, 3),
    TEE_ERROR_ITEM_NOT_FOUND,
    /whence 3/,
  ],
];

describe('refusals', () => {
  for (const [name, call, code, reason] of REFUSALS) {
    test(name, async () => {
      const world = inWorld({ storage: storage(() => TEE_SUCCESS), crypto: found });
      const { panic, cause } = await panicOf(call, undefined, world);
      assert.equal(hex32(panic.code), hex32(code));
      assert.match(cause, reason);
      assert.match(panic.where, /persistent\.test\.ts:\d+$/, 'the line of the TA');
    });
  }

  test('TEE_CloseAndDeletePersistentObject has no result to tell a failure with', async () => {
    const world = inWorld({ storage: storage(() => TEE_ERROR_STORAGE_NOT_AVAILABLE) });
    const { panic, cause } = await panicOf(
      (tee) => tee.TEE_CloseAndDeletePersistentObject(OBJECT),
      undefined,
      world,
    );
    assert.equal(panic.code, 0);
    assert.match(cause, /not available/);
  });

  test('TEE_HANDLE_NULL is nothing to close, free or reset', () =>
    inTa(
      async (tee) => {
        await tee.TEE_CloseAndDeletePersistentObject(NO_OBJECT);
        assert.equal(await tee.TEE_CloseAndDeletePersistentObject1(NO_OBJECT), TEE_SUCCESS);
        await tee.TEE_FreePersistentObjectEnumerator(NO_ENUMERATOR);
        await tee.TEE_ResetPersistentObjectEnumerator(NO_ENUMERATOR);
      },
      undefined,
      inWorld({ storage: storage(() => TEE_ERROR_BAD_PARAMETERS) }),
    ));

  test('a panic behind a wait names the line that waited', async () => {
    const world: World = inWorld({
      storage: storage(
        () => TEE_ERROR_BAD_PARAMETERS,
        () => world,
      ),
    });
    const { panic } = await panicOf((tee) => tee.TEE_WriteObjectData(OBJECT, ID), undefined, world);
    assert.match(panic.where, /persistent\.test\.ts:\d+$/);
  });
});

describe('handles', () => {
  test('are set with success, and are TEE_HANDLE_NULL without', async () => {
    function* opened(...args: unknown[]): Co<number> {
      (args.at(-1) as { handle: number }).handle = 42;
      return TEE_SUCCESS;
    }
    const enumAlloc = (out: { handle: number }): number => {
      out.handle = 42;
      return TEE_SUCCESS;
    };
    const open = inWorld({ storage: { objOpen: opened, objCreate: opened, enumAlloc } });
    await inTa(
      async (tee) => {
        const [one, two, three] = [ref(NO_OBJECT), ref(NO_OBJECT), ref(NO_ENUMERATOR)];
        await tee.TEE_OpenPersistentObject(TEE_STORAGE_PRIVATE, ID, FLAGS, one);
        const storageId = TEE_STORAGE_PRIVATE;
        await tee.TEE_CreatePersistentObject(storageId, ID, FLAGS, NO_OBJECT, null, two);
        tee.TEE_AllocatePersistentObjectEnumerator(three);
        assert.deepEqual([one.value, two.value, three.value], [42, 42, 42]);
      },
      undefined,
      open,
    );
    await inTa(
      async (tee) => {
        const [one, two, three] = [ref(OBJECT), ref(OBJECT), ref(ENUMERATOR)];
        await tee.TEE_OpenPersistentObject(TEE_STORAGE_PRIVATE, null, FLAGS, one);
        const storageId = TEE_STORAGE_PRIVATE;
        await tee.TEE_CreatePersistentObject(storageId, null, FLAGS, NO_OBJECT, null, two);
        tee.TEE_AllocatePersistentObjectEnumerator(three);
        assert.deepEqual([one.value, two.value, three.value], [0, 0, 0]);
      },
      undefined,
      inWorld({ storage: storage(() => TEE_ERROR_ACCESS_CONFLICT) }),
    );
  });

  test('none is asked for when the TA wants none', async () => {
    const asked: unknown[] = [];
    function* created(...args: unknown[]): Co<number> {
      asked.push(...args);
      return TEE_SUCCESS;
    }
    await inTa(
      (tee) => tee.TEE_CreatePersistentObject(TEE_STORAGE_PRIVATE, ID, FLAGS, OBJECT, ID, null),
      undefined,
      inWorld({ storage: { objCreate: created } }),
    );
    assert.deepEqual(asked, [TEE_STORAGE_PRIVATE, ID, FLAGS, OBJECT, ID, undefined]);
  });

  test('closing one waits for its storage', async () => {
    let closed = false;
    const world: World = inWorld({
      crypto: {
        *objClose(): Co<number> {
          yield* world.sched.sleep(1000, 'uninterruptible', 'storage');
          closed = true;
          return TEE_SUCCESS;
        },
      },
    });
    await inTa(
      async (tee) => {
        const closing = tee.TEE_CloseObject(OBJECT);
        assert.equal(closed, false);
        await closing;
        assert.equal(closed, true);
      },
      undefined,
      world,
    );
  });
});

describe('enumeration and data', () => {
  test('an entry has its info, and its id with its length', async () => {
    function* next(
      _handle: number,
      info: TaObjectInfo,
      id: Uint8Array,
      size: { size: number },
    ): Co<number> {
      Object.assign(info, { objectType: 5, keySize: 6, dataSize: 7, handleFlags: 8 });
      id.set(ID);
      size.size = ID.length;
      return TEE_SUCCESS;
    }
    await inTa(
      async (tee) => {
        const info = new TEE_ObjectInfo();
        const id = memref(new Uint8Array(64));
        assert.equal(await tee.TEE_GetNextPersistentObject(ENUMERATOR, info, id), TEE_SUCCESS);
        const { objectType, objectSize, dataSize, handleFlags } = info;
        assert.deepEqual([objectType, objectSize, dataSize, handleFlags], [5, 6, 7, 8]);
        assert.deepEqual(id.buffer!.subarray(0, id.size), ID);
      },
      undefined,
      inWorld({ storage: { enumNext: next } }),
    );
  });

  test('reading says how many bytes there were', async () => {
    function* read(_handle: number, out: Uint8Array, count: { size: number }): Co<number> {
      out.set(ID);
      count.size = ID.length;
      return TEE_SUCCESS;
    }
    await inTa(
      async (tee) => {
        const [buffer, count] = [new Uint8Array(8), ref(0)];
        assert.equal(await tee.TEE_ReadObjectData(OBJECT, buffer, count), TEE_SUCCESS);
        assert.deepEqual(buffer.subarray(0, count.value), ID);
      },
      undefined,
      inWorld({ storage: { objRead: read } }),
    );
  });

  const AT = { dataSize: 0xfffffff0, dataPosition: 100 };
  for (const [name, offset, whence, asked] of [
    ['from the start', 0x7fffffff, TEE_DATA_SEEK_SET, 0x7fffffff],
    ['before the start', -1, TEE_DATA_SEEK_SET, -1],
    ['a start that 32 bits cut', 0x80000000, TEE_DATA_SEEK_SET, -0x80000000],
    ['from here', 0x7fffff00, TEE_DATA_SEEK_CUR, 0x7fffff00],
    ['from here beyond the last position', 0xffffff9c, TEE_DATA_SEEK_CUR, 'overflow'],
    ['from the end', 15, TEE_DATA_SEEK_END, 15],
    ['from the end beyond the last position', 16, TEE_DATA_SEEK_END, 'overflow'],
    ['back from the end', -16, TEE_DATA_SEEK_END, -16],
  ] as const) {
    test(`TEE_SeekObjectData: ${name}`, async () => {
      const seen: number[] = [];
      const world = inWorld({
        crypto: {
          objGetInfo: (_handle, info) => {
            Object.assign(info, AT);
            return TEE_SUCCESS;
          },
        },
        storage: {
          objSeek: (_handle, at) => {
            seen.push(at);
            return TEE_SUCCESS;
          },
        },
      });
      await inTa(
        (tee) => {
          const result = tee.TEE_SeekObjectData(OBJECT, offset, whence);
          const expected = asked === 'overflow' ? TEE_ERROR.TEE_ERROR_OVERFLOW : TEE_SUCCESS;
          assert.equal(hex32(result), hex32(expected));
        },
        undefined,
        world,
      );
      assert.deepEqual(seen, asked === 'overflow' ? [] : [asked]);
    });
  }
});
