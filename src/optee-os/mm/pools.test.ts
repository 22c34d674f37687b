import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import { Trace } from '../../trace/trace.ts';
import { CoreHeap } from './core-heap.ts';
import { PhysMem } from './phys-mem.ts';

describe('core heap', () => {
  it('counts blocks with their heads, and goes back to zero', () => {
    const heap = new CoreHeap(new Trace(), 4096);
    assert.equal(heap.alloc(10, 'a'), true);
    assert.equal(heap.allocated, 32);
    assert.equal(heap.alloc(8, 'b'), true);
    assert.equal(heap.allocated, 64);
    heap.free(10);
    assert.equal(heap.alloc(17, 'c'), true);
    assert.equal(heap.allocated, 80);
    heap.free(17);
    heap.free(8);
    assert.equal(heap.allocated, 0);
    assert.equal(heap.maxAllocated, 80);
  });

  it('refuses what does not fit and names the limit', () => {
    const trace = new Trace();
    const heap = new CoreHeap(trace, 4096);
    assert.equal(heap.alloc(4080, 'all'), true);
    assert.equal(heap.alloc(1, 'one more'), false);
    assert.equal(heap.numAllocFail, 1);
    assert.equal(heap.biggestAllocFail, 1);
    assert.equal(heap.biggestAllocFailUsed, 4096);
    assert.deepEqual(
      [trace.lastCause?.limit, trace.lastCause?.available, trace.lastCause?.requested],
      ['CFG_CORE_HEAP_SIZE=4096', 0, 1],
    );
    heap.resetStats();
    assert.equal(heap.numAllocFail, 0);
    assert.equal(heap.maxAllocated, 4096);
  });
});

describe('TA RAM', () => {
  const base = 0x4000_0000;
  const pool = (pages: number): PhysMem =>
    new PhysMem(new Trace(), 'TA RAM', { base: pa(base), size: pages * PAGE_SIZE });

  it('is first fit from the low end', () => {
    const mem = pool(10);
    const a = mem.alloc(2)!;
    const b = mem.alloc(3)!;
    const c = mem.alloc(1)!;
    assert.deepEqual([a - base, b - base, c - base], [0, 2 * PAGE_SIZE, 5 * PAGE_SIZE]);
    mem.free(b, 3);
    assert.equal(mem.alloc(4), base + 6 * PAGE_SIZE);
    assert.equal(mem.alloc(2), b);
    assert.equal(mem.largestFree, 1);
  });

  it('merges neighbours in every order of freeing', () => {
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]) {
      const mem = pool(3);
      const pages = [mem.alloc(1)!, mem.alloc(1)!, mem.alloc(1)!];
      assert.equal(mem.alloc(1), undefined);
      for (const i of order) mem.free(pages[i]!, 1);
      assert.equal(mem.largestFree, 3, String(order));
      assert.equal(mem.allocated, 0);
    }
  });

  it('refuses a piece that is not there in one, and says how large one could be', () => {
    const trace = new Trace();
    const mem = new PhysMem(trace, 'TA RAM', { base: pa(base), size: 4 * PAGE_SIZE });
    const [, b] = [mem.alloc(1)!, mem.alloc(1)!, mem.alloc(1)!];
    mem.free(b, 1);
    assert.equal(mem.alloc(2), undefined);
    assert.equal(trace.lastCause?.requested, 2 * PAGE_SIZE);
    assert.equal(trace.lastCause?.available, PAGE_SIZE);
    assert.equal(mem.numAllocFail, 1);
  });
});
