/**
 * What is said of a damaged file, and what goes with it: for each part of an object's file and of
 * dirf.db, as OP-TEE does it. Never are another object's data read.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE_META,
  TEE_ERROR,
  TEE_STORAGE_PRIVATE,
  TEE_SUCCESS,
} from '../../src/abi/gp.ts';
import { codeName } from '../../src/abi/layout.ts';
import {
  DirfileEntry,
  REE_FS_BLOCK_SIZE,
  TEE_FS_HTREE_TYPE_BLOCK,
  TEE_FS_HTREE_TYPE_HEAD,
  TEE_FS_HTREE_TYPE_NODE,
  TeeFsHtreeImage,
  TeeFsHtreeNodeImage,
} from '../../src/abi/tee-fs.ts';
import type { TeeFsHtreeType } from '../../src/abi/tee-fs.ts';
import { ReeFile } from '../../src/optee-os/storage/ree-fs-file.ts';
import { reeFsOffset } from '../../src/optee-os/storage/ree-fs-layout.ts';
import { teeUuid } from '../../src/optee-os/storage/tee-fs.ts';
import {
  MENDED,
  OTHER_TA,
  StorageWorld,
  TA,
  now,
} from '../../src/optee-os/storage/testing/storage-world.ts';
import type { WorldOptions } from '../../src/optee-os/storage/testing/storage-world.ts';
import { close, create, id, ok, open } from '../../src/optee-os/storage/testing/svc-calls.ts';
import { imageIn, storeOf } from './fixtures.ts';
import type { Image } from './fixtures.ts';

const DIRF = 'dirf.db';
/** In the files 0, 1 and 2; the first one has three blocks. */
const OBJECTS = [
  { uuid: TA, name: 'long', data: 'L'.repeat(10_000) },
  { uuid: TA, name: 'short', data: 'S'.repeat(100) },
  { uuid: OTHER_TA, name: 'foreign', data: 'F'.repeat(100) },
] as const;

/** Each object was written, and written once more. */
function sound(): Image {
  const world = new StorageWorld();
  for (const { uuid, name, data } of OBJECTS) {
    const ta = world.ta({ uuid });
    const handle = create(ta, name, { data: data.toLowerCase() });
    ok(ta.svc.objWrite(handle, id(data)));
    close(ta, handle);
  }
  return imageIn(world.store);
}

const SOUND = sound();
const worldOf = (image: Image, options: WorldOptions = {}): StorageWorld =>
  new StorageWorld({ store: storeOf(image), ...options });

/** `name` of what an object answers, at its opening or its reading; its data when there is no error. */
function answerOf(world: StorageWorld, { uuid, name }: { uuid: string; name: string }): string {
  const ta = world.ta({ uuid });
  const out = { handle: 0 };
  const flags = TEE_DATA_FLAG_ACCESS_READ | TEE_DATA_FLAG_ACCESS_WRITE_META;
  const opened = now(ta.svc.objOpen(TEE_STORAGE_PRIVATE, id(name), flags, out));
  if (opened !== TEE_SUCCESS) return `open: ${codeName(TEE_ERROR, opened)}`;
  const data = new Uint8Array(ta.objects.get(out.handle)!.persistent!.dataSize);
  const res = now(ta.svc.objRead(out.handle, data, { size: 0 }));
  close(ta, out.handle);
  return res === TEE_SUCCESS ? new TextDecoder().decode(data) : `read: ${codeName(TEE_ERROR, res)}`;
}

const answers = (world: StorageWorld): string[] =>
  OBJECTS.map((object) => {
    const answer = answerOf(world, object);
    return answer === object.data ? 'sound' : answer;
  });

const OPEN_CORRUPT = 'open: TEE_ERROR_CORRUPT_OBJECT';
const READ_CORRUPT = 'read: TEE_ERROR_CORRUPT_OBJECT';
const ABSENT = 'open: TEE_ERROR_ITEM_NOT_FOUND';

