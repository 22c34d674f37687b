import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_GENERIC,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  TEE_FS_HTREE_TYPE_BLOCK,
  TEE_FS_HTREE_TYPE_HEAD,
  TEE_FS_HTREE_TYPE_NODE,
} from '../../abi/tee-fs.ts';
import type { TeeFsHtreeType } from '../../abi/tee-fs.ts';
import type { Co } from '../../sched/task.ts';
import { FsHtree } from './fs-htree.ts';
import type { FsHtreeStorage, HtreeAnchor } from './fs-htree.ts';
import { reeFsOffset, reeFsPhysicalLength } from './ree-fs-layout.ts';
import { teeUuid } from './tee-fs.ts';
import type { StorageServices } from './tee-fs.ts';
import { MENDED, OTHER_TA, StorageWorld, TA, now } from './testing/storage-world.ts';

const BLOCK = 64;
const UUID = teeUuid(TA);
const NEWEST: HtreeAnchor = { hash: undefined, minCounter: 0 };

/** A file of small blocks: pieces by type, index and version. */
class Pieces implements FsHtreeStorage {
  readonly blockSize = BLOCK;
  readonly pieces = new Map<string, Uint8Array>();
  readonly refusals: string[] = [];
  readonly writes: string[] = [];
  fail: (piece: string) => number = () => TEE_SUCCESS;

  static of({ pieces }: Pieces): Pieces {
    const copy = new Pieces();
    for (const [key, bytes] of pieces) copy.pieces.set(key, bytes.slice());
    return copy;
  }

  *read(type: TeeFsHtreeType, index: number, version: number, out: Uint8Array): Co<number> {
    const key = pieceKey(type, index, version);
    const failed = this.fail(`read ${key}`);
    if (failed !== TEE_SUCCESS) return failed;
    const bytes = this.pieces.get(key);
    // A hole before what was written reads as zeros.
    if (bytes === undefined) return type === TEE_FS_HTREE_TYPE_BLOCK ? TEE_ERROR_CORRUPT_OBJECT : 0;
    out.set(bytes);
    return TEE_SUCCESS;
  }

  *write(type: TeeFsHtreeType, index: number, version: number, data: Uint8Array): Co<number> {
    const key = pieceKey(type, index, version);
    const failed = this.fail(`write ${key}`);
    if (failed !== TEE_SUCCESS) return failed;
    this.pieces.set(key, Uint8Array.from(data));
    this.writes.push(key);
    return TEE_SUCCESS;
  }

  refuse(code: number, text: string): number {
    this.refusals.push(text);
    return code;
  }
}

const TYPES = ['head', 'node', 'block'];
const pieceKey = (type: number, index: number, version: number): string =>
  `${TYPES[type]}.${index}.${version}`;

function created(storage: Pieces, world = new StorageWorld()): FsHtree {
  const tree = now(FsHtree.create(world.services, storage, UUID));
  if (typeof tree === 'number') throw new Error(`creating failed with ${tree}`);
  return tree;
}

const opened = (
  storage: Pieces,
  anchor = NEWEST,
  uuid: Uint8Array | undefined = UUID,
  services: StorageServices = new StorageWorld().services,
): FsHtree | number => now(FsHtree.open(services, storage, uuid, anchor));

const blockOf = (n: number, salt: number): Uint8Array =>
  Uint8Array.from({ length: BLOCK }, (_, i) => (n * 31 + salt * 7 + i) & 0xff);

/** A committed file of so many blocks. */
function fileOf(blocks: number, world = new StorageWorld()): { storage: Pieces; hash: Uint8Array } {
  const storage = new Pieces();
  const tree = created(storage, world);
  for (let n = 0; n < blocks; n++) assert.equal(now(tree.writeBlock(n, blockOf(n, 0))), 0);
  tree.length = blocks * BLOCK;
  assert.equal(now(tree.sync()), TEE_SUCCESS);
  const hash = tree.rootHash.slice();
  tree.close();
  return { storage, hash };
}

/** The blocks' contents, or the result that ended reading. */
function readAll(tree: FsHtree | number, blocks: number): Uint8Array[] | number {
  if (typeof tree === 'number') return tree;
  const out: Uint8Array[] = [];
  for (let n = 0; n < blocks; n++) {
    const block = new Uint8Array(BLOCK);
    const res = now(tree.readBlock(n, block));
    if (res !== TEE_SUCCESS) return res;
    out.push(block);
  }
  return out;
}

