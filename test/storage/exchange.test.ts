/**
 * Directories that the real system wrote are read here, and operations that it carried out are carried
 * out here: each answer is the one that was recorded, and the files say the same.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  FILE_IS_ACTIVE,
  FILE_IS_LAST_ENTRY,
  RPMB_FS_FAT_START_ADDRESS,
  RpmbFatEntry,
} from '../../src/abi/tee-fs.ts';
import { parseUuid, swapUuid } from '../../src/abi/uuid.ts';
import { PROFILES } from '../../src/index.ts';
import { MemoryStore } from '../../src/host/memory-store.ts';
import { NodeCrypto } from '../../src/host/node/crypto.ts';
import type { OpteeOsConfig } from '../../src/optee-os/config.ts';
import { inspectStorage } from '../../src/optee-os/storage/inspect.ts';
import type { ObjectReport, StorageReport } from '../../src/optee-os/storage/inspect.ts';
import { RPMB_FILE } from '../../src/userland/tee-supplicant/rpmb.ts';
import { EXCHANGE_TA } from './exchange-ta.ts';
import { Exchange } from './exchange.ts';
import { CORE, imageIn, imageOf, recordingOf, storeOf } from './fixtures.ts';
import type { Image, RecordedName } from './fixtures.ts';

const RPMB = { CFG_RPMB_FS: true, CFG_RPMB_WRITE_KEY: true, CFG_RPMB_TESTKEY: true };
const CONFIG: Readonly<Record<RecordedName, Partial<OpteeOsConfig>>> = {
  'real-ree': {},
  'real-rpmb': RPMB,
};

/** Plays a recording's operations in a box. @returns what it answers */
async function play(
  name: RecordedName,
  what: 'made' | 'report',
  stateStore: MemoryStore,
): Promise<readonly string[]> {
  const profile = PROFILES['linux-6.1'];
  const exchange = await Exchange.boot({ profile, stateStore, config: CONFIG[name] });
  const lines = await exchange.play(recordingOf(name, what).operations);
  await exchange.end();
  return lines;
}

/** What the operations of a recording make here. */
async function made(name: RecordedName): Promise<MemoryStore> {
  const stateStore = new MemoryStore();
  assert.deepEqual(await play(name, 'made', stateStore), recordingOf(name, 'made').lines);
  return stateStore;
}

for (const name of ['real-ree', 'real-rpmb'] as const) {
  describe(name, () => {
    const { lines } = recordingOf(name, 'report');

    it('answers here as it did there', async () => {
      assert.deepEqual(await play(name, 'report', storeOf(imageOf(name))), lines);
    });

    it('so does what the same operations make here', async () => {
      assert.deepEqual(await play(name, 'report', await made(name)), lines);
    });
  });
}

const inspect = (image: Image): StorageReport =>
  inspectStorage({ crypto: new NodeCrypto(), store: storeOf(image), path: '' });

/** Objects of the TA that can be compared: hashes, and tags among what is wrong, are of random bytes. */
function objectsIn(image: Image, coreFiles: number): unknown[] {
  const { objects } = inspect(image);
  const comparable = ({ entry, id, fileNumber, tree, head }: ObjectReport): unknown => ({
    id: new TextDecoder('latin1').decode(id),
    entry: entry - coreFiles,
    fileNumber: fileNumber - coreFiles,
    head,
    tree: { ...tree, file: '' },
  });
  return objects.filter(({ uuid }) => uuid === EXCHANGE_TA).map(comparable);
}

describe('the files of real-ree', () => {
  it('have the same trees, heads, attributes and data when they are made here', async () => {
    const there = imageOf('real-ree');
    // ta.db and ta_ver.db: a TA in TypeScript is not looked for in either.
    const core = inspect(there).objects.filter(({ uuid }) => uuid === CORE).length;
    assert.equal(core, 2);
    const here = imageIn(await made('real-ree'));
    const objects = objectsIn(there, core);
    assert.equal(objects.length, 10);
    assert.deepEqual(objectsIn(here, 0), objects);
  });

  it('verify, but for the one that upstream truncates wrongly', () => {
    const { directory, objects, strays } = inspect(imageOf('real-ree'));
    assert.deepEqual([directory.problem, strays], [undefined, []]);
    const bad = objects.filter(({ tree }) => tree.problem !== undefined);
    assert.deepEqual(
      bad.map(({ id, tree }) => [new TextDecoder().decode(id), tree.problem?.code]),
      [['cut', 'TEE_ERROR_CORRUPT_OBJECT']],
    );
  });
});

interface FatFile {
  readonly id: string;
  readonly sizeBytes: number;
  readonly flags: number;
}

/** Files of the TA in an RPMB, in the order of its table. */
function filesIn(rpmb: Uint8Array): FatFile[] {
  const view = new DataView(rpmb.buffer, rpmb.byteOffset, rpmb.length);
  const files: FatFile[] = [];
  for (let at = RPMB_FS_FAT_START_ADDRESS; ; at += RpmbFatEntry.byteLength) {
    const flags = RpmbFatEntry.flags.get(view, at);
    if ((flags & FILE_IS_LAST_ENTRY) !== 0) return files;
    const name = Buffer.from(RpmbFatEntry.filename.bytes(view, at)).toString('latin1');
    const [, uuid = '', id = ''] = name.replace(/\0.*/, '').split('/');
    const file = { id, sizeBytes: RpmbFatEntry.dataSize.get(view, at), flags };
    if ((flags & FILE_IS_ACTIVE) !== 0 && uuid === directoryOf(EXCHANGE_TA)) files.push(file);
  }
}

/** A TEE_UUID as it lies in memory. */
const directoryOf = (uuid: string): string =>
  Buffer.from(swapUuid(parseUuid(uuid)))
    .toString('hex')
    .toUpperCase();

describe('the device of real-rpmb', () => {
  it('has the same files in the same order when they are made here', async () => {
    const there = filesIn(imageOf('real-rpmb').get(RPMB_FILE)!);
    assert.equal(there.length, 10);
    assert.deepEqual(filesIn(imageIn(await made('real-rpmb')).get(RPMB_FILE)!), there);
  });
});
