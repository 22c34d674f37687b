/** What all subcommands refuse, and how the command line says it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SCENARIOS } from '../sim/scenarios/index.ts';
import { wholeNumberOf } from './arguments.ts';
import { EXIT, UsageError } from './command.ts';
import { COMMANDS } from './commands.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'teebox-arguments-'));
after(() => rmSync(directory, { recursive: true }));

const scenario = SCENARIOS[0]!.name;

/** Arguments that would do, were the last not there. */
const SURPLUS: Readonly<Record<string, readonly string[]>> = {
  start: ['more'],
  run: ['more', '--', 'true'],
  trace: ['more', '--', 'true'],
  serve: ['--socket', 'here', 'more'],
  exec: ['--socket', 'here', 'more', '--', 'true'],
  mem: ['more', '--', 'true'],
  lab: ['memlock', 'more'],
  doctor: ['more'],
  support: ['ioctl', 'more'],
  explain: ['EINVAL', '3', 'more'],
  explore: [scenario, 'more'],
  replay: [scenario, '--seed', '1', 'more'],
  storage: ['list', directory, 'more'],
  bench: ['more'],
};

async function refuses(name: string, args: readonly string[]): Promise<void> {
  const command = await COMMANDS[name]!.load();
  // The benchmarks are a process of their own.
  if (name === 'bench') assert.equal(await command.run(args), EXIT.usage);
  else await assert.rejects(command.run(args), UsageError, `${name} ${args.join(' ')}`);
}

describe('arguments', () => {
  it('that no usage has are refused by every command', async () => {
    assert.deepEqual(Object.keys(SURPLUS), Object.keys(COMMANDS));
    for (const [name, args] of Object.entries(SURPLUS)) {
      await refuses(name, ['--bogus']);
      await refuses(name, args);
    }
    await refuses('explore', ['power-cut', '--bogus']);
    await refuses('explore', ['power-cut', 'more']);
  });

  it('that exclude each other, or mean nothing, are refused', async () => {
    await refuses('support', ['--json', '--markdown']);
    await refuses('exec', ['--socket', 'here', '--ta', 'there', '--', 'true']);
    await refuses('mem', ['--socket', 'here', '--ram', '64']);
    await refuses('storage', ['toString', directory]);
    await refuses('explore', ['power-cut', '--storage', 'toString']);
    for (const code of ['', ' ', '1e3', '--', '22.5']) await refuses('explain', [code]);
    for (const origin of ['', '0', '5', 'x', '-1']) await refuses('explain', ['EINVAL', origin]);
  });

  it('that are numbers have decimal digits', () => {
    assert.deepEqual(['0', '12', '9007199254740991'].map(wholeNumberOf), [0, 12, 2 ** 53 - 1]);
    for (const text of ['', ' ', ' 1', '1 ', '1e3', '0x10', '-1', '+1', '1.0', 'NaN', '1_000']) {
      assert.equal(wholeNumberOf(text), undefined, text);
    }
    assert.equal(wholeNumberOf('9007199254740992'), undefined);
  });
});

/** One line on stderr, and the exit code. */
function said(...args: readonly string[]): readonly [line: string, code: number | null] {
  const { stderr, status } = spawnSync(process.execPath, [MAIN, ...args], {
    cwd: directory,
    encoding: 'utf8',
  });
  const [line = '', ...more] = stderr.trimEnd().split('\n');
  assert.deepEqual(more, []);
  return [line, status];
}

describe('what the command line says', () => {
  it('is one line, without a stack', () => {
    writeFileSync(join(directory, 'throws.mjs'), "throw new Error('there is no more')");
    const program = ['--', 'true'];
    const cases: readonly (readonly [args: readonly string[], line: string, code: number])[] = [
      [['doctor', '--bogus'], "Unknown option '--bogus'", 2],
      [
        ['run', '--plugin', 'none.ts', ...program],
        `no plugin at ${join(directory, 'none.ts')}: there is no such file`,
        1,
      ],
      [
        ['run', '--ta', 'throws.mjs', ...program],
        `throws.mjs cannot be loaded: Error: there is no more (${join(directory, 'throws.mjs')}:1)`,
        1,
      ],
      [
        ['run', '--state', 'throws.mjs/state', ...program],
        'no state can be kept in throws.mjs/state: throws.mjs is no directory',
        1,
      ],
    ];
    for (const [args, line, code] of cases)
      assert.deepEqual(said(...args), [`teebox: ${line}`, code]);
  });
});
