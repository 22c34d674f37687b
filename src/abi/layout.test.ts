import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatErrno, errnoMeaning, errnoName } from './errno.ts';
import { formatResult, TEE_ERROR, TEE_PARAM_TYPE_GET, TEE_PARAM_TYPES } from './gp.ts';
import { _IO, _IOC_DIR, _IOC_NR, _IOC_SIZE, _IOC_TYPE, _IOR, _IOW, _IOWR } from './ioctl.ts';
import type { StructInfo } from './layout.ts';
import {
  be16,
  be32,
  bytes,
  codeName,
  flagNames,
  flexibleSize,
  nameOf,
  pad,
  s32,
  s64,
  struct,
  u16,
  u32,
  u64,
  u8,
} from './layout.ts';
import {
  formatUuid,
  getUuidOctets,
  getUuidStruct,
  isNilUuid,
  isUuidText,
  NIL_UUID,
  parseUuid,
  setUuidOctets,
  setUuidStruct,
  swapUuid,
  TeeUuid,
} from './uuid.ts';

const All = struct('all_kinds', 48, {
  byte: u8(0),
  pad1: pad(1, 1),
  half: u16(2),
  word: u32(4),
  signed: s32(8),
  beWord: be32(12),
  long: u64(16),
  size: s64(24),
  beHalf: be16(32),
  tail: bytes(34, 14),
});

/** A view that starts inside its buffer, as a message inside RAM does. */
function window(): { view: DataView; memory: Uint8Array } {
  const memory = new Uint8Array(128).fill(0xee);
  return { view: new DataView(memory.buffer, 16, 96), memory };
}

describe('fields', () => {
  const AT = 8;

  test('each writes its own bytes in its own order', () => {
    const { view, memory } = window();
    All.byte.set(view, AT, 0x101);
    All.half.set(view, AT, 0x0203);
    All.word.set(view, AT, 0x84858687);
    All.signed.set(view, AT, -2);
    All.beWord.set(view, AT, 0x0a0b0c0d);
    All.long.set(view, AT, 0x1112131415161718n);
    All.size.set(view, AT, -3n);
    All.beHalf.set(view, AT, 0x2122);
    All.tail.bytes(view, AT).fill(7);
    const written = Buffer.from(memory.subarray(24, 24 + 48)).toString('hex');
    assert.equal(
      written,
      '01ee0302' +
        '87868584' +
        'feffffff' +
        '0a0b0c0d' +
        '1817161514131211' +
        'fdffffffffffffff' +
        '2122' +
        '07'.repeat(14),
    );
    assert.equal(memory[23], 0xee);
    assert.equal(memory[72], 0xee);
  });

  test('each reads back what it wrote', () => {
    const { view } = window();
    All.byte.set(view, AT, 255);
    All.half.set(view, AT, 65535);
    All.word.set(view, AT, 0xffffffff);
    All.signed.set(view, AT, 0xffffffff);
    All.beWord.set(view, AT, 0x80000001);
    All.size.set(view, AT, -(1n << 63n));
    All.beHalf.set(view, AT, 0x8001);
    assert.deepEqual(
      [All.byte, All.half, All.word, All.signed, All.beWord, All.beHalf].map((f) =>
        f.get(view, AT),
      ),
      [255, 65535, 0xffffffff, -1, 0x80000001, 0x8001],
    );
    assert.equal(All.size.get(view, AT), -(1n << 63n));
  });

  test('a field outside the view throws', () => {
    const { view } = window();
    assert.throws(() => All.long.get(view, 96 - 16), RangeError);
    assert.throws(() => All.tail.bytes(view, 128), RangeError);
  });

  test('u64: number, halves and bigint agree', () => {
    const { view } = window();
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (v) => {
        All.long.set(view, AT, v);
        const [lo, hi] = [All.long.lo(view, AT), All.long.hi(view, AT)];
        assert.equal((BigInt(hi) << 32n) | BigInt(lo), v);
        assert.equal(All.long.num(view, AT), Number(v));
        assert.equal(All.long.num(view, AT) > Number.MAX_SAFE_INTEGER, v >= 1n << 53n);
        assert.equal(All.long.allOnes(view, AT), v === (1n << 64n) - 1n);
        All.long.setPair(view, AT, 0, 0);
        All.long.setPair(view, AT, lo, hi);
        assert.equal(All.long.get(view, AT), v);
      }),
    );
    All.long.set(view, AT, (1n << 64n) - 1n);
    assert.equal(All.long.allOnes(view, AT), true);
  });

  test('u64.setNum takes exact values only', () => {
    const { view } = window();
    fc.assert(
      fc.property(fc.maxSafeNat(), (v) => {
        All.long.setNum(view, AT, v);
        assert.equal(All.long.get(view, AT), BigInt(v));
      }),
    );
    All.long.setNum(view, AT, 2 ** 53 - 1);
    assert.equal(All.long.get(view, AT), (1n << 53n) - 1n);
    for (const bad of [-1, 2 ** 53, NaN, Infinity]) {
      assert.throws(() => All.long.setNum(view, AT, bad), /long: .* is not an exact u64/);
    }
  });

  test('s64.num keeps the sign', () => {
    const { view } = window();
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), (v) => {
        All.size.set(view, AT, v);
        assert.equal(All.size.num(view, AT), Number(v));
      }),
    );
  });
});

