/** `teebox lab`: an experiment on an open debate, with its table and plot. */
import { nodeHost } from '../../host/node/host.ts';
import { LABS, findLab } from '../../labs/labs.ts';
import { drawPlot } from '../../labs/plot.ts';
import { formatTable } from '../../labs/table.ts';
import { parseArguments } from '../arguments.ts';
import { EXIT, UsageError, printError, printLine } from '../command.ts';
import type { Command } from '../command.ts';
import { seedOf } from '../search-options.ts';
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
    const seed = seedOf({ seed: values.seed });
    const result = await found.run(nodeHost(), { seed, timed: values.time ?? false });
    if (values.svg !== undefined) writeFile(values.svg, drawPlot(result.plot), 'the plot');
    if (values.json === true) printLine(JSON.stringify(result));
    else printLine(formatTable(result));
    printError(`seed ${seed}`);
    return EXIT.pass;
  },
};

const parse = (args: readonly string[]) =>
  parseArguments({
    args: [...args],
    options: {
      seed: { type: 'string' },
      svg: { type: 'string' },
      time: { type: 'boolean' },
      json: { type: 'boolean' },
    },
    allowPositionals: true,
  });
