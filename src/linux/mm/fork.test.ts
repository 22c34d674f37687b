import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import { AT, MIB, bytes, leakFree, makeMemory, mapAt, readBack } from './testing/memory.ts';

describe('fork', () => {
  it(
    'shares pages until one side writes',
    leakFree(({ pages }, space) => {
      mapAt(space, 4);
      for (let page = 0; page < 4; page++) space.write(va(AT + page * PAGE_SIZE), bytes(page));
      const before = pages.freePages;
      const child = space.fork();
      assert.ok(child !== undefined);
      assert.equal(pages.freePages, before);
      assert.equal(child.mm.rss, 4);
      child.write(va(AT), bytes(10));
      space.write(va(AT + PAGE_SIZE), bytes(20));
      assert.equal(before - pages.freePages, 2);
      const first = [0, 1, 2, 3].map((page) => readBack(space, AT + page * PAGE_SIZE, 1));
      assert.deepEqual(first, [[0], [20], [2], [3]]);
      const second = [0, 1, 2, 3].map((page) => readBack(child, AT + page * PAGE_SIZE, 1));
      assert.deepEqual(second, [[10], [1], [2], [3]]);
      child.destroy();
      assert.equal(before, pages.freePages);
    }),
  );

  it(
    'leaves the last user of a page its own without a copy',
    leakFree(({ pages }, space) => {
      mapAt(space, 1);
      space.write(va(AT), bytes(1));
      const index = space.load(AT, 1, 'read');
      const child = space.fork();
      child?.destroy();
      const before = pages.freePages;
      space.write(va(AT), bytes(2));
      assert.equal(pages.freePages, before);
      assert.equal(space.load(AT, 1, 'write'), index);
    }),
  );

  it('fails whole when memory runs out', () => {
    const { pages, addressSpace } = makeMemory();
    const space = addressSpace();
    const at = va(space.mmap({ length: 6 * MIB, populate: true }));
    space.write(at, bytes(1));
    const pin = space.pin(at, (6 * MIB) / PAGE_SIZE, { write: true });
    assert.ok(typeof pin === 'object');
    const before = pages.freePages;
    assert.equal(space.fork(), undefined);
    assert.equal(pages.freePages, before);
    assert.equal(space.write(at, bytes(2)), true);
    pin.unpin();
    space.destroy();
    assert.equal(pages.usedPages, 1);
  });
});