function changed(file: string, change: (bytes: Uint8Array) => Uint8Array | undefined): Image {
  const bytes = Uint8Array.from(SOUND.get(file)!);
  return new Map([...SOUND, [file, change(bytes) ?? bytes]]);
}

const flipped = (file: string, at: number, bit = 0): Image =>
  changed(file, (bytes) => {
    bytes[at] = bytes[at]! ^ (1 << bit);
    return undefined;
  });

/** Every field's first bytes. */
const fieldsOf = (image: object): [string, number][] =>
  Object.entries(image).flatMap(([name, field]): [string, number][] =>
    typeof field === 'object' && field !== null && 'offset' in field
      ? [[name, Number(field.offset)]]
      : [],
  );

interface Region {
  readonly what: string;
  readonly at: number;
}

function regions(type: TeeFsHtreeType, index: number, version: number): Region[] {
  const at = reeFsOffset(type, index, version);
  const fields: Partial<Record<TeeFsHtreeType, [string, number][]>> = {
    [TEE_FS_HTREE_TYPE_HEAD]: fieldsOf(TeeFsHtreeImage),
    [TEE_FS_HTREE_TYPE_NODE]: fieldsOf(TeeFsHtreeNodeImage),
  };
  const ends: [string, number][] = [
    ['first byte', 0],
    ['last byte', REE_FS_BLOCK_SIZE - 1],
  ];
  return (fields[type] ?? ends).map(([what, offset]) => ({ what, at: at + offset }));
}

/** Which version of a piece counts, as `teebox storage tree` shows of these files. */
const COMMITTED = { head: 1, root: 1, child: 0, block: 0 } as const;

describe('a bit of an object’s file', () => {
  const rows: readonly [string, TeeFsHtreeType, number, number, string][] = [
    ['the head', TEE_FS_HTREE_TYPE_HEAD, 0, COMMITTED.head, OPEN_CORRUPT],
    ['the other head', TEE_FS_HTREE_TYPE_HEAD, 0, 1 - COMMITTED.head, 'sound'],
    ['the root node', TEE_FS_HTREE_TYPE_NODE, 0, COMMITTED.root, OPEN_CORRUPT],
    ['the other root node', TEE_FS_HTREE_TYPE_NODE, 0, 1 - COMMITTED.root, 'sound'],
    ['a child', TEE_FS_HTREE_TYPE_NODE, 1, COMMITTED.child, OPEN_CORRUPT],
    ['the other version of a child', TEE_FS_HTREE_TYPE_NODE, 1, 1 - COMMITTED.child, 'sound'],
    ['the first block', TEE_FS_HTREE_TYPE_BLOCK, 0, COMMITTED.block, OPEN_CORRUPT],
    ['its other version', TEE_FS_HTREE_TYPE_BLOCK, 0, 1 - COMMITTED.block, 'sound'],
    ['another block', TEE_FS_HTREE_TYPE_BLOCK, 1, COMMITTED.block, READ_CORRUPT],
    ['the last block', TEE_FS_HTREE_TYPE_BLOCK, 2, COMMITTED.block, READ_CORRUPT],
    ['the last block’s other version', TEE_FS_HTREE_TYPE_BLOCK, 2, 1 - COMMITTED.block, 'sound'],
  ];
  for (const [name, type, index, version, expected] of rows) {
    it(`${name}: ${expected}`, () => {
      for (const { what, at } of regions(type, index, version)) {
        const world = worldOf(flipped('0', at));
        assert.deepEqual(answers(world), [expected, 'sound', 'sound'], what);
        const isGone = expected !== 'sound';
        assert.equal(answerOf(world, OBJECTS[0]) === ABSENT, isGone, `${what}: it is removed`);
        assert.equal(world.store.stat('0') === undefined, isGone, `${what}: so is its file`);
      }
    });
  }

  it('between the pieces is nobody’s', () => {
    for (const at of [136, 4095, 4096 + 6 * 66, 8191]) {
      assert.deepEqual(answers(worldOf(flipped('0', at))), ['sound', 'sound', 'sound']);
    }
  });
});

