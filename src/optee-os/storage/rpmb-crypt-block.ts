/**
 * Encryption of the blocks of files in RPMB: AES-CBC under the file's key, from an IV that is made of
 * the block's place in the device and that key (ESSIV).
 *
 * Upstream counterpart: optee_os core/tee/tee_fs_key_manager.c (tee_fs_crypt_block(), essiv()).
 */
import { RPMB_DATA_SIZE } from '../../abi/optee-rpc.ts';
import { TEE_FS_KM_FEK_SIZE } from '../../abi/tee-fs.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { TeeFsKeyManager } from './tee-fs-key-manager.ts';

/** Whose blocks they are. */
export interface BlockSeal {
  /** TEE_UUID of the TA as it lies in memory. */
  readonly uuid: Uint8Array;
  /** Encrypted, as it lies in the file's entry. */
  readonly fek: Uint8Array;
}

const AES_BLOCK_SIZE = 16;
const NO_IV = new Uint8Array(0);

/** Encrypts or decrypts whole blocks; the first is block `blkIdx` of the device. */
export function cryptBlocks(
  crypto: HostCrypto,
  keys: TeeFsKeyManager,
  seal: BlockSeal,
  encrypt: boolean,
  blkIdx: number,
  blocks: Uint8Array,
): Uint8Array {
  const fek = keys.fekCrypt(seal.uuid, false, seal.fek);
  const key = crypto.secretKey(fek);
  const ivKey = crypto.secretKey(crypto.hash('sha256', fek).subarray(0, TEE_FS_KM_FEK_SIZE));
  const out = new Uint8Array(blocks.length);
  for (let at = 0; at < blocks.length; at += RPMB_DATA_SIZE) {
    const place = new Uint8Array(AES_BLOCK_SIZE);
    new DataView(place.buffer).setUint16(0, blkIdx + at / RPMB_DATA_SIZE, true);
    const iv = crypto.cipher('aes-ecb', true, ivKey, NO_IV).update(place);
    const block = blocks.subarray(at, at + RPMB_DATA_SIZE);
    out.set(crypto.cipher('aes-cbc', encrypt, key, iv).update(block), at);
  }
  return out;
}
