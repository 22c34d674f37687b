import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEE_ERROR_ACCESS_CONFLICT,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_STORAGE_NO_SPACE,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  FILE_IS_ACTIVE,
  FILE_IS_LAST_ENTRY,
  RpmbFatEntry,
  RpmbFsPartition,
} from '../../abi/tee-fs.ts';
import { viewOf } from './rpmb-frames.ts';
import type { TeeFile } from './tee-fs.ts';
import { RpmbWorld, THREAD, fileOf, pattern } from './testing/rpmb-world.ts';
import type { RpmbWorldOptions } from './testing/rpmb-world.ts';
import { MENDED, OTHER_TA, now } from './testing/storage-world.ts';

const close = (file: TeeFile): void => now(file.close(THREAD));
const write = (file: TeeFile, pos: number, data: Uint8Array): number =>
  now(file.write(THREAD, pos, data));
const truncate = (file: TeeFile, length: number): number => now(file.truncate(THREAD, length));

/** With an object. */
function withObject(data = pattern(44), options: RpmbWorldOptions = {}): RpmbWorld {
  const world = new RpmbWorld(options);
  close(fileOf(world.create('a', data)));
  return world;
}

function entry(world: RpmbWorld, n: number) {
  const view = viewOf(world.block(2 + n));
  const name = RpmbFatEntry.filename.bytes(view, 0);
  return {
    start: RpmbFatEntry.startAddress.get(view, 0),
    size: RpmbFatEntry.dataSize.get(view, 0),
    flags: RpmbFatEntry.flags.get(view, 0),
    name: Buffer.from(name.subarray(0, name.indexOf(0))).toString(),
    fek: RpmbFatEntry.fek.bytes(view, 0),
  };
}

describe('the image', () => {
  it('has partition data, then a table, and files at its upper end', () => {
    const world = withObject();
    const partition = viewOf(world.block(0));
    assert.equal(Buffer.from(world.block(0).subarray(0, 4)).toString(), 'BMPR');
    assert.equal(RpmbFsPartition.fsVersion.get(partition, 0), 2);
    assert.equal(RpmbFsPartition.writeCounter.get(partition, 0), 0);
    assert.equal(RpmbFsPartition.fatStartAddress.get(partition, 0), 512);
    assert.ok(world.block(1).every((byte) => byte === 0));
    const { fek, ...file } = entry(world, 0);
    const uuid = '11111111222233334444555555555555';
    assert.deepEqual(file, {
      // The device's last block is never used.
      start: 1022 * 256,
      size: 44,
      flags: FILE_IS_ACTIVE,
      // The TA's UUID as a struct, the object's id "a".
      name: `/${uuid}/61`,
    });
    assert.ok(fek.some((byte) => byte !== 0));
    assert.equal(entry(world, 1).flags, FILE_IS_LAST_ENTRY);
    assert.notDeepEqual(world.block(1022).subarray(0, 44), pattern(44), 'encrypted');
  });

  it('holds no two files under one key', () => {
    const world = withObject();
    close(fileOf(world.create('b', pattern(44))));
    assert.notDeepEqual(entry(world, 0).fek, entry(world, 1).fek);
    assert.notDeepEqual(world.block(1022), world.block(1021));
  });

  it('outlives the core', () => {
    const world = withObject(pattern(1000)).reboot();
    assert.deepEqual(world.contents('a'), pattern(1000));
    assert.equal(world.heap.allocated, 0);
  });

  it('is cleared when the build says so, once', () => {
    const world = withObject().reboot({ config: { CFG_RPMB_RESET_FAT: true } });
    assert.equal(world.open('a'), TEE_ERROR_ITEM_NOT_FOUND);
    close(fileOf(world.create('b', pattern(1))));
    assert.deepEqual(world.list(), ['b']);
    now(world.fs.requestReset(THREAD));
    assert.equal(world.list(), TEE_ERROR_ITEM_NOT_FOUND);
    assert.equal(world.heap.allocated, 0);
  });
});

