import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EAGAIN, EINVAL, ENOMEM } from '../../abi/errno.ts';
import {
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_KEEPONFORK,
  MADV_NORMAL,
  MADV_WIPEONFORK,
  MS_ASYNC,
  MS_INVALIDATE,
  MS_SYNC,
} from '../../abi/fcntl.ts';
import { PAGE_SIZE, pa, va } from '../../machine/address.ts';
import type { AddressSpace } from './address-space.ts';
import { DEFAULT_MAX_MAP_COUNT } from './mm-struct.ts';
import { Shmem } from './shmem.ts';
import { AT, BASE, bytes, leakFree, mapAt, readBack, vmasOf } from './testing/memory.ts';

/** Four pages with 1 to 4 in their first bytes. */
function written(space: AddressSpace): void {
  mapAt(space, 4);
  for (let page = 0; page < 4; page++) space.write(va(AT + page * PAGE_SIZE), bytes(page + 1));
}

const firstBytes = (space: AddressSpace): (number | 'E')[] =>
  [0, 1, 2, 3].map((page) => {
    const read = readBack(space, AT + page * PAGE_SIZE, 1);
    return read === 'EFAULT' ? 'E' : read[0]!;
  });

const MIDDLE = [AT + PAGE_SIZE, 2 * PAGE_SIZE] as const;

describe('madvise', () => {
  it(
    'MADV_DONTNEED: private pages are gone, those of an object come back',
    leakFree(({ pages }, space) => {
      written(space);
      assert.equal(space.madvise(...MIDDLE, MADV_DONTNEED), 0);
      assert.deepEqual(firstBytes(space), [1, 0, 0, 4]);
      const cache = new Shmem(pages);
      space.mmap({ at: AT, fixed: 'replace', length: PAGE_SIZE, shared: true, cache });
      space.write(va(AT), bytes(9));
      assert.equal(space.madvise(AT, PAGE_SIZE, MADV_DONTNEED), 0);
      assert.deepEqual(readBack(space, AT, 1), [9]);
    }),
  );

  it(
    'MADV_DONTNEED does not take a page from who has pinned it',
    leakFree(({ machine }, space) => {
      written(space);
      const pin = space.pin(va(AT), 1, { write: true });
      assert.ok(typeof pin !== 'number');
      space.madvise(AT, PAGE_SIZE, MADV_DONTNEED);
      assert.equal(machine.normal.bytes(pin.pages[0]!, 1, 'read')[0], 1);
      assert.deepEqual(readBack(space, AT, 1), [0]);
      pin.unpin();
    }),
  );

  it(
    'MADV_DONTFORK and MADV_WIPEONFORK say what a child gets, and can be taken back',
    leakFree((_box, space) => {
      const childHas = (advice: number): (number | 'E')[] => {
        assert.equal(space.madvise(...MIDDLE, advice), 0);
        const child = space.fork()!;
        const read = firstBytes(child);
        child.destroy();
        assert.deepEqual(firstBytes(space), [1, 2, 3, 4]);
        return read;
      };
      written(space);
      assert.deepEqual(childHas(MADV_DONTFORK), [1, 'E', 'E', 4]);
      assert.equal(vmasOf(space).length, 3);
      assert.deepEqual(childHas(MADV_DOFORK), [1, 2, 3, 4]);
      assert.equal(vmasOf(space).length, 1);
      assert.deepEqual(childHas(MADV_WIPEONFORK), [1, 0, 0, 4]);
      assert.deepEqual(childHas(MADV_KEEPONFORK), [1, 2, 3, 4]);
    }),
  );

  it(
    'refuses what makes no sense',
    leakFree(({ pages }, space) => {
      mapAt(space, 1);
      assert.equal(space.madvise(AT + 1, 1, MADV_NORMAL), -EINVAL);
      assert.equal(space.madvise(AT, 1, MADV_FREE), -EINVAL);
      assert.equal(space.madvise(AT, 0, MADV_DONTNEED), 0);
      assert.equal(space.madvise(AT, 2 * PAGE_SIZE, MADV_NORMAL), -ENOMEM);
      assert.equal(space.madvise(AT - PAGE_SIZE, 2 * PAGE_SIZE, MADV_DONTNEED), -ENOMEM);
      space.mmap({ at: AT, fixed: 'replace', length: PAGE_SIZE, shared: true });
      assert.equal(space.madvise(AT, PAGE_SIZE, MADV_WIPEONFORK), -EINVAL);
      const cache = new Shmem(pages);
      space.mmap({ at: AT, fixed: 'replace', length: PAGE_SIZE, cache });
      assert.equal(space.madvise(AT, PAGE_SIZE, MADV_WIPEONFORK), -EINVAL);
      const pfnMap = { start: pa(BASE), memoryType: 'device' } as const;
      space.mmap({ at: AT, fixed: 'replace', length: PAGE_SIZE, shared: true, pfnMap });
      assert.equal(space.madvise(AT, PAGE_SIZE, MADV_DONTNEED), -EINVAL);
      assert.equal(space.madvise(AT, PAGE_SIZE, MADV_DOFORK), -EINVAL);
      assert.equal(space.madvise(AT, PAGE_SIZE, MADV_DONTFORK), 0);
    }),
  );
});

