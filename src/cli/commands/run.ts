/** `teebox run`: one ordinary program on a box of its own. */
import { constants } from 'node:os';
import { UsageError, EXIT } from '../command.ts';
import type { Command } from '../command.ts';
import { NativeBox, definedEnv } from '../native-box.ts';
import { BOX_USAGE, parseBoxOptions } from '../options.ts';

export const run: Command = {
  usage: `teebox run [options] -- PROGRAM ARGS...\n${BOX_USAGE}`,
  async run(args) {
    const { options, program } = parseBoxOptions(args);
    if (program.length === 0) throw new UsageError('which program? teebox run … -- PROGRAM ARGS');
    const native = await NativeBox.open(options);
    let exitCode: number = EXIT.failure;
    try {
      const started = await native.start({
        argv: program,
        cwd: process.cwd(),
        env: definedEnv(),
        stdio: [0, 1, 2],
      });
      // The terminal sends these to the program too: it decides what they mean.
      process.on('SIGINT', () => {});
      process.on('SIGTERM', () => {
        if (started.exit === undefined) process.kill(started.pid, 'SIGTERM');
        else process.exit(128 + constants.signals.SIGTERM);
      });
      exitCode = await native.wait(started);
    } finally {
      await native.close();
    }
    return exitCode;
  },
};
