import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FaultyStore } from './faulty-store.ts';
import { MemoryStore } from './memory-store.ts';
import { StoreError } from './store.ts';

function made(): FaultyStore {
  const store = new FaultyStore(new MemoryStore());
  store.createDirectory('d');
  store.createFile('d/f');
  store.write('d/f', 0, new Uint8Array(100));
  return store;
}

const refused = (code: string, call: () => unknown): void =>
  assert.throws(call, (error) => error instanceof StoreError && error.code === code);

describe('a store that fails', () => {
  it('is like the one that it stands on until it is told otherwise', () => {
    const store = made();
    assert.equal(store.usedBytes, 100);
    assert.deepEqual(store.list(''), ['d']);
    assert.equal(store.read('d/f', 90, 20)?.length, 10);
    assert.equal(store.truncate('d/f', 10), true);
    assert.equal(store.rename('d/f', 'd/g'), true);
    assert.equal(store.stat('d/f'), undefined);
    store.sync('d/g');
    assert.equal(store.remove('d/g'), true);
    assert.equal(store.write('d/g', 0, new Uint8Array(1)), false);
  });

  it('changes nothing while it is read-only', () => {
    const store = made();
    store.readOnly = true;
    refused('EROFS', () => store.write('d/f', 0, new Uint8Array(1)));
    refused('EROFS', () => store.createFile('x'));
    refused('EROFS', () => store.createDirectory('x'));
    refused('EROFS', () => store.truncate('d/f', 0));
    refused('EROFS', () => store.remove('d/f'));
    refused('EROFS', () => store.rename('d/f', 'x'));
    assert.equal(store.read('d/f', 0, 1)?.length, 1);
  });

  it('takes what fits', () => {
    const store = made();
    store.capacityBytes = 110;
    refused('ENOSPC', () => store.write('d/f', 95, new Uint8Array(20).fill(7)));
    assert.equal(store.usedBytes, 110);
    assert.deepEqual([...store.read('d/f', 94, 100)!], [0, ...Array<number>(15).fill(7)]);
    assert.equal(store.write('d/f', 0, new Uint8Array(50)), true, 'what is there can be changed');
    refused('ENOSPC', () => store.write('d/f', 110, new Uint8Array(1)));
    refused('ENOSPC', () => store.truncate('d/f', 111));
    refused('ENOSPC', () => store.createDirectory('e'));
    assert.equal(store.createFile('empty'), true);
    store.truncate('d/f', 0);
    assert.equal(store.createDirectory('e'), true);
  });

  it('fails as it is told', () => {
    const store = made();
    const asked: string[] = [];
    store.refuses = (operation, path) => {
      asked.push(`${operation} ${path}`);
      return operation === 'sync' ? 'EIO' : undefined;
    };
    refused('EIO', () => store.sync('d/f'));
    store.stat('d/f');
    assert.deepEqual(asked, ['sync d/f', 'stat d/f']);
  });
});
