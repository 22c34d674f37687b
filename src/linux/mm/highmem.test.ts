import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PAGE_SIZE, pa, va } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';
import type { Co, Task } from '../../sched/task.ts';
import { GFP_HIGHUSER_MOVABLE } from './gfp.ts';
import { KERNEL_LAYOUTS } from './kernel-layout.ts';
import { KernelMap } from './kernel-map.ts';
import { MM_LINUX_7_3 } from './switches.ts';
import { BASE, MIB, makeMemory } from './testing/memory.ts';

const LAST_PKMAP = KERNEL_LAYOUTS.arm.highmem!.lastPkmap;

/** An arm machine of 8 MiB, the upper half of which is high memory. */
function make(kmapToPageKnowsLocal = true) {
  const { pages, sched } = makeMemory({
    switches: { ...MM_LINUX_7_3, kmapToPageKnowsLocal },
    zones: [
      { name: 'NORMAL', end: BASE + 4 * MIB },
      { name: 'HIGHMEM', end: Infinity },
    ],
  });
  const log: string[] = [];
  const map = new KernelMap({
    pages,
    layout: 'arm',
    printk: (text) => void log.push(text),
  });
  sched.ownLoop(() => {});
  const spawn = (name: string, body: Co<unknown>): Task => sched.spawn(name, body);
  const high = (): Pa => pages.alloc(0, GFP_HIGHUSER_MOVABLE)!;
  return { pages, sched, map, highmem: map.highmem, log, high, spawn };
}

/** kmap() that need not sleep. */
function kmap({ highmem }: ReturnType<typeof make>, page: Pa): Va {
  const step = highmem.kmap(page).next();
  assert.equal(step.done, true);
  return step.value as Va;
}

describe('high memory', () => {
  it('has no address until it is mapped', () => {
    const box = make();
    const { highmem, map, pages } = box;
    const page = box.high();
    const low = pages.alloc(0)!;
    assert.deepEqual([highmem.isHigh(page), highmem.isHigh(low)], [true, false]);
    assert.equal(highmem.pageAddress(page), undefined);
    assert.equal(highmem.pageAddress(low), map.linear.toVirt(low));
    assert.equal(map.vmalloc.start, map.linear.end + 8 * MIB);
  });

  it('kmap() maps a page once, however many ask', () => {
    const box = make();
    const { highmem, map } = box;
    const page = box.high();
    const at = kmap(box, page);
    assert.equal(kmap(box, page), at);
    assert.equal(highmem.pageAddress(page), at);
    assert.equal(map.translate(va(at + 5)), page + 5);
    assert.equal(map.virtAddrValid(at), false);
    assert.equal(highmem.isKmapAddr(at), true);
    highmem.kunmap(page);
    highmem.kunmap(page);
    assert.equal(map.translate(at), page, 'it stays until the slot is needed');
    assert.throws(() => highmem.kunmap(page), /not mapped/);
  });

  it('kmap() sleeps while the table is full', () => {
    const box = make();
    const { highmem, sched } = box;
    const pages = Array.from({ length: LAST_PKMAP }, () => box.high());
    const first = kmap(box, pages[0]!);
    for (const page of pages.slice(1)) kmap(box, page);
    const last = box.high();
    let at: Va | undefined;
    const task = box.spawn(
      'late',
      (function* () {
        at = yield* highmem.kmap(last);
      })(),
    );
    sched.runReady();
    assert.equal(task.blocked?.site, 'pkmap_map_wait');
    highmem.kunmap(pages[0]!);
    sched.runReady();
    assert.equal(at, first);
    assert.equal(highmem.pageAddress(pages[0]!), undefined);
  });

  it('kmap_local_page() is a stack of the task', () => {
    const box = make();
    const { highmem, map, sched } = box;
    const [a, b] = [box.high(), box.high()];
    const seen: (Pa | undefined)[] = [];
    box.spawn(
      'owner',
      (function* (): Co<void> {
        const at = highmem.kmapLocalPage(a);
        const next = highmem.kmapLocalPage(b);
        assert.equal(at - next, PAGE_SIZE);
        seen.push(map.translate(at), map.translate(next));
        highmem.kunmapLocal(va(next + 8));
        assert.equal(map.translate(next), undefined);
        yield* sched.sleep(1, 'uninterruptible');
        seen.push(map.translate(at));
        highmem.kunmapLocal(at);
      })(),
    );
    box.spawn(
      'other',
      (function* (): Co<void> {
        seen.push(map.translate(KERNEL_LAYOUTS.arm.highmem!.fixKmapBegin));
      })(),
    );
    sched.runReady();
    assert.deepEqual(seen, [a, b, undefined, a]);
  });

  it('kunmap_local() out of order stops the box', () => {
    const box = make();
    const at = box.highmem.kmapLocalPage(box.high());
    box.highmem.kmapLocalPage(box.high());
    assert.throws(() => box.highmem.kunmapLocal(at), /out of order/);
    assert.equal(box.sched.halted?.kind, 'kernel BUG');
  });

  it('a task has so many local mappings and no more', () => {
    const box = make();
    for (let n = 0; n < 16; n++) box.highmem.kmapLocalPage(box.high());
    assert.throws(() => box.highmem.kmapLocalPage(box.high()), /too many/);
  });
});

describe('kmap_to_page()', () => {
  it('finds kmap pages, warning once', () => {
    const box = make();
    const page = box.high();
    const at = kmap(box, page);
    const local = box.highmem.kmapLocalPage(page);
    assert.equal(box.highmem.kmapToPage(va(at + 3)), page);
    assert.equal(box.highmem.kmapToPage(va(local + 3)), page);
    assert.deepEqual(box.log, ['WARNING: at mm/highmem.c __kmap_to_page']);
  });

  it('takes local addresses for the linear map’s before 6.1', () => {
    const box = make(false);
    const page = box.high();
    assert.equal(box.highmem.kmapToPage(kmap(box, page)), page);
    const local = box.highmem.kmapLocalPage(page);
    assert.equal(box.highmem.kmapToPage(local), BASE + (0xffeff000 - 0xc0000000));
    assert.deepEqual(box.log, []);
  });

  it('takes vmalloc addresses for the linear map’s: on arm they are high memory', () => {
    const box = make();
    const at = box.map.vmalloc.vmalloc(1)!;
    const wrong = box.highmem.kmapToPage(at);
    assert.notEqual(wrong, box.map.vmallocToPage(at));
    assert.equal(wrong, BASE + 12 * MIB);
  });

  it('is arithmetic without high memory', () => {
    const { pages } = makeMemory();
    const map = new KernelMap({ pages, layout: 'arm64', printk: () => {} });
    const page = pages.alloc(0)!;
    assert.equal(map.highmem.kmapLocalPage(page), map.linear.toVirt(page));
    assert.equal(map.highmem.kmapToPage(map.linear.toVirt(pa(page + 9))), page);
    map.highmem.kunmapLocal(map.linear.toVirt(page));
    map.highmem.kunmap(page);
    assert.equal(map.highmem.isKmapAddr(map.linear.toVirt(page)), false);
  });
});