describe('where pieces are in a file', () => {
  const rows: readonly [TeeFsHtreeType, number, number, number][] = [
    [TEE_FS_HTREE_TYPE_HEAD, 0, 0, 0],
    [TEE_FS_HTREE_TYPE_HEAD, 0, 1, 68],
    [TEE_FS_HTREE_TYPE_NODE, 0, 0, 4096],
    [TEE_FS_HTREE_TYPE_NODE, 0, 1, 4096 + 66],
    [TEE_FS_HTREE_TYPE_NODE, 1, 0, 4096 + 132],
    [TEE_FS_HTREE_TYPE_NODE, 30, 1, 4096 + 61 * 66],
    [TEE_FS_HTREE_TYPE_NODE, 31, 0, 63 * 4096],
    [TEE_FS_HTREE_TYPE_NODE, 62, 0, 125 * 4096],
    [TEE_FS_HTREE_TYPE_BLOCK, 0, 0, 2 * 4096],
    [TEE_FS_HTREE_TYPE_BLOCK, 0, 1, 3 * 4096],
    [TEE_FS_HTREE_TYPE_BLOCK, 30, 0, 62 * 4096],
    // The block of nodes lies between the two versions.
    [TEE_FS_HTREE_TYPE_BLOCK, 30, 1, 64 * 4096],
    [TEE_FS_HTREE_TYPE_BLOCK, 31, 0, 65 * 4096],
  ];
  for (const [type, index, version, offset] of rows) {
    it(pieceKey(type, index, version), () => {
      assert.equal(reeFsOffset(type, index, version), offset);
    });
  }

  it('no two pieces overlap', () => {
    const used = new Set<number>();
    for (let n = 0; n < 200; n++) {
      for (const version of [0, 1]) {
        const block = reeFsOffset(TEE_FS_HTREE_TYPE_BLOCK, n, version);
        assert.ok(!used.has(block));
        used.add(block);
        const node = reeFsOffset(TEE_FS_HTREE_TYPE_NODE, n, version);
        assert.ok(!used.has(node - (node % 4096)), `node ${n}`);
      }
    }
  });

  it('what is cut off lies behind the block after the last', () => {
    assert.equal(reeFsPhysicalLength(0), 4 * 4096);
    assert.equal(reeFsPhysicalLength(1), 6 * 4096);
    assert.equal(reeFsPhysicalLength(4096), 6 * 4096);
  });
});

