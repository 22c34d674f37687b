/**
 * What a device holds, and what it answers, by chance: blocks that are flipped, exchanged, zeroed, and
 * of before; answers that are changed on their way. The core must not take it for what it is not, and
 * whoever reads the image without a core must see in it what the core sees.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TEE_ERROR_COMMUNICATION, TEE_ERROR_GENERIC, TEE_SUCCESS } from '../../abi/gp.ts';
import { RPMB_DATA_SIZE } from '../../abi/optee-rpc.ts';
import { RPMB_IMAGE_SIZE } from '../../machine/emulated-rpmb.ts';
import { inspectRpmb } from './inspect-rpmb.ts';
import type { RpmbReport } from './inspect-rpmb.ts';
import type { TeeFile } from './tee-fs.ts';
import { CRYPTO, RpmbWorld, THREAD, blankDevice, fileOf, pattern } from './testing/rpmb-world.ts';
import { MENDED, OTHER_TA, TA, now } from './testing/storage-world.ts';

const BLOCKS = 1024;
const OBJECTS = [
  ['a', TA],
  ['a', OTHER_TA],
  ['b', TA],
] as const;

const close = (file: TeeFile): void => now(file.close(THREAD));
const contentsOf = (n: number, version: number): Uint8Array =>
  pattern([44, 700, 3000][n]! + 300 * version, 50 * n + version);

/** The image after each version of the objects. */
function history(): readonly Uint8Array[] {
  const world = new RpmbWorld({ switches: MENDED });
  return [0, 1, 2].map((version) => {
    for (const [n, [name, ta]] of OBJECTS.entries()) {
      close(fileOf(world.create(name, contentsOf(n, version), version > 0, ta)));
    }
    return world.device.image.slice();
  });
}

const IMAGES = history();
const NEWEST = IMAGES.at(-1)!;
/** Blocks that any of the images uses; the others stay empty. */
const USED = Array.from({ length: BLOCKS }, (_, n) => n).filter((n) =>
  IMAGES.some((image) => blockOf(image, n).some((byte) => byte !== 0)),
);

function blockOf(image: Uint8Array, n: number): Uint8Array {
  return image.subarray(n * RPMB_DATA_SIZE, (n + 1) * RPMB_DATA_SIZE);
}

type Damage = (image: Uint8Array) => void;

const blockArb = fc.constantFrom(...USED);
const damageArb: fc.Arbitrary<Damage> = fc.oneof(
  fc.tuple(blockArb, fc.nat(RPMB_DATA_SIZE - 1), fc.nat(7)).map(
    ([block, at, bit]): Damage =>
      (image) =>
        (blockOf(image, block)[at]! ^= 1 << bit),
  ),
  fc.tuple(blockArb, blockArb).map(([a, b]): Damage => (image) => {
    const kept = blockOf(image, a).slice();
    blockOf(image, a).set(blockOf(image, b));
    blockOf(image, b).set(kept);
  }),
  fc.tuple(blockArb, fc.nat(IMAGES.length - 1)).map(
    ([block, version]): Damage =>
      (image) =>
        blockOf(image, block).set(blockOf(IMAGES[version]!, block)),
  ),
  blockArb.map(
    (block): Damage =>
      (image) =>
        blockOf(image, block).fill(0),
  ),
  // Fields of the table, which nobody would meet by flipping bits.
  fc.tuple(fc.nat(5), fc.constantFrom(0, 4, 8), fc.nat(0xffff_ffff)).map(
    ([entry, field, value]): Damage =>
      (image) =>
        new DataView(image.buffer).setUint32(512 + entry * 256 + field, value, true),
  ),
);

function damaged(damages: readonly Damage[]): Uint8Array {
  const image = NEWEST.slice();
  for (const damage of damages) damage(image);
  return image;
}

/** What the core says, or that it stops. */
function ask<T>(call: () => T): T | 'panic' {
  try {
    return call();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('core panic')) return 'panic';
    throw error;
  }
}

/** Small results of storage, none of which is a success. */
const isError = (res: unknown): boolean =>
  res === 'panic' || (typeof res === 'number' && res >>> 16 === 0xffff);

