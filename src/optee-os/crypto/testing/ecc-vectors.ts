/** Elliptic curves: published secrets and signatures. */
import {
  TEE_ALG_ECDH_DERIVE_SHARED_SECRET,
  TEE_ALG_ECDSA_SHA1,
  TEE_ALG_ECDSA_SHA224,
  TEE_ALG_ECDSA_SHA256,
  TEE_ALG_ECDSA_SHA384,
  TEE_ALG_ECDSA_SHA512,
  TEE_ALG_ED25519,
  TEE_ALG_X25519,
  TEE_ECC_CURVE_NIST_P192,
  TEE_ECC_CURVE_NIST_P224,
  TEE_ECC_CURVE_NIST_P256,
  TEE_ECC_CURVE_NIST_P384,
  TEE_ECC_CURVE_NIST_P521,
} from '../../../abi/gp.ts';
import { octets } from './octets.ts';
import type { Vector } from './vector.ts';

/** What ECDH makes of one side's private value and the other's point. */
export interface EcdhVector extends Vector {
  /** TEE_ECC_CURVE_* */
  readonly curve: number;
  readonly d: Uint8Array;
  readonly x: Uint8Array;
  readonly y: Uint8Array;
  readonly secret: Uint8Array;
}

/** COUNT = 0 of each curve. */
export const ECDH_VECTORS: readonly EcdhVector[] = [
  {
    algorithm: TEE_ALG_ECDH_DERIVE_SHARED_SECRET,
    source: 'NIST CAVP, KAS_ECC_CDH_PrimitiveTest.txt',
    curve: TEE_ECC_CURVE_NIST_P192,
    d: octets`f17d3fea367b74d340851ca4270dcb24c271f445bed9d527`,
    x: octets`42ea6dd9969dd2a61fea1aac7f8e98edcc896c6e55857cc0`,
    y: octets`dfbe5d7c61fac88b11811bde328e8a0d12bf01a9d204b523`,
    secret: octets`803d8ab2e5b6e6fca715737c3a82f7ce3c783124f6d51cd0`,
  },
  {
    algorithm: TEE_ALG_ECDH_DERIVE_SHARED_SECRET,
    source: 'NIST CAVP, KAS_ECC_CDH_PrimitiveTest.txt',
    curve: TEE_ECC_CURVE_NIST_P224,
    d: octets`8346a60fc6f293ca5a0d2af68ba71d1dd389e5e40837942df3e43cbd`,
    x: octets`af33cd0629bc7e996320a3f40368f74de8704fa37b8fab69abaae280`,
    y: octets`882092ccbba7930f419a8a4f9bb16978bbc3838729992559a6f2e2d7`,
    secret: octets`7d96f9a3bd3c05cf5cc37feb8b9d5209d5c2597464dec3e9983743e8`,
  },
  {
    algorithm: TEE_ALG_ECDH_DERIVE_SHARED_SECRET,
    source: 'NIST CAVP, KAS_ECC_CDH_PrimitiveTest.txt',
    curve: TEE_ECC_CURVE_NIST_P256,
    d: octets`7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534`,
    x: octets`700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287`,
    y: octets`db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac`,
    secret: octets`46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b`,
  },
  {
    algorithm: TEE_ALG_ECDH_DERIVE_SHARED_SECRET,
    source: 'NIST CAVP, KAS_ECC_CDH_PrimitiveTest.txt',
    curve: TEE_ECC_CURVE_NIST_P384,
    d: octets`
      3cc3122a68f0d95027ad38c067916ba0eb8c38894d22e1b15618b6818a661774ad463b205da88cf699ab4d43c9
      cf98a1
    `,
    x: octets`
      a7c76b970c3b5fe8b05d2838ae04ab47697b9eaf52e764592efda27fe7513272734466b400091adbf2d68c58e0
      c50066
    `,
    y: octets`
      ac68f19f2e1cb879aed43a9969b91a0839c4c38a49749b661efedf243451915ed0905a32b060992b468c64766f
      c8437a
    `,
    secret: octets`
      5f9d29dc5e31a163060356213669c8ce132e22f57c9a04f40ba7fcead493b457e5621e766c40a2e3d4d6a04b25
      e533f1
    `,
  },
  {
    algorithm: TEE_ALG_ECDH_DERIVE_SHARED_SECRET,
    source: 'NIST CAVP, KAS_ECC_CDH_PrimitiveTest.txt',
    curve: TEE_ECC_CURVE_NIST_P521,
    d: octets`
      017eecc07ab4b329068fba65e56a1f8890aa935e57134ae0ffcce802735151f4eac6564f6ee9974c5e6887a1fe
      fee5743ae2241bfeb95d5ce31ddcb6f9edb4d6fc47
    `,
    x: octets`
      00685a48e86c79f0f0875f7bc18d25eb5fc8c0b07e5da4f4370f3a9490340854334b1e1b87fa395464c6062612
      4a4e70d0f785601d37c09870ebf176666877a2046d
    `,
    y: octets`
      01ba52c56fc8776d9e8f5db4f0cc27636d0b741bbe05400697942e80b739884a83bde99e0f6716939e632bc898
      6fa18dccd443a348b6c3e522497955a4f3c302f676
    `,
    secret: octets`
      005fc70477c3e63bc3954bd0df3ea0d1f41ee21746ed95fc5e1fdf90930d5e136672d72cc770742d1711c3c3a4
      c334a0ad9759436a4d3c5bf6e74b9578fac148c831
    `,
  },
];

