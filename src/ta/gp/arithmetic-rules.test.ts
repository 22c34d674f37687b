/** What the library, and the specification, make a panic or a code: one row per rule. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OVERFLOW,
  TEE_ERROR_SHORT_BUFFER,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { hex32 } from '../../abi/layout.ts';
import { bigInt, compute, empty, valueOf } from '../testing/big-int.ts';
import { World, inTa, panicOf } from '../testing/world.ts';
import { BIGINT_PANIC } from './arithmetic-numbers.ts';
import type { Tee } from './tee.ts';
import { memref, ref } from './types.ts';

const LARGE = (1n << 64n) + 1n;

type PanicRule = readonly [rule: string, clause: string, body: (tee: Tee) => unknown, why: RegExp];

/** Results of one limb have no room for these. */
const small = (tee: Tee) => empty(tee, 32);
const large = (tee: Tee) => bigInt(tee, LARGE);
const n = (tee: Tee, value: bigint) => bigInt(tee, value, 128);

const OVERFLOWS: readonly PanicRule[] = [
  ['Add', '8.8.1', (t) => t.TEE_BigIntAdd(small(t), large(t), large(t)), /needs 3, has 1/],
  ['Sub', '8.8.2', (t) => t.TEE_BigIntSub(small(t), large(t), n(t, 1n)), /needs 3, has 1/],
  ['Neg', '8.8.3', (t) => t.TEE_BigIntNeg(small(t), large(t)), /needs 3, has 1/],
  ['Mul', '8.8.4', (t) => t.TEE_BigIntMul(small(t), large(t), large(t)), /needs 5, has 1/],
  ['Square', '8.8.5', (t) => t.TEE_BigIntSquare(small(t), large(t)), /needs 5, has 1/],
  [
    'Div, quotient',
    '8.8.6',
    (t) => t.TEE_BigIntDiv(small(t), null, large(t), n(t, 1n)),
    /needs 3, has 1/,
  ],
  [
    'Div, remainder',
    '8.8.6',
    (t) => t.TEE_BigIntDiv(null, small(t), large(t), n(t, LARGE + 1n)),
    /needs 3, has 1/,
  ],
  ['ConvertFromS32', '8.6.3', (t) => t.TEE_BigIntConvertFromS32(empty(t, 0), 1), /needs 1, has 0/],
  ['ShiftRight', '8.7.3', (t) => t.TEE_BigIntShiftRight(small(t), large(t), 1), /needs 2, has 1/],
  ['Mod', '8.9.1', (t) => t.TEE_BigIntMod(small(t), large(t), n(t, LARGE + 1n)), /needs 3, has 1/],
  [
    'ExpMod',
    '8.9.7',
    (t) => t.TEE_BigIntExpMod(small(t), large(t), n(t, 1n), n(t, LARGE + 2n), null),
    /needs 3, has 1/,
  ],
  [
    'ComputeExtendedGcd, divisor',
    '8.10.2',
    (t) => t.TEE_BigIntComputeExtendedGcd(small(t), null, null, large(t), large(t)),
    /needs 3, has 1/,
  ],
  [
    'ComputeExtendedGcd, factor',
    '8.10.2',
    (t) => t.TEE_BigIntComputeExtendedGcd(n(t, 0n), empty(t, 0), null, large(t), n(t, 3n)),
    /needs 1, has 0/,
  ],
  [
    'ConvertFromFMM',
    '8.11.2',
    (t) => t.TEE_BigIntConvertFromFMM(small(t), large(t), n(t, 3n), null),
    /needs 3, has 1/,
  ],
  [
    'ComputeFMM',
    '8.11.3',
    (t) => t.TEE_BigIntComputeFMM(small(t), large(t), n(t, 1n), n(t, LARGE + 2n), null),
    /needs 3, has 1/,
  ],
];

const MODULI: readonly PanicRule[] = [0n, 1n, -7n].flatMap((modulus): PanicRule[] => [
  [
    `Mod by ${modulus}`,
    '8.9.1',
    (t) => t.TEE_BigIntMod(n(t, 0n), n(t, 5n), n(t, modulus)),
    /below/,
  ],
  [
    `AddMod by ${modulus}`,
    '8.9.2',
    (t) => t.TEE_BigIntAddMod(n(t, 0n), n(t, 5n), n(t, 5n), n(t, modulus)),
    /below 2/,
  ],
  [
    `SubMod by ${modulus}`,
    '8.9.3',
    (t) => t.TEE_BigIntSubMod(n(t, 0n), n(t, 5n), n(t, 5n), n(t, modulus)),
    /below 2/,
  ],
  [
    `MulMod by ${modulus}`,
    '8.9.4',
    (t) => t.TEE_BigIntMulMod(n(t, 0n), n(t, 5n), n(t, 5n), n(t, modulus)),
    /below 2/,
  ],
  [
    `SquareMod by ${modulus}`,
    '8.9.5',
    (t) => t.TEE_BigIntSquareMod(n(t, 0n), n(t, 5n), n(t, modulus)),
    /below 2/,
  ],
  [
    `InvMod by ${modulus}`,
    '8.9.6',
    (t) => t.TEE_BigIntInvMod(n(t, 0n), n(t, 5n), n(t, modulus)),
    /below 2/,
  ],
  [
    `ExpMod by ${modulus}`,
    '8.9.7',
    (t) => t.TEE_BigIntExpMod(n(t, 0n), n(t, 5n), n(t, 5n), n(t, modulus), null),
    /not above 2/,
  ],
  [
    `ConvertToFMM by ${modulus}`,
    '8.11.1',
    (t) => t.TEE_BigIntConvertToFMM(n(t, 0n), n(t, 5n), n(t, modulus), null),
    /below 2/,
  ],
]);

