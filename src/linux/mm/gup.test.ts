import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EFAULT, ENOMEM } from '../../abi/errno.ts';
import { PROT_NONE, PROT_READ, PROT_WRITE } from '../../abi/fcntl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';
import { BoxHalted } from '../../sched/halt.ts';
import type { AddressSpace } from './address-space.ts';
import { makeMemory } from './testing/memory.ts';
import type { MemoryBox } from './testing/memory.ts';
import type { PinnedPages } from './user-memory.ts';

const WRITE = { write: true };
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

interface Case {
  readonly box: MemoryBox;
  readonly space: AddressSpace;
  readonly at: Va;
  page(n: number): Va;
}

/** A mapping of 8 pages; all must have come back in the end. */
function pinning(run: (c: Case) => void): () => void {
  return () => {
    const box = makeMemory();
    const before = box.pages.freePages;
    const space = box.addressSpace();
    const at = va(space.mmap({ length: 8 * PAGE_SIZE }));
    run({ box, space, at, page: (n) => va(at + n * PAGE_SIZE) });
    space.destroy();
    assert.equal(box.pages.freePages, before);
    assert.equal(box.pages.pinsOutstanding, 0);
  };
}

function pinned(result: PinnedPages | number): PinnedPages {
  assert.ok(typeof result === 'object', `not pinned: ${JSON.stringify(result)}`);
  return result;
}

