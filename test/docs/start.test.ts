/** What the README shows of `npm start` is what it prints, times and counts aside. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';
import { ROOT, blocksOf } from './blocks.ts';

/** Longest that it may take before it counts as hung, milliseconds. */
const HUNG_MS = 120_000;

const withoutNumbers = (line: string): string =>
  line.replaceAll(/\d+(\.\d+)?/g, 'N').replaceAll(/ +/g, ' ');

it('the README shows what `npm start` prints, in its order', () => {
  const block = blocksOf('README.md').find(({ text }) => text.startsWith('$ hello_world'));
  const shown = (block?.text ?? '')
    .trimEnd()
    .split('\n')
    .filter((line) => line.trim() !== '…');
  const main = join(ROOT, 'src/cli/main.ts');
  const options = { encoding: 'utf8', timeout: HUNG_MS, killSignal: 'SIGKILL' } as const;
  const printed = execFileSync(process.execPath, [main, 'start'], options).split('\n');
  let at = 0;
  for (const line of shown) {
    const found = printed.findIndex(
      (other, n) => n >= at && withoutNumbers(other) === withoutNumbers(line),
    );
    assert.ok(found >= 0, `not printed after line ${at}: ${line}`);
    at = found + 1;
  }
});
