/** The report at the end of a run: calls with latencies, pools, and what was left behind by whom. */
import type { File } from '../linux/process/file.ts';
import { dataOf } from '../linux/tee/optee/context.ts';
import type { TeeContext } from '../linux/tee/tee-context.ts';
import type { Kernel } from '../linux/process/kernel.ts';
import type { Program } from '../linux/process/program.ts';
import type { TeeSubsystem } from '../linux/tee/tee-subsystem.ts';
import type { OpteeOs } from '../optee-os/optee-os.ts';
import type { Halt } from '../sched/halt.ts';
import type { Cause } from '../trace/events.ts';
import type { CallLine, CauseLine, PoolLine } from './statistics.ts';

/** What is counted: the parts of a box. */
export interface Counted {
  readonly kernel: Kernel;
  readonly tee: TeeSubsystem;
  readonly opteeOs: OpteeOs;
  readonly supplicant: Program | undefined;
}

/** What a report is made from: a box. */
export interface Reported extends Counted {
  readonly profile: { readonly name: string };
  readonly seed: number;
  readonly statistics: Pick<Report, 'calls' | 'pools' | 'causes'>;
  readonly baseline: Usage;
  readonly halted: Halt | undefined;
}

/** Something that is still there and should not be. */
export interface Leak {
  readonly what: string;
  readonly count: number;
  readonly owner: string;
}

/** Everything that a run can leave behind, counted; equal before and after a clean run. */
export interface Usage {
  readonly sessions: number;
  readonly secureThreads: number;
  readonly registeredShm: number;
  readonly taRamBytes: number;
  readonly shm: number;
  readonly contexts: number;
  /** Page frames beyond the memory of living programs. */
  readonly pages: number;
  readonly pins: number;
}

export interface Report {
  readonly profile: string;
  readonly seed: number;
  readonly calls: readonly CallLine[];
  readonly pools: readonly PoolLine[];
  readonly causes: readonly CauseLine[];
  readonly leaks: readonly Leak[];
  readonly halted: string | undefined;
}

const liveContexts = (box: Counted): readonly TeeContext[] => [...box.tee.contexts];

/** What is in use now. */
export function usageOf(box: Counted): Usage {
  const secure = box.opteeOs.usage();
  const { pages } = box.kernel;
  const devices = box.tee.devices;
  return {
    sessions: secure.sessions,
    secureThreads: secure.threads,
    registeredShm: secure.registeredShm,
    taRamBytes: secure.taRamBytes,
    shm: devices.reduce((sum, teedev) => sum + teedev.idr.size, 0),
    contexts: liveContexts(box).length,
    // A living program's own memory is no leak.
    pages: box.kernel.processes.alive.reduce((n, { mm }) => n - mm.mm.rss, pages.usedPages),
    pins: pages.pinsOutstanding,
  };
}

/**
 * What is in use beyond the baseline, with owners where one is known.
 * @param native files that native programs hold, which the kernel's tables do not know.
 */
export function leaksOf(
  box: Counted,
  before: Usage,
  native: readonly File[] = [],
): readonly Leak[] {
  const now = usageOf(box);
  const leaks: Leak[] = [];
  for (const ctx of liveContexts(box)) {
    const sessions = ctx.suppNowait ? 0 : dataOf(ctx).sessions.size;
    if (sessions > 0) leaks.push({ what: 'sessions', count: sessions, owner: ownerOf(ctx) });
  }
  for (const file of native) leaks.push({ what: 'fd', count: 1, owner: file.path });
  for (const { pid, fd, file } of box.kernel.openFiles()) {
    if (pid === box.supplicant?.pid || !file.path.includes('tee')) continue;
    leaks.push({ what: 'fd', count: 1, owner: `pid ${pid} fd ${fd} ${file.path}` });
  }
  const counted = ['secureThreads', 'registeredShm', 'taRamBytes', 'shm', 'pages', 'pins'] as const;
  for (const what of counted) {
    const count = now[what] - before[what];
    if (count > 0) leaks.push({ what, count, owner: 'box' });
  }
  return leaks;
}

const ownerOf = (ctx: TeeContext): string => `${ctx.teedev.name} context ${ctx.serial}`;

export function reportOf(box: Reported, native: readonly File[] = []): Report {
  return {
    profile: box.profile.name,
    seed: box.seed,
    calls: box.statistics.calls,
    pools: box.statistics.pools,
    causes: box.statistics.causes,
    leaks: leaksOf(box, box.baseline, native),
    halted: box.halted === undefined ? undefined : `${box.halted.kind}: ${box.halted.text}`,
  };
}

const us = (n: number): string => (n >= 100 ? n.toFixed(0) : n.toFixed(1));

function causeText(cause: Cause, count: number): string {
  const { code, layer, text, object, requested, available, limit, hint } = cause;
  const facts = [
    object,
    requested === undefined ? undefined : `asked for ${requested}`,
    available === undefined ? undefined : `there is ${available}`,
    limit,
  ].filter((fact) => fact !== undefined);
  const detail = facts.length === 0 ? '' : ` (${facts.join(', ')})`;
  const times = count === 1 ? '' : ` ${count}×`;
  return `${code}${times} [${layer}] ${text}${detail}${hint === undefined ? '' : ` — ${hint}`}`;
}

/** The report as lines for a person. */
export function formatReport(report: Report): string {
  const lines = [`-- teebox: profile ${report.profile}`];
  if (report.halted !== undefined) lines.push(`   halted: ${report.halted}`);
  for (const { call, count, failed, medianUs, maxUs } of report.calls) {
    const failures = failed > 0 ? `, ${failed} failed` : '';
    lines.push(
      `   ${call.padEnd(24)} ${String(count).padStart(7)}×  median ${us(medianUs)} µs, max ${us(maxUs)} µs${failures}`,
    );
  }
  for (const { pool, highWater, limit, unit } of report.pools) {
    lines.push(`   pool ${pool.padEnd(19)} ${highWater} of ${limit} ${unit} at most`);
  }
  for (const { cause, count } of report.causes) {
    lines.push(`   why ${causeText(cause, count)}`);
    for (const event of cause.events ?? []) lines.push(`         after ${event}`);
  }
  if (report.leaks.length === 0) lines.push('   nothing leaked');
  for (const { what, count, owner } of report.leaks) {
    lines.push(`   LEAK ${what}: ${count} (${owner})`);
  }
  return lines.join('\n');
}
