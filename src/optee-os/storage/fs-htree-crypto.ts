/**
 * How a hash tree is authenticated: the hash of a node, and AES-GCM for blocks and for the head.
 *
 * Upstream counterpart: optee_os core/tee/fs_htree.c (calc_node_hash(), authenc_*()).
 */
import {
  TEE_FS_HTREE_FEK_SIZE,
  TEE_FS_HTREE_HASH_SIZE,
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

/** What a file's pieces are encrypted with. */
export interface HtreeSeal {
  readonly crypto: HostCrypto;
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

function authencInit(
  seal: HtreeSeal,
  encrypt: boolean,
  iv: Uint8Array,
  head: HeadBinding | undefined,
): HostAead {
  const aead = seal.crypto.aesGcm(encrypt, seal.key, iv, TEE_FS_HTREE_TAG_SIZE);
  if (head !== undefined) {
    const size = head.hashSizeCompat ? TEE_FS_HTREE_FEK_SIZE : TEE_FS_HTREE_HASH_SIZE;
    aead.aad(head.rootHash.subarray(0, size));
    aead.aad(head.counter);
  }
  aead.aad(seal.encFek);
  aead.aad(iv);
  return aead;
}

/** @param tag where the tag goes */
export function htreeEncrypt(
  seal: HtreeSeal,
  iv: Uint8Array,
  tag: Uint8Array,
  plain: Uint8Array,
  head?: HeadBinding,
): Uint8Array {
  const aead = authencInit(seal, true, iv, head);
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
  const aead = authencInit(seal, false, iv, head);
  const plain = aead.update(encrypted);
  return aead.verify(tag) ? plain : undefined;
}
