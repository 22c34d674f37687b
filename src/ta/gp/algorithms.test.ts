/** What the library says of algorithms, against what upstream's macros read out of their ids. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as gp from '../../abi/gp.ts';
import { codeName, hex32 } from '../../abi/layout.ts';
import { inTa } from '../testing/world.ts';
import type { AlgorithmRow } from './algorithm-row.ts';
import { ALGORITHM_ROWS, findAlgorithmRow, isAlgorithmSupported } from './algorithms.ts';
import { ref } from './types.ts';
import type { TEE_OperationHandle } from './types.ts';

const nameOf = ({ algorithm }: AlgorithmRow): string =>
  codeName({ ...gp.TEE_ALG, ...gp.OPTEE_ALG_COMPAT }, algorithm);

/** Ids whose class bits say something else: utee_defines.h, __tee_alg_get_class(). */
const CLASSES: ReadonlyMap<number, number> = new Map([
  [gp.TEE_ALG_SM2_PKE, gp.TEE_OPERATION_ASYMMETRIC_CIPHER],
  [gp.TEE_ALG_SM2_KEP, gp.TEE_OPERATION_KEY_DERIVATION],
  [gp.TEE_ALG_RSASSA_PKCS1_V1_5, gp.TEE_OPERATION_ASYMMETRIC_SIGNATURE],
  [gp.TEE_ALG_DES3_CMAC, gp.TEE_OPERATION_MAC],
  [gp.TEE_ALG_SM4_XTS, gp.TEE_OPERATION_CIPHER],
  [gp.TEE_ALG_RSASSA_PKCS1_PSS_MGF1_MD5, gp.TEE_OPERATION_ASYMMETRIC_SIGNATURE],
  [gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_MD5, gp.TEE_OPERATION_ASYMMETRIC_CIPHER],
]);

/** Ids whose low byte is not the main algorithm: __tee_alg_get_main_alg(). */
const MAIN_ALGORITHMS: ReadonlyMap<number, number> = new Map([
  [gp.TEE_ALG_SM2_PKE, 0x47],
  [gp.TEE_ALG_SM2_KEP, 0x46],
  [gp.TEE_ALG_X25519, 0x44],
  [gp.TEE_ALG_ED25519, 0x43],
  [gp.TEE_ALG_ECDSA_SHA1, 0x41],
  [gp.TEE_ALG_ECDSA_SHA224, 0x41],
  [gp.TEE_ALG_ECDSA_SHA256, 0x41],
  [gp.TEE_ALG_ECDSA_SHA384, 0x41],
  [gp.TEE_ALG_ECDSA_SHA512, 0x41],
]);

const PRIVATE_MODES = [gp.TEE_MODE_SIGN, gp.TEE_MODE_DERIVE];

function keyTypeOf(row: AlgorithmRow, mode: number): number {
  if (row.operationClass === gp.TEE_OPERATION_DIGEST) return 0;
  const main = MAIN_ALGORITHMS.get(row.algorithm) ?? row.algorithm & 0xff;
  const decrypts =
    row.operationClass === gp.TEE_OPERATION_ASYMMETRIC_CIPHER && mode === gp.TEE_MODE_DECRYPT;
  const isPrivate = decrypts || PRIVATE_MODES.includes(mode);
  return (0xa0000000 | (isPrivate ? 0x01000000 : 0) | main) >>> 0;
}

describe('the table of algorithms', () => {
  for (const row of ALGORITHM_ROWS) {
    test(nameOf(row), () => {
      const expected = CLASSES.get(row.algorithm) ?? row.algorithm >>> 28;
      assert.equal(row.operationClass, expected, 'class');
      for (const [mode, { keyType }] of row.modes) {
        assert.equal(hex32(keyType), hex32(keyTypeOf(row, mode)), `key type in mode ${mode}`);
      }
      assert.equal(findAlgorithmRow(row.algorithm), row, 'stands there once');
    });
  }
});

type Sizes = readonly [
  name: string,
  algorithm: number,
  taken: readonly number[],
  refused: readonly number[],
];

