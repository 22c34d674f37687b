import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEE_ERROR_ACCESS_CONFLICT,
  TEE_ERROR_BUSY,
  TEE_ERROR_COMMUNICATION,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_ERROR_STORAGE_NO_SPACE,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { MemoryStore } from '../../host/memory-store.ts';
import type { Co } from '../../sched/task.ts';
import type { NvCounter, RpmbFs } from './ree-fs-anchor.ts';
import type { TeeFile } from './tee-fs.ts';
import { teeUuid } from './tee-fs.ts';
import { TeePobj } from './tee-pobj.ts';
import { opText } from './testing/store-fs-rpc.ts';
import { MENDED, StorageWorld, TA, now } from './testing/storage-world.ts';

const UUID = teeUuid(TA);
const id = (text: string): Uint8Array => new TextEncoder().encode(text);
const bytes = (n: number, salt = 0): Uint8Array =>
  Uint8Array.from({ length: n }, (_, i) => (i * 7 + salt) & 0xff);

const po = (world: StorageWorld, name: string): TeePobj => new TeePobj(UUID, id(name), 0, world.fs);

function file(result: TeeFile | number): TeeFile {
  if (typeof result === 'number') throw new Error(`failed with 0x${result.toString(16)}`);
  return result;
}

const create = (
  world: StorageWorld,
  name: string,
  data = bytes(44),
  overwrite = false,
): TeeFile | number => now(world.fs.create(world.thread, po(world, name), overwrite, [data]));

const open = (world: StorageWorld, name: string): TeeFile | number =>
  now(world.fs.open(world.thread, po(world, name), { size: 0 }));

const remove = (world: StorageWorld, name: string): number =>
  now(world.fs.remove(world.thread, po(world, name)));

const close = (world: StorageWorld, opened: TeeFile): void => now(opened.close(world.thread));

function contents(world: StorageWorld, name: string): Uint8Array | number {
  const size = { size: 0 };
  const opened = now(world.fs.open(world.thread, po(world, name), size));
  if (typeof opened === 'number') return opened;
  const out = new Uint8Array(size.size);
  const res = now(opened.read(world.thread, 0, out, { size: 0 }));
  close(world, opened);
  return res === TEE_SUCCESS ? out : res;
}

/** What is asked of the normal world while `body` runs. */
function asked(world: StorageWorld, body: () => void): string[] {
  world.rpc.ops.length = 0;
  body();
  return world.rpc.ops.map(opText);
}

function assertClean(world: StorageWorld): void {
  assert.equal(world.fs.references, 0);
  assert.equal(world.heap.allocated, 0);
  assert.deepEqual(world.rpc.openFiles, []);
}

const BLOCK0 = [8192, 12288];
const ROOT = [4096, 4162];
const HEAD = [0, 68];
const write = (name: string, version: number): string[] => [
  `write ${name} ${ROOT[version]}+66`,
  `write ${name} ${HEAD[version]}+68`,
];
const CREATED = (name: string): string[] => [
  `create ${name}`,
  ...write(name, 1),
  `write ${name} 0+68`,
];
const OPENED_DIRF = (version: number): string[] => [
  'open dirf.db',
  'read dirf.db 0+68',
  'read dirf.db 68+68',
  `read dirf.db ${ROOT[version]}+66`,
];

