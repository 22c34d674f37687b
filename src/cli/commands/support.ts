/** `teebox support`: what works, what works in part, what does not, from the rooms' own tables. */
import { parseArguments } from '../arguments.ts';
import { EXIT, UsageError, printLine } from '../command.ts';
import type { Command } from '../command.ts';
import { SUPPORT, formatSupport } from '../support-table.ts';

export const support: Command = {
  usage: 'teebox support [--json | --markdown] [AREA]',
  async run(args) {
    const { values, positionals } = parseArguments({
      args: [...args],
      options: { json: { type: 'boolean' }, markdown: { type: 'boolean' } },
      allowPositionals: true,
    });
    const [area, ...more] = positionals;
    if (more.length > 0) throw new UsageError('one area');
    if (values.json === true && values.markdown === true) {
      throw new UsageError('--json or --markdown');
    }
    const rows = area === undefined ? SUPPORT : SUPPORT.filter((row) => row.area === area);
    if (rows.length === 0) {
      const areas = [...new Set(SUPPORT.map((row) => row.area))];
      throw new UsageError(`no area ${area}: ${areas.join(', ')}`);
    }
    if (values.json === true) printLine(JSON.stringify(rows, undefined, 2));
    else printLine(formatSupport(rows, values.markdown === true ? 'markdown' : 'text'));
    return EXIT.pass;
  },
};