/** Sizes that TEE_AllocateOperation itself looks at. */
const SIZES: readonly Sizes[] = [
  ['DSA_SHA1', gp.TEE_ALG_DSA_SHA1, [512, 576, 1024], [448, 511, 544, 1088]],
  ['DSA_SHA224', gp.TEE_ALG_DSA_SHA224, [2048], [1024, 3072]],
  ['DSA_SHA256', gp.TEE_ALG_DSA_SHA256, [2048, 3072], [1024, 2560]],
  ['ECDSA_SHA1', gp.TEE_ALG_ECDSA_SHA1, [192], [191, 224]],
  ['ECDSA_SHA512', gp.TEE_ALG_ECDSA_SHA512, [521], [512, 528]],
  ['ECDSA_P256 of GP 1.0', gp.__OPTEE_ALG_ECDSA_P256, [256], [192]],
  ['ECDH', gp.TEE_ALG_ECDH_DERIVE_SHARED_SECRET, [1, 256, 521], [522]],
  ['ECDH_P384 of GP 1.0', gp.__OPTEE_ALG_ECDH_P384, [384], [256]],
  ['SM2_KEP: both keys', gp.TEE_ALG_SM2_KEP, [512], [256]],
  ['SM2_PKE', gp.TEE_ALG_SM2_PKE, [256], [512]],
  ['ED25519', gp.TEE_ALG_ED25519, [256], [255]],
  ['X25519', gp.TEE_ALG_X25519, [256], [448]],
];

describe('maxKeySize', () => {
  for (const [name, algorithm, taken, refused] of SIZES) {
    test(name, () => {
      const takes = findAlgorithmRow(algorithm)!.takesKeySize;
      assert.deepEqual(taken.filter(takes), taken);
      assert.deepEqual(refused.filter(takes), []);
    });
  }
});

test('TEE_AllocateOperation refuses each mode that an algorithm has not', () =>
  inTa((tee) => {
    const op = ref<TEE_OperationHandle>(gp.TEE_HANDLE_NULL);
    for (const row of ALGORITHM_ROWS) {
      for (const mode of Object.values(gp.TEE_MODE)) {
        if (row.modes.has(mode)) continue;
        const bits = SIZES.find(([, algorithm]) => algorithm === row.algorithm)?.[2][0] ?? 256;
        const result = tee.TEE_AllocateOperation(op, row.algorithm, mode, bits);
        assert.equal(hex32(result), hex32(gp.TEE_ERROR_NOT_SUPPORTED), `${nameOf(row)} ${mode}`);
      }
    }
  }));

const NONE = gp.TEE_CRYPTO_ELEMENT_NONE;
const CURVES = Object.values(gp.TEE_ECC_CURVE).filter((curve) => curve !== NONE);

/** TEE_IsAlgorithmSupported, by algorithm: the elements that it takes. */
const ELEMENTS: readonly (readonly [string, number, readonly number[]])[] = [
  ['a cipher', gp.TEE_ALG_AES_XTS, [NONE]],
  ['a digest', gp.TEE_ALG_SHA3_512, [NONE]],
  ['RSA', gp.TEE_ALG_RSA_NOPAD, [NONE]],
  ['RSAES of OAEP', gp.TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA256, [NONE]],
  ['ECDSA', gp.TEE_ALG_ECDSA_SHA384, [gp.TEE_ECC_CURVE_NIST_P384]],
  [
    'ECDH',
    gp.TEE_ALG_ECDH_DERIVE_SHARED_SECRET,
    CURVES.filter((curve) => curve <= gp.TEE_ECC_CURVE_NIST_P521),
  ],
  ['SM2', gp.TEE_ALG_SM2_DSA_SM3, [gp.TEE_ECC_CURVE_SM2]],
  ['X25519', gp.TEE_ALG_X25519, [gp.TEE_ECC_CURVE_25519]],
  ['an extendable-output function, which is forgotten', gp.TEE_ALG_SHAKE128, []],
  ['DES3 CMAC, which is forgotten', gp.TEE_ALG_DES3_CMAC, []],
  ['RSAES of PKCS #1 v1.5, which is forgotten', gp.TEE_ALG_RSAES_PKCS1_V1_5, []],
  ['HKDF, which is forgotten', gp.TEE_ALG_HKDF_SHA256_DERIVE_KEY, []],
  ['a digest without operation', gp.TEE_ALG_MD5SHA1, [NONE]],
  ['a signature without operation', gp.TEE_ALG_RSASSA_PKCS1_V1_5_MD5SHA1, [NONE]],
  ['what there is not', gp.TEE_ALG_ILLEGAL_VALUE, []],
];

describe('TEE_IsAlgorithmSupported', () => {
  for (const [name, algorithm, elements] of ELEMENTS) {
    test(name, () => {
      const all = [NONE, ...CURVES];
      assert.deepEqual(
        all.filter((element) => isAlgorithmSupported(algorithm, element)),
        elements,
      );
    });
  }
});
