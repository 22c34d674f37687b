/** `teebox run`: one ordinary program on a box of its own. */
import type { Command } from '../command.ts';
import { NativeBox } from '../native-box.ts';
import { BOX_USAGE, parseProgramOptions } from '../options.ts';

export const run: Command = {
  usage: `teebox run [options] -- PROGRAM ARGS...\n${BOX_USAGE}`,
  async run(args) {
    const { options, program } = parseProgramOptions('run', args);
    const native = await NativeBox.open(options);
    try {
      return await native.run(program);
    } finally {
      await native.close();
    }
  },
};
