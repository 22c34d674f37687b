/**
 * Nothing but registers and bytes in RAM goes through the wall: whoever changes one of them changes
 * what happens, and nobody's change, whatever it is, makes anything fail but the call.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { main as helloWorld } from '../../examples/hello_world/client.ts';
import helloWorldTa from '../../examples/hello_world/ta.ts';
import {
  OPTEE_MSG_CMD_INVOKE_COMMAND,
  OpteeMsgArg,
  OpteeMsgParamTmem,
  OpteeMsgParamValue,
  opteeMsgParamOffset,
} from '../../src/abi/optee-msg.ts';
import type { Field } from '../../src/abi/layout.ts';
import { PROFILES, boot, taImageOf, withoutQuirks } from '../../src/index.ts';
import type { Profile } from '../../src/index.ts';
import type { Box } from '../../src/index.ts';
import { client, increment, refused, sharing, waiting } from './clients.ts';
import { brokenTa } from './scenarios.ts';
import { Stage } from './stage.ts';
import { MANY_UUID, MISSING_UUID } from './tas.ts';
import { Tap } from './tap.ts';
import type { TappedMessage } from './tap.ts';

describe('one byte, for a client and a TA in TypeScript', () => {
  for (const profile of Object.values(PROFILES)) {
    const print = async (tap: boolean): Promise<string[]> => {
      using box = boot({ profile, tas: [taImageOf(helloWorldTa, 'hello_world')] });
      const lines: string[] = [];
      const value = opteeMsgParamOffset(0) + OpteeMsgParamValue.a.offset;
      const flip = (message: TappedMessage | undefined): void => {
        if (message?.cmd !== OPTEE_MSG_CMD_INVOKE_COMMAND || !tap) return;
        message.view.setUint8(message.at + value, message.view.getUint8(message.at + value) ^ 0x40);
      };
      new Tap(box, { enter: flip });
      await helloWorld(box.client(), (line) => lines.push(line));
      return lines;
    };

    it(`of a message on its way in changes the answer, ${profile.name}`, async () => {
      assert.equal((await print(false))[1], 'TA incremented value to 43');
      assert.equal((await print(true))[1], 'TA incremented value to 107');
    });
  }
});

/** Registers that a call passes. */
const REGISTERS = 8;

/** What is done to a field. */
const DAMAGES: Readonly<Record<string, (byte: number, n: number) => number>> = {
  'its lowest bit': (byte, n) => (n === 0 ? byte ^ 1 : byte),
  'all its bits': (byte) => byte ^ 0xff,
};

/** A place in a message. */
interface Place {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

const placeOf = (field: Field, base = 0): Place => ({
  name: field.name,
  offset: base + field.offset,
  size: field.size,
});

/** Every field of a message with two parameters, which are values or memory in the same places. */
const PLACES: readonly Place[] = [
  ...OpteeMsgArg.fields.map((field) => placeOf(field)),
  ...[0, 1].flatMap((n) =>
    OpteeMsgParamTmem.fields.map((field) => ({
      ...placeOf(field, opteeMsgParamOffset(n)),
      name: `params[${n}].${field.name}`,
    })),
  ),
];

function damage({ view, at }: TappedMessage, { offset, size }: Place, how: string): void {
  for (let n = 0; n < size; n++) {
    const to = at + offset + n;
    view.setUint8(to, DAMAGES[how]!(view.getUint8(to), n));
  }
}

/** When a message is damaged, and what the box may come to by it. */
interface Moment {
  readonly title: string;
  readonly hook: 'enter' | 'ask' | 'answer' | 'leave';
  /**
   * The kernel trusts the secure world, and what it handed out itself: a cookie that it takes for a
   * pointer ends it, as it would end Linux. The secure world trusts nobody.
   */
  readonly mayOops: boolean;
}

const MOMENTS: readonly Moment[] = [
  { title: 'a call on its way in', hook: 'enter', mayOops: false },
  { title: 'an RPC on its way out', hook: 'ask', mayOops: true },
  { title: 'an answer on its way in', hook: 'answer', mayOops: true },
  { title: 'a call on its way out', hook: 'leave', mayOops: true },
];

/** How Linux ends when it follows a wild pointer. */
const OOPSES: ReadonlySet<string | undefined> = new Set([
  undefined,
  'kernel BUG',
  'use after free',
]);

/** A client whose calls share memory, and one that has a TA looked for. */
function play(profile: Profile, sit: (box: Box) => void): Stage {
  const stage = new Stage(profile, { taStore: brokenTa() }, 0);
  stage.supplicant();
  sit(stage.box);
  stage.client('one', client(MANY_UUID, waiting(1), sharing(5000)));
  stage.client('two', refused(MISSING_UUID, []));
  stage.run.settle();
  return stage;
}

/** The box goes on, and another client's calls work. */
function assertGoesOn(stage: Stage, what: string, mayOops = false): void {
  const { halted } = stage.box;
  if (mayOops) assert.ok(OOPSES.has(halted?.kind), `${what}: ${halted?.kind} ${halted?.text}`);
  else assert.equal(halted, undefined, `${what}: ${halted?.kind} ${halted?.error.stack}`);
  if (halted !== undefined) return;
  new Tap(stage.box, {});
  const other = stage.client('other', client(MANY_UUID, increment, sharing(5000)));
  stage.run.settle();
  assert.deepEqual(other.process.exitStatus, { kind: 'exited', code: 0 }, what);
}

/** Commands whose message is there at a moment, each seen once. */
function commandsAt(profile: Profile, { hook }: Moment): ReadonlySet<number> {
  const seen = new Set<number>();
  play(profile, (box) => {
    new Tap(box, { [hook]: (message?: TappedMessage) => message && seen.add(message.cmd) });
  });
  return seen;
}

function damageOnce(box: Box, { hook }: Moment, cmd: number, place: Place, how: string): void {
  let done = false;
  const strike = (message?: TappedMessage): void => {
    if (done || message?.cmd !== cmd) return;
    done = true;
    damage(message, place, how);
  };
  new Tap(box, { [hook]: strike });
}

for (const profile of [PROFILES['linux-7.3'], PROFILES['linux-6.1']].map(withoutQuirks)) {
  describe(`what is wrong in turn, ${profile.name}`, () => {
    for (const moment of MOMENTS) {
      it(`each field of ${moment.title}`, () => {
        const commands = commandsAt(profile, moment);
        assert.ok(commands.size > 1);
        for (const cmd of commands) {
          for (const place of PLACES) {
            for (const how of Object.keys(DAMAGES)) {
              const stage = play(profile, (box) => damageOnce(box, moment, cmd, place, how));
              const what = `command ${cmd}: ${how} of ${place.name}`;
              assertGoesOn(stage, what, moment.mayOops);
            }
          }
        }
      });
    }

    it('each register of a call on its way in', () => {
      for (let register = 0; register < REGISTERS; register++) {
        for (const [how, change] of Object.entries(DAMAGES)) {
          let calls = 0;
          const strike = (_message: TappedMessage | undefined, regs: Uint32Array): void => {
            calls += 1;
            if (calls !== 2) return;
            const bytes = new Uint8Array(regs.buffer, regs.byteOffset + 4 * register, 4);
            bytes.set(bytes.map(change));
          };
          const stage = play(profile, (box) => void new Tap(box, { enter: strike }));
          assertGoesOn(stage, `a${register}: ${how}`);
        }
      }
    });
  });
}
