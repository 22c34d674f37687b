/** What the device holds is not what the core has written: cut short, rolled back, flipped, foreign. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEE_ERROR_COMMUNICATION,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_SECURITY,
} from '../../abi/gp.ts';
import { RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE } from '../../abi/optee-rpc.ts';
import { EmulatedRpmb, RPMB_IMAGE_SIZE } from '../../machine/emulated-rpmb.ts';
import { SeededRandom } from '../../sched/random.ts';
import type { OpteeOsSwitches } from '../switches.ts';
import type { TeeFile } from './tee-fs.ts';
import { CRYPTO, RpmbWorld, THREAD, blankDevice, fileOf, pattern } from './testing/rpmb-world.ts';
import { MENDED, OTHER_TA, now } from './testing/storage-world.ts';

const close = (file: TeeFile): void => now(file.close(THREAD));

/** Two TAs with objects. */
function furnished(switches = MENDED): RpmbWorld {
  const world = new RpmbWorld({ switches });
  close(fileOf(world.create('a', pattern(44))));
  close(fileOf(world.create('a', pattern(700, 90), false, OTHER_TA)));
  close(fileOf(world.create('b', pattern(3000, 40))));
  return world;
}

describe('a power cut', () => {
  type Change = (world: RpmbWorld) => unknown;
  const REPLACE: Change = (world) => world.create('a', pattern(500, 9), true);
  const LOSES: OpteeOsSwitches = { ...MENDED, quirkRpmbReplaceLoses: true };
  const CHANGES: readonly (readonly [
    what: string,
    Change,
    allowed: readonly (Uint8Array | number)[],
    switches?: OpteeOsSwitches,
  ])[] = [
    [
      'while an object is overwritten in a block',
      (world) => now(fileOf(world.open('a')).write(THREAD, 10, pattern(20, 9))),
      [pattern(44), within(pattern(44), 10, pattern(20, 9))],
    ],
    [
      'while an object becomes longer',
      (world) => now(fileOf(world.open('a')).write(THREAD, 10, pattern(900, 9))),
      [pattern(44), within(new Uint8Array(910), 0, pattern(10), pattern(900, 9))],
    ],
    [
      'while an object is truncated',
      (world) => now(fileOf(world.open('a')).truncate(THREAD, 7)),
      [pattern(44), pattern(7)],
    ],
    [
      'while an object is extended',
      (world) => now(fileOf(world.open('a')).truncate(THREAD, 600)),
      [pattern(44), within(new Uint8Array(600), 0, pattern(44))],
    ],
    [
      // Upstream clears the old entry before the new one has its name.
      'while an object is replaced, which may leave none',
      REPLACE,
      [pattern(44), TEE_ERROR_ITEM_NOT_FOUND, pattern(500, 9)],
      LOSES,
    ],
    ['while an object is replaced', REPLACE, [pattern(44), pattern(500, 9)]],
    [
      'while an object is removed',
      (world) => world.remove('a'),
      [pattern(44), TEE_ERROR_ITEM_NOT_FOUND],
    ],
    ['while another is made', (world) => world.create('c', pattern(300)), [pattern(44)]],
  ];

  for (const [what, change, allowed, switches] of CHANGES) {
    it(`${what}: the old object or the new`, () => {
      const seen = new Set<number>();
      for (let writes = 0; ; writes++) {
        const world = furnished(switches);
        let left = writes;
        world.transport.before = ({ type }) =>
          type === RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE && left-- <= 0
            ? TEE_ERROR_COMMUNICATION
            : undefined;
        change(world);
        const after = world.reboot({ switches: MENDED });
        const found = after.contents('a');
        const which = allowed.findIndex((one) => same(one, found));
        assert.ok(which >= 0, `after ${writes} writes: ${String(found)}`);
        seen.add(which);
        assert.deepEqual(after.contents('a', OTHER_TA), pattern(700, 90), 'others stay');
        assert.deepEqual(after.contents('b'), pattern(3000, 40));
        close(fileOf(after.create('z', pattern(10))));
        assert.equal(after.heap.allocated, 0);
        if (left > 0) break;
      }
      assert.deepEqual(
        [...seen],
        allowed.map((_, n) => n),
        'each of them is seen',
      );
    });
  }

  it('while an object is made leaves its beginning to the next of that name', () => {
    const outcomes = [true, false].map((quirkRpmbTemporaryKept) => {
      const world = new RpmbWorld();
      // All but the last, which gives the file its name.
      let left = 9;
      world.transport.before = ({ type }) =>
        type === RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE && left-- <= 0
          ? TEE_ERROR_COMMUNICATION
          : undefined;
      world.create('a', pattern(600));
      const next = world.reboot({ switches: { ...MENDED, quirkRpmbTemporaryKept } });
      close(fileOf(next.create('a', pattern(10, 5))));
      return next.contents('a') as Uint8Array;
    });
    assert.deepEqual(outcomes[0], within(pattern(600), 0, pattern(10, 5)));
    assert.deepEqual(outcomes[1], pattern(10, 5));
  });
});

