/**
 * Keys derived from secrets, as NIST and project Wycheproof have published them.
 *
 * Sources: usnistgov/ACVP-Server, gen-val/json-files (KDA-HKDF-Sp800-56Cr1, KDA-OneStep-Sp800-56Cr1:
 * the fixed info is both parties' ids and the length in bits); NIST CAVP, KASValidityTest
 * (ECCStaticUnified_KDFConcat_NOKC_init); C2SP/wycheproof, testvectors_v1 (hkdf_*, pbkdf2_*).
 */
import {
  TEE_ALG_CONCAT_KDF_SHA224_DERIVE_KEY,
  TEE_ALG_CONCAT_KDF_SHA256_DERIVE_KEY,
  TEE_ALG_CONCAT_KDF_SHA384_DERIVE_KEY,
  TEE_ALG_CONCAT_KDF_SHA512_DERIVE_KEY,
  TEE_ALG_HKDF,
  TEE_ALG_HKDF_SHA224_DERIVE_KEY,
  TEE_ALG_HKDF_SHA384_DERIVE_KEY,
  TEE_ALG_HKDF_SHA512_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SHA224_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SHA384_DERIVE_KEY,
  TEE_ALG_PBKDF2_HMAC_SHA512_DERIVE_KEY,
  TEE_ALG_SHA224,
  TEE_ALG_SHA384,
  TEE_ALG_SHA3_224,
  TEE_ALG_SHA3_256,
  TEE_ALG_SHA3_384,
  TEE_ALG_SHA3_512,
  TEE_ALG_SHA512,
} from '../../../abi/gp.ts';
import { lowByte } from './kdf-vector.ts';
import type { HkdfVector, KdfVector, Pbkdf2Vector } from './kdf-vector.ts';
import { octets } from './octets.ts';

const ACVP_HKDF = 'NIST ACVP, KDA-HKDF-Sp800-56Cr1';
const ACVP_ONE_STEP = 'NIST ACVP, KDA-OneStep-Sp800-56Cr1';
const CAVP_KAS = 'NIST CAVP, KASValidityTest, KDFConcat';
const WYCHEPROOF_HKDF = 'Wycheproof, hkdf';
const WYCHEPROOF_PBKDF2 = 'Wycheproof, pbkdf2';

/** The same derivation by an algorithm of its own, and by TEE_ALG_HKDF, which is told the digest. */
const underBothNames = (vector: KdfVector, digest: number): readonly HkdfVector[] => [
  vector,
  { ...vector, algorithm: TEE_ALG_HKDF, hash: lowByte(digest) },
];

