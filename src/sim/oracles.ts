/**
 * What must hold for any scenario, at certain moments of its end. Oracles know the kernel's promises
 * and nothing of its bugs: no switch of a profile is named or read here.
 */
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
export function halted({ box }: Run): readonly Complaint[] {
  const { halted: halt } = box;
  return halt === undefined ? [] : [{ oracle: HALTS[halt.kind], text: withoutNumbers(halt.text) }];
}

/**
 * A wait that nobody will end. To be asked at rest: nothing can run, no timer is left, a supplicant
 * is connected that has answered whatever it was given. Stuck is who sleeps then, unless
 * - it is a task of the system that was there before the scenario (an idle kernel thread), or
 * - it is a daemon's that sleeps interruptibly: it waits for work.
 */
export function stuck({ box, ofSystem }: Run): readonly Complaint[] {
  const waits = box.sched
    .blocked()
    .filter((task) => !ofSystem.has(task) && !waitsForWork(task))
    .map(
      (task) => `${kindOf(task)} sleeps for ever in ${task.blocked!.site} (${task.blocked!.mode})`,
    );
  return [...new Set(waits)].map((text) => ({ oracle: 'stuck', text }));
}

/** The same once every process has been sent SIGKILL. */
export function unkillable(run: Run): readonly Complaint[] {
  return stuck(run).map(({ text }) => ({ oracle: 'unkillable', text }));
}

const waitsForWork = (task: Task): boolean =>
  task.daemon && task.signals !== undefined && task.blocked?.mode === 'interruptible';

const kindOf = (task: Task): string => (task.signals === undefined ? 'kernel code' : 'a program');

/** What is there beyond what was there before, once every process has gone. */
export function leaks(before: Held, now: Held): readonly Complaint[] {
  return leftBehind(before, now).map((kind) => {
    const how = now[kind]! > before[kind]! ? 'left behind' : 'one too few';
    return { oracle: 'leak', text: `${kind} ${how}` };
  });
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
