import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEE_DATA_MAX_POSITION,
  TEE_DATA_SEEK_CUR,
  TEE_DATA_SEEK_END,
  TEE_DATA_SEEK_SET,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_HANDLE_FLAG_PERSISTENT,
  TEE_OBJECT_ID_MAX_LEN,
  TEE_STORAGE_PRIVATE_REE,
  TEE_STORAGE_PRIVATE_RPMB,
} from '../../abi/gp.ts';
import type { MaybeCo } from '../../sched/task.ts';
import type { TaObjectInfo } from '../../ta/runtime.ts';
import { checkAccess } from '../storage/tee-pobj.ts';
import { MENDED, OTHER_TA, StorageWorld } from '../storage/testing/storage-world.ts';
import type { TaStorage } from '../storage/testing/storage-world.ts';
import {
  ALL,
  META,
  OVERWRITE,
  PRIVATE,
  READ,
  SHARE_READ,
  SHARE_WRITE,
  WRITE,
  assertClean,
  close,
  create,
  id,
  is,
  named,
  ok,
  open,
  opening,
  partOf,
  read,
} from '../storage/testing/svc-calls.ts';
import { TestObject } from '../storage/testing/test-object.ts';

describe('arguments', () => {
  const LONG = new Uint8Array(TEE_OBJECT_ID_MAX_LEN + 1);
  const IDS = id('a');
  const out = { handle: 0 };
  const info = {} as TaObjectInfo;
  type Case = readonly [
    string,
    (ta: TaStorage, data: number, key: number) => MaybeCo<number>,
    string,
  ];
  const CASES: readonly Case[] = [
    [
      'open: OVERWRITE',
      (t) => t.svc.objOpen(PRIVATE, IDS, READ | OVERWRITE, out),
      'BAD_PARAMETERS',
    ],
    ['open: a flag of none', (t) => t.svc.objOpen(PRIVATE, IDS, 0x8, out), 'BAD_PARAMETERS'],
    ['open: another storage', (t) => t.svc.objOpen(2, IDS, READ, out), 'ITEM_NOT_FOUND'],
    [
      'open: RPMB',
      (t) => t.svc.objOpen(TEE_STORAGE_PRIVATE_RPMB, IDS, READ, out),
      'ITEM_NOT_FOUND',
    ],
    ['open: no storage, long id', (t) => t.svc.objOpen(2, LONG, READ, out), 'ITEM_NOT_FOUND'],
    ['open: a long id', (t) => t.svc.objOpen(PRIVATE, LONG, READ, out), 'BAD_PARAMETERS'],
    ['open: nothing there', (t) => t.svc.objOpen(PRIVATE, id('x'), READ, out), 'ITEM_NOT_FOUND'],
    [
      'create: a flag of none',
      (t) => t.svc.objCreate(PRIVATE, IDS, 0x800, 0, IDS, out),
      'BAD_PARAMETERS',
    ],
    ['create: another storage', (t) => t.svc.objCreate(2, LONG, 0, 0, IDS, out), 'ITEM_NOT_FOUND'],
    ['create: a long id', (t) => t.svc.objCreate(PRIVATE, LONG, 0, 0, IDS, out), 'BAD_PARAMETERS'],
    [
      'create: there already',
      (t) => t.svc.objCreate(PRIVATE, IDS, ALL, 0, IDS, out),
      'ACCESS_CONFLICT',
    ],
    [
      'create: attributes of nothing',
      (t) => t.svc.objCreate(PRIVATE, id('n'), ALL, 999, IDS, out),
      'BAD_STATE',
    ],
    ['delete: nothing', (t) => t.svc.objDelete(999), 'BAD_STATE'],
    ['delete: a key', (t, _d, key) => t.svc.objDelete(key), 'ACCESS_CONFLICT'],
    ['rename: nothing', (t) => t.svc.objRename(999, IDS), 'BAD_STATE'],
    ['rename: a key', (t, _d, key) => t.svc.objRename(key, id('b')), 'BAD_STATE'],
    ['rename: to a long id', (t, data) => t.svc.objRename(data, LONG), 'BAD_PARAMETERS'],
    ['rename: to itself', (t, data) => t.svc.objRename(data, IDS), 'ACCESS_CONFLICT'],
    ['read: nothing', (t) => t.svc.objRead(999, LONG, { size: 0 }), 'BAD_STATE'],
    ['read: a key', (t, _d, key) => t.svc.objRead(key, LONG, { size: 0 }), 'BAD_STATE'],
    ['write: nothing', (t) => t.svc.objWrite(999, LONG), 'BAD_STATE'],
    ['write: a key', (t, _d, key) => t.svc.objWrite(key, LONG), 'BAD_STATE'],
    ['truncate: a key', (t, _d, key) => t.svc.objTruncate(key, 0), 'BAD_STATE'],
    ['seek: nothing', (t) => t.svc.objSeek(999, 0, TEE_DATA_SEEK_SET), 'BAD_STATE'],
    ['seek: a key', (t, _d, key) => t.svc.objSeek(key, 0, TEE_DATA_SEEK_SET), 'BAD_STATE'],
    ['seek: from nowhere', (t, data) => t.svc.objSeek(data, 0, 3), 'BAD_PARAMETERS'],
    ['free: no enumerator', (t) => t.svc.enumFree(999), 'BAD_PARAMETERS'],
    ['reset: no enumerator', (t) => t.svc.enumReset(999), 'BAD_PARAMETERS'],
    ['start: no enumerator', (t) => t.svc.enumStart(999, PRIVATE), 'BAD_PARAMETERS'],
    ['next: no enumerator', (t) => t.svc.enumNext(999, info, LONG, { size: 0 }), 'BAD_PARAMETERS'],
    [
      'next: an object',
      (t, data) => t.svc.enumNext(data, info, LONG, { size: 0 }),
      'BAD_PARAMETERS',
    ],
  ];
  for (const [name, call, expected] of CASES) {
    it(`${name}: ${expected}`, () => {
      const world = new StorageWorld();
      const ta = world.ta();
      const added = { handle: 0 };
      ta.objects.add(TestObject.key([1, 2, 3]), added);
      const data = create(ta, 'a', { data: 'data' });
      is(call(ta, data, added.handle), expected);
      assert.equal(ta.objects.count, 2);
      close(ta, data);
      close(ta, added.handle);
      assertClean(world);
    });
  }

  it('an id may have no bytes, and as many as there may be', () => {
    const world = new StorageWorld();
    const ta = world.ta();
    for (const name of ['', 'x'.repeat(TEE_OBJECT_ID_MAX_LEN)]) {
      close(ta, create(ta, name, { data: name }));
      const handle = open(ta, name);
      assert.equal(read(ta, handle), name);
      close(ta, handle);
    }
    assertClean(world);
  });

  it('both names of the REE file system mean the same objects', () => {
    const ta = new StorageWorld().ta();
    close(ta, create(ta, 'a', { data: 'same' }));
    const out = { handle: 0 };
    ok(ta.svc.objOpen(TEE_STORAGE_PRIVATE_REE, id('a'), READ, out));
    assert.equal(read(ta, out.handle), 'same');
  });

  it('objects of another TA are not there', () => {
    const world = new StorageWorld();
    close(world.ta(), create(world.ta(), 'a'));
    is(opening(world.ta({ uuid: OTHER_TA }), 'a', READ), 'ITEM_NOT_FOUND');
  });

  it('what a handle was opened for is what it can do', () => {
    const ta = new StorageWorld().ta();
    close(ta, create(ta, 'a', { data: 'x' }));
    const buffer = new Uint8Array(1);
    const rows: readonly [number, string, string, string, string][] = [
      [0, 'ACCESS_CONFLICT', 'ACCESS_CONFLICT', 'ACCESS_CONFLICT', 'BAD_STATE'],
      [READ, 'TEE_SUCCESS', 'ACCESS_CONFLICT', 'ACCESS_CONFLICT', 'BAD_STATE'],
      [WRITE, 'ACCESS_CONFLICT', 'TEE_SUCCESS', 'ACCESS_CONFLICT', 'BAD_STATE'],
    ];
    for (const [flags, reads, writes, deletes, renames] of rows) {
      const handle = open(ta, 'a', flags);
      is(ta.svc.objRead(handle, buffer, { size: 0 }), reads);
      is(ta.svc.objWrite(handle, buffer), writes);
      is(ta.svc.objTruncate(handle, 1), writes);
      is(ta.svc.objDelete(handle), deletes);
      is(ta.svc.objRename(handle, id('b')), renames);
      close(ta, handle);
    }
  });
});

