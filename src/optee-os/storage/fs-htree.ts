/**
 * A file of secure storage: encrypted blocks under a tree of hashes. Everything on disk is there
 * twice, so that a change is written beside what is valid and becomes valid with the last write, that
 * of the head. Where things are in the file is the file system's business.
 *
 * Any failure closes the tree; what was not committed is lost then.
 *
 * Upstream counterpart: optee_os core/tee/fs_htree.c. Left out: what the cryptographic library
 * allocates for the length of one call.
 */
import {
  HTREE_NODE_COMMITTED_BLOCK,
  HTREE_NODE_COMMITTED_CHILD,
  TEE_FS_HTREE_FEK_SIZE,
  TEE_FS_HTREE_META_SIZE,
  TEE_FS_HTREE_TYPE_BLOCK,
  TEE_FS_HTREE_TYPE_HEAD,
  TEE_FS_HTREE_TYPE_NODE,
  TeeFsHtreeImage,
  TeeFsHtreeImeta,
  TeeFsHtreeNodeImage,
} from '../../abi/tee-fs.ts';
import type { TeeFsHtreeType } from '../../abi/tee-fs.ts';
import {
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_GENERIC,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { Co } from '../../sched/task.ts';
import { htreeDecrypt, htreeEncrypt } from './fs-htree-crypto.ts';
import type { HeadBinding, HtreeSeal } from './fs-htree-crypto.ts';
import { HtreeNodes } from './fs-htree-node.ts';
import type { HtreeNode } from './fs-htree-node.ts';
import type { StorageServices } from './tee-fs.ts';

/** sizeof(struct tee_fs_htree) on a 64-bit machine. */
const FS_HTREE_BYTES = 240;
/** Until the file's own is known. */
const NO_FEK = new Uint8Array(TEE_FS_HTREE_FEK_SIZE);

/** `struct tee_fs_htree_storage`: the file below a tree. Functions return a TEE_Result. */
export interface FsHtreeStorage {
  readonly blockSize: number;
  /**
   * Fills `out`; fewer bytes than that are TEE_ERROR_CORRUPT_OBJECT.
   * @param index of a node or block, from 0 @param version 0 or 1
   */
  read(type: TeeFsHtreeType, index: number, version: number, out: Uint8Array): Co<number>;
  write(type: TeeFsHtreeType, index: number, version: number, data: Uint8Array): Co<number>;
  /** Tells why what was read is refused. @returns `code` */
  refuse(code: number, text: string): number;
}

/** How an existing file is opened. */
export interface HtreeAnchor {
  /** What the root node's hash must be; without one the newer head counts. */
  readonly hash: Uint8Array | undefined;
  /** The smallest counter that is no roll-back. */
  readonly minCounter: number;
}

export class FsHtree {
  readonly #services: StorageServices;
  readonly #storage: FsHtreeStorage;
  readonly #uuid: Uint8Array | undefined;
  readonly #nodes: HtreeNodes;
  readonly #head = new Uint8Array(TeeFsHtreeImage.byteLength);
  readonly #headView = new DataView(this.#head.buffer);
  readonly #imeta = new Uint8Array(TeeFsHtreeImeta.byteLength);
  readonly #imetaView = new DataView(this.#imeta.buffer);
  #seal: HtreeSeal;
  #dirty = false;
  #closed = false;

  private constructor(
    services: StorageServices,
    storage: FsHtreeStorage,
    uuid: Uint8Array | undefined,
  ) {
    this.#services = services;
    this.#storage = storage;
    this.#uuid = uuid;
    this.#nodes = new HtreeNodes(services.heap);
    const encFek = TeeFsHtreeImage.encFek.bytes(this.#headView, 0);
    const { crypto, htree } = services;
    this.#seal = { crypto: htree, key: crypto.secretKey(NO_FEK), encFek };
  }

  /**
   * tee_fs_htree_open() of a new file.
   * @param uuid TEE_UUID of the TA whose file it is; undefined for none @returns else a TEE_Result
   */
  static *create(
    services: StorageServices,
    storage: FsHtreeStorage,
    uuid: Uint8Array | undefined,
    minCounter = 0,
  ): Co<FsHtree | number> {
    const tree = FsHtree.#alloc(services, storage, uuid);
    return tree === undefined
      ? TEE_ERROR_OUT_OF_MEMORY
      : tree.#opened(yield* tree.#createAndSync(minCounter));
  }

  /** tee_fs_htree_open() of a file that is there: all of it but the blocks is verified. */
  static *open(
    services: StorageServices,
    storage: FsHtreeStorage,
    uuid: Uint8Array | undefined,
    anchor: HtreeAnchor,
  ): Co<FsHtree | number> {
    const tree = FsHtree.#alloc(services, storage, uuid);
    return tree === undefined ? TEE_ERROR_OUT_OF_MEMORY : tree.#opened(yield* tree.#load(anchor));
  }

  static #alloc(
    services: StorageServices,
    storage: FsHtreeStorage,
    uuid: Uint8Array | undefined,
  ): FsHtree | undefined {
    const room = services.heap.alloc(FS_HTREE_BYTES, 'a hash tree');
    return room ? new FsHtree(services, storage, uuid) : undefined;
  }

  #opened(res: number): this | number {
    if (res === TEE_SUCCESS) return this;
    this.close();
    return res;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes in the file: the tree's user keeps it (`struct tee_fs_htree_meta`). */
  get length(): number {
    return TeeFsHtreeImeta.length.num(this.#imetaView, 0);
  }

  /** tee_fs_htree_meta_set_dirty() included. */
  set length(value: number) {
    TeeFsHtreeImeta.length.setNum(this.#imetaView, 0, value);
    this.#dirty = true;
    this.#nodes.root.dirty = true;
  }

  /** Of the last commit. */
  get rootHash(): Uint8Array {
    return this.#nodes.root.hash;
  }

  /** Of the last commit. */
  get counter(): number {
    return TeeFsHtreeImage.counter.get(this.#headView, 0);
  }

  get maxNodeId(): number {
    return TeeFsHtreeImeta.maxNodeId.get(this.#imetaView, 0);
  }

  set #maxNodeId(value: number) {
    TeeFsHtreeImeta.maxNodeId.set(this.#imetaView, 0, value);
  }

  /** Ids and flags of the nodes, children first; for whoever describes a file. */
  *nodes(): Generator<{ readonly id: number; readonly flags: number }, void, void> {
    for (const { id, flags } of this.#nodes.postOrder()) yield { id, flags };
  }

  /** tee_fs_htree_close(): what was not committed is forgotten. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#nodes.free();
    this.#services.heap.free(FS_HTREE_BYTES);
  }

  /** tee_fs_htree_sync_to_storage(): commits. */
  *sync(): Co<number> {
    if (this.#closed) return TEE_ERROR_CORRUPT_OBJECT;
    if (!this.#dirty) return TEE_SUCCESS;
    for (const node of this.#nodes.postOrder()) {
      const res = node.dirty ? yield* this.#syncNode(node) : TEE_SUCCESS;
      if (res !== TEE_SUCCESS) return this.#failed(res);
    }
    this.#updateRoot();
    const res = yield* this.#writeHead(this.counter & 1, this.#head);
    if (res !== TEE_SUCCESS) return this.#failed(res);
    this.#dirty = false;
    return TEE_SUCCESS;
  }

  /** tee_fs_htree_write_block() @param block `blockSize` bytes */
  *writeBlock(blockNum: number, block: Uint8Array): Co<number> {
    if (this.#closed) return TEE_ERROR_CORRUPT_OBJECT;
    const node = this.#node(blockNum + 1, true);
    if (typeof node === 'number') return this.#failed(node);
    if (!node.blockUpdated) node.flags ^= HTREE_NODE_COMMITTED_BLOCK;
    const version = node.version(HTREE_NODE_COMMITTED_BLOCK);
    this.#services.random.fill(node.iv);
    const sealed = this.#services.htree.roomFor(block.length);
    htreeEncrypt(this.#seal, node.iv, node.tag, block, sealed);
    const res = yield* this.#storage.write(TEE_FS_HTREE_TYPE_BLOCK, blockNum, version, sealed);
    if (res !== TEE_SUCCESS) return this.#failed(res);
    node.blockUpdated = true;
    node.dirty = true;
    this.#dirty = true;
    return TEE_SUCCESS;
  }

  /** tee_fs_htree_read_block() @param block gets `blockSize` bytes */
  *readBlock(blockNum: number, block: Uint8Array): Co<number> {
    if (this.#closed) return TEE_ERROR_CORRUPT_OBJECT;
    const node = this.#node(blockNum + 1, false);
    if (typeof node === 'number') return this.#failed(node);
    const version = node.version(HTREE_NODE_COMMITTED_BLOCK);
    const res = yield* this.#storage.read(TEE_FS_HTREE_TYPE_BLOCK, blockNum, version, block);
    if (res !== TEE_SUCCESS) return this.#failed(res);
    if (!htreeDecrypt(this.#seal, node.iv, node.tag, block)) {
      const text = `block ${blockNum}, version ${version}: the tag is not that of its contents`;
      return this.#failed(this.#storage.refuse(TEE_ERROR_CORRUPT_OBJECT, text));
    }
    return TEE_SUCCESS;
  }

  /** tee_fs_htree_truncate() @param blockNum block that may stay, as the first that need not */
  truncate(blockNum: number): number {
    if (this.#closed) return TEE_ERROR_CORRUPT_OBJECT;
    while (blockNum + 1 < this.maxNodeId) {
      const node = this.#nodes.closest(this.maxNodeId);
      this.#nodes.remove(node);
      // A parent's hash covers its children, which upstream forgets: it writes the root only.
      if (!this.#services.truncateKeepsHashes) node.parent!.dirty = true;
      this.#maxNodeId = this.maxNodeId - 1;
      this.#dirty = true;
    }
    return TEE_SUCCESS;
  }

  #failed(res: number): number {
    this.close();
    return res;
  }

  // --- creating
  *#createAndSync(minCounter: number): Co<number> {
    const { crypto, random, keys } = this.#services;
    const fek = new Uint8Array(TEE_FS_HTREE_FEK_SIZE);
    random.fill(fek);
    this.#seal.encFek.set(keys.fekCrypt(this.#uuid, true, fek));
    this.#seal = { ...this.#seal, key: crypto.secretKey(fek) };
    this.#nodes.root.dirty = true;
    this.#dirty = true;
    const res = yield* this.sync();
    if (res !== TEE_SUCCESS) return res;
    const dummy = new Uint8Array(TeeFsHtreeImage.byteLength);
    TeeFsHtreeImage.counter.set(new DataView(dummy.buffer), 0, minCounter);
    return yield* this.#writeHead(0, dummy);
  }

  // --- opening
  *#load({ hash, minCounter }: HtreeAnchor): Co<number> {
    let res = hash === undefined ? yield* this.#readNewestHead() : yield* this.#readHeadOf(hash);
    if (res !== TEE_SUCCESS) return res;
    if (this.counter < minCounter) {
      const text = `its counter is ${this.counter}, which was ${minCounter} before`;
      return this.#storage.refuse(TEE_ERROR_SECURITY, text);
    }
    if (this.#isPartiallyDone()) {
      res = yield* this.#createAndSync(minCounter);
      if (res !== TEE_SUCCESS) return res;
    }
    res = this.#verifyRoot();
    if (res !== TEE_SUCCESS) return res;
    res = yield* this.#readNodes();
    return res === TEE_SUCCESS ? this.#verifyTree() : res;
  }

  /** init_head_from_data() with a hash: the root node that has it says which head is its. */
  *#readHeadOf(hash: Uint8Array): Co<number> {
    const { root } = this.#nodes;
    for (let version = 0; version < 2; version++) {
      const res = yield* this.#readNode(1, version, root.image);
      if (res !== TEE_SUCCESS) return res;
      if (this.#services.crypto.timingSafeEqual(root.hash, hash))
        return yield* this.#readHead(version, this.#head);
    }
    const text = 'neither root node has the hash that is known of it';
    return this.#storage.refuse(TEE_ERROR_CORRUPT_OBJECT, text);
  }

  /** init_head_from_data() without a hash: the head with the larger counter. */
  *#readNewestHead(): Co<number> {
    const other = new Uint8Array(TeeFsHtreeImage.byteLength);
    let res = yield* this.#readHead(0, this.#head);
    if (res !== TEE_SUCCESS) return res;
    res = yield* this.#readHead(1, other);
    if (res !== TEE_SUCCESS) return res;
    const counters = [this.counter, TeeFsHtreeImage.counter.get(new DataView(other.buffer), 0)];
    const version = newestHead(counters[0]!, counters[1]!);
    if (version === undefined) {
      const text = `no head has a counter that fits its place: ${counters.join(' and ')}`;
      return this.#storage.refuse(TEE_ERROR_SECURITY, text);
    }
    if (version === 1) this.#head.set(other);
    return yield* this.#readNode(1, version, this.#nodes.root.image);
  }

  /** ht_head_is_partially_done(): creating was interrupted before a head was written. */
  #isPartiallyDone(): boolean {
    return this.counter === 0 && TeeFsHtreeImage.tag.bytes(this.#headView, 0).every((b) => b === 0);
  }

  #verifyRoot(): number {
    const { crypto, keys } = this.#services;
    const fek = keys.fekCrypt(this.#uuid, false, this.#seal.encFek);
    this.#seal = { ...this.#seal, key: crypto.secretKey(fek) };
    const view = this.#headView;
    const iv = TeeFsHtreeImage.iv.bytes(view, 0);
    const tag = TeeFsHtreeImage.tag.bytes(view, 0);
    this.#imeta.set(TeeFsHtreeImage.imeta.bytes(view, 0));
    if (!htreeDecrypt(this.#seal, iv, tag, this.#imeta, this.#headBinding)) {
      const text = 'the head: its tag is not that of its contents and of the root node';
      return this.#storage.refuse(TEE_ERROR_CORRUPT_OBJECT, text);
    }
    return TEE_SUCCESS;
  }

  /** init_tree_from_data(): parents come before their children and tell which version counts. */
  *#readNodes(): Co<number> {
    const image = new Uint8Array(TeeFsHtreeNodeImage.byteLength);
    for (let id = 2; id <= this.maxNodeId; id++) {
      const parent = this.#nodes.closest(id >>> 1);
      const version = parent.version(HTREE_NODE_COMMITTED_CHILD(id & 1));
      const res = yield* this.#readNode(id, version, image);
      if (res !== TEE_SUCCESS) return res;
      const node = this.#node(id, true);
      if (typeof node === 'number') return node;
      node.image.set(image);
    }
    return TEE_SUCCESS;
  }

  #verifyTree(): number {
    for (const node of this.#nodes.postOrder()) {
      if (this.#services.crypto.timingSafeEqual(this.#hashOf(node), node.hash)) continue;
      const text = `node ${node.id}: its hash is not that of its contents and children`;
      return this.#storage.refuse(TEE_ERROR_CORRUPT_OBJECT, text);
    }
    return TEE_SUCCESS;
  }

  // --- committing
  /** htree_sync_node_to_storage(): writes the version that is not valid. */
  *#syncNode(node: HtreeNode): Co<number> {
    const { parent } = node;
    let version = (this.counter & 1) === 0 ? 1 : 0;
    if (parent !== undefined) {
      const flag = HTREE_NODE_COMMITTED_CHILD(node.id & 1);
      parent.dirty = true;
      parent.flags ^= flag;
      version = parent.version(flag);
    }
    node.hash.set(this.#hashOf(node));
    node.dirty = false;
    node.blockUpdated = false;
    return yield* this.#storage.write(TEE_FS_HTREE_TYPE_NODE, node.id - 1, version, node.image);
  }

  #updateRoot(): void {
    const view = this.#headView;
    TeeFsHtreeImage.counter.set(view, 0, this.counter + 1);
    const iv = TeeFsHtreeImage.iv.bytes(view, 0);
    const tag = TeeFsHtreeImage.tag.bytes(view, 0);
    this.#services.random.fill(iv);
    const imeta = TeeFsHtreeImage.imeta.bytes(view, 0);
    htreeEncrypt(this.#seal, iv, tag, this.#imeta, imeta, this.#headBinding);
  }

  // --- pieces
  /** get_node() @returns else a TEE_Result */
  #node(id: number, create: boolean): HtreeNode | number {
    const node = this.#nodes.closest(id);
    if (node.id === id) return node;
    // A file's user looks at its length first.
    if (!create) return TEE_ERROR_GENERIC;
    const made = this.#nodes.create(id);
    if (made === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    if (made.id > this.maxNodeId) this.#maxNodeId = made.id;
    return made;
  }

  #hashOf(node: HtreeNode): Uint8Array {
    const isRoot = node.parent === undefined;
    const meta = isRoot ? this.#imeta.subarray(0, TEE_FS_HTREE_META_SIZE) : undefined;
    return this.#services.htree.nodeHash(node, meta);
  }

  get #headBinding(): HeadBinding {
    const { offset } = TeeFsHtreeImage.counter;
    const counter = this.#head.subarray(offset, offset + Uint32Array.BYTES_PER_ELEMENT);
    return { rootHash: this.rootHash, counter, hashSizeCompat: this.#services.hashSizeCompat };
  }

  #readNode(id: number, version: number, out: Uint8Array): Co<number> {
    return this.#storage.read(TEE_FS_HTREE_TYPE_NODE, id - 1, version, out);
  }

  #readHead(version: number, out: Uint8Array): Co<number> {
    return this.#storage.read(TEE_FS_HTREE_TYPE_HEAD, 0, version, out);
  }

  #writeHead(version: number, head: Uint8Array): Co<number> {
    return this.#storage.write(TEE_FS_HTREE_TYPE_HEAD, 0, version, head);
  }
}

/** get_idx_from_counter(): counters of head 0 are even, of head 1 odd. */
function newestHead(counter0: number, counter1: number): number | undefined {
  const fits0 = (counter0 & 1) === 0;
  const fits1 = (counter1 & 1) === 1;
  if (fits0 && fits1) return counter0 > counter1 ? 0 : 1;
  if (fits0) return 0;
  return fits1 ? 1 : undefined;
}
