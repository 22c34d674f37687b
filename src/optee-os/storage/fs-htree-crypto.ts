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
import type { HostAead, HostCrypto, HostKey } from '../../host/crypto.ts';
import type { HtreeNode } from './fs-htree-node.ts';

/** calc_node_hash(): of the image after its hash, of `meta` for the root, of the children's hashes. */
export function calcNodeHash(
  crypto: HostCrypto,
  node: HtreeNode,
  meta: Uint8Array | undefined,
): Uint8Array {
  const digest = crypto.digest('sha256');
  digest.update(node.image.subarray(TEE_FS_HTREE_HASH_SIZE));
  if (meta !== undefined) digest.update(meta);
  for (const child of node.children) if (child !== undefined) digest.update(child.hash);
  return digest.final();
}

/** Bytes: a head's root hash and counter, the encrypted FEK, the initialization vector. */
const MOST_AAD =
  TEE_FS_HTREE_HASH_SIZE +
  Uint32Array.BYTES_PER_ELEMENT +
  TEE_FS_HTREE_FEK_SIZE +
  TEE_FS_HTREE_IV_SIZE;

/** What a file's pieces are encrypted with; one cipher for each direction does them all. */
export class HtreeSeal {
  readonly #crypto: HostCrypto;
  /** The FEK. */
  #key: HostKey;
  readonly encFek: Uint8Array;
  /** What is authenticated only. */
  readonly #aad = new Uint8Array(MOST_AAD);
  #sealing: HostAead | undefined;
  #opening: HostAead | undefined;

  /** @param encFek the FEK, encrypted, as it lies in the head */
  constructor(crypto: HostCrypto, fek: Uint8Array, encFek: Uint8Array) {
    this.#crypto = crypto;
    this.#key = crypto.secretKey(fek);
    this.encFek = encFek;
  }

  setFek(fek: Uint8Array): void {
    this.#key = this.#crypto.secretKey(fek);
  }

  /** A message under way: what is authenticated only has gone in. */
  start(encrypt: boolean, iv: Uint8Array, head: HeadBinding | undefined): HostAead {
    const aead = this.#started(encrypt, iv);
    const aad = this.#aad;
    let length = 0;
    if (head !== undefined) {
      const { rootHash, counter, hashSizeCompat } = head;
      length = hashSizeCompat ? TEE_FS_HTREE_FEK_SIZE : TEE_FS_HTREE_HASH_SIZE;
      aad.set(rootHash);
      aad.set(counter, length);
      length += counter.length;
    }
    aad.set(this.encFek, length);
    aad.set(iv, length + this.encFek.length);
    aead.aad(aad.subarray(0, length + this.encFek.length + iv.length));
    return aead;
  }

  #started(encrypt: boolean, iv: Uint8Array): HostAead {
    const known = encrypt ? this.#sealing : this.#opening;
    if (known !== undefined) {
      known.start(this.#key, iv);
      return known;
    }
    const made = this.#crypto.aesGcm(encrypt, this.#key, iv, TEE_FS_HTREE_TAG_SIZE);
    if (encrypt) this.#sealing = made;
    else this.#opening = made;
    return made;
  }
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

/** @param tag where the tag goes */
export function htreeEncrypt(
  seal: HtreeSeal,
  iv: Uint8Array,
  tag: Uint8Array,
  plain: Uint8Array,
  head?: HeadBinding,
): Uint8Array {
  const aead = seal.start(true, iv, head);
  const encrypted = aead.update(plain);
  tag.set(aead.tag());
  return encrypted;
}

/** Undefined when the tag is not that of what was encrypted. */
export function htreeDecrypt(
  seal: HtreeSeal,
  iv: Uint8Array,
  tag: Uint8Array,
  encrypted: Uint8Array,
  head?: HeadBinding,
): Uint8Array | undefined {
  const aead = seal.start(false, iv, head);
  const plain = aead.update(encrypted);
  return aead.verify(tag) ? plain : undefined;
}
