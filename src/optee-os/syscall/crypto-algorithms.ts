/**
 * The algorithms that an operation can be allocated for: what key each takes and what does its work.
 *
 * Upstream counterparts: optee_os core/tee/tee_svc_cryp.c (tee_svc_cryp_check_key_type,
 * syscall_cryp_state_alloc), core/crypto/crypto.c (crypto_*_alloc_ctx).
 * Left out so far: digests, MACs, asymmetric algorithms, key derivation, CTS, XTS, DES and SM4.
 */
import {
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_AES_CCM,
  TEE_ALG_AES_CTR,
  TEE_ALG_AES_ECB_NOPAD,
  TEE_ALG_AES_GCM,
  TEE_TYPE_AES,
} from '../../abi/gp.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { AuthencContext } from './crypto-authenc.ts';
import { AesGcm } from './crypto-authenc.ts';
import { AesCcm } from './crypto-ccm.ts';
import type { CipherContext } from './crypto-cipher.ts';
import { AesCipher } from './crypto-cipher.ts';

export type OperationContext = CipherContext | AuthencContext;

export interface Algorithm {
  /** TEE_ALG_* */
  readonly id: number;
  /** Keys that TEE_AllocateOperation hands over. */
  readonly keys: 1 | 2;
  /** TEE_TYPE_* that a key may have. */
  readonly keyTypes: readonly number[];
  /** @param mode TEE_MODE_* */
  readonly open: (crypto: HostCrypto, mode: number) => OperationContext;
}

const aes = (id: number, open: Algorithm['open']): Algorithm => ({
  id,
  keys: 1,
  keyTypes: [TEE_TYPE_AES],
  open,
});

export const ALGORITHMS: readonly Algorithm[] = [
  aes(TEE_ALG_AES_ECB_NOPAD, (crypto, mode) => new AesCipher(crypto, 'ecb', mode)),
  aes(TEE_ALG_AES_CBC_NOPAD, (crypto, mode) => new AesCipher(crypto, 'cbc', mode)),
  aes(TEE_ALG_AES_CTR, (crypto, mode) => new AesCipher(crypto, 'ctr', mode)),
  aes(TEE_ALG_AES_CCM, (crypto, mode) => new AesCcm(crypto, mode)),
  aes(TEE_ALG_AES_GCM, (crypto, mode) => new AesGcm(crypto, mode)),
];

const BY_ID: ReadonlyMap<number, Algorithm> = new Map(ALGORITHMS.map((row) => [row.id, row]));

export function findAlgorithm(id: number): Algorithm | undefined {
  return BY_ID.get(id);
}