describe('a hash tree', () => {
  it('is created with a root node, a head, and a head that is none', () => {
    const storage = new Pieces();
    created(storage);
    assert.deepEqual(storage.writes, ['node.0.1', 'head.0.1', 'head.0.0']);
  });

  it('has what was committed when it is opened again, by counter or by hash', () => {
    const { storage, hash } = fileOf(9);
    const contents = Array.from({ length: 9 }, (_, n) => blockOf(n, 0));
    assert.deepEqual(readAll(opened(storage), 9), contents);
    assert.deepEqual(readAll(opened(storage, { hash, minCounter: 0 }), 9), contents);
  });

  it('forgets what was not committed', () => {
    const { storage, hash } = fileOf(3);
    const tree = opened(storage) as FsHtree;
    assert.equal(now(tree.writeBlock(1, blockOf(1, 1))), TEE_SUCCESS);
    tree.close();
    const again = opened(storage, { hash, minCounter: 0 });
    assert.deepEqual(readAll(again, 3), [blockOf(0, 0), blockOf(1, 0), blockOf(2, 0)]);
  });

  it('writes nothing when nothing has changed', () => {
    const { storage } = fileOf(2);
    const tree = opened(storage) as FsHtree;
    storage.writes.length = 0;
    assert.equal(now(tree.sync()), TEE_SUCCESS);
    assert.deepEqual(storage.writes, []);
  });

  it('writes a changed block, its nodes up to the root, and the head', () => {
    const { storage } = fileOf(7);
    const tree = opened(storage) as FsHtree;
    storage.writes.length = 0;
    now(tree.writeBlock(5, blockOf(5, 1)));
    now(tree.sync());
    assert.deepEqual(storage.writes, ['block.5.0', 'node.5.0', 'node.2.0', 'node.0.1', 'head.0.1']);
  });

  it('gives its memory back', () => {
    const world = new StorageWorld();
    fileOf(20, world);
    assert.equal(world.heap.allocated, 0);
  });

  it('fails without memory and says so', () => {
    const world = new StorageWorld({ heapBytes: 4096 });
    const tree = created(new Pieces(), world);
    let res = TEE_SUCCESS;
    for (let n = 0; n < 100 && res === TEE_SUCCESS; n++)
      res = now(tree.writeBlock(n, blockOf(n, 0)));
    assert.equal(res, TEE_ERROR_OUT_OF_MEMORY);
    assert.match(world.trace.lastCause?.text ?? '', /a node of a hash tree/);
    assert.equal(world.heap.allocated, 0);
    assert.equal(now(tree.writeBlock(0, blockOf(0, 0))), TEE_ERROR_CORRUPT_OBJECT);
  });

  it('refuses a block that nobody wrote', () => {
    const { storage } = fileOf(2);
    const tree = opened(storage) as FsHtree;
    assert.equal(now(tree.readBlock(2, new Uint8Array(BLOCK))), TEE_ERROR_GENERIC);
    assert.ok(tree.closed);
  });

  it('fails and closes with whatever the normal world answers', () => {
    for (const piece of ['write block.1.0', 'write node.1.0', 'write node.0.1', 'write head.0.1']) {
      const { storage } = fileOf(3);
      const tree = opened(storage) as FsHtree;
      storage.fail = (asked) => (asked === piece ? TEE_ERROR_GENERIC : TEE_SUCCESS);
      const res = now(tree.writeBlock(1, blockOf(1, 1))) || now(tree.sync());
      assert.equal(res, TEE_ERROR_GENERIC, piece);
      assert.equal(now(tree.sync()), TEE_ERROR_CORRUPT_OBJECT, piece);
      storage.fail = () => TEE_SUCCESS;
      const old = [blockOf(0, 0), blockOf(1, 0), blockOf(2, 0)];
      assert.deepEqual(readAll(opened(storage), 3), old, piece);
    }
  });

  it('goes on creating where it was interrupted, but for the blocks', () => {
    for (const done of [['node.0.1'], []]) {
      const whole = new Pieces();
      created(whole);
      const storage = new Pieces();
      for (const key of done) storage.pieces.set(key, whole.pieces.get(key)!);
      const tree = opened(storage) as FsHtree;
      assert.equal(tree.length, 0);
      assert.equal(tree.counter, 1);
      assert.deepEqual(storage.writes, ['node.0.1', 'head.0.1', 'head.0.0']);
    }
  });

  it('binds half of the root hash by default, all of it without the compatible option', () => {
    const config = { CFG_REE_FS_HTREE_HASH_SIZE_COMPAT: false };
    const strict = new StorageWorld({ config });
    const { storage } = fileOf(2, strict);
    assert.equal(opened(storage), TEE_ERROR_CORRUPT_OBJECT);
    assert.equal(typeof opened(storage, NEWEST, UUID, strict.services), 'object');
  });
});

describe('a hash tree that somebody has changed', () => {
  const { storage, hash } = fileOf(5);
  const good = Array.from({ length: 5 }, (_, n) => blockOf(n, 0));

  const verdict = (changed: Pieces, anchor: HtreeAnchor): number | 'same' => {
    const read = readAll(opened(changed, anchor), 5);
    if (typeof read === 'number') return read;
    assert.deepEqual(read, good);
    return 'same';
  };

  it('no bit of a piece can be flipped', () => {
    for (const [key, bytes] of storage.pieces) {
      for (let bit = 0; bit < bytes.length * 8; bit += 5) {
        const changed = Pieces.of(storage);
        changed.pieces.get(key)![bit >> 3]! ^= 1 << (bit & 7);
        for (const anchor of [NEWEST, { hash, minCounter: 0 }]) {
          const seen = verdict(changed, anchor);
          const fine = seen === 'same' || seen === TEE_ERROR_CORRUPT_OBJECT;
          assert.ok(fine || seen === TEE_ERROR_SECURITY, `${key} bit ${bit}: ${seen}`);
        }
      }
    }
  });

  it('no two pieces of a kind can be swapped', () => {
    const keys = [...storage.pieces.keys()];
    for (const a of keys) {
      for (const b of keys) {
        const sameKind = a.split('.')[0] === b.split('.')[0];
        if (a >= b || !sameKind) continue;
        const changed = Pieces.of(storage);
        changed.pieces.set(a, storage.pieces.get(b)!);
        changed.pieces.set(b, storage.pieces.get(a)!);
        const seen = verdict(changed, { hash, minCounter: 0 });
        assert.ok(seen === 'same' || seen === TEE_ERROR_CORRUPT_OBJECT, `${a} ${b}: ${seen}`);
      }
    }
  });

  it('is another TA’s only', () => {
    assert.equal(opened(storage, NEWEST, teeUuid(OTHER_TA)), TEE_ERROR_CORRUPT_OBJECT);
    const ofNone = now(FsHtree.open(new StorageWorld().services, storage, undefined, NEWEST));
    assert.equal(ofNone, TEE_ERROR_CORRUPT_OBJECT);
  });

  it('an older version is refused by hash and by counter, and by nothing else', () => {
    const older = Pieces.of(storage);
    const tree = opened(storage) as FsHtree;
    now(tree.writeBlock(0, blockOf(0, 9)));
    now(tree.sync());
    const anchored = { hash: tree.rootHash.slice(), minCounter: 0 };
    assert.equal(opened(older, anchored), TEE_ERROR_CORRUPT_OBJECT);
    const counted = { hash: undefined, minCounter: tree.counter };
    assert.equal(opened(older, counted), TEE_ERROR_SECURITY);
    assert.match(older.refusals.at(-1)!, /counter is 2, which was 3/);
    assert.deepEqual(readAll(opened(older), 5), good);
  });

  it('heads in each other’s place are a security error', () => {
    const changed = Pieces.of(storage);
    changed.pieces.set('head.0.0', storage.pieces.get('head.0.1')!);
    changed.pieces.set('head.0.1', storage.pieces.get('head.0.0')!);
    assert.equal(opened(changed), TEE_ERROR_SECURITY);
  });
});