/** What an image says of an object, when all of it is sound. */
function inspected(
  { problem, files }: RpmbReport,
  name: string,
  ta: string,
): Uint8Array | undefined {
  const file = files.find(
    ({ id, uuid, temporary, hiddenBy }) =>
      uuid === ta && !temporary && hiddenBy === undefined && Buffer.from(id).toString() === name,
  );
  // These files have no heads, so that the one thing that can be wrong is that.
  const sound = file?.problem === undefined || file.problem.code === 'TEE_ERROR_CORRUPT_OBJECT';
  return problem === undefined && sound ? file?.contents : undefined;
}

describe('a damaged image', () => {
  it('is read by the core and without one alike, and nothing is left of either', () => {
    let agreed = 0;
    const property = fc.property(fc.array(damageArb, { minLength: 1, maxLength: 6 }), (damages) => {
      const image = damaged(damages);
      const report = inspectRpmb(CRYPTO, image)!;
      const { table, files, dirty, free, total } = report.usage;
      assert.equal(table + files + dirty + free, total);
      const world = new RpmbWorld({ device: blankDevice(image.slice()), switches: MENDED });
      for (const [name, ta] of OBJECTS) {
        const found = ask(() => world.contents(name, ta));
        assert.ok(found instanceof Uint8Array || isError(found), `${String(found)}`);
        assert.equal(world.heap.allocated, 0);
        const seen = inspected(report, name, ta);
        if (seen === undefined || !(found instanceof Uint8Array)) continue;
        assert.deepEqual(Buffer.from(found), Buffer.from(seen), name);
        agreed += 1;
      }
    });
    fc.assert(property, { numRuns: 150, seed: 7 });
    assert.ok(agreed > 150, `${agreed} objects were compared`);
  });

  it('lets itself be written to, or says why not', () => {
    const property = fc.property(fc.array(damageArb, { minLength: 1, maxLength: 6 }), (damages) => {
      const world = new RpmbWorld({ device: blankDevice(damaged(damages)), switches: MENDED });
      const done = (res: TeeFile | number | 'panic'): void => {
        if (res === TEE_SUCCESS || isError(res)) return;
        close(fileOf(res as TeeFile));
      };
      done(ask(() => world.create('new', pattern(900))));
      done(ask(() => world.create('a', pattern(500, 9), true)));
      done(ask(() => world.rename('a', 'c')));
      done(ask(() => world.remove('b')));
      ask(() => world.list());
      assert.equal(world.heap.allocated, 0);
      assert.equal(world.held, false, 'the lock is free');
    });
    fc.assert(property, { numRuns: 150, seed: 8 });
  });

  it('of any size is an image, or none', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(3), (start, which) => {
      const image = new Uint8Array([RPMB_IMAGE_SIZE, RPMB_IMAGE_SIZE - 1, 64, 131136][which]!);
      image.set(start.subarray(0, image.length));
      const report = inspectRpmb(CRYPTO, image);
      assert.equal(report === undefined, which === 1 || which === 2);
    });
    fc.assert(property, { numRuns: 100, seed: 9 });
  });
});

