/**
 * The hardware random number core: generators, which of them is in use, and the thread that feeds
 * the kernel's own generator. The device is in `rng-dev.ts`.
 *
 * Upstream counterpart: drivers/char/hw_random/core.c. Left out: choosing a generator through sysfs;
 * the kernel's pool (the box's random numbers come from its seed, so what is fed is dropped), and
 * with it the refills: the thread fills once and then waits to be stopped, where upstream reads
 * again each minute.
 */
import { EEXIST, EINVAL } from '../../../abi/errno.ts';
import { Mutex } from '../../../sched/mutex.ts';
import type { LockClass } from '../../../sched/mutex.ts';
import type { Co, Task } from '../../../sched/task.ts';
import { Completion, WaitQueue } from '../../../sched/wait.ts';
import { Kref } from '../../lib/kref.ts';
import type { Kernel } from '../../process/kernel.ts';
import type { ClientSwitches } from '../switches.ts';

/** Protects the list of generators and which is current; taken in probe(), before any TEE's locks. */
const RNG_MUTEX: LockClass = { name: 'rng_mutex', order: 110 };
/** Protects reading, and what was read ahead. */
const READING_MUTEX: LockClass = { name: 'reading_mutex', order: 120 };

/** RNG_BUFFER_SIZE: a cache line, bytes. */
export const RNG_BUFFER_SIZE = 64;
/** What a new generator is asked for at once. */
const EARLY_BYTES = 32;
/** Quality is in bits of entropy per so many bits. */
const FULL_QUALITY = 1024;

/** struct hwrng */
export interface HwrngOps {
  readonly name: string;
  /** 0 when unknown. */
  readonly quality: number;
  init?(): Co<number>;
  cleanup?(): Co<void>;
  /** Up to `out.length` bytes. @returns how many, or a negative errno. */
  read(out: Uint8Array, wait: boolean): Co<number>;
}

/** A registered generator. */
export class Hwrng {
  readonly ops: HwrngOps;
  quality: number;
  /** Undefined until init() has been called. */
  ref: Kref | undefined = undefined;
  readonly cleanupDone: Completion;

  constructor(kernel: Kernel, ops: HwrngOps) {
    this.ops = ops;
    this.quality = ops.quality;
    this.cleanupDone = new Completion(kernel.sched, 'hwrng.cleanup_done');
    this.cleanupDone.complete();
  }
}

/** The thread that fills the kernel's pool. */
interface Filler {
  readonly task: Task;
  /** kthread_should_stop() */
  stop: boolean;
  readonly stopped: WaitQueue;
}

export class HwRandom {
  readonly kernel: Kernel;
  readonly readingMutex: Mutex;
  /** Woken when reading may go otherwise than it did: an answer, another generator, none. */
  readonly changed: WaitQueue;
  readonly #switches: ClientSwitches;
  readonly #mutex: Mutex;
  readonly #list = new Set<Hwrng>();
  #current: Hwrng | undefined;
  #filler: Filler | undefined;

  constructor(kernel: Kernel, switches: ClientSwitches) {
    this.kernel = kernel;
    this.#switches = switches;
    this.#mutex = new Mutex(kernel.sched, RNG_MUTEX);
    this.readingMutex = new Mutex(kernel.sched, READING_MUTEX);
    this.changed = new WaitQueue(kernel.sched, 'hwrng');
  }

  get current(): Hwrng | undefined {
    return this.#current;
  }

