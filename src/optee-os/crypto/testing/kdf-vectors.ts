/** Keys derived from secrets. */
import {
  TEE_ALG_CONCAT_KDF_SHA1_DERIVE_KEY,
  TEE_ALG_CONCAT_KDF_SHA256_DERIVE_KEY,
  TEE_ALG_CONCAT_KDF_SHA384_DERIVE_KEY,
  TEE_ALG_HKDF,
  TEE_ALG_HKDF_MD5_DERIVE_KEY,
  TEE_ALG_HKDF_SHA1_DERIVE_KEY,
  TEE_ALG_HKDF_SHA256_DERIVE_KEY,
  TEE_ALG_MD5,
  TEE_ALG_SHA256,
  TEE_ALG_SM3,
  TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SHA256_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SM3_DERIVE_KEY,
} from '../../../abi/gp.ts';
import { PUBLISHED_CONCAT_KDF, PUBLISHED_HKDF, PUBLISHED_PBKDF2 } from './kdf-published.ts';
import { lowByte } from './kdf-vector.ts';
import type { HkdfVector, KdfVector, Pbkdf2Vector } from './kdf-vector.ts';
import { octets } from './octets.ts';

/** Where no vectors are published: what another implementation derives. */
const OPENSSL = 'OpenSSL 3.0, kdf';
const PYTHON = "RFC 8018, 5.2, over Python's hmac";

export const HKDF_VECTORS: readonly HkdfVector[] = [
  {
    algorithm: TEE_ALG_HKDF_SHA256_DERIVE_KEY,
    source: 'RFC 5869, A.1 to A.7',
    secret: octets`0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b`,
    salt: octets`000102030405060708090a0b0c`,
    info: octets`f0f1f2f3f4f5f6f7f8f9`,
    output: octets`
      3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865
    `,
  },
  {
    algorithm: TEE_ALG_HKDF_SHA256_DERIVE_KEY,
    source: 'RFC 5869, A.1 to A.7',
    secret: octets`
      000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c
      2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f
    `,
    salt: octets`
      606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c
      8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf
    `,
    info: octets`
      b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdc
      dddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff
    `,
    output: octets`
      b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e
      590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87
    `,
  },
  {
    algorithm: TEE_ALG_HKDF_SHA256_DERIVE_KEY,
    source: 'RFC 5869, A.1 to A.7',
    secret: octets`0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b`,
    salt: octets``,
    info: octets``,
    output: octets`
      8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8
    `,
  },
  {
    algorithm: TEE_ALG_HKDF_SHA1_DERIVE_KEY,
    source: 'RFC 5869, A.1 to A.7',
    secret: octets`0b0b0b0b0b0b0b0b0b0b0b`,
    salt: octets`000102030405060708090a0b0c`,
    info: octets`f0f1f2f3f4f5f6f7f8f9`,
    output: octets`
      085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896
    `,
  },
  {
    algorithm: TEE_ALG_HKDF_SHA1_DERIVE_KEY,
    source: 'RFC 5869, A.1 to A.7',
    secret: octets`
      000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c
      2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f
    `,
    salt: octets`
      606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c
      8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf
    `,
    info: octets`
      b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdc
      dddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff
    `,
    output: octets`
      0bd770a74d1160f7c9f12cd5912a06ebff6adcae899d92191fe4305673ba2ffe8fa3f1a4e5ad79f3f334b3b202
      b2173c486ea37ce3d397ed034c7f9dfeb15c5e927336d0441f4c4300e2cff0d0900b52d3b4
    `,
  },
  {
    algorithm: TEE_ALG_HKDF_SHA1_DERIVE_KEY,
    source: 'RFC 5869, A.1 to A.7',
    secret: octets`0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b`,
    salt: octets``,
    info: octets``,
    output: octets`
      0ac1af7002b3d761d1e55298da9d0506b9ae52057220a306e07b6b87e8df21d0ea00033de03984d34918
    `,
  },
  {
    algorithm: TEE_ALG_HKDF_SHA1_DERIVE_KEY,
    source: 'RFC 5869, A.1 to A.7',
    secret: octets`0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c`,
    info: octets``,
    output: octets`
      2c91117204d745f3500d636a62f64f0ab3bae548aa53d423b0d1f27ebba6f5e5673a081d70cce7acfc48
    `,
  },
  {
    algorithm: TEE_ALG_HKDF_MD5_DERIVE_KEY,
    source: OPENSSL,
    secret: octets`0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b`,
    salt: octets`000102030405060708090a0b0c`,
    info: octets`f0f1f2f3f4f5f6f7f8f9`,
    output: octets`
      b222c9db38d17b2fea8b3bb511c0d6d86049ef481ba7065ca5c6422618ed9cc9144900e2c72b6a863a31
    `,
  },
  {
    algorithm: TEE_ALG_HKDF,
    source: 'RFC 5869, A.1 to A.7',
    secret: octets`0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b`,
    salt: octets`000102030405060708090a0b0c`,
    info: octets`f0f1f2f3f4f5f6f7f8f9`,
    hash: lowByte(TEE_ALG_SHA256),
    output: octets`
      3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865
    `,
  },
  {
    algorithm: TEE_ALG_HKDF,
    source: OPENSSL,
    secret: octets`0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b`,
    salt: octets`000102030405060708090a0b0c`,
    info: octets`f0f1f2f3f4f5f6f7f8f9`,
    hash: lowByte(TEE_ALG_MD5),
    output: octets`
      b222c9db38d17b2fea8b3bb511c0d6d86049ef481ba7065ca5c6422618ed9cc9144900e2c72b6a863a31
    `,
  },
  {
    algorithm: TEE_ALG_HKDF,
    source: OPENSSL,
    secret: octets`0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b`,
    salt: octets`000102030405060708090a0b0c`,
    info: octets`f0f1f2f3f4f5f6f7f8f9`,
    hash: lowByte(TEE_ALG_SM3),
    output: octets`
      c69fe91b7aaee2dd5718d72dcaee0cce93f1b8e41f792da51261b6a517e68b36ed2c595572b01dfa359b
    `,
  },
  ...PUBLISHED_HKDF,
];

