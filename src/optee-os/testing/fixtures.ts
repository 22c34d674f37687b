/** For tests: worlds with one TA, results as pairs, and what must be zero in the end. */
import assert from 'node:assert/strict';
import { TaParamSlot } from '../../ta/runtime.ts';
import type { TaParams } from '../../ta/runtime.ts';
import { NormalWorld } from './normal-world.ts';
import type { MsgResult, WorldOptions } from './normal-world.ts';
import { success, testTa } from './test-ta.ts';
import type { TestEntry, TestTa } from './test-ta.ts';

export const UUID = '11111111-2222-3333-4444-555555555555';

/** Commands of the TA that `worldWith` makes. */
export const PANIC = 1;
export const WAIT = 2;

export const commands: Readonly<Record<number, TestEntry>> = {
  0: success,
  *[PANIC]({ tee }) {
    return tee.panic(0x42);
  },
  *[WAIT]({ tee }) {
    return yield* tee.wait(10);
  },
};

/** A world with one TA; `seen` holds the entry points that ran. */
export function worldWith(
  ta: Partial<TestTa>,
  options: WorldOptions = {},
): { world: NormalWorld; seen: string[] } {
  const seen: string[] = [];
  const image = testTa({ uuid: UUID, commands, seen, ...ta });
  return { world: new NormalWorld({ ...options, tas: [image] }), seen };
}

/** Runs one command of a TA, with other TAs beside it. */
export function inTa(
  body: TestEntry,
  others: readonly TestTa[] = [],
  options: WorldOptions = {},
): { world: NormalWorld; ret: number; session: number } {
  const tas = [{ uuid: UUID, commands: { 0: body } }, ...others].map(testTa);
  const world = new NormalWorld({ ...options, tas });
  const { session } = world.run(world.open(UUID));
  const { ret } = world.run(world.invoke(session, 0));
  return { world, ret, session };
}

export const outcome = ({ ret, origin }: MsgResult): number[] => [ret, origin];

/** Parameters of a call from one TA to another. */
export function taParams(types = 0, fill: (slots: TaParamSlot[]) => void = () => {}): TaParams {
  const slots = [1, 2, 3, 4].map(() => new TaParamSlot());
  fill(slots);
  return { types, slots };
}

/** Nothing is in use. */
export function assertClean(world: NormalWorld): void {
  assert.deepEqual(world.os.usage(), {
    threads: 0,
    sessions: 0,
    contexts: 0,
    registeredShm: 0,
    mappedShmPages: 0,
    taRamBytes: 0,
    heapBytes: 0,
  });
}
