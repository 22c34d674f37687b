/**
 * Keys derived from the hardware unique key (HUK), which on the emulated board is all zero.
 *
 * Upstream counterparts: optee_os core/kernel/huk_subkey.c, core/kernel/otp_stubs.c. Left out: the
 * historic derivations for RPMB and secure storage keys (CFG_CORE_HUK_SUBKEY_COMPAT), which nothing
 * here uses yet.
 */
import type { HostCrypto } from '../../host/crypto.ts';

/** enum huk_subkey_usage. Source: core/include/kernel/huk_subkey.h. */
export const HUK_SUBKEY_DIE_ID = 2;
export const HUK_SUBKEY_UNIQUE_TA = 3;

/** HUK_SUBKEY_MAX_LEN: one digest. */
export const HUK_SUBKEY_MAX_LEN = 32;

/** The public default key. Source: tee_otp_get_hw_unique_key(), core/kernel/otp_stubs.c. */
const HW_UNIQUE_KEY = new Uint8Array(16);

/** huk_subkey_derive() @param length bytes, at most HUK_SUBKEY_MAX_LEN */
export function hukSubkeyDerive(
  crypto: HostCrypto,
  usage: number,
  data: Uint8Array | undefined,
  length: number,
): Uint8Array {
  const input = new Uint8Array(4 + (data?.length ?? 0));
  new DataView(input.buffer).setUint32(0, usage, true);
  if (data !== undefined) input.set(data, 4);
  return crypto.hmac('sha256', HW_UNIQUE_KEY, input).slice(0, length);
}
