/**
 * The algorithms of the sha client, by the names that it takes as its argument.
 * Upstream counterpart: optee_examples sha/host/main.c.
 */
import * as gp from '../../src/abi/gp.ts';
import * as ta from './sha-ta.ts';

/** What a MAC needs beside its algorithm; a digest needs nothing. */
export interface MacKey {
  /** TA_SHA_OBJ_TYPE_* */
  readonly objectType: number;
  /** Bytes. */
  readonly size: number;
}

export interface ShaAlgorithm {
  /** TEE_ALG_* */
  readonly id: number;
  readonly key?: MacKey;
}

const mac = (id: number, objectType: number, size: number): ShaAlgorithm => ({
  id,
  key: { objectType, size },
});

export const ALGORITHMS: ReadonlyMap<string, ShaAlgorithm> = new Map([
  ['HMAC_SHA1', mac(gp.TEE_ALG_HMAC_SHA1, ta.TA_SHA_OBJ_TYPE_HMAC_SHA1, 64)],
  ['HMAC_SHA224', mac(gp.TEE_ALG_HMAC_SHA224, ta.TA_SHA_OBJ_TYPE_HMAC_SHA224, 64)],
  ['HMAC_SHA256', mac(gp.TEE_ALG_HMAC_SHA256, ta.TA_SHA_OBJ_TYPE_HMAC_SHA256, 128)],
  ['HMAC_SHA384', mac(gp.TEE_ALG_HMAC_SHA384, ta.TA_SHA_OBJ_TYPE_HMAC_SHA384, 128)],
  ['HMAC_SHA512', mac(gp.TEE_ALG_HMAC_SHA512, ta.TA_SHA_OBJ_TYPE_HMAC_SHA512, 128)],
  ['AES_CMAC', mac(gp.TEE_ALG_AES_CMAC, ta.TA_SHA_OBJ_TYPE_AES, 16)],
  ['SHA1', { id: gp.TEE_ALG_SHA1 }],
  ['SHA224', { id: gp.TEE_ALG_SHA224 }],
  ['SHA256', { id: gp.TEE_ALG_SHA256 }],
  ['SHA384', { id: gp.TEE_ALG_SHA384 }],
  ['SHA512', { id: gp.TEE_ALG_SHA512 }],
  ['SHA3_224', { id: gp.TEE_ALG_SHA3_224 }],
  ['SHA3_256', { id: gp.TEE_ALG_SHA3_256 }],
  ['SHA3_384', { id: gp.TEE_ALG_SHA3_384 }],
  ['SHA3_512', { id: gp.TEE_ALG_SHA3_512 }],
  ['SHAKE128', { id: gp.TEE_ALG_SHAKE128 }],
  ['SHAKE256', { id: gp.TEE_ALG_SHAKE256 }],
]);

export const DEFAULT_ALGORITHM = 'HMAC_SHA256';
