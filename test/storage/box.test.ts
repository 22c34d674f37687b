/** Secure storage of a whole box: from a TA's call to the supplicant's files, and what goes wrong there. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { main as secureStorage } from '../../examples/secure_storage/client.ts';
import * as secureStorageTa from '../../examples/secure_storage/ta.ts';
import { SIGKILL } from '../../src/abi/fcntl.ts';
import {
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE,
  TEE_DATA_FLAG_ACCESS_WRITE_META,
  TEE_DATA_FLAG_OVERWRITE,
  TEE_ERROR_GENERIC,
  TEE_ERROR_STORAGE_NO_SPACE,
} from '../../src/abi/gp.ts';
import { OPTEE_RPC_CMD_FS } from '../../src/abi/optee-rpc.ts';
import { Box } from '../../src/box/box.ts';
import { DEFAULT_PROFILE, PROFILES, withoutQuirks } from '../../src/box/profiles.ts';
import type { Profile } from '../../src/box/profiles.ts';
import type { BoxOptions } from '../../src/box/box.ts';
import { FaultyStore } from '../../src/host/faulty-store.ts';
import { MemoryStore } from '../../src/host/memory-store.ts';
import { DirectoryStore } from '../../src/host/node/directory-store.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { taImageOf } from '../../src/index.ts';
import type { SupplicantFaults } from '../../src/userland/tee-supplicant/faults.ts';
import { imageOf, storeOf } from './fixtures.ts';
import { StorageClient, bootStorage } from './storage-client.ts';

const READ = TEE_DATA_FLAG_ACCESS_READ;
const ALL = READ | TEE_DATA_FLAG_ACCESS_WRITE | TEE_DATA_FLAG_ACCESS_WRITE_META;
const OVERWRITE = ALL | TEE_DATA_FLAG_OVERWRITE;

/** Nothing is open any more, and nothing else is held. */
async function assertClean(box: Box): Promise<void> {
  await box.settle();
  const { storage } = box.opteeOs.guest;
  assert.equal(storage.pobjs.count, 0);
  assert.equal(storage.reeFs?.references, 0);
  assert.deepEqual(box.leaks(), []);
  assert.equal(box.halted, undefined);
}

/** Files of secure storage that tee-supplicant has open. */
const openFiles = (box: Box): string[] =>
  box.kernel
    .openFiles()
    .map(({ file }) => file.path)
    .filter((path) => path.startsWith('/var/lib/tee/'));

async function secureStorageExample(options: BoxOptions): Promise<readonly string[]> {
  using box = new Box(nodeHost(), {
    tas: [taImageOf(secureStorageTa, 'examples/secure_storage/ta.ts')],
    ...options,
  });
  const printed: string[] = [];
  const client = box.client({ name: 'secure_storage' });
  assert.equal(await secureStorage(client, (line) => printed.push(line)), 0);
  await client.program.exit();
  await assertClean(box);
  return printed.filter((line) => line.startsWith('- Object'));
}

const FOUND = ['- Object found in TA secure storage, delete it.'];
const NOT_FOUND = ['- Object not found in TA secure storage, create it.'];

describe('the public secure_storage example', () => {
  it('finds in one box what it left in another', async () => {
    const stateStore = new MemoryStore();
    assert.deepEqual(await secureStorageExample({ stateStore }), NOT_FOUND);
    assert.deepEqual(await secureStorageExample({ stateStore, seed: 2 }), FOUND);
    assert.deepEqual(await secureStorageExample({ stateStore }), NOT_FOUND);
  });

  it('finds in a directory of the host what it left there', async () => {
    const path = mkdtempSync(join(tmpdir(), 'teebox-storage-'));
    after(() => rmSync(path, { recursive: true }));
    for (const expected of [NOT_FOUND, FOUND]) {
      const stateStore = new DirectoryStore(path);
      assert.deepEqual(await secureStorageExample({ stateStore }), expected);
    }
    assert.deepEqual(readdirSync(path), ['dirf.db']);
  });

  it('finds what it left on the real system', async () => {
    const stateStore = storeOf(imageOf('after-secure-storage'));
    assert.deepEqual(await secureStorageExample({ stateStore }), FOUND);
    assert.deepEqual(stateStore.list(''), ['0', '1', 'dirf.db']);
  });
});