describe('requests of the REE file system', () => {
  it('looking for an object on an empty disk makes a directory', () => {
    const world = new StorageWorld();
    const seen = asked(world, () => assert.equal(open(world, 'a'), TEE_ERROR_ITEM_NOT_FOUND));
    assert.deepEqual(seen, [
      'open dirf.db',
      'remove dirf.db',
      ...CREATED('dirf.db'),
      'close dirf.db',
    ]);
    assertClean(world);
  });

  it('an object is made, committed, named', () => {
    const world = new StorageWorld();
    open(world, 'a');
    const seen = asked(world, () => close(world, file(create(world, 'a'))));
    assert.deepEqual(seen, [
      ...OPENED_DIRF(1),
      ...CREATED('0'),
      `write 0 ${BLOCK0[1]}+4096`,
      ...write('0', 0),
      `write dirf.db ${BLOCK0[1]}+4096`,
      ...write('dirf.db', 0),
      'close dirf.db',
      'close 0',
    ]);
    assertClean(world);
  });

  it('head, attributes and data are written one after the other', () => {
    const world = new StorageWorld();
    const parts = [bytes(24), bytes(20), bytes(8)];
    const seen = asked(world, () =>
      close(world, file(now(world.fs.create(world.thread, po(world, 'a'), false, parts)))),
    );
    const block = `0 ${BLOCK0[1]}+4096`;
    assert.deepEqual(
      seen.filter((op) => op.endsWith(block)),
      [`write ${block}`, `read ${block}`, `write ${block}`, `read ${block}`, `write ${block}`],
    );
    assert.deepEqual(contents(world, 'a'), Uint8Array.from(parts.flatMap((p) => [...p])));
  });

  it('an entry is looked for from the start, a block for each', () => {
    const world = new StorageWorld();
    const names = ['a', 'b', 'c'];
    for (const name of names) close(world, file(create(world, name)));
    const seen = asked(world, () => close(world, file(open(world, 'c'))));
    const dent = `read dirf.db ${BLOCK0[1]}+4096`;
    // Three when the directory is opened, three until it is found. The end of the file costs nothing.
    assert.equal(seen.filter((op) => op === dent).length, 6);
    assert.deepEqual(seen.slice(-6), [
      dent,
      'open 2',
      `read 2 ${ROOT[0]}+66`,
      'read 2 0+68',
      'close dirf.db',
      'close 2',
    ]);
  });

  it('removing looks for the object once more, in an assertion', () => {
    for (const debug of [true, false]) {
      const world = new StorageWorld({ config: { CFG_TEE_CORE_DEBUG: debug } });
      for (const name of ['a', 'b']) close(world, file(create(world, name)));
      const seen = asked(world, () => assert.equal(remove(world, 'a'), TEE_SUCCESS));
      const after = seen.slice(seen.indexOf('remove 0') + 1);
      // The third version of the block is where the first was.
      const dent = `read dirf.db ${BLOCK0[1]}+4096`;
      assert.deepEqual(after, [...(debug ? [dent, dent] : []), 'close dirf.db']);
    }
  });

  it('truncating cuts first and commits then; mended it is the other way round', () => {
    const cut = (world: StorageWorld): string[] => {
      const opened = file(create(world, 'a', bytes(10000)));
      const seen = asked(world, () =>
        assert.equal(now(opened.truncate(world.thread, 10)), TEE_SUCCESS),
      );
      close(world, opened);
      return seen.filter((op) => /^(truncate|write .*\+68)/.test(op));
    };
    const committed = ['write 0 68+68', 'write dirf.db 68+68'];
    assert.deepEqual(cut(new StorageWorld()), ['truncate 0', ...committed]);
    assert.deepEqual(cut(new StorageWorld({ switches: MENDED })), [...committed, 'truncate 0']);
  });
});

