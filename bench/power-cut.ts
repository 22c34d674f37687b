/** How many power cuts a search tries in a second: each reboots a box and looks at every object. */
import { TEE_STORAGE_PRIVATE_REE } from '../src/abi/gp.ts';
import { nodeHost } from '../src/host/node/host.ts';
import { DEFAULT_PROFILE, PROFILES, withoutQuirks } from '../src/index.ts';
import { searchPowerCuts } from '../src/sim/power-cut/search.ts';
import type { Row } from './row.ts';
import { rowOf } from './samples.ts';

const ROUNDS = 10;
/** Changes to objects in a run. */
const STEPS = 12;
const LEAST_PER_SECOND = 200;

export async function* powerCut(): AsyncGenerator<Row> {
  const subject = {
    profile: withoutQuirks(PROFILES[DEFAULT_PROFILE]),
    storage: TEE_STORAGE_PRIVATE_REE,
  };
  const rates: number[] = [];
  for (let seed = 0; seed <= ROUNDS; seed++) {
    const { reboots, seconds } = searchPowerCuts(nodeHost(), { ...subject, seed, steps: STEPS });
    // The first is to warm up.
    if (seed > 0) rates.push(reboots / seconds);
  }
  const goal = { of: 'median', bound: 'at least', value: LEAST_PER_SECOND } as const;
  yield rowOf('power-cut', rates, { unit: 'boxes/s', goal });
}
