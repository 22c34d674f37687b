/** The examples of SM2. */
import { TEE_ALG_SM2_DSA_SM3, TEE_ALG_SM2_KEP, TEE_ALG_SM2_PKE } from '../../../abi/gp.ts';
import { octets } from './octets.ts';

/** The digest is SM3(ZA || M). */
export const SM2_SIGNATURE = {
  algorithm: TEE_ALG_SM2_DSA_SM3,
  source: 'GM/T 0003.5-2012, annex A.2',
  d: octets`3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8`,
  x: octets`09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020`,
  y: octets`ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13`,
  hashed: octets`
    b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f36d65737361676520646967657374
  `,
  k: octets`59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21`,
  signature: octets`
    f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d42
    1ca1bb9038fd1f7f42d4840b69c485bbc1aa
  `,
};

export const SM2_CIPHERTEXT = {
  algorithm: TEE_ALG_SM2_PKE,
  source: 'GM/T 0003.5-2012, annex C.2',
  d: octets`3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8`,
  x: octets`09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020`,
  y: octets`ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13`,
  message: octets`656e6372797074696f6e207374616e64617264`,
  k: octets`59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21`,
  cipher: octets`
    0404ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73e858f9d81e5430a57b36daab8f
    950a3c64e6ee6a63094d99283aff767e124df021886ca989ca9c7d58087307ca93092d651efa59983c18f809e262
    923c53aec295d30383b54e39d609d160afcb1908d0bd8766
  `,
};

/** The initiator, A. */
export const SM2_INITIATOR = {
  d: octets`81eb26e941bb5af16df116495f90695272ae2cd63d6c4ae1678418be48230029`,
  x: octets`160e12897df4edb61dd812feb96748fbd3ccf4ffe26aa6f6db9540af49c94232`,
  y: octets`4a7dad08bb9a459531694beb20aa489d6649975e1bfcf8c4741b78b4b223007f`,
  ephemeralD: octets`d4de15474db74d06491c440d305e012400990f3e390c7e87153c12db2ea60bb3`,
  ephemeralX: octets`64ced1bdbc99d590049b434d0fd73428cf608a5db8fe5ce07f15026940bae40e`,
  ephemeralY: octets`376629c7ab21e7db260922499ddb118f07ce8eaae3e7720afef6a5cc062070c0`,
  id: octets`31323334353637383132333435363738`,
  confirmation: octets`18c7894b3816df16cf07b05c5ec0bef5d655d58f779cc1b400a4f3884644db88`,
};

/** The responder, B. */
export const SM2_RESPONDER = {
  d: octets`785129917d45a9ea5437a59356b82338eaadda6ceb199088f14ae10defa229b5`,
  x: octets`6ae848c57c53c7b1b5fa99eb2286af078ba64c64591b8b566f7357d576f16dfb`,
  y: octets`ee489d771621a27b36c5c7992062e9cd09a9264386f3fbea54dff69305621c4d`,
  ephemeralD: octets`7e07124814b309489125eaed101113164ebf0f3458c5bd88335c1f9d596243d6`,
  ephemeralX: octets`acc27688a6f7b706098bc91ff3ad1bff7dc2802cdb14ccccdb0a90471f9bd707`,
  ephemeralY: octets`2fedac0494b2ffc4d6853876c79b8f301c6573ad0aa50f39fc87181e1a1b46fe`,
  id: octets`31323334353637383132333435363738`,
  confirmation: octets`d3a0fe15dee185ceae907a6b595cc32a266ed7b3367e9983a896dc32fa20f8eb`,
};

export const SM2_EXCHANGE = {
  algorithm: TEE_ALG_SM2_KEP,
  source: 'GM/T 0003.5-2012, annex B.2',
  secret: octets`6c89347354de2484c60b4ab1fde4c6e5`,
};