describe('pin_user_pages_fast', () => {
  it(
    'faults pages in, counts pins on them, and takes them back',
    pinning(({ box, space, at }) => {
      const pin = pinned(space.pin(va(at + 100), 3, WRITE));
      assert.equal(pin.pages.length, 3);
      const counts = pin.pages.map((page) => [box.pages.pinCount(page), box.pages.refCount(page)]);
      assert.deepEqual(counts, [
        [1, 1025],
        [1, 1025],
        [1, 1025],
      ]);
      const again = pinned(space.pin(at, 1, WRITE));
      assert.equal(box.pages.pinCount(again.pages[0]!), 2);
      assert.equal(box.pages.pinsOutstanding, 4);
      again.unpin();
      pin.unpin();
      const { nr_foll_pin_acquired, nr_foll_pin_released } = box.pages.vmstat;
      assert.deepEqual([nr_foll_pin_acquired, nr_foll_pin_released], [4, 4]);
    }),
  );

  it(
    'keeps pages after their mapping has gone',
    pinning(({ box, space, at }) => {
      space.write(at, bytes(1, 2, 3));
      const pin = pinned(space.pin(at, 1, WRITE));
      space.munmap(at, 8 * PAGE_SIZE);
      const page = pin.pages[0]!;
      assert.equal(box.pages.refCount(page), 1024);
      assert.deepEqual([...box.machine.normal.bytes(page, 3, 'read')], [1, 2, 3]);
      const before = box.pages.freePages;
      pin.unpin();
      assert.equal(box.pages.freePages, before + 1);
    }),
  );

  it(
    'keeps the pinned page in place while its rights change',
    pinning(({ box, space, at }) => {
      const pin = pinned(space.pin(at, 1, WRITE));
      space.mprotect(at, PAGE_SIZE, PROT_READ);
      space.mprotect(at, PAGE_SIZE, PROT_READ | PROT_WRITE);
      space.write(at, bytes(7));
      assert.equal(box.machine.normal.bytes(pin.pages[0]!, 1, 'read')[0], 7);
      pin.unpin();
    }),
  );

  it(
    'stops the box when pages are unpinned twice',
    pinning(({ space, at }) => {
      const pin = pinned(space.pin(at, 1, WRITE));
      pin.unpin();
      assert.throws(() => pin.unpin(), BoxHalted);
    }),
  );

  it(
    'is short when only the first pages can be had, and fails when the first cannot',
    pinning(({ space, at, page }) => {
      space.munmap(page(3), PAGE_SIZE);
      const pin = pinned(space.pin(at, 8, WRITE));
      assert.equal(pin.pages.length, 3);
      pin.unpin();
      assert.equal(space.pin(page(3), 2, WRITE), -EFAULT);
      assert.equal(space.pin(va(space.mm.arch.taskSize - PAGE_SIZE), 2, WRITE), -EFAULT);
      pinned(space.pin(at, 0, WRITE)).unpin();
    }),
  );

  it(
    'is refused by rights that the mapping does not have',
    pinning(({ box, space, at, page }) => {
      space.mprotect(page(1), PAGE_SIZE, PROT_READ);
      space.mprotect(page(2), PAGE_SIZE, PROT_WRITE);
      space.mprotect(page(3), PAGE_SIZE, PROT_NONE);
      assert.equal(space.pin(page(1), 1, WRITE), -EFAULT);
      const cause = box.sched.trace.lastCause;
      assert.match(cause?.text ?? '', /cannot be pinned: the mapping is not writable/);
      assert.equal(space.pin(page(3), 1, {}), -EFAULT);
      assert.equal(space.pin(page(2), 1, {}), -EFAULT);
      pinned(space.pin(page(1), 1, {})).unpin();
      // Once it is mapped, the hardware lets a page that may be written be read, and so be pinned.
      space.write(page(2), bytes(1));
      pinned(space.pin(page(2), 1, {})).unpin();
      const pin = pinned(space.pin(at, 8, WRITE));
      assert.equal(pin.pages.length, 1);
      pin.unpin();
    }),
  );

  it(
    'reports -ENOMEM when there is no page left, short when there is for some',
    pinning(({ box, space, at, page }) => {
      space.write(at, bytes(1));
      const taken: Pa[] = [];
      for (let one = box.pages.alloc(0); one !== undefined; one = box.pages.alloc(0)) {
        taken.push(one);
      }
      assert.equal(space.pin(page(1), 1, WRITE), -ENOMEM);
      const pin = pinned(space.pin(at, 2, WRITE));
      assert.equal(pin.pages.length, 1);
      pin.unpin();
      for (const one of taken) box.pages.put(one);
    }),
  );

  it(
    'reports -ENOMEM when the count of pins overflows',
    pinning(({ box, space, at }) => {
      const first = pinned(space.pin(at, 1, WRITE));
      const frame = box.pages.frames.frame(first.pages[0]!);
      const { refs } = box.pages.frames;
      const most = 2 ** 21 - 1;
      refs[frame]! += (most - 2) * 1024;
      const last = [1, 2].map(() => pinned(space.pin(at, 1, WRITE)));
      assert.equal(box.pages.pinCount(first.pages[0]!), most + 1);
      assert.equal(space.pin(at, 1, WRITE), -ENOMEM);
      for (const pin of last) pin.unpin();
      refs[frame]! -= (most - 2) * 1024;
      first.unpin();
    }),
  );

  it(
    'does not count pins of the zero page',
    pinning(({ box, space, at }) => {
      const pin = pinned(space.pin(at, 2, {}));
      const zero = box.pages.frames.address(box.pages.zeroFrame);
      assert.deepEqual(pin.pages, [zero, zero]);
      assert.equal(box.pages.refCount(zero), 1);
      assert.equal(box.pages.pinsOutstanding, 0);
      pin.unpin();
      const own = pinned(space.pin(at, 1, WRITE));
      assert.notEqual(own.pages[0], zero);
      own.unpin();
    }),
  );

  it(
    'tells the trace how many pages are pinned',
    pinning(({ box, space, at }) => {
      box.sched.trace.setLevel('all');
      pinned(space.pin(at, 2, WRITE)).unpin();
      const events = [...box.sched.trace.events()].filter((event) => event.name === 'pin');
      assert.deepEqual(
        events.map((event) => event.args),
        [
          { pages: 2, delta: 2 },
          { pages: 0, delta: -2 },
        ],
      );
    }),
  );
});

