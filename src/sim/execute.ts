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

/** Who looks on while a schedule runs. */
export interface Watch {
  readonly level: TraceLevel;
  /** Events that are kept. */
  readonly capacity: number;
  /** Called when the box has booted, before the scenario starts. */
  readonly begin: (box: Box) => void;
}

/** What one schedule showed. */
export interface Verdict {
  readonly box: Box;
  /** As ReplayPolicy takes them. */
  readonly choices: readonly number[];
  readonly complaint: Complaint | undefined;
}

const UNWATCHED: Watch = { level: 'off', capacity: NO_EVENTS, begin: () => {} };

export function execute(host: Host, run: Execution, watch: Watch = UNWATCHED): Verdict {
  const { config, ...boot } = run.scenario.boot(host);
  const box = new Box(host, {
    supplicant: 'none',
    board: SMALL,
    ...boot,
    // Otherwise looking for a TA in secure storage takes most of the requests to the supplicant.
    config: { CFG_SECSTOR_TA: false, ...config },
    profile: run.profile,
    policy: run.policy,
    seed: BOX_SEED,
    trace: watch.level,
    traceCapacity: watch.capacity,
  });
  try {
    const running = new Run(box);
    const before = heldBy(box);
    watch.begin(box);
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