describe('sharing', () => {
  /** TEE Internal Core API 5.7.1, said in another way. */
  function mayShare(a: number, b: number): boolean {
    const has = (flag: number): boolean => ((a | b) & flag) !== 0;
    const equal = (flag: number): boolean => (a & flag) === (b & flag);
    if (has(META) || !equal(SHARE_READ) || !equal(SHARE_WRITE)) return false;
    return (!has(READ) || (a & SHARE_READ) !== 0) && (!has(WRITE) || (a & SHARE_WRITE) !== 0);
  }

  const FLAGS = [0, READ, WRITE, READ | WRITE, META].flatMap((access) =>
    [0, SHARE_READ, SHARE_WRITE, SHARE_READ | SHARE_WRITE].map((share) => access | share),
  );

  it('follows the specification for each pair of flags', () => {
    const world = new StorageWorld();
    const [a, b] = [world.ta(), world.ta()];
    close(a, create(a, 'o'));
    for (const first of FLAGS) {
      for (const second of FLAGS) {
        const expected = mayShare(first, second) ? 'TEE_SUCCESS' : 'ACCESS_CONFLICT';
        assert.equal(named(checkAccess(first, second)), expected);
        const held = open(a, 'o', first);
        const out = { handle: 0 };
        is(b.svc.objOpen(PRIVATE, id('o'), second, out), expected);
        if (out.handle !== 0) close(b, out.handle);
        close(a, held);
      }
    }
    assertClean(world);
  });

  it('creating conflicts with any use, overwriting only with one that does not share', () => {
    const ta = new StorageWorld().ta();
    close(ta, create(ta, 'o'));
    const shared = SHARE_READ | SHARE_WRITE;
    const held = open(ta, 'o', READ | shared);
    const creating = (flags: number): MaybeCo<number> =>
      ta.svc.objCreate(PRIVATE, id('o'), flags, 0, id(''), { handle: 0 });
    is(creating(READ | shared), 'ACCESS_CONFLICT');
    is(creating(READ | OVERWRITE), 'ACCESS_CONFLICT');
    ok(creating(READ | shared | OVERWRITE));
    close(ta, held);
  });

  it('an object that is enumerated does not conflict', () => {
    const ta = new StorageWorld().ta();
    const held = create(ta, 'o', { flags: ALL });
    const e = { handle: 0 };
    ok(ta.svc.enumAlloc(e));
    ok(ta.svc.enumStart(e.handle, PRIVATE));
    const info = {} as TaObjectInfo;
    ok(ta.svc.enumNext(e.handle, info, new Uint8Array(64), { size: 0 }));
    const persistent = TEE_HANDLE_FLAG_PERSISTENT | TEE_HANDLE_FLAG_INITIALIZED;
    assert.equal(info.handleFlags, persistent | ALL);
    close(ta, held);
  });

  it('a name that is taken by a handle cannot be renamed to', () => {
    const ta = new StorageWorld().ta();
    close(ta, create(ta, 'there'));
    const b = create(ta, 'b');
    is(ta.svc.objRename(b, id('there')), 'ACCESS_CONFLICT');
    const held = open(ta, 'there', READ);
    is(ta.svc.objRename(b, id('there')), 'ACCESS_CONFLICT');
    close(ta, held);
    ok(ta.svc.objRename(b, id('c')));
    is(opening(ta, 'b', READ), 'ITEM_NOT_FOUND');
    close(ta, b);
    close(ta, open(ta, 'c'));
  });
});