describe('pins and fork', () => {
  it(
    'leave the pinned page with the parent, whoever writes first',
    pinning(({ box, space, at }) => {
      space.write(at, bytes(1));
      const pin = pinned(space.pin(at, 1, WRITE));
      const device = box.machine.normal.bytes(pin.pages[0]!, 1, 'write');
      const child = space.fork();
      assert.ok(child !== undefined);
      device[0] = 2;
      const out = bytes(0);
      space.write(va(at + 1), bytes(9));
      space.read(at, out);
      assert.deepEqual([...out], [2]);
      child.read(at, out);
      assert.deepEqual([...out], [1]);
      child.destroy();
      pin.unpin();
    }),
  );

  it(
    'do not give the child more rights than the parent has',
    pinning(({ space, at, page }) => {
      const pin = pinned(space.pin(at, 2, WRITE));
      space.mprotect(at, PAGE_SIZE, PROT_NONE);
      space.mprotect(page(1), PAGE_SIZE, PROT_READ);
      const child = space.fork();
      assert.equal(child?.read(at, bytes(0)), false);
      assert.equal(child?.read(page(1), bytes(0)), true);
      assert.equal(child?.write(page(1), bytes(0)), false);
      child?.destroy();
      pin.unpin();
    }),
  );

  it(
    'break sharing first, for reading pins as well',
    pinning(({ box, space, at, page }) => {
      space.write(at, bytes(1));
      space.write(page(1), bytes(2));
      const child = space.fork();
      assert.ok(child !== undefined);
      const parents = pinned(space.pin(at, 2, {}));
      const childs = pinned(child.pin(at, 2, WRITE));
      assert.equal(new Set([...parents.pages, ...childs.pages]).size, 4);
      space.write(at, bytes(5));
      child.write(at, bytes(6));
      const seen = [parents, childs].map((pin) =>
        box.machine.normal.bytes(pin.pages[0]!, 1, 'read'),
      );
      assert.deepEqual(
        seen.map((one) => [...one]),
        [[5], [6]],
      );
      child.destroy();
      parents.unpin();
      childs.unpin();
    }),
  );

  it(
    'do not unshare where the other side has gone',
    pinning(({ box, space, at }) => {
      space.write(at, bytes(1));
      space.fork()?.destroy();
      const before = box.pages.freePages;
      const pin = pinned(space.pin(at, 1, {}));
      space.write(at, bytes(2));
      assert.equal(box.pages.freePages, before);
      pin.unpin();
    }),
  );

  it(
    'share what was pinned once and is no more',
    pinning(({ box, space, at }) => {
      pinned(space.pin(at, 8, WRITE)).unpin();
      const before = box.pages.freePages;
      const child = space.fork();
      assert.equal(box.pages.freePages, before);
      child?.destroy();
    }),
  );
});

describe('pins of pfn mappings', () => {
  const map = ({ box, space }: Case, shared: boolean): Va => {
    const start = box.pages.allocExact(2 * PAGE_SIZE);
    assert.ok(start !== undefined);
    const pfnMap = { start, memoryType: 'normal' as const };
    return va(space.mmap({ length: 2 * PAGE_SIZE, shared, pfnMap }));
  };
  const free = ({ box, space }: Case, at: Va): void => {
    const first = box.pages.frames.address(box.pages.zeroFrame + 2);
    space.munmap(at, 2 * PAGE_SIZE);
    box.pages.freeExact(first, 2 * PAGE_SIZE);
  };

  it(
    'are refused, mapped as they are',
    pinning((c) => {
      const at = map(c, true);
      c.space.write(at, bytes(1));
      assert.equal(c.space.pin(at, 1, WRITE), -EFAULT);
      assert.equal(c.space.pin(at, 1, {}), -EFAULT);
      free(c, at);
    }),
  );

  it(
    'succeed for a private page that a write has copied, and for no other',
    pinning((c) => {
      const at = map(c, false);
      const second = va(at + PAGE_SIZE);
      assert.equal(c.space.pin(second, 1, WRITE), -EFAULT);
      c.space.write(second, bytes(1));
      pinned(c.space.pin(second, 1, WRITE)).unpin();
      assert.equal(c.space.pin(at, 2, WRITE), -EFAULT);
      c.space.write(at, bytes(1));
      const pin = pinned(c.space.pin(at, 2, WRITE));
      assert.equal(pin.pages.length, 2);
      pin.unpin();
      free(c, at);
    }),
  );
});
