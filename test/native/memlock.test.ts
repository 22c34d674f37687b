/** What native programs have pinned: held against their limits, and shown by `teebox mem`. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import type { MemoryHistory } from '../../src/box/memory-watch.ts';
import {
  CANNOT,
  NOBODY,
  TEST_TA,
  checkTheme,
  nativeTest,
  programs,
  run,
  teebox,
} from './harness.ts';

const NONE = ['--supplicant', 'none'];
const HARDENED = [...NONE, '--profile', 'hardened'];

describe('pins of native programs', () => {
  nativeTest('memlock', async () => {
    await checkTheme('memlock', { options: NONE });
    for (const shm of ['copy', 'inplace']) {
      const options = [...HARDENED, '--shm', shm];
      await checkTheme('memlock', { facts: 'memlock-hardened', options });
    }
  });

  nativeTest('memlock, CAP_IPC_LOCK', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('needs root');
    const ran = await run([programs, 'memlock', 'keep'], { options: HARDENED });
    assert.equal(ran.stdout, 'with CAP_IPC_LOCK: ok\n');
  });

  nativeTest('memlock, user namespace', async (t) => {
    const ran = await run([programs, 'memlock', 'namespace'], { options: HARDENED });
    if (ran.code === CANNOT) return t.skip('no user namespaces here');
    assert.equal(ran.stdout, 'five pages, in a user namespace: ENOMEM\n');
  });

  nativeTest('memlock, causes', async () => {
    const ran = await run([programs, 'memlock'], { options: HARDENED, report: true });
    assert.match(
      ran.stderr,
      /why -ENOMEM .*user \d+ has 12288 bytes pinned and may not pin 8192 more .*RLIMIT_MEMLOCK=16384.*ulimit -l/,
    );
  });

  nativeTest('memlock, teebox mem', async () => {
    for (const [options, accounted] of [
      [NONE, false],
      [HARDENED, true],
    ] as const) {
      const client = ['--ta', TEST_TA, ...options, '--', programs, 'memlock'];
      const ran = await teebox(['mem', '--json', ...client]);
      const line = ran.stderr.split('\n').find((text) => text.startsWith('{')) ?? '';
      const { peak, after } = JSON.parse(line) as MemoryHistory;
      const uid = process.getuid?.() === 0 ? NOBODY : process.getuid?.();
      const pages = accounted ? 4 : 5;
      const limit = { uid, locked: accounted ? 4 : 0, highest: accounted ? 4 : 0, limit: 4 };
      assert.deepEqual(
        peak!.limits.find((view) => view.uid === uid),
        limit,
      );
      const [pin] = peak!.pins;
      const { site, lifetime, longterm } = pin!;
      assert.deepEqual([site, lifetime, longterm], ['TEE_IOC_SHM_REGISTER', 'long', accounted]);
      assert.match(pin!.owner, /^programs \(pid \d+\), tee0 context \d+$/);
      assert.deepEqual([pin!.pages, peak!.pages.pinned], [pages, pages]);
      assert.ok(pin!.ageNs > 0);
      const { vmstat } = after;
      assert.ok(vmstat.nr_foll_pin_acquired > 0);
      assert.equal(vmstat.nr_foll_pin_released, vmstat.nr_foll_pin_acquired);
      assert.ok(after.limits.every(({ locked }) => locked === 0));
    }
  });

  nativeTest('memlock, teebox mem of who is gone', async () => {
    const client = ['--ta', TEST_TA, ...HARDENED, '--', programs, 'memlock', 'leave'];
    const ran = await teebox(['mem', '--json', ...client]);
    const line = ran.stderr.split('\n').find((text) => text.startsWith('{')) ?? '';
    const { peak } = JSON.parse(line) as MemoryHistory;
    assert.match(peak!.pins[0]!.owner, /^programs \(pid \d+\), tee0 context \d+$/);
    const uid = process.getuid?.() === 0 ? NOBODY : process.getuid?.();
    const view = peak!.limits.find((limit) => limit.uid === uid);
    assert.deepEqual([view?.locked, view?.limit], [4, 4]);
  });
});