describe('files of the REE file system', () => {
  it('take the lowest free number, which a removed one gives back', () => {
    const world = new StorageWorld();
    for (const name of ['a', 'b', 'c']) close(world, file(create(world, name)));
    assert.equal(remove(world, 'b'), TEE_SUCCESS);
    close(world, file(create(world, 'd')));
    assert.deepEqual(world.store.list(''), ['0', '1', '2', 'dirf.db']);
    assert.deepEqual(contents(world, 'd'), bytes(44));
  });

  it('also while the directory stays open', () => {
    const world = new StorageWorld();
    const held = file(create(world, 'held'));
    for (const name of ['b', 'c']) close(world, file(create(world, name)));
    assert.equal(remove(world, 'b'), TEE_SUCCESS);
    close(world, file(create(world, 'd')));
    assert.deepEqual(world.store.list(''), ['0', '1', '2', 'dirf.db']);
    close(world, held);
  });

  it('overwriting takes another file and removes the old one', () => {
    const world = new StorageWorld();
    close(world, file(create(world, 'a')));
    assert.equal(create(world, 'a', bytes(5)), TEE_ERROR_ACCESS_CONFLICT);
    close(world, file(create(world, 'a', bytes(5), true)));
    assert.deepEqual(world.store.list(''), ['1', 'dirf.db']);
    assert.deepEqual(contents(world, 'a'), bytes(5));
    assertClean(world);
  });

  it('an empty id is an id', () => {
    const world = new StorageWorld();
    close(world, file(create(world, '', bytes(3))));
    assert.deepEqual(contents(world, ''), bytes(3));
    assert.equal(contents(world, 'x'), TEE_ERROR_ITEM_NOT_FOUND);
    assert.equal(remove(world, ''), TEE_SUCCESS);
    assert.equal(contents(world, ''), TEE_ERROR_ITEM_NOT_FOUND);
  });

  it('renaming replaces nothing unless told so', () => {
    const world = new StorageWorld();
    for (const [name, n] of [
      ['a', 1],
      ['b', 2],
    ] as const) {
      close(world, file(create(world, name, bytes(n))));
    }
    const rename = (from: string, to: string, overwrite: boolean): number =>
      now(world.fs.rename(world.thread, po(world, from), po(world, to), overwrite));
    assert.equal(rename('a', 'b', false), TEE_ERROR_ACCESS_CONFLICT);
    assert.equal(rename('x', 'c', false), TEE_ERROR_ITEM_NOT_FOUND);
    assert.equal(rename('a', 'c', false), TEE_SUCCESS);
    assert.deepEqual(contents(world, 'c'), bytes(1));
    assert.equal(rename('c', 'b', true), TEE_SUCCESS);
    assert.deepEqual(contents(world, 'b'), bytes(1));
    assert.equal(contents(world, 'c'), TEE_ERROR_ITEM_NOT_FOUND);
    assert.deepEqual(world.store.list(''), ['0', 'dirf.db']);
    assertClean(world);
  });

  it('a gap reads as zeros, over block borders and over the border of a block of nodes', () => {
    const world = new StorageWorld();
    const opened = file(create(world, 'a', bytes(3)));
    const at = 32 * 4096 + 5;
    assert.equal(now(opened.write(world.thread, at, bytes(10))), TEE_SUCCESS);
    close(world, opened);
    const expected = new Uint8Array(at + 10);
    expected.set(bytes(3));
    expected.set(bytes(10), at);
    assert.deepEqual(contents(world, 'a'), expected);
  });

  it('what was cut off is not there when the file grows again', () => {
    const world = new StorageWorld({ switches: MENDED });
    const opened = file(create(world, 'a', bytes(9000, 1)));
    assert.equal(now(opened.truncate(world.thread, 5000)), TEE_SUCCESS);
    assert.equal(now(opened.truncate(world.thread, 9000)), TEE_SUCCESS);
    close(world, opened);
    const expected = new Uint8Array(9000);
    expected.set(bytes(5000, 1));
    assert.deepEqual(contents(world, 'a'), expected);
  });

  it('reading stops at the end', () => {
    const world = new StorageWorld();
    const opened = file(create(world, 'a', bytes(100)));
    const count = { size: 99 };
    assert.equal(now(opened.read(world.thread, 90, new Uint8Array(20), count)), TEE_SUCCESS);
    assert.equal(count.size, 10);
    assert.equal(now(opened.read(world.thread, 5000, new Uint8Array(20), count)), TEE_SUCCESS);
    assert.equal(count.size, 0);
    close(world, opened);
  });

  it('of two handles one does not see what the other writes', () => {
    const world = new StorageWorld();
    const a = file(create(world, 'a', bytes(8)));
    const b = file(open(world, 'a'));
    assert.equal(now(a.write(world.thread, 0, bytes(8, 1))), TEE_SUCCESS);
    const out = new Uint8Array(8);
    assert.equal(now(b.read(world.thread, 0, out, { size: 0 })), TEE_SUCCESS);
    assert.deepEqual(out, bytes(8));
    // The second change overwrites the version that the other handle knows.
    assert.equal(now(a.write(world.thread, 0, bytes(8, 2))), TEE_SUCCESS);
    assert.equal(now(b.read(world.thread, 0, out, { size: 0 })), TEE_ERROR_CORRUPT_OBJECT);
    close(world, a);
    close(world, b);
    assertClean(world);
  });

  it('directories list the objects of one TA', () => {
    const world = new StorageWorld();
    assert.equal(now(world.fs.openDir(world.thread, UUID)), TEE_ERROR_ITEM_NOT_FOUND);
    for (const name of ['a', 'b', 'c']) close(world, file(create(world, name)));
    remove(world, 'b');
    const dir = now(world.fs.openDir(world.thread, UUID));
    if (typeof dir === 'number') throw new Error('no directory');
    const found: (Uint8Array | number)[] = [];
    for (let n = 0; n < 3; n++) found.push(now(dir.read(world.thread)));
    assert.deepEqual(found, [id('a'), id('c'), TEE_ERROR_ITEM_NOT_FOUND]);
    now(dir.close(world.thread));
    assertClean(world);
  });
});

