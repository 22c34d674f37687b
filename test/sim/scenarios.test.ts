/**
 * A smoke run of the scenarios that campaigns search for hours: with upstream's bugs something is
 * found soon and put down to the right one, without them nothing is.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PROFILES, withoutQuirks } from '../../src/box/profiles.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { withOnly } from '../../src/sim/blame.ts';
import type { Scenario } from '../../src/sim/scenario.ts';
import { BUILTIN_SUPPLICANT } from '../../src/sim/scenarios/builtin-supplicant.ts';
import { SUPPLICANT } from '../../src/sim/scenarios/supplicant.ts';
import { THREADS } from '../../src/sim/scenarios/threads.ts';
import { search } from '../../src/sim/search.ts';
import type { Strategy } from '../../src/sim/strategies.ts';

const HOST = nodeHost();
const SCENARIOS = [SUPPLICANT, BUILTIN_SUPPLICANT, THREADS];
const KERNELS = ['linux-7.3', 'linux-6.1'] as const;

for (const kernel of KERNELS) {
  describe(`${kernel} without its bugs`, () => {
    for (const scenario of SCENARIOS) {
      for (const strategy of ['random', 'pct'] as const) {
        it(`${scenario.name}, ${strategy}: nothing is found`, async () => {
          const profile = withoutQuirks(PROFILES[kernel]);
          const { findings } = await search(HOST, scenario, { profile, strategy, schedules: 96 });
          assert.deepEqual(findings, []);
        });
      }
    }
  });
}

interface Hunt {
  readonly scenario: Scenario;
  readonly strategy: Strategy;
  readonly bug: string;
  /** What it looks like. */
  readonly as: RegExp;
}

/** Bugs that are found soon when they are alone. */
const HUNTS: readonly Hunt[] = [
  {
    scenario: SUPPLICANT,
    strategy: 'pct',
    bug: 'quirkSendQueuedRequest',
    as: /was answered, and freed, while it was queued/,
  },
  {
    scenario: SUPPLICANT,
    strategy: 'random',
    bug: 'quirkSupplRecvFaultLosesRequest',
    as: /^a caller sleeps for ever in optee_supp_thrd_req/,
  },
  {
    scenario: SUPPLICANT,
    strategy: 'random',
    bug: 'quirkSuppReleaseByShm',
    as: /teepriv0 cannot be opened by the next supplicant/,
  },
  {
    scenario: BUILTIN_SUPPLICANT,
    strategy: 'random',
    bug: 'quirkSupplicantLeavesOnEbadf',
    as: /^tee-supplicant: exit 1$/,
  },
];
const AT_MOST = 3000;

describe('one bug alone', () => {
  for (const { scenario, strategy, bug, as } of HUNTS) {
    it(`${bug} is found in ${scenario.name}`, async () => {
      const { findings } = await search(HOST, scenario, {
        profile: withOnly(PROFILES['linux-7.3'], new Set([bug])),
        strategy,
        schedules: AT_MOST,
        onProgress: (soFar) => (soFar.findings.length > 0 ? 'stop' : undefined),
      });
      assert.match(findings[0]?.text ?? 'nothing', as);
      assert.deepEqual(findings[0]?.bugs, [bug]);
    });
  }
});
