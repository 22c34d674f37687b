/** A size that says more than its buffer has is memory that is not there, for every function. */
import {
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_AES_GCM,
  TEE_ALG_ECDSA_SHA256,
  TEE_ALG_HMAC_SHA256,
  TEE_ALG_RSAES_PKCS1_V1_5,
  TEE_ALG_SHA256,
  TEE_ATTR_SECRET_VALUE,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_MODE_SIGN,
  TEE_PROPSET_CURRENT_TA,
  TEE_TYPE_AES,
  TEE_TYPE_HMAC_SHA256,
} from '../../abi/gp.ts';
import { digest, key, mac, operation } from '../testing/operations.ts';
import { checkStateTable } from '../testing/state-table.ts';
import type { Tee } from './tee.ts';
import { memref } from './types.ts';
import type { TEE_Memref, TEE_OperationHandle } from './types.ts';

const BLOCK = new Uint8Array(16);
const ROOMY = (): TEE_Memref => memref(new Uint8Array(512));

function begun(tee: Tee): TEE_OperationHandle {
  const op = operation(tee, TEE_ALG_AES_CBC_NOPAD, TEE_MODE_ENCRYPT, 128);
  tee.TEE_SetOperationKey(op, key(tee, TEE_TYPE_AES, 128));
  tee.TEE_CipherInit(op, BLOCK);
  return op;
}

function begunGcm(tee: Tee, mode: number): TEE_OperationHandle {
  const op = operation(tee, TEE_ALG_AES_GCM, mode, 128);
  tee.TEE_SetOperationKey(op, key(tee, TEE_TYPE_AES, 128));
  tee.TEE_AEInit(op, BLOCK, 128, 0, 0);
  return op;
}

function begunMac(tee: Tee): TEE_OperationHandle {
  const op = mac(tee, TEE_ALG_HMAC_SHA256, TEE_TYPE_HMAC_SHA256, 256);
  tee.TEE_MACInit(op, null);
  return op;
}

checkStateTable<TEE_Memref>('output buffers', {
  states: {
    'a byte too much': () => ({ buffer: new Uint8Array(64), size: 65 }),
    'NULL with a size': () => ({ buffer: null, size: 64 }),
  },
  calls: {
    TEE_DigestDoFinal: (tee, out) => tee.TEE_DigestDoFinal(digest(tee, TEE_ALG_SHA256), null, out),
    TEE_DigestExtract: (tee, out) => tee.TEE_DigestExtract(digest(tee, TEE_ALG_SHA256), out),
    TEE_CipherUpdate: (tee, out) => tee.TEE_CipherUpdate(begun(tee), BLOCK, out),
    TEE_CipherDoFinal: (tee, out) => tee.TEE_CipherDoFinal(begun(tee), BLOCK, out),
    TEE_MACComputeFinal: (tee, out) => tee.TEE_MACComputeFinal(begunMac(tee), null, out),
    TEE_AEUpdate: (tee, out) => tee.TEE_AEUpdate(begunGcm(tee, TEE_MODE_ENCRYPT), BLOCK, out),
    TEE_AEEncryptFinal: (tee, out) =>
      tee.TEE_AEEncryptFinal(begunGcm(tee, TEE_MODE_ENCRYPT), BLOCK, out, ROOMY()),
    'TEE_AEEncryptFinal, the tag': (tee, out) =>
      tee.TEE_AEEncryptFinal(begunGcm(tee, TEE_MODE_ENCRYPT), BLOCK, ROOMY(), out),
    TEE_AEDecryptFinal: (tee, out) =>
      tee.TEE_AEDecryptFinal(begunGcm(tee, TEE_MODE_DECRYPT), BLOCK, out, BLOCK),
    TEE_AsymmetricEncrypt: (tee, out) =>
      tee.TEE_AsymmetricEncrypt(
        operation(tee, TEE_ALG_RSAES_PKCS1_V1_5, TEE_MODE_ENCRYPT, 512),
        [],
        BLOCK,
        out,
      ),
    TEE_AsymmetricDecrypt: (tee, out) =>
      tee.TEE_AsymmetricDecrypt(
        operation(tee, TEE_ALG_RSAES_PKCS1_V1_5, TEE_MODE_DECRYPT, 512),
        [],
        BLOCK,
        out,
      ),
    TEE_AsymmetricSignDigest: (tee, out) =>
      tee.TEE_AsymmetricSignDigest(
        operation(tee, TEE_ALG_ECDSA_SHA256, TEE_MODE_SIGN, 256),
        [],
        BLOCK,
        out,
      ),
    TEE_GetObjectBufferAttribute: (tee, out) =>
      tee.TEE_GetObjectBufferAttribute(key(tee, TEE_TYPE_AES, 128), TEE_ATTR_SECRET_VALUE, out),
    TEE_GetPropertyAsBinaryBlock: (tee, out) =>
      tee.TEE_GetPropertyAsBinaryBlock(TEE_PROPSET_CURRENT_TA, 'none', out),
  },
  expected: `
    function                     | a byte too much     | NULL with a size
    TEE_DigestDoFinal            | panic ACCESS_DENIED | panic ACCESS_DENIED
    TEE_DigestExtract            | panic ACCESS_DENIED | panic ACCESS_DENIED
    TEE_CipherUpdate             | panic ACCESS_DENIED | panic ACCESS_DENIED
    TEE_CipherDoFinal            | panic ACCESS_DENIED | panic ACCESS_DENIED
    TEE_MACComputeFinal          | panic ACCESS_DENIED | panic ACCESS_DENIED
    TEE_AEUpdate                 | panic ACCESS_DENIED | panic ACCESS_DENIED
    TEE_AEEncryptFinal           | panic ACCESS_DENIED | panic ACCESS_DENIED
    TEE_AEEncryptFinal, the tag  | panic ACCESS_DENIED | panic ACCESS_DENIED
    TEE_AEDecryptFinal           | panic ACCESS_DENIED | panic ACCESS_DENIED
    TEE_AsymmetricEncrypt        | panic ACCESS_DENIED | panic ACCESS_DENIED
    TEE_AsymmetricDecrypt        | panic ACCESS_DENIED | panic ACCESS_DENIED
    TEE_AsymmetricSignDigest     | panic ACCESS_DENIED | panic ACCESS_DENIED
    TEE_GetObjectBufferAttribute | panic ACCESS_DENIED | SHORT_BUFFER
    TEE_GetPropertyAsBinaryBlock | panic ACCESS_DENIED | panic ACCESS_DENIED
  `,
});