describe('an object', () => {
  for (const size of [0, 1, 255, 256, 257, 4095, 4096, 4097, 20000]) {
    it(`of ${size} bytes is made and read`, () => {
      const world = withObject(pattern(size));
      assert.deepEqual(world.contents('a'), pattern(size));
      assert.equal(world.heap.allocated, 0);
    });
  }

  it('is read in pieces, and ends where it ends', () => {
    const world = withObject(pattern(600));
    const file = fileOf(world.open('a'));
    for (const [pos, length, got] of [
      [0, 600, 600],
      [1, 255, 255],
      [255, 2, 2],
      [250, 300, 300],
      [512, 88, 88],
      [512, 200, 88],
      [599, 10, 1],
      [600, 10, 0],
      [700, 10, 0],
      [5, 0, 0],
    ] as const) {
      const out = new Uint8Array(length);
      const count = { size: -1 };
      assert.equal(now(file.read(THREAD, pos, out, count)), TEE_SUCCESS);
      assert.equal(count.size, got, `${length} bytes at ${pos}`);
      assert.deepEqual(out.subarray(0, got), pattern(600).subarray(pos, pos + got));
    }
    close(file);
  });

  it('of another TA is another', () => {
    const world = withObject();
    assert.equal(world.open('a', undefined, OTHER_TA), TEE_ERROR_ITEM_NOT_FOUND);
    close(fileOf(world.create('a', pattern(44, 1), false, OTHER_TA)));
    assert.deepEqual(world.contents('a'), pattern(44));
    assert.deepEqual(world.contents('a', OTHER_TA), pattern(44, 1));
    assert.deepEqual([world.list(), world.list(OTHER_TA)], [['a'], ['a']]);
  });

  it('is replaced only when that is wanted', () => {
    const world = withObject(pattern(300));
    assert.equal(world.create('a', pattern(44, 1)), TEE_ERROR_ACCESS_CONFLICT);
    assert.deepEqual(world.contents('a'), pattern(300));
    assert.deepEqual(world.list(), ['a'], 'the new one is gone');
    close(fileOf(world.create('a', pattern(44, 1), true)));
    assert.deepEqual(world.contents('a'), pattern(44, 1));
    assert.deepEqual(world.list(), ['a']);
  });

  it('is removed, and its entry used again', () => {
    const world = withObject();
    close(fileOf(world.create('b', pattern(10))));
    assert.equal(world.remove('a'), TEE_SUCCESS);
    assert.equal(entry(world, 0).flags, 0);
    assert.equal(world.remove('a'), TEE_ERROR_ITEM_NOT_FOUND);
    close(fileOf(world.create('c', pattern(10))));
    assert.match(entry(world, 0).name, /63$/);
    assert.deepEqual(world.list(), ['c', 'b']);
  });

  it('is renamed, over another only when that is wanted', () => {
    const world = withObject();
    close(fileOf(world.create('b', pattern(10))));
    assert.equal(world.rename('a', 'b'), TEE_ERROR_ACCESS_CONFLICT);
    assert.equal(world.rename('x', 'y'), TEE_ERROR_ITEM_NOT_FOUND);
    assert.equal(world.rename('a', 'c'), TEE_SUCCESS);
    assert.deepEqual(world.list(), ['c', 'b']);
    assert.equal(world.rename('c', 'b', true), TEE_SUCCESS);
    assert.deepEqual(world.contents('b'), pattern(44));
    assert.deepEqual(world.list(), ['b']);
    assert.equal(world.heap.allocated, 0);
  });

  it('without an id is not listed, nor is one that is being made', () => {
    const world = withObject();
    close(fileOf(world.create('', pattern(1))));
    assert.deepEqual(world.contents(''), pattern(1));
    assert.deepEqual(world.list(), ['a']);
    const po = world.po('half');
    po.temporary = true;
    assert.equal(now(world.fs.open(THREAD, po, { size: 0 })), TEE_ERROR_ITEM_NOT_FOUND);
  });
});