export interface EcdsaVector extends Vector {
  /** TEE_ECC_CURVE_* */
  readonly curve: number;
  /** Of the host's digest. */
  readonly hash: string;
  readonly message: Uint8Array;
  readonly d: Uint8Array;
  readonly x: Uint8Array;
  readonly y: Uint8Array;
  readonly signature: Uint8Array;
}

/** The first of each curve. */
export const ECDSA_VECTORS: readonly EcdsaVector[] = [
  {
    algorithm: TEE_ALG_ECDSA_SHA1,
    source: 'NIST CAVP 186-2, SigGen.txt',
    curve: TEE_ECC_CURVE_NIST_P192,
    hash: 'sha1',
    message: octets`
      66e98a165854cd07989b1ee0ec3f8dbe0ee3c2fb0051ef53a0be03457c4f21bce7dc50ef4df37486c3207dfee2
      6bde4ed62340cbb2da784906b1b783b4d601bdff4ae1a7e5e85a85afa3208dc60f0990c823bedddb3db6634266
      65152ed7b093d6bda506c93a694b83ac71553f31f5cc0d6ba2fa248090e8796573c4915d1586
    `,
    d: octets`0017899949d02b55f9556846411cc9de512c6f16ecdeb1c4`,
    x: octets`14f69738599689f5706ab71343becc886ef1569a2d1137fe`,
    y: octets`0cf5a433909e33217fb4df6b9593f71d43fb1c2a5653b763`,
    signature: octets`
      af1f749e3df6220ff04efd178618a977e0838b1b9dc126e38990a04c6cc0ff26264ecf8f7831381a9dbc6e53cc
      8cc860
    `,
  },
  {
    algorithm: TEE_ALG_ECDSA_SHA224,
    source: 'NIST CAVP 186-2, SigGen.txt',
    curve: TEE_ECC_CURVE_NIST_P224,
    hash: 'sha1',
    message: octets`
      66e98a165854cd07989b1ee0ec3f8dbe0ee3c2fb0051ef53a0be03457c4f21bce7dc50ef4df37486c3207dfee2
      6bde4ed62340cbb2da784906b1b783b4d601bdff4ae1a7e5e85a85afa3208dc60f0990c823bedddb3db6634266
      65152ed7b093d6bda506c93a694b83ac71553f31f5cc0d6ba2fa248090e8796573c4915d1586
    `,
    d: octets`006975febc7b442dab8fd283ec2e4bdd0e0009525b1ce071f9ab5956`,
    x: octets`56fb6538f1723d2bef3c764134320b44ba615f663db804e54050b95a`,
    y: octets`9514a442eb66dbf2b450746f66d54101877a50d4bc2910c61d005add`,
    signature: octets`
      9660bfffc173431d29f83fa2af0ba581791be3f43625316f395d27ff9e8c3b82bca2a4467c9694c666dff7f0e7
      9d279bd64eb83bce2e3018
    `,
  },
  {
    algorithm: TEE_ALG_ECDSA_SHA256,
    source: 'NIST CAVP 186-2, SigGen.txt',
    curve: TEE_ECC_CURVE_NIST_P256,
    hash: 'sha1',
    message: octets`
      5ff1fa17c2a67ce599a34688f6fb2d4a8af17532d15fa1868a598a8e6a0daf9b11edcc483d11ae003ed645c0aa
      ccfb1e51cf448b737376d531a6dcf0429005f5e7be626b218011c6218ff32d00f30480b024ec9a3370d1d30a9c
      70c9f1ce6c61c9abe508d6bc4d3f2a167756613af1778f3a94e7771d5989fe856fa4df8f8ae5
    `,
    d: octets`002a10b1b5b9fa0b78d38ed29cd9cec18520e0fe93023e3550bb7163ab4905c6`,
    x: octets`e9cd2e8f15bd90cb0707e05ed3b601aace7ef57142a64661ea1dd7199ebba9ac`,
    y: octets`c96b0115bed1c134b68f89584b040a194bfad94a404fdb37adad107d5a0b4c5e`,
    signature: octets`
      15bf46937c7a1e2fa7adc65c89fe03ae602dd7dfa6722cdafa92d624b32b156e59c591792ee94f0b202e7a590e
      70d01dd8a9774884e2b5ba9945437cfed01686
    `,
  },
  {
    algorithm: TEE_ALG_ECDSA_SHA384,
    source: 'NIST CAVP 186-2, SigGen.txt',
    curve: TEE_ECC_CURVE_NIST_P384,
    hash: 'sha1',
    message: octets`
      4c06491c039e8a819bbcbd80152d0cedfe1a8cd6448ab81e48281f68344759368f233f520f695c6eaefa9e07ff
      ec518fc3d24ecab83e7079b1844836ebc0129f9f1ae7b6d448348877556a0dada1f750682a76cf390922256540
      91e63ab29fcba373a80ffb42fa181f54895ac754e57916a76aad6ff4b66b8be46142c826e803
    `,
    d: octets`
      0082757d5b9db084bd2e0921a6ce621076f3f43a523565a76710c9a1dcc7c5f4b1a4237f24c53614153ed97b42
      3a2777
    `,
    x: octets`
      3271938d4cd144006b45c73f2a8930dff8238e7220496000be3694aa5418063271c2e12912b6c1cbc03c417537
      3c3a3e
    `,
    y: octets`
      d34f5257d230a464958d1fff570a2f55fe6401c83a613a53389a82957eaa639e3898cfe9823d57b38baee30f5c
      94f7e1
    `,
    signature: octets`
      a8929784c43fa3d11e3169616131a961c880ba7442cadcab6df98744db7d1ec0150a5e345cc1499db71ed7175d
      b2954d56ddef0b15a8804b08909e6696581b7d5a3aba1c7d280c7486bc264a246354470d803eac034bbe0dc9e7
      8a742c83160f
    `,
  },
  {
    algorithm: TEE_ALG_ECDSA_SHA512,
    source: 'NIST CAVP 186-2, SigGen.txt',
    curve: TEE_ECC_CURVE_NIST_P521,
    hash: 'sha1',
    message: octets`
      cc92ca36a76760752b5a45ca5d7235947122a6002f1d4e7d9c6be570d7bd2c2941fe2e16e02ac637066361d22d
      420568266b93e773644921f1a78a7dbaf5e2ed49ee4520dfdf97f826db723e140d2395134cf5ac5ff0b3b8afe4
      682217fd697c2d8a95ba6b2ddc9fd4e9fe75da7b950180ee56b6bc6a94291f4d05c5b77cc9c0
    `,
    d: octets`
      003d72bcc700695d400c813dfda1e3b3bf2cbc15f28d272dcb3bd7f935fdabac9c277dc47a3245737b40ded8d0
      d2464caa6afa8b971693cb258a8f58e63fab2c4856
    `,
    x: octets`
      00f1dc7ccb09d61e6af379b89aca905b49779fbe43a94c8ef384ccbf660f4805c965a3a24ed5a962c24809415c
      decfdfe50fd18f1266073154b62f355fe4c98af6e5
    `,
    y: octets`
      01740eb95b8e31a0434c988f2edd550b8dc6c45c6f504309255370cce57e821fcb4f60bad17a8fb9a3f4dc67ed
      4860ae6dd3ed4b1f51b98451b7e7095cc87d4d6279
    `,
    signature: octets`
      00d314dde74cce6024518980ad85cc7d5a294e148fa26f0648486a6d2882ca7a92a1c934c4b01ee1f6cc1dcc59
      20d49719a1823cfa32a69cda710b0e95623bbb0451014b0b93bda137a5293900eb6cb6b151e3301b8e2944eaee
      5ce0f8df87c9841b61372a2d70e775c6758d29a7d24f62c69dc884b54ce67a8edb51a072e4797a9b036d
    `,
  },
];

