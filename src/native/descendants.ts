/** Which processes belong to a native program: those in its memory, and all that it has started. */
import { pid as ownPid } from 'node:process';
import { childrenOf, filtersOf, liveThreadOf, nameOf } from './proc.ts';
import { sendSignal } from './send-signal.ts';
import type { VmAccess } from './vm-access.ts';

/** The processes with a process's address space: itself, and its vfork children while they run in it. */
export function sharersOf(pid: number, vm: VmAccess): readonly number[] {
  const found = [pid];
  for (const parent of found) {
    found.push(...childrenOf(parent).filter((child) => vm.isShared(child, pid)));
  }
  return found;
}

/**
 * Processes, and all that they have started: children, and orphans. Those are this process's
 * (reaper.ts), and have a filter more than it.
 */
function withDescendants(pids: readonly number[]): readonly number[] {
  const own = filtersOf(ownPid);
  const orphans = childrenOf(ownPid).filter((child) => filtersOf(child) > own);
  const found = new Set([...pids, ...orphans]);
  for (const parent of found) for (const child of childrenOf(parent)) found.add(child);
  return [...found];
}

/**
 * Kills processes and what they have started, until none is left.
 * @returns their names; of those that had ended by themselves, none
 */
export function killWithDescendants(pids: readonly number[]): readonly string[] {
  const killed = new Map<number, string>();
  const isLeft = (pid: number): boolean => !killed.has(pid) && liveThreadOf(pid) !== undefined;
  for (;;) {
    const left = withDescendants(pids).filter(isLeft);
    if (left.length === 0) return [...killed.values()];
    for (const pid of left) {
      killed.set(pid, nameOf(pid));
      sendSignal(pid, 'SIGKILL');
    }
  }
}