describe('struct', () => {
  test('carries names, order and sizes', () => {
    const s: StructInfo = All;
    assert.equal(s.structName, 'all_kinds');
    assert.equal(s.cType, 'struct all_kinds');
    assert.equal(s.byteLength, 48);
    assert.equal(All.beWord.name, 'be_word');
    assert.deepEqual(
      s.fields.map((f) => f.offset),
      [0, 1, 2, 4, 8, 12, 16, 24, 32, 34],
    );
    assert.deepEqual(
      s.fields.filter((f) => f.padding).map((f) => f.name),
      ['pad1'],
    );
    assert.equal(All.size.size, 8, 'a field may be named like a property of fields');
    assert.equal(Object.isFrozen(All), true);
    assert.equal(flexibleSize(All, All, 2), 144);
  });

  test('order of the fields does not matter', () => {
    const s = struct('swapped', 8, { b: u32(4), a: u32(0, 'other') });
    assert.deepEqual(
      s.fields.map((f) => f.name),
      ['other', 'b'],
    );
  });

  test('refuses what does not add up', () => {
    const two = { a: u32(0), b: u32(4) };
    assert.throws(() => struct('short', 12, two), /short: 8 bytes, declared 12/);
    assert.throws(() => struct('long', 4, two), /long: 8 bytes, declared 4/);
    assert.throws(() => struct('over', 6, { a: u32(0), b: u32(2) }), /over.b overlaps at 2/);
    assert.throws(() => struct('hole', 8, { a: u16(0), b: u32(4) }), /hole: hole at 2 before b/);
    assert.throws(() => struct('front', 8, { a: u32(4) }), /front: hole at 0/);
    for (const name of ['fields', 'structName', 'cType', 'byteLength']) {
      assert.throws(() => struct('clash', 4, { [name]: u32(0) }), /reserved name/);
    }
  });
});

describe('names', () => {
  const FLAGS = { A: 1, B: 2, AB: 3, TOP: 0x80000000 } as const;

  test('codes', () => {
    assert.equal(codeName(TEE_ERROR, 0xffff000c), 'TEE_ERROR_OUT_OF_MEMORY');
    assert.equal(codeName(TEE_ERROR, 0x12345678), '0x12345678');
    assert.equal(codeName(TEE_ERROR, -1), '0xffffffff');
    assert.equal(nameOf(TEE_ERROR, 7), undefined);
    assert.equal(nameOf({ FIRST: 1, ALIAS: 1 }, 1), 'FIRST');
  });

  test('flags', () => {
    assert.equal(flagNames(FLAGS, 0), '0');
    assert.equal(flagNames(FLAGS, 3), 'A|B');
    assert.equal(flagNames(FLAGS, 0x80000012), 'B|TOP|0x10');
    assert.equal(flagNames(FLAGS, 0x80000000 | 0), 'TOP');
  });

  test('results', () => {
    assert.equal(
      formatResult(0xffff000c, 3),
      'TEE_ERROR_OUT_OF_MEMORY (0xffff000c) origin TEE (3)',
    );
    assert.equal(formatResult(0), 'TEE_SUCCESS (0x00000000)');
    assert.equal(formatResult(-65536, 4), 'TEE_ERROR_GENERIC (0xffff0000) origin TRUSTED_APP (4)');
    assert.equal(formatResult(0xcafe, 9), '0x0000cafe origin 0x00000009 (9)');
    assert.equal(
      formatResult(0xf1007003, 2),
      'TEE_ISOCKET_ERROR_TIMEOUT (0xf1007003) origin COMMS (2)',
    );
  });

  test('errno', () => {
    assert.equal(formatErrno(-22), '-EINVAL');
    assert.equal(formatErrno(11), 'EAGAIN');
    assert.equal(formatErrno(-524), '-ENOTSUPP');
    assert.equal(formatErrno(-512), '-ERESTARTSYS');
    assert.equal(formatErrno(-999), '-999');
    assert.equal(formatErrno(0), '0');
    assert.equal(errnoName(-14), 'EFAULT');
    assert.match(errnoMeaning(-14) ?? '', /address/);
    assert.equal(errnoMeaning(4000), undefined);
  });
});

