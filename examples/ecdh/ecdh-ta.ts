/**
 * What a client of the ecdh TA needs to know of it.
 * Upstream counterpart: optee_examples ecdh/ta/include/ecdh_ta.h.
 */
export const TA_ECDH_UUID = '50c82425-94da-4072-a3e0-58ef063767c0';

/** [0] value a: curve; [3] memref out: the secret that both sides agree on. */
export const TA_ECDH_CMD_DERIVE_SELFTEST = 0;

export const TA_ECDH_ECC_CURVE_NIST_P192 = 0;
export const TA_ECDH_ECC_CURVE_NIST_P224 = 1;
export const TA_ECDH_ECC_CURVE_NIST_P256 = 2;
export const TA_ECDH_ECC_CURVE_NIST_P384 = 3;
