import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EACCES, EEXIST, EINVAL, ENOMEM, EPERM } from '../../abi/errno.ts';
import { PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE } from '../../abi/fcntl.ts';
import { PAGE_SIZE, pa, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import { SECURE } from '../../machine/bus.ts';
import type { AddressSpace } from './address-space.ts';
import { MM_ARCHES } from './arch.ts';
import { MIGRATE_MOVABLE } from './migrate-type.ts';
import { BASE, MIB, makeMemory } from './testing.ts';
import type { MemoryBox } from './testing.ts';

const RW = PROT_READ | PROT_WRITE;
const AT = 0x10_0000;

/** A mapping of `pages` pages at AT. */
function mapAt(space: AddressSpace, pages: number, prot = RW): Va {
  const at = space.mmap({ at: AT, fixed: 'replace', length: pages * PAGE_SIZE, prot });
  assert.equal(at, AT);
  return va(at);
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

function readBack(space: AddressSpace, at: number, length: number): number[] | 'EFAULT' {
  const out = new Uint8Array(length);
  return space.read(va(at), out) ? [...out] : 'EFAULT';
}

/** Runs a test and checks that all memory has come back once its address spaces have gone. */
function leakFree(run: (box: MemoryBox, space: AddressSpace) => void): () => void {
  return () => {
    const box = makeMemory();
    const before = box.pages.freePages;
    const space = box.addressSpace();
    run(box, space);
    space.destroy();
    assert.equal(box.pages.freePages, before);
    assert.equal(box.pages.pinsOutstanding, 0);
  };
}

const vmasOf = (space: AddressSpace): (readonly [number, number, boolean])[] =>
  space
    .vmas(va(0), va(space.mm.arch.taskSize))
    .map((vma) => [vma.start, vma.end, vma.writable] as const);

describe('mmap', () => {
  it(
    'places mappings top-down and merges what touches',
    leakFree((_, space) => {
      const first = space.mmap({ length: 3 * PAGE_SIZE });
      const second = space.mmap({ length: 1 });
      assert.equal(second, first - PAGE_SIZE);
      assert.deepEqual(vmasOf(space), [[second, first + 3 * PAGE_SIZE, true]]);
      space.mmap({ length: 1, prot: PROT_READ });
      assert.equal(space.mm.vmas.count, 2);
    }),
  );

  it(
    'fills the highest hole that fits',
    leakFree((_, space) => {
      const at = space.mmap({ length: 16 * PAGE_SIZE });
      space.munmap(at + 10 * PAGE_SIZE, 2 * PAGE_SIZE);
      space.munmap(at + 4 * PAGE_SIZE, 3 * PAGE_SIZE);
      assert.equal(space.mmap({ length: 3 * PAGE_SIZE }), at + 4 * PAGE_SIZE);
      assert.equal(space.mmap({ length: PAGE_SIZE }), at + 11 * PAGE_SIZE);
      assert.equal(space.mmap({ length: 2 * PAGE_SIZE }), at - 2 * PAGE_SIZE);
      assert.equal(space.mmap({ length: PAGE_SIZE }), at + 10 * PAGE_SIZE);
    }),
  );

  it(
    'takes a wish when it is free, and rounds it up to mmap_min_addr',
    leakFree((_, space) => {
      assert.equal(space.mmap({ length: 1, at: AT + 5 }), AT);
      assert.notEqual(space.mmap({ length: 1, at: AT }), AT);
      assert.equal(space.mmap({ length: 1, at: PAGE_SIZE }), 65536);
    }),
  );

  it(
    'replaces or refuses where the address is fixed',
    leakFree((_, space) => {
      mapAt(space, 4);
      space.write(va(AT), bytes(1));
      const one = { at: AT, length: PAGE_SIZE };
      assert.equal(space.mmap({ ...one, fixed: 'noreplace' }), -EEXIST);
      assert.equal(space.mmap({ ...one, fixed: 'replace' }), AT);
      assert.deepEqual(readBack(space, AT, 1), [0]);
      assert.equal(space.mm.vmas.count, 1);
    }),
  );

  it(
    'refuses what upstream refuses',
    leakFree((_, space) => {
      const { taskSize } = space.mm.arch;
      const fixed = 'replace' as const;
      assert.equal(space.mmap({ length: 0 }), -EINVAL);
      assert.equal(space.mmap({ length: taskSize + 1 }), -ENOMEM);
      assert.equal(space.mmap({ length: 2 ** 64 }), -ENOMEM);
      assert.equal(space.mmap({ length: 1, at: AT + 1, fixed }), -EINVAL);
      assert.equal(space.mmap({ length: 1, at: PAGE_SIZE, fixed }), -EPERM);
      assert.equal(space.mmap({ length: 2 * PAGE_SIZE, at: taskSize - PAGE_SIZE, fixed }), -ENOMEM);
      assert.equal(space.mmap({ length: taskSize - 65536 }), -ENOMEM);
      assert.deepEqual(vmasOf(space), []);
    }),
  );

  it('has at most vm.max_map_count mappings', () => {
    const space = makeMemory().addressSpace();
    const alternate = (i: number): number => (i % 2 === 0 ? RW : PROT_READ);
    let made = 0;
    while (space.mmap({ length: PAGE_SIZE, prot: alternate(made) }) >= 0) made += 1;
    assert.equal(made, 65531);
    const [first] = space.vmas(va(0), va(space.mm.arch.taskSize));
    assert.equal(space.mmap({ length: PAGE_SIZE }), -ENOMEM);
    space.munmap(first!.start, 2 * PAGE_SIZE);
    const at = space.mmap({ length: 4 * PAGE_SIZE, prot: PROT_EXEC });
    assert.equal(space.munmap(at + PAGE_SIZE, PAGE_SIZE), -ENOMEM);
    assert.equal(space.mprotect(at + PAGE_SIZE, PAGE_SIZE, RW), -ENOMEM);
    assert.equal(space.munmap(at + 3 * PAGE_SIZE, PAGE_SIZE), 0);
    assert.equal(space.munmap(at, PAGE_SIZE), 0);
  });

  it('populates from as few blocks of memory as there can be, one behind the other', () => {
    const { pages, machine, addressSpace } = makeMemory({ mib: 16 });
    const space = addressSpace();
    const other = pages.allocFrames(0, MIGRATE_MOVABLE);
    const before = pages.freePages;
    const at = va(space.mmap({ length: 5 * MIB, populate: true }));
    assert.equal(before - pages.freePages, (5 * MIB) / PAGE_SIZE);
    const index = space.load(at, 5 * MIB, 'write');
    assert.ok(index >= 0);
    machine.bus.u8[index + 4 * MIB + 5] = 7;
    assert.deepEqual(readBack(space, at + 4 * MIB + 5, 1), [7]);
    space.destroy();
    pages.putFrame(other);
    assert.equal(pages.usedPages, 1);
  });

  it(
    'goes on without what populate could not get',
    leakFree(({ pages }, space) => {
      const at = space.mmap({ length: 16 * MIB, populate: true });
      assert.ok(at > 0);
      assert.equal(pages.freePages, 0);
      assert.equal(space.fault(at + 16 * MIB - 1, 'write'), 'OOM');
      assert.equal(space.fault(at, 'write'), undefined);
    }),
  );

  it(
    'populates read-only and shared mappings as a read would',
    leakFree(({ pages }, space) => {
      const before = pages.freePages;
      space.mmap({ length: MIB, prot: PROT_READ, populate: true });
      space.mmap({ length: MIB, prot: PROT_NONE, populate: true });
      assert.equal(pages.freePages, before);
      space.mmap({ length: MIB, shared: true, populate: true });
      assert.equal(before - pages.freePages, 256);
    }),
  );
});

describe('munmap', () => {
  it(
    'cuts holes and gives the pages back',
    leakFree(({ pages }, space) => {
      mapAt(space, 8);
      for (let page = 0; page < 8; page++) space.write(va(AT + page * PAGE_SIZE), bytes(page));
      const before = pages.freePages;
      assert.equal(space.munmap(AT + 2 * PAGE_SIZE, 3 * PAGE_SIZE), 0);
      assert.equal(pages.freePages - before, 3);
      assert.equal(space.mm.rss, 5);
      assert.deepEqual(vmasOf(space), [
        [AT, AT + 2 * PAGE_SIZE, true],
        [AT + 5 * PAGE_SIZE, AT + 8 * PAGE_SIZE, true],
      ]);
      assert.equal(readBack(space, AT + 2 * PAGE_SIZE, 1), 'EFAULT');
      assert.deepEqual(readBack(space, AT + 5 * PAGE_SIZE, 1), [5]);
      assert.equal(space.munmap(AT, 8 * PAGE_SIZE), 0);
      assert.equal(space.mm.table.size, 0);
    }),
  );

  it(
    'refuses what upstream refuses',
    leakFree((_, space) => {
      const { taskSize } = space.mm.arch;
      assert.equal(space.munmap(AT + 1, PAGE_SIZE), -EINVAL);
      assert.equal(space.munmap(AT, 0), -EINVAL);
      assert.equal(space.munmap(AT, taskSize), -EINVAL);
      assert.equal(space.munmap(taskSize + PAGE_SIZE, PAGE_SIZE), -EINVAL);
      assert.equal(space.munmap(AT, PAGE_SIZE), 0);
    }),
  );
});

describe('mprotect', () => {
  it(
    'splits and merges again',
    leakFree((_, space) => {
      mapAt(space, 4);
      space.write(va(AT + PAGE_SIZE), bytes(1));
      assert.equal(space.mprotect(AT + PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ), 0);
      assert.equal(space.mm.vmas.count, 3);
      assert.equal(space.write(va(AT + PAGE_SIZE), bytes(2)), false);
      assert.deepEqual(readBack(space, AT + PAGE_SIZE, 1), [1]);
      assert.equal(space.mprotect(AT, 4 * PAGE_SIZE, RW), 0);
      assert.equal(space.mm.vmas.count, 1);
      assert.equal(space.write(va(AT + PAGE_SIZE), bytes(2)), true);
    }),
  );

  it(
    'hides pages under PROT_NONE and shows them again',
    leakFree((_, space) => {
      mapAt(space, 1);
      space.write(va(AT), bytes(9));
      space.mprotect(AT, PAGE_SIZE, PROT_NONE);
      assert.equal(readBack(space, AT, 1), 'EFAULT');
      space.mprotect(AT, PAGE_SIZE, PROT_READ);
      assert.deepEqual(readBack(space, AT, 1), [9]);
    }),
  );

  it(
    'lets whoever may write also read',
    leakFree((_, space) => {
      mapAt(space, 1, PROT_WRITE);
      assert.deepEqual(readBack(space, AT, 1), [0]);
    }),
  );

  it(
    'does not let a page that fork has shared be written through',
    leakFree((_, space) => {
      mapAt(space, 2);
      space.write(va(AT), bytes(1));
      readBack(space, AT + PAGE_SIZE, 1);
      const child = space.fork();
      assert.ok(child !== undefined);
      space.mprotect(AT, 2 * PAGE_SIZE, PROT_READ);
      space.mprotect(AT, 2 * PAGE_SIZE, RW);
      space.write(va(AT + PAGE_SIZE - 1), bytes(2, 3));
      space.write(va(AT), bytes(4));
      assert.deepEqual(readBack(child, AT, 1), [1]);
      assert.deepEqual(readBack(child, AT + PAGE_SIZE - 1, 2), [0, 0]);
      child.destroy();
    }),
  );

  it(
    'leaves parts of a shared object in their order',
    leakFree((_, space) => {
      const at = space.mmap({ length: 4 * PAGE_SIZE, shared: true });
      space.mprotect(at + 2 * PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ);
      space.mprotect(at + 3 * PAGE_SIZE, PAGE_SIZE, RW);
      space.write(va(at + 3 * PAGE_SIZE), bytes(3));
      const child = space.fork();
      assert.ok(child !== undefined);
      assert.deepEqual(readBack(child, at + 3 * PAGE_SIZE, 1), [3]);
      assert.deepEqual(readBack(child, at, 1), [0]);
      child.mprotect(at, 4 * PAGE_SIZE, RW);
      assert.equal(child.mm.vmas.count, 1);
      child.write(va(at + 2 * PAGE_SIZE), bytes(2));
      assert.deepEqual(readBack(space, at + 2 * PAGE_SIZE, 1), [2]);
      child.destroy();
    }),
  );

  it(
    'refuses what upstream refuses, after what comes before',
    leakFree((_, space) => {
      mapAt(space, 2);
      assert.equal(space.mprotect(AT + 1, 1, RW), -EINVAL);
      assert.equal(space.mprotect(AT, PAGE_SIZE, 0x40), -EINVAL);
      assert.equal(space.mprotect(AT, 0, PROT_READ), 0);
      assert.equal(space.mprotect(AT - PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ), -ENOMEM);
      assert.equal(space.mprotect(AT, 3 * PAGE_SIZE, PROT_READ), -ENOMEM);
      assert.deepEqual(vmasOf(space), [[AT, AT + 2 * PAGE_SIZE, false]]);
      const at = space.mmap({ length: 1, prot: PROT_READ, mayProt: PROT_READ | PROT_WRITE });
      assert.equal(space.mprotect(at, 1, PROT_READ | PROT_EXEC), -EACCES);
      assert.equal(space.mprotect(at, 1, RW), 0);
    }),
  );
});

describe('pages on demand', () => {
  it(
    'come with the first write; reads see the zero page',
    leakFree(({ pages }, space) => {
      mapAt(space, 2);
      const before = pages.freePages;
      assert.deepEqual(readBack(space, AT, 3), [0, 0, 0]);
      assert.equal(pages.freePages, before);
      assert.equal(space.mm.rss, 0);
      space.write(va(AT + 1), bytes(5));
      assert.deepEqual(readBack(space, AT, 3), [0, 5, 0]);
      assert.equal(before - pages.freePages, 1);
      assert.equal(space.mm.rss, 1);
    }),
  );

  it(
    'are zero even where memory was used before',
    leakFree(({ pages, machine }, space) => {
      machine.bus.u8.fill(0xee, PAGE_SIZE);
      mapAt(space, 1);
      space.write(va(AT + 8), bytes(1));
      assert.deepEqual(readBack(space, AT, 16), [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
      assert.equal(pages.usedPages, 2);
    }),
  );

  it(
    'follow each other in RAM when the next frame is free, whatever was freed last',
    leakFree(({ pages }, space) => {
      const frames = Array.from({ length: 64 }, () => pages.allocFrames(0, MIGRATE_MOVABLE));
      mapAt(space, 2);
      for (const [page, freed] of [[10], [11, 50]].entries()) {
        for (const i of freed) pages.putFrame(frames[i]!);
        space.write(va(AT + page * PAGE_SIZE), bytes(1));
      }
      assert.ok(space.load(AT, 2 * PAGE_SIZE, 'read') >= 0);
      for (const [i, frame] of frames.entries()) {
        if (![10, 11, 50].includes(i)) pages.putFrame(frame);
      }
    }),
  );

  it(
    'are the same for all who share them',
    leakFree((_, space) => {
      const at = va(space.mmap({ length: 4 * PAGE_SIZE, shared: true }));
      space.write(at, bytes(1));
      const child = space.fork();
      assert.ok(child !== undefined);
      child.write(va(at + 3 * PAGE_SIZE), bytes(3));
      assert.deepEqual(readBack(space, at + 3 * PAGE_SIZE, 1), [3]);
      space.munmap(at, 3 * PAGE_SIZE);
      child.write(at, bytes(2));
      assert.deepEqual(readBack(child, at, 1), [2]);
      child.destroy();
    }),
  );

  it(
    'stay for as long as anybody shares them',
    leakFree((_, space) => {
      const at = va(space.mmap({ length: 2 * PAGE_SIZE, shared: true }));
      const child = space.fork();
      child?.write(at, bytes(4));
      child?.destroy();
      assert.deepEqual(readBack(space, at, 1), [4]);
    }),
  );
});

describe('fork', () => {
  it(
    'shares pages until one side writes',
    leakFree(({ pages }, space) => {
      mapAt(space, 4);
      for (let page = 0; page < 4; page++) space.write(va(AT + page * PAGE_SIZE), bytes(page));
      const before = pages.freePages;
      const child = space.fork();
      assert.ok(child !== undefined);
      assert.equal(pages.freePages, before);
      assert.equal(child.mm.rss, 4);
      child.write(va(AT), bytes(10));
      space.write(va(AT + PAGE_SIZE), bytes(20));
      assert.equal(before - pages.freePages, 2);
      const first = [0, 1, 2, 3].map((page) => readBack(space, AT + page * PAGE_SIZE, 1));
      assert.deepEqual(first, [[0], [20], [2], [3]]);
      const second = [0, 1, 2, 3].map((page) => readBack(child, AT + page * PAGE_SIZE, 1));
      assert.deepEqual(second, [[10], [1], [2], [3]]);
      child.destroy();
      assert.equal(before, pages.freePages);
    }),
  );

  it(
    'leaves the last user of a page its own without a copy',
    leakFree(({ pages }, space) => {
      mapAt(space, 1);
      space.write(va(AT), bytes(1));
      const index = space.load(AT, 1, 'read');
      const child = space.fork();
      child?.destroy();
      const before = pages.freePages;
      space.write(va(AT), bytes(2));
      assert.equal(pages.freePages, before);
      assert.equal(space.load(AT, 1, 'write'), index);
    }),
  );

  it('fails whole when memory runs out', () => {
    const { pages, addressSpace } = makeMemory();
    const space = addressSpace();
    const at = va(space.mmap({ length: 6 * MIB, populate: true }));
    space.write(at, bytes(1));
    const pin = space.pin(at, (6 * MIB) / PAGE_SIZE, { write: true });
    assert.ok(typeof pin === 'object');
    const before = pages.freePages;
    assert.equal(space.fork(), undefined);
    assert.equal(pages.freePages, before);
    assert.equal(space.write(at, bytes(2)), true);
    pin.unpin();
    space.destroy();
    assert.equal(pages.usedPages, 1);
  });
});

describe('pfn mappings', () => {
  const map = (box: MemoryBox, space: AddressSpace, shared: boolean, prot = RW): [Va, number] => {
    const start = box.pages.allocExact(2 * PAGE_SIZE);
    assert.ok(start !== undefined);
    const pfnMap = { start, memoryType: 'normal' as const };
    return [va(space.mmap({ length: 2 * PAGE_SIZE, shared, prot, pfnMap })), start];
  };

  it(
    'show the memory itself when shared, and count no references',
    leakFree((box, space) => {
      const [at, start] = map(box, space, true);
      space.write(at, bytes(7));
      assert.equal(box.machine.normal.bytes(pa(start), 1, 'read')[0], 7);
      assert.equal(box.pages.refCount(pa(start)), 1);
      const child = space.fork();
      child?.write(at, bytes(8));
      assert.deepEqual(readBack(space, at, 1), [8]);
      child?.destroy();
      space.munmap(at, 2 * PAGE_SIZE);
      box.pages.freeExact(pa(start), 2 * PAGE_SIZE);
    }),
  );

  it(
    'copy a page that is written when private',
    leakFree((box, space) => {
      const [at, start] = map(box, space, false);
      box.machine.normal.bytes(pa(start), 2, 'write').set([1, 2]);
      space.write(at, bytes(7));
      assert.deepEqual(readBack(space, at, 2), [7, 2]);
      assert.equal(box.machine.normal.bytes(pa(start), 1, 'read')[0], 1);
      assert.equal(space.mm.rss, 1);
      space.munmap(at, 2 * PAGE_SIZE);
      box.pages.freeExact(pa(start), 2 * PAGE_SIZE);
    }),
  );

  it(
    'tell drivers their memory type and close their file with the last part',
    leakFree((box, space) => {
      let open = 1;
      const file = { open: () => (open += 1), close: () => (open -= 1) };
      const pfnMap = { start: pa(BASE), memoryType: 'device' as const };
      const at = va(space.mmap({ length: 3 * PAGE_SIZE, shared: true, pfnMap, file }));
      space.mmap({ length: PAGE_SIZE, at: at - PAGE_SIZE });
      const types = space.vmas(va(0), va(at + 1)).map((vma) => vma.memoryType);
      assert.deepEqual(types, ['normal', 'device']);
      space.munmap(at + PAGE_SIZE, PAGE_SIZE);
      assert.equal(open, 2);
      const child = space.fork();
      assert.equal(open, 4);
      child?.destroy();
      space.munmap(at, 3 * PAGE_SIZE);
      assert.equal(open, 0);
      assert.equal(box.pages.refCount(pa(BASE)), 1);
    }),
  );

  it(
    'never merge',
    leakFree((_, space) => {
      const map = (page: number): Va => {
        const pfnMap = { start: pa(BASE + page * PAGE_SIZE), memoryType: 'normal' as const };
        return va(space.mmap({ length: PAGE_SIZE, shared: true, pfnMap }));
      };
      const at = map(3);
      assert.equal(map(2), at - PAGE_SIZE);
      assert.equal(space.mm.vmas.count, 2);
    }),
  );

  it(
    'are of RAM only',
    leakFree((box, space) => {
      for (const start of [BASE - PAGE_SIZE, BASE + 8 * MIB, BASE + 1]) {
        const pfnMap = { start: pa(start), memoryType: 'device' as const };
        assert.equal(space.mmap({ length: 1, pfnMap }), -EINVAL);
      }
      assert.equal(box.pages.usedPages, 1);
    }),
  );
});

describe('user copies', () => {
  it(
    'cross pages that do not follow each other in RAM',
    leakFree((_, space) => {
      mapAt(space, 3);
      for (const page of [2, 1, 0]) space.write(va(AT + page * PAGE_SIZE), bytes(0));
      assert.equal(space.load(AT, 2 * PAGE_SIZE, 'read'), -1);
      const data = Uint8Array.from({ length: 2 * PAGE_SIZE }, (_unused, i) => i * 7);
      assert.equal(space.write(va(AT + 100), data), true);
      assert.deepEqual(readBack(space, AT + 100, data.length), [...data]);
    }),
  );

  it(
    'write what lies before the fault, and say why they ended',
    leakFree(({ sched }, space) => {
      mapAt(space, 1);
      const end = AT + PAGE_SIZE;
      assert.equal(space.write(va(end - 2), bytes(1, 2, 3)), false);
      assert.deepEqual(readBack(space, end - 2, 2), [1, 2]);
      assert.equal(sched.trace.lastCause?.code, '-EFAULT');
      assert.match(sched.trace.lastCause.text, /write of 1 bytes at 0x101000: no mapping/);
      const at = va(end - 1);
      const writes = [
        { at, data: bytes(5) },
        { at: va(end), data: bytes(6) },
        { at, data: bytes(7) },
      ];
      assert.equal(space.writeEach(writes), false);
      assert.deepEqual(readBack(space, end - 1, 1), [5]);
    }),
  );

  it(
    'end at TASK_SIZE, however long they say they are',
    leakFree((_, space) => {
      const { taskSize } = space.mm.arch;
      const last = taskSize - PAGE_SIZE;
      assert.equal(space.mmap({ length: PAGE_SIZE, at: last, fixed: 'replace' }), last);
      assert.deepEqual(readBack(space, taskSize - 1, 1), [0]);
      assert.equal(readBack(space, taskSize - 1, 2), 'EFAULT');
      assert.equal(space.write(va(taskSize - 1), bytes(1, 2)), false);
      assert.deepEqual(readBack(space, taskSize - 1, 1), [0]);
      assert.equal(space.accessOk(taskSize, 0), true);
      assert.equal(space.accessOk(taskSize, 1), false);
      assert.equal(space.accessOk(2 ** 63, 1), false);
      assert.equal(space.accessOk(0, 2 ** 64), false);
    }),
  );

  it('are refused by the firewall where the page is not the normal world’s', () => {
    const { machine, sched, addressSpace } = makeMemory();
    const space = addressSpace();
    mapAt(space, 1);
    space.write(va(AT), bytes(1));
    machine.bus.protect(pa(BASE), 8 * MIB, SECURE);
    assert.equal(readBack(space, AT, 1), 'EFAULT');
    assert.equal(space.load(AT, 1, 'read'), -1);
    assert.equal(space.fault(AT, 'read'), 'SIGBUS');
    assert.match(sched.trace.lastCause?.text ?? '', /closed to the normal world/);
  });

  it(
    'fail, as faults do, when there is no page left',
    leakFree(({ pages, sched }, space) => {
      mapAt(space, 4096);
      const frames: number[] = [];
      while (pages.freePages > 0) frames.push(pages.allocFrames(0, MIGRATE_MOVABLE));
      assert.equal(space.write(va(AT), bytes(1)), false);
      assert.match(sched.trace.lastCause?.text ?? '', /no page left/);
      for (const frame of frames) pages.putFrame(frame);
      assert.equal(space.write(va(AT), bytes(1)), true);
    }),
  );

  it(
    'tell a missing mapping from missing memory',
    leakFree((_, space) => {
      assert.equal(space.fault(AT, 'read'), 'SIGSEGV');
      mapAt(space, 1, PROT_READ);
      assert.equal(space.fault(AT, 'write'), 'SIGSEGV');
      assert.equal(space.fault(AT, 'read'), undefined);
      assert.equal(space.fault(Number.NaN, 'read'), 'SIGSEGV');
    }),
  );
});

describe('architectures', () => {
  it('differ in the size of user space', () => {
    assert.equal(MM_ARCHES['x86-64'].taskSize, 0x7fff_ffff_f000);
    assert.equal(MM_ARCHES.arm64.taskSize, 0x1_0000_0000_0000);
  });

  it('differ in whether the top byte of a user pointer counts', () => {
    const lo = 0x8000_1000;
    const tagged = 0x5a00_ffff;
    assert.equal(MM_ARCHES.arm64.untaggedAddr(lo, tagged), 0xffff_8000_1000);
    assert.ok(MM_ARCHES['x86-64'].untaggedAddr(lo, tagged) > 2 ** 53);
    assert.ok(MM_ARCHES.arm64.untaggedAddr(lo, 0x5a80_ffff) > 2 ** 53);
    for (const arch of Object.values(MM_ARCHES)) {
      assert.equal(arch.untaggedAddr(lo, 0x7f12), 0x7f12_8000_1000);
    }
  });
});
