import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ENOMEM } from '../../abi/errno.ts';
import { MADV_PAGEOUT } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import { GFP_KERNEL } from './gfp.ts';
import { Shmem } from './shmem.ts';
import type { ShmemOptions } from './shmem.ts';
import { checkMemory } from './testing/check-memory.ts';
import { AT, bytes, makeMemory, readBack } from './testing/memory.ts';

const PAGES = 8;

function box(options: ShmemOptions, swapPages = 0) {
  const memory = makeMemory({ mib: 1, swapPages });
  const object = new Shmem(memory.pages, options);
  object.open();
  const space = memory.addressSpace();
  const length = PAGES * PAGE_SIZE;
  space.mmap({ at: AT, fixed: 'replace', length, shared: true, cache: object });
  const check = (): void =>
    checkMemory({
      pages: memory.pages,
      spaces: [space],
      cached: [...object.frames()],
      pinned: [],
      owned: [],
      cachedSlots: object.swapped,
    });
  const done = (): void => {
    check();
    space.destroy();
    object.close();
    assert.deepEqual([memory.pages.usedPages, memory.pages.swap.used], [1, 0]);
  };
  return { ...memory, object, space, check, done };
}

describe('shared memory with a size', () => {
  it('is read and written from the kernel as from mappings', () => {
    const { object, space, done } = box({ bytes: 10 });
    assert.equal(object.write(bytes(1, 2, 3), PAGE_SIZE - 1), 3);
    assert.equal(object.bytes, PAGE_SIZE + 2);
    assert.deepEqual(readBack(space, AT + PAGE_SIZE - 2, 4), [0, 1, 2, 3]);
    const out = new Uint8Array(8);
    assert.equal(object.read(out, PAGE_SIZE), 2);
    assert.deepEqual([...out.subarray(0, 3)], [2, 3, 0]);
    assert.equal(object.read(out, 2 * PAGE_SIZE), 0);
    assert.equal(space.fault(AT + 2 * PAGE_SIZE, 'write'), 'SIGBUS');
    done();
  });

  it('reading a hole takes no page', () => {
    const { object, pages, done } = box({ bytes: 3 * PAGE_SIZE });
    const before = pages.usedPages;
    assert.equal(object.read(new Uint8Array(3 * PAGE_SIZE).fill(1), 0), 3 * PAGE_SIZE);
    assert.equal(pages.usedPages, before);
    done();
  });

  it('when memory has run out a write is short, then -ENOMEM', () => {
    const { object, pages, done } = box({ bytes: 0 });
    object.write(bytes(1), 0);
    const taken: number[] = [];
    for (let frame = 0; (frame = pages.allocFrames(0, GFP_KERNEL)) >= 0;) taken.push(frame);
    assert.equal(object.write(new Uint8Array(2 * PAGE_SIZE), 0), PAGE_SIZE);
    assert.equal(object.write(bytes(1), PAGE_SIZE), -ENOMEM);
    for (const frame of taken) pages.putFrame(frame);
    done();
  });

  it('loses pages and slots of the swap area when it is cut off', () => {
    const { object, space, check, done } = box({ bytes: 4 * PAGE_SIZE }, 8);
    for (let page = 0; page < 4; page++) space.write(va(AT + page * PAGE_SIZE + 9), bytes(5));
    space.madvise(AT + PAGE_SIZE, 2 * PAGE_SIZE, MADV_PAGEOUT);
    assert.deepEqual([object.size, object.swapped], [2, 2]);
    object.truncate(PAGE_SIZE + 5);
    assert.deepEqual([object.size, object.swapped], [2, 0]);
    check();
    object.truncate(4 * PAGE_SIZE);
    assert.deepEqual(readBack(space, AT + PAGE_SIZE + 9, 1), [0]);
    assert.deepEqual(readBack(space, AT + 2 * PAGE_SIZE + 9, 1), [0]);
    assert.deepEqual(readBack(space, AT + 9, 1), [5]);
    done();
  });

  it('keeps a large folio that ends behind the cut, with zeros there', () => {
    const { object, space, check, done } = box({ bytes: 8 * PAGE_SIZE, order: 2 });
    for (let page = 0; page < 8; page++) space.write(va(AT + page * PAGE_SIZE), bytes(5));
    object.truncate(2 * PAGE_SIZE);
    assert.equal(object.size, 4);
    assert.equal(space.fault(AT + 2 * PAGE_SIZE, 'read'), 'SIGBUS');
    check();
    object.truncate(8 * PAGE_SIZE);
    const first = [1, 2, 4].map((page) => readBack(space, AT + page * PAGE_SIZE, 1));
    assert.deepEqual(first, [[5], [0], [0]]);
    done();
  });

  it('knows whether anybody but mappings refers to its pages', () => {
    const { object, space, done } = box({ bytes: PAGE_SIZE });
    space.write(va(AT), bytes(1));
    assert.equal(object.pinned, false);
    const pin = space.pin(va(AT), 1, {});
    assert.ok(typeof pin !== 'number');
    assert.equal(object.pinned, true);
    pin.unpin();
    assert.equal(object.pinned, false);
    done();
  });
});
