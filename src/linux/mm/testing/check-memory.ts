/**
 * For tests: counts everything anew — references, map counts, free pages, owners — from page tables
 * and caches, and compares it with what the kernel keeps.
 */
import assert from 'node:assert/strict';
import type { AddressSpace } from '../address-space.ts';
import { MAX_PAGE_ORDER, MIGRATE_CMA, MIGRATE_ISOLATE } from '../migrate-type.ts';
import type { PageAllocator } from '../page-allocator.ts';
import { PG_LRU } from '../page-frames.ts';
import { PTE_PRESENT, PTE_SWAP, pteFrame, pteKind } from '../page-table.ts';
import { GUP_PIN_COUNTING_BIAS } from '../page-pin.ts';

export interface Expected {
  readonly pages: PageAllocator;
  readonly spaces: readonly AddressSpace[];
  /** Frames that hold a reference of a cache, once a page. */
  readonly cached: readonly number[];
  /** Frames that are pinned, once a pin. */
  readonly pinned: readonly number[];
  /** Frames that kernel code or a CMA area's owner has. */
  readonly owned: readonly number[];
  /** Slots that caches hold in the swap area. */
  readonly cachedSlots: number;
}

export function checkMemory(expected: Expected): void {
  const { pages } = expected;
  const { frames } = pages;
  const refs = new Int32Array(frames.count);
  const mapcount = new Int32Array(frames.count);
  const slots = new Set<number>();
  const count = (frame: number, by: number): void => {
    refs[frames.folio(frame)]! += by;
  };
  for (const { mm } of expected.spaces) {
    mm.table.update(0, Math.floor(mm.arch.taskSize / 4096), (_, pte) => {
      if (pteKind(pte) === PTE_SWAP) slots.add(pteFrame(pte));
      if (pteKind(pte) === PTE_PRESENT) {
        count(pteFrame(pte), 1);
        mapcount[frames.folio(pteFrame(pte))]! += 1;
      }
      return pte;
    });
  }
  for (const frame of expected.cached) count(frame, 1);
  for (const frame of expected.owned) count(frame, 1);
  for (const frame of expected.pinned) {
    count(frame, frames.order[frames.folio(frame)] === 0 ? GUP_PIN_COUNTING_BIAS : 1);
  }
  count(pages.zeroFrame, 1);
  assert.deepEqual(differences(frames.refs, refs), [], 'references');
  assert.deepEqual(differences(frames.mapcount, mapcount), [], 'map counts');
  assert.equal(pages.swap.used, slots.size + expected.cachedSlots, 'swap slots');
  checkFree(pages);
}

/** Every frame is free or used, and the zones count the free ones of each kind. */
function checkFree(pages: PageAllocator): void {
  const { frames } = pages;
  for (const zone of pages.zones) {
    let free = 0;
    let freeCma = 0;
    let isolated = 0;
    for (let frame = zone.start; frame < zone.end;) {
      const order = frames.buddy[frame]! - 1;
      assert.equal(order >= 0 && frames.refs[frame]! > 0, false, 'free and used');
      if (order >= 0) {
        assert.equal(frames.flags[frame]! & PG_LRU, 0);
        free += 1 << order;
        if (frames.blockType(frame) === MIGRATE_CMA) freeCma += 1 << order;
      }
      if (frames.blockType(frame) === MIGRATE_ISOLATE) isolated += 1;
      frame += order >= 0 ? 1 << order : 1;
    }
    // What was never needed is on no list yet: blocks of the largest order.
    const deferred = zone.freePages - free;
    assert.ok(deferred >= 0 && deferred % (1 << MAX_PAGE_ORDER) === 0, `${deferred} free pages`);
    assert.deepEqual([zone.freeCmaPages, isolated], [freeCma, 0]);
  }
}

const differences = (kept: Int32Array, counted: Int32Array): string[] =>
  [...counted].flatMap((n, frame) =>
    kept[frame] === n ? [] : [`${frame}: ${kept[frame]!}, counted ${n}`],
  );
