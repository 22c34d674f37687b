/**
 * What a box holds, counted by kind. Counts are the same before and after a run that leaves nothing
 * behind.
 */
import { usageOf } from '../box/report.ts';
import type { Box } from '../box/box.ts';

export type Held = Readonly<Record<string, number>>;

/** Follows from something else that is counted, unless it is alone. */
const CONSEQUENCES: ReadonlySet<string> = new Set([
  'pages',
  'pins',
  'kernel objects',
  'secure heap bytes',
  'mapped pages of the secure world',
  'users of devices',
  'messages of calls',
  'threads of calls',
  'tasks',
]);

export function heldBy(box: Box): Held {
  const { kernel, optee, tee } = box;
  const { registeredShm, sessions, secureThreads, taRamBytes, shm, pages, pins } = usageOf(box);
  const secure = box.opteeOs.usage();
  const { total, free, systemSessions } = optee.callQueue.threads;
  const contexts = [...tee.contexts];
  const perDevice = tee.devices.map(({ name }): [string, number] => [
    `contexts of ${name}`,
    contexts.filter(({ teedev }) => teedev.name === name).length,
  ]);
  return {
    ...Object.fromEntries(perDevice),
    'shared memory ids': shm,
    'registered memory of the secure world': registeredShm,
    sessions,
    'secure threads': secureThreads,
    'TA contexts': secure.contexts,
    'TA RAM bytes': taRamBytes,
    'system sessions': systemSessions,
    'calls in the queue': optee.callQueue.length,
    'requests to the supplicant': optee.supp.outstanding.length,
    'open files': kernel.openFiles().length,
    pages,
    pins,
    'kernel objects': kernel.addresses.size,
    'secure heap bytes': secure.heapBytes,
    'mapped pages of the secure world': secure.mappedShmPages,
    'users of devices': tee.devices.reduce((sum, { numUsers }) => sum + numUsers, 0),
    'messages of calls': optee.argCache.slots.used,
    'threads of calls': total - free,
    // Those that are called from outside are retired when the next one is made.
    tasks: [...kernel.sched.tasks].filter(({ isCalled }) => !isCalled).length,
  };
}

/** Kinds of which there is another number now; consequences only when nothing else tells of them. */
export function leftBehind(before: Held, now: Held): readonly string[] {
  const kinds = new Set([...Object.keys(before), ...Object.keys(now)]);
  const changed = [...kinds].filter((kind) => (now[kind] ?? 0) !== (before[kind] ?? 0));
  const causes = changed.filter((kind) => !CONSEQUENCES.has(kind));
  return causes.length > 0 ? causes : changed;
}
