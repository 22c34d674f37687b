/**
 * What pins cost: user memory pinned, registered as fixed buffers and with a TEE, and given back; a page
 * of 1 GiB and of less, and 4 KiB alone. The peer is Linux's own long-term pin, io_uring's fixed
 * buffers, by a program in C in the same run.
 */
import { TEE_IMPL_ID_OPTEE } from '../src/abi/tee.ts';
import { nodeHost } from '../src/host/node/host.ts';
import { FifoPolicy } from '../src/index.ts';
import { FOLL_WRITE } from '../src/linux/mm/gup-flags.ts';
import { pinUserPagesFast } from '../src/linux/mm/gup.ts';
import { ioRing, ioUringSetup } from '../src/linux/pinners/io-uring.ts';
import { Kernel } from '../src/linux/process/kernel.ts';
import { Program } from '../src/linux/process/program.ts';
import type { TeeContext } from '../src/linux/tee/tee-context.ts';
import { teedevOpen } from '../src/linux/tee/tee-context.ts';
import { teeDeviceAlloc } from '../src/linux/tee/tee-device.ts';
import type { TeeDriverOps } from '../src/linux/tee/tee-drv.ts';
import { teeShmRegisterUserBuf } from '../src/linux/tee/tee-shm-register.ts';
import { TeeSubsystem } from '../src/linux/tee/tee-subsystem.ts';
import { PROFILES } from '../src/box/profiles.ts';
import { PAGE_SIZE } from '../src/machine/address.ts';
import type { Va } from '../src/machine/address.ts';
import { Machine } from '../src/machine/machine.ts';
import type { Co } from '../src/sched/task.ts';
import type { Thread } from '../src/linux/process/thread.ts';
import { VirtualClock } from '../src/sched/clock.ts';
import { SeededRandom } from '../src/sched/random.ts';
import { Scheduler } from '../src/sched/scheduler.ts';
import { Trace } from '../src/trace/trace.ts';
import { Workshop, output } from './native.ts';
import { Unavailable, atMost } from './row.ts';
import type { Goal, Row, Unit } from './row.ts';
import { inTurns, now, rowOf, work } from './samples.ts';
import type { Samples, Work } from './samples.ts';
import { untouchedPages } from './untouched.ts';

const MIB = 1 << 20;
const GIB_PAGES = 1024 * (MIB / PAGE_SIZE);
const RAM = 1280 * MIB;
/** Sizes over which the cost of a page is to be flat, pages. */
const SIZES = { '4KiB': 1, '1MiB': 256, '32MiB': 8192, '1GiB': GIB_PAGES } as const;

/** What `pin-floor` prints, nanoseconds by round. */
interface Floor {
  readonly register4k: readonly number[];
  readonly page: readonly number[];
}

export async function* pins(): AsyncGenerator<Row> {
  const user = new User();
  const floor = measureFloor();
  for (const [label, pages] of Object.entries(SIZES)) {
    const works = [user.pin(pages), user.ring(pages), user.tee(pages)];
    const samples = await inTurns(works, { ms: 3000 });
    const page = (us: number): number => (1000 * us) / pages;
    for (const [n, { name }] of works.entries()) {
      const large = pages === GIB_PAGES && n > 0;
      const small = pages === 1 && n === 2;
      const peer = large ? floor?.page : pages === 1 && n > 0 ? floor?.register4k : undefined;
      const goal = large ? atMost(100) : small ? atMost(2000) : undefined;
      yield row(`${name}-${label}-page`, samples[n]!.map(page), peer, goal);
    }
  }
}

function row(name: string, samples: Samples, peer?: Samples, goal?: Goal): Row {
  const unit: Unit = 'ns';
  return rowOf(name, samples, {
    unit,
    ...(peer && { peer: { name: 'io_uring of this Linux', samples: peer } }),
    ...(goal && { goal }),
  });
}

/** Undefined where the peer cannot run. */
function measureFloor(): Floor | undefined {
  try {
    using workshop = new Workshop();
    return JSON.parse(output([workshop.compile('floor/pin-floor.c'), '1024']));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    process.stderr.write(`pin: without its peer: ${text.trim()}\n`);
    return undefined;
  }
}

