/**
 * A `.ta` file, opened: header by header to its image, which is decrypted, compared with the hash
 * that was signed, and then counted as the newest version.
 *
 * Upstream counterparts: optee_os core/kernel/ree_fs_ta.c (ree_fs_ta_open(), ree_fs_ta_read()),
 * core/tee/tee_ta_enc_manager.c. The image is read whole, as ldelf reads it to its end. Left out:
 * encryption with AES-CCM, class-wide keys.
 */
import {
  TEE_ALG_AES_GCM,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  SHDR_BOOTSTRAP_TA,
  SHDR_ENCRYPTED_TA,
  SHDR_SUBKEY,
  SHDR_TA,
  ShdrBootstrapTa,
  ShdrEncryptedTa,
} from '../../abi/shdr.ts';
import { formatUuid } from '../../abi/uuid.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { Co } from '../../sched/task.ts';
import { HUK_SUBKEY_MAX_LEN, HUK_SUBKEY_TA_ENC, hukSubkeyDerive } from './huk-subkey.ts';
import {
  BadHeader,
  checkDigest,
  loadSubkey,
  need,
  signedHeader,
  verifySignature,
  verifyWithSubkey,
} from './signed-hdr.ts';
import type { SignedHeader } from './signed-hdr.ts';
import type { TaPubKey } from './ta-pub-key.ts';
import type { TaVersions } from './ta-versions.ts';
import type { ThreadCtx } from './thread.ts';

export interface TaSigning {
  readonly crypto: HostCrypto;
  readonly key: TaPubKey;
  readonly versions: TaVersions;
}

/** A header and where it ends in the file. */
interface Place {
  readonly header: SignedHeader;
  readonly end: number;
}

/** A file as far as it is looked at before its image is. */
interface Opened {
  readonly header: SignedHeader;
  /** Headers that the digest covers beside the first. */
  readonly covered: readonly Uint8Array[];
  /** Of a bootstrap header. */
  readonly version: number | undefined;
  /** Empty for an image that is not encrypted. */
  readonly encryption: Uint8Array;
  readonly stored: Uint8Array;
}

/** Bytes of GCM tags that are checked whole. */
const TAG_SIZES: ReadonlySet<number> = new Set([4, 8, 12, 13, 14, 15, 16]);

export class SignedTa {
  readonly #signing: TaSigning;
  readonly #thread: ThreadCtx;
  readonly #file: Uint8Array;
  readonly #uuid: Uint8Array;

  /** @param file in memory that nobody else writes @param uuid octets of what was asked for */
  constructor(signing: TaSigning, thread: ThreadCtx, file: Uint8Array, uuid: Uint8Array) {
    this.#signing = signing;
    this.#thread = thread;
    this.#file = file;
    this.#uuid = uuid;
  }