describe('a bit of dirf.db', () => {
  const counters = [0, 1].map((version) =>
    TeeFsHtreeImage.counter.get(
      new DataView(Uint8Array.from(SOUND.get(DIRF)!).buffer),
      reeFsOffset(TEE_FS_HTREE_TYPE_HEAD, 0, version),
    ),
  );
  const newest = counters[0]! > counters[1]! ? 0 : 1;

  const isCounter = ({ what }: Region): boolean => what === 'counter';
  const everything = (image: Image, code = OPEN_CORRUPT): void => {
    const world = worldOf(image);
    assert.equal(answerOf(world, OBJECTS[0]), code);
    // The directory is gone, and with it all there was.
    assert.deepEqual(answers(world), [ABSENT, ABSENT, ABSENT]);
    const mended = worldOf(image, { switches: MENDED });
    for (let n = 0; n < 2; n++) assert.equal(answerOf(mended, OBJECTS[0]), code);
    assert.deepEqual(mended.store.read(DIRF, 0, 1 << 20), image.get(DIRF));
  };

  it('the head that counts: all is lost, mended it stays corrupt', () => {
    for (const region of regions(TEE_FS_HTREE_TYPE_HEAD, 0, newest)) {
      if (!isCounter(region)) everything(flipped(DIRF, region.at));
    }
  });

  it('the root node that counts: the same', () => {
    for (const { at } of regions(TEE_FS_HTREE_TYPE_NODE, 0, newest)) everything(flipped(DIRF, at));
  });

  it('the head and the node before: nothing, but for the counter', () => {
    const old = 1 - newest;
    const before = [
      ...regions(TEE_FS_HTREE_TYPE_HEAD, 0, old).filter((region) => !isCounter(region)),
      ...regions(TEE_FS_HTREE_TYPE_NODE, 0, old),
    ];
    for (const { what, at } of before) {
      const all = ['sound', 'sound', 'sound'];
      assert.deepEqual(answers(worldOf(flipped(DIRF, at))), all, what);
    }
  });

  it('counters: the larger one that fits its place counts, which may be the older state', () => {
    const at = (version: number): number =>
      reeFsOffset(TEE_FS_HTREE_TYPE_HEAD, 0, version) + TeeFsHtreeImage.counter.offset;
    // Of the last object that was written, the version before is still in its file.
    const older = ['sound', 'sound', OBJECTS[2].data.toLowerCase()];
    for (let bit = 0; bit < 5; bit++) {
      const value = counters[newest]! ^ (1 << bit);
      const counts = (value & 1) === newest && value > counters[1 - newest]!;
      if (counts) everything(flipped(DIRF, at(newest), bit));
      else assert.deepEqual(answers(worldOf(flipped(DIRF, at(newest), bit))), older, `bit ${bit}`);
    }
    // The old head may be made to look like the newest one, which it is not.
    everything(flipped(DIRF, at(1 - newest) + 3, 6));
  });

  it('a block that counts: corrupt for good, and nothing is removed', () => {
    const [version] = [0, 1].filter((v) => {
      const block = reeFsOffset(TEE_FS_HTREE_TYPE_BLOCK, 0, v);
      return answers(worldOf(flipped(DIRF, block)))[0] !== 'sound';
    });
    assert.ok(version !== undefined);
    const image = flipped(DIRF, reeFsOffset(TEE_FS_HTREE_TYPE_BLOCK, 0, version) + 77);
    const world = worldOf(image);
    for (let n = 0; n < 2; n++) {
      assert.deepEqual(answers(world), [OPEN_CORRUPT, OPEN_CORRUPT, OPEN_CORRUPT]);
    }
    assert.deepEqual(
      imageIn(world.store),
      new Map([...image].sort(([a], [b]) => (a < b ? -1 : 1))),
    );
  });
});