describe('the data of an object', () => {
  it('positions', () => {
    const ta = new StorageWorld().ta();
    const handle = create(ta, 'a', { data: '0123456789' });
    const { svc } = ta;
    const at = (): number => partOf(ta, handle).dataPosition;
    const rows: readonly [number, number, number][] = [
      [3, TEE_DATA_SEEK_SET, 3],
      [2, TEE_DATA_SEEK_CUR, 5],
      [-9, TEE_DATA_SEEK_CUR, 0],
      [-4, TEE_DATA_SEEK_END, 6],
      [-1, TEE_DATA_SEEK_SET, 0],
      [5, TEE_DATA_SEEK_END, 15],
    ];
    for (const [offset, whence, position] of rows) {
      ok(svc.objSeek(handle, offset, whence));
      assert.equal(at(), position);
    }
    assert.equal(read(ta, handle), '');
    ok(svc.objWrite(handle, id('x')));
    assert.equal(partOf(ta, handle).dataSize, 16);
    ok(svc.objSeek(handle, 8, TEE_DATA_SEEK_SET));
    assert.equal(read(ta, handle), '89\0\0\0\0\0x');
  });

  it('a position may be as large as TEE_DATA_MAX_POSITION', () => {
    const ta = new StorageWorld().ta();
    const handle = create(ta, 'a');
    const step = 0x7fffffff;
    for (const expected of ['TEE_SUCCESS', 'TEE_SUCCESS', 'BAD_PARAMETERS']) {
      is(ta.svc.objSeek(handle, step, TEE_DATA_SEEK_CUR), expected);
    }
    ok(ta.svc.objSeek(handle, 1, TEE_DATA_SEEK_CUR));
    assert.equal(partOf(ta, handle).dataPosition, TEE_DATA_MAX_POSITION);
  });

  it('truncating leaves the position, and grows with zeros', () => {
    const world = new StorageWorld({ switches: MENDED });
    const ta = world.ta();
    const handle = create(ta, 'a', { data: 'abcdef' });
    ok(ta.svc.objSeek(handle, 5, TEE_DATA_SEEK_SET));
    ok(ta.svc.objTruncate(handle, 2));
    assert.equal(read(ta, handle), '');
    ok(ta.svc.objTruncate(handle, 4));
    ok(ta.svc.objSeek(handle, 0, TEE_DATA_SEEK_SET));
    assert.equal(read(ta, handle), 'ab\0\0');
    close(ta, handle);
    const again = open(ta, 'a', READ);
    assert.equal(partOf(ta, again).dataSize, 4);
  });

  it('of several blocks, in pieces of odd sizes', () => {
    const world = new StorageWorld();
    const ta = world.ta();
    const whole = Uint8Array.from({ length: 40_000 }, (_, i) => (i * 31) & 0xff);
    const handle = create(ta, 'a');
    for (let at = 0; at < whole.length; at += 3001) {
      ok(ta.svc.objWrite(handle, whole.subarray(at, at + 3001)));
    }
    close(ta, handle);
    const again = open(ta, 'a', READ);
    const out = new Uint8Array(whole.length);
    for (let at = 0; at < out.length; at += 4099) {
      ok(ta.svc.objRead(again, out.subarray(at, at + 4099), { size: 0 }));
    }
    assert.deepEqual(out, whole);
    close(ta, again);
    assertClean(world);
  });
});