/** Signatures whose nonce is of key and digest only. */
export const DETERMINISTIC_ECDSA_VECTORS: readonly EcdsaVector[] = [
  {
    algorithm: TEE_ALG_ECDSA_SHA1,
    source: 'RFC 6979, A.2.3',
    curve: TEE_ECC_CURVE_NIST_P192,
    hash: 'sha1',
    message: octets`73616d706c65`,
    d: octets`6fab034934e4c0fc9ae67f5b5659a9d7d1fefd187ee09fd4`,
    x: octets`ac2c77f529f91689fea0ea5efec7f210d8eea0b9e047ed56`,
    y: octets`3bc723e57670bd4887ebc732c523063d0a7c957bc97c1c43`,
    signature: octets`
      98c6bd12b23eaf5e2a2045132086be3eb8ebd62abf6698ff57a22b07dea9530f8de9471b1dc6624472e8e2844b
      c25b64
    `,
  },
  {
    algorithm: TEE_ALG_ECDSA_SHA224,
    source: 'RFC 6979, A.2.4',
    curve: TEE_ECC_CURVE_NIST_P224,
    hash: 'sha224',
    message: octets`73616d706c65`,
    d: octets`f220266e1105bfe3083e03ec7a3a654651f45e37167e88600bf257c1`,
    x: octets`00cf08da5ad719e42707fa431292dea11244d64fc51610d94b130d6c`,
    y: octets`eeab6f3debe455e3dbf85416f7030cbd94f34f2d6f232c69f3c1385a`,
    signature: octets`
      1cdfe6662dde1e4a1ec4cdedf6a1f5a2fb7fbd9145c12113e6abfd3ea6694fd7718a21053f225d3f46197ca699
      d45006c06f871808f43ebc
    `,
  },
  {
    algorithm: TEE_ALG_ECDSA_SHA256,
    source: 'RFC 6979, A.2.5',
    curve: TEE_ECC_CURVE_NIST_P256,
    hash: 'sha256',
    message: octets`73616d706c65`,
    d: octets`c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721`,
    x: octets`60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6`,
    y: octets`7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299`,
    signature: octets`
      efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6
      e29f65f3e900dbb9aff4064dc4ab2f843acda8
    `,
  },
  {
    algorithm: TEE_ALG_ECDSA_SHA384,
    source: 'RFC 6979, A.2.6',
    curve: TEE_ECC_CURVE_NIST_P384,
    hash: 'sha384',
    message: octets`73616d706c65`,
    d: octets`
      6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60
      d2edf5
    `,
    x: octets`
      ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a2545154
      80bc13
    `,
    y: octets`
      8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533
      264720
    `,
    signature: octets`
      94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80
      fabe4699ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82
      c71a38628ac8
    `,
  },
  {
    algorithm: TEE_ALG_ECDSA_SHA512,
    source: 'RFC 6979, A.2.7',
    curve: TEE_ECC_CURVE_NIST_P521,
    hash: 'sha512',
    message: octets`73616d706c65`,
    d: octets`
      00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c70855836a6
      d16fcc1466f6d8fbec67db89ec0c08b0e996b83538
    `,
    x: octets`
      01894550d0785932e00eaa23b694f213f8c3121f86dc97a04e5a7167db4e5bcd371123d46e45db6b5d5370a7f2
      0fb633155d38ffa16d2bd761dcac474b9a2f5023a4
    `,
    y: octets`
      00493101c962cd4d2fddf782285e64584139c2f91b47f87ff82354d6630f746a28a0db25741b5b34a828008b22
      acc23f924faafbd4d33f81ea66956dfeaa2bfdfcf5
    `,
    signature: octets`
      00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add
      152b534931d7d4e8455cc91f9b15bf05ec36e377fa00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca2
      09417308281b68af282623eaa63e5b5c0723d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a
    `,
  },
];

