/**
 * `teebox mem`: what a box's memory is used for. With a program: before it ran, when most was
 * shared with the secure world, and after; the program's stdout is its own, so this goes to stderr.
 * With the socket of a `teebox serve`: now.
 */
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { memoryMapSvg } from '../../box/memory-map-svg.ts';
import type { MapPanel } from '../../box/memory-map-svg.ts';
import type { MemorySnapshot } from '../../box/memory-snapshot.ts';
import { formatMemory } from '../../box/memory-text.ts';
import { MemoryWatch } from '../../box/memory-watch.ts';
import type { MemoryHistory } from '../../box/memory-watch.ts';
import { encodeLine } from '../../native/program-server.ts';
import type { FromServer } from '../../native/program-server.ts';
import { CliError, EXIT, UsageError, printError, printLine } from '../command.ts';
import type { Command } from '../command.ts';
import { NativeBox } from '../native-box.ts';
import { BOX_USAGE, parseBoxOptions, refuseBoxOptions } from '../options.ts';
import type { BoxCliOptions } from '../options.ts';
import { writeFile } from '../write-file.ts';

export const mem: Command = {
  usage: [
    'teebox mem [options] -- PROGRAM ARGS...   before, when most was shared, and after; on stderr',
    'teebox mem --socket PATH [--json]         now, of the box of a teebox serve; on stdout',
    '  --svg FILE                physical memory as a picture, page by page',
    BOX_USAGE,
  ].join('\n'),
  async run(args) {
    const { svg, rest } = takeSvg(args);
    const { options, program, socket, given } = parseBoxOptions(rest);
    if (socket !== undefined) {
      if (program.length > 0) throw new UsageError('a program, or a socket');
      refuseBoxOptions(given, 'socket', 'json');
      return now(await snapshotOf(socket), options, svg);
    }
    if (program.length === 0) throw new UsageError('which program? teebox mem … -- PROGRAM ARGS');
    return around(program, options, svg);
  },
};

/** `--svg FILE`, before the program. */
function takeSvg(args: readonly string[]): { svg: string | undefined; rest: readonly string[] } {
  const at = args.indexOf('--svg');
  const program = args.indexOf('--');
  if (at < 0 || (program >= 0 && at > program)) return { svg: undefined, rest: args };
  const svg = args[at + 1];
  if (svg === undefined || svg === '' || svg.startsWith('-'))
    throw new UsageError('--svg: a file is needed');
  return { svg, rest: args.toSpliced(at, 2) };
}

async function around(
  program: readonly string[],
  options: BoxCliOptions,
  svg: string | undefined,
): Promise<number> {
  const native = await NativeBox.open({ ...options, quiet: true });
  native.box.trace.setLevel(options.trace === 'all' ? 'all' : 'worlds');
  const watch = new MemoryWatch(native.box);
  try {
    const code = await native.run(program);
    await native.drain();
    show(watch.history(), options, svg);
    return code;
  } finally {
    await native.close();
  }
}

function show(history: MemoryHistory, { json }: BoxCliOptions, svg: string | undefined): void {
  const { before, peak, after } = history;
  const moments: (readonly [string, MemorySnapshot])[] = [['before', before]];
  if (peak !== undefined) moments.push(['when most was shared', peak]);
  moments.push(['after', after]);
  if (json) printError(JSON.stringify(history));
  else for (const [title, moment] of moments) printError(formatMemory(moment, title));
  if (svg !== undefined) draw(moments, svg);
}

function now(snapshot: MemorySnapshot, { json }: BoxCliOptions, svg: string | undefined): number {
  printLine(json ? JSON.stringify(snapshot) : formatMemory(snapshot, 'now'));
  if (svg !== undefined) draw([['now', snapshot]], svg);
  return EXIT.pass;
}

function draw(moments: readonly (readonly [string, MemorySnapshot])[], path: string): void {
  const panels = moments.map(([title, { map }]): MapPanel => ({ title, map }));
  writeFile(path, memoryMapSvg(panels), 'the picture');
}

/** Asks the box of a `teebox serve`. */
async function snapshotOf(path: string): Promise<MemorySnapshot> {
  let answer = '';
  try {
    const connection = await connect(path);
    connection.write(encodeLine({ inspect: 'memory' }));
    for await (const chunk of connection) {
      answer += String(chunk);
      if (answer.endsWith('\n')) break;
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(`no box is served at ${path}: ${why}`);
  }
  const message = answer === '' ? undefined : (JSON.parse(answer) as FromServer);
  if (message === undefined || !('memory' in message)) throw new CliError('the box has ended');
  return message.memory;
}

function connect(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const connection = createConnection(path, () => resolve(connection.setEncoding('utf8')));
    connection.once('error', reject);
  });
}
