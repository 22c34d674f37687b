/** Native programs whose registered memory is mapped in place (`--shm=inplace`). */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import {
  checkTheme,
  compileStatic,
  nativeTest,
  programs,
  run,
  runUnprivileged,
  staticPrograms,
} from './harness.ts';

const IN_PLACE = ['--supplicant', 'none', '--shm', 'inplace'];

describe('memory mapped in place', () => {
  nativeTest('in place', () => checkTheme('in_place', { options: IN_PLACE }));
  nativeTest('in place, forks', () => checkTheme('in_place_forked', { options: IN_PLACE }));

  nativeTest('in place, static program', async (t) => {
    if (!(await compileStatic())) return t.skip('there are no static libraries');
    await checkTheme('in_place', { options: IN_PLACE, program: staticPrograms });
    await checkTheme('in_place_forked', { options: IN_PLACE, program: staticPrograms });
  });

  nativeTest('in place, as copied', async () => {
    for (const theme of ['shm_register', 'shm_alloc', 'race', 'forked', 'vfork_register']) {
      await checkTheme(theme, { options: IN_PLACE });
    }
    await checkTheme('exec_chain', { options: IN_PLACE });
    await checkTheme('kills', { options: IN_PLACE });
  });

  nativeTest('in place, without root', async () => {
    const ran = await runUnprivileged([programs, 'in_place_executed'], { options: IN_PLACE });
    assert.equal(ran.stdout, 'executed: s, in 1, out 1; then p, kept 1\n');
    assert.deepEqual([ran.code, ran.stderr], [0, '']);
  });

  nativeTest('in place, what is copied', async () => {
    const { code, stderr } = await run([programs, 'in_place_forked'], {
      options: IN_PLACE,
      report: true,
    });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /registered memory is copied, not mapped in place: ptrace.* gives -EPERM/);
    assert.match(stderr, /-EAGAIN.* a child would share registered memory/);
  });
});
