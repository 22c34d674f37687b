/** The end of a scenario: who was not at fault must be well, and nothing may be left. */
import assert from 'node:assert/strict';
import { SIGKILL } from '../../src/abi/fcntl.ts';
import type { BoxOptions } from '../../src/index.ts';
import { heldBy, leftBehind } from '../../src/sim/held.ts';
import type { Held } from '../../src/sim/held.ts';
import { client, increment } from './clients.ts';
import { Stage } from './stage.ts';
import { MANY_UUID } from './tas.ts';

const PRIVILEGED = '/dev/teepriv0';

/** How a scenario ends. */
export interface Ending {
  /** Those of its box. */
  readonly options?: () => BoxOptions;
  /** The driver is gone in the end: nobody can open a device any more. */
  readonly removes?: boolean;
}

/** A supplicant, where there is none, and a client whose call must work. */
function comeAfter(stage: Stage): void {
  const { box } = stage;
  const served = box.kernel.openFiles().some(({ file }) => file.path === PRIVILEGED);
  if (!served) box.startSupplicant();
  stage.client('after', client(MANY_UUID, increment));
}

export function settled(stage: Stage): void {
  stage.run.settle();
  const { halted } = stage.box;
  assert.equal(halted, undefined, halted?.text);
}

/** Everybody but the victim must have ended well. */
function assertUnharmed({ programs, victim }: Stage): void {
  for (const { process } of programs) {
    if (process === victim?.process) {
      assert.deepEqual(process.exitStatus, { kind: 'killed', signal: SIGKILL });
    } else if (process.name !== 'tee-supplicant') {
      assert.deepEqual(process.exitStatus, { kind: 'exited', code: 0 }, process.name);
    }
  }
}

/** Kills everybody and unbinds the driver: what is held then is held by nobody. */
function emptied(stage: Stage, { removes = false }: Ending): Held {
  const { kernel, optee } = stage.box;
  for (const { pid } of kernel.processes.alive) kernel.processes.kill(pid, SIGKILL);
  settled(stage);
  if (!removes) stage.run.kernelTask('modprobe -r optee', optee.remove());
  settled(stage);
  return heldBy(stage.box);
}

/** What a box holds on which nothing has ever happened. */
const untouched = new Map<string, Held>();

function untouchedBox({ profile }: Stage['box'], { options }: Ending): Held {
  const given = options?.() ?? {};
  const key = `${profile.name} ${JSON.stringify(given.config)}`;
  let held = untouched.get(key);
  if (held === undefined) {
    held = emptied(new Stage(profile, given, 0), {});
    untouched.set(key, held);
  }
  return held;
}

/** From the first rest to an empty system. */
export function finish(stage: Stage, ending: Ending): void {
  if (ending.removes !== true) {
    comeAfter(stage);
    settled(stage);
  }
  assertUnharmed(stage);
  assertNothingLeft(stage, ending);
}

/** Once everybody has gone, and the driver, all is as if nothing had ever happened. */
export function assertNothingLeft(stage: Stage, ending: Ending): void {
  const held = emptied(stage, ending);
  assert.deepEqual(leftBehind(untouchedBox(stage.box, ending), held), []);
}
