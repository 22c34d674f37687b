/**
 * What memory management costs: a page from the buddy allocator and back, pages that processes touch
 * and leave, contiguous memory out of a CMA area that is lent, by what lends it.
 */
import { PAGE_SIZE } from '../src/machine/address.ts';
import { Machine } from '../src/machine/machine.ts';
import { AddressSpace } from '../src/linux/mm/address-space.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_KERNEL } from '../src/linux/mm/gfp.ts';
import { normalPte } from '../src/linux/mm/mm-struct.ts';
import { initMemory } from '../src/linux/mm/mm-init.ts';
import type { Memory } from '../src/linux/mm/mm-init.ts';
import { nodeHost } from '../src/host/node/host.ts';
import { VirtualClock } from '../src/sched/clock.ts';
import { FifoPolicy } from '../src/index.ts';
import { SeededRandom } from '../src/sched/random.ts';
import { Scheduler } from '../src/sched/scheduler.ts';
import { Trace } from '../src/trace/trace.ts';
import { atMost } from './row.ts';
import type { Row, Unit } from './row.ts';
import { beside, inTurns, rowOf, work } from './samples.ts';
import type { Work } from './samples.ts';

const MIB = 1 << 20;
const RAM = 24 * MIB;
/** A buffer of a video decoder. */
const BUFFER_PAGES = (4 * MIB) / PAGE_SIZE;
const NS: { readonly unit: Unit; readonly convert: (us: number) => number } = {
  unit: 'ns',
  convert: (us) => 1000 * us,
};

export async function* mm(): AsyncGenerator<Row> {
  const works = [order0(), order9(), faults(), boots()];
  const samples = await inTurns(works, { ms: 4000 });
  yield rowOf('buddy-alloc-free', samples[0]!, { ...NS, goal: atMost(100) });
  yield rowOf('buddy-alloc-free-2MiB', samples[1]!, { ...NS, goal: atMost(100) });
  yield rowOf('page-fault-and-exit', samples[2]!, NS);
  yield rowOf('memory-boot', samples[3]!);
  for (const movable of [0, 64, 256, 1024]) {
    const [take, leave] = [contiguous(movable, true), contiguous(movable, false)];
    yield await beside(take, { ...leave, name: 'without cma_alloc' }, { ms: 2000 });
  }
}

const host = nodeHost();
const ram = host.ram(RAM);

function makeMemory(): Memory {
  const sched = new Scheduler({
    trace: new Trace(),
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    policy: new FifoPolicy(),
    outside: host,
  });
  const tree = { secure: [], reservedShm: undefined, optee: undefined };
  const machine = new Machine({ sched, ram, tree });
  return initMemory({
    sched,
    port: machine.normal,
    tree: machine.tree,
    parameters: { cma: 16 * MIB },
    printk() {},
  });
}

function order0(): Work {
  const { pages } = makeMemory();
  return work('buddy', () => pages.putFrame(pages.allocFrames(0, GFP_KERNEL)));
}

function order9(): Work {
  const { pages } = makeMemory();
  return work('buddy 2 MiB', () => {
    const frame = pages.allocFrames(9, GFP_KERNEL);
    pages.free(pages.frames.address(frame), 9);
  });
}

/** One page of a process that touches many and exits. */
function faults(): Work {
  const memory = makeMemory();
  const touched = 1024;
  return {
    name: 'fault',
    run(times) {
      for (let done = 0; done < times; done += touched) {
        const space = new AddressSpace({ pages: memory.pages, arch: 'arm64' });
        const at = space.mmap({ length: touched * PAGE_SIZE });
        for (let n = 0; n < touched; n++) space.load(at + n * PAGE_SIZE, 1, 'write');
        space.destroy();
      }
    },
  };
}

const boots = (): Work => work('memory-boot', () => void makeMemory());

/** Movable pages in the first 4 MiB of the area; then its owner has these, and all goes back. */
function contiguous(movable: number, take: boolean): Work {
  const { pages, defaultCma } = makeMemory();
  const { mm } = new AddressSpace({ pages, arch: 'arm64' });
  const cma = defaultCma!;
  const first = pages.frames.frame(cma.base);
  return work(`cma-4MiB-of-${movable}-lent`, () => {
    for (let n = 0; n < movable; n++) {
      if (!pages.allocFramesAt(first + n, 0, GFP_HIGHUSER_MOVABLE)) throw new Error('not free');
      mm.markAnon(first + n, n);
      mm.mapPte(n, normalPte(first + n, true));
    }
    if (take) {
      const at = cma.alloc({ count: BUFFER_PAGES, align: 8 });
      if (at !== cma.base) throw new Error('the area was not emptied');
      cma.release(at, BUFFER_PAGES);
    }
    mm.zap(0, movable);
  });
}
