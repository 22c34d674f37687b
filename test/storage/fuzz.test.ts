/**
 * Whole images damaged by chance, from seeds: what a TA gets then is its own data, in a version that
 * was written once, or an error that says so.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import {
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE,
  TEE_ERROR,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_SECURITY,
  TEE_STORAGE_PRIVATE,
  TEE_SUCCESS,
} from '../../src/abi/gp.ts';
import { codeName } from '../../src/abi/layout.ts';
import { MemoryStore } from '../../src/host/memory-store.ts';
import {
  MENDED,
  OTHER_TA,
  StorageWorld,
  TA,
  now,
} from '../../src/optee-os/storage/testing/storage-world.ts';
import type { TaStorage } from '../../src/optee-os/storage/testing/storage-world.ts';
import { close, create, id, ok } from '../../src/optee-os/storage/testing/svc-calls.ts';
import { SeededRandom } from '../../src/sched/random.ts';
import { imageIn, storeOf } from './fixtures.ts';
import type { Image } from './fixtures.ts';

const SEEDS = 150;
const NAMES = ['a', 'b', 'c'];
const UUIDS = [TA, OTHER_TA];
/** dirf.db cannot be opened, or an object is not what the directory says. */
const DOCUMENTED: ReadonlySet<number> = new Set([
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_SECURITY,
]);

const contentsOf = (uuid: string, name: string, version: number): string =>
  `${uuid} ${name} ${version} `.repeat(1 + 100 * version);

/** The image after each of some changes; versions of an object count up. */
function history(): readonly Image[] {
  const world = new StorageWorld({ store: new MemoryStore() });
  const images: Image[] = [];
  for (let version = 0; version < 3; version++) {
    for (const uuid of UUIDS) {
      const ta = world.ta({ uuid });
      for (const name of NAMES) write(ta, uuid, name, version);
      images.push(imageIn(world.store));
    }
  }
  return images;
}

function write(ta: TaStorage, uuid: string, name: string, version: number): void {
  const out = { handle: 0 };
  const data = contentsOf(uuid, name, version);
  if (version === 0) out.handle = create(ta, name, { data });
  else {
    ok(ta.svc.objOpen(TEE_STORAGE_PRIVATE, id(name), TEE_DATA_FLAG_ACCESS_WRITE, out));
    ok(ta.svc.objWrite(out.handle, id(data)));
  }
  close(ta, out.handle);
}

type Damage = (random: SeededRandom, image: Map<string, Uint8Array>, older: Image) => void;

const pick = <T>(random: SeededRandom, of: readonly T[]): T => of[random.below(of.length)]!;

const DAMAGES: readonly Damage[] = [
  function flipsBits(random, image) {
    const file = pick(random, [...image.keys()]);
    const bytes = Uint8Array.from(image.get(file)!);
    image.set(file, bytes);
    for (let n = random.below(20); n >= 0; n--) {
      const at = random.below(bytes.length);
      bytes[at] = bytes[at]! ^ (1 << random.below(8));
    }
  },
  function cuts(random, image) {
    const file = pick(random, [...image.keys()]);
    const bytes = image.get(file)!;
    image.set(file, bytes.slice(0, random.below(bytes.length)));
  },
  function removes(random, image) {
    image.delete(pick(random, [...image.keys()]));
  },
  function exchanges(random, image) {
    const [a, b] = [pick(random, [...image.keys()]), pick(random, [...image.keys()])];
    const kept = image.get(a)!;
    image.set(a, image.get(b)!);
    image.set(b, kept);
  },
  function bringsBack(random, image, older) {
    const file = pick(random, [...older.keys()]);
    image.set(file, older.get(file)!);
  },
  function mixesPages(random, image, older) {
    const file = pick(random, [...older.keys()]);
    const bytes = Uint8Array.from(image.get(file) ?? []);
    const page = 4096 * random.below(Math.ceil(bytes.length / 4096));
    bytes.set(older.get(file)!.subarray(page, Math.min(page + 4096, bytes.length)), page);
    image.set(file, bytes);
  },
  function fillsWithZeros(random, image) {
    const file = pick(random, [...image.keys()]);
    const bytes = Uint8Array.from(image.get(file)!);
    const at = random.below(bytes.length);
    image.set(file, bytes.fill(0, at, at + 1 + random.below(300)));
  },
];

/** What an object answers is one of its own versions, or documented. */
function checkObject(world: StorageWorld, uuid: string, name: string, seed: number): void {
  const ta = world.ta({ uuid });
  const out = { handle: 0 };
  const opened = now(ta.svc.objOpen(TEE_STORAGE_PRIVATE, id(name), TEE_DATA_FLAG_ACCESS_READ, out));
  const documented = (code: number): void =>
    assert.ok(DOCUMENTED.has(code), `seed ${seed}: ${codeName(TEE_ERROR, code)}`);
  if (opened !== TEE_SUCCESS) return documented(opened);
  const data = new Uint8Array(ta.objects.get(out.handle)!.persistent!.dataSize);
  const res = now(ta.svc.objRead(out.handle, data, { size: 0 }));
  close(ta, out.handle);
  if (res !== TEE_SUCCESS) return documented(res);
  const own = [0, 1, 2].map((version) => contentsOf(uuid, name, version));
  assert.ok(own.includes(new TextDecoder().decode(data)), `seed ${seed}: data of nobody's`);
}

it(`${SEEDS} damaged images give an object's own data or an error`, () => {
  const images = history();
  const newest = images.at(-1)!;
  for (let seed = 0; seed < SEEDS; seed++) {
    const random = new SeededRandom(seed);
    const image = new Map(newest);
    for (let n = random.below(3); n >= 0 && image.size > 0; n--) {
      pick(random, DAMAGES)(random, image, pick(random, images));
    }
    const switches = random.below(2) === 0 ? undefined : MENDED;
    const world = new StorageWorld({ store: storeOf(image), ...(switches && { switches }) });
    for (let round = 0; round < 2; round++) {
      for (const uuid of UUIDS) for (const name of NAMES) checkObject(world, uuid, name, seed);
    }
    assert.equal(world.heap.allocated, 0, `seed ${seed}: memory is left`);
    assert.deepEqual(world.rpc.openFiles, [], `seed ${seed}: files are open`);
    assert.equal(world.fs.references, 0, `seed ${seed}: references are left`);
  }
});
