/** Numbers in memory, and what functions make of them, against the bigints of the language. */
import assert from 'node:assert/strict';
import { checkPrimeSync } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { TEE_ERROR_GENERIC, TEE_PROPSET_TEE_IMPLEMENTATION, TEE_SUCCESS } from '../../abi/gp.ts';
import { bigInt, compute, empty, octetsOf, valueOf } from '../testing/big-int.ts';
import { World, taOf } from '../testing/world.ts';
import { TEE_BigIntSizeInU32 } from './arithmetic-layout.ts';
import type { Tee } from './tee.ts';
import { memref, ref } from './types.ts';

const ROOM = 4400;
const RUNS = { numRuns: 80 };

/** Numbers of up to 2048 bits: short ones, long ones, and those around limbs. */
const magnitude = fc.oneof(
  fc.bigInt({ min: 0n, max: 1n << 40n }),
  fc.bigInt({ min: 0n, max: (1n << 2048n) - 1n }),
  fc.tuple(fc.nat({ max: 63 }), fc.constantFrom(-1n, 0n, 1n)).map(([limbs, off]) => {
    const edge = (1n << BigInt(32 * limbs)) + off;
    return edge < 0n ? 0n : edge;
  }),
);
const integer = fc.tuple(magnitude, fc.boolean()).map(([m, below]) => (below ? -m : m));
const modulus = magnitude.map((m) => m + 2n);

const mod = (a: bigint, m: bigint): bigint => ((a % m) + m) % m;
const bitsOf = (m: bigint): number => (m === 0n ? 0 : m.toString(2).length);
const abs = (a: bigint): bigint => (a < 0n ? -a : a);
const sign = (a: bigint): number => (a > 0n ? 1 : a < 0n ? -1 : 0);

function power(base: bigint, exponent: bigint, m: bigint): bigint {
  let [result, square] = [1n, mod(base, m)];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % m;
    square = (square * square) % m;
  }
  return mod(result, m);
}

function divisorOf(a: bigint, b: bigint): bigint {
  return b === 0n ? abs(a) : divisorOf(b, a % b);
}

function property<T extends unknown[]>(
  arbitraries: { [K in keyof T]: fc.Arbitrary<T[K]> },
  check: (tee: Tee, ...values: T) => void,
): Promise<void> {
  return compute((tee) =>
    fc.assert(
      fc.property(fc.tuple(...arbitraries), (values) => check(tee, ...(values as unknown as T))),
      RUNS,
    ),
  );
}

describe('in memory', () => {
  test('two words of head, then limbs, the least significant first', () =>
    compute((tee) => {
      assert.equal(TEE_BigIntSizeInU32(0), 2);
      assert.equal(TEE_BigIntSizeInU32(2048), 66);
      assert.equal(TEE_BigIntSizeInU32(2049), 67);
      const number = new Uint32Array(6).fill(0xaaaaaaaa);
      tee.TEE_BigIntInit(number, 6);
      assert.deepEqual([...number], [1, 4, 0, 0, 0, 0]);
      tee.TEE_BigIntConvertFromOctetString(number, Uint8Array.of(9, 8, 7, 6, 5), -1);
      assert.deepEqual([...number], [0xffffffff, 0x0002_0004, 0x08070605, 9, 0, 0]);
      tee.TEE_BigIntConvertFromS32(number, 3);
      assert.deepEqual([...number], [1, 0x0001_0004, 3, 9, 0, 0], 'limbs out of use stay');
    }));

  test('a number without limbs has the sign that made it', () =>
    compute((tee) => {
      const zero = empty(tee, 64);
      tee.TEE_BigIntConvertFromOctetString(zero, new Uint8Array(3), -1);
      assert.deepEqual([...zero], [0xffffffff, 2, 0, 0]);
      assert.equal(tee.TEE_BigIntCmpS32(zero, 0), 0);
      const one = bigInt(tee, -1n);
      tee.TEE_BigIntShiftRight(one, one, 1);
      assert.deepEqual([one[0], one[1]], [0xffffffff, 1]);
    }));

  test('lies in memory of the TA, wherever', () =>
    compute((tee) => {
      const memory = tee.TEE_Malloc(64, 0)!;
      const number = new Uint32Array(memory.buffer, memory.byteOffset, 16);
      tee.TEE_BigIntInit(number, 16);
      tee.TEE_BigIntConvertFromS32(number, -2);
      assert.deepEqual([...memory.subarray(0, 12)], [255, 255, 255, 255, 14, 0, 1, 0, 2, 0, 0, 0]);
    }));

  test('is as long as gpd.tee.arith.maxBigIntSize promises, and longer', () =>
    compute((tee) => {
      const bits = ref(0);
      const name = 'gpd.tee.arith.maxBigIntSize';
      tee.TEE_GetPropertyAsU32(TEE_PROPSET_TEE_IMPLEMENTATION, name, bits);
      assert.equal(bits.value, 2048);
      assert.equal(bitsOf(valueOf(bigInt(tee, (1n << 16320n) - 1n))), 16320);
    }));

  test('sizes of fast modular multiplication', () =>
    compute((tee) => {
      assert.equal(tee.TEE_BigIntFMMSizeInU32(1024), 34);
      assert.equal(tee.TEE_BigIntFMMContextSizeInU32(1024), 1);
    }));
});

