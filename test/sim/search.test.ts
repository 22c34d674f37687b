/** Searches: alive, repeatable, and right about what they find. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PROFILES } from '../../src/box/profiles.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { RandomPolicy, ReplayPolicy } from '../../src/sched/policy.ts';
import { execute } from '../../src/sim/execute.ts';
import { NotDeterministic, replay } from '../../src/sim/replay.ts';
import type { Scenario } from '../../src/sim/scenario.ts';
import { CANARY, LOCKED_CANARY } from '../../src/sim/scenarios/canary.ts';
import { SCENARIOS } from '../../src/sim/scenarios/index.ts';
import { search } from '../../src/sim/search.ts';
import { shrink } from '../../src/sim/shrink.ts';
import { CanaryNotFound, findCanary } from '../../src/sim/smoke.ts';
import { STRATEGIES } from '../../src/sim/strategies.ts';

const HOST = nodeHost();
const PROFILE = PROFILES['linux-7.3'];
const LOST = { oracle: 'kernel BUG', text: 'canary: an addition was lost' };
const NOTHING = { begin: () => {} };

for (const strategy of STRATEGIES) {
  describe(`the ${strategy} search`, () => {
    it('finds the canary, and its schedule shows it again', async () => {
      const { oracle, text, choices, bugs } = await findCanary(HOST, strategy);
      assert.deepEqual({ oracle, text }, LOST);
      assert.deepEqual(bugs, [], 'no bug of upstream is to blame');
      const run = { scenario: CANARY, profile: PROFILE, policy: new ReplayPolicy(choices) };
      assert.deepEqual(execute(HOST, run).complaint, LOST);
    });

    it('says so when it does not find its canary', async () => {
      await assert.rejects(findCanary(HOST, strategy, LOCKED_CANARY), CanaryNotFound);
    });

    it('gives the same twice', async () => {
      const options = { profile: PROFILE, strategy, schedules: 40, seed: 7 };
      const once = await search(HOST, CANARY, options);
      const again = await search(HOST, CANARY, options);
      assert.deepEqual({ ...once, seconds: 0 }, { ...again, seconds: 0 });
    });
  });
}

describe('an exhaustive search', () => {
  it('comes to an end, and then nothing is left to be found', async () => {
    const options = { profile: PROFILE, strategy: 'exhaustive', schedules: 1000 } as const;
    const { exhausted, findings, schedules, distinct } = await search(HOST, LOCKED_CANARY, options);
    assert.deepEqual([exhausted, findings], [true, []]);
    assert.equal(schedules, distinct, 'no schedule is tried twice');
  });

  it('finds nothing that takes a preemption when it may make none', async () => {
    const options = {
      profile: PROFILE,
      strategy: 'exhaustive',
      schedules: 1000,
      bound: 0,
    } as const;
    const { exhausted, findings } = await search(HOST, CANARY, options);
    assert.deepEqual([exhausted, findings], [true, []]);
  });
});

describe('a replay', () => {
  for (const scenario of SCENARIOS) {
    it(`of ${scenario.name} has the same events, to the byte`, () => {
      for (const seed of [1, 2, 3]) {
        const run = { scenario, profile: PROFILE, policy: new RandomPolicy(seed) };
        const traced = replay(HOST, run, NOTHING);
        const untraced = execute(HOST, { ...run, policy: new RandomPolicy(seed) });
        assert.deepEqual(traced.choices, untraced.choices, 'to look on changes nothing');
        assert.deepEqual(traced.complaint, untraced.complaint);
      }
    });
  }

  it('notices what is not the same', () => {
    let runs = 0;
    const moody: Scenario = {
      name: 'moody',
      summary: 'does something else each time',
      boot: () => ({}),
      start: ({ box }) => box.kernel.printk(`run ${(runs += 1)}`),
    };
    const run = { scenario: moody, profile: PROFILE, policy: new RandomPolicy(1) };
    assert.throws(() => replay(HOST, run, NOTHING), NotDeterministic);
  });

  it('is of another schedule with another seed', () => {
    const choices = [1, 2].map((seed) => {
      const policy = new RandomPolicy(seed);
      return execute(HOST, { scenario: SCENARIOS[0]!, profile: PROFILE, policy }).choices;
    });
    assert.notDeepEqual(choices[0], choices[1]);
  });
});

describe('shrinking', () => {
  const shows = (choices: readonly number[]): boolean => {
    const policy = new ReplayPolicy(choices);
    const { complaint } = execute(HOST, { scenario: CANARY, profile: PROFILE, policy });
    return complaint?.text === LOST.text;
  };

  it('leaves a schedule that shows the same, and of which everything is needed', async () => {
    const options = { profile: PROFILE, strategy: 'random', schedules: 200 } as const;
    const { findings } = await search(HOST, CANARY, options);
    const { choices, ...complaint } = findings[0]!;
    const small = shrink(HOST, CANARY, PROFILE, complaint, [...choices, 1, 1, 1, 1]);
    assert.ok(shows(small));
    assert.ok(small.length < choices.length);
    for (const [n, choice] of small.entries()) {
      if (choice !== 0) assert.ok(!shows(small.with(n, 0)), `choice ${n} is not needed`);
    }
  });
});
