/**
 * Self tests of hash trees: what is written is read, what was not committed is forgotten, and no byte
 * can be changed without notice. The file is in memory and has the smallest blocks that there can be.
 *
 * Upstream counterpart: optee_os core/pta/tests/fs_htree.c.
 */
import {
  TEE_FS_HTREE_TYPE_BLOCK,
  TEE_FS_HTREE_TYPE_HEAD,
  TEE_FS_HTREE_TYPE_NODE,
  TeeFsHtreeImage,
  TeeFsHtreeNodeImage,
} from '../../../abi/tee-fs.ts';
import type { TeeFsHtreeType } from '../../../abi/tee-fs.ts';
import {
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_GENERIC,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_SUCCESS,
} from '../../../abi/gp.ts';
import { PTA_INVOKE_TESTS_UUID } from '../../../abi/pta.ts';
import type { Co } from '../../../sched/task.ts';
import type { Guest } from '../../guest.ts';
import type { ThreadCtx } from '../../kernel/thread.ts';
import { FsHtree } from '../../storage/fs-htree.ts';
import type { FsHtreeStorage, HtreeAnchor } from '../../storage/fs-htree.ts';
import { equalBytes, teeUuid } from '../../storage/tee-fs.ts';
import type { StorageServices } from '../../storage/tee-fs.ts';
import { storageServices } from '../../storage/tee-storage.ts';

/** Two heads, or two nodes, have room in it. */
const TEST_BLOCK_SIZE = 144;
const WRITE_READ_BLOCKS = 10;
const CORRUPT_BLOCKS = 5;
const SALT = 23;

const UUID = teeUuid(PTA_INVOKE_TESTS_UUID);

/** test_get_offs_size() */
function extentOf(type: TeeFsHtreeType, index: number, version: number): readonly [number, number] {
  const [head, node] = [TeeFsHtreeImage.byteLength, TeeFsHtreeNodeImage.byteLength];
  if (type === TEE_FS_HTREE_TYPE_HEAD) return [head * version, head];
  if (type === TEE_FS_HTREE_TYPE_NODE) {
    return [(1 + 2 * index) * TEST_BLOCK_SIZE + node * version, node];
  }
  return [(2 + 2 * (2 * index + version)) * TEST_BLOCK_SIZE, TEST_BLOCK_SIZE];
}

/** struct test_aux */
class TestFile implements FsHtreeStorage {
  readonly blockSize = TEST_BLOCK_SIZE;
  readonly data: Uint8Array;
  length = 0;

  constructor(bytes: number) {
    this.data = new Uint8Array(bytes).fill(0xce);
  }

  static bytesFor(blocks: number): number {
    const [offset, size] = extentOf(TEE_FS_HTREE_TYPE_BLOCK, blocks, 1);
    return offset + size;
  }

  copy(): TestFile {
    const copy = new TestFile(this.data.length);
    copy.data.set(this.data);
    copy.length = this.length;
    return copy;
  }

  *read(type: TeeFsHtreeType, index: number, version: number, out: Uint8Array): Co<number> {
    const [offset, size] = extentOf(type, index, version);
    if (offset + size > this.length) return TEE_ERROR_CORRUPT_OBJECT;
    out.set(this.data.subarray(offset, offset + size));
    return TEE_SUCCESS;
  }

  *write(type: TeeFsHtreeType, index: number, version: number, data: Uint8Array): Co<number> {
    const [offset, size] = extentOf(type, index, version);
    if (offset + size > this.data.length) return TEE_ERROR_GENERIC;
    this.data.set(data, offset);
    this.length = Math.max(this.length, offset + size);
    return TEE_SUCCESS;
  }

  /** That it is refused is what is wanted. */
  refuse(code: number): number {
    return code;
  }
}

function blockOf(block: number, salt: number): Uint8Array {
  const words = Uint32Array.from(
    { length: TEST_BLOCK_SIZE / Uint32Array.BYTES_PER_ELEMENT },
    (_, n) => (n << 16) | (block << 8) | salt,
  );
  return new Uint8Array(words.buffer);
}

interface Range {
  readonly begin: number;
  readonly count: number;
}

