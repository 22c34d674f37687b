/** Which of the cryptographic system calls there are. */
import type { SupportRow } from '../../abi/support.ts';

const row = (name: string, status: SupportRow['status'], note?: string): SupportRow =>
  note === undefined
    ? { area: 'OP-TEE system call', name, status }
    : { area: 'OP-TEE system call', name, status, note };

export const CRYPTO_SUPPORT: readonly SupportRow[] = [
  row('cryp_state_alloc', 'supported'),
  row(
    'cryp_state_copy',
    'partial',
    'GCM only as long as it had 1 MiB at most; else TEE_ERROR_NOT_SUPPORTED',
  ),
  row('cryp_state_free', 'supported'),
  row('hash_init', 'supported'),
  row(
    'hash_update',
    'partial',
    'after hash_final a digest starts anew; OP-TEE goes on with what is left in the context',
  ),
  row('hash_final', 'supported'),
  ...['cipher_init', 'cipher_update', 'cipher_final'].map((name) => row(name, 'supported')),
  row('cryp_obj_get_info', 'supported'),
  row('cryp_obj_restrict_usage', 'supported'),
  row('cryp_obj_get_attr', 'supported'),
  row('cryp_obj_alloc', 'supported'),
  row('cryp_obj_close', 'supported'),
  row('cryp_obj_reset', 'supported'),
  row('cryp_obj_populate', 'supported'),
  row('cryp_obj_copy', 'supported'),
  row('cryp_derive_key', 'supported'),
  row(
    'authenc_init',
    'partial',
    'GCM: a nonce of 1 to 128 bytes, a tag of 4, 8 or 12 to 16 bytes; else TEE_ERROR_NOT_SUPPORTED',
  ),
  row('authenc_update_aad', 'supported'),
  row('authenc_update_payload', 'supported'),
  row('authenc_enc_final', 'supported'),
  row('authenc_dec_final', 'supported'),
  row('asymm_operate', 'supported'),
  row('asymm_verify', 'supported'),
  row('cryp_obj_generate_key', 'supported'),
];
