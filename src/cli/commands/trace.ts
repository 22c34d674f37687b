/** `teebox trace`: a program's TEE ioctls as strace would print them, fields decoded. */
import { Strace } from '../../trace/export/strace.ts';
import { EXIT, UsageError, printError } from '../command.ts';
import type { Command } from '../command.ts';
import { NativeBox, definedEnv } from '../native-box.ts';
import { BOX_USAGE, parseBoxOptions } from '../options.ts';

export const trace: Command = {
  usage: `teebox trace [options] -- PROGRAM ARGS...\n${BOX_USAGE}`,
  async run(args) {
    const { options, program } = parseBoxOptions(args);
    if (program.length === 0) throw new UsageError('which program? teebox trace … -- PROGRAM ARGS');
    const native = await NativeBox.open({ ...options, quiet: true });
    const strace = new Strace();
    native.box.trace.setLevel('calls');
    native.box.trace.addSink((event) => {
      const line = strace.see(event);
      if (line !== undefined) printError(line);
    });
    let exitCode: number = EXIT.failure;
    try {
      const stdio = [0, 1, 2] as const;
      const request = { argv: program, cwd: process.cwd(), env: definedEnv(), stdio };
      exitCode = await native.wait(await native.start(request));
    } finally {
      await native.close();
    }
    for (const line of strace.unfinished()) printError(line);
    return exitCode;
  },
};