describe('conversion', () => {
  test('octets, there and back', () =>
    property([magnitude, fc.nat({ max: 3 })], (tee, value, zeros) => {
      const octets = octetsOf(value);
      const number = empty(tee, ROOM);
      const padded = new Uint8Array(zeros + octets.length);
      padded.set(octets, zeros);
      assert.equal(tee.TEE_BigIntConvertFromOctetString(number, padded, 0), TEE_SUCCESS);
      assert.equal(valueOf(number), value);
      const out = memref(new Uint8Array(octets.length + 2).fill(0x55));
      assert.equal(tee.TEE_BigIntConvertToOctetString(out, number), TEE_SUCCESS);
      assert.equal(out.size, octets.length);
      assert.deepEqual([...out.buffer!], [...octets, 0x55, 0x55]);
    }));

  test('32 bits, there and back', () =>
    property([fc.integer({ min: -0x80000000, max: 0x7fffffff })], (tee, value) => {
      const [number, out] = [empty(tee, 32), ref(0)];
      tee.TEE_BigIntConvertFromS32(number, value);
      assert.equal(valueOf(number), BigInt(value));
      assert.equal(tee.TEE_BigIntConvertToS32(out, number), TEE_SUCCESS);
      assert.equal(out.value, value);
      assert.equal(tee.TEE_BigIntCmpS32(number, value), 0);
    }));
});

describe('logic', () => {
  test('comparison', () =>
    property([integer, integer], (tee, a, b) => {
      const [x, y] = [bigInt(tee, a), bigInt(tee, b)];
      assert.equal(sign(BigInt(tee.TEE_BigIntCmp(x, y))), sign(a - b));
      const short = Number(BigInt.asIntN(32, b));
      assert.equal(sign(BigInt(tee.TEE_BigIntCmpS32(x, short))), sign(a - BigInt(short)));
    }));

  test('bits of the magnitude', () =>
    property([integer, fc.nat({ max: 2100 }), fc.boolean()], (tee, a, index, value) => {
      const number = bigInt(tee, a, ROOM);
      const bit = 1n << BigInt(index);
      assert.equal(tee.TEE_BigIntGetBitCount(number), bitsOf(abs(a)));
      assert.equal(tee.TEE_BigIntGetBit(number, index), (abs(a) & bit) !== 0n);
      tee.TEE_BigIntSetBit(number, index, value);
      const set = value ? abs(a) | bit : abs(a) & ~bit;
      assert.equal(valueOf(number), a < 0n ? -set : set);
    }));

  test('shifts, copies, magnitudes and negatives', () =>
    property([integer, fc.nat({ max: 2100 })], (tee, a, bits) => {
      const [number, dest] = [bigInt(tee, a), empty(tee, ROOM)];
      tee.TEE_BigIntShiftRight(dest, number, bits);
      const shifted = abs(a) >> BigInt(bits);
      assert.equal(valueOf(dest), a < 0n ? -shifted : shifted);
      assert.equal(tee.TEE_BigIntAssign(dest, number), TEE_SUCCESS);
      assert.equal(valueOf(dest), a);
      assert.equal(tee.TEE_BigIntAbs(dest, number), TEE_SUCCESS);
      assert.equal(valueOf(dest), abs(a));
      tee.TEE_BigIntNeg(dest, number);
      assert.equal(valueOf(dest), -a);
      assert.equal(valueOf(number), a);
    }));
});

