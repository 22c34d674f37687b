/** Published vectors, for the tests of this room and of the TA's side. NIST SP 800-38A and 38C. */
import { TEE_ALG_AES_CBC_NOPAD, TEE_ALG_AES_CTR, TEE_ALG_AES_ECB_NOPAD } from '../../abi/gp.ts';

export const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** `count` bytes that count up from `first`. */
export const run = (first: number, count: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => first + i);

/** The four blocks of SP 800-38A, appendix F. */
export const PLAIN = hex(
  '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51' +
    '30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
);

const KEY_128 = '2b7e151628aed2a6abf7158809cf4f3c';
const KEY_192 = '8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b';
const KEY_256 = '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4';
const CBC_IV = '000102030405060708090a0b0c0d0e0f';
const CTR_IV = 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff';

export interface CipherVector {
  readonly name: string;
  readonly algorithm: number;
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
  readonly cipher: string;
}

const vector = (
  name: string,
  algorithm: number,
  key: string,
  iv: string,
  cipher: string,
): CipherVector => ({ name, algorithm, key: hex(key), iv: hex(iv), cipher });

export const CIPHER_VECTORS: readonly CipherVector[] = [
  vector(
    'F.1.1 ECB-AES128',
    TEE_ALG_AES_ECB_NOPAD,
    KEY_128,
    '',
    '3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf' +
      '43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4',
  ),
  vector(
    'F.1.3 ECB-AES192',
    TEE_ALG_AES_ECB_NOPAD,
    KEY_192,
    '',
    'bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef' +
      'ef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e',
  ),
  vector(
    'F.1.5 ECB-AES256',
    TEE_ALG_AES_ECB_NOPAD,
    KEY_256,
    '',
    'f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870' +
      'b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7',
  ),
  vector(
    'F.2.1 CBC-AES128',
    TEE_ALG_AES_CBC_NOPAD,
    KEY_128,
    CBC_IV,
    '7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2' +
      '73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7',
  ),
  vector(
    'F.2.3 CBC-AES192',
    TEE_ALG_AES_CBC_NOPAD,
    KEY_192,
    CBC_IV,
    '4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a' +
      '571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd',
  ),
  vector(
    'F.2.5 CBC-AES256',
    TEE_ALG_AES_CBC_NOPAD,
    KEY_256,
    CBC_IV,
    'f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d' +
      '39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b',
  ),
  vector(
    'F.5.1 CTR-AES128',
    TEE_ALG_AES_CTR,
    KEY_128,
    CTR_IV,
    '874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff' +
      '5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee',
  ),
  vector(
    'F.5.3 CTR-AES192',
    TEE_ALG_AES_CTR,
    KEY_192,
    CTR_IV,
    '1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94' +
      '1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050',
  ),
  vector(
    'F.5.5 CTR-AES256',
    TEE_ALG_AES_CTR,
    KEY_256,
    CTR_IV,
    '601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5' +
      '2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6',
  ),
];

export interface CcmVector {
  readonly name: string;
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
  readonly plain: Uint8Array;
  readonly tagLength: number;
  /** Ciphertext, then the tag. */
  readonly sealed: string;
}

export const CCM_KEY = run(0x40, 16);

export const CCM_VECTORS: readonly CcmVector[] = [
  {
    name: 'example 1',
    nonce: run(0x10, 7),
    aad: run(0, 8),
    plain: run(0x20, 4),
    tagLength: 4,
    sealed: '7162015b4dac255d',
  },
  {
    name: 'example 2',
    nonce: run(0x10, 8),
    aad: run(0, 16),
    plain: run(0x20, 16),
    tagLength: 6,
    sealed: 'd2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd',
  },
  {
    name: 'example 3',
    nonce: run(0x10, 12),
    aad: run(0, 20),
    plain: run(0x20, 24),
    tagLength: 8,
    sealed: 'e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951',
  },
  {
    name: 'example 4, 64 KiB of additional data',
    nonce: run(0x10, 13),
    aad: run(0, 65536),
    plain: run(0x20, 32),
    tagLength: 14,
    sealed:
      '69915dad1e84c6376a68c2967e4dab615ae0fd1faec44cc484828529463ccf72' +
      'b4ac6bec93e8598e7f0dadbcea5b',
  },
];