export const PUBLISHED_HKDF: readonly HkdfVector[] = [
  ...underBothNames(
    {
      algorithm: TEE_ALG_HKDF_SHA224_DERIVE_KEY,
      source: ACVP_HKDF,
      secret: octets`c1b181ff9efec1483ca7cef67d30e5c4674481c1527b0bf7892d4c40`,
      salt: octets`
      000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
      00000000000000000000000000000000000000
    `,
      info: octets`4cbc8e8e7047c4520cfacaa4793d481d5976898e4d7e2d72333db59a00c0a80300000400`,
      output: octets`
      4b7ea706687ecb946e73bda76c51a5c7922e5da587969f2827ec8193b376efe7fe3240da39e725b53e9a4812f0
      3bf958ffb98735b7ce749fcf4017abcd4bceeb4c1b27e4c5a56b0ca80876fdaf1bf8e98f53d99b3a8b3ba20852
      4157fcfc220c68a9a27acd64e06d81154d674eb3a516c69f9025e2da46ba938caaf023e319aa
    `,
    },
    TEE_ALG_SHA224,
  ),
  {
    algorithm: TEE_ALG_HKDF,
    source: ACVP_HKDF,
    secret: octets`1d3df6d6eb138d99d2b12f9bd83d9c7295b3ca4fc4c7b11ef6a47f00725c2b91`,
    salt: octets`
      d75ade4296357bb12ec22fb7d8808fa87361319eea9febfc808d0b67c5bc5c0269071c68e60fd4c751b4eeb0c3
      31ac010b44bdce5e9499f3c3c5526bfccd661c72f3e884829bed303090338392aec1d2f908352cd9cef5528c9e
      04d34005578538815f8504a50a4170979d54e72592c798927054539f9dd278ed2a8cdc5dc8cee41aa925765965
      695c88cb77a16e3fb6
    `,
    info: octets`
      e7dffd6805ba8aeb2972eed47259c79073271fb86b72d98a7a623b81a1a6249f926b32beff154af8f68b0e7c97
      d237232cae9b69ab7411ed132a83c04071873400000400
    `,
    hash: lowByte(TEE_ALG_SHA3_224),
    output: octets`
      a3e4118833171a6ef895e49ff91ef4fd2f532b2abf6d1de80f6c0b2912140f70b40c088a74f4148cb19aa367ff
      de97de3202489e29a0f35d4ead88d831616e729a5846b8ff7f68917d6e8aeab02aff2a914a58bc9b74cc05a099
      cbea8747f7c38d2fde07f0aa1bbf6858b2d0357a43c5243d36ea6e1492a9bc6338511dac2429
    `,
  },
  {
    algorithm: TEE_ALG_HKDF,
    source: ACVP_HKDF,
    secret: octets`9781397a46011456da8cf122775e59813929d5c762a67ea11ca1016f59df`,
    salt: octets`
      000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
      000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
      000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
      00
    `,
    info: octets`2e38694b6438ff771378419836d74485fc68a25aff5a02045c3dfa7d5342842500000400`,
    hash: lowByte(TEE_ALG_SHA3_256),
    output: octets`
      fa5d8a9d39952244f7c8acacca8b67f0db0b86c6317f8755150e3f74a75b77319f7525e8d0e5e0d69f8d66aa50
      517a137f8741adae45fca6721beb7d46430420ce0c7f8ed157cb024fd37e508247ff35384a888d3ee2c781cda5
      8fcccbd238385fda27119e1d1ba4e82c8cbddfcec82e2347e343fe0d2cc9202cec6cca14f8ba
    `,
  },
  {
    algorithm: TEE_ALG_HKDF,
    source: ACVP_HKDF,
    secret: octets`2a7f7fd4ef27e43085421d53c463a40449168f6d0e4502b4881e1d1b`,
    salt: octets`
      1a4b9b0915d3b8e486d2a5851919c3865be756bffd55c01ac12a86e36405a694adfd4949c8793a1a23a1590a31
      5198952866ba2eb2cb196395648250eddc86e0dcd6d7b2afeced1616088a16b9567e447b74bfebe5836a84b0f8
      36b58f5122adb81360af95140ae8
    `,
    info: octets`f6ab0a7e84a75f37a1e13b757eb815b38235b32ff637eac559ebc20f5540828900000400`,
    hash: lowByte(TEE_ALG_SHA3_384),
    output: octets`
      726bccefcdbd12dc629a50abf6a35c8a5c30f1fecda9b231c708cb80c5c19e3d9f42136e3a605c374d2988813b
      4a428f118ecef5e0d8cc07e46ac90eee8badd40c9fad80052c32e6250fc0a1b40b3195071760fc08a45a1c4739
      ea57c83142f5eb8e82a1765a20e854bb70c2a4c70dd17f473160fa4378ae3a777bf62e33a7f5
    `,
  },
  {
    algorithm: TEE_ALG_HKDF,
    source: ACVP_HKDF,
    secret: octets`b24a8db43ec1fb0024dbcfa9bcb54612cf35826abd9f044366798c8c963143e484bb67e1`,
    salt: octets`
      1129961c80579777bec8800c450d8110c803101a2b9eded4de7b58bb528e723dc28c2051464b6eceb930e1444e
      6b08efed9673f7f82a6d317adc68ef2650a7a00dce774efc6fa63c
    `,
    info: octets`991599f7727b610780b8764fcce47e55bab5b13aca91960d6814daffb29afe5900000400`,
    hash: lowByte(TEE_ALG_SHA3_512),
    output: octets`
      b80bc2daced0530f07464bfedbe63f943f38a11ca741f85a2e8892c91fe08fc9ee85350f9f193dd419b6d03ebe
      8a117263708612f4052da460a73ebf33f90b417ec46f9f76460d8898affbb0b430a50e2ef24982b5e40b6f9159
      118b01dc867795d0074ffa75fd25951a161e02e122667f7184723ec12c7c845ec377049faab4
    `,
  },
  {
    algorithm: TEE_ALG_HKDF_SHA384_DERIVE_KEY,
    source: WYCHEPROOF_HKDF,
    secret: octets`
      66c33e63e4260280ac52898eff61a515465cb005a4b80ec2a62e3d430b9e9e9381f6e6d9fbb1a2a633e8b75dce
      8c2929
    `,
    salt: octets`
      718c78be3e85766bc454f19becd469bc2eb1d58e606894091700420d9f97bcb03db02c43e742808fc2e2ba8818
      5fdba9
    `,
    info: octets`ad03d32ef7b7aaf2`,
    output: octets`
      73991ecc3e8334b0ace9f9cd82d95bb14dc9e060a764015a735fd4439e15b905d6067e797a3c3761f898158168
      fbfc219395fc90182968ac6362e805100b07a968308c261ef3d3cc1045a246dcf079d903074e24b8802e9c
    `,
  },
  ...underBothNames(
    {
      algorithm: TEE_ALG_HKDF_SHA384_DERIVE_KEY,
      source: WYCHEPROOF_HKDF,
      secret: octets`
      76e9c1f541dfa15faf8409d291e47418a8639829ddc7d4ee500f885e8e1404c152fc28ceb59b7d0bff276b552d
      bdde36
    `,
      salt: octets`
      fb2e11af97a64cf620d727ca79d64afbcde3d145456c1b1f4f67d7ef3eeab059f67c8ecf56e1082f1e2122826a
      e23d70
    `,
      info: octets`80337d09f9acd738`,
      output: octets`
      b060f9351e478bf07029b817a2b6ab4602638dd264dcd1c56a5b7067a345792d11d1448f69f379c2dd5d5dd33c
      6f2eb5a585bd8ca78a9274121c604da936e16ba815c31a6205d2035d699381e928337afbe3f78339904ab42d8e
      aa5f382d33c02e5ac924307a76be29b736a37a5aa359ce09fa61c13b409558e4584c507626418031808b49d21d
      989d0c0755adbac6259b155b06ce3b8d9ffd0d7babf161a116d1ff4b5bcb934454e197c27574e31365b39cfca6
      00f93aa8c66642b3f3f26145
    `,
    },
    TEE_ALG_SHA384,
  ),
  {
    algorithm: TEE_ALG_HKDF_SHA384_DERIVE_KEY,
    source: WYCHEPROOF_HKDF,
    secret: octets`
      b77c1b4a865339d78c8e3ed7454ac6823b678d81126ce613c9e82ffab9e38ea88328d9eab8e88b409c1cedba7a
      74e8d7
    `,
    salt: octets`
      8d3d37becca0ee5e808b3c9835888d39c2ae96ede1dceb4bf6fe7f0d18b9a3a8230231ce28e493b86593e31ddd
      580523
    `,
    info: octets`6a5253cb802bf83c3b3941aabc08d524beedf003`,
    output: octets`6af966e35062d24d11fe89ab36f2fd6c226f7a665bcea83ddb59c21ff348f239`,
  },
  {
    algorithm: TEE_ALG_HKDF_SHA512_DERIVE_KEY,
    source: WYCHEPROOF_HKDF,
    secret: octets`
      c132ac861d00e8aa82470baf3be3851c9f77f96b19cc2c3eb5558c20915ad16cb45c50db9b230c5279bf7b38fb
      f50ce68b60d7b230530f3a5f4016883f217168
    `,
    salt: octets`
      4c3582c867fab84ca075da5aef6b78b8db982ee4fe33fb4500294659aad63dd7677f2f256bf719c6796ea8fdf1
      2c46863064875a529aeef9318f344335610f82
    `,
    info: octets`7573b95f1d8ee5d0`,
    output: octets`
      d93663825963a4a2328a6e56ee7d108de95b7c981c3e62dc8df40105e4995137ca8cfa91cbffb447ffd80b0b90
      1578aaabc6c56b3aa66734fbe98b95c1125990e14533e13d049f025880fb2834c8e5e2bbc8719deb3b20742939
      7c19beb0160f46441f95f8b11ab2ead32c64c12d9f46d6aaa58f9e685771
    `,
  },
  ...underBothNames(
    {
      algorithm: TEE_ALG_HKDF_SHA512_DERIVE_KEY,
      source: WYCHEPROOF_HKDF,
      secret: octets`
      908959c6b518c7cc6fdf24ee7d1c05327a1fdacd08b1d66cf7ad554cdeb724e0445a3741ca47d58f5e67a7514f
      4834107d710bbdb6a8c1e2d37349ffdad7dd2a
    `,
      salt: octets`
      d22c064b2b3a63abe1b4348fa38b9f5ad44167a2588a2b1af8fa862f95a11da7a5847a0db68d80815734f8260e
      d29a9226c678d0a60f7aa3cc39a0f9e9a02513
    `,
      info: octets`cefa421c2bac0569`,
      output: octets`
      621851c73876e92e257113bcb8e8ddc810f6985910304c5b481ebd50d600a03c1f1a7720d7256aabcd74661559
      c629571a48cf7647acf50e800d8069814a00ab01c34725bffa515377b9bf26cc3074128e2dc0baa1d765459b92
      ce5851bff217895c9fa39b708743b0e6be5a80af85eea19f7861dc46e77c1dad0ec89cb7c66b42b7b6eaf7cc02
      d9711e70284dabbf908636ca4cee1148d094519ea8830e0c7a4bf55bb5756a556bea239f200d4faa5c2991e8e9
      306c65b3811ceeb881474bc84fec0a9fffa8da7733a51dda2e95c04a3d88ebc5c429b2c700e5a1bad5739f897c
      671d45e026595e13c3f71abbe37e79befcbe1ea18cfe3b2e33c387a8489659
    `,
    },
    TEE_ALG_SHA512,
  ),
  {
    algorithm: TEE_ALG_HKDF_SHA512_DERIVE_KEY,
    source: WYCHEPROOF_HKDF,
    secret: octets`
      ddba77f227f237c791c07ee7e1ce9d933ecad3614212cc98d4f12afc90a3b21f4c7c3b4c54f44ad7d1e8ce45cd
      36aad5cb0bbf84e90cb054a1e7dc558690c5fa
    `,
    salt: octets`
      3b9a27801be4b5d7ae71500e2d0cc887bd1291129859f10278de575843d914dbf11a985fd4fd3ed039117b53fc
      e0674955e9699c22ee3d3c7db05d429201f352
    `,
    info: octets`6b478027231379b6bbed6c61732aad5636b5aab2`,
    output: octets`c33219807c46e518225d0b37c02eab9032f701f79116ee1d7a4f5472b57c610c`,
  },
];

