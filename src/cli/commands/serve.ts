/** `teebox serve`: a box that programs started with `teebox exec` share. */
import { memorySnapshot } from '../../box/memory-snapshot.ts';
import { SocketError } from '../../native/fd-passing.ts';
import { ProgramServer } from '../../native/program-server.ts';
import { CliError, EXIT, UsageError, printError } from '../command.ts';
import type { Command } from '../command.ts';
import { NativeBox } from '../native-box.ts';
import { BOX_USAGE, parseBoxOptions } from '../options.ts';

export const serve: Command = {
  usage: `teebox serve --socket PATH [options]\n${BOX_USAGE}`,
  async run(args) {
    const { options, socket, program } = parseBoxOptions(args);
    if (socket === undefined) throw new UsageError('where? teebox serve --socket PATH');
    if (program.length > 0) throw new UsageError('programs are started with teebox exec');
    const native = await NativeBox.open(options);
    let server: ProgramServer | undefined;
    let stopped = false;
    const stop = (): void => {
      stopped = true;
    };
    native.signals.take(stop);
    try {
      server = open(native, socket);
      if (!options.quiet) printError(`teebox: serving on ${socket}`);
      await native.supervisor.run(() => stopped);
      native.reportHalt();
    } finally {
      server?.close();
      native.supervisor.killAll();
      await native.close();
    }
    return native.box.halted === undefined ? EXIT.pass : EXIT.corePanic;
  },
};

function open(native: NativeBox, socket: string): ProgramServer {
  try {
    return new ProgramServer(native.supervisor, socket, () => memorySnapshot(native.box));
  } catch (error) {
    if (error instanceof SocketError) throw new CliError(`cannot serve: ${error.message}`);
    throw error;
  }
}
