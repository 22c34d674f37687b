/** `teebox doctor`: what this machine withholds from native programs, one line a point. */
import { parseArguments } from '../arguments.ts';
import { EXIT, printLine } from '../command.ts';
import type { Command } from '../command.ts';
import { diagnose } from '../../native/doctor.ts';

export const doctor: Command = {
  usage: 'teebox doctor [--json]',
  async run(args) {
    const { values } = parseArguments({ args: [...args], options: { json: { type: 'boolean' } } });
    const findings = await diagnose();
    if (values.json === true) {
      printLine(JSON.stringify(findings, undefined, 2));
    } else {
      for (const { name, ok, optional, detail } of findings) {
        printLine(`${ok ? 'ok     ' : optional ? 'absent ' : 'MISSING'} ${name}: ${detail}`);
      }
    }
    return findings.every((finding) => finding.ok || finding.optional) ? EXIT.pass : EXIT.failure;
  },
};
