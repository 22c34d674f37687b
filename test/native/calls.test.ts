/** Native programs: how they find the TEE, and their calls. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import {
  CANNOT,
  checkTheme,
  compileStatic,
  expected,
  nativeTest,
  programs,
  run,
  staticPrograms,
} from './harness.ts';

const BUILTIN = ['--supplicant', 'builtin'];
const IN_PLACE = ['--supplicant', 'none', '--shm', 'inplace'];

describe('calls of native programs', () => {
  nativeTest('devices', () => checkTheme('devices'));
  nativeTest('paths', () => checkTheme('paths'));
  nativeTest('flags of path calls', () => checkTheme('path_flags'));
  nativeTest('unrelated calls', () => checkTheme('unrelated'));
  nativeTest('session', () => checkTheme('session', { options: BUILTIN }));
  nativeTest('refusals', () => checkTheme('abi'));
  nativeTest('bad pointers', () => checkTheme('bad_pointers'));
  nativeTest('threads', () => checkTheme('threads'));
  nativeTest('first thread gone', async () => {
    await checkTheme('leader_gone');
    await checkTheme('leader_gone', { options: IN_PLACE });
  });
  nativeTest('wide arguments', () => checkTheme('wide_arguments'));
  nativeTest('another architecture', async (t) => {
    const ran = await run([programs, 'other_arch']);
    if (ran.code === CANNOT) return t.skip('the kernel has no calls of 32-bit programs');
    assert.equal(ran.stdout, expected('other_arch'), ran.stderr);
  });
  nativeTest('rights of threads', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('needs root');
    await checkTheme('rights_of_threads');
  });
  nativeTest('contexts', () => checkTheme('contexts'));

  nativeTest('static program', async (t) => {
    if (!(await compileStatic())) return t.skip('there are no static libraries');
    await checkTheme('session', { options: BUILTIN, program: staticPrograms });
  });

  nativeTest('profiles', async () => {
    await checkTheme('profile');
    const options = ['--supplicant', 'none', '--profile', 'linux-6.1'];
    await checkTheme('profile', { options, facts: 'profile-6.1' });
  });
});
