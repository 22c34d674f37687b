/**
 * Where the pieces of a hash tree are in a file of the REE file system: the two heads first, then
 * blocks of 31 nodes in both versions, each followed by 61 data images. A data block's two versions
 * lie next to each other, unless a block of nodes comes between them.
 *
 * Upstream counterpart: optee_os core/tee/tee_ree_fs.c (get_offs_size()).
 */
import {
  REE_FS_BLOCK_SIZE,
  TEE_FS_HTREE_TYPE_BLOCK,
  TEE_FS_HTREE_TYPE_HEAD,
  TeeFsHtreeImage,
  TeeFsHtreeNodeImage,
} from '../../abi/tee-fs.ts';
import type { TeeFsHtreeType } from '../../abi/tee-fs.ts';

const NODE_SIZE = TeeFsHtreeNodeImage.byteLength;
/** Nodes in a block. */
const BLOCK_NODES = Math.floor(REE_FS_BLOCK_SIZE / (2 * NODE_SIZE));

/** @param index from 0 @param version 0 or 1 @returns bytes from the start of the file */
export function reeFsOffset(type: TeeFsHtreeType, index: number, version: number): number {
  if (type === TEE_FS_HTREE_TYPE_HEAD) return TeeFsHtreeImage.byteLength * version;
  if (type === TEE_FS_HTREE_TYPE_BLOCK) {
    const image = 2 * index + version;
    const physical = 2 + image + Math.floor(image / (2 * BLOCK_NODES - 1));
    return physical * REE_FS_BLOCK_SIZE;
  }
  const physical = 1 + Math.floor(index / BLOCK_NODES) * BLOCK_NODES * 2;
  return physical * REE_FS_BLOCK_SIZE + NODE_SIZE * (2 * (index % BLOCK_NODES) + version);
}

/** Bytes of a file that may hold `length` bytes of data, and the next block's images. */
export function reeFsPhysicalLength(length: number): number {
  const next = Math.ceil(length / REE_FS_BLOCK_SIZE);
  return reeFsOffset(TEE_FS_HTREE_TYPE_BLOCK, next, 1) + REE_FS_BLOCK_SIZE;
}