describe('files that are too short, exchanged, or old', () => {
  it('an object’s file that was cut', () => {
    const { length } = SOUND.get('0')!;
    for (const size of [0, 67, 68, 136, 4096, 4228, 8192, 12287]) {
      const world = worldOf(changed('0', (bytes) => bytes.slice(0, size)));
      assert.deepEqual(answers(world), [OPEN_CORRUPT, 'sound', 'sound'], `${size} bytes`);
    }
    const end = reeFsOffset(TEE_FS_HTREE_TYPE_BLOCK, 2, COMMITTED.block) + REE_FS_BLOCK_SIZE;
    for (const size of [12288, end - 1]) {
      const world = worldOf(changed('0', (bytes) => bytes.slice(0, size)));
      assert.deepEqual(answers(world), [READ_CORRUPT, 'sound', 'sound'], `${size} bytes`);
    }
    const whole = worldOf(changed('0', (bytes) => bytes.slice(0, end)));
    assert.deepEqual(answers(whole), ['sound', 'sound', 'sound']);
    assert.ok(length > end);
  });

  it('dirf.db that was cut: all is lost', () => {
    for (const size of [0, 68, 135, 4096, 4096 + 65]) {
      const world = worldOf(changed(DIRF, (bytes) => bytes.slice(0, size)));
      assert.equal(answerOf(world, OBJECTS[1]), OPEN_CORRUPT, `${size} bytes`);
      assert.deepEqual(answers(world), [ABSENT, ABSENT, ABSENT]);
    }
  });

  it('nodes, and blocks, in each other’s place', () => {
    const swap = (
      type: TeeFsHtreeType,
      a: number,
      b: number,
      size: number,
      version: number,
    ): Image =>
      changed('0', (bytes) => {
        const [x, y] = [reeFsOffset(type, a, version), reeFsOffset(type, b, version)];
        const kept = bytes.slice(x, x + size);
        bytes.copyWithin(x, y, y + size);
        bytes.set(kept, y);
        return undefined;
      });
    const node = TeeFsHtreeNodeImage.byteLength;
    const nodes = swap(TEE_FS_HTREE_TYPE_NODE, 1, 2, node, COMMITTED.child);
    assert.deepEqual(answers(worldOf(nodes)), [OPEN_CORRUPT, 'sound', 'sound']);
    const blocks = swap(TEE_FS_HTREE_TYPE_BLOCK, 1, 2, REE_FS_BLOCK_SIZE, COMMITTED.block);
    assert.deepEqual(answers(worldOf(blocks)), [READ_CORRUPT, 'sound', 'sound']);
  });

  it('the files of two objects, of one TA and of two', () => {
    for (const [a, b, expected] of [
      ['0', '1', [OPEN_CORRUPT, OPEN_CORRUPT, 'sound']],
      ['1', '2', ['sound', OPEN_CORRUPT, OPEN_CORRUPT]],
    ] as const) {
      const image = new Map([...SOUND, [a, SOUND.get(b)!], [b, SOUND.get(a)!]]);
      assert.deepEqual(answers(worldOf(image)), expected);
    }
  });

  it('a head of zeros is that of a file whose creation was interrupted: it has no data', () => {
    const head = reeFsOffset(TEE_FS_HTREE_TYPE_HEAD, 0, COMMITTED.head);
    const size = TeeFsHtreeImage.byteLength;
    const world = worldOf(changed('0', (bytes) => void bytes.fill(0, head, head + size)));
    assert.deepEqual(answers(world), [OPEN_CORRUPT, 'sound', 'sound']);
    assert.equal(answerOf(world, OBJECTS[0]), ABSENT);
  });

  it('an old version of an object is not the one that the directory knows', () => {
    const world = worldOf(SOUND);
    const ta = world.ta();
    for (const data of ['second', 'third']) {
      const handle = open(ta, 'short');
      ok(ta.svc.objWrite(handle, id(data)));
      close(ta, handle);
    }
    world.store.write('1', 0, SOUND.get('1')!);
    assert.equal(answerOf(world, OBJECTS[1]), OPEN_CORRUPT);
  });

  it('an old directory: what changed once since is as old, what changed twice is corrupt', () => {
    const world = worldOf(SOUND);
    const ta = world.ta();
    const write = (name: string, times: number): void => {
      for (let n = 0; n < times; n++) {
        const handle = open(ta, name);
        ok(ta.svc.objWrite(handle, id(`new ${n}`)));
        close(ta, handle);
      }
    };
    write('long', 1);
    write('short', 2);
    close(ta, create(ta, 'later', { data: 'x' }));
    world.store.write(DIRF, 0, SOUND.get(DIRF)!);
    assert.deepEqual(answers(world), ['sound', OPEN_CORRUPT, 'sound']);
    assert.equal(answerOf(world, { uuid: TA, name: 'later' }), ABSENT);
  });

  it('an old directory that names an object which is removed', () => {
    const world = worldOf(SOUND);
    const ta = world.ta();
    ok(ta.svc.objDelete(open(ta, 'short')));
    world.store.truncate(DIRF, 0);
    world.store.write(DIRF, 0, SOUND.get(DIRF)!);
    assert.deepEqual(answers(world), ['sound', OPEN_CORRUPT, 'sound']);
  });
});

