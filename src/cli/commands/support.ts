/** `teebox support`: what works, what works in part, what does not, from the rooms' own tables. */
import { EXIT, UsageError, printLine } from '../command.ts';
import type { Command } from '../command.ts';
import { SUPPORT, formatSupport } from '../support-table.ts';

export const support: Command = {
  usage: 'teebox support [--json | --markdown] [AREA]',
  async run(args) {
    const area = args.find((arg) => !arg.startsWith('-'));
    const rows = area === undefined ? SUPPORT : SUPPORT.filter((row) => row.area === area);
    if (rows.length === 0) {
      const areas = [...new Set(SUPPORT.map((row) => row.area))];
      throw new UsageError(`no area ${area}: ${areas.join(', ')}`);
    }
    if (args.includes('--json')) printLine(JSON.stringify(rows, undefined, 2));
    else printLine(formatSupport(rows, args.includes('--markdown') ? 'markdown' : 'text'));
    return EXIT.pass;
  },
};