export const CONCAT_KDF_VECTORS: readonly KdfVector[] = [
  {
    algorithm: TEE_ALG_CONCAT_KDF_SHA256_DERIVE_KEY,
    source: 'RFC 7518, C',
    secret: octets`9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4`,
    info: octets`000000074131323847434d00000005416c69636500000003426f6200000080`,
    output: octets`56aa8deaf8236d205c2228cd71a7101a`,
  },
  {
    algorithm: TEE_ALG_CONCAT_KDF_SHA1_DERIVE_KEY,
    source: OPENSSL,
    secret: octets`9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4`,
    info: octets`000000074131323847434d00000005416c69636500000003426f6200000080`,
    output: octets`
      b3b4d1d1cf2d4112cd5df90029813550b3097ecdcdcbb74f91601d8dc38435adfa57915e6ef02e332d5aaa55d2
      6f80d0fce667e64a67790996dd4fda11d47c711ccdabdde802
    `,
  },
  {
    algorithm: TEE_ALG_CONCAT_KDF_SHA256_DERIVE_KEY,
    source: OPENSSL,
    secret: octets`9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4`,
    info: octets`000000074131323847434d00000005416c69636500000003426f6200000080`,
    output: octets`
      56aa8deaf8236d205c2228cd71a7101aa4a8a036b0436d4f591331c26af44460b0d12ce7559d8af6f9945ce1db
      d17c4541996713b3200dcc6d00f024ae5a3885498564e877b0
    `,
  },
  {
    algorithm: TEE_ALG_CONCAT_KDF_SHA384_DERIVE_KEY,
    source: OPENSSL,
    secret: octets`9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4`,
    info: octets`000000074131323847434d00000005416c69636500000003426f6200000080`,
    output: octets`
      010468a845c06b8da1f20aba945211a0f74f9ce223cac3d69f705a450452c3eac73c1fb1e9b1f0fb880cfd31f6
      f5fb236c867e8865a56a3c9d9a221a40109a651e17d3cbb3c8
    `,
  },
  ...PUBLISHED_CONCAT_KDF,
];

export const PBKDF2_VECTORS: readonly Pbkdf2Vector[] = [
  {
    algorithm: TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY,
    source: 'RFC 6070',
    secret: octets`70617373776f7264`,
    salt: octets`73616c74`,
    iterations: 1,
    output: octets`0c60c80f961f0e71f3a9b524af6012062fe037a6`,
  },
  {
    algorithm: TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY,
    source: 'RFC 6070',
    secret: octets`70617373776f7264`,
    salt: octets`73616c74`,
    iterations: 2,
    output: octets`ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957`,
  },
  {
    algorithm: TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY,
    source: 'RFC 6070',
    secret: octets`70617373776f7264`,
    salt: octets`73616c74`,
    iterations: 4096,
    output: octets`4b007901b765489abead49d926f721d065a429c1`,
  },
  {
    algorithm: TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY,
    source: 'RFC 6070',
    secret: octets`70617373776f726450415353574f524470617373776f7264`,
    salt: octets`73616c7453414c5473616c7453414c5473616c7453414c5473616c7453414c5473616c74`,
    iterations: 4096,
    output: octets`3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038`,
  },
  {
    algorithm: TEE_ALG_PBKDF2_HMAC_SHA1_DERIVE_KEY,
    source: 'RFC 6070',
    secret: octets`7061737300776f7264`,
    salt: octets`7361006c74`,
    iterations: 4096,
    output: octets`56fa6aa75548099dcc37d7f03425e0c3`,
  },
  {
    algorithm: TEE_ALG_PBKDF2_HMAC_SHA256_DERIVE_KEY,
    source: 'RFC 7914, 11',
    secret: octets`706173737764`,
    salt: octets`73616c74`,
    iterations: 1,
    output: octets`
      55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d
      77ef317c71b845b1e30bd509112041d3a19783
    `,
  },
  {
    algorithm: TEE_ALG_PBKDF2_HMAC_SM3_DERIVE_KEY,
    source: PYTHON,
    secret: octets`70617373776f7264`,
    salt: octets`73616c74`,
    iterations: 2,
    output: octets`
      fee723a2bc966e11dffb66133f4e8df577383c78ade30e3298edbd3e54ed85b7650006f9e15d3798
    `,
  },
  ...PUBLISHED_PBKDF2,
];
