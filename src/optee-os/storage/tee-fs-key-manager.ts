/**
 * The keys of secure storage: one for the device (SSK), derived from the hardware unique key, one
 * for each TA (TSK), derived from that, and one for each file (FEK), which is random and lies in the
 * file's head encrypted under the TA's.
 *
 * Upstream counterpart: optee_os core/tee/tee_fs_key_manager.c. Left out: encryption of blocks for
 * the RPMB file system (tee_fs_crypt_block()).
 */
import { TEE_FS_KM_SSK_SIZE } from '../../abi/tee-fs.ts';
import type { HostCipher, HostCrypto, HostKey } from '../../host/crypto.ts';
import { HUK_SUBKEY_SSK, hukSubkeyDerive } from '../kernel/huk-subkey.ts';

/** Stands for no TA: of another length than a UUID, so that it equals none. */
const NO_TA = new Uint8Array(1);
const NO_IV = new Uint8Array(0);

export class TeeFsKeyManager {
  readonly #crypto: HostCrypto;
  /** For FEKs, in each direction. */
  #encrypting: HostCipher | undefined;
  #decrypting: HostCipher | undefined;
  readonly #ssk: Uint8Array;
  /** Keys of TAs by the UUIDs that their storage is asked for with: deriving one costs more than its use. */
  readonly #tsks = new WeakMap<Uint8Array, HostKey>();

  /** tee_fs_init_key_manager() */
  constructor(crypto: HostCrypto) {
    this.#crypto = crypto;
    this.#ssk = hukSubkeyDerive(crypto, HUK_SUBKEY_SSK, undefined, TEE_FS_KM_SSK_SIZE);
  }

  /**
   * tee_fs_fek_crypt(): the FEK of a file, encrypted or decrypted.
   * @param uuid TEE_UUID of the TA as it lies in memory; undefined for files of no TA
   * @param key TEE_FS_KM_FEK_SIZE bytes
   */
  fekCrypt(uuid: Uint8Array | undefined, encrypt: boolean, key: Uint8Array): Uint8Array {
    return this.#started(encrypt, this.#tsk(uuid ?? NO_TA)).update(key);
  }

  #started(encrypt: boolean, tsk: HostKey): HostCipher {
    const known = encrypt ? this.#encrypting : this.#decrypting;
    if (known !== undefined) {
      known.start(tsk, NO_IV);
      return known;
    }
    const made = this.#crypto.cipher('aes-ecb', encrypt, tsk, NO_IV);
    if (encrypt) this.#encrypting = made;
    else this.#decrypting = made;
    return made;
  }

  #tsk(uuid: Uint8Array): HostKey {
    const known = this.#tsks.get(uuid);
    if (known !== undefined) return known;
    const tsk = this.#crypto.secretKey(this.#crypto.hmac('sha256', this.#ssk, uuid));
    this.#tsks.set(uuid, tsk);
    return tsk;
  }
}
