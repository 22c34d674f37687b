/**
 * Keys derived from the hardware unique key (HUK), which on the emulated board is all zero. Keys for
 * RPMB and secure storage are derived as they were before there was one function for all
 * (CFG_CORE_HUK_SUBKEY_COMPAT).
 *
 * Upstream counterparts: optee_os core/kernel/huk_subkey.c, core/kernel/otp_stubs.c. Left out: the
 * die id of a board (CFG_CORE_HUK_SUBKEY_COMPAT_USE_OTP_DIE_ID).
 */
import { TEE_FS_KM_CHIP_ID_LENGTH } from '../../abi/tee-fs.ts';
import type { HostCrypto } from '../../host/crypto.ts';

/** enum huk_subkey_usage. Source: core/include/kernel/huk_subkey.h. */
export const HUK_SUBKEY_RPMB = 0;
export const HUK_SUBKEY_SSK = 1;
export const HUK_SUBKEY_DIE_ID = 2;
export const HUK_SUBKEY_UNIQUE_TA = 3;
export const HUK_SUBKEY_TA_ENC = 4;

/** HUK_SUBKEY_MAX_LEN: one digest. */
export const HUK_SUBKEY_MAX_LEN = 32;

/** The public default key. Source: tee_otp_get_hw_unique_key(), core/kernel/otp_stubs.c. */
const HW_UNIQUE_KEY = new Uint8Array(16);

const BEEF = [0x42, 0x45, 0x45, 0x46];

/** What stands for the die id in the key of secure storage. */
const CHIP_ID = Uint8Array.from({ length: TEE_FS_KM_CHIP_ID_LENGTH }, (_, i) => BEEF[i % 4]!);

/** `ONLY_FOR_tee_fs_ssk` with its NUL. */
const SSK_STRING = Uint8Array.from('ONLY_FOR_tee_fs_ssk\0', (c) => c.charCodeAt(0));

/** huk_subkey_derive() @param length bytes, at most HUK_SUBKEY_MAX_LEN */
export function hukSubkeyDerive(
  crypto: HostCrypto,
  usage: number,
  data: Uint8Array | undefined,
  length: number,
): Uint8Array {
  const input = [...usageBytes(usage), ...(data ?? [])];
  return crypto.hmac('sha256', HW_UNIQUE_KEY, Uint8Array.from(input)).slice(0, length);
}

/** huk_compat() */
function usageBytes(usage: number): Iterable<number> {
  if (usage === HUK_SUBKEY_RPMB) return [];
  if (usage === HUK_SUBKEY_SSK) return [...CHIP_ID, ...SSK_STRING];
  return new Uint8Array(Uint32Array.of(usage).buffer);
}
