/**
 * Each register of an SMC, wrong in turn: of every kind of SMC that a scenario makes, the first and
 * the last one, on its way in and on its way out.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  OPTEE_SMC_CALL_RETURN_FROM_RPC,
  OPTEE_SMC_CALL_WITH_REGD_ARG,
  OPTEE_SMC_CALL_WITH_RPC_ARG,
  OPTEE_SMC_RETURN_ETHREAD_LIMIT,
  OPTEE_SMC_RETURN_OK,
  OPTEE_SMC_RETURN_RPC_CMD,
} from '../../src/abi/optee-smc.ts';
import { PROFILES, withoutQuirks } from '../../src/index.ts';
import type { Profile } from '../../src/index.ts';
import { DAMAGES, REACHES, assertGoesOn, play, spoil } from './damage.ts';
import type { Spoilt } from './damage.ts';
import { Tap } from './tap.ts';
import type { Way } from './tap.ts';

/** a0 to a7. */
const REGISTERS = 8;

/** SMCs of a kind: those with the same a0. */
interface Kind {
  readonly way: Way;
  readonly a0: number;
  times: number;
}

/** Registers of a return from an RPC that say that it is one, and of which thread. */
const NAMES_THE_THREAD = [0, 3];

function reachOf({ way, a0 }: Kind, register: number): keyof typeof REACHES {
  if (way === 'out') return 'whether the call goes on';
  const isReturn = a0 === OPTEE_SMC_CALL_RETURN_FROM_RPC;
  return isReturn && NAMES_THE_THREAD.includes(register) ? 'whose call it is' : 'the call itself';
}

function kindsOf(profile: Profile): readonly Kind[] {
  const kinds: Kind[] = [];
  play(profile, (box) => {
    new Tap(box, {
      pass(way, regs) {
        const a0 = regs[0]!;
        let kind = kinds.find((one) => one.way === way && one.a0 === a0);
        if (kind === undefined) kinds.push((kind = { way, a0, times: 0 }));
        kind.times += 1;
      },
    });
  });
  return kinds;
}

/** Damages a register of the n-th SMC of a kind. */
function strikeAt(
  profile: Profile,
  kind: Kind,
  nth: number,
  register: number,
  how: string,
): Spoilt {
  return play(profile, (box, strike) => {
    let count = 0;
    new Tap(box, {
      pass(way, regs) {
        if (way !== kind.way || regs[0] !== kind.a0) return;
        count += 1;
        if (count !== nth) return;
        strike();
        spoil(new Uint8Array(regs.buffer, regs.byteOffset + 4 * register, 4), how);
      },
    });
  });
}

for (const profile of [PROFILES['linux-7.3'], PROFILES['linux-6.1']].map(withoutQuirks)) {
  describe(`each register, ${profile.name}`, () => {
    const kinds = kindsOf(profile);

    it('of these kinds of SMCs', () => {
      const seen = (way: Way): number[] =>
        kinds.filter((kind) => kind.way === way).map(({ a0 }) => a0);
      const calls = [
        OPTEE_SMC_CALL_WITH_REGD_ARG,
        OPTEE_SMC_CALL_WITH_RPC_ARG,
        OPTEE_SMC_CALL_RETURN_FROM_RPC,
      ];
      assert.deepEqual(seen('in').sort(), calls.sort());
      const returns = [OPTEE_SMC_RETURN_OK, OPTEE_SMC_RETURN_RPC_CMD];
      // A driver that does not ask how many threads there are finds out.
      if (!profile.optee.threadCount) returns.push(OPTEE_SMC_RETURN_ETHREAD_LIMIT);
      assert.deepEqual(seen('out').sort(), returns.sort());
    });

    for (const kind of kinds) {
      it(`of 0x${kind.a0.toString(16)} on its way ${kind.way}`, () => {
        for (const nth of new Set([1, kind.times])) {
          for (let register = 0; register < REGISTERS; register++) {
            for (const how of Object.keys(DAMAGES)) {
              const spoilt = strikeAt(profile, kind, nth, register, how);
              const reach = REACHES[reachOf(kind, register)];
              assertGoesOn(spoilt, `a${register} of the ${nth}.: ${how}`, reach);
            }
          }
        }
      });
    }
  });
}