describe('arithmetic', () => {
  type Rule = readonly [string, (t: Tee) => Tee['TEE_BigIntAdd'], (a: bigint, b: bigint) => bigint];
  const rules: readonly Rule[] = [
    ['Add', (t) => t.TEE_BigIntAdd.bind(t), (a, b) => a + b],
    ['Sub', (t) => t.TEE_BigIntSub.bind(t), (a, b) => a - b],
    ['Mul', (t) => t.TEE_BigIntMul.bind(t), (a, b) => a * b],
    ['Square', (t) => (d, a) => t.TEE_BigIntSquare(d, a), (a) => a * a],
  ];
  for (const [name, of, expected] of rules) {
    test(`${name}, also where the destination is an operand`, () =>
      property([integer, integer], (tee, a, b) => {
        const run = of(tee);
        const make = () => [bigInt(tee, a, ROOM), bigInt(tee, b, ROOM)] as const;
        const [dest, [x, y]] = [empty(tee, ROOM), make()];
        run(dest, x, y);
        assert.deepEqual([valueOf(dest), valueOf(x), valueOf(y)], [expected(a, b), a, b]);
        run(x, x, y);
        assert.equal(valueOf(x), expected(a, b));
        const [p, q] = make();
        run(q, p, q);
        assert.equal(valueOf(q), expected(a, b));
        run(p, p, p);
        assert.equal(valueOf(p), expected(a, a));
      }));
  }

  test('Div rounds to zero', () =>
    property([integer, integer.filter((b) => b !== 0n)], (tee, a, b) => {
      const [q, r] = [empty(tee, ROOM), empty(tee, ROOM)];
      tee.TEE_BigIntDiv(q, r, bigInt(tee, a), bigInt(tee, b));
      assert.deepEqual([valueOf(q), valueOf(r)], [a / b, a % b]);
      tee.TEE_BigIntDiv(null, r, bigInt(tee, a), bigInt(tee, b));
      tee.TEE_BigIntDiv(q, null, bigInt(tee, a), bigInt(tee, b));
      tee.TEE_BigIntDiv(null, null, bigInt(tee, a), bigInt(tee, b));
      assert.deepEqual([valueOf(q), valueOf(r)], [a / b, a % b]);
    }));
});

describe('modular arithmetic', () => {
  test('Mod, AddMod, SubMod, MulMod and SquareMod', () =>
    property([integer, integer, modulus], (tee, a, b, m) => {
      const [x, y, n, dest] = [bigInt(tee, a), bigInt(tee, b), bigInt(tee, m), empty(tee, ROOM)];
      const after = (run: () => void): bigint => {
        run();
        return valueOf(dest);
      };
      assert.equal(
        after(() => tee.TEE_BigIntMod(dest, x, n)),
        mod(a, m),
      );
      assert.equal(
        after(() => tee.TEE_BigIntAddMod(dest, x, y, n)),
        mod(a + b, m),
      );
      assert.equal(
        after(() => tee.TEE_BigIntSubMod(dest, x, y, n)),
        mod(a - b, m),
      );
      assert.equal(
        after(() => tee.TEE_BigIntMulMod(dest, x, y, n)),
        mod(a * b, m),
      );
      assert.equal(
        after(() => tee.TEE_BigIntSquareMod(dest, x, n)),
        mod(a * a, m),
      );
      tee.TEE_BigIntAddMod(n, x, y, n);
      assert.equal(valueOf(n), mod(a + b, m), 'the destination may be the modulus');
    }));

  test('ExpMod, by odd moduli', () =>
    property([integer, magnitude, modulus.map((m) => (m + 1n) | 1n)], (tee, a, e, m) => {
      const dest = empty(tee, ROOM);
      const exponent = e & ((1n << 256n) - 1n);
      const run = tee.TEE_BigIntExpMod(
        dest,
        bigInt(tee, a),
        bigInt(tee, exponent, 300),
        bigInt(tee, m),
        null,
      );
      assert.equal(run, TEE_SUCCESS);
      const raised = power(a, exponent, m);
      const wraps = a < 0n && (exponent & 1n) === 1n && raised === 0n;
      assert.equal(valueOf(dest), wraps ? m : raised);
    }));

  test('ExpMod of a multiple of the modulus, below 0, is the modulus', () =>
    compute((tee) => {
      const [dest, n] = [empty(tee, 64), bigInt(tee, 7n)];
      tee.TEE_BigIntExpMod(dest, bigInt(tee, -14n), bigInt(tee, 3n), n, null);
      assert.equal(valueOf(dest), 7n);
      tee.TEE_BigIntExpMod(dest, bigInt(tee, -14n), bigInt(tee, 2n), n, null);
      assert.equal(valueOf(dest), 0n);
    }));

  test('InvMod, by moduli odd and even', () =>
    property([integer, modulus], (tee, a, m) => {
      fc.pre(divisorOf(a, m) === 1n);
      const dest = empty(tee, ROOM);
      tee.TEE_BigIntInvMod(dest, bigInt(tee, a), bigInt(tee, m));
      assert.ok(valueOf(dest) > 0n && valueOf(dest) < m);
      assert.equal(mod(valueOf(dest) * a, m), 1n % m);
    }));

  test('fast multiplication', () =>
    property([integer, integer, modulus], (tee, a, b, m) => {
      const [x, y, out] = [empty(tee, ROOM), empty(tee, ROOM), empty(tee, ROOM)];
      const n = bigInt(tee, m);
      tee.TEE_BigIntConvertToFMM(x, bigInt(tee, a), n, null);
      tee.TEE_BigIntConvertToFMM(y, bigInt(tee, b), n, null);
      tee.TEE_BigIntComputeFMM(x, x, y, n, null);
      tee.TEE_BigIntConvertFromFMM(out, x, n, null);
      assert.equal(valueOf(out), mod(a * b, m));
    }));
});

