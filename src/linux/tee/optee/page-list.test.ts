import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OPTEE_MSG_PAGES_PER_LIST_PAGE } from '../../../abi/optee-msg.ts';
import { PAGE_SIZE, pa } from '../../../machine/address.ts';
import type { Pa } from '../../../machine/address.ts';
import { allocatePagesList, fillPagesList, freePagesList, pagesListBytes } from './page-list.ts';
import { makeBox } from './testing/box.ts';

const PER_PAGE = OPTEE_MSG_PAGES_PER_LIST_PAGE;
/** Pages that do not follow each other. */
const scattered = (count: number): Pa[] =>
  Array.from({ length: count }, (_, n) => pa(0x4000_0000 + (count - n) * 3 * PAGE_SIZE));

/** Pages of a kernel whose pages are larger. */
const large = (count: number, pageSize: number): Pa[] =>
  Array.from({ length: count }, (_, n) => pa(0x4000_0000 + (count - n) * 3 * pageSize));

/** The granules of a buffer that begins in the first page and takes the others whole. */
const granules = (pages: readonly Pa[], offset: number, pageSize: number): Pa[] =>
  pages
    .flatMap((page) =>
      Array.from({ length: pageSize / PAGE_SIZE }, (_, n) => pa(page + n * PAGE_SIZE)),
    )
    .slice(Math.floor(offset / PAGE_SIZE));

describe('page lists of kernels with larger pages', () => {
  for (const kib of [16, 64]) {
    const pageSize = kib << 10;
    for (const count of [1, 2, PER_PAGE]) {
      it(`${kib} KiB: ${count} pages are split`, () => {
        const { kernel, world } = makeBox();
        const before = kernel.pages.usedPages;
        const pages = large(count, pageSize);
        // From the middle of the first page's second granule.
        const offset = PAGE_SIZE + 0x123;
        const list = allocatePagesList(kernel, count, pageSize)!;
        fillPagesList(kernel, list, pages, offset, pageSize);
        const size = count * pageSize - offset;
        const read = world.readPageList(BigInt(list) + 0x123n, BigInt(size));
        assert.deepEqual(read.pages, granules(pages, offset, pageSize));
        freePagesList(kernel, list, count, pageSize);
        assert.equal(kernel.pages.usedPages, before);
      });
    }

    it(`${kib} KiB: the list is sized by pages and not by granules: ${PER_PAGE + 1} run over`, () => {
      const { kernel, sched } = makeBox();
      const count = PER_PAGE + 1;
      const list = allocatePagesList(kernel, count, pageSize)!;
      const fill = (): void => fillPagesList(kernel, list, large(count, pageSize), 0, pageSize);
      assert.throws(fill, /512 pages of \d+ bytes run over the end/);
      assert.equal(sched.halted?.kind, 'kernel BUG');
    });
  }
});

describe('page lists', () => {
  it('hold 511 addresses a page', () => {
    assert.equal(PER_PAGE, 511);
    const sizes = [1, PER_PAGE, PER_PAGE + 1, 2 * PER_PAGE, 2 * PER_PAGE + 1];
    assert.deepEqual(sizes.map(pagesListBytes), [4096, 4096, 8192, 8192, 12288]);
  });

  for (const count of [1, PER_PAGE - 1, PER_PAGE, PER_PAGE + 1, 3 * PER_PAGE + 7]) {
    it(`can be followed for ${count} pages`, () => {
      const { kernel, world } = makeBox();
      const pages = scattered(count);
      const list = allocatePagesList(kernel, count)!;
      fillPagesList(kernel, list, pages);
      const read = world.readPageList(BigInt(list) + 0x123n, BigInt(count * PAGE_SIZE - 0x123));
      assert.deepEqual(read.pages, pages);
      assert.equal(read.offset, 0x123);
      freePagesList(kernel, list, count);
    });
  }

  it('are linked as soon as a page is full, even if nothing follows', () => {
    const { kernel } = makeBox();
    const list = allocatePagesList(kernel, PER_PAGE)!;
    fillPagesList(kernel, list, scattered(PER_PAGE));
    const at = kernel.port.at(list, PAGE_SIZE, 'read');
    assert.equal(kernel.port.view.getBigUint64(at + 4088, true), BigInt(list + PAGE_SIZE));
  });

  it('give their pages back', () => {
    const { kernel } = makeBox();
    const before = kernel.pages.usedPages;
    const list = allocatePagesList(kernel, 3 * PER_PAGE)!;
    assert.equal(kernel.pages.usedPages, before + 3);
    freePagesList(kernel, list, 3 * PER_PAGE);
    assert.equal(kernel.pages.usedPages, before);
  });

  it('are as long as the largest block has room for: 2 GiB less 2 MiB', () => {
    const { kernel } = makeBox();
    const most = 1024 * PER_PAGE;
    const list = allocatePagesList(kernel, most)!;
    freePagesList(kernel, list, most);
    assert.equal(allocatePagesList(kernel, most + 1), undefined);
    assert.match(kernel.trace.lastCause!.text, /list of 523265 pages/);
  });

  it('say what they could not get', () => {
    const { kernel } = makeBox();
    assert.equal(allocatePagesList(kernel, 4 << 20), undefined);
    assert.equal(kernel.trace.lastCause?.code, '-ENOMEM');
    assert.equal(kernel.trace.lastCause?.requested, pagesListBytes(4 << 20));
  });
});