describe('failures of the normal world', () => {
  it('an object that is gone is corrupt', () => {
    const world = new StorageWorld();
    close(world, file(create(world, 'a')));
    world.store.remove('0');
    assert.equal(contents(world, 'a'), TEE_ERROR_CORRUPT_OBJECT);
    assertClean(world);
  });

  it('whatever request fails, all is given back and the old state stays', () => {
    const count = (() => {
      const world = prepared();
      return asked(world, () => close(world, file(create(world, 'b')))).length;
    })();
    for (let n = 0; n < count; n++) {
      const world = prepared();
      let left = n;
      world.rpc.before = () => (left-- === 0 ? TEE_ERROR_STORAGE_NO_SPACE : undefined);
      const made = create(world, 'b');
      world.rpc.before = () => undefined;
      if (typeof made === 'number') assert.equal(made, TEE_ERROR_STORAGE_NO_SPACE, `request ${n}`);
      else close(world, made);
      assertClean(world);
      assert.deepEqual(contents(world, 'a'), bytes(44), `request ${n}`);
    }
  });

  it('an object that cannot be looked for is absent, which is found out too late', () => {
    for (const quirk of [true, false]) {
      const world = new StorageWorld({ switches: { ...MENDED, quirkFailedFindIsAbsence: quirk } });
      close(world, file(create(world, 'a')));
      let reads = 0;
      // Two heads, a node and an entry are read to open the directory; then the name is looked for.
      world.rpc.before = ({ op, name }) =>
        op === 'read' && name === 'dirf.db' && ++reads === 5 ? TEE_ERROR_COMMUNICATION : undefined;
      const made = create(world, 'a', bytes(1), true);
      assert.equal(made, quirk ? TEE_ERROR_CORRUPT_OBJECT : TEE_ERROR_COMMUNICATION);
      assert.deepEqual(contents(world, 'a'), bytes(44));
      assertClean(world);
    }
  });

  it('without memory each step says so and gives back what it has', () => {
    const all = new StorageWorld({ switches: MENDED });
    close(all, file(create(all, 'a')));
    let refused = 0;
    for (let heapBytes = 0; heapBytes < all.heap.maxAllocated; heapBytes += 8) {
      const world = new StorageWorld({ heapBytes, switches: MENDED });
      const made = create(world, 'a');
      if (typeof made === 'number') {
        assert.equal(made, TEE_ERROR_OUT_OF_MEMORY);
        assert.match(world.trace.lastCause?.limit ?? '', /CFG_CORE_HEAP_SIZE/);
        refused += 1;
      } else {
        close(world, made);
      }
      assertClean(world);
    }
    assert.ok(refused > 10);
  });
});

/** A disk with one object. */
function prepared(): StorageWorld {
  const world = new StorageWorld({ switches: MENDED });
  close(world, file(create(world, 'a')));
  return world;
}