describe('writing', () => {
  it('within a block happens where it stands, else in a new place', () => {
    const world = withObject(pattern(600));
    const file = fileOf(world.open('a'));
    const place = entry(world, 0).start;
    assert.equal(write(file, 300, pattern(20, 5)), TEE_SUCCESS);
    assert.equal(entry(world, 0).start, place);
    assert.equal(write(file, 250, pattern(20, 6)), TEE_SUCCESS, 'two blocks');
    assert.notEqual(entry(world, 0).start, place);
    const expected = pattern(600);
    expected.set(pattern(20, 5), 300);
    expected.set(pattern(20, 6), 250);
    assert.deepEqual(world.contents('a'), expected);
    close(file);
  });

  for (const [pos, length] of [
    [44, 1],
    [40, 10],
    [100, 1],
    [300, 5000],
    [0, 9000],
    [4095, 2],
    [8191, 4098],
  ] as const) {
    it(`${length} bytes at ${pos} makes it longer, with zeros in a gap`, () => {
      const world = withObject();
      const file = fileOf(world.open('a'));
      assert.equal(write(file, pos, pattern(length, 9)), TEE_SUCCESS);
      const expected = new Uint8Array(Math.max(44, pos + length));
      expected.set(pattern(44));
      expected.set(pattern(length, 9), pos);
      assert.deepEqual(world.contents('a'), expected);
      close(file);
      assert.equal(world.heap.allocated, 0);
    });
  }

  it('through one handle is seen by another', () => {
    const world = withObject();
    const [one, other] = [fileOf(world.open('a')), fileOf(world.open('a'))];
    assert.equal(write(one, 40, pattern(300, 2)), TEE_SUCCESS);
    const out = new Uint8Array(300);
    assert.equal(now(other.read(THREAD, 40, out, { size: 0 })), TEE_SUCCESS);
    assert.deepEqual(out, pattern(300, 2));
    assert.equal(write(other, 340, pattern(10, 3)), TEE_SUCCESS);
    assert.equal((world.contents('a') as Uint8Array).length, 350);
  });

  it('beyond 32 bits of address is refused', () => {
    const world = withObject();
    const file = fileOf(world.open('a'));
    assert.equal(write(file, 0xffff_ffff, pattern(1)), TEE_ERROR_BAD_PARAMETERS);
  });
});

describe('truncating', () => {
  for (const [from, to] of [
    [600, 600],
    [600, 300],
    [600, 0],
    [600, 601],
    [600, 9000],
    [0, 10],
  ] as const) {
    it(`from ${from} to ${to}`, () => {
      const world = withObject(pattern(from));
      const file = fileOf(world.open('a'));
      assert.equal(truncate(file, to), TEE_SUCCESS);
      const expected = new Uint8Array(to);
      expected.set(pattern(from).subarray(0, to));
      assert.deepEqual(world.contents('a'), expected);
      close(file);
      assert.equal(world.heap.allocated, 0);
    });
  }

  it('to less and writing on leaves nothing of what was there', () => {
    const world = withObject(pattern(600));
    const file = fileOf(world.open('a'));
    assert.equal(truncate(file, 10), TEE_SUCCESS);
    assert.equal(write(file, 20, pattern(1)), TEE_SUCCESS);
    const expected = new Uint8Array(21);
    expected.set(pattern(10));
    expected.set(pattern(1), 20);
    assert.deepEqual(world.contents('a'), expected);
  });

  it('to more than 2^31-1 bytes is refused', () => {
    const file = fileOf(withObject().open('a'));
    assert.equal(truncate(file, 0x8000_0000), TEE_ERROR_BAD_PARAMETERS);
  });

  it('to more than there is room for is a matter of memory', () => {
    const world = withObject();
    assert.equal(truncate(fileOf(world.open('a')), 300_000), TEE_ERROR_OUT_OF_MEMORY);
    assert.deepEqual(world.contents('a'), pattern(44));
  });
});