export interface Ed25519Vector extends Vector {
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly context?: Uint8Array;
  /** Ed25519ph */
  readonly prehash?: boolean;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

export const ED25519_VECTORS: readonly Ed25519Vector[] = [
  {
    algorithm: TEE_ALG_ED25519,
    source: 'RFC 8032, 7.1, tests 1 to 3',
    seed: octets`9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60`,
    publicKey: octets`d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a`,
    message: octets``,
    signature: octets`
      e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c
      f9b46bd25bf5f0595bbe24655141438e7a100b
    `,
  },
  {
    algorithm: TEE_ALG_ED25519,
    source: 'RFC 8032, 7.1, tests 1 to 3',
    seed: octets`4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb`,
    publicKey: octets`3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c`,
    message: octets`72`,
    signature: octets`
      92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0
      f11d8c387b2eaeb4302aeeb00d291612bb0c00
    `,
  },
  {
    algorithm: TEE_ALG_ED25519,
    source: 'RFC 8032, 7.1, tests 1 to 3',
    seed: octets`c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7`,
    publicKey: octets`fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025`,
    message: octets`af82`,
    signature: octets`
      6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76098
      4dc6594a7c15e9716ed28dc027beceea1ec40a
    `,
  },
  {
    algorithm: TEE_ALG_ED25519,
    source: 'RFC 8032, 7.2',
    seed: octets`0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6`,
    publicKey: octets`dfc9425e4f968f7f0c29f0259cf5f9aed6851c2bb4ad8bfb860cfee0ab248292`,
    context: octets`666f6f`,
    message: octets`f726936d19c800494e3fdaff20b276a8`,
    signature: octets`
      55a4cc2f70a54e04288c5f4cd1e45a7bb520b36292911876cada7323198dd87a8b36950b95130022907a7fb7c4
      e9b2d5f6cca685a587b4b21f4b888e4e7edb0d
    `,
  },
  {
    algorithm: TEE_ALG_ED25519,
    source: 'RFC 8032, 7.2',
    seed: octets`0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6`,
    publicKey: octets`dfc9425e4f968f7f0c29f0259cf5f9aed6851c2bb4ad8bfb860cfee0ab248292`,
    context: octets`626172`,
    message: octets`f726936d19c800494e3fdaff20b276a8`,
    signature: octets`
      fc60d5872fc46b3aa69f8b5b4351d5808f92bcc044606db097abab6dbcb1aee3216c48e8b3b66431b5b186d1d2
      8f8ee15a5ca2df6668346291c2043d4eb3e90d
    `,
  },
  {
    algorithm: TEE_ALG_ED25519,
    source: 'RFC 8032, 7.3',
    seed: octets`833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42`,
    publicKey: octets`ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf`,
    prehash: true,
    message: octets`616263`,
    signature: octets`
      98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062
      adf5aaa10b8c61e636062aaad11c2a26083406
    `,
  },
];

export interface X25519Vector extends Vector {
  readonly secretA: Uint8Array;
  readonly publicA: Uint8Array;
  readonly secretB: Uint8Array;
  readonly publicB: Uint8Array;
  readonly shared: Uint8Array;
}

export const X25519_VECTORS: readonly X25519Vector[] = [
  {
    algorithm: TEE_ALG_X25519,
    source: 'RFC 7748, 6.1',
    secretA: octets`77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a`,
    publicA: octets`8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a`,
    secretB: octets`5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb`,
    publicB: octets`de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f`,
    shared: octets`4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742`,
  },
];