/** A file, and its tree while that is open. Methods return a TEE_Result. */
class Trial {
  readonly file: TestFile;
  readonly #guest: Guest;
  readonly #thread: ThreadCtx;
  readonly #services: StorageServices;
  #tree: FsHtree | undefined;
  #hash = new Uint8Array(0);

  constructor(guest: Guest, thread: ThreadCtx, file: TestFile, committed?: Trial) {
    this.#guest = guest;
    this.#thread = thread;
    this.#services = storageServices(guest.nexus, guest.heap);
    this.file = file;
    if (committed !== undefined) this.#hash = committed.#hash;
  }

  *create(): Co<number> {
    return this.#use(yield* FsHtree.create(this.#services, this.file, UUID));
  }

  reopenByHash(): Co<number> {
    return this.#open({ hash: this.#hash, minCounter: 0 });
  }

  reopenNewest(): Co<number> {
    return this.#open({ hash: undefined, minCounter: 0 });
  }

  *commit(): Co<number> {
    if (this.#tree === undefined) return TEE_ERROR_BAD_STATE;
    const res = yield* this.#tree.sync();
    this.#hash = this.#tree.rootHash.slice();
    return res;
  }

  write({ begin, count }: Range, salt: number, backwards = false): Co<number> {
    return this.#doRange(count, (tree, n) => {
      const block = begin + (backwards ? count - 1 - n : n);
      return tree.writeBlock(block, blockOf(block, salt));
    });
  }

  /** @returns TEE_ERROR_SECURITY when there is something else */
  read({ begin, count }: Range, salt: number): Co<number> {
    return this.#doRange(count, function* (tree, n) {
      const out = new Uint8Array(TEST_BLOCK_SIZE);
      const res = yield* tree.readBlock(begin + n, out);
      if (res !== TEE_SUCCESS) return res;
      return equalBytes(out, blockOf(begin + n, salt)) ? TEE_SUCCESS : TEE_ERROR_SECURITY;
    });
  }

  close(): void {
    this.#tree?.close();
    this.#tree = undefined;
  }

  /** CHECK_RES() */
  told(fn: string, res: number): number {
    const text = `error: res = 0x${res.toString(16)}`;
    if (res !== TEE_SUCCESS) this.#guest.nexus.log.emsg(this.#thread, fn, text);
    return res;
  }

  *#open(anchor: HtreeAnchor): Co<number> {
    this.close();
    return this.#use(yield* FsHtree.open(this.#services, this.file, UUID, anchor));
  }

  #use(tree: FsHtree | number): number {
    if (typeof tree === 'number') return tree;
    this.#tree = tree;
    return TEE_SUCCESS;
  }

  *#doRange(count: number, step: (tree: FsHtree, n: number) => Co<number>): Co<number> {
    if (this.#tree === undefined) return TEE_ERROR_BAD_STATE;
    for (let n = 0; n < count; n += 1) {
      const res = yield* step(this.#tree, n);
      if (res !== TEE_SUCCESS) return this.told('do_range', res);
    }
    return TEE_SUCCESS;
  }
}

/** What has to go well, one after the other. */
function* inOrder(trial: Trial, fn: string, steps: readonly (() => Co<number>)[]): Co<number> {
  for (const step of steps) {
    const res = trial.told(fn, yield* step());
    if (res !== TEE_SUCCESS) return res;
  }
  return TEE_SUCCESS;
}

/** htree_test_rewrite(): changes of `some` blocks are lost, because nothing commits them. */
function* testRewrite(trial: Trial, blocks: number, some: Range): Co<number> {
  const all = { begin: 0, count: blocks };
  const before = { begin: 0, count: some.begin };
  const behind = some.begin + some.count;
  const after = { begin: behind, count: blocks - behind };
  const changed = (salt: number): (() => Co<number>)[] => [
    () => trial.read(before, SALT + 2),
    () => trial.read(some, salt),
    () => trial.read(after, SALT + 2),
  ];
  const res = yield* inOrder(trial, 'htree_test_rewrite', [
    () => trial.create(),
    () => trial.write(all, SALT),
    () => trial.read(all, SALT),
    () => trial.write(all, SALT + 1, true),
    () => trial.read(all, SALT + 1),
    () => trial.write(all, SALT + 2),
    () => trial.read(all, SALT + 2),
    () => trial.commit(),
    () => trial.read(all, SALT + 2),
    () => trial.reopenByHash(),
    () => trial.read(all, SALT + 2),
    () => trial.write(some, SALT + 3, true),
    ...changed(SALT + 3),
    () => trial.write(some, SALT + 4),
    ...changed(SALT + 4),
    () => trial.reopenByHash(),
    () => trial.read(all, SALT + 2),
    () => trial.reopenNewest(),
    () => trial.read(all, SALT + 2),
  ]);
  trial.close();
  return res;
}

