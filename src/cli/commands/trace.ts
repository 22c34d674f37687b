/** `teebox trace`: a program's TEE ioctls as strace would print them, fields decoded. */
import { Strace } from '../../trace/export/strace.ts';
import { printError } from '../command.ts';
import type { Command } from '../command.ts';
import { NativeBox } from '../native-box.ts';
import { BOX_USAGE, parseProgramOptions } from '../options.ts';

export const trace: Command = {
  usage: `teebox trace [options] -- PROGRAM ARGS...\n${BOX_USAGE}`,
  async run(args) {
    const { options, program } = parseProgramOptions('trace', args);
    const native = await NativeBox.open({ ...options, quiet: true });
    const strace = new Strace();
    native.box.trace.setLevel(options.trace === 'off' ? 'calls' : options.trace);
    native.box.trace.addSink((event) => {
      const line = strace.see(event);
      if (line !== undefined) printError(line);
    });
    try {
      return await native.run(program);
    } finally {
      await native.close();
      for (const line of strace.unfinished()) printError(line);
    }
  },
};
