/**
 * What operations of the core's library fail with, and what becomes of it: a TA sees the difference
 * between a result and a panic.
 *
 * Upstream counterparts: optee_os core/lib/libtomcrypt/acipher_helpers.h, rsa.c.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_GENERIC,
  TEE_ERROR_SIGNATURE_INVALID,
  TEE_SUCCESS,
} from '../../abi/gp.ts';

export type LtcError =
  'CRYPT_ERROR' | 'CRYPT_ERROR_READPRNG' | 'CRYPT_INVALID_PACKET' | 'CRYPT_PK_INVALID_SIZE';

const isInput = (error: LtcError): boolean =>
  error === 'CRYPT_INVALID_PACKET' || error === 'CRYPT_PK_INVALID_SIZE';

/** Of encryption and decryption. */
export function convertCipherError(error: LtcError): number {
  return isInput(error) ? TEE_ERROR_BAD_PARAMETERS : TEE_ERROR_GENERIC;
}

/** convert_ltc_verify_status() */
export function convertVerifyStatus(status: boolean | LtcError): number {
  if (typeof status === 'string') {
    return isInput(status) ? TEE_ERROR_SIGNATURE_INVALID : TEE_ERROR_GENERIC;
  }
  return status ? TEE_SUCCESS : TEE_ERROR_SIGNATURE_INVALID;
}
