/** Native programs that sleep in a call: signals, and the death of either side. */
import { describe } from 'node:test';
import { checkTheme, nativeTest, programs } from './harness.ts';

describe('native programs that sleep', () => {
  nativeTest('signals', () => checkTheme('blocked'));
  nativeTest('signals during an invoke', () => checkTheme('uninterrupted'));
  nativeTest('killed clients', () => checkTheme('kills'));
  nativeTest('killed in an invoke', () => checkTheme('killed_in_invoke'));
  nativeTest('supplicant', () => checkTheme('supplicant'));
  nativeTest('native supplicant', () =>
    checkTheme('session', { options: ['--supplicant', `${programs} answering`] }),
  );
});
