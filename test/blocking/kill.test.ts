/**
 * SIGKILL at every place where the TEE's code sleeps, found by running scenarios: the others must
 * not notice, and what the victim had must come back. Upstream's bugs are switched off; what they do
 * is in `quirks.test.ts`.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { PROFILES, withoutQuirks } from '../../src/index.ts';
import type { Profile } from '../../src/index.ts';
import { finish, settled } from './after.ts';
import { SCENARIOS } from './scenarios.ts';
import type { Scenario } from './scenarios.ts';
import { ELSEWHERE, SITES } from './sites.ts';
import { Stage } from './stage.ts';

/** Schedules of each scenario that are looked at; 0 is first come, first served. */
const SEEDS = Array.from(
  { length: Number(process.env['TEEBOX_BLOCKING_SEEDS'] ?? 6) },
  (_, n) => n,
);
/** Kills at each site. */
const KILLS = 3;

/** Where a site is reached. */
interface Way {
  readonly scenario: Scenario;
  readonly seed: number;
}

function stageOf(profile: Profile, { scenario, seed }: Way, killAt?: string): Stage {
  const stage = new Stage(profile, scenario.options?.() ?? {}, seed, killAt);
  scenario.start(stage);
  return stage;
}

const profiles = Object.values(PROFILES).map(withoutQuirks);

/** Ways to each site, by profile. */
const ways = new Map<Profile, Map<string, Way[]>>();
for (const profile of profiles) {
  const found = new Map<string, Way[]>();
  for (const scenario of SCENARIOS) {
    for (const seed of SEEDS) {
      const way = { scenario, seed };
      const stage = stageOf(profile, way);
      settled(stage);
      const sites = [...stage.sites];
      finish(stage, scenario);
      for (const site of sites) {
        if (ELSEWHERE.has(site)) continue;
        const known = found.get(site);
        if (known === undefined) found.set(site, [way]);
        else if (known.every((other) => other.scenario !== scenario)) known.push(way);
      }
    }
  }
  ways.set(profile, found);
}

for (const [profile, found] of ways) {
  describe(`a client that is killed, ${profile.name}`, () => {
    for (const [site, places] of found) {
      for (const way of places.slice(0, KILLS)) {
        it(`in ${site}: ${way.scenario.name} (seed ${way.seed})`, () => {
          const stage = stageOf(profile, way, site);
          settled(stage);
          assert.notEqual(stage.victim, undefined, 'somebody was killed');
          finish(stage, way.scenario);
        });
      }
    }
  });
}

describe('wait sites of the TEE', () => {
  const reached = new Set([...ways.values()].flatMap((found) => [...found.keys()]));

  it('that were seen are all in the table', () => {
    assert.deepEqual(
      [...reached].filter((site) => !Object.hasOwn(SITES, site)),
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
