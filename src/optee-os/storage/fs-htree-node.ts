/**
 * The nodes of a hash tree in memory: a binary tree that is filled level by level, in which node n
 * has the children 2n and 2n+1 and block n belongs to node n+1.
 *
 * Upstream counterpart: optee_os core/tee/fs_htree.c (struct htree_node, find_closest_node(),
 * get_node(), htree_traverse_post_order()).
 */
import { TeeFsHtreeNodeImage } from '../../abi/tee-fs.ts';
import type { StorageHeap } from './tee-fs.ts';

/** sizeof(struct htree_node) on a 64-bit machine. */
const HTREE_NODE_BYTES = 104;

export class HtreeNode {
  readonly id: number;
  readonly parent: HtreeNode | undefined;
  readonly children: [HtreeNode | undefined, HtreeNode | undefined] = [undefined, undefined];
  /** `struct tee_fs_htree_node_image` */
  readonly image = new Uint8Array(TeeFsHtreeNodeImage.byteLength);
  readonly view = new DataView(this.image.buffer);
  readonly hash = TeeFsHtreeNodeImage.hash.bytes(this.view, 0);
  readonly iv = TeeFsHtreeNodeImage.iv.bytes(this.view, 0);
  readonly tag = TeeFsHtreeNodeImage.tag.bytes(this.view, 0);
  /** Its image must be written. */
  dirty = false;
  /** Its block was written since the last commit. */
  blockUpdated = false;

  constructor(id: number, parent: HtreeNode | undefined) {
    this.id = id;
    this.parent = parent;
  }

  get flags(): number {
    return TeeFsHtreeNodeImage.flags.get(this.view, 0);
  }

  set flags(value: number) {
    TeeFsHtreeNodeImage.flags.set(this.view, 0, value);
  }

  /** Version 0 or 1 of what a flag stands for. */
  version(flag: number): number {
    return (this.flags & flag) === 0 ? 0 : 1;
  }
}

export class HtreeNodes {
  readonly root = new HtreeNode(1, undefined);
  readonly #heap: StorageHeap;
  /** Nodes besides the root, which is part of the tree itself. */
  #allocated = 0;

  constructor(heap: StorageHeap) {
    this.#heap = heap;
  }

  /** find_closest_node(): the node itself, or its nearest ancestor that is there. */
  closest(id: number): HtreeNode {
    let node = this.root;
    // The bits of an id below its highest one say which way to go at each level.
    for (let bit = 30 - Math.clz32(id); bit >= 0; bit--) {
      const child = node.children[(id >>> bit) & 1];
      if (child === undefined) return node;
      node = child;
    }
    return node;
  }

  /** Adds what is missing up to `id`; undefined when the heap is full. */
  create(id: number): HtreeNode | undefined {
    let node = this.closest(id);
    for (let n = node.id + 1; n <= id; n++) {
      node = this.closest(n);
      if (node.id === n) continue;
      if (!this.#heap.alloc(HTREE_NODE_BYTES, 'a node of a hash tree')) return undefined;
      this.#allocated += 1;
      const child = new HtreeNode(n, node);
      node.children[n & 1] = child;
      node = child;
    }
    return node;
  }

  /** Takes away a node that has no children. */
  remove(node: HtreeNode): void {
    node.parent!.children[node.id & 1] = undefined;
    this.#heap.free(HTREE_NODE_BYTES);
    this.#allocated -= 1;
  }

  /** All of them, children before their parents. */
  postOrder(): readonly HtreeNode[] {
    const nodes: HtreeNode[] = [];
    append(this.root, nodes);
    return nodes;
  }

  /** Gives the memory back. */
  free(): void {
    for (; this.#allocated > 0; this.#allocated--) this.#heap.free(HTREE_NODE_BYTES);
  }
}

function append(node: HtreeNode, nodes: HtreeNode[]): void {
  const [first, second] = node.children;
  if (first !== undefined) append(first, nodes);
  if (second !== undefined) append(second, nodes);
  nodes.push(node);
}
