/** The hwrng core with generators of a test: who is read at registration, and for how long it stays. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Co } from '../../sched/task.ts';
import { makeKernel } from '../process/testing/make-kernel.ts';
import { HwRandom } from './hw-random/hwrng.ts';
import type { Hwrng, HwrngOps } from './hw-random/hwrng.ts';
import { PROFILES } from '../../box/profiles.ts';
import type { ProfileName } from '../../box/profiles.ts';

/** A core, and a log of what its generators are asked. */
function core(profile: ProfileName) {
  const kernel = makeKernel();
  const hwrng = new HwRandom(kernel, PROFILES[profile].clients);
  const log: string[] = [];
  const generator = (name: string, quality: number, rest: Partial<HwrngOps> = {}): HwrngOps => ({
    name,
    quality,
    *read(out, wait): Co<number> {
      log.push(`${name} read ${out.length}${wait ? ' and wait' : ''}`);
      return out.length;
    },
    ...rest,
  });
  const run = async <T>(body: Co<T>): Promise<T> => {
    let result: T | undefined;
    const task = function* (): Co<void> {
      result = yield* body;
    };
    kernel.kthread('test', task());
    await kernel.sched.drive();
    return result!;
  };
  return { kernel, hwrng, log, generator, run };
}

describe('a generator that registers', () => {
  it('is read at once in 6.1 when it comes into use, or needs no init()', async () => {
    const { hwrng, log, generator, run } = core('linux-6.1');
    await run(hwrng.register(generator('first', 500)));
    assert.deepEqual(log.splice(0).sort(), ['first read 32', 'first read 64 and wait']);
    await run(hwrng.register(generator('plain', 100)));
    const init = function* (): Co<number> {
      return 0;
    };
    await run(hwrng.register(generator('idle', 100, { init })));
    assert.deepEqual(log, ['plain read 32']);
  });

  it('is left to the thread by later kernels', async () => {
    const { hwrng, log, generator, run } = core('linux-7.3');
    await run(hwrng.register(generator('first', 500)));
    await run(hwrng.register(generator('plain', 100)));
    assert.deepEqual(log, ['first read 64 and wait']);
  });

  it('is not cleaned up while it is being read', async () => {
    const { kernel, hwrng, log, generator, run } = core('linux-6.1');
    const slow = generator('slow', 500, {
      *read(out, wait): Co<number> {
        yield* kernel.sched.sleep(1e6, 'uninterruptible');
        log.push(`read ${out.length}${wait ? ' and wait' : ''}`);
        return out.length;
      },
      *cleanup(): Co<void> {
        log.push('cleanup');
      },
    });
    // The thread that fills the pool reads another one, so that nobody else has this one.
    await run(hwrng.register(generator('first', 100)));
    log.length = 0;
    const both = function* (): Co<void> {
      const registering = kernel.kthread('register', hwrng.register(slow));
      yield* kernel.sched.sleep(1e5, 'uninterruptible');
      yield* hwrng.unregister(hwrng.current as Hwrng);
      log.push('unregistered');
      yield* kernel.sched.join(registering);
    };
    await run(both());
    assert.deepEqual(log, ['read 32', 'cleanup', 'unregistered']);
  });
});
