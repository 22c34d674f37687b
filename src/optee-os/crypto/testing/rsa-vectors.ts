/** RSA ciphertexts with what was random in them, and signatures of messages. */
import {
  TEE_ALG_MD5,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_MD5,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA1,
  TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA512,
  TEE_ALG_RSAES_PKCS1_V1_5,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_MD5,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA1,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA224,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA384,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA512,
  TEE_ALG_RSASSA_PKCS1_V1_5_MD5,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA1,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA224,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA256,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA384,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA512,
  TEE_ALG_SHA512,
} from '../../../abi/gp.ts';
import { WYCHEPROOF_OAEP_VECTORS } from './oaep-wycheproof.ts';
import { octets } from './octets.ts';
import type { RsaVectorKey } from './rsa-keys.ts';
import { EXAMPLE1, EXAMPLE15, OAEP10, SIGGEN15, SIGGENPSS } from './rsa-keys.ts';
import type { Vector } from './vector.ts';

export interface RsaesVector extends Vector {
  readonly key: RsaVectorKey;
  /** TEE_ALG_* of MGF1's hash, when it is not OAEP's. */
  readonly mgfHash?: number;
  readonly label?: Uint8Array;
  readonly message: Uint8Array;
  /** PS of PKCS #1 v1.5, the seed of OAEP. */
  readonly random: Uint8Array;
  readonly cipher: Uint8Array;
}

const RSA_LABS_V1_5 = 'RSA Laboratories, pkcs1v15crypt-vectors.txt, examples 1 and 15';
/** Where no vectors are published: what another implementation made of the message. */
const OPENSSL = 'OpenSSL 3.0, pkeyutl';

