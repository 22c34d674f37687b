/** `teebox exec`: runs a program on the box of a `teebox serve`. */
import { Socket } from 'node:net';
import { HOST_ARCHS } from '../../native/arch.ts';
import { FdSockets, SocketError } from '../../native/fd-passing.ts';
import { NativeUnavailable, loadLibc } from '../../native/libc.ts';
import { encodeLine } from '../../native/program-server.ts';
import type { FromServer } from '../../native/program-server.ts';
import { CliError, EXIT, UsageError, startError } from '../command.ts';
import type { Command } from '../command.ts';
import { definedEnv, workingDirectory } from '../native-box.ts';
import { parseBoxOptions, refuseBoxOptions } from '../options.ts';
import { SIGNALS, signalNumber } from '../signals.ts';

export const exec: Command = {
  usage: 'teebox exec --socket PATH -- PROGRAM ARGS...',
  async run(args) {
    const { socket, program, given } = parseBoxOptions(args);
    refuseBoxOptions(given, 'socket');
    if (socket === undefined) throw new UsageError('where? teebox exec --socket PATH -- PROGRAM');
    if (program.length === 0) throw new UsageError('which program? teebox exec … -- PROGRAM ARGS');
    const connection = await handOver(socket, program);
    for (const signal of SIGNALS) {
      process.on(signal, () => connection.write(encodeLine({ signal })));
    }
    return exitOf(connection);
  },
};

async function handOver(path: string, argv: readonly string[]): Promise<Socket> {
  const arch = HOST_ARCHS.get(process.arch);
  if (arch === undefined) throw new NativeUnavailable(`no tables for ${process.arch}`);
  const sockets = new FdSockets(loadLibc(), arch);
  try {
    const fd = sockets.connect(path);
    sockets.send(fd, encodeLine({ argv, cwd: workingDirectory(), env: definedEnv() }), [0, 1, 2]);
    return new Socket({ fd });
  } catch (error) {
    if (error instanceof SocketError)
      throw new CliError(`no box is served at ${path}: ${error.message}`);
    throw error;
  }
}

/** What a connection fails with whose server was killed. */
const CUT_OFF: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE']);

/** Reads the server's lines up to the program's end. */
async function exitOf(connection: Socket): Promise<number> {
  let rest = '';
  try {
    for await (const chunk of connection) {
      rest += String(chunk);
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const message = JSON.parse(line) as FromServer;
        if ('error' in message) throw startError('cannot run it', message.error);
        if ('exit' in message) {
          connection.destroy();
          return message.exit.code ?? 128 + signalNumber(message.exit.signal);
        }
      }
    }
  } catch (error) {
    if (!(error instanceof Error) || !CUT_OFF.has(Reflect.get(error, 'code'))) throw error;
  }
  throw new CliError('the box has ended', EXIT.corePanic);
}