export const PUBLISHED_CONCAT_KDF: readonly KdfVector[] = [
  {
    algorithm: TEE_ALG_CONCAT_KDF_SHA224_DERIVE_KEY,
    source: ACVP_ONE_STEP,
    secret: octets`808d1a8b894c5a2a8838d43bf9f4e4150e904fbb6cbb45b04cb12303`,
    info: octets`5e93d25f3c554ffceac32468bc751a65b796c028d7a8887eba5b3ed8cedbb08500000400`,
    output: octets`
      2514f53e72134190d676330a2345dac4fd0eb6f43d5c395cb9b836f16c9552b53271e280c7d0aac6e686be12c5
      d53d66fa0d0d941f2d7c2ebaf273690492bdd7d854c43ce4537838369d600561b1ee2f9700a8d41215c71e0bc6
      39277dd76997b59cb158084eff907798d3b426ba57344ac1d284d73bdb955f1f6ae4a4510411
    `,
  },
  {
    algorithm: TEE_ALG_CONCAT_KDF_SHA512_DERIVE_KEY,
    source: ACVP_ONE_STEP,
    secret: octets`28dab9a0b02c938f4ff31ba068c696b88d384f8d745a6523386435f7f815bbbdfc6632c7`,
    info: octets`2ec26a84ee4b42e464113d9b8bc5ffcc8a6997b4086468c6c7a15bfe6c31af2200000400`,
    output: octets`
      ad8ecd0e11d644b8916a4c51d94f88233931e3db6bf1c9abc0568aed79940060c55ff7cc7dc3ec8e9da3997ddb
      4d0fb83af9f258d58fc69cca42f15b99049646fc8db0de35e034e2950dcc5965bd9544e88b258121bcc920065f
      f0ee72dadc75be853f4fd684bb62653a7fcbfc7b98eedc8a0497f158578149735c92eb6b578e
    `,
  },
  {
    algorithm: TEE_ALG_CONCAT_KDF_SHA224_DERIVE_KEY,
    source: CAVP_KAS,
    secret: octets`4d8d9bc99f050d926ee1f490d2b6efb253bbe8320951bcbc5e1159bc`,
    info: octets`
      a1b2c3d4e53f066b40220a9d2d125991f31c5f434156536964f19af31d70b22f1e90297f4edbf64d82a4af281e
      8dfd
    `,
    output: octets`fb088e23cdbf257d0565dcb5c3c8`,
  },
  {
    algorithm: TEE_ALG_CONCAT_KDF_SHA256_DERIVE_KEY,
    source: CAVP_KAS,
    secret: octets`8ca135d887d193f3eca37d7ccb83300799d9b97e022db6074f6bfd7d`,
    info: octets`
      a1b2c3d4e5b56f3d543ee202efee8f040b6fca43415653696414fb2e116717e026e5a4626806cf79985681bc03
      bd92
    `,
    output: octets`9c89d1036cba81636434e9e2f261`,
  },
  {
    algorithm: TEE_ALG_CONCAT_KDF_SHA384_DERIVE_KEY,
    source: CAVP_KAS,
    secret: octets`4476549e3ff4814f371c9a81f5ce4201f9e221216db9dfdb9e299a27`,
    info: octets`
      a1b2c3d4e5bac5c02cc29f9e90dcc0303eea9043415653696485b51c3373d82fc890334a3069ac0d9f39271b37
      69f9
    `,
    output: octets`a9628c562eefa89c8ab8fac5a178`,
  },
  {
    algorithm: TEE_ALG_CONCAT_KDF_SHA512_DERIVE_KEY,
    source: CAVP_KAS,
    secret: octets`09911ffad12ef014af5715e6d3160f1508e861051e570c847f7d2d5d`,
    info: octets`
      a1b2c3d4e589fb0536638a3f1562fddaa9b70d434156536964fadd7f2928257520ffb1db0d15130db0c0953b49
      ce20
    `,
    output: octets`91ba4d87c93d2b64bf08f61515e8`,
  },
];

