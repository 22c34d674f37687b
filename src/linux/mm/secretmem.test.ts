import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EFAULT } from '../../abi/errno.ts';
import { MADV_PAGEOUT } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import { MR_LONGTERM_PIN, allocMigrationTarget, migratePages } from './migrate.ts';
import { GFP_USER } from './gfp.ts';
import { pteFrame } from './page-table.ts';
import { SecretMem } from './secretmem.ts';
import { AT, FREE, bytes, makeMemory, readBack } from './testing/memory.ts';

function box() {
  const memory = makeMemory({ swapPages: 10 });
  const cache = new SecretMem(memory.pages, FREE);
  cache.bytes = PAGE_SIZE;
  const space = memory.addressSpace();
  space.mmap({ at: AT, fixed: 'replace', length: 2 * PAGE_SIZE, shared: true, cache });
  space.write(va(AT), bytes(5));
  const frame = pteFrame(space.mm.table.get(AT / PAGE_SIZE));
  return { ...memory, cache, space, frame };
}

describe('secretmem', () => {
  it('has pages up to its size, shared by those who map it', () => {
    const { space } = box();
    const child = space.fork()!;
    child.write(va(AT + 1), bytes(6));
    assert.deepEqual(readBack(space, AT, 3), [5, 6, 0]);
    assert.equal(space.fault(AT + PAGE_SIZE, 'read'), 'SIGBUS');
  });

  it('cannot be pinned, mapped already or not', () => {
    const { space, pages } = box();
    for (const write of [true, false]) assert.equal(space.pin(va(AT), 1, { write }), -EFAULT);
    const child = space.fork()!;
    assert.equal(child.pin(va(AT), 1, {}), -EFAULT);
    assert.equal(pages.pinsOutstanding, 0);
  });

  it('is neither moved nor reclaimed', () => {
    const { space, pages, frame } = box();
    space.madvise(AT, PAGE_SIZE, MADV_PAGEOUT);
    pages.reclaimer.direct(pages.zones, 0);
    assert.ok(pages.isolateFolio(frame));
    const list = [frame];
    migratePages(pages, list, allocMigrationTarget(pages, GFP_USER), MR_LONGTERM_PIN);
    assert.deepEqual(list, [frame]);
    pages.putbackFolio(frame);
    assert.equal(pteFrame(space.mm.table.get(AT / PAGE_SIZE)), frame);
    assert.deepEqual(readBack(space, AT, 1), [5]);
  });

  it('leaves nothing behind', () => {
    const { space, cache, pages, frame } = box();
    space.destroy();
    cache.close();
    assert.equal(pages.usedPages, 1);
    assert.ok(pages.frameBytes(frame, 'read').every((byte) => byte === 0));
  });
});