describe('handles of a TA', () => {
  async function holding(box: Box): Promise<StorageClient> {
    const client = await StorageClient.open(box);
    await client.ok('create', { id: 'a', data: 'of a', a: ALL });
    await client.ok('create', { id: 'b', data: 'of b', a: ALL });
    await client.ok('enumerate');
    const { storage } = box.opteeOs.guest;
    assert.deepEqual([storage.pobjs.count, storage.reeFs!.references], [2, 3]);
    assert.equal(openFiles(box).length, 3);
    return client;
  }

  const ends: Readonly<Record<string, (client: StorageClient) => Promise<unknown>>> = {
    'its last session is closed': (client) => client.close(),
    'it panics': async (client) => {
      assert.equal((await client.call('panic')).result, 'TARGET_DEAD');
      await client.client.program.exit();
    },
    'its client ends': (client) => client.client.program.exit(),
    'its client is killed': async (client) => client.client.program.kill(SIGKILL),
  };
  for (const [what, end] of Object.entries(ends)) {
    it(`are closed when ${what}`, async () => {
      using box = bootStorage();
      const client = await holding(box);
      await end(client);
      await box.settle();
      if (box.leaks().length > 0) await client.client.program.exit();
      assert.deepEqual(openFiles(box), []);
      await assertClean(box);
      const again = await StorageClient.open(box);
      await again.ok('open', { id: 'a', a: READ });
      assert.equal((await again.ok('read', { data: '----' })).data, 'of a');
    });
  }

  it('are gone when its client is killed in the middle of a call, without a word to the supplicant', async () => {
    using box = bootStorage();
    const client = await holding(box);
    const writing = client.call('write', { data: 'x'.repeat(20_000) }).catch(() => 'killed');
    client.client.program.kill(SIGKILL);
    assert.equal(await writing, 'killed');
    await box.settle();
    const { storage } = box.opteeOs.guest;
    assert.deepEqual([storage.pobjs.count, storage.reeFs?.references], [0, 0]);
    // Nobody can be asked on behalf of a thread that is to die, so that the supplicant never hears of it.
    assert.equal(openFiles(box).length, 3);
    assert.deepEqual(
      box.leaks().filter(({ owner }) => owner !== 'box'),
      [],
    );
  });
});

/** An object is there; then the client makes another call. */
async function withObject(stateStore: FaultyStore, spoil: () => void, options: BoxOptions = {}) {
  const box = bootStorage({ stateStore, ...options });
  const client = await StorageClient.open(box);
  await client.ok('create', { id: 'a', data: 'of a', a: ALL });
  spoil();
  return { box, client };
}

describe('a disk that refuses', () => {
  const faulty = (): FaultyStore => new FaultyStore(new MemoryStore());

  it('a full one: nothing new is there, the rest stays', async () => {
    const store = faulty();
    const { box, client } = await withObject(store, () => {
      store.capacityBytes = store.usedBytes;
    });
    const made = await client.call('create', { id: 'b', data: 'of b', a: ALL });
    assert.equal(made.result, 'STORAGE_NO_SPACE');
    assert.deepEqual(store.list(''), ['0', 'dirf.db']);
    store.capacityBytes = Infinity;
    await client.ok('create', { id: 'b', data: 'of b', a: ALL });
    await client.ok('close', { a: 0 });
    const { a } = await client.ok('open', { id: 'a', a: READ });
    assert.equal((await client.ok('read', { data: '----', a })).data, 'of a');
    await client.close();
    await client.client.program.exit();
    await assertClean(box);
    box.dispose();
  });

  it('a full one: an object that is written is corrupt after it, and goes', async () => {
    const store = faulty();
    const { box, client } = await withObject(store, () => {
      store.capacityBytes = store.usedBytes;
    });
    const data = 'x'.repeat(10_000);
    assert.equal((await client.call('write', { data })).result, 'STORAGE_NO_SPACE');
    assert.equal((await client.call('write', { data })).result, 'CORRUPT_OBJECT');
    assert.deepEqual(store.list(''), ['dirf.db']);
    box.dispose();
  });

  it('one that is read-only: what there is can be read', async () => {
    const store = faulty();
    const { box, client } = await withObject(store, () => {});
    await client.ok('close', { a: 0 });
    store.readOnly = true;
    const { a } = await client.ok('open', { id: 'a', a: ALL });
    assert.equal((await client.ok('read', { data: '----', a })).data, 'of a');
    // The supplicant tells TEE_ERROR_GENERIC, which the specification does not allow here.
    assert.equal((await client.call('write', { data: 'new', a })).result, 'TARGET_DEAD');
    assert.match(box.trace.lastCause?.text ?? '', /panicked with code 0xffff0000/);
    await client.client.program.exit();
    await assertClean(box);
    box.dispose();
  });
});

