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
  OPTEE_MSG_CMD_REGISTER_SHM,
  OPTEE_MSG_NONCONTIG_PAGE_SIZE,
  OpteeMsgArg,
  OpteeMsgParam,
  OpteeMsgParamTmem,
  OpteeMsgParamValue,
  opteeMsgParamOffset,
} from '../../src/abi/optee-msg.ts';
import type { Field } from '../../src/abi/layout.ts';
import { PROFILES, boot, taImageOf, withoutQuirks } from '../../src/index.ts';
import type { Profile } from '../../src/index.ts';
import type { Box } from '../../src/index.ts';
import { pa } from '../../src/machine/address.ts';
import { assertNothingLeft } from './after.ts';
import { DAMAGES, REACHES, assertGoesOn, play, spoil } from './damage.ts';
import type { Spoilt } from './damage.ts';
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

const bytesAt = ({ view, at }: TappedMessage, { offset, size }: Place): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + at + offset, size);

/** When a message is damaged, and how far that may reach. */
interface Moment {
  readonly title: string;
  readonly hook: 'enter' | 'ask' | 'answer' | 'leave';
  readonly reach: keyof typeof REACHES;
}

const MOMENTS: readonly Moment[] = [
  { title: 'a call on its way in', hook: 'enter', reach: 'the call itself' },
  { title: 'an RPC on its way out', hook: 'ask', reach: 'what the kernel believes' },
  { title: 'an answer on its way in', hook: 'answer', reach: 'what the kernel believes' },
  { title: 'a call on its way out', hook: 'leave', reach: 'what the kernel believes' },
];

/**
 * How far damage to a field reaches. Linux 6.1 reads back every parameter of its own message when the
 * call returns, and follows the `shm_ref` that it wrote itself.
 */
function reachOf(profile: Profile, { hook, reach }: Moment, { name }: Place): keyof typeof REACHES {
  const followed = hook === 'enter' && name.endsWith(OpteeMsgParamTmem.shmRef.name);
  return followed && !profile.optee.updateOutOnly ? 'what the kernel believes' : reach;
}

/** What messages are told apart by: their command, and what kinds of parameters they have. */
function shapeOf({ view, at, cmd, numParams }: TappedMessage): string {
  const attrs = Array.from({ length: numParams }, (_, n) =>
    OpteeMsgParam.attr.num(view, at + opteeMsgParamOffset(n)).toString(16),
  );
  return `command ${cmd} (${attrs.join(', ')})`;
}

/** Shapes of the messages that are there at a moment. */
function shapesAt(profile: Profile, { hook }: Moment): ReadonlySet<string> {
  const seen = new Set<string>();
  play(profile, (box) => {
    new Tap(box, { [hook]: (message?: TappedMessage) => message && seen.add(shapeOf(message)) });
  });
  return seen;
}

/** A run in which the first message that is meant is damaged at a moment. */
function playWith(
  profile: Profile,
  { hook }: Pick<Moment, 'hook'>,
  isMeant: (message: TappedMessage) => boolean,
  damage: (message: TappedMessage, box: Box) => void,
): Spoilt {
  return play(profile, (box, strike) => {
    let done = false;
    const hit = (message?: TappedMessage): void => {
      if (done || message === undefined || !isMeant(message)) return;
      done = true;
      strike();
      damage(message, box);
    };
    new Tap(box, { [hook]: hit });
  });
}

/** Pages that the scenario's client registers at a time. */
const LISTED_PAGES = 2;
const ENTRY_BYTES = 8;

/** An entry of the list of pages that a message refers to. */
function listEntry({ view, at }: TappedMessage, box: Box, n: number): Uint8Array {
  const param = at + opteeMsgParamOffset(0);
  const bufPtr = OpteeMsgParamTmem.bufPtr.num(view, param);
  const list = bufPtr - (bufPtr % OPTEE_MSG_NONCONTIG_PAGE_SIZE);
  return box.machine.normal.bytes(pa(list + n * ENTRY_BYTES), ENTRY_BYTES, 'write');
}

for (const profile of [PROFILES['linux-7.3'], PROFILES['linux-6.1']].map(withoutQuirks)) {
  describe(`what is wrong in turn, ${profile.name}`, () => {
    for (const moment of MOMENTS) {
      it(`each field of ${moment.title}`, () => {
        const shapes = shapesAt(profile, moment);
        assert.ok(shapes.size > 1);
        for (const shape of shapes) {
          for (const place of PLACES) {
            for (const how of Object.keys(DAMAGES)) {
              const spoilt = playWith(
                profile,
                moment,
                (message) => shapeOf(message) === shape,
                (message) => spoil(bytesAt(message, place), how),
              );
              const what = `${shape}: ${how} of ${place.name}`;
              assertGoesOn(spoilt, what, REACHES[reachOf(profile, moment, place)]);
            }
          }
        }
      });
    }

    it('each entry of a list of pages: the memory is refused', () => {
      for (let n = 0; n < LISTED_PAGES; n++) {
        for (const how of Object.keys(DAMAGES)) {
          const what = `${how} of page ${n}`;
          const spoilt = playWith(
            profile,
            { hook: 'enter' },
            ({ cmd }) => cmd === OPTEE_MSG_CMD_REGISTER_SHM,
            (message, box) => spoil(listEntry(message, box, n), how),
          );
          const refused = { kind: 'exited', code: 2 };
          assert.deepEqual(spoilt.struck?.whose?.process.exitStatus, refused, what);
          assertGoesOn(spoilt, what, REACHES['the call itself']);
          assertNothingLeft(spoilt.stage, {});
        }
      }
    });
  });
}
