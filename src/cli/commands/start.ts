/**
 * `teebox start`: the main job in one screen. The hello_world example, client and TA, through the
 * whole stack, with what happened in both worlds and the report.
 */
import { fileURLToPath } from 'node:url';
import { boot, consoleLine, formatReport, loadTas, reportOf } from '../../index.ts';
import type { TraceEvent } from '../../index.ts';
import { parseArguments } from '../arguments.ts';
import { EXIT, printLine } from '../command.ts';
import type { Command } from '../command.ts';
import { TaskNames } from '../task-names.ts';

/** The example's client, as a module of the repository. */
interface ExampleClient {
  main(
    client: ReturnType<ReturnType<typeof boot>['client']>,
    print: (line: string) => void,
  ): Promise<number>;
}

/** What the screen shows of a trace: the road of each call, without its bookkeeping. */
const SHOWN = new Set<TraceEvent['name']>([
  'ioctl.enter',
  'ioctl.exit',
  'smc.call',
  'smc.return',
  'thread.alloc',
  'thread.free',
  'rpc.begin',
  'rpc.end',
  'ta.lookup',
  'session.open',
  'session.close',
  'ta.enter',
  'ta.leave',
  'tee.open',
  'tee.release',
]);
const MOST_LINES = 40;

/** A module of the example: a source in the repository, built in the published form. */
const example = (name: string): string => {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(
    new URL(`../../../examples/hello_world/${name}.${extension}`, import.meta.url),
  );
};

export const start: Command = {
  usage: 'teebox start',
  async run(args) {
    parseArguments({ args: [...args] });
    const { images } = await loadTas([example('ta')]);
    const loaded: unknown = await import(example('client'));
    const { main } = loaded as ExampleClient;
    const box = boot({ tas: images, live: true });
    const begin = box.trace.count;
    const names = new TaskNames(box);
    box.trace.setLevel('worlds');
    printLine('$ hello_world');
    const client = box.client({ name: 'hello_world' });
    const exitCode = await main(client, printLine);
    await client.program.exit(exitCode);
    await box.settle();
    const events = [...box.trace.events()].filter((e) => e.seq >= begin && SHOWN.has(e.name));
    printLine(`\nWhat happened, both worlds (${events.length} of ${box.trace.count} events):`);
    for (const event of events.slice(0, MOST_LINES)) {
      printLine(consoleLine(event, names.of));
    }
    printLine(`\n${formatReport(reportOf(box))}`);
    printLine(NEXT);
    return exitCode === 0 ? EXIT.pass : EXIT.failure;
  },
};

const NEXT = `
Try next:
  npx teebox run --ta examples/hello_world -- ./your-client     an unmodified C client
  npx teebox run --trace worlds --trace-out t.pftrace …         the same, for ui.perfetto.dev
  npx teebox doctor                                             what this machine allows`;
