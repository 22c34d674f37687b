/**
 * The signed header of a `.ta` file, and the sub-headers behind it.
 *
 * Order in the file: `Shdr`, hash, signature, then by type: nothing (legacy TA); `ShdrBootstrapTa`;
 * the same and `ShdrEncryptedTa` with IV and tag; or `ShdrSubkey` with its attributes and name, and
 * the next signed header. Then the ELF image.
 *
 * Upstream counterpart: optee_os core/include/signed_hdr.h. Left out: nothing of the format; what
 * is hashed and verified is behaviour and lives in `optee-os/`.
 */
import { bytes, struct, u16, u32 } from './layout.ts';

/* Source: core/include/signed_hdr.h, OP-TEE OS 4.10. */
/** Payload only. */
export const SHDR_TA = 0;
/** With UUID and version. */
export const SHDR_BOOTSTRAP_TA = 1;
/** The same, and encrypted. */
export const SHDR_ENCRYPTED_TA = 2;
/** A public key, not a TA. */
export const SHDR_SUBKEY = 3;

/** `img_type`. */
export const SHDR_IMG_TYPE = {
  SHDR_TA,
  SHDR_BOOTSTRAP_TA,
  SHDR_ENCRYPTED_TA,
  SHDR_SUBKEY,
} as const;

/** "HSTO" in the file's byte order. */
export const SHDR_MAGIC = 0x4f545348;

/** Fixed head; `hash_size` and `sig_size` bytes follow. */
export const Shdr = struct('shdr', 20, {
  magic: u32(0),
  imgType: u32(4),
  imgSize: u32(8),
  algo: u32(12),
  hashSize: u16(16),
  sigSize: u16(18),
});

/** Bytes of the fixed head, hash and signature. */
export const shdrSize = (hashSize: number, sigSize: number): number =>
  Shdr.byteLength + hashSize + sigSize;

/* Sub-headers. UUIDs are RFC 4122 octets. Source: core/include/signed_hdr.h, OP-TEE OS 4.10. */
export const ShdrSubkeyAttr = struct('shdr_subkey_attr', 12, {
  id: u32(0),
  offs: u32(4),
  size: u32(8),
});

/** Followed by `attr_count` attributes, their data, and the name of the next key's namespace. */
export const ShdrSubkey = struct('shdr_subkey', 36, {
  uuid: bytes(0, 16),
  nameSize: u32(16),
  subkeyVersion: u32(20),
  maxDepth: u32(24),
  algo: u32(28),
  attrCount: u32(32),
});

export const ShdrBootstrapTa = struct('shdr_bootstrap_ta', 20, {
  uuid: bytes(0, 16),
  taVersion: u32(16),
});

/** Followed by `iv_size` and `tag_size` bytes. */
export const ShdrEncryptedTa = struct('shdr_encrypted_ta', 12, {
  encAlgo: u32(0),
  flags: u32(4),
  ivSize: u16(8),
  tagSize: u16(10),
});

export const SHDR_ENC_KEY_TYPE_MASK = 0x1;
export const SHDR_ENC_KEY_DEV_SPECIFIC = 0;
export const SHDR_ENC_KEY_CLASS_WIDE = 1;

/** Key type in `flags` of an encrypted TA. */
export const SHDR_ENC_KEY = { SHDR_ENC_KEY_DEV_SPECIFIC, SHDR_ENC_KEY_CLASS_WIDE } as const;
