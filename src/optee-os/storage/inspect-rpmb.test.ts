import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RPMB_DATA_SIZE } from '../../abi/optee-rpc.ts';
import { RpmbFatEntry, RpmbFsPartition } from '../../abi/tee-fs.ts';
import { EMU_RPMB_CID, RPMB_IMAGE_SIZE, newRpmbImage } from '../../machine/emulated-rpmb.ts';
import { inspectRpmb } from './inspect-rpmb.ts';
import type { RpmbFileReport, RpmbReport } from './inspect-rpmb.ts';
import { viewOf } from './rpmb-frames.ts';
import { RPMB_TEST_KEY } from './rpmb-link.ts';
import { CRYPTO, RpmbWorld, THREAD, fileOf, pattern } from './testing/rpmb-world.ts';
import { MENDED, OTHER_TA, TA, now } from './testing/storage-world.ts';

const report = (image: Uint8Array): RpmbReport => {
  const found = inspectRpmb(CRYPTO, image);
  assert.ok(found);
  return found;
};

/** An object's file: a head of type TEE_TYPE_DATA, and data. */
function withHead(data: Uint8Array): Uint8Array {
  const file = new Uint8Array(24 + data.length);
  new DataView(file.buffer).setUint32(16, 0xa00000bf, true);
  file.set(data, 24);
  return file;
}

/** Three objects of two TAs, of which one has been replaced, and a file of the core's own. */
function furnished(): RpmbWorld {
  const world = new RpmbWorld({ switches: MENDED });
  const done = (file: ReturnType<typeof world.create>): void => now(fileOf(file).close(THREAD));
  done(world.create('a', withHead(pattern(44))));
  done(world.create('a', withHead(pattern(700, 90)), false, OTHER_TA));
  done(world.create('b', withHead(pattern(3000, 40))));
  done(now(world.fs.rawOpen(THREAD, 'own', true)));
  assert.equal(now(fileOf(world.open('a')).write(THREAD, 24, pattern(600, 1))), 0);
  return world;
}

const byId = ({ files }: RpmbReport, name: string, uuid = TA): RpmbFileReport =>
  files.find((file) => file.uuid === uuid && Buffer.from(file.id).toString() === name)!;

const FIRST_ENTRY = 512;
/** The image with a field of an entry, or of the partition data, changed. */
function changed(change: (view: DataView, image: Uint8Array) => void): RpmbReport {
  const image = furnished().device.image.slice();
  change(viewOf(image), image);
  return report(image);
}

