/**
 * /dev/hwrng, and what the core shows in sysfs.
 *
 * Upstream counterpart: drivers/char/hw_random/core.c, rng_chrdev_ops. One thing is otherwise: a
 * blocking reader whose generator gives nothing spins upstream, as long as it takes; here it sleeps
 * until the generator answers somebody, another one comes, or a signal.
 */
import { EAGAIN, EINVAL, ENODEV, ERESTARTSYS } from '../../../abi/errno.ts';
import { O_NONBLOCK } from '../../../abi/fcntl.ts';
import type { Co } from '../../../sched/task.ts';
import { makedev } from '../../process/devices.ts';
import { File } from '../../process/file.ts';
import type { TaskStruct } from '../../process/process.ts';
import { RNG_BUFFER_SIZE } from './hwrng.ts';
import type { HwRandom, Hwrng } from './hwrng.ts';

/** MISC_MAJOR (include/uapi/linux/major.h), HWRNG_MINOR (include/linux/miscdevice.h). */
const MISC_MAJOR = 10;
const HWRNG_MINOR = 183;
const SYSFS = '/class/misc/hw_random';

export class RngDevice {
  readonly #core: HwRandom;
  readonly #buffer = new Uint8Array(RNG_BUFFER_SIZE);
  /** Bytes of the buffer that nobody has had yet; taken from its end. */
  #dataAvail = 0;

  constructor(core: HwRandom) {
    this.#core = core;
  }

  /** hwrng_modinit() */
  register(): void {
    const { devices, sysfs } = this.#core.kernel;
    const read = (file: File, current: TaskStruct, out: Uint8Array): Co<number> =>
      this.#read(file, current, out);
    devices.register({
      name: 'hwrng',
      mode: 0o600,
      rdev: makedev(MISC_MAJOR, HWRNG_MINOR),
      *open(_current, flags) {
        const file = new File({ read, size: () => 0 }, '/dev/hwrng', flags, undefined);
        return file.readable && !file.writable ? file : -EINVAL;
      },
    });
    const names = (): string => this.#core.available.map(({ ops }) => `${ops.name} `).join('');
    sysfs.add(`${SYSFS}/rng_available`, () => `${names()}\n`);
    sysfs.add(`${SYSFS}/rng_current`, () => `${this.#core.current?.ops.name ?? 'none'}\n`);
    sysfs.add(`${SYSFS}/rng_quality`, () => {
      const { current } = this.#core;
      return current === undefined ? -ENODEV : `${current.quality}\n`;
    });
    sysfs.add(`${SYSFS}/rng_selected`, () => '0\n');
  }

  /** rng_dev_read(): what was read counts, even when something goes wrong later. */
  *#read(file: File, current: TaskStruct, out: Uint8Array): Co<number> {
    const wait = (file.flags & O_NONBLOCK) === 0;
    for (let done = 0; done < out.length;) {
      const got = yield* this.#piece(out.subarray(done), wait);
      if (got < 0) return done > 0 ? done : got;
      done += got;
      const interrupted = current.signals.pending('interruptible') || (yield* this.#slept(got));
      if (interrupted) return done > 0 ? done : -ERESTARTSYS;
    }
    return out.length;
  }

  *#piece(out: Uint8Array, wait: boolean): Co<number> {
    const rng = this.#core.getCurrent();
    if (rng === undefined) return -ENODEV;
    const { readingMutex } = this.#core;
    let got: number = -ERESTARTSYS;
    if (yield* readingMutex.lockInterruptible()) {
      got = yield* this.#take(rng, out, wait);
      readingMutex.unlock();
    }
    this.#core.put(rng);
    return got;
  }

  *#take(rng: Hwrng, out: Uint8Array, wait: boolean): Co<number> {
    if (this.#dataAvail === 0) {
      const count = yield* this.#core.getData(rng, this.#buffer, wait);
      if (count < 0) return count;
      if (count === 0 && !wait) return -EAGAIN;
      this.#dataAvail = count;
    }
    const length = Math.min(this.#dataAvail, out.length);
    this.#dataAvail -= length;
    out.set(this.#buffer.subarray(this.#dataAvail, this.#dataAvail + length));
    return length;
  }

  /** After nothing came: true when a signal ended the sleep. */
  *#slept(got: number): Co<boolean> {
    if (got > 0) return false;
    const { kernel, changed } = this.#core;
    if (kernel.trace.worlds) {
      kernel.trace.cause('linux', {
        layer: 'hwrng',
        code: 'nothing',
        text: 'the generator gave no bytes: the reader tries until it does, or a signal comes',
        hint: 'see the kernel log for what the TEE answered',
      });
    }
    return (yield* changed.wait('interruptible')) === 'signal';
  }
}
