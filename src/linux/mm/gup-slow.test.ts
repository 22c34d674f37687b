import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EFAULT, EINVAL, EOPNOTSUPP } from '../../abi/errno.ts';
import { MADV_PAGEOUT, PROT_NONE, PROT_READ, PROT_WRITE } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { AddressSpace } from './address-space.ts';
import { FileMap } from './filemap.ts';
import {
  FOLL_ANON,
  FOLL_DUMP,
  FOLL_FORCE,
  FOLL_LONGTERM,
  FOLL_NOFAULT,
  FOLL_WRITE,
} from './gup-flags.ts';
import {
  getUserPages,
  getUserPagesFast,
  getUserPagesRemote,
  getUserPagesUnlocked,
  pinUserPages,
  pinUserPagesFast,
  pinUserPagesRemote,
  pinUserPagesUnlocked,
} from './gup.ts';
import { PG_DIRTY } from './page-frames.ts';
import type { PageCache } from './page-cache.ts';
import { SecretMem } from './secretmem.ts';
import { Shmem } from './shmem.ts';
import type { MmSwitches } from './switches.ts';
import { AT, FREE, RW, bytes, makeMemory, mapAt, readBack } from './testing/memory.ts';
import type { MemoryBox } from './testing/memory.ts';
import type { PinnedFrames, ReferencedPages } from './unpin.ts';
import { diskFile } from './testing/model-areas.ts';

const PINS = [pinUserPagesFast, pinUserPages, pinUserPagesUnlocked, pinUserPagesRemote];
const GETS = [getUserPagesFast, getUserPages, getUserPagesUnlocked, getUserPagesRemote];
const LONGTERM_WRITE = FOLL_LONGTERM | FOLL_WRITE;

function taken<T extends PinnedFrames | ReferencedPages>(result: T | number): T {
  if (typeof result === 'number') assert.fail(`not taken: ${result}`);
  return result;
}

interface Case {
  readonly box: MemoryBox;
  readonly space: AddressSpace;
  /** pin_user_pages() of the first page. */
  pin(foll: number): PinnedFrames | number;
}

function makeCase(switches: Partial<MmSwitches> = {}): Case {
  const box = makeMemory({ switches, swapPages: 64 });
  const space = box.addressSpace();
  return { box, space, pin: (foll) => pinUserPages(space.mm, va(AT), 1, foll) };
}

/** The file of `content`; what is written to it goes there. */
const fileOf = (box: MemoryBox, content: Uint8Array): FileMap =>
  new FileMap({ pages: box.pages, name: '/film', file: diskFile(content) });

function map({ space }: Case, cache: PageCache, shared: boolean, prot = RW): void {
  const at = space.mmap({ at: AT, fixed: 'replace', length: PAGE_SIZE, prot, shared, cache });
  assert.equal(at, AT);
}

describe('get and pin', () => {
  for (const pin of PINS) {
    it(`${pin.name || 'a pin'}: pins`, () => {
      const { box, space } = makeCase();
      mapAt(space, 3);
      const pages = taken(pin(space.mm, va(AT), 3, FOLL_WRITE));
      assert.deepEqual(
        pages.pages.map((page) => [box.pages.refCount(page), box.pages.pinCount(page)]),
        [1, 2, 3].map(() => [1025, 1]),
      );
      assert.ok(space.mm.hasPinned);
      pages.unpin();
      assert.equal(box.pages.pinsOutstanding, 0);
    });
  }

  for (const get of GETS) {
    it('a get: takes references, which keep nothing in its place', () => {
      const { box, space } = makeCase();
      mapAt(space, 3);
      const pages = taken(get(space.mm, va(AT), 3, FOLL_WRITE));
      assert.deepEqual(
        pages.pages.map((page) => [box.pages.refCount(page), box.pages.pinCount(page)]),
        [1, 2, 3].map(() => [2, 0]),
      );
      assert.deepEqual([space.mm.hasPinned, box.pages.pinsOutstanding], [false, 0]);
      const child = space.fork();
      space.write(va(AT), bytes(1));
      // The parent has written to a copy: the page is the child's now.
      const frame = space.load(AT, 1, 'read');
      assert.notEqual(box.pages.frames.address(frame / PAGE_SIZE), pages.pages[0]);
      pages.put();
      child?.destroy();
      space.destroy();
      assert.equal(box.pages.usedPages, 1);
    });
  }

  it('a get of the zero page counts, a pin does not', () => {
    const { box, space } = makeCase();
    mapAt(space, 1);
    const zero = box.pages.frames.address(box.pages.zeroFrame);
    const got = taken(getUserPages(space.mm, va(AT), 1, 0));
    assert.deepEqual([got.pages[0], box.pages.refCount(zero)], [zero, 2]);
    got.put();
    taken(pinUserPages(space.mm, va(AT), 1, 0)).unpin();
    assert.equal(box.pages.refCount(zero), 1);
  });

  it('FOLL_GET internal to mm: a get is -EINVAL, and says what to do', () => {
    const { box, space } = makeCase({ follGetInternal: true });
    mapAt(space, 1);
    for (const get of GETS) assert.equal(get(space.mm, va(AT), 1, FOLL_WRITE), -EINVAL);
    assert.match(box.sched.trace.lastCause?.text ?? '', /FOLL_GET is internal to mm/);
    for (const pin of PINS) taken(pin(space.mm, va(AT), 1, FOLL_WRITE)).unpin();
  });

  it('remote: another process, and one that has gone', () => {
    const { box, space } = makeCase();
    mapAt(space, 1);
    space.write(va(AT), bytes(9));
    const pin = taken(pinUserPagesRemote(space.mm, va(AT), 1, 0));
    assert.equal(box.machine.normal.bytes(pin.pages[0]!, 1, 'read')[0], 9);
    space.destroy();
    assert.equal(pinUserPagesRemote(space.mm, va(AT), 1, 0), -EFAULT);
    pin.unpin();
    assert.equal(box.pages.usedPages, 1);
  });
});

