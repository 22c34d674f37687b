/** What a system call can copy of a TA's at once: 4096 bytes, one row for each call that copies. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as gp from '../../abi/gp.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import { BOUNCE_BUFFER_SIZE, fitsBounceBuffer } from '../kernel/user-access.ts';
import { Trace } from '../../trace/trace.ts';
import { Bench, digest, ref, rsaPair, value } from '../crypto/testing/asymmetric-drive.ts';
import { result } from '../crypto/testing/drive.ts';
import { SIGGEN15 } from '../crypto/testing/rsa-keys.ts';

const FULL = BOUNCE_BUFFER_SIZE;
/** How many attributes are as many bytes: sizeof(struct utee_attribute) is 24. */
const MOST_ATTRIBUTES = 170;
const bench = new Bench();
const octets = (length: number): Uint8Array => new Uint8Array(length).fill(1);
const many = (count: number): TaAttribute[] =>
  Array.from({ length: count }, () => value(gp.TEE_ATTR_RSA_PSS_SALT_LENGTH, 20));

describe('the room', () => {
  const rows: readonly (readonly [string, readonly number[], boolean])[] = [
    ['nothing', [], true],
    ['all of it', [FULL], true],
    ['one byte more', [FULL + 1], false],
    ['two that fit', [FULL - 16, 16], true],
    ['two that would fit unaligned', [FULL - 17, 17], false],
    ['nothing beside all of it', [FULL, 0], true],
  ];
  for (const [name, lengths, expected] of rows) {
    test(name, () => assert.equal(fitsBounceBuffer(new Trace(), ...lengths), expected));
  }

  test('a refusal says what there was', () => {
    const trace = new Trace();
    fitsBounceBuffer(trace, 1, 5000);
    const { code, requested, available } = trace.lastCause!;
    assert.deepEqual([code, requested, available], ['TEE_ERROR_OUT_OF_MEMORY', 5000, FULL - 16]);
  });
});

describe('attributes of objects', () => {
  const populate = (type: number, bits: number, attributes: readonly TaAttribute[]): string => {
    const handle = bench.object({ type, bits, attributes: [] });
    return result(bench.crypto.objPopulate(handle, attributes));
  };
  const rsa = (modulusBytes: number): string =>
    populate(gp.TEE_TYPE_RSA_PUBLIC_KEY, 2048, [
      ref(gp.TEE_ATTR_RSA_MODULUS, octets(modulusBytes)),
      ref(gp.TEE_ATTR_RSA_PUBLIC_EXPONENT, octets(3)),
    ]);
  const secret = (length: number): string =>
    populate(gp.TEE_TYPE_AES, 256, [ref(gp.TEE_ATTR_SECRET_VALUE, octets(length))]);
  const exponent = (length: number): string => {
    const handle = bench.object({ type: gp.TEE_TYPE_RSA_KEYPAIR, bits: 512, attributes: [] });
    const attributes = [ref(gp.TEE_ATTR_RSA_PUBLIC_EXPONENT, octets(length))];
    return result(bench.crypto.generateKey(handle, 512, attributes));
  };
  const generate = (count: number): string => {
    const handle = bench.object({ type: gp.TEE_TYPE_AES, bits: 128, attributes: [] });
    return result(bench.crypto.generateKey(handle, 128, many(count)));
  };
  const rows = [
    ['a number that can be copied', rsa(FULL), 'BAD_STATE'],
    ['a number that cannot', rsa(FULL + 1), 'OUT_OF_MEMORY'],
    ['a secret, which is copied to its place', secret(FULL + 1), 'SECURITY'],
    ['as many as can be', populate(gp.TEE_TYPE_AES, 128, many(MOST_ATTRIBUTES)), 'ITEM_NOT_FOUND'],
    ['one too many', populate(gp.TEE_TYPE_AES, 128, many(MOST_ATTRIBUTES + 1)), 'OUT_OF_MEMORY'],
    ['generating: a long exponent', exponent(FULL), 'BAD_PARAMETERS'],
    ['generating: a longer one', exponent(FULL + 1), 'OUT_OF_MEMORY'],
    ['generating: as many as can be', generate(MOST_ATTRIBUTES), 'ITEM_NOT_FOUND'],
    ['generating: one too many', generate(MOST_ATTRIBUTES + 1), 'OUT_OF_MEMORY'],
  ] as const;
  for (const [name, code, expected] of rows) test(name, () => assert.equal(code, expected));
});

describe('parameters of operations', () => {
  const RSASSA = gp.TEE_ALG_RSASSA_PKCS1_V1_5_SHA256;
  const hashed = digest('sha256', octets(1));
  const key = rsaPair(SIGGEN15);
  const sign = (count: number): string =>
    bench.operate(RSASSA, gp.TEE_MODE_SIGN, key, hashed, many(count)).code;
  const verify = (count: number): string => bench.verify(RSASSA, key, hashed, hashed, many(count));
  const hkdf = (salt: number, info: number): string => {
    const attributes = [
      ref(gp.TEE_ATTR_HKDF_SALT, octets(salt)),
      ref(gp.TEE_ATTR_HKDF_INFO, octets(info)),
      value(gp.TEE_ATTR_HKDF_OKM_LENGTH, 32),
    ];
    const ikm = ref(gp.TEE_ATTR_HKDF_IKM, octets(16));
    const from = { type: gp.TEE_TYPE_HKDF_IKM, bits: 128, attributes: [ikm] };
    return bench.derive(gp.TEE_ALG_HKDF_SHA256_DERIVE_KEY, [from], attributes).code;
  };
  const rows = [
    ['signing', sign(MOST_ATTRIBUTES), 'TEE_SUCCESS'],
    ['signing: one too many', sign(MOST_ATTRIBUTES + 1), 'OUT_OF_MEMORY'],
    ['verifying', verify(MOST_ATTRIBUTES), 'SIGNATURE_INVALID'],
    ['verifying: one too many', verify(MOST_ATTRIBUTES + 1), 'OUT_OF_MEMORY'],
    ['deriving from two that fit', hkdf(FULL - 16, 16), 'TEE_SUCCESS'],
    ['deriving from two that do not', hkdf(FULL - 16, 17), 'OUT_OF_MEMORY'],
  ] as const;
  for (const [name, code, expected] of rows) test(name, () => assert.equal(code, expected));
});