export const PUBLISHED_PBKDF2: readonly Pbkdf2Vector[] = [
  {
    algorithm: TEE_ALG_PBKDF2_HMAC_SHA224_DERIVE_KEY,
    source: WYCHEPROOF_PBKDF2,
    secret: octets`7439315572766f47`,
    salt: octets`5d76db9ca0f0bae2`,
    iterations: 4096,
    output: octets`
      a2f0f558845aa8fd8c5f7c203a59ddd0d58f1887150c2591c2909233f742748728c1cd68444c8f21d109557ed4
      3ce6e9a1d98334069a6cedda77836fef55ad9ebd
    `,
  },
  {
    algorithm: TEE_ALG_PBKDF2_HMAC_SHA224_DERIVE_KEY,
    source: WYCHEPROOF_PBKDF2,
    secret: octets`
      63727a466d396430795463456a6468545758693877674e516f544e6d486e61686f695631707161313365547147
      7933497531354b4f52516339494c53646756527a45524e6b4463723565676a62584a78426572536a74726b6b67
      4341616a63356243354434706e66743836663754626663666370595a30767354454d4930524178
    `,
    salt: octets`9266da5b8c102b27`,
    iterations: 4096,
    output: octets`784299cb3c35493271eb7d454afccc6badb739df38ddc7063a5d7b89711e4557`,
  },
  {
    algorithm: TEE_ALG_PBKDF2_HMAC_SHA384_DERIVE_KEY,
    source: WYCHEPROOF_PBKDF2,
    secret: octets`7439315572766f47`,
    salt: octets`5d76db9ca0f0bae2`,
    iterations: 4096,
    output: octets`
      17c6ba7e45f8a26a13b4d5f72ca3a2f97147e5f60c3108829b5b51633ab8afd9888b0465b22995f072ee2c8383
      e091afb808bf48b0e786da661ff95142a6229f1f
    `,
  },
  {
    algorithm: TEE_ALG_PBKDF2_HMAC_SHA384_DERIVE_KEY,
    source: WYCHEPROOF_PBKDF2,
    secret: octets`
      63727a466d396430795463456a6468545758693877674e516f544e6d486e61686f695631707161313365547147
      7933497531354b4f52516339494c53646756527a45524e6b4463723565676a62584a78426572536a74726b6b67
      4341616a63356243354434706e66743836663754626663666370595a30767354454d4930524178
    `,
    salt: octets`9266da5b8c102b27`,
    iterations: 4096,
    output: octets`b967e5eb79c1ec4a3ad0cb09c18915793bd87b51911a5e9ca43cbe49eb328b83`,
  },
  {
    algorithm: TEE_ALG_PBKDF2_HMAC_SHA512_DERIVE_KEY,
    source: WYCHEPROOF_PBKDF2,
    secret: octets`7439315572766f47`,
    salt: octets`5d76db9ca0f0bae2`,
    iterations: 4096,
    output: octets`
      a5d7f0fe4adc54e2ac5edc54e005827a90cbd46c00b72be68f8fbd1da98c079b98622a69b1ea44c0d94cdae03c
      339b742d047ac63cac0d9af59786baee4a158080
    `,
  },
  {
    algorithm: TEE_ALG_PBKDF2_HMAC_SHA512_DERIVE_KEY,
    source: WYCHEPROOF_PBKDF2,
    secret: octets`
      63727a466d396430795463456a6468545758693877674e516f544e6d486e61686f695631707161313365547147
      7933497531354b4f52516339494c53646756527a45524e6b4463723565676a62584a78426572536a74726b6b67
      4341616a63356243354434706e66743836663754626663666370595a30767354454d4930524178
    `,
    salt: octets`9266da5b8c102b27`,
    iterations: 4096,
    output: octets`9a3a9c839c05c455f1e83959f486b23b15f6e91bdf71b3da11bb0dd71ec98d49`,
  },
];