const OTHERS: readonly PanicRule[] = [
  [
    'Init beyond CFG_TA_BIGNUM_MAX_BITS / 4 words',
    '8.5.1',
    (t) => t.TEE_BigIntInit(new Uint32Array(513), 513),
    /513 words are more than 512/,
  ],
  [
    'InitFMM beyond that',
    '8.5.3',
    (t) => t.TEE_BigIntInitFMM(new Uint32Array(513), 513),
    /513 words are more than 512/,
  ],
  ['Div by 0', '8.8.6', (t) => t.TEE_BigIntDiv(n(t, 0n), null, n(t, 1n), n(t, 0n)), /by 0/],
  ['InvMod of 0', '8.9.6', (t) => t.TEE_BigIntInvMod(n(t, 0n), n(t, 0n), n(t, 7n)), /no inverse/],
  [
    'InvMod, not prime to it',
    '8.9.6',
    (t) => t.TEE_BigIntInvMod(n(t, 0n), n(t, 6n), n(t, 9n)),
    /no/,
  ],
  ['InvMod, both even', '8.9.6', (t) => t.TEE_BigIntInvMod(n(t, 0n), n(t, 6n), n(t, 8n)), /no inv/],
  [
    'ExpMod by 2',
    '8.9.7',
    (t) => t.TEE_BigIntExpMod(n(t, 0n), n(t, 5n), n(t, 5n), n(t, 2n), null),
    /not above 2/,
  ],
  [
    'ExpMod to less than 0',
    '8.9.7',
    (t) => t.TEE_BigIntExpMod(n(t, 0n), n(t, 5n), n(t, -1n), n(t, 7n), null),
    /exponent below 0/,
  ],
  [
    'ComputeFMM by 0',
    '8.11.3',
    (t) => t.TEE_BigIntComputeFMM(n(t, 0n), n(t, 5n), n(t, 5n), n(t, 0n), null),
    /by 0/,
  ],
  [
    'ComputeFMM by less than 0',
    '8.11.3',
    (t) => t.TEE_BigIntComputeFMM(n(t, 0n), n(t, 5n), n(t, 5n), n(t, -7n), null),
    /modulus below 0/,
  ],
  [
    'Mul of more than 508 limbs',
    '8.8.4',
    (t) => {
      const half = bigInt(t, 1n << (255n * 32n - 1n));
      t.TEE_BigIntMul(empty(t, 510 * 32), half, half);
    },
    /514 words are more than 512/,
  ],
];

for (const [kind, rules] of Object.entries({ OVERFLOWS, MODULI, OTHERS })) {
  describe(`panics: ${kind.toLowerCase()}`, () => {
    for (const [rule, clause, body, why] of rules) {
      test(rule, async () => {
        const world = new World();
        const { panic, cause } = await panicOf(body, undefined, world);
        assert.equal(hex32(panic.code), hex32(BIGINT_PANIC));
        assert.match(cause, why);
        assert.match(world.trace.lastCause?.hint ?? '', new RegExp(`§${clause}[, ]`));
        assert.match(panic.where, /arithmetic-rules\.test\.ts:\d+$/, 'the line of the TA');
      });
    }
  });
}

describe('other ends of a TA', () => {
  test('a number that was never initialised, with limbs, has no remainder', async () => {
    const unsigned = Uint32Array.of(0, 0x0001_0001, 5);
    const body = (tee: Tee): void => tee.TEE_BigIntMod(n(tee, 0n), unsigned, n(tee, 7n));
    await inTaRejects(body, /would never end/);
  });

  test('a modulus that is the destination, too', async () => {
    const body = (tee: Tee): void => {
      const modulus = n(tee, 7n);
      tee.TEE_BigIntMod(modulus, n(tee, 5n), modulus);
    };
    await inTaRejects(body, /would never end/);
  });

  test('words beyond the array', async () => {
    const lying = Uint32Array.of(1, 0x0004_0004, 5);
    await inTaRejects((tee) => tee.TEE_BigIntNeg(lying, lying), /6 words in an array of 3/);
    await inTaRejects((tee) => tee.TEE_BigIntInit(new Uint32Array(3), 4), /4 words in an array/);
  });

  test('more working memory than there is', async () => {
    const body = (tee: Tee): void => {
      const a = bigInt(tee, 1n << (507n * 32n));
      tee.TEE_BigIntMulMod(a, a, a, a);
    };
    const { panic, cause } = await panicOf(body);
    assert.equal(hex32(panic.code), hex32(BIGINT_PANIC));
    assert.match(
      cause,
      /bytes of the pool of numbers: needs \d+, has \d+ \(MPI_MEMPOOL_SIZE=14336\)/,
    );
  });
});

