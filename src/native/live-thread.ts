/** Which thread stands for a process: the first one may have ended before the others. */
import { readFileSync, readdirSync } from 'node:fs';

/** Zombies and the dead have no memory any more (proc_pid_status(5)). */
const ENDED = /^State:\s*[ZX]/m;

/** A thread of a process that has not ended; undefined when all have. */
export function liveThreadOf(pid: number): number | undefined {
  const tasks = `/proc/${pid}/task`;
  try {
    const found = readdirSync(tasks).find((tid) => !hasEnded(`${tasks}/${tid}/status`));
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}

function hasEnded(status: string): boolean {
  try {
    return ENDED.test(readFileSync(status, 'latin1'));
  } catch {
    return true;
  }
}
