/**
 * X25519.
 *
 * Upstream counterparts: optee_os core/tee/tee_svc_cryp.c (syscall_cryp_derive_key),
 * core/lib/libtomcrypt/x25519.c. Source: RFC 7748, 6.1.
 */
import {
  TEE_ATTR_X25519_PRIVATE_VALUE,
  TEE_ATTR_X25519_PUBLIC_VALUE,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_SECURITY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { Derivation } from './derivation-context.ts';

const KEY_SIZE_BYTES_25519 = 32;

export function deriveX25519({ services, key1, attributes, derived }: Derivation): number {
  const [only] = attributes;
  if (attributes.length !== 1 || only?.id !== TEE_ATTR_X25519_PUBLIC_VALUE) {
    return TEE_ERROR_BAD_PARAMETERS;
  }
  const other = only.content;
  if (other?.length !== KEY_SIZE_BYTES_25519) return TEE_ERROR_BAD_PARAMETERS;
  if (derived.secretRoom < KEY_SIZE_BYTES_25519) return TEE_ERROR_BAD_PARAMETERS;
  const own = key1.bytes(TEE_ATTR_X25519_PRIVATE_VALUE) ?? new Uint8Array(KEY_SIZE_BYTES_25519);
  const secret = services.crypto.publicKey.x25519.sharedSecret(own, other);
  if (secret === undefined) return TEE_ERROR_SECURITY;
  derived.setSecret(secret);
  return TEE_SUCCESS;
}