export const RSAES_VECTORS: readonly RsaesVector[] = [
  {
    algorithm: TEE_ALG_RSAES_PKCS1_V1_5,
    source: RSA_LABS_V1_5,
    key: EXAMPLE1,
    message: octets`6628194e12073db03ba94cda9ef9532397d50dba79b987004afefe34`,
    random: octets`
      017341ae3875d5f87101f8cc4fa9b9bc156bb04628fccdb2f4f11e905bd3a155d376f593bd7304210874eba08a
      5e22bcccb4c9d3882a93a54db022f503d16338b6b7ce16dc7f4bbf9a96b59772d6606e9747c7649bf9e083db98
      1884a954ab3c6f
    `,
    cipher: octets`
      50b4c14136bd198c2f3c3ed243fce036e168d56517984a263cd66492b80804f169d210f2b9bdfb48b12f9ea050
      09c77da257cc600ccefe3a6283789d8ea0e607ac58e2690ec4ebc10146e8cbaa5ed4d5cce6fe7b0ff9efc1eabb
      564dbf498285f449ee61dd7b42ee5b5892cb90601f30cda07bf26489310bcd23b528ceab3c31
    `,
  },
  {
    algorithm: TEE_ALG_RSAES_PKCS1_V1_5,
    source: RSA_LABS_V1_5,
    key: EXAMPLE1,
    message: octets`750c4047f547e8e41411856523298ac9bae245efaf1397fbe56f9dd5`,
    random: octets`
      ac4728a8428c1e522471a8df735a8e9292af0d55bcb73a12ac32c264f3881c7c8a710f70feb10485c8370f781f
      ffd021816f058739766da0a9c9db0eae7e9a25b6c43318d0caac236522ca310f17fc52ad4229c83a24e9e545eb
      35e9826d559f57
    `,
    cipher: octets`
      6842e5e2cc0041d6b0c81a562c39a617379a515cab74abcb2619c7740a541d9555dd9165975bf8a3ebd0d04566
      61dfb1a6861ba2332269930e0db514fca0733eeb9c405713eb1f9d768033ed293e1e081a125f32ddb9ea52edbe
      275c4af60f8a7bf832bd227561c208dc0031a84b5012c9dd9f74459dcb070bdbe13cfa8c2d50
    `,
  },
  {
    algorithm: TEE_ALG_RSAES_PKCS1_V1_5,
    source: RSA_LABS_V1_5,
    key: EXAMPLE15,
    message: octets`
      9a1396622d066c10560858c2c4cd5c04449e2b9550c5bc9293761a9104411da18a57d9b6a997333cdbce77e9fd
      be6bb831
    `,
    random: octets`
      f17861acffb24caced90ba38aa7ea0f2e54eeaa62ae66498f3c28f996bcee253bee8199e3eb80d627feeb6e0b3
      9490edf76d16a2a0bc20093252a9d7f1f9388b061944852afbe73ce413a3fca521b9474e678129464d91b82bca
      a59f56ecfb124f61f50467130105b2cbc6943b953695cfcd20c9b6ef53f3f210331d3932dc010c735929096b2e
      68ff16664b0b90a0fa1be460578592b0cb4d6ca45ea06bde3e8a1ebfef70d83ef79b3a74db060fc0203b74807f
      407001f4b4d99ec5158e8e7e4b102a515de95d2b70fe1fb4
    `,
    cipher: octets`
      100ece634525d467f6d4a6b66ede1cc237f61fb2b67023a83dc456b92cda183ed6620fe57d5a67332c77233ac1
      e8725b36f8e1b108412ca6fb35dcd4d81677a2b30d5eaf25e0b9191b38f7eef83f9121a808438c92ab03f52080
      7bc9a894705eaf4eed066823a67aa2a5599cd95e58da7c094836d2afeba39dd009a64ade03053376f02936cf3f
      56bf64c1f3bdc07c45a95b9fcd9396cd9a8d41bcc56424937a1371b3847c905b9ab58402393d4046e4a015c147
      08f74ce7790eba8af792072440bcafb14c0f8108971187c80f463a1fff258646ea16e51c6ee361b661a14f07cd
      4f5a82c709f494f1df0f803b6f64a72fb9c450ffe268fcab487d4d63013e41
    `,
  },
  {
    algorithm: TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA1,
    source: 'RSA Laboratories, oaep-vect.txt, example 10',
    key: OAEP10,
    message: octets`8bba6bf82a6c0f86d5f1756e97956870b08953b06b4eb205bc1694ee`,
    random: octets`47e1ab7119fee56c95ee5eaad86f40d0aa63bd33`,
    cipher: octets`
      53ea5dc08cd260fb3b858567287fa91552c30b2febfba213f0ae87702d068d19bab07fe574523dfb42139d68c3
      c5afeee0bfe4cb7969cbf382b804d6e61396144e2d0e60741f8993c3014b58b9b1957a8babcd23af854f4c356f
      b1662aa72bfcc7e586559dc4280d160c126785a723ebeebeff71f11594440aaef87d10793a8774a239d4a04c87
      fe1467b9daf85208ec6c7255794a96cc29142f9a8bd418e3c1fd67344b0cd0829df3b2bec60253196293c6b34d
      3f75d32f213dd45c6273d505adf4cced1057cb758fc26aeefa441255ed4e64c199ee075e7f16646182fdb46473
      9b68ab5daff0e63e9552016824f054bf4d3c8c90a97bb6b6553284eb429fcc
    `,
  },
  {
    algorithm: TEE_ALG_RSAES_PKCS1_OAEP_MGF1_MD5,
    source: OPENSSL,
    key: EXAMPLE15,
    message: octets`6d6573736167652030`,
    random: octets`36a87b1a236f6ceee7c6414516bba16e`,
    cipher: octets`
      873ebad6eeccb304dc90b6c5f28c9ec59a206f6025aa1506315bedbfeedcc7e9bf35d2ad5d54a9e95464b4d49d
      5d309e95dc58d9c2d9ad6d941dd0dac95bbc2903955d9ac7d1a877b7d614e42fbe8d449c20a762c4ed383c4141
      988b16e8aac1850c63c7ae27aee6b285b63c50975b40e813f1f23301f9a4f8c499b43ac674e86022489aba6d95
      d2cdd9178c853ffe83c1abc2b5fda3857b7ef5eb5b189a7f7240c49c2de6f4b48e2c28e812e320a727ebf4c742
      88291e6c1fdf56551837b7c1d4efa2c308f9ad7553cccf209e782a4a94502db7508304f378c6acebfed23833c9
      2e7d3dea561c007200724a6826fab5818d481f1a8c2cc3eb0247abd2f90a9b
    `,
  },
  {
    algorithm: TEE_ALG_RSAES_PKCS1_OAEP_MGF1_SHA512,
    source: OPENSSL,
    key: EXAMPLE15,
    mgfHash: TEE_ALG_MD5,
    message: octets`6d6573736167652038`,
    random: octets`
      7f79e1a301d2bd7d49b80bd42b023425612976390e5620309349b452890ffbd0552ef1cb0347d8c2c14594b08c
      50d29af4e57011403f8cc79e521b5209507ee8
    `,
    cipher: octets`
      8dab0ca977b0b9b8e74d7b2554d5ea92e5bebd3ce8434ef8f1cc2a5851c7824ca2c941ee793da0e5aaa3b6f5f5
      f85b3ac89c0759a84f7c37e8c9500db122ffe7f6b0b9e7ca6c06241a6ae5604c7be199f29e57a33e8d5a1a9b13
      8f51215a491d6a9d4e5c99221a6195bb9b99a4a8c07dfeefb06b0cc6d398578d7139384429e01636bb5c3819b0
      da8022e2bf7fcff39914ef95dafdef42b3914a577874e92d40be4126078e41eeac0aa74d10d3160958499a4f51
      f852c5cce6f09f700869a2dca1a8ff0f8faebd3caaebc999978f7a24650620812c59627f32cbc0c3b000298f69
      0c0764ee7da25020b211e58fa7687ed18b0a75800bc79d311d1a071ba4fcb2
    `,
  },
  {
    algorithm: TEE_ALG_RSAES_PKCS1_OAEP_MGF1_MD5,
    source: OPENSSL,
    key: EXAMPLE15,
    mgfHash: TEE_ALG_SHA512,
    label: octets`00`,
    message: octets`6d6573736167652039`,
    random: octets`0713e0bd86a97f8d93e2e0a3f06e8abd`,
    cipher: octets`
      089c83c14ca83e94ebbcc8c1d5d805265ee81b82f74d10f243d964b2a631418df97923215113fe58ed93372527
      a8af1d825f458292d86f9bbb16de26125a9a97d3385c54b8550690570aae2e8a798a7614177a29d4c99b5861e0
      834f9831da79e838435882d5d8097ee082a8a52d30a367240109877f25c1ee6949d3817b415235ac5da8de1e2d
      58fcad273fcb2cc1eb75f9754fe83cf8640220f81b2dc31a0a1dff22540e15f8049da6b60d19494423144b344d
      48274320f1c7c3862db7e54d607c321e8cae36657abf88571e1eee56cc7dba5cabb10e2abf95b2f215e4cd8bae
      86092e52f36e99a712bc808ee9d251fcfc31f8f8400a66654761b3208d7f25
    `,
  },
  ...WYCHEPROOF_OAEP_VECTORS,
];

