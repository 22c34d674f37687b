/** Native programs that sleep in a call: signals, and the death of either side. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkTheme, nativeTest, programs, run } from './harness.ts';

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
  nativeTest('native supplicant in the background', async () => {
    for (const command of [`${programs} answering -d`, `${programs} answering &`]) {
      await checkTheme('session', { options: ['--supplicant', command, ...NO_SECSTOR_TA] });
      while (commandLines(`${programs}\0answering`).length > 0) await sleep(5);
    }
  });
  nativeTest('no supplicant', async () => {
    const refused = async (command: string, message: RegExp): Promise<void> => {
      const ran = await run(['/bin/true'], { options: ['--supplicant', command] });
      assert.match(ran.stderr, message);
      assert.equal(ran.code, 1);
    };
    await refused("sh -c 'exit 3'", /the supplicant ended at once: sh -c/);
    await refused("sh -c 'kill $$'", /the supplicant ended at once: sh -c/);
    await refused(`sh -c '${programs} answering & exit 3'`, /the supplicant ended at once: sh -c/);
    await refused('true', /the supplicant ended and left nobody with its device: true/);
    // The one that was left behind ends by itself where it was too late to be told.
    while (commandLines(`${programs}\0answering`).length > 0) await sleep(5);
  });
});

/** Command lines of processes that begin so. */
function commandLines(start: string): readonly string[] {
  const lines = readdirSync('/proc').map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    } catch {
      return '';
    }
  });
  return lines.filter((line) => line.startsWith(start));
}