describe('madvise of odd ranges', () => {
  it(
    'leaves a mapping alone that it has nothing to say of',
    leakFree((_box, space) => {
      mapAt(space, 4);
      assert.equal(space.madvise(AT + PAGE_SIZE, 0, MADV_DONTFORK), 0);
      assert.deepEqual(vmasOf(space), [[AT, AT + 4 * PAGE_SIZE, true]]);
      for (const length of [2 ** 64, 2 ** 64 - 2 ** 20]) {
        assert.equal(space.madvise(AT, length, MADV_DONTNEED), -EINVAL);
      }
      assert.equal(space.mm.vmas.count, 1);
    }),
  );

  it(
    'says -EAGAIN where there are too many mappings, for -ENOMEM would be a hole',
    leakFree((_box, space) => {
      mapAt(space, 4);
      const { vmas } = space.mm;
      for (let at = 2 ** 32; vmas.count < DEFAULT_MAX_MAP_COUNT; at -= 2 * PAGE_SIZE) {
        space.mmap({ at, fixed: 'replace', length: PAGE_SIZE });
      }
      assert.equal(space.madvise(...MIDDLE, MADV_DONTFORK), -EAGAIN);
      assert.equal(space.madvise(AT, 4 * PAGE_SIZE, MADV_DONTFORK), 0);
    }),
  );

  it(
    'refuses device memory',
    leakFree((_box, space) => {
      const pfnMap = { start: pa(BASE), memoryType: 'device' } as const;
      const file = { open() {}, close() {} };
      const map = { at: AT, fixed: 'replace', length: PAGE_SIZE, pfnMap, file } as const;
      assert.equal(space.mmap(map), AT);
      assert.equal(space.madvise(AT, PAGE_SIZE, MADV_WIPEONFORK), -EINVAL);
      assert.equal(space.madvise(AT, PAGE_SIZE, MADV_DODUMP), -EINVAL);
      assert.equal(space.madvise(AT, PAGE_SIZE, MADV_DONTDUMP), 0);
    }),
  );
});

describe('msync', () => {
  it(
    'checks its arguments',
    leakFree((_box, space) => {
      mapAt(space, 1);
      assert.equal(space.msync(AT, PAGE_SIZE, MS_SYNC), 0);
      assert.equal(space.msync(AT + 1, 1, MS_SYNC), -EINVAL);
      assert.equal(space.msync(AT, PAGE_SIZE, MS_SYNC | MS_ASYNC), -EINVAL);
      assert.equal(space.msync(AT, PAGE_SIZE, 8), -EINVAL);
      assert.equal(space.msync(AT, 2 * PAGE_SIZE, MS_SYNC | MS_INVALIDATE), -ENOMEM);
      assert.equal(space.msync(AT, 0, MS_SYNC), 0);
      assert.equal(space.msync(AT, 2 ** 64, MS_SYNC), 0);
      assert.equal(space.msync(AT, 2 ** 64 - 2 ** 20, MS_SYNC), -ENOMEM);
    }),
  );
});
