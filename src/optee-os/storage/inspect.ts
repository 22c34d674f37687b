/**
 * Reads a directory of secure storage as it lies on the normal world's disk, without a secure world:
 * which objects there are, what each file's heads, nodes and blocks say, and whether they verify.
 * Nothing is written, and nothing that is wrong ends the reading of the rest.
 *
 * Upstream counterpart: none; the rules are those of the modules beside it. Left out: roll-backs,
 * which cannot be seen in the files alone.
 */
import {
  TEE_ERROR,
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import {
  DirfileEntry,
  HTREE_NODE_COMMITTED_BLOCK,
  REE_FS_BLOCK_SIZE,
  TEE_FS_HTREE_TYPE_HEAD,
  TeeFsHtreeImage,
  TeeSvcStorageHead,
} from '../../abi/tee-fs.ts';
import type { TeeFsHtreeType } from '../../abi/tee-fs.ts';
import { NIL_UUID, getUuidStruct } from '../../abi/uuid.ts';
import type { HostCrypto } from '../../host/crypto.ts';
import type { ByteStore } from '../../host/store.ts';
import type { Co } from '../../sched/task.ts';
import { Dirent, dirfileFname } from './fs-dirfile.ts';
import { HtreeCrypto } from './fs-htree-crypto.ts';
import { FsHtree } from './fs-htree.ts';
import type { FsHtreeStorage } from './fs-htree.ts';
import { reeFsOffset } from './ree-fs-layout.ts';
import { TeeFsKeyManager } from './tee-fs-key-manager.ts';
import type { StorageServices } from './tee-fs.ts';

export interface InspectOptions {
  readonly crypto: HostCrypto;
  readonly store: ByteStore;
  /** Directory in the store that tee-supplicant keeps its files in. */
  readonly path: string;
  /** CFG_REE_FS_HTREE_HASH_SIZE_COMPAT */
  readonly hashSizeCompat?: boolean;
}

/** A piece that was refused, and why. */
export interface Problem {
  /** Name of a TEE_Result. */
  readonly code: string;
  readonly text: string;
}

/** One hash-tree file. */
export interface TreeReport {
  readonly file: string;
  /** Of the file on disk; undefined when there is none. */
  readonly fileBytes: number | undefined;
  /** Counters of both heads, as they stand there; undefined where the file is too short. */
  readonly counters: readonly (number | undefined)[];
  /** What follows is known of a tree that verifies. */
  readonly counter: number | undefined;
  readonly lengthBytes: number | undefined;
  /** By id: the version of the block that counts. */
  readonly nodes: readonly { readonly id: number; readonly blockVersion: number }[];
  /** Everything that could be decrypted: all of it, or what comes before the first bad block. */
  readonly contents: Uint8Array;
  readonly problem: Problem | undefined;
}

/** What an object's file begins with. */
export interface ObjectHead {
  /** TEE_TYPE_* */
  readonly objectType: number;
  readonly objectSizeBits: number;
  readonly maxObjectSizeBits: number;
  /** TEE_USAGE_* */
  readonly objectUsage: number;
  readonly haveAttrs: number;
  readonly attributes: Uint8Array;
  readonly data: Uint8Array;
}

export interface ObjectReport {
  /** Place in dirf.db. */
  readonly entry: number;
  readonly uuid: string;
  readonly id: Uint8Array;
  readonly fileNumber: number;
  /** Of the root node, as dirf.db knows it. */
  readonly hash: Uint8Array;
  readonly tree: TreeReport;
  /** Undefined for files of the core's own, which have none, and for files that do not verify. */
  readonly head: ObjectHead | undefined;
}

export interface StorageReport {
  readonly directory: TreeReport;
  readonly objects: readonly ObjectReport[];
  /** Files that no entry names. */
  readonly strays: readonly string[];
}

/** Reads a directory. */
export function inspectStorage(options: InspectOptions): StorageReport {
  const reader = new Reader(options);
  const directory = reader.tree(dirfileFname(undefined), undefined, undefined);
  const objects = entriesOf(directory.contents).map(({ entry, dent }) =>
    reader.object(entry, dent),
  );
  const named = new Set([directory.file, ...objects.map(({ tree }) => tree.file)]);
  const files = options.store.list(options.path) ?? [];
  return { directory, objects, strays: files.filter((name) => !named.has(name)) };
}

function entriesOf(contents: Uint8Array): { entry: number; dent: Dirent }[] {
  const found: { entry: number; dent: Dirent }[] = [];
  const size = DirfileEntry.byteLength;
  for (let entry = 0; (entry + 1) * size <= contents.length; entry++) {
    const dent = new Dirent();
    dent.bytes.set(contents.subarray(entry * size, (entry + 1) * size));
    if (!dent.isFree) found.push({ entry, dent });
  }
  return found;
}

class Reader {
  readonly #options: InspectOptions;
  readonly #services: StorageServices;

  constructor(options: InspectOptions) {
    this.#options = options;
    this.#services = {
      crypto: options.crypto,
      htree: new HtreeCrypto(options.crypto),
      keys: new TeeFsKeyManager(options.crypto),
      // Asked for new files only, which nobody writes.
      random: { below: () => 0, fill: () => {} },
      heap: { alloc: () => true, free: () => {} },
      hashSizeCompat: options.hashSizeCompat ?? true,
      truncateKeepsHashes: false,
    };
  }

  object(entry: number, dent: Dirent): ObjectReport {
    const { fileNumber } = dent;
    const tree = this.tree(fileNumber.toString(16), dent.uuid, dent.hash);
    const uuid = getUuidStruct(dent.view, 0);
    return {
      entry,
      uuid,
      id: dent.id.slice(),
      fileNumber,
      hash: dent.hash.slice(),
      tree,
      head:
        uuid === NIL_UUID || tree.problem !== undefined ? undefined : objectHeadOf(tree.contents),
    };
  }

  tree(file: string, uuid: Uint8Array | undefined, hash: Uint8Array | undefined): TreeReport {
    const path = this.#options.path === '' ? file : `${this.#options.path}/${file}`;
    const storage = new ReadOnlyStorage(this.#options.store, path);
    const anchor = { hash, minCounter: 0 };
    const opened = storage.isThere
      ? atOnce(FsHtree.open(this.#services, storage, uuid, anchor))
      : storage.refuse(TEE_ERROR_ITEM_NOT_FOUND, 'there is no such file');
    const tree = typeof opened === 'number' ? undefined : opened;
    const facts = {
      file,
      fileBytes: this.#options.store.stat(path)?.sizeBytes,
      counters: [0, 1].map((version) => storage.counter(version)),
      counter: tree?.counter,
      lengthBytes: tree?.length,
      nodes: tree === undefined ? [] : nodesOf(tree),
    };
    const contents = tree === undefined ? new Uint8Array(0) : readAll(tree);
    return { ...facts, contents, problem: storage.problem };
  }
}

function nodesOf(tree: FsHtree): TreeReport['nodes'] {
  return [...tree.nodes()]
    .map(({ id, flags }) => ({
      id,
      blockVersion: (flags & HTREE_NODE_COMMITTED_BLOCK) === 0 ? 0 : 1,
    }))
    .sort((a, b) => a.id - b.id);
}

/** As much as verifies. */
function readAll(tree: FsHtree): Uint8Array {
  const blocks: Uint8Array[] = [];
  const { length } = tree;
  for (let n = 0; n * REE_FS_BLOCK_SIZE < length; n++) {
    const block = new Uint8Array(REE_FS_BLOCK_SIZE);
    if (atOnce(tree.readBlock(n, block)) !== TEE_SUCCESS) break;
    blocks.push(block);
  }
  const contents = new Uint8Array(blocks.length * REE_FS_BLOCK_SIZE);
  blocks.forEach((block, n) => contents.set(block, n * REE_FS_BLOCK_SIZE));
  return contents.subarray(0, length);
}

/** Of a whole file. @returns undefined when it is too short for what its head says */
export function objectHeadOf(contents: Uint8Array): ObjectHead | undefined {
  const size = TeeSvcStorageHead.byteLength;
  if (contents.length < size) return undefined;
  const view = new DataView(contents.buffer, contents.byteOffset, contents.length);
  const dataAt = size + TeeSvcStorageHead.attrSize.get(view, 0);
  if (dataAt > contents.length) return undefined;
  return {
    objectType: TeeSvcStorageHead.objectType.get(view, 0),
    objectSizeBits: TeeSvcStorageHead.objectSize.get(view, 0),
    maxObjectSizeBits: TeeSvcStorageHead.maxObjectSize.get(view, 0),
    objectUsage: TeeSvcStorageHead.objectUsage.get(view, 0),
    haveAttrs: TeeSvcStorageHead.haveAttrs.get(view, 0),
    attributes: contents.slice(size, dataAt),
    data: contents.slice(dataAt),
  };
}

/** A file that is only read; the first thing that is wrong is kept. */
class ReadOnlyStorage implements FsHtreeStorage {
  readonly blockSize = REE_FS_BLOCK_SIZE;
  problem: Problem | undefined;
  readonly #store: ByteStore;
  readonly #path: string;

  constructor(store: ByteStore, path: string) {
    this.#store = store;
    this.#path = path;
  }

  get isThere(): boolean {
    return this.#store.stat(this.#path)?.kind === 'file';
  }

  counter(version: number): number | undefined {
    const at = reeFsOffset(TEE_FS_HTREE_TYPE_HEAD, 0, version);
    const bytes = this.#store.read(this.#path, at, TeeFsHtreeImage.byteLength);
    if (bytes?.length !== TeeFsHtreeImage.byteLength) return undefined;
    return TeeFsHtreeImage.counter.get(new DataView(bytes.buffer, bytes.byteOffset), 0);
  }

  // eslint-disable-next-line require-yield -- a store answers at once
  *read(type: TeeFsHtreeType, index: number, version: number, out: Uint8Array): Co<number> {
    const at = reeFsOffset(type, index, version);
    const bytes = this.#store.read(this.#path, at, out.length);
    if (bytes?.length !== out.length) {
      const text = `${bytes?.length ?? 0} of ${out.length} bytes are there at offset ${at}`;
      return this.refuse(TEE_ERROR_CORRUPT_OBJECT, text);
    }
    out.set(bytes);
    return TEE_SUCCESS;
  }

  // eslint-disable-next-line require-yield -- a store answers at once
  *write(): Co<number> {
    const text = 'its creation was interrupted: OP-TEE begins anew when it opens the file';
    return this.refuse(TEE_ERROR_ACCESS_DENIED, text);
  }

  refuse(code: number, text: string): number {
    this.problem ??= { code: codeName(TEE_ERROR, code), text };
    return code;
  }
}

/** The end of a coroutine that has nothing to wait for. */
function atOnce<T>(co: Co<T>): T {
  const step = co.next();
  if (step.done !== true) throw new Error('reading a store waits');
  return step.value;
}