async function inTaRejects(body: (tee: Tee) => unknown, why: RegExp): Promise<void> {
  const world = new World();
  await assert.rejects(inTa(body, undefined, world), why);
}

type CodeRule = readonly [rule: string, body: (tee: Tee) => number, code: number];

const CODES: readonly CodeRule[] = [
  [
    'ConvertFromOctetString: no room',
    (t) => t.TEE_BigIntConvertFromOctetString(small(t), Uint8Array.of(1, 0, 0, 0, 0), 1),
    TEE_ERROR_OVERFLOW,
  ],
  [
    'ConvertFromOctetString: leading zeros need none',
    (t) => t.TEE_BigIntConvertFromOctetString(small(t), Uint8Array.of(0, 0, 1, 2, 3, 4), 1),
    TEE_SUCCESS,
  ],
  [
    'ConvertFromOctetString: more than the pool of numbers',
    (t) => t.TEE_BigIntConvertFromOctetString(small(t), new Uint8Array(15000), 1),
    TEE_ERROR_OVERFLOW,
  ],
  [
    'ConvertToOctetString: too short',
    (t) => t.TEE_BigIntConvertToOctetString(memref(new Uint8Array(8)), large(t)),
    TEE_ERROR_SHORT_BUFFER,
  ],
  ['ConvertToS32: 33 bits', (t) => t.TEE_BigIntConvertToS32(ref(0), large(t)), TEE_ERROR_OVERFLOW],
  [
    'ConvertToS32: 2^31',
    (t) => t.TEE_BigIntConvertToS32(ref(0), n(t, 1n << 31n)),
    TEE_ERROR_OVERFLOW,
  ],
  ['ConvertToS32: -2^31', (t) => t.TEE_BigIntConvertToS32(ref(0), n(t, -(1n << 31n))), TEE_SUCCESS],
  ['SetBit: no room', (t) => t.TEE_BigIntSetBit(small(t), 32, true), TEE_ERROR_OVERFLOW],
  ['SetBit: a zero needs none', (t) => t.TEE_BigIntSetBit(small(t), 32, false), TEE_SUCCESS],
  ['SetBit: far away', (t) => t.TEE_BigIntSetBit(small(t), 0xffffffff, true), TEE_ERROR_OVERFLOW],
  ['Assign: no room', (t) => t.TEE_BigIntAssign(small(t), large(t)), TEE_ERROR_OVERFLOW],
  ['Abs: no room', (t) => t.TEE_BigIntAbs(small(t), large(t)), TEE_ERROR_OVERFLOW],
  [
    'ExpMod: an even modulus',
    (t) => t.TEE_BigIntExpMod(n(t, 0n), n(t, 5n), n(t, 5n), n(t, 8n), null),
    TEE_ERROR_NOT_SUPPORTED,
  ],
  [
    'InitFMMContext1',
    (t) => t.TEE_BigIntInitFMMContext1(new Uint32Array(1), 1, n(t, 7n)),
    TEE_SUCCESS,
  ],
];

describe('codes', () => {
  for (const [rule, body, code] of CODES) {
    test(rule, () => compute((tee) => assert.equal(hex32(body(tee)), hex32(code))));
  }

  test('an overflow leaves the destination as it was, and says how much was wanted', async () => {
    const world = new World();
    await compute((tee) => {
      const dest = bigInt(tee, -5n);
      assert.equal(tee.TEE_BigIntAssign(dest, large(tee)), TEE_ERROR_OVERFLOW);
      assert.equal(tee.TEE_BigIntSetBit(dest, 40, true), TEE_ERROR_OVERFLOW);
      assert.equal(valueOf(dest), -5n);
    }, world);
    const { requested, available, limit } = world.trace.lastCause ?? {};
    assert.deepEqual([requested, available, limit], [2, 1, 'TEE_BigIntInit of dest']);
  });

  test('a buffer that is too short learns the size', () =>
    compute((tee) => {
      const buffer = memref(new Uint8Array(4));
      tee.TEE_BigIntConvertToOctetString(buffer, large(tee));
      assert.equal(buffer.size, 9);
    }));
});
