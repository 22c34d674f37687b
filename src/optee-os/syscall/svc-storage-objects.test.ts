/** Persistent objects with attributes, without handles, enumerated, and corrupt. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEE_ERROR_COMMUNICATION,
  TEE_ERROR_STORAGE_NO_SPACE,
  TEE_TYPE_AES,
  TEE_TYPE_DATA,
} from '../../abi/gp.ts';
import { REE_FS_BLOCK_SIZE } from '../../abi/tee-fs.ts';
import type { TaObjectInfo } from '../../ta/runtime.ts';
import { OTHER_TA, StorageWorld, now } from '../storage/testing/storage-world.ts';
import { UPSTREAM_SWITCHES } from '../switches.ts';
import type { OpteeOsSwitches } from '../switches.ts';
import type { TaStorage } from '../storage/testing/storage-world.ts';
import {
  ALL,
  OVERWRITE,
  PRIVATE,
  READ,
  SHARE_READ,
  assertClean,
  close,
  create,
  id,
  is,
  ok,
  open,
  opening,
  partOf,
  read,
  text,
} from '../storage/testing/svc-calls.ts';
import { TestObject } from '../storage/testing/test-object.ts';

type Quirk = keyof OpteeOsSwitches;
const without = (quirk: Quirk): OpteeOsSwitches => ({ ...UPSTREAM_SWITCHES, [quirk]: false });

const USAGE = 0x0f;

function key(ta: TaStorage, usage = USAGE): number {
  const out = { handle: 0 };
  ta.objects.add(TestObject.key([1, 2, 3, 4], usage), out);
  return out.handle;
}

function enumerated(ta: TaStorage): { names: string[]; infos: TaObjectInfo[] } {
  const e = { handle: 0 };
  ok(ta.svc.enumAlloc(e));
  const started = now(ta.svc.enumStart(e.handle, PRIVATE));
  const [names, infos]: [string[], TaObjectInfo[]] = [[], []];
  while (started === 0) {
    const info = {} as TaObjectInfo;
    const oid = new Uint8Array(64);
    const size = { size: 0 };
    if (now(ta.svc.enumNext(e.handle, info, oid, size)) !== 0) break;
    names.push(text(oid.subarray(0, size.size)));
    infos.push(info);
  }
  ok(ta.svc.enumFree(e.handle));
  return { names, infos };
}

describe('attributes', () => {
  it('come with the object and from its file', () => {
    const world = new StorageWorld();
    const ta = world.ta();
    const from = key(ta);
    close(ta, create(ta, 'k', { attributes: from, data: 'label' }));
    const handle = open(ta, 'k', READ);
    const object = ta.objects.get(handle)!;
    assert.deepEqual([object.type, object.keySize, object.maxKeySize], [TEE_TYPE_AES, 32, 256]);
    assert.deepEqual([...object.secret], [1, 2, 3, 4]);
    assert.equal(object.haveAttrs, 1);
    assert.equal(object.initialized, true);
    assert.equal(partOf(ta, handle).usage, USAGE);
    assert.equal(read(ta, handle), 'label');
    for (const h of [handle, from]) close(ta, h);
    assertClean(world);
  });

  it('an object without any is pure data', () => {
    const ta = new StorageWorld().ta();
    const object = ta.objects.get(create(ta, 'd'))!;
    assert.deepEqual([object.type, object.keySize, object.initialized], [TEE_TYPE_DATA, 0, true]);
  });

  it('an object that has none yet lends none', () => {
    const world = new StorageWorld();
    const ta = world.ta();
    const out = { handle: 0 };
    ta.objects.add(new TestObject(TEE_TYPE_AES, 256), out);
    const res = ta.svc.objCreate(PRIVATE, id('k'), ALL, out.handle, id(''), { handle: 0 });
    is(res, 'BAD_PARAMETERS');
    is(opening(ta, 'k', READ), 'ITEM_NOT_FOUND');
    close(ta, out.handle);
    assertClean(world);
  });

  it('of a persistent object: its usage is lost, mended it is kept', () => {
    for (const [switches, usage] of [
      [undefined, 0],
      [without('quirkCopiedUsageLost'), USAGE],
    ] as const) {
      const ta = new StorageWorld(switches === undefined ? {} : { switches }).ta();
      const stored = create(ta, 'k', { attributes: key(ta) });
      const copy = create(ta, 'copy', { attributes: stored });
      assert.equal(partOf(ta, copy).usage, usage);
    }
  });

  it('usage is restricted for all handles, and for good', () => {
    const ta = new StorageWorld().ta();
    const flags = READ | SHARE_READ;
    const first = create(ta, 'k', { attributes: key(ta), flags });
    const second = open(ta, 'k', flags);
    ok(partOf(ta, first).restrictUsage(0x105));
    assert.deepEqual([partOf(ta, first).usage, partOf(ta, second).usage], [0x05, 0x05]);
    for (const handle of [first, second]) close(ta, handle);
    const again = open(ta, 'k', flags);
    assert.equal(partOf(ta, again).usage, 0x05);
  });
});

describe('without a handle of its own', () => {
  const createNamed = (ta: TaStorage, attributes: number, flags = READ | SHARE_READ): void =>
    ok(ta.svc.objCreate(PRIVATE, id('k'), flags, attributes, id('label'), undefined));

  it('an object without attributes is made and closed', () => {
    const world = new StorageWorld();
    const ta = world.ta();
    createNamed(ta, 0);
    assert.equal(ta.objects.count, 0);
    const handle = open(ta, 'k', READ);
    assert.equal(read(ta, handle), 'label');
    close(ta, handle);
    assertClean(world);
  });

  it('a key becomes the persistent object itself', () => {
    const world = new StorageWorld();
    const ta = world.ta();
    const handle = key(ta);
    createNamed(ta, handle);
    assert.equal(read(ta, handle), 'label');
    assert.equal(partOf(ta, handle).usage, USAGE);
    close(ta, handle);
    assertClean(world);
  });

  it('and nobody else may open it before it is closed; mended they may', () => {
    for (const [switches, expected] of [
      [undefined, 'ACCESS_CONFLICT'],
      [without('quirkOwnHandleStaysCreating'), 'TEE_SUCCESS'],
    ] as const) {
      const ta = new StorageWorld(switches === undefined ? {} : { switches }).ta();
      const handle = key(ta);
      createNamed(ta, handle);
      is(opening(ta, 'k', READ | SHARE_READ), expected);
      close(ta, handle);
    }
  });

  it('a key stays what it was when the object cannot be made', () => {
    const ta = new StorageWorld().ta();
    close(ta, create(ta, 'k'));
    const handle = key(ta);
    is(ta.svc.objCreate(PRIVATE, id('k'), ALL, handle, id(''), undefined), 'ACCESS_CONFLICT');
    assert.equal(ta.objects.get(handle)!.persistent, undefined);
    assert.equal(ta.objects.get(handle)!.usage, USAGE);
  });
});

describe('enumerators', () => {
  it('give what there is, in the order of the directory', () => {
    const world = new StorageWorld();
    const ta = world.ta();
    close(ta, create(ta, 'data', { data: 'four' }));
    close(ta, create(ta, '', { attributes: key(ta) }));
    close(world.ta({ uuid: OTHER_TA }), create(world.ta({ uuid: OTHER_TA }), 'foreign'));
    close(ta, create(ta, 'last'));
    const { names, infos } = enumerated(ta);
    assert.deepEqual(names, ['data', '', 'last']);
    assert.deepEqual(
      infos.map(({ objectType, keySize, objectUsage, dataSize }) => [
        objectType,
        keySize,
        objectUsage,
        dataSize,
      ]),
      [
        [TEE_TYPE_DATA, 0, 0xffffffff, 4],
        [TEE_TYPE_AES, 32, USAGE, 0],
        [TEE_TYPE_DATA, 0, 0xffffffff, 0],
      ],
    );
  });

  it('find what is made and miss what is removed meanwhile', () => {
    const ta = new StorageWorld().ta();
    for (const name of ['a', 'b', 'c']) close(ta, create(ta, name));
    const e = { handle: 0 };
    ok(ta.svc.enumAlloc(e));
    ok(ta.svc.enumStart(e.handle, PRIVATE));
    const next = (): string => {
      const oid = new Uint8Array(64);
      const size = { size: 0 };
      const res = now(ta.svc.enumNext(e.handle, {} as TaObjectInfo, oid, size));
      return res === 0 ? text(oid.subarray(0, size.size)) : '-';
    };
    assert.equal(next(), 'a');
    ok(ta.svc.objDelete(open(ta, 'b')));
    close(ta, create(ta, 'd'));
    // The new object has taken the place of the old one.
    assert.deepEqual([next(), next(), next()], ['d', 'c', '-']);
    ok(ta.svc.enumReset(e.handle));
    assert.equal(next(), '-');
    ok(ta.svc.enumStart(e.handle, PRIVATE));
    assert.equal(next(), 'a');
    is(ta.svc.enumStart(e.handle, 2), 'ITEM_NOT_FOUND');
  });

  it('one that could not be started panics the core; mended it has nothing', () => {
    const failed = (world: StorageWorld): { ta: TaStorage; e: { handle: number } } => {
      const ta = world.ta();
      const e = { handle: 0 };
      ok(ta.svc.enumAlloc(e));
      is(ta.svc.enumStart(e.handle, PRIVATE), 'ITEM_NOT_FOUND');
      return { ta, e };
    };
    const args = [{} as TaObjectInfo, new Uint8Array(64), { size: 0 }] as const;
    const upstream = failed(new StorageWorld());
    assert.throws(
      () => now(upstream.ta.svc.enumNext(upstream.e.handle, ...args)),
      /core panic in ree_fs_readdir_rpc/,
    );
    const mended = failed(new StorageWorld({ switches: without('quirkNextOfFailedEnumPanics') }));
    is(mended.ta.svc.enumNext(mended.e.handle, ...args), 'ITEM_NOT_FOUND');
  });

  it('all end with their TA', () => {
    const world = new StorageWorld();
    const ta = world.ta();
    close(ta, create(ta, 'a'));
    for (let n = 0; n < 3; n++) {
      const e = { handle: 0 };
      ok(ta.svc.enumAlloc(e));
      if (n > 0) ok(ta.svc.enumStart(e.handle, PRIVATE));
    }
    now(ta.svc.closeEnums());
    assertClean(world);
  });
});

describe('a corrupt object', () => {
  const BLOCK = [2 * REE_FS_BLOCK_SIZE, 3 * REE_FS_BLOCK_SIZE] as const;
  function spoil(world: StorageWorld, file: string, at: number): void {
    const [byte = 0] = world.store.read(file, at, 1)!;
    world.store.write(file, at, Uint8Array.of(byte ^ 1));
  }

  it('is removed when it is opened, and is not there then', () => {
    const world = new StorageWorld();
    const ta = world.ta();
    close(ta, create(ta, 'a', { data: 'data' }));
    close(ta, create(ta, 'b', { data: 'other' }));
    spoil(world, '0', BLOCK[1]);
    is(opening(ta, 'a', READ), 'CORRUPT_OBJECT');
    is(opening(ta, 'a', READ), 'ITEM_NOT_FOUND');
    assert.deepEqual(world.store.list(''), ['1', 'dirf.db']);
    const other = open(ta, 'b', READ);
    assert.equal(read(ta, other), 'other');
    close(ta, other);
    assert.equal(ta.objects.count, 0);
    assertClean(world);
  });

  it('is removed when it is used, and the handle with it, unless the TA keeps such', () => {
    for (const keepsCorruptHandles of [false, true]) {
      const world = new StorageWorld();
      const ta = world.ta({ keepsCorruptHandles });
      const handle = create(ta, 'a', { data: 'data' });
      spoil(world, '0', BLOCK[1]);
      is(ta.svc.objRead(handle, new Uint8Array(4), { size: 0 }), 'CORRUPT_OBJECT');
      assert.deepEqual(world.store.list(''), ['dirf.db']);
      assert.equal(ta.objects.count, keepsCorruptHandles ? 1 : 0);
      const again = keepsCorruptHandles ? 'CORRUPT_OBJECT' : 'BAD_STATE';
      is(ta.svc.objRead(handle, new Uint8Array(4), { size: 0 }), again);
      close(ta, handle);
      assertClean(world);
    }
  });

  it('stays as a handle that the TA has never seen, where such are kept', () => {
    const world = new StorageWorld();
    const ta = world.ta({ keepsCorruptHandles: true });
    close(ta, create(ta, 'a', { data: 'data' }));
    spoil(world, '0', BLOCK[1]);
    is(opening(ta, 'a', READ), 'CORRUPT_OBJECT');
    assert.equal(ta.objects.count, 1);
    // It holds the name.
    is(opening(ta, 'a', READ), 'ACCESS_CONFLICT');
  });

  it('is told of by an enumerator, which leaves it alone', () => {
    const world = new StorageWorld();
    const ta = world.ta();
    close(ta, create(ta, 'a'));
    close(ta, create(ta, 'b'));
    spoil(world, '0', BLOCK[1]);
    const e = { handle: 0 };
    ok(ta.svc.enumAlloc(e));
    ok(ta.svc.enumStart(e.handle, PRIVATE));
    const next = (): number =>
      now(ta.svc.enumNext(e.handle, {} as TaObjectInfo, new Uint8Array(64), { size: 0 }));
    is(next(), 'CORRUPT_OBJECT');
    is(next(), 'TEE_SUCCESS');
    ok(ta.svc.enumFree(e.handle));
    assert.deepEqual(world.store.list(''), ['0', '1', 'dirf.db']);
    assertClean(world);
  });

  it('is what one becomes that could not be written: the second try removes it', () => {
    const world = new StorageWorld();
    const ta = world.ta();
    const handle = create(ta, 'a', { data: 'data' });
    world.rpc.before = ({ op }) => (op === 'write' ? TEE_ERROR_STORAGE_NO_SPACE : undefined);
    is(ta.svc.objWrite(handle, id('new')), 'STORAGE_NO_SPACE');
    world.rpc.before = () => undefined;
    is(ta.svc.objWrite(handle, id('new')), 'CORRUPT_OBJECT');
    assert.deepEqual(world.store.list(''), ['dirf.db']);
    assertClean(world);
  });

  it('overwriting one whose directory cannot be read removes it; mended it stays', () => {
    for (const [switches, expected, left] of [
      [undefined, 'CORRUPT_OBJECT', ['dirf.db']],
      [without('quirkFailedFindIsAbsence'), 'COMMUNICATION', ['0', 'dirf.db']],
    ] as const) {
      const world = new StorageWorld(switches === undefined ? {} : { switches });
      const ta = world.ta();
      close(ta, create(ta, 'a', { data: 'data' }));
      let reads = 0;
      world.rpc.before = ({ op }) =>
        op === 'read' && ++reads === 5 ? TEE_ERROR_COMMUNICATION : undefined;
      const flags = ALL | OVERWRITE;
      is(ta.svc.objCreate(PRIVATE, id('a'), flags, 0, id(''), { handle: 0 }), expected);
      assert.deepEqual(world.store.list(''), left);
      assertClean(world);
    }
  });
});