describe('check_vma_flags', () => {
  it('FOLL_FORCE writes to private mappings that are read only, which stay so', () => {
    const c = makeCase();
    for (const prot of [PROT_READ, PROT_NONE]) {
      mapAt(c.space, 1, prot);
      assert.equal(c.pin(FOLL_WRITE), -EFAULT);
      const pin = taken(c.pin(FOLL_WRITE | FOLL_FORCE));
      assert.notEqual(pin.pages[0], c.box.pages.frames.address(c.box.pages.zeroFrame));
      c.box.machine.normal.bytes(pin.pages[0]!, 1, 'write')[0] = 5;
      assert.equal(c.space.write(va(AT), bytes(1)), false);
      assert.deepEqual(readBack(c.space, AT, 1), prot === PROT_READ ? [5] : 'EFAULT');
      const again = taken(c.pin(FOLL_WRITE | FOLL_FORCE));
      assert.deepEqual(again.pages, pin.pages);
      again.unpin();
      pin.unpin();
    }
  });

  it('FOLL_FORCE copies the page of a file, and does not reach shared memory', () => {
    const c = makeCase();
    const content = new Uint8Array(PAGE_SIZE).fill(7);
    map(c, fileOf(c.box, content), false, PROT_READ);
    const pin = taken(c.pin(FOLL_WRITE | FOLL_FORCE));
    c.box.machine.normal.bytes(pin.pages[0]!, 1, 'write')[0] = 5;
    pin.unpin();
    assert.deepEqual([readBack(c.space, AT, 2), content[0]], [[5, 7], 7]);
    mapAt(c.space, 1);
    c.space.mmap({ at: AT, fixed: 'replace', length: PAGE_SIZE, prot: PROT_READ, shared: true });
    assert.equal(c.pin(FOLL_WRITE | FOLL_FORCE), -EFAULT);
    assert.match(c.box.sched.trace.lastCause?.text ?? '', /private mappings only/);
  });

  it('FOLL_FORCE reads what may not be read', () => {
    const c = makeCase();
    for (const prot of [PROT_NONE, PROT_WRITE]) {
      mapAt(c.space, 1, prot);
      assert.equal(c.pin(0), -EFAULT);
      taken(c.pin(FOLL_FORCE)).unpin();
    }
  });

  it('FOLL_NOFAULT takes what is there, fast and slow', () => {
    const c = makeCase();
    mapAt(c.space, 2);
    for (const pin of PINS) {
      assert.equal(pin(c.space.mm, va(AT), 1, FOLL_WRITE | FOLL_NOFAULT), -EFAULT);
    }
    c.space.write(va(AT), bytes(1));
    for (const pin of PINS) {
      const pages = taken(pin(c.space.mm, va(AT), 2, FOLL_WRITE | FOLL_NOFAULT));
      assert.equal(pages.pages.length, 1);
      pages.unpin();
    }
  });

  it('FOLL_DUMP does not fill holes, FOLL_ANON refuses files', () => {
    const c = makeCase();
    mapAt(c.space, 1);
    assert.equal(c.pin(FOLL_DUMP), -EFAULT);
    taken(c.pin(FOLL_ANON)).unpin();
    assert.equal(typeof c.pin(FOLL_DUMP), 'number', 'the page of zeros is a hole, too');
    c.space.write(va(AT), bytes(0));
    taken(c.pin(FOLL_DUMP)).unpin();
    map(c, fileOf(c.box, new Uint8Array(PAGE_SIZE)), false);
    assert.equal(c.pin(FOLL_ANON), -EFAULT);
    taken(c.pin(0)).unpin();
  });

  it('secret memory is refused by every pin, though it is mapped', () => {
    const c = makeCase();
    const cache = new SecretMem(c.box.pages, FREE);
    cache.bytes = PAGE_SIZE;
    map(c, cache, true);
    c.space.write(va(AT), bytes(1));
    for (const pin of PINS) {
      assert.equal(pin(c.space.mm, va(AT), 1, 0), -EFAULT);
      assert.equal(pin(c.space.mm, va(AT), 1, FOLL_WRITE), -EFAULT);
    }
    for (const get of GETS) assert.equal(get(c.space.mm, va(AT), 1, 0), -EFAULT);
    assert.match(c.box.sched.trace.lastCause?.text ?? '', /memfd_secret/);
  });

  it('storage that is memory (fsdax): -EOPNOTSUPP for the long term', () => {
    const c = makeCase();
    const dax = Object.assign(new Shmem(c.box.pages), { backing: 'fsdax' as const });
    map(c, dax, true);
    assert.equal(c.pin(LONGTERM_WRITE), -EOPNOTSUPP);
    assert.equal(c.pin(FOLL_LONGTERM), -EOPNOTSUPP);
    taken(c.pin(FOLL_WRITE)).unpin();
  });
});