describe('a directory that cannot be opened', () => {
  const unreadable = (world: StorageWorld): void => {
    let left = 1;
    world.rpc.before = ({ op }) =>
      op === 'read' && left-- > 0 ? TEE_ERROR_COMMUNICATION : undefined;
  };

  it('is removed with all there was, though it was sound', () => {
    const store = new MemoryStore();
    close(new StorageWorld({ store }), file(create(new StorageWorld({ store }), 'a')));
    const world = new StorageWorld({ store });
    unreadable(world);
    assert.equal(contents(world, 'a'), TEE_ERROR_COMMUNICATION);
    assert.equal(contents(world, 'a'), TEE_ERROR_ITEM_NOT_FOUND);
    assert.deepEqual(store.list(''), ['0', 'dirf.db']);
    assert.equal(store.stat('dirf.db')?.sizeBytes, 4096 + 132);
  });

  it('stays without the quirk', () => {
    const store = new MemoryStore();
    const first = new StorageWorld({ store, switches: MENDED });
    close(first, file(create(first, 'a')));
    const world = new StorageWorld({ store, switches: MENDED });
    unreadable(world);
    assert.equal(contents(world, 'a'), TEE_ERROR_COMMUNICATION);
    assert.deepEqual(contents(world, 'a'), bytes(44));
  });

  it('of no bytes: the first call fails, or nobody notices', () => {
    for (const [switches, first] of [
      [undefined, TEE_ERROR_CORRUPT_OBJECT],
      [MENDED, TEE_ERROR_ITEM_NOT_FOUND],
    ] as const) {
      const world = new StorageWorld(switches === undefined ? {} : { switches });
      world.store.createFile('dirf.db');
      assert.equal(contents(world, 'a'), first);
      assert.equal(contents(world, 'a'), TEE_ERROR_ITEM_NOT_FOUND);
      close(world, file(create(world, 'a')));
      assert.deepEqual(contents(world, 'a'), bytes(44));
      assertClean(world);
    }
  });

  it('that is corrupt is told so for ever without the quirk', () => {
    const world = new StorageWorld({ switches: MENDED });
    close(world, file(create(world, 'a')));
    world.store.write('dirf.db', 0, Uint8Array.of(0xff));
    for (let n = 0; n < 2; n++) assert.equal(contents(world, 'a'), TEE_ERROR_CORRUPT_OBJECT);
    assertClean(world);
  });
});

describe('roll-back with a counter', () => {
  class Counter implements NvCounter {
    value = 0;
    get(): { value: number } {
      return { value: this.value };
    }
    increaseTo(value: number): number {
      this.value = Math.max(this.value, value);
      return TEE_SUCCESS;
    }
  }

  it('an older directory is a security error, and so is none', () => {
    const nvCounter = new Counter();
    const world = new StorageWorld({ nvCounter });
    close(world, file(create(world, 'a')));
    const old = world.store.read('dirf.db', 0, 1 << 20)!.slice();
    close(world, file(create(world, 'b')));
    assert.equal(nvCounter.value, 3);
    world.store.write('dirf.db', 0, old);
    assert.equal(contents(world, 'a'), TEE_ERROR_SECURITY);
    world.store.remove('dirf.db');
    assert.equal(contents(world, 'a'), TEE_ERROR_SECURITY);
    assert.match(world.trace.lastCause?.hint ?? '', /CFG_REE_FS_ALLOW_RESET/);
    assertClean(world);
  });

  it('a platform without one is insecure, which it must be allowed to be', () => {
    const config = { CFG_INSECURE: false };
    assert.equal(contents(new StorageWorld({ config }), 'a'), TEE_ERROR_NOT_IMPLEMENTED);
    const world = new StorageWorld();
    close(world, file(create(world, 'a')));
    const lines = [...world.trace.events()].flatMap(({ name, args }) =>
      name === 'log' && 'text' in args ? [args.text] : [],
    );
    assert.deepEqual(lines, [
      'I/TC: WARNING (insecure configuration): Failed to get monotonic counter for REE FS, using 0',
      'I/TC: WARNING (insecure configuration): Failed to commit dirh counter 2',
    ]);
  });

  it('a failing one fails the operation', () => {
    const nvCounter: NvCounter = {
      get: () => ({ value: 0 }),
      increaseTo: () => TEE_ERROR_BUSY,
    };
    assert.equal(create(new StorageWorld({ nvCounter }), 'a'), TEE_ERROR_BUSY);
  });
});

