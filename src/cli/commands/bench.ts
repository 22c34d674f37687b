/** `teebox bench`: the repository's benchmarks, which the published package leaves out. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CliError, EXIT } from '../command.ts';
import type { Command } from '../command.ts';

const MAIN = fileURLToPath(new URL('../../../bench/main.ts', import.meta.url));

export const bench: Command = {
  usage: [
    'teebox bench [--json] [NAME...]',
    '  medians with spread, beside peers of the same run; all benchmarks without a NAME',
  ].join('\n'),
  async run(args) {
    if (!existsSync(MAIN)) {
      throw new CliError('the benchmarks are in the repository, not in the package');
    }
    const { status } = spawnSync(process.execPath, [MAIN, ...args], { stdio: 'inherit' });
    return status ?? EXIT.failure;
  },
};