/** test_write_read() */
function* testWriteRead(guest: Guest, thread: ThreadCtx, bytes: number): Co<number> {
  for (let blocks = 0; blocks < WRITE_READ_BLOCKS; blocks += 3) {
    for (let begin = 0; begin < blocks; begin += 3) {
      for (let count = 0; count < blocks - begin; count += 3) {
        const trial = new Trial(guest, thread, new TestFile(bytes));
        const res = yield* testRewrite(trial, blocks, { begin, count });
        if (res !== TEE_SUCCESS) return res;
      }
    }
  }
  return TEE_SUCCESS;
}

/** 0, 1, 2, 4, … and the last. */
function offsetsIn(size: number): readonly number[] {
  const offsets = [0];
  for (let offset = 1; offset < size - 1; offset *= 2) offsets.push(offset);
  return [...offsets, size - 1];
}

/** test_corrupt_type(): changes a byte of both versions of a piece. */
function* testCorruptType(
  guest: Guest,
  thread: ThreadCtx,
  good: Trial,
  type: TeeFsHtreeType,
  index: number,
): Co<number> {
  for (const offset of offsetsIn(extentOf(type, index, 0)[1])) {
    const trial = new Trial(guest, thread, good.file.copy(), good);
    for (const version of [0, 1]) {
      trial.file.data[extentOf(type, index, version)[0] + offset]! += 1;
    }
    let res = yield* trial.reopenByHash();
    if (res === TEE_SUCCESS) res = yield* trial.read({ begin: 0, count: CORRUPT_BLOCKS }, SALT);
    trial.close();
    if (res !== TEE_SUCCESS && res !== TEE_ERROR_SECURITY) continue;
    const how = res === TEE_SUCCESS ? 'data corruption undetected' : 'data silently corrupted';
    guest.nexus.log.emsg(thread, 'test_corrupt_type', `error: ${how}`);
    return TEE_ERROR_SECURITY;
  }
  return TEE_SUCCESS;
}

/** test_corrupt() */
function* testCorrupt(guest: Guest, thread: ThreadCtx, bytes: number): Co<number> {
  const all = { begin: 0, count: CORRUPT_BLOCKS };
  const good = new Trial(guest, thread, new TestFile(bytes));
  const corrupt = (type: TeeFsHtreeType, index: number) => (): Co<number> =>
    testCorruptType(guest, thread, good, type, index);
  const indices = Array.from({ length: CORRUPT_BLOCKS }, (_, n) => n);
  const res = yield* inOrder(good, 'test_corrupt', [
    () => good.create(),
    () => good.write(all, SALT),
    () => good.commit(),
    () => good.reopenByHash(),
    () => good.read(all, SALT),
    corrupt(TEE_FS_HTREE_TYPE_HEAD, 0),
    ...indices.map((n) => corrupt(TEE_FS_HTREE_TYPE_NODE, n)),
    ...indices.map((n) => corrupt(TEE_FS_HTREE_TYPE_BLOCK, n)),
  ]);
  good.close();
  return res;
}

/** core_fs_htree_tests() */
export function* fsHtreeTests(guest: Guest, thread: ThreadCtx): Co<number> {
  for (const [test, blocks] of [
    [testWriteRead, WRITE_READ_BLOCKS],
    [testCorrupt, CORRUPT_BLOCKS],
  ] as const) {
    const bytes = TestFile.bytesFor(blocks);
    if (!guest.heap.alloc(bytes, 'the file of a test')) return TEE_ERROR_OUT_OF_MEMORY;
    const res = yield* test(guest, thread, bytes);
    guest.heap.free(bytes);
    if (res !== TEE_SUCCESS) return res;
  }
  return TEE_SUCCESS;
}
