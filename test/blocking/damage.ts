/**
 * Damage to what goes through the wall: a scenario in which one thing is made wrong, and what must be
 * well all the same.
 */
import assert from 'node:assert/strict';
import { TEEC_ERROR_SECURITY } from '../../src/abi/gp.ts';
import type { Box, Profile } from '../../src/index.ts';
import type { Program } from '../../src/linux/process/program.ts';
import { formatExit } from '../../src/linux/process/user-process.ts';
import { client, increment, refused, sharing, waiting } from './clients.ts';
import { brokenTa } from './scenarios.ts';
import { Stage } from './stage.ts';
import { MANY_UUID, MISSING_UUID } from './tas.ts';
import { Tap } from './tap.ts';

/** What is done to a byte of something, of which it is the n-th. */
export const DAMAGES: Readonly<Record<string, (byte: number, n: number) => number>> = {
  'its lowest bit': (byte, n) => (n === 0 ? byte ^ 1 : byte),
  'all its bits': (byte) => byte ^ 0xff,
};

/** Damages bytes in place. */
export function spoil(bytes: Uint8Array, how: string): void {
  bytes.set(bytes.map((byte, n) => DAMAGES[how]!(byte, n)));
}

/** A run in which something is made wrong once. */
export interface Spoilt {
  readonly stage: Stage;
  /** Undefined as long as nothing was done. */
  struck: { readonly whose: Program | undefined } | undefined;
}

/**
 * A client whose calls share memory, and one that has a TA looked for.
 * @param sit sits on the wall, and calls `strike` when it does its damage.
 */
export function play(profile: Profile, sit: (box: Box, strike: () => void) => void): Spoilt {
  const stage = new Stage(profile, { taStore: brokenTa() }, 0);
  const spoilt: Spoilt = { stage, struck: undefined };
  stage.supplicant();
  sit(stage.box, () => {
    spoilt.struck = { whose: stage.running() };
  });
  stage.client('one', client(MANY_UUID, waiting(1), sharing(5000)));
  stage.client('two', refused(MISSING_UUID, [TEEC_ERROR_SECURITY]));
  stage.run.settle();
  return spoilt;
}

/** How far a damage may reach. */
interface Reach {
  /** The kernel may follow a wild pointer, and end. */
  readonly kernel: boolean;
  /** Calls that were under way may suffer as well. */
  readonly others: boolean;
  /** A secure thread may be lost for ever, with what it holds. */
  readonly later: boolean;
}

/**
 * The secure world trusts nobody. The kernel trusts the secure world, and what it handed out itself;
 * and both believe that the registers say whose call goes on.
 */
export const REACHES = {
  'the call itself': { kernel: false, others: false, later: false },
  'whose call it is': { kernel: false, others: true, later: true },
  'what the kernel believes': { kernel: true, others: true, later: false },
  'whether the call goes on': { kernel: true, others: true, later: true },
} as const satisfies Readonly<Record<string, Reach>>;

/** How Linux ends when it follows a wild pointer. */
const OOPSES: ReadonlySet<string> = new Set(['kernel BUG', 'use after free']);

/** The damage was done, and reached no further than it may. */
export function assertGoesOn({ stage, struck }: Spoilt, what: string, reach: Reach): void {
  assert.ok(struck !== undefined, `${what}: there was nothing to spoil`);
  const { halted } = stage.box;
  if (halted !== undefined) {
    const { kind, error } = halted;
    assert.ok(reach.kernel && OOPSES.has(kind), `${what}: ${kind} ${error.stack}`);
    return;
  }
  if (!reach.others) assertOthersFine(stage, struck.whose, what);
  if (reach.later) return;
  new Tap(stage.box, {});
  const other = stage.client('other', client(MANY_UUID, increment, sharing(5000)));
  stage.run.settle();
  assert.deepEqual(other.process.exitStatus, { kind: 'exited', code: 0 }, what);
}

function assertOthersFine({ programs }: Stage, victim: Program | undefined, what: string): void {
  for (const program of programs) {
    const { name, exitStatus } = program.process;
    if (program === victim || name === 'tee-supplicant') continue;
    const how = exitStatus === undefined ? 'has not ended' : formatExit(exitStatus);
    assert.equal(how, 'exit 0', `${what}: ${name}`);
  }
}
