/**
 * Replay: one schedule again, with everything that happens on record. It is run twice, and the two
 * records must be equal to the byte: what makes them differ is a bug of teebox.
 */
import type { Host } from '../host/host.ts';
import type { TraceEvent } from '../trace/events.ts';
import { ReplayPolicy } from '../sched/policy.ts';
import { execute, withOneRam } from './execute.ts';
import type { Execution, Verdict, Watch } from './execute.ts';

/** Events of one run that are compared at most; runs have a few thousand. */
const MOST_EVENTS = 200_000;

/** Two runs of one schedule were not the same. */
export class NotDeterministic extends Error {
  constructor(at: number, first: string | undefined, second: string | undefined) {
    const lines = [first, second].map((line) => `  ${line ?? 'nothing'}`).join('\n');
    super(`two runs of one schedule part at event ${at}:\n${lines}`);
    this.name = 'NotDeterministic';
  }
}

/**
 * @param watch looks on during the first run.
 * @throws NotDeterministic
 */
export function replay(host: Host, run: Execution, watch: Pick<Watch, 'begin'>): Verdict {
  const machines = withOneRam(host);
  const first = new Record();
  const verdict = execute(machines, run, first.watch(watch.begin));
  const again = { ...run, policy: new ReplayPolicy(verdict.choices) };
  const second = new Record();
  execute(
    machines,
    again,
    second.watch(() => {}),
  );
  compare(first.lines, second.lines);
  return verdict;
}

/** What happened in one run, a line an event. */
class Record {
  readonly lines: string[] = [];

  watch(begin: Watch['begin']): Watch {
    return {
      level: 'all',
      capacity: 1,
      begin: (box) => {
        begin(box);
        box.trace.addSink((event) => {
          if (this.lines.length < MOST_EVENTS) this.lines.push(eventText(event));
        });
      },
    };
  }
}

/** All that there is to an event. */
export const eventText = (event: TraceEvent): string =>
  JSON.stringify(event, (_, value: unknown) =>
    value instanceof Uint8Array ? `bytes ${value.join()}` : value,
  );

function compare(first: readonly string[], second: readonly string[]): void {
  const count = Math.max(first.length, second.length);
  for (let n = 0; n < count; n++) {
    if (first[n] !== second[n]) throw new NotDeterministic(n, first[n], second[n]);
  }
}
