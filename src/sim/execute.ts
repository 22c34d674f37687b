/** One schedule from boot to verdict: the unit of every search and every replay. */
import { SMALL } from '../boards/boards.ts';
import { Box } from '../box/box.ts';
import type { Profile } from '../box/profiles.ts';
import type { Host, RamBacking } from '../host/host.ts';
import type { Policy } from '../sched/policy.ts';
import type { TraceLevel } from '../trace/events.ts';
import type { Complaint } from './findings.ts';
import { heldBy } from './held.ts';
import { judge } from './judge.ts';
import { Run } from './run.ts';
import type { Scenario } from './scenario.ts';

/** Keys, nonces and the like: the same in every run, so that choices alone make a schedule. */
const BOX_SEED = 1;
/** Searches keep no events. */
const NO_EVENTS = 1;

export interface Execution {
  readonly scenario: Scenario;
  readonly profile: Profile;
  readonly policy: Policy;
}

export interface TraceOptions {
  readonly level: TraceLevel;
  /** Events that are kept. */
  readonly capacity: number;
}

/** What one schedule showed. */
export interface Verdict {
  readonly box: Box;
  readonly choices: readonly number[];
  readonly complaint: Complaint | undefined;
}

const UNTRACED: TraceOptions = { level: 'off', capacity: NO_EVENTS };

export function execute(host: Host, run: Execution, trace: TraceOptions = UNTRACED): Verdict {
  const box = new Box(host, {
    supplicant: 'none',
    board: SMALL,
    ...run.scenario.boot(host),
    profile: run.profile,
    policy: run.policy,
    seed: BOX_SEED,
    trace: trace.level,
    traceCapacity: trace.capacity,
  });
  try {
    const running = new Run(box);
    const before = heldBy(box);
    run.scenario.start(running);
    const complaint = judge(running, before);
    return { box, choices: box.sched.choices, complaint };
  } finally {
    box.dispose();
  }
}

/**
 * A host whose machines get the same RAM, one after the other: making it anew costs more than all
 * the rest of a box. Only one box at a time can be used.
 */
export function withOneRam(host: Host): Host {
  let kept: RamBacking | undefined;
  return {
    ...host,
    ram(sizeBytes) {
      if (kept?.bytes.length !== sizeBytes) {
        kept?.release();
        kept = host.ram(sizeBytes);
      } else {
        kept.bytes.fill(0);
      }
      return { bytes: kept.bytes, memory: kept.memory, release() {} };
    },
  };
}