describe('room', () => {
  it('ends, and what does not fit leaves nothing', () => {
    const world = withObject(pattern(200_000), { heapBytes: 1 << 20 });
    assert.equal(world.create('b', pattern(140_000)), TEE_ERROR_STORAGE_NO_SPACE);
    assert.deepEqual(world.list(), ['a']);
    const cause = world.trace.lastCause?.text ?? '';
    assert.match(cause, /no room in the RPMB device/);
    const file = fileOf(world.open('a'));
    assert.equal(write(file, 0, pattern(300)), TEE_ERROR_STORAGE_NO_SPACE, 'needs a new place');
    assert.equal(write(file, 0, pattern(256, 1)), TEE_SUCCESS, 'needs none');
    close(file);
    assert.equal(world.remove('a'), TEE_SUCCESS);
    close(fileOf(world.create('b', pattern(140_000))));
    assert.deepEqual(world.contents('b'), pattern(140_000));
  });

  it('is told', () => {
    const world = withObject(pattern(600));
    const stats = now(world.fs.memStats(THREAD));
    assert.ok(typeof stats !== 'number');
    assert.deepEqual([stats.size, stats.allocated], [1023 * 256, 3 * 256]);
    assert.equal(world.heap.allocated, 0);
  });

  it('of the heap: every allocation may fail, and nothing is lost or leaks', () => {
    let failures = 0;
    for (let heapBytes = 0; heapBytes < 12_000; heapBytes += 160) {
      const world = withObject().reboot({ heapBytes, switches: MENDED });
      const made = world.create('b', pattern(3000), true);
      const isMade = typeof made !== 'number';
      if (isMade) close(made);
      else failures += 1;
      if (!isMade) assert.equal(made, TEE_ERROR_OUT_OF_MEMORY);
      assert.equal(world.heap.allocated, 0, `${heapBytes}`);
      const after = world.reboot();
      assert.deepEqual(after.contents('a'), pattern(44));
      const left = after.contents('b');
      if (isMade) assert.deepEqual(left, pattern(3000));
      else assert.equal(left, TEE_ERROR_ITEM_NOT_FOUND);
    }
    assert.ok(failures > 10 && failures < 70, `${failures}`);
  });

  it('of the heap may fail when the table grows, which then has no end', () => {
    const lost = [true, false].map((quirkRpmbStaleEntryFound) => {
      const switches = { ...MENDED, quirkRpmbStaleEntryFound };
      const outcomes = new Set<Uint8Array | number>();
      for (let heapBytes = 2048; heapBytes < 6144; heapBytes += 128) {
        const world = withObject().reboot({ heapBytes, switches });
        world.create('b', pattern(1));
        const left = world.reboot().contents('b');
        if (typeof left === 'number') outcomes.add(left);
      }
      return [...outcomes];
    });
    assert.deepEqual(lost, [
      [TEE_ERROR_ITEM_NOT_FOUND, TEE_ERROR_GENERIC],
      [TEE_ERROR_ITEM_NOT_FOUND],
    ]);
  });
});

describe('the table', () => {
  const many = (world: RpmbWorld, count: number): string[] => {
    const names = Array.from({ length: count }, (_, n) => `object ${n}`);
    for (const name of names) close(fileOf(world.create(name, pattern(name.length))));
    return names;
  };

  for (const [read, cached] of [
    [8, 0],
    [1, 0],
    [3, 2],
    [2, 5],
    [8, 40],
    [4, 4],
  ] as const) {
    it(`grows and is walked, ${read} entries at a time, ${cached} cached`, () => {
      const config = { CFG_RPMB_FS_RD_ENTRIES: read, CFG_RPMB_FS_CACHE_ENTRIES: cached };
      const world = new RpmbWorld({ config });
      const names = many(world, 25);
      assert.deepEqual(world.list(), names);
      for (const name of names) {
        assert.deepEqual(world.contents(name), pattern(name.length));
      }
      assert.equal(world.rename('object 24', 'x'), TEE_SUCCESS);
      assert.equal(world.remove('object 3'), TEE_SUCCESS);
      assert.deepEqual(world.reboot({ config }).list(), world.list());
      assert.equal(world.open('object 3'), TEE_ERROR_ITEM_NOT_FOUND);
    });
  }

  it('in a cache is read once', () => {
    const config = { CFG_RPMB_FS_CACHE_ENTRIES: 32 };
    const world = new RpmbWorld({ config });
    many(world, 20);
    world.list();
    const before = world.transport.ops.length;
    world.list();
    assert.equal(world.transport.ops.length, before);
  });
});

describe('a file of no TA', () => {
  it('is opened by its name', () => {
    const world = new RpmbWorld();
    const missing = now(world.fs.rawOpen(THREAD, 'dirfile.db.hash', false));
    assert.equal(missing, TEE_ERROR_ITEM_NOT_FOUND);
    const file = fileOf(now(world.fs.rawOpen(THREAD, 'dirfile.db.hash', true)));
    assert.equal(write(file, 0, pattern(32)), TEE_SUCCESS);
    close(file);
    assert.equal(entry(world, 0).name, '/dirfile.db.hash');
    const again = fileOf(now(world.fs.rawOpen(THREAD, 'dirfile.db.hash', true)));
    const out = new Uint8Array(32);
    assert.equal(now(again.read(THREAD, 0, out, { size: 0 })), TEE_SUCCESS);
    assert.deepEqual(out, pattern(32));
  });
});