describe('divisors', () => {
  test('ComputeExtendedGcd and RelativePrime', () =>
    property([integer, integer], (tee, a, b) => {
      const [g, u, v] = [empty(tee, ROOM), empty(tee, ROOM), empty(tee, ROOM)];
      const [x, y] = [bigInt(tee, a), bigInt(tee, b)];
      tee.TEE_BigIntComputeExtendedGcd(g, u, v, x, y);
      assert.equal(valueOf(g), divisorOf(a, b));
      assert.equal(valueOf(u) * a + valueOf(v) * b, valueOf(g));
      tee.TEE_BigIntComputeExtendedGcd(g, null, null, x, y);
      assert.equal(valueOf(g), divisorOf(a, b));
      assert.equal(tee.TEE_BigIntRelativePrime(x, y), divisorOf(a, b) === 1n);
    }));
});

describe('TEE_BigIntIsProbablePrime', () => {
  const isPrime = (tee: Tee, value: bigint): number =>
    tee.TEE_BigIntIsProbablePrime(bigInt(tee, value), 0);

  test('says what node:crypto says', () =>
    property([fc.bigInt({ min: 2n, max: 1n << 64n })], (tee, value) => {
      assert.equal(isPrime(tee, value), checkPrimeSync(value) ? 1 : 0);
    }));

  test('large primes, and what is nearly one', () =>
    compute((tee) => {
      const p = (1n << 521n) - 1n;
      const table: readonly (readonly [bigint, number])[] = [
        [0n, 0],
        [1n, 0],
        [2n, 1],
        [-3n, 1],
        [997n, 1],
        [997n * 997n, 0],
        [561n, 0],
        [3215031751n, 0],
        [p, 1],
        [p + 2n, 0],
        [p * ((1n << 127n) - 1n), 0],
      ];
      for (const [value, expected] of table)
        assert.equal(isPrime(tee, value), expected, `${value}`);
    }));

  /** Tests a prime of 127 bits with bases from `rng`. */
  async function withRng(rng: (out: Uint8Array) => number): Promise<[number, World]> {
    const world = new World();
    let answer = -1;
    const ta = world.load(taOf((tee) => (answer = isPrime(tee, (1n << 127n) - 1n))));
    ta.syscalls.rng = rng;
    await ta.invoke(await ta.open(), 0);
    return [answer, world];
  }

  test('takes its bases from the generator of the core, 80 rounds at least', async () => {
    let drawn = 0;
    const [answer] = await withRng((out) => {
      drawn += 1;
      out.fill(drawn);
      return TEE_SUCCESS;
    });
    assert.equal(answer, 1);
    assert.equal(drawn, 80);
  });

  test('without random numbers it answers no, and says why', async () => {
    const [answer, world] = await withRng(() => TEE_ERROR_GENERIC);
    assert.equal(answer, 0);
    assert.match(world.trace.lastCause?.text ?? '', /no random numbers/);
  });
});
