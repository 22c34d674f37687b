/** Native programs: how they find the TEE, and their calls. */
import { describe } from 'node:test';
import { checkTheme, compileStatic, nativeTest, staticPrograms } from './harness.ts';

const BUILTIN = ['--supplicant', 'builtin'];

describe('calls of native programs', () => {
  nativeTest('devices', () => checkTheme('devices'));
  nativeTest('paths', () => checkTheme('paths'));
  nativeTest('unrelated calls', () => checkTheme('unrelated'));
  nativeTest('session', () => checkTheme('session', { options: BUILTIN }));
  nativeTest('refusals', () => checkTheme('abi'));
  nativeTest('bad pointers', () => checkTheme('bad_pointers'));
  nativeTest('threads', () => checkTheme('threads'));
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
