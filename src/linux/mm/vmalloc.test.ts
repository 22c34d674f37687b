import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';
import type { PageAllocator } from './page-allocator.ts';
import { MIB, makeMemory } from './testing/memory.ts';
import { Vmalloc } from './vmalloc.ts';

const START = va(-(2 ** 40));

function make(bytes = 64 * PAGE_SIZE): { pages: PageAllocator; vm: Vmalloc; warnings: string[] } {
  const { pages } = makeMemory();
  const warnings: string[] = [];
  const warn = (text: string): void => void warnings.push(text);
  return {
    pages,
    warnings,
    vm: new Vmalloc({ pages, start: START, end: va(START + bytes), warn }),
  };
}

const pagesOf = (vm: Vmalloc, at: Va, count: number): (Pa | undefined)[] =>
  Array.from({ length: count }, (_, n) => vm.toPage(va(at + n * PAGE_SIZE + 9)));

describe('vmalloc', () => {
  it('has a page of its own for each page, and none behind', () => {
    const { pages, vm } = make();
    const before = pages.freePages;
    const at = vm.vmalloc(2 * PAGE_SIZE + 1)!;
    assert.equal(at, START);
    assert.equal(pages.freePages, before - 3);
    const found = pagesOf(vm, at, 4);
    assert.equal(new Set(found.slice(0, 3)).size, 3);
    for (const page of found.slice(0, 3)) assert.equal(pages.refCount(page!), 1);
    assert.equal(found[3], undefined, 'the guard page');
    assert.equal(vm.usedPages, 3);
    vm.vfree(at);
    assert.equal(pages.freePages, before);
    assert.equal(vm.toPage(at), undefined);
  });

  it('takes the lowest hole that has room for a guard page too', () => {
    const { vm } = make();
    const [a, b, c] = [2, 1, 1].map((n) => vm.vmalloc(n * PAGE_SIZE)!);
    assert.deepEqual([b! - a!, c! - b!], [3 * PAGE_SIZE, 2 * PAGE_SIZE]);
    vm.vfree(a!);
    assert.equal(vm.vmalloc(3 * PAGE_SIZE), c! + 2 * PAGE_SIZE);
    assert.equal(vm.vmalloc(2 * PAGE_SIZE), a);
  });

  it('fails for no bytes, without room and without memory, and keeps nothing', () => {
    const { pages, vm, warnings } = make(4 * PAGE_SIZE);
    const before = pages.freePages;
    assert.equal(vm.vmalloc(0), undefined);
    assert.equal(vm.vmalloc(0), undefined);
    assert.equal(vm.vmalloc(4 * PAGE_SIZE), undefined, 'the guard page has no room');
    assert.equal(vm.vmalloc(9 * MIB), undefined);
    assert.deepEqual(warnings, [
      'WARNING: at mm/vmalloc.c __vmalloc_node_range',
      `vmalloc error: size ${4 * PAGE_SIZE}, vm_struct allocation failed`,
      `vmalloc error: size ${9 * MIB}, exceeds total pages`,
    ]);
    assert.equal(pages.freePages, before);
    const large = make(16 * MIB);
    const used = large.vm.vmalloc(5 * MIB)!;
    const left = large.pages.freePages;
    assert.equal(large.vm.vmalloc(5 * MIB - 1), undefined);
    assert.deepEqual(large.warnings, [
      `vmalloc error: size ${5 * MIB}, page order 0, failed to allocate pages`,
    ]);
    assert.equal(large.pages.freePages, left);
    large.vm.vfree(used);
  });

  it('vzalloc() gives zeros', () => {
    const { pages, vm } = make();
    const dirty = pages.alloc(0)!;
    pages.kernelBytes(dirty, PAGE_SIZE, 'write').fill(7);
    pages.free(dirty, 0);
    const page = vm.toPage(vm.vzalloc(1)!)!;
    assert.ok(pages.kernelBytes(page, PAGE_SIZE, 'read').every((byte) => byte === 0));
  });

  it('vmap() shows pages in any order, and vunmap() leaves them', () => {
    const { pages, vm } = make();
    const list = [0, 1, 2].map(() => pages.alloc(0)!).toReversed();
    const at = vm.vmap(list)!;
    assert.deepEqual(pagesOf(vm, at, 3), list);
    vm.vunmap(at);
    assert.equal(vm.toPage(at), undefined);
    for (const page of list) pages.free(page, 0);
    assert.equal(vm.vmap([]), undefined);
  });

  it('a page that is referenced outlives vfree()', () => {
    const { pages, vm } = make();
    const before = pages.freePages;
    const at = vm.vmalloc(PAGE_SIZE)!;
    const page = vm.toPage(at)!;
    pages.get(page);
    vm.vfree(at);
    assert.equal(pages.freePages, before - 1);
    pages.put(page);
    assert.equal(pages.freePages, before);
  });

  it('warns of an address that it did not give', () => {
    const { vm, warnings } = make();
    const at = vm.vmalloc(2 * PAGE_SIZE)!;
    vm.vfree(va(0));
    vm.vfree(va(at + PAGE_SIZE));
    vm.vunmap(va(at - PAGE_SIZE));
    assert.deepEqual(warnings, [
      'Trying to vfree() nonexistent vm area (ffffff0000001000)',
      'Trying to vunmap() nonexistent vm area (fffffefffffff000)',
    ]);
    assert.equal(vm.usedPages, 2);
  });
});
