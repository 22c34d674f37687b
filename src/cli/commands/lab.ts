/** `teebox lab`: an experiment on an open debate, with its table and plot. */
import { parseArgs } from 'node:util';
import { nodeHost } from '../../host/node/host.ts';
import { LABS, findLab } from '../../labs/labs.ts';
import { drawPlot } from '../../labs/plot.ts';
import { formatTable } from '../../labs/table.ts';
import { EXIT, UsageError, printError, printLine } from '../command.ts';
import type { Command } from '../command.ts';
import { writeFile } from '../write-file.ts';

const width = Math.max(...LABS.map(({ name }) => name.length));

export const lab: Command = {
  usage: [
    'teebox lab NAME [options]',
    ...LABS.map(({ name, question }) => `  ${name.padEnd(width)}  ${question}`),
    '  --seed N     of the workload, 1 by default',
    '  --svg FILE   the plot',
    "  --time       adds what the host's clock says, which differs from run to run",
    '  --json       the result as JSON',
  ].join('\n'),
  async run(args) {
    const { values, positionals } = parse(args);
    const [name = '', ...more] = positionals;
    const found = findLab(name);
    if (found === undefined || more.length > 0) {
      throw new UsageError(`which lab? ${LABS.map((known) => known.name).join(', ')}`);
    }
    const seed = seedOf(values.seed);
    const result = await found.run(nodeHost(), { seed, timed: values.time ?? false });
    if (values.svg !== undefined) writeFile(values.svg, drawPlot(result.plot), 'the plot');
    if (values.json === true) printLine(JSON.stringify(result));
    else printLine(formatTable(result));
    printError(`seed ${seed}`);
    return EXIT.pass;
  },
};

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: { type: 'string' },
        svg: { type: 'string' },
        time: { type: 'boolean' },
        json: { type: 'boolean' },
      },
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function seedOf(text: string | undefined): number {
  const seed = Number(text ?? '1');
  if (Number.isInteger(seed) && seed >= 0) return seed;
  throw new UsageError(`--seed ${text}: a whole number`);
}
