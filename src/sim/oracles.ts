/**
 * What must hold for any scenario, at certain moments of its end. Oracles know the kernel's promises
 * and nothing of its bugs: no switch of a profile is named or read here.
 */
import { formatExit } from '../linux/process/user-process.ts';
import type { Halt } from '../sched/halt.ts';
import type { Task } from '../sched/task.ts';
import { withoutNumbers } from './findings.ts';
import type { Complaint } from './findings.ts';
import { leftBehind } from './held.ts';
import type { Held } from './held.ts';
import type { EndlessRun, Run } from './run.ts';

/** How each way of stopping is filed. */
const HALTS: Readonly<Record<Halt['kind'], string>> = {
  'kernel BUG': 'kernel BUG',
  'core panic': 'core panic',
  deadlock: 'deadlock',
  'use after free': 'use after put',
  'internal error': 'teebox bug',
};

/** A kernel or a secure world that has stopped the box. */
export function halted({ box }: Run): Complaint | undefined {
  const { halted: halt } = box;
  if (halt === undefined) return undefined;
  return { oracle: HALTS[halt.kind], text: withoutNumbers(halt.text) };
}

/** Sites that another call ends by ending: whoever sleeps there is stuck because somebody else is. */
const BEHIND_CALLERS: ReadonlySet<string> = new Set([
  'optee_cq_wait_for_completion',
  'optee_notif_wait',
]);
/** The same for a task that waits for the end of another one. */
const BEHIND_A_TASK = 'join';

/**
 * Waits that nobody will end. To be asked at rest: nothing can run, no timer is left, a supplicant
 * is connected that has answered whatever it was given. Stuck is who sleeps then, unless
 * - it is a task of the system that was there before the scenario (an idle kernel thread), or
 * - it is a daemon's that sleeps interruptibly: it waits for work.
 */
export function stuck({ box, ofSystem }: Run): readonly Complaint[] {
  const tasks = box.sched.blocked().filter((task) => !ofSystem.has(task) && !waitsForWork(task));
  const waits = causesAmong(tasks).map(
    (task) => `${task.daemon ? 'a daemon' : 'a caller'} sleeps for ever in ${task.blocked!.site}`,
  );
  return [...new Set(waits)].sort().map((text) => ({ oracle: 'stuck', text }));
}

/** Without those that only wait for others, unless there are no others. */
function causesAmong(tasks: readonly Task[]): readonly Task[] {
  const own = tasks.filter(({ blocked }) => blocked!.site !== BEHIND_A_TASK);
  const first = own.filter(({ daemon, blocked }) => daemon || !BEHIND_CALLERS.has(blocked!.site));
  return [first, own, tasks].find((some) => some.length > 0) ?? [];
}

/** Calls that said they had done what they have not. */
export const wrongAnswers = ({ wrongAnswers: texts }: Run): readonly Complaint[] =>
  [...new Set(texts.map(withoutNumbers))].map((text) => ({ oracle: 'wrong answer', text }));

/** A daemon that ended by itself, and not because it was done. */
export function gaveUp({ daemons }: Run): readonly Complaint[] {
  return daemons.flatMap(({ process: { name, exitStatus } }) => {
    if (exitStatus?.kind !== 'exited' || exitStatus.code === 0) return [];
    return [{ oracle: 'daemon gave up', text: `${name}: ${formatExit(exitStatus)}` }];
  });
}

/** Who is stuck even though every process has been sent SIGKILL; code of the kernel cannot be. */
export function unkillable(run: Run): readonly Complaint[] {
  return stuck(run).map(({ text }) => ({ oracle: 'unkillable', text }));
}

const waitsForWork = (task: Task): boolean =>
  task.daemon && task.signals !== undefined && task.blocked?.mode === 'interruptible';

/** What is there beyond what was there before, once every process has gone. */
export function leaks(before: Held, now: Held): readonly Complaint[] {
  const kinds = leftBehind(before, now);
  if (kinds.length === 0) return [];
  const grew = (kind: string): boolean => (now[kind] ?? 0) > (before[kind] ?? 0);
  const text = kinds.map((kind) => (grew(kind) ? kind : `too few ${kind}`));
  return [{ oracle: 'leak', text: `left behind: ${text.join(', ')}` }];
}

/** A device that cannot be opened although no process has it open. */
export const cannotOpen = (path: string, when: string): Complaint => ({
  oracle: 'device busy',
  text: `${path} cannot be opened ${when}`,
});

/** A run that goes on and on. */
export const endless = ({ message }: EndlessRun): Complaint => ({
  oracle: 'livelock',
  text: withoutNumbers(message),
});