  /** The image, with all that was to be checked. @throws BadHeader */
  *image(): Co<Uint8Array> {
    const { header, covered, version, encryption, stored } = yield* this.#open();
    const image = encryption.length > 0 ? this.#decrypt(encryption, stored) : stored;
    checkDigest(this.#signing.crypto, header, [...covered, encryption, image]);
    if (version !== undefined) yield* this.#checkVersion(version);
    return image;
  }

  /** ree_fs_ta_get_tag(): the digest that was signed; of what, nobody looks. @throws BadHeader */
  *tag(): Co<Uint8Array> {
    return (yield* this.#open()).header.digest;
  }

  /** ree_fs_ta_open() */
  *#open(): Co<Opened> {
    const { header, end } = yield* this.#headers();
    const covered: Uint8Array[] = [];
    let offset = end;
    let version: number | undefined;
    if (header.imgType !== SHDR_TA) {
      const bootstrap = this.#bootstrap(offset);
      version = ShdrBootstrapTa.taVersion.get(new DataView(bootstrap.buffer), 0);
      covered.push(bootstrap);
      offset += bootstrap.length;
    }
    const encryption =
      header.imgType === SHDR_ENCRYPTED_TA ? this.#encryption(offset) : new Uint8Array(0);
    offset += encryption.length;
    this.#checkEnd(offset + header.imgSize);
    return { header, covered, version, encryption, stored: this.#file.subarray(offset) };
  }

  /** To the header of the TA itself, by way of the subkeys before it. */
  *#headers(): Co<Place> {
    const { crypto, key } = this.#signing;
    let header = signedHeader(this.#file, 0);
    verifySignature(crypto, key, header);
    let end = header.length;
    let limits = { nextUuid: undefined as Uint8Array | undefined, maxDepth: 0xffff_ffff };
    while (header.imgType === SHDR_SUBKEY) {
      const subkey = loadSubkey(crypto, this.#file, header, end, limits);
      const { uuid, version } = subkey;
      const { versions } = this.#signing;
      const res = yield* versions.checkUpdate(this.#thread, 'subkey', uuid, version);
      if (res !== TEE_SUCCESS) throw new BadHeader(`version ${version} of the subkey is refused`);
      end += subkey.length;
      header = signedHeader(this.#file, end);
      verifyWithSubkey(crypto, subkey, header);
      end += header.length;
      limits = subkey;
    }
    if (![SHDR_TA, SHDR_BOOTSTRAP_TA, SHDR_ENCRYPTED_TA].includes(header.imgType)) {
      throw new BadHeader(`image type ${header.imgType} is none that is known`);
    }
    if (limits.nextUuid !== undefined && !this.#isOurs(limits.nextUuid)) {
      throw new BadHeader('the TA is not of the name space that its key allows');
    }
    return { header, end };
  }

  #bootstrap(offset: number): Uint8Array {
    need(this.#file, offset, ShdrBootstrapTa.byteLength, 'bootstrap header');
    const bootstrap = this.#file.slice(offset, offset + ShdrBootstrapTa.byteLength);
    const uuid = ShdrBootstrapTa.uuid.bytes(new DataView(bootstrap.buffer), 0);
    if (!this.#isOurs(uuid)) throw new BadHeader(`the file is for TA ${formatUuid(uuid)}`);
    return bootstrap;
  }

  #isOurs(uuid: Uint8Array): boolean {
    return uuid.every((octet, n) => octet === this.#uuid[n]);
  }

  /** The encryption header with IV and tag. */
  #encryption(offset: number): Uint8Array {
    need(this.#file, offset, ShdrEncryptedTa.byteLength, 'encryption header');
    const view = new DataView(this.#file.buffer, this.#file.byteOffset + offset);
    const sizes = ShdrEncryptedTa.ivSize.get(view, 0) + ShdrEncryptedTa.tagSize.get(view, 0);
    const length = ShdrEncryptedTa.byteLength + sizes;
    need(this.#file, offset, length, 'IV and tag');
    return this.#file.slice(offset, offset + length);
  }

  #checkEnd(end: number): void {
    if (end === this.#file.length) return;
    throw new BadHeader(`headers and image are ${end} bytes, the file has ${this.#file.length}`);
  }

  /** tee_ta_decrypt_init() and what follows it. */
  #decrypt(encryption: Uint8Array, stored: Uint8Array): Uint8Array {
    const { crypto, key } = this.#signing;
    const view = new DataView(encryption.buffer);
    const algo = ShdrEncryptedTa.encAlgo.get(view, 0);
    if (algo !== TEE_ALG_AES_GCM) {
      const text = `encryption with algorithm 0x${algo.toString(16)}`;
      throw new BadHeader(text, TEE_ERROR_NOT_IMPLEMENTED);
    }
    const ivEnd = ShdrEncryptedTa.byteLength + ShdrEncryptedTa.ivSize.get(view, 0);
    const iv = encryption.subarray(ShdrEncryptedTa.byteLength, ivEnd);
    const tag = encryption.subarray(ivEnd);
    if (iv.length === 0 || !TAG_SIZES.has(tag.length)) {
      const text = `an IV of ${iv.length} bytes and a tag of ${tag.length}`;
      throw new BadHeader(text, TEE_ERROR_BAD_PARAMETERS);
    }
    const aesKey = hukSubkeyDerive(crypto, HUK_SUBKEY_TA_ENC, key.modulus, HUK_SUBKEY_MAX_LEN);
    const gcm = crypto.aesGcm(false, aesKey, iv, tag.length);
    const image = gcm.update(stored);
    if (!gcm.verify(tag)) throw new BadHeader('the image is not what was encrypted');
    return image;
  }

  *#checkVersion(version: number): Co<void> {
    const { versions } = this.#signing;
    const res = yield* versions.checkUpdate(this.#thread, 'ta', this.#uuid, version);
    if (res !== TEE_SUCCESS) throw new BadHeader(`version ${version} of the TA is refused`, res);
  }
}
