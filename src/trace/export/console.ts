/**
 * Events as lines for a person: time, world, CPU and task in columns, then what happened in one
 * phrase. Seconds have seven digits: a dispatch of a box in virtual time takes 100 ns.
 */
import type { TraceEvent } from '../events.ts';
import { phrase } from '../phrase.ts';

/** A whole line: `  0.0012345 secure cpu1 xtest[12]  thread 0 starts`. */
export function consoleLine(event: TraceEvent, taskName: (id: number) => string): string {
  const time = (event.timeNs / 1e9).toFixed(7).padStart(11);
  const task = event.task === 0 ? '-' : taskName(event.task);
  return `${time} ${event.world.padEnd(6)} cpu${event.cpu} ${task.padEnd(16)} ${phrase(event)}`;
}
