/**
 * How a hash tree is authenticated: the hash of a node, and AES-GCM for blocks and for the head.
 *
 * Upstream counterpart: optee_os core/tee/fs_htree.c (calc_node_hash(), authenc_*()).
 */
import {
  TEE_FS_HTREE_FEK_SIZE,
  TEE_FS_HTREE_HASH_SIZE,
  TEE_FS_HTREE_IV_SIZE,
  TEE_FS_HTREE_TAG_SIZE,
} from '../../abi/tee-fs.ts';
import type { HostAead, HostCrypto, HostDigest, HostKey } from '../../host/crypto.ts';
import type { HtreeNode } from './fs-htree-node.ts';

/** Bytes: a head's root hash and counter, the encrypted FEK, the initialization vector. */
const MOST_AAD =
  TEE_FS_HTREE_HASH_SIZE +
  Uint32Array.BYTES_PER_ELEMENT +
  TEE_FS_HTREE_FEK_SIZE +
  TEE_FS_HTREE_IV_SIZE;

/** One digest, and one cipher for each direction, which all trees of a core use in turn. */
export class HtreeCrypto {
  readonly host: HostCrypto;
  readonly #digest: HostDigest;
  #sealing: HostAead | undefined;
  #opening: HostAead | undefined;
  #room = new Uint8Array(0);
  /** What is authenticated only. */
  readonly #aad = new Uint8Array(MOST_AAD);

  constructor(host: HostCrypto) {
    this.host = host;
    this.#digest = host.digest('sha256');
  }

  /** For an encrypted block on its way to the file: one at a time, as a mutex covers all trees. */
  roomFor(length: number): Uint8Array {
    if (this.#room.length !== length) this.#room = new Uint8Array(length);
    return this.#room;
  }

  /** calc_node_hash(): of the image after its hash, of `meta` for the root, of the children's hashes. */
  nodeHash(node: HtreeNode, meta: Uint8Array | undefined): Uint8Array {
    const digest = this.#digest;
    digest.start();
    digest.update(node.image.subarray(TEE_FS_HTREE_HASH_SIZE));
    if (meta !== undefined) digest.update(meta);
    for (const child of node.children) if (child !== undefined) digest.update(child.hash);
    return digest.final();
  }

  /** authenc_init(): a message under way, into which what is authenticated only has gone. */
  start(
    { key, encFek }: HtreeSeal,
    encrypt: boolean,
    iv: Uint8Array,
    head: HeadBinding | undefined,
  ): HostAead {
    const aead = this.#started(encrypt, key, iv);
    const aad = this.#aad;
    let length = 0;
    if (head !== undefined) {
      const { rootHash, counter, hashSizeCompat } = head;
      length = hashSizeCompat ? TEE_FS_HTREE_FEK_SIZE : TEE_FS_HTREE_HASH_SIZE;
      aad.set(rootHash);
      aad.set(counter, length);
      length += counter.length;
    }
    aad.set(encFek, length);
    aad.set(iv, length + encFek.length);
    aead.aad(aad.subarray(0, length + encFek.length + iv.length));
    return aead;
  }

  #started(encrypt: boolean, key: HostKey, iv: Uint8Array): HostAead {
    const known = encrypt ? this.#sealing : this.#opening;
    if (known !== undefined) {
      known.start(key, iv);
      return known;
    }
    const made = this.host.aesGcm(encrypt, key, iv, TEE_FS_HTREE_TAG_SIZE);
    if (encrypt) this.#sealing = made;
    else this.#opening = made;
    return made;
  }
}

/** What a file's pieces are encrypted with. */
export interface HtreeSeal {
  readonly crypto: HtreeCrypto;
  /** The FEK. */
  readonly key: HostKey;
  readonly encFek: Uint8Array;
}

/** What is authenticated besides a head's contents. */
export interface HeadBinding {
  readonly rootHash: Uint8Array;
  /** Four bytes. */
  readonly counter: Uint8Array;
  /**
   * CFG_REE_FS_HTREE_HASH_SIZE_COMPAT: only the first 16 bytes of the hash, because whoever wrote it
   * first took the size of a key for the size of a hash.
   */
  readonly hashSizeCompat: boolean;
}

/** @param tag where the tag goes @param out gets as many bytes as `plain` has */
export function htreeEncrypt(
  seal: HtreeSeal,
  iv: Uint8Array,
  tag: Uint8Array,
  plain: Uint8Array,
  out: Uint8Array,
  head?: HeadBinding,
): void {
  const aead = seal.crypto.start(seal, true, iv, head);
  aead.update(plain, out);
  aead.tag(tag);
}

/** In place. False, and zeros, when the tag is not that of what was encrypted. */
export function htreeDecrypt(
  seal: HtreeSeal,
  iv: Uint8Array,
  tag: Uint8Array,
  data: Uint8Array,
  head?: HeadBinding,
): boolean {
  const aead = seal.crypto.start(seal, false, iv, head);
  aead.update(data, data);
  const isRight = aead.verify(tag);
  if (!isRight) data.fill(0);
  return isRight;
}
