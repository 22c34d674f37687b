import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PAGE_SIZE, pa, va } from '../../machine/address.ts';
import { KERNEL_LAYOUTS, formatKernelVa, kernelVa, kernelVaOffset } from './kernel-layout.ts';
import type { KernelLayoutName } from './kernel-layout.ts';
import { KernelMap } from './kernel-map.ts';
import { BASE, MIB, makeMemory } from './testing/memory.ts';

function make(layout: KernelLayoutName = 'arm64'): KernelMap {
  const { pages } = makeMemory();
  return new KernelMap({ pages, layout, printk: () => {} });
}

describe('kernel addresses', () => {
  it('are signed numbers that keep all of 64 bits', () => {
    const address = kernelVa(0xffff8000, 0x08001234);
    assert.ok(address < 0);
    assert.equal(formatKernelVa(address), 'ffff800008001234');
    assert.equal(formatKernelVa(va(address + PAGE_SIZE)), 'ffff800008002234');
    assert.equal(kernelVaOffset(address), 0x234);
    assert.equal(formatKernelVa(va(0xbfe01000)), '00000000bfe01000');
  });

  const starts = {
    arm64: 'ffff000000000000',
    'x86-64': 'ffff888040000000',
    arm: '00000000c0000000',
  } as const;
  for (const name of ['arm64', 'x86-64', 'arm'] as const) {
    it(`${name}: RAM is in the linear map, and nothing else is`, () => {
      const map = make(name);
      const { linear } = map;
      assert.equal(formatKernelVa(linear.start), starts[name]);
      const page = pa(BASE + 5 * PAGE_SIZE);
      const address = linear.toVirt(pa(page + 7));
      assert.equal(map.virtToPage(address), page);
      assert.equal(map.translate(address), page + 7);
      assert.equal(map.virtAddrValid(address), true);
      assert.equal(map.virtAddrValid(va(linear.end - 1)), true);
      for (const outside of [linear.end, va(linear.start - 1), map.vmalloc.start]) {
        assert.equal(map.virtAddrValid(outside), false);
        assert.equal(map.translate(outside), undefined);
      }
      assert.equal(map.isRam(KERNEL_LAYOUTS[name].nullPage), false);
    });
  }

  it('of what is no RAM have no page to refer to', () => {
    for (const page of [pa(BASE - PAGE_SIZE), pa(BASE + 8 * MIB), KERNEL_LAYOUTS.arm64.nullPage]) {
      const map = make();
      assert.throws(() => map.getPage(page), /kernel paging request: get_page/);
      assert.equal(map.pages.sched.halted?.kind, 'kernel BUG');
      assert.throws(() => make().putPage(page), /put_page/);
    }
  });
});
