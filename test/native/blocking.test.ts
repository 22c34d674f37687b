/** Native programs that sleep in a call: signals, and the death of either side. */
import { describe } from 'node:test';
import { checkTheme, nativeTest, programs } from './harness.ts';

/** Without its look into secure storage the first request for a TA is LOAD_TA. */
const NO_SECSTOR_TA = ['-c', 'CFG_SECSTOR_TA=n'];

describe('native programs that sleep', () => {
  nativeTest('signals', () => checkTheme('blocked'));
  nativeTest('signals during an invoke', () => checkTheme('uninterrupted'));
  nativeTest('killed clients', () => checkTheme('kills'));
  nativeTest('killed in an invoke', () => checkTheme('killed_in_invoke'));
  nativeTest('supplicant', () =>
    checkTheme('supplicant', { options: ['--supplicant', 'none', ...NO_SECSTOR_TA] }),
  );
  nativeTest('native supplicant', () =>
    checkTheme('session', { options: ['--supplicant', `${programs} answering`, ...NO_SECSTOR_TA] }),
  );
});
