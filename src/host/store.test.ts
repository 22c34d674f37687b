import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { MemoryStore } from './memory-store.ts';
import { DirectoryStore } from './node/directory-store.ts';
import { StoreError } from './store.ts';
import type { ByteStore } from './store.ts';

const directory = mkdtempSync(join(tmpdir(), 'teebox-store-'));
after(() => rmSync(directory, { recursive: true }));

const stores: readonly [string, () => ByteStore][] = [
  ['memory', () => new MemoryStore()],
  ['directory', () => new DirectoryStore(mkdtempSync(join(directory, 's-')))],
];

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

for (const [name, make] of stores) {
  describe(`${name} store`, () => {
    it('creates, writes, reads, truncates', () => {
      const store = make();
      assert.equal(store.createFile('a'), true);
      assert.equal(store.createFile('a'), false);
      assert.equal(store.write('a', 2, bytes('xyz')), true);
      assert.deepEqual(store.read('a', 0, 100), new Uint8Array([0, 0, 120, 121, 122]));
      assert.equal(store.truncate('a', 3), true);
      assert.equal(store.truncate('a', 5), true);
      assert.deepEqual(store.read('a', 2, 3), new Uint8Array([120, 0, 0]));
      assert.equal(store.read('a', 9, 3)?.length, 0);
      assert.deepEqual([store.stat('a')?.kind, store.stat('a')?.sizeBytes], ['file', 5]);
      store.sync('a');
    });

    it('has directories, which must be empty to go', () => {
      const store = make();
      assert.equal(store.createFile('d/f'), false);
      assert.equal(store.createDirectory('d'), true);
      assert.equal(store.createDirectory('d'), false);
      assert.equal(store.createFile('d/f'), true);
      assert.deepEqual(store.list('d'), ['f']);
      assert.deepEqual(store.list(''), ['d']);
      assert.equal(store.remove('d'), false);
      assert.equal(store.remove('d/f'), true);
      assert.equal(store.remove('d'), true);
      assert.equal(store.list('d'), undefined);
      assert.equal(store.list('nothing'), undefined);
    });

    it('renames over what is there, and directories with what is in them', () => {
      const store = make();
      store.createFile('a');
      store.createFile('b');
      store.write('a', 0, bytes('A'));
      assert.equal(store.rename('a', 'b'), true);
      assert.deepEqual(store.read('b', 0, 9), bytes('A'));
      assert.equal(store.rename('a', 'b'), false);
      store.createDirectory('d');
      store.rename('b', 'd/b');
      store.rename('d', 'e');
      assert.deepEqual(store.read('e/b', 0, 9), bytes('A'));
    });

    it('answers for what is absent', () => {
      const store = make();
      assert.equal(store.stat('x'), undefined);
      assert.equal(store.read('x', 0, 1), undefined);
      assert.equal(store.write('x', 0, bytes('1')), false);
      assert.equal(store.truncate('x', 0), false);
      assert.equal(store.remove('x'), false);
    });
  });
}

describe('directory store', () => {
  it('names the errno of a refusing outside', () => {
    const store = new DirectoryStore(directory);
    assert.throws(
      () => store.createFile('n'.repeat(300)),
      (error) => error instanceof StoreError && error.code === 'ENAMETOOLONG',
    );
  });
});