describe('files that track what is dirty', () => {
  const file = (c: Case): FileMap => fileOf(c.box, new Uint8Array(PAGE_SIZE).fill(7));

  it('a shared mapping refuses long-term pins for writing, fast and slow', () => {
    const c = makeCase();
    map(c, file(c), true);
    for (const written of [false, true]) {
      if (written) c.space.write(va(AT), bytes(1));
      for (const pin of PINS) {
        assert.equal(pin(c.space.mm, va(AT), 1, LONGTERM_WRITE), -EFAULT);
        taken(pin(c.space.mm, va(AT), 1, FOLL_LONGTERM)).unpin();
        taken(pin(c.space.mm, va(AT), 1, FOLL_WRITE)).unpin();
      }
    }
    assert.equal(c.pin(LONGTERM_WRITE), -EFAULT);
    const cause = c.box.sched.trace.lastCause;
    assert.match(cause?.text ?? '', /tracks dirty pages/);
    assert.match(cause?.hint ?? '', /memfd/);
    assert.equal(c.box.pages.pinsOutstanding, 0);
  });

  it('before 6.5 it did not', () => {
    const c = makeCase({ longtermRefusesDirtyTracked: false });
    map(c, file(c), true);
    for (const pin of PINS) taken(pin(c.space.mm, va(AT), 1, LONGTERM_WRITE)).unpin();
  });

  it('private mappings and shared memory do not refuse', () => {
    const c = makeCase();
    for (const cache of [file(c), undefined]) {
      c.space.mmap({
        at: AT,
        fixed: 'replace',
        length: PAGE_SIZE,
        prot: RW,
        shared: cache === undefined,
        ...(cache && { cache }),
      });
      for (const pin of PINS) taken(pin(c.space.mm, va(AT), 1, LONGTERM_WRITE)).unpin();
    }
  });

  for (const longtermUnsharesCow of [true, false]) {
    it(`read for long, a private mapping shows ${longtermUnsharesCow ? 'its own' : 'the old'} page`, () => {
      for (const pin of PINS) {
        const c = makeCase({ longtermUnsharesCow });
        for (const cache of [undefined, file(c)]) {
          const request = { at: AT, fixed: 'replace', length: PAGE_SIZE, prot: RW } as const;
          c.space.mmap({ ...request, ...(cache && { cache }) });
          const [before] = readBack(c.space, AT, 1);
          const pages = taken(pin(c.space.mm, va(AT), 1, FOLL_LONGTERM));
          const { vmstat } = c.box.pages;
          const counted = vmstat.nr_foll_pin_acquired - vmstat.nr_foll_pin_released;
          assert.equal(counted, longtermUnsharesCow || cache !== undefined ? 1 : 0);
          c.space.write(va(AT), bytes(9));
          const seen = c.box.machine.normal.bytes(pages.pages[0]!, 1, 'read')[0];
          assert.equal(seen, longtermUnsharesCow ? 9 : before);
          pages.unpin();
        }
      }
    });
  }

  it('read for long, a shared mapping shows the page of the file', () => {
    for (const pin of PINS) {
      const c = makeCase();
      const shown = file(c);
      map(c, shown, true);
      readBack(c.space, AT, 1);
      const pages = taken(pin(c.space.mm, va(AT), 1, FOLL_LONGTERM));
      assert.deepEqual([...shown.frames()].map(c.box.pages.frames.address, c.box.pages.frames), [
        pages.pages[0],
      ]);
      pages.unpin();
    }
  });

  for (const makeDirty of [false, true]) {
    it(`what a device wrote ${makeDirty ? 'is kept' : 'is lost'}: unpinned with dirty ${makeDirty}`, () => {
      const c = makeCase();
      const content = new Uint8Array(PAGE_SIZE).fill(7);
      const film = fileOf(c.box, content);
      map(c, film, true);
      const pin = taken(c.pin(FOLL_WRITE));
      assert.equal(film.fsync(), 0);
      c.box.machine.normal.bytes(pin.pages[0]!, 1, 'write')[0] = 5;
      const frame = c.box.pages.frames.frame(pin.pages[0]!);
      pin.unpin(makeDirty);
      assert.equal((c.box.pages.frames.flags[frame]! & PG_DIRTY) !== 0, makeDirty);
      assert.equal(c.space.madvise(AT, PAGE_SIZE, MADV_PAGEOUT), 0);
      assert.deepEqual([content[0], readBack(c.space, AT, 1)], makeDirty ? [5, [5]] : [7, [7]]);
    });
  }
});