  /** In the order of registration. */
  get available(): readonly Hwrng[] {
    return [...this.#list];
  }

  /** get_current_rng(): with a reference, which `put` gives back. */
  getCurrent(): Hwrng | undefined {
    this.#current?.ref?.get();
    return this.#current;
  }

  /** put_rng(): the last one has the generator cleaned up, by a worker. */
  put(rng: Hwrng): void {
    if (rng.ref!.put()) this.kernel.kthread('events', this.#cleanup(rng));
  }

  /** rng_get_data(), under the reading mutex. */
  *getData(rng: Hwrng, out: Uint8Array, wait: boolean): Co<number> {
    const count = yield* rng.ops.read(out, wait);
    if (count > out.length) {
      this.kernel.bug(`hwrng: ${rng.ops.name} wrote ${count} bytes into ${out.length}`);
    }
    if (count > 0) this.changed.wakeAll();
    return count;
  }

  /** hwrng_register(): 0, -EINVAL without a name, -EEXIST, or what init() says. */
  *register(ops: HwrngOps): Co<Hwrng | number> {
    if (ops.name === '') return -EINVAL;
    const rng = new Hwrng(this.kernel, ops);
    const early = this.#switches.hwrngEarlyRandomness;
    const rc = yield* this.#mutex.during(() => this.#add(rng, early));
    if (rc !== 0) return rc;
    // One that is not in use is not initialised either, unless there is nothing to do for that.
    if (early && (rng.ref !== undefined || ops.init === undefined)) {
      const bytes = new Uint8Array(EARLY_BYTES);
      yield* this.readingMutex.during(() => this.getData(rng, bytes, false));
    }
    if (early && rng.ref !== undefined) this.put(rng);
    return rng;
  }

  /** hwrng_unregister(): returns when the generator was cleaned up. */
  *unregister(rng: Hwrng): Co<void> {
    yield* this.#mutex.during(() => this.#remove(rng));
    this.changed.wakeAll();
    yield* rng.cleanupDone.wait('uninterruptible');
  }

  /** @param held a generator that comes into use keeps a reference for who registers it. */
  *#add(rng: Hwrng, held: boolean): Co<number> {
    for (const { ops } of this.#list) if (ops.name === rng.ops.name) return -EEXIST;
    this.#list.add(rng);
    const better = this.#current === undefined || rng.quality > this.#current.quality;
    const rc = better ? yield* this.#setCurrent(rng) : 0;
    if (rc !== 0) this.#list.delete(rng);
    else if (held) rng.ref?.get();
    return rc;
  }

  *#remove(rng: Hwrng): Co<void> {
    this.#list.delete(rng);
    if (this.#current !== rng) return;
    const best = this.available.reduce<Hwrng | undefined>(
      (a, b) => (a === undefined || b.quality > a.quality ? b : a),
      undefined,
    );
    if (best === undefined || (yield* this.#setCurrent(best)) !== 0) yield* this.#dropCurrent(rng);
  }

  /** set_current_rng() */
  *#setCurrent(rng: Hwrng): Co<number> {
    const rc = yield* this.#init(rng);
    if (rc !== 0) return rc;
    const before = this.#current;
    this.#current = rng;
    if (before !== undefined) this.put(before);
    if (this.#filler === undefined) this.#startFiller();
    this.changed.wakeAll();
    return 0;
  }

  *#dropCurrent(rng: Hwrng): Co<void> {
    this.#current = undefined;
    const filler = this.#filler;
    this.#filler = undefined;
    if (filler !== undefined) {
      filler.stop = true;
      filler.stopped.wakeAll();
      yield* this.kernel.sched.join(filler.task);
    }
    this.put(rng);
  }

  /** hwrng_init() */
  *#init(rng: Hwrng): Co<number> {
    if (rng.ref?.getUnlessZero() !== true) {
      const rc = rng.ops.init === undefined ? 0 : yield* rng.ops.init();
      if (rc !== 0) return rc;
      rng.ref = new Kref(this.kernel.sched, `hwrng ${rng.ops.name}`);
      rng.cleanupDone.reinit();
    }
    const most = this.#switches.hwrngDefaultQuality;
    const claimed = rng.quality === 0 ? most : rng.quality;
    // In 6.1 the default is what an unknown quality becomes; since then it is also the most.
    rng.quality = Math.min(most === 0 ? FULL_QUALITY : most, FULL_QUALITY, claimed);
    return 0;
  }

  /** cleanup_rng_work(): skipped when the generator has come into use again. */
  *#cleanup(rng: Hwrng): Co<void> {
    yield* this.#mutex.during(() => this.#cleanupLocked(rng));
  }

  *#cleanupLocked(rng: Hwrng): Co<void> {
    if (rng.ref!.count > 0) return;
    if (rng.ops.cleanup !== undefined) yield* rng.ops.cleanup();
    rng.cleanupDone.complete();
  }

  #startFiller(): void {
    const stopped = new WaitQueue(this.kernel.sched, 'hwrng kthread');
    const run: { filler: Filler | undefined } = { filler: undefined };
    const task = this.kernel.kthread('hwrng', this.#fill(run));
    this.#filler = run.filler = { task, stop: false, stopped };
  }

  /** hwrng_fillfn() */
  *#fill(run: { readonly filler: Filler | undefined }): Co<void> {
    const filler = run.filler!;
    const rng = filler.stop ? undefined : this.getCurrent();
    if (rng !== undefined) {
      const bytes = new Uint8Array(RNG_BUFFER_SIZE);
      yield* this.readingMutex.during(() => this.getData(rng, bytes, true));
      this.put(rng);
    }
    yield* filler.stopped.waitUntil(() => filler.stop, 'interruptible');
  }
}