describe('roll-back with RPMB', () => {
  it('an older directory is corrupt, a missing one a security error', () => {
    const rpmb = new FakeRpmb();
    const world = new StorageWorld({ rpmb });
    close(world, file(create(world, 'a')));
    assert.deepEqual(contents(world, 'a'), bytes(44));
    const old = world.store.read('dirf.db', 0, 1 << 20)!.slice();
    close(world, file(create(world, 'b')));
    close(world, file(create(world, 'c')));
    const newer = world.store.read('dirf.db', 0, 1 << 20)!.slice();
    world.store.write('dirf.db', 0, old);
    assert.equal(contents(world, 'a'), TEE_ERROR_CORRUPT_OBJECT);
    world.store.write('dirf.db', 0, newer);
    assert.deepEqual(contents(world, 'c'), bytes(44));
    world.store.remove('dirf.db');
    assert.equal(contents(world, 'a'), TEE_ERROR_SECURITY);
    assert.equal(rpmb.handles, 0);
    assertClean(world);
  });

  it('one that may be reset begins anew', () => {
    const rpmb = new FakeRpmb();
    const config = { CFG_REE_FS_ALLOW_RESET: true };
    const world = new StorageWorld({ rpmb, config });
    close(world, file(create(world, 'a')));
    world.store.remove('dirf.db');
    assert.equal(contents(world, 'a'), TEE_ERROR_ITEM_NOT_FOUND);
    close(world, file(create(world, 'a', bytes(3))));
    assert.deepEqual(contents(world, 'a'), bytes(3));
    assert.equal(rpmb.handles, 0);
  });

  it('the hash is known before the directory is used, and one without a hash is overwritten', () => {
    const rpmb = new FakeRpmb();
    const world = new StorageWorld();
    close(world, file(create(world, 'a')));
    const anchored = new StorageWorld({ rpmb, store: world.store });
    assert.equal(contents(anchored, 'a'), TEE_ERROR_ITEM_NOT_FOUND);
    assert.equal(rpmb.hash.length, 32);
  });

  it('a power cut between directory and hash leaves the old state', () => {
    const rpmb = new FakeRpmb();
    const world = new StorageWorld({ rpmb, switches: MENDED });
    close(world, file(create(world, 'a')));
    const known = rpmb.hash;
    close(world, file(create(world, 'b')));
    rpmb.hash = known;
    assert.equal(contents(world, 'b'), TEE_ERROR_ITEM_NOT_FOUND);
    assert.deepEqual(contents(world, 'a'), bytes(44));
  });

  it('failing RPMB is a security error', () => {
    const rpmb = new FakeRpmb();
    rpmb.refuse = TEE_ERROR_BUSY;
    assert.equal(contents(new StorageWorld({ rpmb }), 'a'), TEE_ERROR_SECURITY);
    assert.equal(rpmb.handles, 0);
  });
});

/** One file in memory that nobody rolls back. */
class FakeRpmb implements RpmbFs {
  hash = new Uint8Array(0);
  handles = 0;
  /** What writing answers. */
  refuse = TEE_SUCCESS;
  #there = false;

  *rawOpen(_thread: unknown, name: string, make: boolean): Co<TeeFile | number> {
    assert.equal(name, 'dirfile.db.hash');
    if (!make && !this.#there) return TEE_ERROR_ITEM_NOT_FOUND;
    this.#there = true;
    this.handles += 1;
    return {
      read: (_t, pos, out, count) => this.#read(pos, out, count),
      write: (_t, _pos, data) => this.#write(data),
      truncate: () => this.#write(new Uint8Array(0)),
      close: () => this.#close(),
    };
  }

  *#read(pos: number, out: Uint8Array, count: { size: number }): Co<number> {
    out.set(this.hash.subarray(pos));
    count.size = this.hash.length;
    return TEE_SUCCESS;
  }

  *#write(data: Uint8Array): Co<number> {
    if (this.refuse === TEE_SUCCESS) this.hash = Uint8Array.from(data);
    return this.refuse;
  }

  *#close(): Co<void> {
    this.handles -= 1;
  }

  open = unused;
  create = unused;
  rename = unused;
  remove = unused;
  openDir = unused;
}

function unused(): never {
  throw new Error('only its raw file is used');
}
