/** What a look at memory shows: every frame's state, free blocks, CMA areas and who is in them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nodeHost } from '../../host/node/host.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import { Machine } from '../../machine/machine.ts';
import { VirtualClock } from '../../sched/clock.ts';
import { FifoPolicy } from '../../sched/policy.ts';
import { SeededRandom } from '../../sched/random.ts';
import { Scheduler } from '../../sched/scheduler.ts';
import { Trace } from '../../trace/trace.ts';
import { AddressSpace } from './address-space.ts';
import { GFP_KERNEL } from './gfp.ts';
import { PAGE_STATES, inspectMemory } from './inspect.ts';
import type { MemoryView, PageState } from './inspect.ts';
import { initMemory } from './mm-init.ts';

const MIB = 1 << 20;
const RAM = 24 * MIB;

function makeMemory() {
  const host = nodeHost();
  const sched = new Scheduler({
    trace: new Trace(),
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    policy: new FifoPolicy(),
    outside: host,
    cpus: 1,
  });
  const secure = [{ base: va(0x4000_0000 + RAM - MIB) as never, size: MIB }];
  const machine = new Machine({
    sched,
    ram: host.ram(RAM),
    tree: { secure, reservedShm: undefined, optee: undefined },
  });
  const memory = initMemory({
    sched,
    port: machine.normal,
    tree: machine.tree,
    parameters: { cma: 8 * MIB, minFreeKbytes: 0 },
    printk() {},
  });
  const look = (): MemoryView => inspectMemory(memory, machine.tree, () => 'the process');
  return { ...memory, look, frames: RAM / PAGE_SIZE };
}

/** The state of a frame by its number. */
function stateAt({ map }: MemoryView, frame: number): PageState {
  let end = 0;
  return map.runs.find(({ pages }) => (end += pages) > frame)!.state;
}

describe('a look at memory', () => {
  it('accounts for every frame, and for free pages as the zones do', () => {
    const { look, frames, pages } = makeMemory();
    const view = look();
    const sum = PAGE_STATES.reduce((total, state) => total + view.pages[state], 0);
    assert.equal(sum, frames);
    assert.equal(view.pages.reserved, MIB / PAGE_SIZE);
    assert.equal(view.pages.free + view.pages['free CMA'], pages.freePages);
    assert.equal(view.pages.kernel, pages.usedPages);
  });

  it('counts free blocks as /proc/buddyinfo does, listed or not', () => {
    const { look, pages } = makeMemory();
    for (let n = 0; n < 100; n++) pages.alloc(n % 4, GFP_KERNEL);
    for (const [n, { freeBlocks }] of look().zones.entries()) {
      const counts = pages.zones[n]!.freeBlocks();
      const shown = counts.map((_, order) =>
        Object.values(freeBlocks).reduce((sum, orders) => sum + orders[order]!, 0),
      );
      assert.deepEqual(shown, counts);
    }
  });

  it('changes nothing', () => {
    const { look } = makeMemory();
    assert.deepEqual(look(), look());
  });

  it('tells kernel, process, pin and buffer apart, and says who is in the area', () => {
    const { look, pages, defaultCma } = makeMemory();
    const kernel = pages.frames.frame(pages.alloc(0, GFP_KERNEL)!);
    const space = new AddressSpace({ pages, arch: 'arm64' });
    const size = 10 * MIB;
    const at = space.mmap({ length: size });
    for (let done = 0; done < size; done += PAGE_SIZE) space.load(at + done, 1, 'write');
    const pinned = space.pin(va(at + size - 4 * PAGE_SIZE), 4, { write: true });
    assert.ok(typeof pinned !== 'number');
    const view = look();
    assert.equal(stateAt(view, kernel), 'kernel');
    assert.equal(view.pages.pinned, 4);
    assert.equal(view.pages.anonymous, size / PAGE_SIZE - 4);
    for (const page of pinned.pages) {
      assert.equal(stateAt(view, pages.frames.frame(page)), 'pinned');
    }
    const [area] = view.cma;
    assert.equal(area!.lent + area!.free, area!.count);
    assert.ok(area!.lent > 0);
    assert.deepEqual(area!.occupants, [
      { owner: 'the process', pages: area!.lent, pinned: area!.pinned },
    ]);
    pinned.unpin();
    space.destroy();
    const buffer = defaultCma!.alloc({ count: 512, align: 9 });
    assert.ok(buffer !== undefined);
    const after = look();
    assert.equal(after.pages['CMA buffer'], 512);
    assert.deepEqual([after.cma[0]!.buffers, after.cma[0]!.lent], [512, 0]);
    assert.equal(after.pages.anonymous + after.pages.pinned, 0);
  });

  it('calls a page that nobody maps nobody’s', () => {
    const { look, pages, defaultCma } = makeMemory();
    const space = new AddressSpace({ pages, arch: 'arm64' });
    const size = 10 * MIB;
    const at = space.mmap({ length: size });
    for (let done = 0; done < size; done += PAGE_SIZE) space.load(at + done, 1, 'write');
    const pinned = space.pin(va(at), size / PAGE_SIZE, { write: true });
    assert.ok(typeof pinned !== 'number');
    const end = defaultCma!.base + defaultCma!.count * PAGE_SIZE;
    const inArea = pinned.pages.filter((page) => page >= defaultCma!.base && page < end).length;
    space.destroy();
    const [area] = look().cma;
    assert.deepEqual(area!.occupants, [{ owner: 'nobody', pages: inArea, pinned: inArea }]);
  });
});