const check = (rc: number): void => {
  if (rc < 0) throw new Error(`refused: ${rc}`);
};

/** A program with 1 GiB of memory, pages of 4 KiB that are there, in a kernel with a TEE. */
class User {
  readonly #program: Program;
  readonly #at: Va;
  readonly #ctx: TeeContext;

  constructor() {
    const kernel = makeKernel();
    this.#program = new Program(kernel, { name: 'bench', memlock: Infinity });
    this.#at = untouchedPages(this.#program, GIB_PAGES);
    this.#ctx = openTee(kernel);
  }

  /** pin_user_pages_fast() with FOLL_WRITE, and unpin_user_pages(). */
  pin(pages: number): Work {
    const { mm } = this.#program.process.mm;
    return work('pin', () => {
      const pinned = pinUserPagesFast(mm, this.#at, pages, FOLL_WRITE);
      if (typeof pinned === 'number' || pinned.pages.length < pages) throw new Error('short');
      pinned.unpin();
    });
  }

  /** IORING_REGISTER_BUFFERS and IORING_UNREGISTER_BUFFERS: long-term, accounted. */
  ring(pages: number): Work {
    const { thread } = this.#program;
    const ring = ioRing(thread, ioUringSetup(thread));
    if (typeof ring === 'number') throw new Error(`no ring: ${ring}`);
    const buffers = [{ base: this.#at, length: pages * PAGE_SIZE }];
    return work('fixed-buffer', () => {
      check(ring.register(thread, buffers));
      check(ring.unregister());
    });
  }

  /** Registration with the TEE core and its end, with a driver that does nothing. */
  tee(pages: number): Work {
    const program = this.#program;
    const ctx = this.#ctx;
    const at = this.#at;
    const { thread } = program;
    return work('tee-register', () => {
      check(now(program.run(registerOnce(ctx, thread, at, pages * PAGE_SIZE))));
    });
  }
}

/** Not a closure: making a generator function takes longer than all that it does here. */
function* registerOnce(ctx: TeeContext, thread: Thread, at: Va, length: number): Co<number> {
  const shm = yield* teeShmRegisterUserBuf(ctx, thread, at, length);
  if (typeof shm === 'number') return shm;
  yield* shm.put();
  return 0;
}

function makeKernel(): Kernel {
  const host = nodeHost();
  const random = new SeededRandom(1);
  const sched = new Scheduler({
    trace: new Trace(),
    clock: new VirtualClock(),
    random,
    policy: new FifoPolicy(),
    outside: host,
  });
  const tree = { secure: [], reservedShm: undefined, optee: undefined };
  const machine = new Machine({ sched, ram: host.ram(RAM), tree });
  return new Kernel({ sched, machine, random, realtimeNs: () => 0n, release: '7.3.4' });
}

const NOTHING = function* () {
  return 0;
};

/** A driver that takes memory and looks at none. */
const OPS: TeeDriverOps = {
  getVersion: () => ({ implId: TEE_IMPL_ID_OPTEE, implCaps: 0, genCaps: 0 }),
  open: NOTHING,
  *release() {},
  shmRegister: NOTHING,
  shmUnregister: NOTHING,
};

function openTee(kernel: Kernel): TeeContext {
  const sha1 = (): Uint8Array => new Uint8Array(20);
  const tee = new TeeSubsystem(kernel, PROFILES['linux-7.3'].tee, { sha1 });
  const desc = { name: 'bench', ops: OPS, privileged: false };
  const teedev = teeDeviceAlloc(tee, desc, undefined, undefined);
  if (typeof teedev === 'number') throw new Error(`no device: ${teedev}`);
  check(teedev.register());
  const task = kernel.sched.createTask('bench', { called: true });
  const ctx = now(kernel.sched.call(task, teedevOpen(teedev)));
  if (typeof ctx === 'number') throw new Unavailable(`no context: ${ctx}`);
  return ctx;
}
