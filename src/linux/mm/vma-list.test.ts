import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PAGE_SIZE } from '../../machine/address.ts';
import { makeMemory } from './testing/memory.ts';
import { VmaList } from './vma-list.ts';
import { VM_READ, Vma } from './vma.ts';

const TOP = 64;
const LOWEST = 4;
const MM = makeMemory().addressSpace().mm;

/** Flags that differ, so that neighbours stay apart. */
const vmaAt = (first: number, pages: number, flags: number): Vma =>
  new Vma({
    mm: MM,
    start: first * PAGE_SIZE,
    end: (first + pages) * PAGE_SIZE,
    flags,
    memoryType: 'normal',
    cache: undefined,
    pgoff: 0,
    file: undefined,
  });

/** The highest run of free pages below the top, page by page. */
function highestRoom(used: Uint8Array, pages: number): number | undefined {
  for (let first = TOP - pages; first >= LOWEST; first--) {
    if (used.subarray(first, first + pages).every((one) => one === 0)) return first * PAGE_SIZE;
  }
  return undefined;
}

describe('the list of VMAs', () => {
  it('finds the highest room, and every VMA, as a map of pages does', () => {
    const op = fc.record({
      kind: fc.constantFrom('map', 'map', 'unmap', 'fixed'),
      pages: fc.integer({ min: 1, max: 12 }),
      at: fc.integer({ min: LOWEST, max: TOP + 8 }),
      which: fc.nat(),
      merge: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
        const list = new VmaList(TOP * PAGE_SIZE);
        const used = new Uint8Array(TOP + 32);
        let flags = VM_READ;
        for (const { kind, pages, at, which, merge } of ops) {
          if (kind === 'unmap') {
            const vma = [...list][which % Math.max(1, list.count)];
            if (vma === undefined) continue;
            used.fill(0, vma.firstPage, vma.endPage);
            list.remove(vma);
            continue;
          }
          const room = list.findRoom(pages * PAGE_SIZE, LOWEST * PAGE_SIZE);
          assert.equal(room, highestRoom(used, pages));
          const start = kind === 'map' ? room : at * PAGE_SIZE;
          if (start === undefined) continue;
          const first = start / PAGE_SIZE;
          if (list.overlapping(start, start + pages * PAGE_SIZE).length > 0) continue;
          assert.ok(used.subarray(first, first + pages).every((one) => one === 0));
          used.fill(1, first, first + pages);
          if (!merge) flags += 0x10000;
          list.insert(vmaAt(first, pages, flags));
        }
        for (let page = 0; page < used.length; page++) {
          assert.equal(list.find(page * PAGE_SIZE) !== undefined, used[page] === 1);
        }
      }),
      { numRuns: 500 },
    );
  });
});