describe('entries of dirf.db that name the wrong object', () => {
  type Edit = (entries: DataView[]) => void;
  const { uuid, oid, oidlen, fileNumber } = DirfileEntry;

  /** Writes the directory as whoever has the key could. */
  function edited(edit: Edit): StorageWorld {
    const world = worldOf(SOUND);
    world.fs.core.rpc.thread = world.thread;
    const anchor = { hash: undefined, minCounter: 0 };
    const file = now(ReeFile.open(world.fs.core, undefined, undefined, anchor));
    assert.ok(typeof file !== 'number');
    const bytes = new Uint8Array(file.length);
    now(file.read(0, bytes, { size: 0 }));
    const size = DirfileEntry.byteLength;
    edit(OBJECTS.map((_, n) => new DataView(bytes.buffer, n * size, size)));
    now(file.write(0, bytes));
    assert.equal(now(file.sync()), TEE_SUCCESS);
    now(file.close());
    return world;
  }

  it('the UUID of another TA: the key does not fit', () => {
    const world = edited(([, short]) => uuid.bytes(short!, 0).set(teeUuid(OTHER_TA)));
    assert.deepEqual(answers(world), ['sound', ABSENT, 'sound']);
    assert.equal(answerOf(world, { uuid: OTHER_TA, name: 'short' }), OPEN_CORRUPT);
  });

  it('another object’s file: the hash does not fit', () => {
    const world = edited(([long, short]) => {
      fileNumber.set(long!, 0, 1);
      fileNumber.set(short!, 0, 0);
    });
    assert.deepEqual(answers(world), [OPEN_CORRUPT, OPEN_CORRUPT, 'sound']);
  });

  it('a file twice: the second entry goes', () => {
    const world = edited(([, short]) => fileNumber.set(short!, 0, 0));
    assert.deepEqual(answers(world), ['sound', ABSENT, 'sound']);
  });

  it('a file that is not there', () => {
    const world = edited(([, short]) => fileNumber.set(short!, 0, 9));
    assert.deepEqual(answers(world), ['sound', OPEN_CORRUPT, 'sound']);
  });

  it('an id longer than there are', () => {
    const world = edited(([, short]) => oidlen.set(short!, 0, 65));
    assert.deepEqual(answers(world), ['sound', ABSENT, 'sound']);
    const ta = world.ta();
    const e = { handle: 0 };
    ok(ta.svc.enumAlloc(e));
    ok(ta.svc.enumStart(e.handle, TEE_STORAGE_PRIVATE));
    const next = (): string =>
      codeName(
        TEE_ERROR,
        now(ta.svc.enumNext(e.handle, {} as never, new Uint8Array(64), { size: 0 })),
      );
    assert.equal(next(), 'TEE_SUCCESS');
    assert.equal(next(), 'TEE_ERROR_SHORT_BUFFER');
  });

  it('no id, and no mark of an empty one: the core’s assertion fails', () => {
    const world = edited(([, short]) => {
      oidlen.set(short!, 0, 0);
      oid.bytes(short!, 0)[0] = 0x73;
    });
    assert.throws(() => answers(world), /assertion failed in is_free/);
  });
});
