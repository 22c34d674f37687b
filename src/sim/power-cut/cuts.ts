/**
 * The moments at which power can go, and what is on the disk then. A disk keeps what was done before
 * the last sync, as a journalling file system does whose every sync commits all that came before.
 * Of what came after it, each single thing may be missing, and the write under way may be there in
 * part, whole sectors of it. Left out: several things missing at once, bits that flip.
 */
import type { MemoryStore } from '../../host/memory-store.ts';
import { opText, storeAfter } from './logged-store.ts';
import type { StoreOp } from './logged-store.ts';

const SECTOR_BYTES = 512;

/** A power cut: `step` things were done before it. */
export interface Cut {
  readonly step: number;
  /** Sectors of the write under way that have arrived. */
  readonly torn?: number;
  /** Number of a thing since the last sync that has not arrived. */
  readonly lost?: number;
}

/** Every cut of a run, in order. */
export function* cutsOf(ops: readonly StoreOp[]): Generator<Cut, void, void> {
  let synced = 0;
  for (let step = 0; step <= ops.length; step++) {
    yield { step };
    for (let lost = synced; lost < step - 1; lost++) yield { step, lost };
    const next = ops[step];
    if (next?.kind === 'sync') synced = step + 1;
    if (next?.kind === 'write') yield* tornWrites(step, next.data.length);
  }
}

/** A write of one sector is there or not; a longer one may have stopped at either end. */
function* tornWrites(step: number, bytes: number): Generator<Cut, void, void> {
  const sectors = Math.ceil(bytes / SECTOR_BYTES);
  if (sectors > 1) yield { step, torn: 1 };
  if (sectors > 2) yield { step, torn: sectors - 1 };
}

/** What is on the disk after a cut. */
export function diskAfter(ops: readonly StoreOp[], { step, torn, lost }: Cut): MemoryStore {
  const done = ops.slice(0, step).filter((_, n) => n !== lost);
  const next = ops[step];
  if (torn !== undefined && next?.kind === 'write') {
    done.push({ ...next, data: next.data.subarray(0, torn * SECTOR_BYTES) });
  }
  return storeAfter(done);
}

/** As text, also for --at: `17`, `17:torn1`, `17:lost15`. */
export function cutName({ step, torn, lost }: Cut): string {
  if (torn !== undefined) return `${step}:torn${torn}`;
  return lost === undefined ? `${step}` : `${step}:lost${lost}`;
}

/** The cut of a name; undefined when it is none. */
export function parseCut(name: string): Cut | undefined {
  const match = /^(\d+)(?::(torn|lost)(\d+))?$/.exec(name);
  if (match === null) return undefined;
  const step = Number(match[1]);
  return match[2] === undefined ? { step } : { step, [match[2]]: Number(match[3]) };
}

/** What happened at a cut, in words. */
export function cutText(ops: readonly StoreOp[], { step, torn, lost }: Cut): string {
  const next = ops[step];
  const before = next === undefined ? 'after the last step' : `before "${opText(next)}"`;
  if (torn !== undefined && next !== undefined) return `within "${opText(next)}"`;
  const missing = lost === undefined ? undefined : ops[lost];
  return missing === undefined ? before : `${before}, "${opText(missing)}" not on the disk`;
}
