/** Native memory on a process that is always there: this one, through the calls made for others. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { EFAULT, EINVAL } from '../abi/errno.ts';
import { QEMU_ARMV8 } from '../boards/boards.ts';
import { Box } from '../box/box.ts';
import { nodeHost } from '../host/node/host.ts';
import { PAGE_SIZE, va } from '../machine/address.ts';
import { FOLL_EPHEMERAL } from '../linux/mm/gup-flags.ts';
import type { GupFlags, PinnedPages } from '../linux/mm/user-memory.ts';
import { HOST_ARCHS } from './arch.ts';
import { libcIfAny } from './testing/libc-if-any.ts';
import { NativeMemory } from './native-memory.ts';
import { VmAccess } from './vm-access.ts';

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;

/** Most of what is free is a CMA area's. */
const SMALL = { ...QEMU_ARMV8, ramBytes: 64 << 20, cmaBytes: 32 << 20 };

const libc = libcIfAny();

describe('native memory', { skip: libc === undefined ? 'no koffi, or no Linux' : false }, () => {
  const { munmap, mmap } = libc!;
  const box = new Box(nodeHost(), { supplicant: 'none' });
  const { kernel } = box;
  const { bus } = kernel.machine;
  const vm = new VmAccess(libc!, bus.u8, HOST_ARCHS.get(process.arch)!.kcmp);
  const options = { vm, kernel, pid: process.pid, shmFiles: new Map<number, number>() };
  const memory = new NativeMemory(options);
  const pid = process.pid;
  after(() => memory.gone());

  /** Fresh pages of this process. */
  function pages(count: number, prot = PROT_READ | PROT_WRITE): number {
    const at = mmap(0, count * PAGE_SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert.ok(at > 0);
    return at;
  }

  const put = (at: number, ...bytes: number[]): void =>
    assert.ok(memory.write(va(at), Uint8Array.from(bytes)));
  const get = (at: number, length: number): number[] => {
    const out = new Uint8Array(length);
    memory.invalidate();
    assert.ok(memory.read(va(at), out));
    return [...out];
  };

  function pin(at: number, count: number): PinnedPages {
    const pinned = memory.pin(va(at), count, { write: true });
    if (typeof pinned === 'number') assert.fail(`pin: ${pinned}`);
    return pinned;
  }

  /** The box's bytes of a pin. */
  const ram = (pinned: PinnedPages, offset: number): Uint8Array => {
    const page = pinned.pages[Math.floor(offset / PAGE_SIZE)]!;
    return bus.u8.subarray(page - bus.base + (offset % PAGE_SIZE));
  };

  it('reads and writes across pages, and fails at holes', () => {
    const at = pages(3);
    munmap(at + 2 * PAGE_SIZE, PAGE_SIZE);
    put(at + PAGE_SIZE - 2, 1, 2, 3, 4);
    assert.deepEqual(get(at + PAGE_SIZE - 2, 4), [1, 2, 3, 4]);
    const out = new Uint8Array(8);
    assert.equal(memory.read(va(at + 2 * PAGE_SIZE - 4), out), false);
    assert.equal(memory.write(va(at + 2 * PAGE_SIZE - 4), out), false);
    assert.equal(memory.read(va(2 ** 47), out), false);
    assert.equal(vm.fetch(pid, at + PAGE_SIZE, 2 * PAGE_SIZE), PAGE_SIZE);
  });

  it('writes more pieces, and larger ones, than one call takes', () => {
    const at = pages(40);
    const writes = Array.from({ length: 200 }, (_, i) => ({
      at: va(at + 16 * i),
      data: Uint8Array.of(i),
    }));
    const large = new Uint8Array(20 * PAGE_SIZE).fill(7);
    assert.ok(memory.writeEach([...writes, { at: va(at + 8 * PAGE_SIZE), data: large }]));
    assert.deepEqual(get(at + 16 * 199, 2), [199, 0]);
    assert.deepEqual(get(at + 28 * PAGE_SIZE - 1, 2), [7, 0]);
  });

  it('sends what the box changed, and leaves what the program changed meanwhile', () => {
    const at = pages(2);
    put(at + PAGE_SIZE - 4, 1, 2, 3, 4, 5, 6, 7, 8);
    const pinned = pin(at, 2);
    pinned.syncForDevice(PAGE_SIZE - 4, 8);
    assert.deepEqual([...ram(pinned, PAGE_SIZE - 4).subarray(0, 4)], [1, 2, 3, 4]);
    assert.deepEqual([...ram(pinned, PAGE_SIZE).subarray(0, 4)], [5, 6, 7, 8]);
    ram(pinned, PAGE_SIZE - 3)[0] = 20;
    ram(pinned, PAGE_SIZE + 2)[0] = 70;
    put(at + PAGE_SIZE - 4, 99);
    pinned.syncForCpu(PAGE_SIZE - 4, 8);
    assert.deepEqual(get(at + PAGE_SIZE - 4, 8), [99, 20, 3, 4, 5, 6, 70, 8]);
    pinned.unpin();
  });

  it('sends all of what was never fetched: zeros of the box over the program’s garbage', () => {
    const at = pages(2);
    const garbage = new Uint8Array(2 * PAGE_SIZE).fill(0xee);
    assert.ok(memory.write(va(at), garbage));
    const pinned = pin(at, 2);
    ram(pinned, 0).fill(0, 0, 8);
    ram(pinned, 4)[0] = 5;
    pinned.syncForCpu(0, 8);
    assert.deepEqual(get(at, 10), [0, 0, 0, 0, 5, 0, 0, 0, 0xee, 0xee]);
    pinned.syncForDevice(0, 4);
    pinned.syncForCpu(0, 2 * PAGE_SIZE);
    assert.deepEqual(get(at + 100, 2), [0xee, 0xee], 'a page is fetched as a whole');
    pinned.unpin();
  });

  it('gives the secure world nothing of a frame’s earlier user', () => {
    const at = pages(1);
    const pinned = pin(at, 1);
    ram(pinned, 0).fill(0x55, 0, PAGE_SIZE);
    munmap(at, PAGE_SIZE);
    pinned.syncForDevice(0, PAGE_SIZE);
    assert.ok(
      ram(pinned, 0)
        .subarray(0, PAGE_SIZE)
        .every((byte) => byte === 0),
    );
    pinned.unpin();
  });

  it('pins up to the first page that cannot be, and gives all frames back', () => {
    const before = kernel.pages.usedPages;
    const at = pages(4);
    munmap(at + 3 * PAGE_SIZE, PAGE_SIZE);
    const pinned = pin(at + 100, 4);
    assert.equal(pinned.pages.length, 3);
    pinned.unpin();
    assert.equal(memory.pin(va(pages(1, PROT_READ)), 1, { write: true }), -EFAULT);
    assert.equal(memory.pin(va(0), 1, {}), -EFAULT);
    assert.equal(memory.pin(va(2 ** 47 - PAGE_SIZE), 2, {}), -EFAULT);
    const readOnly = memory.pin(va(pages(1, PROT_READ)), 1, {});
    if (typeof readOnly === 'number') assert.fail(`pin: ${readOnly}`);
    readOnly.unpin();
    assert.equal(kernel.pages.usedPages, before);
  });

  it('pins frames as those of programs in the box', () => {
    const { vmstat } = kernel.pages;
    const at = pages(3);
    const before = kernel.pages.pinsOutstanding;
    const acquired = vmstat.nr_foll_pin_acquired;
    const pinned = pin(at, 3);
    assert.deepEqual(
      pinned.pages.map((page) => kernel.pages.pinCount(page)),
      [1, 1, 1],
    );
    assert.equal(vmstat.nr_foll_pin_acquired - acquired, 3);
    assert.equal(kernel.pages.pinsOutstanding - before, 3);
    pinned.unpin();
    assert.equal(kernel.pages.pinsOutstanding, before);
  });

  it('takes frames where the program’s own pages would be, long-term ones not in CMA areas', () => {
    const lent = new Box(nodeHost(), { supplicant: 'none', board: SMALL });
    const [area] = lent.kernel.memory.cma;
    const own = new NativeMemory({ ...options, vm, kernel: lent.kernel });
    const inCma = (flags: GupFlags): number => {
      const pinned = own.pin(va(pages(64)), 64, flags);
      if (typeof pinned === 'number') assert.fail(`pin: ${pinned}`);
      const end = area!.base + area!.count * PAGE_SIZE;
      const found = pinned.pages.filter((page) => page >= area!.base && page < end).length;
      pinned.unpin();
      return found;
    };
    assert.equal(inCma({ write: true }), 64);
    assert.equal(inCma({ write: true, longterm: true }), 0);
    own.gone();
  });

  it('says which page is in the way, and refuses what no kernel takes', () => {
    const at = pages(2, PROT_READ);
    assert.equal(memory.pin(va(at), 2, { write: true }), -EFAULT);
    const { lastCause } = kernel.trace;
    assert.match(
      lastCause!.text,
      new RegExp(`0x${at.toString(16)} cannot be pinned: the mapping is not writable`),
    );
    assert.equal(lastCause!.object, 'pin_user_pages_fast');
    assert.equal(memory.pin(va(pages(1)), 1, { foll: FOLL_EPHEMERAL }), -EINVAL);
  });

  it('holds what it has when the address space is gone', () => {
    const other = new NativeMemory(options);
    const at = pages(1);
    put(at, 1);
    const pinned = other.pin(va(at), 1, { write: true });
    if (typeof pinned === 'number') assert.fail(`pin: ${pinned}`);
    pinned.syncForDevice(0, 1);
    other.gone();
    put(at, 2);
    ram(pinned, 0)[0] = 3;
    pinned.syncForDevice(0, 1);
    pinned.syncForCpu(0, 1);
    assert.equal(ram(pinned, 0)[0], 3);
    assert.deepEqual(get(at, 1), [2]);
    pinned.unpin();
  });
});
