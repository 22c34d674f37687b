import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import { OutOfMemory, UserFault } from './program-memory.ts';
import { UserHeap } from './user-heap.ts';
import { makeKernel, makeProgram } from './testing/make-kernel.ts';

describe('the heap', () => {
  it('gives out aligned memory that never overlaps, and takes it back whole', () => {
    const command = fc.record({ size: fc.nat(2000), shift: fc.nat(9), free: fc.nat(1) });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
        const heap = new UserHeap();
        const [start, end] = [0x10000, 0x10000 + 256 * 1024];
        heap.add(start, end - start);
        const held: { at: number; size: number }[] = [];
        for (const { size, shift, free } of commands) {
          if (free === 1 && held.length > 0) {
            heap.free(held.splice(size % held.length, 1)[0]!.at);
            continue;
          }
          const at = heap.alloc(size, 1 << shift);
          if (at === undefined) continue;
          assert.equal(at % Math.max(16, 1 << shift), 0);
          assert.ok(at >= start && at + size <= end);
          for (const other of held) {
            assert.ok(at + size <= other.at || other.at + other.size <= at);
          }
          held.push({ at, size: Math.max(size, 1) });
        }
        for (const { at } of held) heap.free(at);
        assert.equal(heap.used, 0);
        assert.equal(heap.alloc(end - start), start);
      }),
    );
  });

  it('refuses what it did not give out', () => {
    const heap = new UserHeap();
    heap.add(4096, 4096);
    const at = heap.alloc(10)!;
    heap.free(at);
    assert.throws(() => heap.free(at), /invalid pointer/);
    assert.equal(heap.alloc(4097), undefined);
  });
});

describe("a program's memory", () => {
  it('grows, holds words and bytes, and is reused', () => {
    const { memory } = makeProgram(makeKernel());
    const big = memory.memalign(PAGE_SIZE, 300_000);
    assert.equal(big % PAGE_SIZE, 0);
    memory.setU64(va(big + PAGE_SIZE - 4), 0x1122_3344_5566_7788n);
    assert.equal(memory.u64(va(big + PAGE_SIZE - 4)), 0x1122_3344_5566_7788n);
    assert.equal(memory.u32(va(big + PAGE_SIZE - 4)), 0x5566_7788);
    assert.equal(memory.u32(va(big + PAGE_SIZE - 2)), 0x3344_5566);
    assert.equal(memory.u8(va(big + PAGE_SIZE)), 0x44);
    memory.setU32(big, 0xffff_fff0);
    memory.setU8(va(big + 1), 0);
    assert.equal(memory.u32(big), 0xffff_00f0);
    memory.free(big);
    memory.free(va(0));
    assert.equal(memory.memalign(PAGE_SIZE, 300_000), big);
    assert.equal(memory.heapUsed, 300_000);
    const text = memory.string('tee');
    assert.deepEqual([...memory.read(text, 4)], [0x74, 0x65, 0x65, 0]);
    assert.deepEqual([...memory.read(memory.calloc(3), 3)], [0, 0, 0]);
  });

  it('views are the memory itself', () => {
    const { memory, process } = makeProgram(makeKernel());
    const at = memory.memalign(256, 256);
    const view = memory.view(at, 256)!;
    view[3] = 7;
    assert.equal(memory.u8(va(at + 3)), 7);
    process.mm.write(at, Uint8Array.of(1));
    assert.equal(view[0], 1);
    assert.equal(memory.view(va(PAGE_SIZE), 16), undefined);
  });

  it('faults where nothing is mapped', () => {
    const { memory } = makeProgram(makeKernel());
    assert.throws(() => memory.read(va(8), 4), UserFault);
    assert.throws(() => memory.write(va(8), new Uint8Array(4)), UserFault);
    assert.throws(() => memory.u32(va(8)), /test: segmentation fault: read of 4 bytes at 0x8/);
  });

  it('runs out with an error, without keeping the pages', () => {
    const kernel = makeKernel({ mib: 4 });
    const { memory } = makeProgram(kernel);
    const before = kernel.pages.usedPages;
    assert.throws(() => memory.malloc(64 * 1024 * 1024), OutOfMemory);
    assert.equal(kernel.pages.usedPages, before);
    assert.throws(() => memory.malloc(2 ** 50), OutOfMemory);
    assert.ok(memory.malloc(1024 * 1024) > 0);
  });
});