export interface RsassaVector extends Vector {
  readonly key: RsaVectorKey;
  /** Of the host's digest. */
  readonly hash: string;
  /** Of PSS. */
  readonly salt?: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

const SIGGENPSS_SALT = octets`6f2841166a64471d4f0b8ed0dbb7db32161da13b`;

export const RSASSA_VECTORS: readonly RsassaVector[] = [
  {
    algorithm: TEE_ALG_RSASSA_PKCS1_V1_5_SHA1,
    source: 'NIST CAVP, SigGen15_186-2.txt, mod 1024',
    key: SIGGEN15,
    hash: 'sha1',
    message: octets`
      e8312742ae23c456ef28a23142c4490895832765dadce02afe5be5d31b0048fbeee2cf218b1747ad4fd81a2e17
      e124e6af17c3888e6d2d40c00807f423a233cad62ce9eaefb709856c94af166dba08e7a06965d7fc0d8e5cb265
      59c460e47bc088589d2242c9b3e62da4896fab199e144ec136db8d84ab84bcba04ca3b90c8e5
    `,
    signature: octets`
      28928e19eb86f9c00070a59edf6bf8433a45df495cd1c73613c2129840f48c4a2c24f11df79bc5c0782bcedde9
      7dbbb2acc6e512d19f085027cd575038453d04905413e947e6e1dddbeb3535cdb3d8971fe0200506941056f212
      43503c83eadde053ed866c0e0250beddd927a08212aa8ac0efd61631ef89d8d049efb36bb35f
    `,
  },
  {
    algorithm: TEE_ALG_RSASSA_PKCS1_V1_5_SHA224,
    source: 'NIST CAVP, SigGen15_186-2.txt, mod 1024',
    key: SIGGEN15,
    hash: 'sha224',
    message: octets`
      e567a39ae4e5ef9b6801ea0561b72a5d4b5f385f0532fc9fe10a7570f869ae05c0bdedd6e0e22d4542e9ce826a
      188cac0731ae39c8f87f9771ef02132e64e2fb27ada8ff54b330dd93ad5e3ef82e0dda646248e35994bda10cf4
      6e5abc98aa7443c03cddeb5ee2ab82d60100b1029631897970275f119d05daa2220a4a0defba
    `,
    signature: octets`
      5aa5033381bdd0acce332dd314daf008acaa9e835f832979891d1bda2b55d5eae35c479c06cac5bf33f432c8c0
      a5549d1d1b29c5e2589024d27800a0c235a61532c203cbc406ac6ecf63f52ae771b97c08e4b108ec916900e5a1
      1b1d48cca86ca5a5a799ed32e99c815cef04cf8eb55223bfd4d9c3449264b60061bc3684bc82
    `,
  },
  {
    algorithm: TEE_ALG_RSASSA_PKCS1_V1_5_SHA256,
    source: 'NIST CAVP, SigGen15_186-2.txt, mod 1024',
    key: SIGGEN15,
    hash: 'sha256',
    message: octets`
      e567a39ae4e5ef9b6801ea0561b72a5d4b5f385f0532fc9fe10a7570f869ae05c0bdedd6e0e22d4542e9ce826a
      188cac0731ae39c8f87f9771ef02132e64e2fb27ada8ff54b330dd93ad5e3ef82e0dda646248e35994bda10cf4
      6e5abc98aa7443c03cddeb5ee2ab82d60100b1029631897970275f119d05daa2220a4a0defba
    `,
    signature: octets`
      0e7cdd121e40323ca6115d1ec6d1f9561738455f0e9e1cd858e8b566ae2da5e8ee63d8f15c3cdd88027e13406d
      b609369c88ca99b34fa156c7ee62bc5a3923bb5a1edabd45c1a422aafcbb47e0947f35cfef87970b4b713162b2
      1916cafb8c864a3e5b9ffc989401d4eae992312a32c5bc88abbb45f99ac885b54d6b8e61b6ec
    `,
  },
  {
    algorithm: TEE_ALG_RSASSA_PKCS1_V1_5_SHA384,
    source: 'NIST CAVP, SigGen15_186-2.txt, mod 1024',
    key: SIGGEN15,
    hash: 'sha384',
    message: octets`
      e567a39ae4e5ef9b6801ea0561b72a5d4b5f385f0532fc9fe10a7570f869ae05c0bdedd6e0e22d4542e9ce826a
      188cac0731ae39c8f87f9771ef02132e64e2fb27ada8ff54b330dd93ad5e3ef82e0dda646248e35994bda10cf4
      6e5abc98aa7443c03cddeb5ee2ab82d60100b1029631897970275f119d05daa2220a4a0defba
    `,
    signature: octets`
      1689a8523919ac77cc997ebc59cb908872d88b2855a309ead2779b888b22b4232da9b93bb19b32c1db77ad738c
      6e43361e9eb6b1a37c49a8f3c7c7ae7e784d19a62138741293e49b1831c0c3617eb43c56706d83314953470636
      441086419ab9e6fd1ec4f9d5cc6544815d1e02ed96a3ae64c6998b2cf238e79a12164352d12a
    `,
  },
  {
    algorithm: TEE_ALG_RSASSA_PKCS1_V1_5_SHA512,
    source: 'NIST CAVP, SigGen15_186-2.txt, mod 1024',
    key: SIGGEN15,
    hash: 'sha512',
    message: octets`
      e567a39ae4e5ef9b6801ea0561b72a5d4b5f385f0532fc9fe10a7570f869ae05c0bdedd6e0e22d4542e9ce826a
      188cac0731ae39c8f87f9771ef02132e64e2fb27ada8ff54b330dd93ad5e3ef82e0dda646248e35994bda10cf4
      6e5abc98aa7443c03cddeb5ee2ab82d60100b1029631897970275f119d05daa2220a4a0defba
    `,
    signature: octets`
      bf3ff2c69675f1b8ed421021801fb4ce29a757f7f8869ce436d0d75ab749efc8b903d9f9cb214686147f12f333
      5fa936689c192f310ae3c5d75493f44b24bc1cd3501584aaa5004b65a8716d1eda7240ad8a529d5a0cf169f405
      4b450e076ee0d41a0011c557aa69a84a8104c909201d60fe39c79e684347ef4d144ea18f7a4e
    `,
  },
  {
    algorithm: TEE_ALG_RSASSA_PKCS1_V1_5_MD5,
    source: OPENSSL,
    key: EXAMPLE15,
    hash: 'md5',
    message: octets`6d65737361676520646967657374`,
    signature: octets`
      4c388842afabc4ce5ab93a7668135f87b93b1808ec164b0447d89bc2bdcd4ed6d88e8e4ec9560b2ffd1761c9bd
      117736fb8cfb79b6a63bcdf959f240ad3d8c7d36004796e39ffc9b3c8308c942319358d428c92ccdcae997a2c8
      2397f20b7d5c48559c5703450c672c60ed4cae1e984817e6d3858400aadf13d4cb6661f8344cd422bf89f22f53
      81862e6794b8baec1fff6e7fbda8954b3a587d7223336dfcefd81901658bdd0473d6f2e188cd7da7ea6d72ccad
      95e6b319b528b9a1f29fa365b9af5737d87374327845fc299719ba687a77e75663be7e6f6279c1c66fd1e3790c
      397993993eab1c9c979928d8ee4f387af9944f3929bc999f19fc0139c8f032
    `,
  },
  {
    algorithm: TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA1,
    source: 'NIST CAVP, SigGenPSS_186-2.txt, mod 1024',
    key: SIGGENPSS,
    hash: 'sha1',
    salt: SIGGENPSS_SALT,
    message: octets`
      1248f62a4389f42f7b4bb131053d6c88a994db2075b912ccbe3ea7dc611714f14e075c104858f2f6e6cfd6abde
      df015a821d03608bf4eba3169a6725ec422cd9069498b5515a9608ae7cc30e3d2ecfc1db6825f3e996ce9a5092
      926bc1cf61aa42d7f240e6f7aa0edb38bf81aa929d66bb5d890018088458720d72d569247b0c
    `,
    signature: octets`
      682cf53c1145d22a50caa9eb1a9ba70670c5915e0fdfde6457a765de2a8fe12de9794172a78d14e668d498aced
      ad616504bb1764d094607070080592c3a69c343d982bd77865873d35e24822caf43443cc10249af6a1e26ef344
      f28b9ef6f14e09ad839748e5148bcceb0fd2aa63709cb48975cbf9c7b49abc66a1dc6cb5b31a
    `,
  },
  {
    algorithm: TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA224,
    source: 'NIST CAVP, SigGenPSS_186-2.txt, mod 1024',
    key: SIGGENPSS,
    hash: 'sha224',
    salt: SIGGENPSS_SALT,
    message: octets`
      1248f62a4389f42f7b4bb131053d6c88a994db2075b912ccbe3ea7dc611714f14e075c104858f2f6e6cfd6abde
      df015a821d03608bf4eba3169a6725ec422cd9069498b5515a9608ae7cc30e3d2ecfc1db6825f3e996ce9a5092
      926bc1cf61aa42d7f240e6f7aa0edb38bf81aa929d66bb5d890018088458720d72d569247b0c
    `,
    signature: octets`
      53d859c9f10abf1c00284a4b55bf2bd84d8e313b4f3c35b8dec7bc3afe39b9b8a155418ead1931895769ce2340
      be2091f2385bbcf10d9e92bcf5d0e2960d10e792e7d865c64e50d19ffa13e52817d7d8d8db34392c2374a2e9b6
      9184f92a4ad9b1b8bae99ca614d204b65a438e38dbbfc8c7cc44ed5677af70ce6c4f951f0244
    `,
  },
  {
    algorithm: TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256,
    source: 'NIST CAVP, SigGenPSS_186-2.txt, mod 1024',
    key: SIGGENPSS,
    hash: 'sha256',
    salt: SIGGENPSS_SALT,
    message: octets`
      1248f62a4389f42f7b4bb131053d6c88a994db2075b912ccbe3ea7dc611714f14e075c104858f2f6e6cfd6abde
      df015a821d03608bf4eba3169a6725ec422cd9069498b5515a9608ae7cc30e3d2ecfc1db6825f3e996ce9a5092
      926bc1cf61aa42d7f240e6f7aa0edb38bf81aa929d66bb5d890018088458720d72d569247b0c
    `,
    signature: octets`
      7b1d37278e549898d4084e2210c4a9961edfe7b5963550cca1904248c8681513539017820f0e9bd074b9f8a067
      b9fefff7f1fa20bf2d0c75015ff020b2210cc7f79034fedf68e8d44a007abf4dd82c26e8b00393723aea15abfb
      c22941c8cf79481718c008da713fb8f54cb3fca890bde1137314334b9b0a18515bfa48e5ccd0
    `,
  },
  {
    algorithm: TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA384,
    source: 'NIST CAVP, SigGenPSS_186-2.txt, mod 1024',
    key: SIGGENPSS,
    hash: 'sha384',
    salt: SIGGENPSS_SALT,
    message: octets`
      1248f62a4389f42f7b4bb131053d6c88a994db2075b912ccbe3ea7dc611714f14e075c104858f2f6e6cfd6abde
      df015a821d03608bf4eba3169a6725ec422cd9069498b5515a9608ae7cc30e3d2ecfc1db6825f3e996ce9a5092
      926bc1cf61aa42d7f240e6f7aa0edb38bf81aa929d66bb5d890018088458720d72d569247b0c
    `,
    signature: octets`
      8f16c807bef3ed6f74ee7ff5c360a5428c6c2f105178b58ff7d073e566dad6e7718d3129c768cd5a9666de2b6c
      947177b45709dc7cd0f43b0ba6fc75578e1196acc15ca3afe4a78c144cb6885c1cc815f7f98925bc04ad2ff20f
      c1068b045d9450e2a1dcf5a161ceabba2b0b66c7354fdb80fa1d729e5f976387f24a697a7e56
    `,
  },
  {
    algorithm: TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA512,
    source: 'NIST CAVP, SigGenPSS_186-2.txt, mod 1024',
    key: SIGGENPSS,
    hash: 'sha512',
    salt: SIGGENPSS_SALT,
    message: octets`
      1248f62a4389f42f7b4bb131053d6c88a994db2075b912ccbe3ea7dc611714f14e075c104858f2f6e6cfd6abde
      df015a821d03608bf4eba3169a6725ec422cd9069498b5515a9608ae7cc30e3d2ecfc1db6825f3e996ce9a5092
      926bc1cf61aa42d7f240e6f7aa0edb38bf81aa929d66bb5d890018088458720d72d569247b0c
    `,
    signature: octets`
      a833ba31634f8773e4fe6ea0c69e1a23766a939d34b32fc78b774b22e46a646c25e6e1062d234ed48b1aba0f83
      0529ff6afc296cc8dc207bbc15391623beac5f6c3db557ca49d0e42c962de95b5ff548cff970f5c73f439cfe82
      d3907be60240f56b6a4259cc96dfd8fe02a0bfa26e0223f68214428fff0ae40162198cc5cbd1
    `,
  },
  {
    algorithm: TEE_ALG_RSASSA_PKCS1_PSS_MGF1_MD5,
    source: OPENSSL,
    key: EXAMPLE15,
    hash: 'md5',
    salt: octets`5f4ba9ce71509b626d0850292081d403`,
    message: octets`6d65737361676520646967657374`,
    signature: octets`
      d17d65a903ecad605e92b691a802f43f322353a1b9079d4704c099fd6279648f0e5381e4d40d44bd7d71ef537e
      32a6061de3b36dfb6661bef044e8b25bc1a785d9a5f9d8beae502736cb34fe04144bacaf0536565c480728c166
      36a60a1894cab611a0e9936e439dda5e0649d9516ac0ac50d4cd8cfa4a8af21c535bc749bc7a12423dd8738a90
      bbdc441d44201b1faf71775f89ee951114421a80c3f9ce745737125c74c5f43c538f8830e980a4f9441983e221
      296481a48ee98054f5d1c7a59c536b01ff2dafef4443d791e390c5c184137cd55e6d7e0733941d5e7e45ec5f5f
      a40616008d4e1640477896ea5dbfea83d87bce52c86e4e5b85078a5397f464
    `,
  },
];
