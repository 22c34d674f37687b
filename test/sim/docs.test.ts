/** The lines of docs/search.md show what the page says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { PROFILES, isProfileName } from '../../src/box/profiles.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { RandomPolicy, ReplayPolicy } from '../../src/sched/policy.ts';
import { execute } from '../../src/sim/execute.ts';
import { classOf } from '../../src/sim/findings.ts';
import { decodeChoices } from '../../src/sim/schedule.ts';
import { findScenario } from '../../src/sim/scenarios/index.ts';
import { PAGE, readRows } from './search-table.ts';

const LINE =
  /^npx teebox replay (\S+) --profile (\S+) (?:--policy random --seed (\d+)|--choices (\w+))$/;

function shownBy(line: string): string {
  const [, name = '', profile = '', seed, choices] = LINE.exec(line) ?? [];
  const scenario = findScenario(name);
  assert.ok(scenario !== undefined && isProfileName(profile), line);
  const policy =
    choices === undefined
      ? new RandomPolicy(Number(seed))
      : new ReplayPolicy(decodeChoices(choices));
  const { complaint } = execute(nodeHost(), { scenario, profile: PROFILES[profile], policy });
  return complaint === undefined ? 'nothing' : classOf(complaint);
}

describe('docs/search.md', () => {
  const rows = readRows(readFileSync(PAGE, 'utf8'));

  it('has rows', () => assert.ok(rows.length >= 14));

  for (const { bug, looks, replay } of rows) {
    it(`${bug}: ${replay.slice(0, 60)}…`, () => {
      assert.equal(
        shownBy(replay),
        looks,
        'run node test/sim/search-table.ts, and look at what changed',
      );
    });
  }
});
