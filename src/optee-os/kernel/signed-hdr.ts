/**
 * The signed header of a `.ta` file: every size in it against the file's, before anything is done
 * with it. The answer names what is wrong; the TEE only says TEE_ERROR_SECURITY.
 *
 * Upstream counterparts: optee_os core/crypto/signed_hdr.c, core/kernel/ree_fs_ta.c. Left out:
 * everything that needs a key or a hash: signatures, digests, the UUIDs that a subkey allows.
 */
import {
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA384,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA512,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA256,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA384,
  TEE_ALG_RSASSA_PKCS1_V1_5_SHA512,
} from '../../abi/gp.ts';
import {
  SHDR_BOOTSTRAP_TA,
  SHDR_ENCRYPTED_TA,
  SHDR_MAGIC,
  SHDR_SUBKEY,
  SHDR_TA,
  Shdr,
  ShdrBootstrapTa,
  ShdrEncryptedTa,
  ShdrSubkey,
  ShdrSubkeyAttr,
  shdrSize,
} from '../../abi/shdr.ts';
import { formatUuid } from '../../abi/uuid.ts';

/** Signature algorithms that are strong enough, with the size of their digest. */
const DIGEST_SIZES: ReadonlyMap<number, number> = new Map([
  [TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256, 32],
  [TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA384, 48],
  [TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA512, 64],
  [TEE_ALG_RSASSA_PKCS1_V1_5_SHA256, 32],
  [TEE_ALG_RSASSA_PKCS1_V1_5_SHA384, 48],
  [TEE_ALG_RSASSA_PKCS1_V1_5_SHA512, 64],
]);

/** A header that cannot be right. */
class BadHeader extends Error {}

/**
 * @param file the whole file, in memory that nobody else writes
 * @param uuid octets of the TA that was asked for
 * @returns what is wrong with it, or undefined
 */
export function checkSignedHeader(file: Uint8Array, uuid: Uint8Array): string | undefined {
  try {
    new SignedFile(file).check(uuid);
    return undefined;
  } catch (error) {
    if (error instanceof BadHeader) return error.message;
    throw error;
  }
}

class SignedFile {
  readonly #file: Uint8Array;
  readonly #view: DataView;
  /** Bytes that have been accounted for. */
  #offset = 0;

  constructor(file: Uint8Array) {
    this.#file = file;
    this.#view = new DataView(file.buffer, file.byteOffset, file.length);
  }

  check(uuid: Uint8Array): void {
    let header = this.#header();
    for (let maxDepth = Infinity; header.type === SHDR_SUBKEY; header = this.#header()) {
      maxDepth = this.#subkey(header.imageSize, maxDepth);
    }
    if (header.type === SHDR_BOOTSTRAP_TA || header.type === SHDR_ENCRYPTED_TA) {
      this.#bootstrap(uuid);
    } else if (header.type !== SHDR_TA) {
      throw new BadHeader(`image type ${header.type} is none that is known`);
    }
    if (header.type === SHDR_ENCRYPTED_TA) this.#encrypted();
    const end = this.#offset + header.imageSize;
    if (end !== this.#file.length) {
      throw new BadHeader(`headers and image are ${end} bytes, the file has ${this.#file.length}`);
    }
  }

  /** shdr_alloc_and_copy() and the checks of shdr_verify_signature(). */
  #header(): { readonly type: number; readonly imageSize: number } {
    const at = this.#need(Shdr.byteLength, 'signed header');
    const view = this.#view;
    const magic = Shdr.magic.get(view, at);
    if (magic !== SHDR_MAGIC) throw new BadHeader(`magic number 0x${magic.toString(16)}`);
    const algo = Shdr.algo.get(view, at);
    const hashSize = Shdr.hashSize.get(view, at);
    if (DIGEST_SIZES.get(algo) !== hashSize) {
      throw new BadHeader(`a hash of ${hashSize} bytes with algorithm 0x${algo.toString(16)}`);
    }
    const length = shdrSize(hashSize, Shdr.sigSize.get(view, at));
    this.#need(length, 'hash and signature');
    this.#offset += length;
    return { type: Shdr.imgType.get(view, at), imageSize: Shdr.imgSize.get(view, at) };
  }

  /** shdr_load_pub_key(): keys under each other allow fewer and fewer levels. */
  #subkey(imageSize: number, limit: number): number {
    const at = this.#need(Math.max(imageSize, ShdrSubkey.byteLength), 'subkey');
    const view = this.#view;
    this.#subkeyAttrs(at, imageSize, ShdrSubkey.attrCount.get(view, at));
    const maxDepth = ShdrSubkey.maxDepth.get(view, at);
    if (maxDepth >= limit) throw new BadHeader(`subkey depth ${maxDepth} under one of ${limit}`);
    const length = imageSize + ShdrSubkey.nameSize.get(view, at);
    this.#need(length, 'subkey and name');
    this.#offset += length;
    return maxDepth;
  }

  /** check_attrs() */
  #subkeyAttrs(at: number, imageSize: number, count: number): void {
    const end = ShdrSubkey.byteLength + count * ShdrSubkeyAttr.byteLength;
    if (end > imageSize)
      throw new BadHeader(`${count} attributes in a subkey of ${imageSize} bytes`);
    for (let n = 0; n < count; n++) {
      const attr = at + ShdrSubkey.byteLength + n * ShdrSubkeyAttr.byteLength;
      const last =
        ShdrSubkeyAttr.offs.get(this.#view, attr) + ShdrSubkeyAttr.size.get(this.#view, attr);
      if (last > imageSize) throw new BadHeader(`attribute ${n} leaves its subkey`);
    }
  }

  #bootstrap(uuid: Uint8Array): void {
    const at = this.#need(ShdrBootstrapTa.byteLength, 'bootstrap header');
    const found = ShdrBootstrapTa.uuid.bytes(this.#view, at);
    if (!found.every((octet, i) => octet === uuid[i])) {
      throw new BadHeader(`the file is for TA ${formatUuid(found)}`);
    }
    this.#offset += ShdrBootstrapTa.byteLength;
  }

  #encrypted(): void {
    const at = this.#need(ShdrEncryptedTa.byteLength, 'encryption header');
    const iv = ShdrEncryptedTa.ivSize.get(this.#view, at);
    const tag = ShdrEncryptedTa.tagSize.get(this.#view, at);
    const length = ShdrEncryptedTa.byteLength + iv + tag;
    this.#need(length, 'IV and tag');
    this.#offset += length;
  }

  /** Where the next piece starts. @throws BadHeader when the file ends before it does */
  #need(bytes: number, what: string): number {
    const left = this.#file.length - this.#offset;
    if (bytes > left) throw new BadHeader(`${what} of ${bytes} bytes, but ${left} are left`);
    return this.#offset;
  }
}
