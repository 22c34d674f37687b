import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PAGE_SIZE } from '../../machine/address.ts';
import { World } from '../testing/world.ts';
import { Heap } from './heap.ts';

function heap(bytes: number, scattered = false): Heap {
  const world = new World();
  world.secure.scattered = scattered;
  const pages = world.secure.take(Math.ceil(bytes / PAGE_SIZE))!;
  return new Heap(world.trace, 'test', world.machine.secure, pages, bytes);
}

describe('allocation', () => {
  test('views do not overlap, and start on 16 bytes', () => {
    const h = heap(4096);
    const views = [1, 15, 16, 17, 100].map((bytes) => h.allocate(bytes)!);
    views.forEach((view, i) => view.fill(i + 1));
    views.forEach((view, i) => {
      assert.ok(view.every((byte) => byte === i + 1));
      assert.equal(view.byteOffset % 16, 0);
    });
  });

  test('a heap of 32 KiB holds one allocation of all but head and sentinel', () => {
    const h = heap(32768);
    assert.equal(h.largestFree, 32768 - 32);
    assert.equal(h.allocate(32768 - 31), undefined);
    const all = h.allocate(32768 - 32);
    assert.equal(all?.length, 32768 - 32);
    assert.equal(h.largestFree, 0);
    assert.equal(h.allocate(1), undefined);
  });

  test('what is freed can be had again, whatever the order', () => {
    const h = heap(4096);
    const free = h.largestFree;
    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [1, 3, 0, 2],
      [2, 0, 3, 1],
    ]) {
      const views = [0, 1, 2, 3].map(() => h.allocate(500)!);
      for (const i of order) assert.equal(h.free(views[i]!), true);
      assert.deepEqual([h.usedBytes, h.largestFree], [0, free]);
    }
  });

  test('a hole between two allocations is used again', () => {
    const h = heap(4096);
    const [first, middle, last] = [64, 64, 64].map((bytes) => h.allocate(bytes)!);
    h.free(middle!);
    assert.equal(h.allocate(64)?.byteOffset, middle!.byteOffset);
    h.free(first!);
    h.free(last!);
  });

  test('sizes that are none find no room', () => {
    const h = heap(4096);
    for (const bytes of [0, -1, 1.5, Number.NaN, Infinity]) {
      assert.equal(h.allocate(bytes), undefined);
    }
  });
});

test('only what was allocated can be freed, once', () => {
  const h = heap(4096);
  const view = h.allocate(64)!;
  assert.equal(h.free(view.subarray(1)), false);
  assert.equal(h.free(view.subarray(0, 63)), false);
  assert.equal(h.free(new Uint8Array(64)), false);
  assert.equal(h.free(view), true);
  assert.equal(h.free(view), false);
});

test('scattered pages are as many heaps; nothing spans two', () => {
  const h = heap(2 * PAGE_SIZE, true);
  assert.equal(h.largestFree, PAGE_SIZE - 32);
  assert.ok(h.allocate(PAGE_SIZE - 32));
  assert.ok(h.allocate(PAGE_SIZE - 32));
  assert.equal(h.allocate(1), undefined);
});

test('memory of the heap is told from other memory', () => {
  const h = heap(4096);
  const view = h.allocate(64)!;
  const ram = new Uint8Array(view.buffer);
  const around = ram.subarray(view.byteOffset - 8, view.byteOffset + 8);
  assert.deepEqual([h.overlaps(view), h.isWithinAllocated(view.subarray(3, 9))], [true, true]);
  assert.deepEqual([h.overlaps(around), h.isWithinAllocated(around)], [true, false]);
  const outside = ram.subarray(0, 64);
  assert.deepEqual([h.overlaps(outside), h.isWithinAllocated(outside)], [false, false]);
  const own = new Uint8Array(8);
  assert.deepEqual([h.overlaps(own), h.isWithinAllocated(own)], [false, false]);
});

test('each change is reported', () => {
  const world = new World();
  world.trace.setLevel('worlds');
  const pages = world.secure.take(1)!;
  const h = new Heap(world.trace, 'TA heap', world.machine.secure, pages, PAGE_SIZE);
  h.free(h.allocate(100)!);
  const used = [...world.trace.events()].map(({ args }) => 'used' in args && args.used);
  assert.deepEqual(used, [128, 0]);
});