describe('an answer that is changed on its way', () => {
  interface Change {
    readonly at: number;
    readonly bit: number;
    readonly nth: number;
    readonly res: number | undefined;
  }
  const changeArb: fc.Arbitrary<Change> = fc.record({
    at: fc.nat(3 * 512),
    bit: fc.nat(7),
    nth: fc.nat(12),
    res: fc.constantFrom(undefined, undefined, TEE_ERROR_GENERIC, TEE_ERROR_COMMUNICATION),
  });

  it('never gives other data: they are the object’s, or there is an error', () => {
    const property = fc.property(fc.array(changeArb, { minLength: 1, maxLength: 3 }), (changes) => {
      const world = new RpmbWorld({ device: blankDevice(NEWEST.slice()), switches: MENDED });
      let count = 0;
      world.transport.after = (_op, response) => {
        const now = changes.filter(({ nth }) => nth === count);
        count += 1;
        for (const { at, bit } of now) if (at < response.length) response[at]! ^= 1 << bit;
        return now.find(({ res }) => res !== undefined)?.res;
      };
      for (const [n, [name, ta]] of OBJECTS.entries()) {
        const found = ask(() => world.contents(name, ta));
        if (found instanceof Uint8Array) assert.deepEqual(found, contentsOf(n, 2));
        else assert.ok(isError(found));
      }
      assert.equal(world.heap.allocated, 0);
    });
    fc.assert(property, { numRuns: 200, seed: 10 });
  });

  it('of a write: it has happened once, or the core does not use the device again', () => {
    const property = fc.property(fc.array(changeArb, { minLength: 1, maxLength: 3 }), (changes) => {
      const world = new RpmbWorld({ device: blankDevice(NEWEST.slice()), switches: MENDED });
      assert.deepEqual(world.contents('a'), contentsOf(0, 2));
      let count = 0;
      world.transport.after = (_op, response) => {
        const now = changes.filter(({ nth }) => nth === count);
        count += 1;
        for (const { at, bit } of now) if (at < response.length) response[at]! ^= 1 << bit;
        return now.find(({ res }) => res !== undefined)?.res;
      };
      const made = ask(() => world.create('a', pattern(600, 77), true));
      world.transport.after = () => undefined;
      if (made instanceof Object) close(made);
      const next = world.reboot({ switches: MENDED });
      const found = next.contents('a');
      const whole = [contentsOf(0, 2), pattern(600, 77)];
      const which = whole.findIndex(
        (one) => found instanceof Uint8Array && Buffer.compare(one, found) === 0,
      );
      assert.ok(which >= 0, String(found));
      if (made instanceof Object) assert.equal(which, 1);
      for (const [n, [name, ta]] of OBJECTS.entries()) {
        if (n > 0) assert.deepEqual(next.contents(name, ta), contentsOf(n, 2));
      }
    });
    fc.assert(property, { numRuns: 100, seed: 11 });
  });
});

describe('a heap without room', () => {
  /** Calls one after the other, whatever comes of them. */
  function everything(world: RpmbWorld): number {
    let failed = 0;
    const done = (res: TeeFile | number | string[] | Uint8Array): void => {
      if (typeof res === 'number' && res !== TEE_SUCCESS) failed += 1;
      if (typeof res === 'object' && 'close' in res) close(res);
    };
    done(world.contents('a'));
    done(world.create('new', pattern(900)));
    const file = world.open('b');
    if (typeof file !== 'number') {
      done(now(file.write(THREAD, 100, pattern(5000))));
      done(now(file.truncate(THREAD, 9000)));
      close(file);
    } else failed += 1;
    done(world.rename('new', 'renamed'));
    done(world.create('a', pattern(70), true));
    done(world.list());
    done(world.remove('renamed'));
    return failed;
  }

  for (const CFG_RPMB_FS_CACHE_ENTRIES of [0, 3]) {
    it(`leaks nothing, with a cache of ${CFG_RPMB_FS_CACHE_ENTRIES} entries`, () => {
      const worldOf = (heapBytes: number): RpmbWorld => {
        const device = blankDevice(NEWEST.slice());
        const config = { CFG_RPMB_FS_CACHE_ENTRIES };
        return new RpmbWorld({ device, switches: MENDED, heapBytes, config });
      };
      const roomy = worldOf(1 << 20);
      assert.equal(everything(roomy), 0);
      const kept = roomy.heap.allocated;
      assert.equal(kept === 0, CFG_RPMB_FS_CACHE_ENTRIES === 0);
      for (let heapBytes = 0; heapBytes < 20_000; heapBytes += 64 + (heapBytes >> 4)) {
        const world = worldOf(heapBytes);
        const failed = everything(world);
        assert.ok([0, kept].includes(world.heap.allocated), `${world.heap.allocated} bytes`);
        assert.equal(world.held, false);
        assert.ok(failed === 7 || heapBytes > 0, `${failed} calls fail without a heap`);
      }
    });
  }
});
