/** `teebox explore` and `teebox replay` as a user runs them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';
import { UsageError } from '../../src/cli/command.ts';
import type { Command } from '../../src/cli/command.ts';
import { explore } from '../../src/cli/commands/explore.ts';
import { replay } from '../../src/cli/commands/replay.ts';

/** Longest that a command may take, milliseconds. */
const HUNG_MS = 120_000;
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

function teebox(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    timeout: HUNG_MS,
  });
  return { status, stdout, stderr };
}

describe('teebox explore', () => {
  it('exits with 1 and a line that shows the finding again', () => {
    const { status, stdout } = teebox('explore', 'canary', '--schedules', '64');
    assert.equal(status, 1);
    assert.match(stdout, /kernel BUG: canary: an addition was lost/);
    const line = /npx teebox (replay .*)$/m.exec(stdout)?.[1] ?? '';
    const again = teebox(...line.split(' '));
    assert.equal(again.status, 1);
    assert.match(again.stdout, /^kernel BUG: canary: an addition was lost$/m);
  });

  it('exits with 0 when nothing is found', () => {
    const { status, stdout } = teebox('explore', 'locked-canary', '--schedules', '64');
    assert.equal(status, 0);
    assert.match(stdout, /^nothing found$/m);
  });

  it('prints one object with --json', () => {
    const { stdout } = teebox('explore', 'canary', '--strategy', 'exhaustive', '--json');
    const result = JSON.parse(stdout) as { exhausted: boolean; findings: { replay: string }[] };
    assert.equal(result.exhausted, true);
    const line = result.findings[0]?.replay ?? '';
    assert.match(line, /--choices [0-9A-Za-z_]+$/);
    assert.equal(teebox(...line.split(' ').slice(2)).status, 1);
  });
});

describe('teebox replay', () => {
  it('prints what happened', () => {
    const { stdout } = teebox('replay', 'canary', '--seed', '4', '--trace', 'calls');
    assert.match(stdout, /canary 0 +HALT: kernel BUG/);
  });

  it('makes a schedule smaller on request', () => {
    const { stdout } = teebox('replay', 'canary', '--choices', '0100A1', '--shrink');
    assert.match(stdout, /the same with \d+ choices/);
    assert.match(stdout, /^npx teebox replay canary --profile linux-7\.3 --choices /m);
  });
});

const COMMANDS: Readonly<Record<string, Command>> = { explore, replay };

const MISTAKES: readonly (readonly [args: string, message: RegExp])[] = [
  ['explore', /one scenario/],
  ['explore nothing', /no scenario nothing/],
  ['explore canary --profile linux-5', /no profile linux-5/],
  ['explore canary --strategy luck', /no strategy luck/],
  ['explore canary --schedules many', /--schedules many/],
  ['explore canary --seed', /--seed/],
  ['replay canary', /which schedule/],
  ['replay canary --policy pct --seed 1', /--policy pct/],
  ['replay canary --choices A', /no schedule/],
  ['replay canary --seed 1 --trace loud', /no trace level loud/],
];

describe('a mistake on the command line', () => {
  for (const [line, message] of MISTAKES) {
    it(`teebox ${line}`, async () => {
      const [name = '', ...args] = line.split(' ');
      const error = await COMMANDS[name]!.run(args).catch((reason: unknown) => reason);
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
    });
  }
});