describe('truncating', () => {
  /** What is left of a file of `blocks` after truncating and opening it again. */
  function truncated(world: StorageWorld, blocks: number, left: number): Uint8Array[] | number {
    const { storage } = fileOf(blocks, world);
    const tree = opened(storage, NEWEST, UUID, world.services) as FsHtree;
    assert.equal(tree.truncate(left), TEE_SUCCESS);
    tree.length = left * BLOCK;
    assert.equal(now(tree.sync()), TEE_SUCCESS);
    return readAll(opened(storage, NEWEST, UUID, world.services), left);
  }
  const rows: readonly (readonly [number, number, boolean])[] = [
    [1, 0, true],
    [3, 0, true],
    [3, 1, true],
    [20, 0, true],
    // Node 4, and more, under a parent that stays.
    [4, 1, false],
    [5, 2, false],
    [20, 3, false],
    // Nothing goes: the node of the first block that need not stay is the last.
    [5, 4, true],
  ];
  for (const [blocks, left, sound] of rows) {
    it(`${blocks} blocks to ${left}: upstream leaves a file that is ${sound ? 'sound' : 'corrupt'}`, () => {
      const expected = Array.from({ length: left }, (_, n) => blockOf(n, 0));
      const mended = new StorageWorld({ switches: MENDED });
      assert.deepEqual(truncated(mended, blocks, left), expected);
      const upstream = truncated(new StorageWorld(), blocks, left);
      assert.deepEqual(upstream, sound ? expected : TEE_ERROR_CORRUPT_OBJECT);
    });
  }
});

describe('a hash tree against an array of blocks', () => {
  type Step =
    | { readonly kind: 'write'; readonly block: number; readonly salt: number }
    | { readonly kind: 'truncate'; readonly blocks: number }
    | { readonly kind: 'sync' | 'reopen' | 'forget' };
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        block: fc.nat(40),
        salt: fc.nat(255),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('truncate' as const), blocks: fc.nat(40) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom('sync' as const, 'reopen' as const, 'forget' as const),
      }),
    },
  );

  it('behaves the same', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const world = new StorageWorld({ switches: MENDED });
        const storage = new Pieces();
        let tree = created(storage, world);
        let model: Uint8Array[] = [];
        let committed: Uint8Array[] = [];
        const commit = (): void => {
          tree.length = model.length * BLOCK;
          assert.equal(now(tree.sync()), TEE_SUCCESS);
          committed = [...model];
        };
        const reopen = (): void => {
          tree.close();
          tree = opened(storage, NEWEST, UUID, world.services) as FsHtree;
          model = [...committed];
        };
        for (const s of steps) {
          if (s.kind === 'write') {
            // A file has no holes.
            for (let n = Math.min(model.length, s.block); n <= s.block; n++) {
              if (n < s.block && n < model.length) continue;
              model[n] = blockOf(n, s.salt);
              assert.equal(now(tree.writeBlock(n, model[n]!)), TEE_SUCCESS);
            }
          } else if (s.kind === 'truncate') {
            if (s.blocks >= model.length) continue;
            // A file system commits what it has truncated before anything else.
            assert.equal(tree.truncate(s.blocks), TEE_SUCCESS);
            model.length = s.blocks;
            commit();
          } else {
            if (s.kind !== 'forget') commit();
            if (s.kind !== 'sync') reopen();
          }
          assert.deepEqual(readAll(tree, model.length), model);
        }
        tree.close();
        assert.equal(world.heap.allocated, 0);
      }),
      { numRuns: 150 },
    );
  });
});
