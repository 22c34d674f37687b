import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import { SeededRandom } from '../../sched/random.ts';
import { KernelMap } from './kernel-map.ts';
import { ZERO_SIZE_PTR } from './slab.ts';
import { MM_LINUX_7_3 } from './switches.ts';
import { MIB, makeMemory } from './testing/memory.ts';

function make(slabPagesFrozen = true) {
  const switches = { ...MM_LINUX_7_3, slabPagesFrozen };
  const { pages, sched } = makeMemory({ switches });
  const log: string[] = [];
  const map = new KernelMap({
    pages,
    layout: 'arm64',
    printk: (text) => void log.push(text),
  });
  return { pages, sched, map, slab: map.slab, log, before: pages.freePages };
}

describe('kmalloc', () => {
  it('puts small objects of a size beside each other', () => {
    const { slab, pages, before } = make();
    const objects = [60, 64, 33].map((bytes) => slab.kmalloc(bytes)!);
    assert.deepEqual(
      objects.map((at) => at - objects[0]!),
      [0, 64, 128],
    );
    assert.equal(pages.freePages, before - 1);
    for (const at of objects) slab.kfree(at);
    assert.equal(pages.freePages, before);
    assert.equal(slab.objects, 0);
  });

  it('gives what was freed last first', () => {
    const { slab } = make();
    const [a, b] = [slab.kmalloc(100)!, slab.kmalloc(100)!];
    slab.kmalloc(100);
    slab.kfree(a);
    slab.kfree(b);
    assert.deepEqual([slab.kmalloc(128), slab.kmalloc(97)], [b, a]);
  });

  it('has slabs of several pages, and pages of their own for large objects', () => {
    const { slab, pages, before } = make();
    const medium = slab.kmalloc(1024)!;
    assert.equal(pages.freePages, before - 4);
    const large = slab.kmalloc(8193)!;
    assert.equal(pages.freePages, before - 8);
    assert.equal(slab.kmalloc(5 * MIB), undefined, 'beyond the largest block');
    slab.kfree(large);
    slab.kfree(medium);
    assert.equal(pages.freePages, before);
  });

  it('takes no bytes and NULL', () => {
    const { slab, pages, before } = make();
    assert.equal(slab.kmalloc(0), ZERO_SIZE_PTR);
    slab.kfree(ZERO_SIZE_PTR);
    slab.kfree(va(0));
    assert.equal(pages.freePages, before);
  });

  it('kzalloc() gives zeros', () => {
    const { slab, pages, map } = make();
    const at = slab.kmalloc(64)!;
    slab.kmalloc(64);
    pages.kernelBytes(map.linear.toPhys(at), 64, 'write').fill(1);
    slab.kfree(at);
    assert.equal(slab.kzalloc(64), at);
    assert.ok(pages.kernelBytes(map.linear.toPhys(at), 64, 'read').every((b) => b === 0));
  });

  it('kfree() of anything else stops the box', () => {
    const wrong = [
      [({ slab }: ReturnType<typeof make>) => va(slab.kmalloc(64)! + 8), /inside of an object/],
      [
        ({ slab }: ReturnType<typeof make>) => {
          const [at] = [slab.kmalloc(64)!, slab.kmalloc(64)];
          slab.kfree(at);
          return at;
        },
        /already free/,
      ],
      [
        ({ map, pages }: ReturnType<typeof make>) => map.linear.toVirt(pages.alloc(0)!),
        /no object/,
      ],
      [({ map }: ReturnType<typeof make>) => map.vmalloc.vmalloc(1)!, /no object/],
    ] as const;
    for (const [address, message] of wrong) {
      const box = make();
      const at = address(box);
      assert.throws(() => box.slab.kfree(at), message);
      assert.equal(box.sched.halted?.kind, 'kernel BUG');
    }
  });

  it('keeps objects apart, whatever the order of calls', () => {
    for (const frozen of [true, false]) {
      const { slab, pages, before } = make(frozen);
      const random = new SeededRandom(3);
      const held = new Map<number, number>();
      for (let n = 0; n < 3000; n++) {
        const address = [...held.keys()][random.below(held.size + 40)];
        if (address !== undefined) {
          slab.kfree(va(address));
          held.delete(address);
          continue;
        }
        const bytes = 1 + random.below(n % 7 === 0 ? 20_000 : 600);
        const at = slab.kmalloc(bytes)!;
        for (const [other, length] of held) {
          assert.ok(at + bytes <= other || other + length <= at, 'objects overlap');
        }
        held.set(at, bytes);
      }
      assert.equal(slab.objects, held.size);
      for (const at of held.keys()) slab.kfree(va(at));
      assert.equal(pages.freePages, before);
    }
  });
});

describe('references on pages of kmalloc()', () => {
  for (const bytes of [64, 4 * PAGE_SIZE]) {
    it(`${bytes} bytes: frozen pages have none: get_page() warns, once`, () => {
      const { slab, map, log, pages, before } = make();
      const at = slab.kmalloc(bytes)!;
      const page = map.virtToPage(at);
      for (let n = 0; n < 2; n++) map.getPage(page);
      assert.deepEqual(log, ['WARNING: at include/linux/mm.h get_page']);
      assert.equal(pages.refCount(page), 0);
      map.putPage(page);
      slab.kfree(at);
      assert.equal(pages.freePages, before);
    });

    it(`${bytes} bytes: before, they kept the page`, () => {
      const { slab, map, log, pages, before } = make(false);
      const at = slab.kmalloc(bytes)!;
      const page = map.virtToPage(at);
      map.getPage(page);
      slab.kfree(at);
      assert.notEqual(pages.freePages, before);
      map.putPage(page);
      assert.equal(pages.freePages, before);
      assert.deepEqual(log, []);
    });
  }

  it('one that was not taken is put from whoever has the page now', () => {
    const { slab, map, pages } = make();
    const at = slab.kmalloc(200)!;
    const page = map.virtToPage(at);
    map.getPage(page);
    slab.kfree(at);
    assert.equal(pages.alloc(0), page);
    map.putPage(page);
    assert.throws(() => pages.free(page, 0), /freed twice/);
  });
});
