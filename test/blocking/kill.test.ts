/**
 * SIGKILL at every place where the TEE's code sleeps, found by running scenarios, and at each of the
 * times that somebody sleeps there: the others must not notice, and what the victim had must come
 * back. Upstream's bugs are switched off; what they do is in `quirks.test.ts`.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { PROFILES, withoutQuirks } from '../../src/index.ts';
import type { Profile } from '../../src/index.ts';
import type { WaitMode } from '../../src/sched/task.ts';
import { finish, settled } from './after.ts';
import { SCENARIOS } from './scenarios.ts';
import type { Scenario } from './scenarios.ts';
import { ELSEWHERE, SITES } from './sites.ts';
import { Stage } from './stage.ts';
import type { Moment } from './stage.ts';

/** Schedules of each scenario that are looked at; 0 is first come, first served. */
const SEEDS = Array.from(
  { length: Number(process.env['TEEBOX_BLOCKING_SEEDS'] ?? 6) },
  (_, n) => n,
);
/** Scenarios in which somebody is killed at a site, and kills there in each, at most. */
const SCENARIOS_EACH = 3;
const KILLS_EACH = 12;

/** Where a site is reached. */
interface Way {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly times: number;
}

/** What runs of all scenarios showed of a profile. */
interface Survey {
  readonly profile: Profile;
  /** By site, one way in each scenario. */
  readonly ways: Map<string, Way[]>;
  readonly modes: Map<string, Set<WaitMode>>;
  /** Of anybody: of kernel threads as well. */
  readonly passed: Set<string>;
}

function stageOf(profile: Profile, scenario: Scenario, seed: number, killAt?: Moment): Stage {
  const stage = new Stage(profile, scenario.options?.() ?? {}, seed, killAt);
  scenario.start(stage);
  return stage;
}

function survey(profile: Profile): Survey {
  const found = { profile, ways: new Map(), modes: new Map(), passed: new Set<string>() };
  for (const scenario of SCENARIOS) {
    for (const seed of SEEDS) {
      const stage = stageOf(profile, scenario, seed);
      settled(stage);
      note(found, stage, scenario, seed);
      finish(stage, scenario);
      for (const site of stage.box.sched.sites.keys()) found.passed.add(site);
    }
  }
  return found;
}

/** @param stage at its first rest. */
function note({ ways, modes }: Survey, stage: Stage, scenario: Scenario, seed: number): void {
  for (const [site, seen] of stage.sites) {
    if (ELSEWHERE.has(site)) continue;
    modes.set(site, new Set([...(modes.get(site) ?? []), ...seen.modes]));
    const places = ways.get(site) ?? [];
    ways.set(site, places);
    if (places.some((way) => way.scenario === scenario)) continue;
    places.push({ scenario, seed, times: seen.times });
  }
}

const surveys = Object.values(PROFILES).map(withoutQuirks).map(survey);

describe('wait sites of the TEE', () => {
  const reached = new Set(surveys.flatMap(({ ways }) => [...ways.keys()]));

  it('that were seen are all in the table', () => {
    const passed = new Set([...reached, ...surveys.flatMap((found) => [...found.passed])]);
    const known = new Set([...Object.keys(SITES), ...ELSEWHERE]);
    assert.deepEqual(
      [...passed].filter((site) => !known.has(site)),
      [],
    );
  });

  it('in the table are reached, or say why not', () => {
    const missing = Object.entries(SITES).filter(
      ([site, { unreached }]) => reached.has(site) === (unreached !== undefined),
    );
    assert.deepEqual(
      missing.map(([site]) => site),
      [],
    );
  });

  for (const { profile, modes } of surveys) {
    it(`let through the signals that the table says, ${profile.name}`, () => {
      const seen = [...modes].map(([site, set]) => [site, [...set]]);
      const expected = [...modes.keys()].map((site) => [site, [SITES[site]?.mode]]);
      assert.deepEqual(seen, expected);
    });
  }

  it('in the sources are those of the table', () => {
    const room = new URL('../../src/linux/tee/', import.meta.url);
    const files = readdirSync(room, { recursive: true, encoding: 'utf8' }).filter(
      (path) => path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.includes('testing/'),
    );
    const named =
      /(?:new (?:WaitQueue|Completion)\([^,]+, |: LockClass = \{ name: |\.park\()'([^']+)'/g;
    const sites = files.flatMap((path) =>
      [...readFileSync(new URL(path, room), 'utf8').matchAll(named)].map(([, site = '']) => site),
    );
    const ofMachine = 'cpu in secure world';
    assert.deepEqual([...new Set([...sites, ofMachine])].sort(), Object.keys(SITES).sort());
  });
});

for (const { profile, ways } of surveys) {
  describe(`a client that is killed, ${profile.name}`, () => {
    for (const [site, places] of ways) {
      for (const { scenario, seed, times } of places.slice(0, SCENARIOS_EACH)) {
        const kills = Math.min(times, KILLS_EACH);
        it(`in ${site}: ${scenario.name} (seed ${seed}, ${kills} of ${times} times)`, () => {
          for (let nth = 1; nth <= kills; nth++) {
            const stage = stageOf(profile, scenario, seed, { site, nth });
            settled(stage);
            assert.notEqual(stage.victim, undefined, 'somebody was killed');
            finish(stage, scenario);
          }
        });
      }
    }
  });
}