describe('an image', () => {
  it('with flipped bits gives a documented error or what was stored, and never another object', () => {
    const random = new SeededRandom(7);
    const image = furnished().device.image;
    const outcomes = new Set<string>();
    const objects = [pattern(44), pattern(700, 90), pattern(3000, 40)];
    for (let round = 0; round < 320; round++) {
      const copy = image.slice();
      // The head, the table, the files and the device's own state, in turn.
      const [from, length] = RANGES[round % RANGES.length]!;
      copy[from + random.below(length)]! ^= 1 << random.below(8);
      const world = new RpmbWorld({ device: blankDevice(copy), switches: MENDED });
      for (const [n, [name, ta]] of NAMES.entries()) {
        const found = tryToRead(world, name, ta);
        const others = objects.filter((_, other) => other !== n);
        assert.ok(!others.some((other) => same(other, found)), `round ${round}: another object`);
        outcomes.add(outcome(found, objects[n]!));
      }
      assert.equal(world.heap.allocated, 0, `round ${round}`);
    }
    const documented = ['ffff0000', 'ffff0001', 'ffff0006', 'ffff0008', 'ffff000c', 'ffff000f'];
    const allowed = new Set(['same', 'damaged', 'panic', ...documented]);
    for (const one of outcomes) assert.ok(allowed.has(one), one);
    assert.ok(outcomes.has('same') && outcomes.has('damaged'));
  });

  it('of a device that ends sooner gives errors', () => {
    const world = furnished();
    for (const blocks of [1, 2, 10, 100, 1000, 1015]) {
      const after = world.reboot({ switches: MENDED });
      // Reads beyond the end leave the answer as it was.
      after.transport.before = ({ block, type }) =>
        block >= blocks && type !== undefined ? TEE_ERROR_GENERIC : undefined;
      const found = tryToRead(after, 'a');
      assert.ok(found === TEE_ERROR_GENERIC || same(found, pattern(44)), `${blocks} blocks`);
    }
  });

  it('of another device is refused', () => {
    const world = furnished();
    const other = furnished();
    const cid = new Uint8Array(16).fill(1);
    const foreign = world.reboot();
    foreign.transport.info = { ...foreign.transport.info, cid };
    assert.equal(foreign.contents('a'), TEE_ERROR_SECURITY);
    // A device is no longer itself when its key is another's.
    const key = other.device.image.subarray(RPMB_IMAGE_SIZE - 64, RPMB_IMAGE_SIZE - 32);
    key.fill(9);
    assert.equal(other.reboot().contents('a'), TEE_ERROR_SECURITY);
  });

  it('that is put back while the core runs is noticed at the first write', () => {
    const world = furnished();
    const old = world.device.image.slice();
    const file = fileOf(world.open('a'));
    assert.equal(now(file.write(THREAD, 0, pattern(44, 1))), 0);
    world.transport.device = new EmulatedRpmb(old, (key, data) => CRYPTO.hmac('sha256', key, data));
    assert.deepEqual(world.contents('a'), pattern(44), 'a read does not tell');
    assert.equal(now(file.write(THREAD, 0, pattern(44, 2))), 0, 'the next try has its counter');
    assert.match(world.trace.lastCause?.text ?? '', /Counter mismatched/);
  });
});

const NAMES = [['a'], ['a', OTHER_TA], ['b']] as const;
const RANGES = [
  [0, 16],
  [512, 4 * 256],
  [1000 * 256, 23 * 256],
  [RPMB_IMAGE_SIZE - 64, 37],
] as const;

function tryToRead(world: RpmbWorld, name: string, ta?: string): Uint8Array | number | string {
  try {
    return world.contents(name, ta);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('core panic')) return 'panic';
    throw error;
  }
}

function outcome(found: Uint8Array | number | string, stored: Uint8Array): string {
  if (typeof found === 'number') return found.toString(16);
  if (typeof found === 'string') return found;
  return same(found, stored) ? 'same' : 'damaged';
}

function same(a: unknown, b: unknown): boolean {
  if (!(a instanceof Uint8Array) || !(b instanceof Uint8Array)) return a === b;
  return Buffer.compare(a, b) === 0;
}

/** `parts` one after the other over `bytes` from `at` on. */
function within(bytes: Uint8Array, at: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let pos = at;
  for (const part of parts) {
    bytes.set(part, pos);
    pos += part.length;
  }
  return bytes;
}