test('parameter types pack into four bits each', () => {
  const types = TEE_PARAM_TYPES(1, 6, 0, 7);
  assert.equal(types, 0x7061);
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => TEE_PARAM_TYPE_GET(types, i)),
    [1, 6, 0, 7],
  );
});

test('ioctl numbers come apart again', () => {
  assert.equal(_IOWR(0xa4, 1, 16), 0xc010a401);
  assert.equal(_IOR(0xa4, 0, All), 0x8030a400);
  assert.equal(_IOW(0x62, 0, 8), 0x40086200);
  assert.equal(_IO(0x62, 3), 0x6203);
  const cmd = _IOWR(0xa4, 9, 24);
  assert.deepEqual([_IOC_DIR(cmd), _IOC_TYPE(cmd), _IOC_NR(cmd), _IOC_SIZE(cmd)], [3, 0xa4, 9, 24]);
});

describe('UUIDs', () => {
  const TEXT = '486178e0-e7f8-11e3-bc5e-0002a5d5c51b';
  const OCTETS = '486178e0e7f811e3bc5e0002a5d5c51b';
  const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

  test('text, octets and struct', () => {
    assert.equal(hex(parseUuid(TEXT)), OCTETS);
    assert.equal(hex(parseUuid(TEXT.toUpperCase())), OCTETS);
    assert.equal(formatUuid(parseUuid(TEXT)), TEXT);
    assert.equal(hex(swapUuid(parseUuid(TEXT))), 'e0786148f8e7e311bc5e0002a5d5c51b');
    const { view } = window();
    setUuidStruct(view, 4, TEXT);
    assert.equal(TeeUuid.timeLow.get(view, 4), 0x486178e0);
    assert.equal(TeeUuid.timeMid.get(view, 4), 0xe7f8);
    assert.equal(TeeUuid.timeHiAndVersion.get(view, 4), 0x11e3);
    assert.equal(hex(TeeUuid.clockSeqAndNode.bytes(view, 4)), 'bc5e0002a5d5c51b');
    assert.equal(getUuidStruct(view, 4), TEXT);
    setUuidOctets(view, 40, TEXT);
    assert.equal(getUuidOctets(view, 40), TEXT);
    assert.equal(view.getUint8(40), 0x48);
  });

  test('any octets survive both forms', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (octets) => {
        const text = formatUuid(octets);
        assert.equal(isUuidText(text), true);
        assert.deepEqual([...parseUuid(text)], [...octets]);
        assert.deepEqual([...swapUuid(swapUuid(octets))], [...octets]);
        assert.equal(isNilUuid(octets), text === NIL_UUID);
      }),
    );
    assert.equal(isNilUuid(new Uint8Array(16)), true);
    assert.equal(isNilUuid(new Uint8Array(15)), false);
  });

  test('refuses other text and short buffers', () => {
    for (const bad of ['', OCTETS, `${TEXT} `, `{${TEXT}}`, TEXT.replace('4', 'g')]) {
      assert.throws(() => parseUuid(bad), SyntaxError);
    }
    assert.throws(() => formatUuid(new Uint8Array(15)), RangeError);
    assert.throws(() => formatUuid(new Uint8Array(20), 5), RangeError);
    assert.equal(formatUuid(new Uint8Array(20), 4), NIL_UUID);
    assert.throws(() => swapUuid(new Uint8Array(17)), RangeError);
  });
});