describe('an RPMB image', () => {
  it('names the files with what is in them', () => {
    const found = report(furnished().device.image);
    assert.deepEqual([found.problem, found.fsVersion, found.entries], [undefined, 2, 5]);
    assert.deepEqual(byId(found, 'a').head?.data, pattern(600, 1));
    assert.deepEqual(byId(found, 'a', OTHER_TA).head?.data, pattern(700, 90));
    assert.deepEqual(byId(found, 'b').head?.data, pattern(3000, 40));
    const own = found.files.find(({ isObject }) => !isObject);
    assert.deepEqual([own?.name, own?.head, own?.problem, own?.blocks], ['/own', ...NOTHING, 0]);
    assert.deepEqual(
      found.files.map(({ problem }) => problem),
      found.files.map(() => undefined),
    );
  });

  it('accounts for every block', () => {
    const world = furnished();
    const { usage, files } = report(world.device.image);
    assert.equal(usage.table + usage.files + usage.dirty + usage.free, usage.total);
    assert.equal(usage.total, 1024);
    // Two before the table, five entries.
    assert.equal(usage.table, 7);
    assert.equal(
      usage.files,
      files.reduce((sum, { blocks }) => sum + blocks, 0),
    );
    const before = usage.dirty;
    assert.ok(before > 0, 'the place that the object had');
    assert.equal(world.remove('b'), 0);
    const { blocks } = byId(report(furnished().device.image), 'b');
    assert.equal(report(world.device.image).usage.dirty, before + blocks);
  });

  it('says whose key it has, and how often it was written', () => {
    const { device } = furnished();
    const { key, writeCounter } = report(device.image);
    assert.deepEqual([key, writeCounter], ['generated', device.writeCounter]);
    const cid = new Uint8Array(16).fill(7);
    for (const [image, kind] of [
      [newRpmbImage(1), 'none'],
      [newRpmbImage(2, EMU_RPMB_CID, RPMB_TEST_KEY), 'test'],
      [newRpmbImage(2, cid, device.image.slice(-64, -32)), 'unknown'],
    ] as const) {
      const found = report(image);
      assert.deepEqual([found.key, found.writeCounter, found.problem], [kind, 0, undefined]);
      assert.deepEqual([found.fsVersion, found.usage.free], [undefined, found.usage.total]);
    }
  });

  it('is one of a size that devices have', () => {
    for (const bytes of [0, 64, RPMB_IMAGE_SIZE - 1, RPMB_IMAGE_SIZE - 64, RPMB_IMAGE_SIZE + 512]) {
      assert.equal(inspectRpmb(CRYPTO, new Uint8Array(bytes)), undefined, `${bytes} bytes`);
    }
  });

  it('that is foreign or of another version says so, and has no files', () => {
    const foreign = changed((_, image) => image.fill(1, 0, 512));
    assert.deepEqual([foreign.problem?.code, foreign.files], ['TEE_ERROR_GENERIC', []]);
    const old = changed((view) => RpmbFsPartition.fsVersion.set(view, 0, 1));
    assert.deepEqual([old.problem?.code, old.files], ['TEE_ERROR_ACCESS_DENIED', []]);
  });

  const ROWS: readonly (readonly [
    what: string,
    change: (view: DataView, image: Uint8Array) => void,
    code: string,
    text: RegExp,
  ])[] = [
    [
      'a place beyond its end',
      (view) => RpmbFatEntry.startAddress.set(view, FIRST_ENTRY, 0xffff00),
      'TEE_ERROR_OUT_OF_MEMORY',
      /not in the device/,
    ],
    [
      'a place in the table',
      (view) => RpmbFatEntry.startAddress.set(view, FIRST_ENTRY, 512),
      'TEE_ERROR_OUT_OF_MEMORY',
      /not its own/,
    ],
    [
      'a size that no device holds',
      (view) => RpmbFatEntry.dataSize.set(view, FIRST_ENTRY, 0xffffffff),
      'TEE_ERROR_OUT_OF_MEMORY',
      /4294967295 bytes/,
    ],
    [
      'no key',
      (view) => RpmbFatEntry.fek.bytes(view, FIRST_ENTRY).fill(0),
      'TEE_ERROR_SECURITY',
      /without encryption/,
    ],
    [
      'another key',
      (view) => RpmbFatEntry.fek.bytes(view, FIRST_ENTRY).fill(9),
      'TEE_ERROR_CORRUPT_OBJECT',
      /damaged, or encrypted/,
    ],
    [
      'no room for its head',
      (view) => RpmbFatEntry.dataSize.set(view, FIRST_ENTRY, 23),
      'TEE_ERROR_CORRUPT_OBJECT',
      /shorter/,
    ],
  ];
  for (const [what, change, code, text] of ROWS) {
    it(`with a file that has ${what}: ${code}, and the others are read`, () => {
      const found = changed(change);
      const { problem } = byId(found, 'a');
      assert.equal(problem?.code, code);
      assert.match(problem.text, text);
      assert.deepEqual(byId(found, 'b').head?.data, pattern(3000, 40));
    });
  }

  it('whose table has no end has the files up to the last', () => {
    const found = changed((view) => RpmbFatEntry.flags.set(view, FIRST_ENTRY + 4 * 256, 0));
    assert.equal(found.problem?.text, 'the table has no last entry');
    assert.equal(byId(found, 'b').uuid, TA);
  });

  it('shows what a power cut has left: unfinished files, and one behind another', () => {
    const found = changed((view, image) => {
      const name = RpmbFatEntry.filename.bytes(view, FIRST_ENTRY).slice();
      const b = FIRST_ENTRY + 2 * RPMB_DATA_SIZE;
      RpmbFatEntry.filename.bytes(view, b).set(name);
      const own = RpmbFatEntry.filename.bytes(view, FIRST_ENTRY + 3 * RPMB_DATA_SIZE);
      own.set(Buffer.from(`${Buffer.from(name).toString().slice(0, 34)}.62`));
      assert.equal(image.length, RPMB_IMAGE_SIZE);
    });
    assert.deepEqual(
      found.files.map(({ hiddenBy, temporary }) => [hiddenBy, temporary]),
      [
        [undefined, false],
        [undefined, false],
        [0, false],
        [undefined, true],
      ],
    );
  });
});

const NOTHING = [undefined, undefined] as const;
