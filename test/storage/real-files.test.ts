/** Files of the real system open here: all of their contents, and they can be written on. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE,
  TEE_DATA_SEEK_END,
  TEE_DATA_SEEK_SET,
  TEE_STORAGE_PRIVATE,
  TEE_TYPE_DATA,
} from '../../src/abi/gp.ts';
import { MemoryStore } from '../../src/host/memory-store.ts';
import { NodeCrypto } from '../../src/host/node/crypto.ts';
import { inspectStorage } from '../../src/optee-os/storage/inspect.ts';
import type { StorageReport } from '../../src/optee-os/storage/inspect.ts';
import { StorageWorld } from '../../src/optee-os/storage/testing/storage-world.ts';
import type { TaStorage } from '../../src/optee-os/storage/testing/storage-world.ts';
import { close, create, id, ok } from '../../src/optee-os/storage/testing/svc-calls.ts';
import { CORE, FIXTURES, FIXTURE_OBJECTS, idOf, imageIn, imageOf, storeOf } from './fixtures.ts';
import type { FixtureObject, Image } from './fixtures.ts';

const ACCESS = TEE_DATA_FLAG_ACCESS_READ | TEE_DATA_FLAG_ACCESS_WRITE;
const TEXT = 'This is data stored in the secure storage.\n\0';

function open(ta: TaStorage, object: FixtureObject): number {
  const out = { handle: 0 };
  ok(ta.svc.objOpen(TEE_STORAGE_PRIVATE, idOf(object), ACCESS, out));
  return out.handle;
}

function contents(ta: TaStorage, handle: number): Uint8Array {
  const out = new Uint8Array(ta.objects.get(handle)!.persistent!.dataSize);
  ok(ta.svc.objSeek(handle, 0, TEE_DATA_SEEK_SET));
  ok(ta.svc.objRead(handle, out, { size: 0 }));
  return out;
}

const inspect = (image: Image): StorageReport =>
  inspectStorage({ crypto: new NodeCrypto(), store: storeOf(image), path: '' });

const problems = ({ directory, objects }: StorageReport): unknown[] =>
  [directory, ...objects.map(({ tree }) => tree)].flatMap(({ problem }) => problem ?? []);

for (const name of FIXTURES) {
  const objects = FIXTURE_OBJECTS[name];

  describe(name, () => {
    it('verifies, with every object that there was', () => {
      const report = inspect(imageOf(name));
      assert.deepEqual(problems(report), []);
      assert.deepEqual(report.strays, []);
      assert.deepEqual(
        report.objects
          .filter(({ uuid }) => uuid !== CORE)
          .map(({ uuid, id: oid, tree, head }) => [
            tree.file,
            uuid,
            oid,
            head?.objectType,
            head?.data.length,
          ]),
        objects.map((object) => [
          object.file,
          object.uuid,
          Uint8Array.from(idOf(object)),
          TEE_TYPE_DATA,
          object.dataBytes,
        ]),
      );
    });

    it('each object can be read, and reading changes nothing', () => {
      const image = imageOf(name);
      const world = new StorageWorld({ store: storeOf(image) });
      const known = new Map(
        inspect(image).objects.map(({ tree, head }) => [tree.file, head?.data]),
      );
      for (const object of objects) {
        const ta = world.ta({ uuid: object.uuid });
        const handle = open(ta, object);
        assert.deepEqual(contents(ta, handle), known.get(object.file));
        close(ta, handle);
      }
      const changed = world.rpc.ops.filter(({ op }) => !['open', 'read', 'close'].includes(op));
      assert.deepEqual(changed, []);
      assert.equal(world.heap.allocated, 0);
    });

    it('each object can be written on, renamed and removed, beside new ones', () => {
      const world = new StorageWorld({ store: storeOf(imageOf(name)) });
      for (const object of objects) {
        const ta = world.ta({ uuid: object.uuid });
        const handle = open(ta, object);
        const before = contents(ta, handle);
        ok(ta.svc.objSeek(handle, 0, TEE_DATA_SEEK_END));
        const more = new Uint8Array(9000).fill(0x5a);
        ok(ta.svc.objWrite(handle, more));
        close(ta, handle);
        close(ta, create(ta, `${object.id} of teebox`, { data: 'new' }));
        const again = open(ta, object);
        assert.deepEqual(contents(ta, again), Uint8Array.from([...before, ...more]));
        close(ta, again);
      }
      const report = inspect(imageIn(world.store));
      assert.deepEqual(problems(report), []);
      assert.equal(report.objects.length, inspect(imageOf(name)).objects.length + objects.length);
    });
  });
}

describe('a directory', () => {
  it('the public secure_storage example keeps its text', () => {
    const [object] = FIXTURE_OBJECTS['after-secure-storage'];
    const world = new StorageWorld({ store: storeOf(imageOf('after-secure-storage')) });
    const ta = world.ta({ uuid: object!.uuid });
    assert.equal(new TextDecoder().decode(contents(ta, open(ta, object!))), TEXT);
  });

  it('made here has the sizes and the places of the real one', () => {
    // The example's own steps after the core's two files were there: an object that goes, one that stays.
    const real = imageOf('after-secure-storage');
    const world = new StorageWorld({ store: new MemoryStore() });
    const ta = world.ta({ uuid: FIXTURE_OBJECTS['after-secure-storage'][0]!.uuid });
    const handle = create(ta, 'object#2');
    ok(ta.svc.objWrite(handle, id(TEXT)));
    close(ta, handle);
    const made = imageIn(world.store);
    assert.equal(made.get('0')!.length, real.get('2')!.length);
    const [here, there] = [inspect(made).objects[0]!, inspect(real).objects[2]!];
    assert.deepEqual(here.tree.counters, there.tree.counters);
    assert.deepEqual(here.tree.nodes, there.tree.nodes);
    assert.deepEqual(here.head, there.head);
    // All that is random, or depends on it, differs.
    assert.notDeepEqual(made.get('0'), real.get('2'));
  });

  it('is the same for the same seed', () => {
    const image = (seed: number): Image => {
      const world = new StorageWorld({ store: storeOf(imageOf('after-pkcs11')), seed });
      const ta = world.ta();
      close(ta, create(ta, 'a', { data: 'data' }));
      return imageIn(world.store);
    };
    assert.deepEqual(image(7), image(7));
    assert.notDeepEqual(image(7), image(8));
  });
});