describe('a supplicant that is wrong', () => {
  const faults = (more: Omit<SupplicantFaults, 'only'>): SupplicantFaults => ({
    only: [OPTEE_RPC_CMD_FS],
    ...more,
  });
  const rows: readonly [string, SupplicantFaults, string, string][] = [
    ['says less than it read', faults({ liesAboutSizeBytes: -1 }), 'CORRUPT_OBJECT', 'lost'],
    ['says more than it read', faults({ liesAboutSizeBytes: 1 }), 'CORRUPT_OBJECT', 'lost'],
    ['reads wrong', faults({ corruptsByte: 3 }), 'CORRUPT_OBJECT', 'lost'],
    [
      'has no space for anything',
      faults({ answersWith: TEE_ERROR_STORAGE_NO_SPACE }),
      'TARGET_DEAD',
      'lost',
    ],
    ['always fails', faults({ answersWith: TEE_ERROR_GENERIC }), 'TARGET_DEAD', 'lost'],
  ];
  for (const [name, fault, expected, fate] of rows) {
    it(`${name}: ${expected}, and what there was is ${fate}`, async () => {
      const stateStore = new MemoryStore();
      using first = bootStorage({ stateStore });
      const writer = await StorageClient.open(first);
      await writer.ok('create', { id: 'a', data: 'of a', a: ALL });
      await writer.close();
      using box = bootStorage({ stateStore, supplicant: { faults: fault } });
      const client = await StorageClient.open(box);
      assert.equal((await client.call('open', { id: 'a', a: READ })).result, expected);
      await client.client.program.exit();
      await assertClean(box);
      using later = bootStorage({ stateStore });
      const reader = await StorageClient.open(later);
      const { result } = await reader.call('open', { id: 'a', a: READ });
      assert.equal(result, fate === 'kept' ? 'TEE_SUCCESS' : 'ITEM_NOT_FOUND');
    });
  }

  it('none at all: the TA gets a communication error, which ends it', async () => {
    using box = bootStorage({ supplicant: 'none' });
    const client = await StorageClient.open(box);
    const opening = client.call('open', { id: 'a', a: READ }).catch(() => ({ result: 'killed' }));
    await box.settle();
    client.client.program.kill(SIGKILL);
    assert.equal((await opening).result, 'killed');
    await assertClean(box);
  });

  /** Everything that can be found afterwards, wherever the first supplicant dies. */
  async function fates(profile: Profile): Promise<readonly string[]> {
    const found = new Set<string>();
    for (let request = 1; ; request++) {
      using box = bootStorage({ profile, supplicant: 'none' });
      const dying = box.startSupplicant({ faults: faults({ diesAtRequest: request }) });
      const writer = await StorageClient.open(box);
      let done = false;
      const writing = overwrite(writer).finally(() => (done = true));
      const isDead = (): boolean => dying.process.groupExit !== undefined;
      while (!done && !isDead()) await setImmediate();
      await box.settle();
      const died = isDead();
      if (died) box.startSupplicant();
      await writing;
      if (!died) return [...found].sort();
      await writer.client.program.exit();
      found.add(await contents(box));
    }
  }

  async function overwrite(client: StorageClient): Promise<void> {
    const made = await client.call('create', { id: 'a', data: 'old', a: ALL });
    if (made.result !== 'TEE_SUCCESS') return;
    await client.ok('close', { a: made.a });
    await client.call('create', { id: 'a', data: 'new', a: OVERWRITE });
  }

  async function contents(box: Box): Promise<string> {
    const reader = await StorageClient.open(box);
    const { result, a } = await reader.call('open', { id: 'a', a: READ });
    if (result !== 'TEE_SUCCESS') return result;
    return (await reader.ok('read', { data: '---', a })).data;
  }

  it('dies at any of its requests: what is there then was there once', async () => {
    const upstream = PROFILES[DEFAULT_PROFILE];
    // A supplicant whose buffers are in use cannot be replaced there: its place stays taken.
    const mended = withoutQuirks(upstream);
    const states = ['ITEM_NOT_FOUND', 'new', 'old'];
    assert.deepEqual(await fates(mended), states);
    // An empty dirf.db fails the first call.
    const seen = await fates({ ...mended, opteeOs: upstream.opteeOs });
    assert.deepEqual(seen, ['CORRUPT_OBJECT', ...states]);
  });
});
