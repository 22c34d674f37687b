/** Which of the cryptographic system calls there are. */
import type { SupportRow } from '../../abi/support.ts';

const row = (name: string, status: SupportRow['status'], note?: string): SupportRow =>
  note === undefined
    ? { area: 'OP-TEE system call', name, status }
    : { area: 'OP-TEE system call', name, status, note };

const LATER = 'not yet: no TA runtime can call it';

export const CRYPTO_SUPPORT: readonly SupportRow[] = [
  row(
    'cryp_state_alloc',
    'partial',
    'AES ECB, CBC, CTR, CCM and GCM; else TEE_ERROR_NOT_SUPPORTED',
  ),
  row('cryp_state_copy', 'partial', 'GCM only before its first data; else TEE_ERROR_NOT_SUPPORTED'),
  row('cryp_state_free', 'supported'),
  ...['hash_init', 'hash_update', 'hash_final'].map((name) => row(name, 'absent', LATER)),
  ...['cipher_init', 'cipher_update', 'cipher_final'].map((name) => row(name, 'supported')),
  row('cryp_obj_get_info', 'supported'),
  row('cryp_obj_restrict_usage', 'supported'),
  row('cryp_obj_get_attr', 'supported'),
  row('cryp_obj_alloc', 'partial', 'AES, HMAC, generic secrets; else TEE_ERROR_NOT_SUPPORTED'),
  row('cryp_obj_close', 'supported'),
  row('cryp_obj_reset', 'supported'),
  row('cryp_obj_populate', 'supported'),
  row('cryp_obj_copy', 'supported'),
  row('cryp_derive_key', 'absent', LATER),
  row('authenc_init', 'supported'),
  row('authenc_update_aad', 'supported'),
  row('authenc_update_payload', 'supported'),
  row('authenc_enc_final', 'supported'),
  row('authenc_dec_final', 'supported'),
  row('asymm_operate', 'absent', LATER),
  row('asymm_verify', 'absent', LATER),
  row('cryp_obj_generate_key', 'partial', 'AES, HMAC and generic secrets'),
];
