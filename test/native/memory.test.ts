/** Native programs: memory that they share with the secure world, and fds in several processes. */
import { describe } from 'node:test';
import { checkTheme, nativeTest } from './harness.ts';

const IN_PLACE = ['--supplicant', 'none', '--shm', 'inplace'];

describe('memory and processes of native programs', () => {
  nativeTest('allocated memory', () => checkTheme('shm_alloc'));
  nativeTest('registered memory', () => checkTheme('shm_register'));
  nativeTest('changed mappings', async () => {
    await checkTheme('shm_changed');
    await checkTheme('shm_changed', { options: IN_PLACE });
  });
  nativeTest('racing writer', () => checkTheme('race'));
  nativeTest('fork', () => checkTheme('forked'));
  nativeTest('vfork and exec', () => checkTheme('exec_chain'));
  nativeTest('vfork child that registers', () => checkTheme('vfork_register'));
  nativeTest('descriptors', () => checkTheme('descriptors'));
  nativeTest('SCM_RIGHTS', () => checkTheme('rights'));
});
