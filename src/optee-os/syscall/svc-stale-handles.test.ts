/**
 * Handles of what is no more: closed, deleted, replaced, corrupt, of an enumerator that has ended. One
 * row for each rule, in both file systems, with the codes of core/tee/tee_svc_storage.c.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TEE_DATA_SEEK_SET } from '../../abi/gp.ts';
import type { MaybeCo } from '../../sched/task.ts';
import type { TaObjectInfo } from '../../ta/runtime.ts';
import { RpmbWorld } from '../storage/testing/rpmb-world.ts';
import { StorageWorld, now, nowOrEnded } from '../storage/testing/storage-world.ts';
import type { TaStorage } from '../storage/testing/storage-world.ts';
import {
  ALL,
  OVERWRITE,
  PRIVATE,
  READ,
  SHARE_READ,
  SHARE_WRITE,
  WRITE,
  close,
  create,
  id,
  is,
  named,
  ok,
  open,
  read,
  text,
} from '../storage/testing/svc-calls.ts';

const STORAGES = ['REE', 'RPMB'] as const;
type Storage = (typeof STORAGES)[number];

/** Two instances of a TA on one storage. */
class Rig {
  readonly world = new StorageWorld();
  readonly rpmb = new RpmbWorld();
  readonly ta: TaStorage;
  readonly other: TaStorage;

  constructor(storage: Storage) {
    const fops = storage === 'REE' ? this.world.fs : this.rpmb.fs;
    const fileOps = (which: number) => (which === PRIVATE ? fops : undefined);
    this.ta = this.world.ta({ fileOps });
    this.other = this.world.ta({ fileOps });
  }

  enumerator(): number {
    const e = { handle: 0 };
    ok(this.ta.svc.enumAlloc(e));
    return e.handle;
  }

  started(): number {
    const e = this.enumerator();
    ok(this.ta.svc.enumStart(e, PRIVATE));
    return e;
  }

  next(e: number): MaybeCo<number> {
    return this.ta.svc.enumNext(e, {} as TaObjectInfo, new Uint8Array(64), { size: 0 });
  }

  /** Ids until the first failure, and that. */
  rest(e: number): string[] {
    const found: string[] = [];
    for (;;) {
      const oid = new Uint8Array(64);
      const size = { size: 0 };
      const res = now(this.ta.svc.enumNext(e, {} as TaObjectInfo, oid, size));
      if (res !== 0) return [...found, named(res)];
      found.push(text(oid.subarray(0, size.size)));
    }
  }

  /** Nothing of the objects and enumerators is left. */
  end(): void {
    for (const { svc, objects } of [this.ta, this.other]) {
      for (let handle = 1; handle < 20; handle++) {
        const closing = objects.close(handle);
        if (closing !== undefined) now(closing);
      }
      now(svc.closeEnums());
    }
    assert.equal(this.world.heap.allocated, 0);
    assert.equal(this.rpmb.heap.allocated, 0);
    assert.equal(this.world.pobjs.count, 0);
  }
}

const ID = id('o');
const bytes = (): Uint8Array => new Uint8Array(4);

/** Every call that takes a handle of an object. */
const USES: Readonly<Record<string, (ta: TaStorage, handle: number) => MaybeCo<number>>> = {
  read: (ta, h) => ta.svc.objRead(h, bytes(), { size: 0 }),
  'read of nothing': (ta, h) => ta.svc.objRead(h, new Uint8Array(0), { size: 0 }),
  write: (ta, h) => ta.svc.objWrite(h, bytes()),
  'write of nothing': (ta, h) => ta.svc.objWrite(h, new Uint8Array(0)),
  truncate: (ta, h) => ta.svc.objTruncate(h, 0),
  seek: (ta, h) => ta.svc.objSeek(h, 0, TEE_DATA_SEEK_SET),
  'seek from nowhere': (ta, h) => ta.svc.objSeek(h, 0, 9),
  delete: (ta, h) => ta.svc.objDelete(h),
  rename: (ta, h) => ta.svc.objRename(h, id('n')),
  'lend attributes': (ta, h) => ta.svc.objCreate(PRIVATE, id('n'), ALL, h, bytes(), { handle: 0 }),
  'become persistent': (ta, h) => ta.svc.objCreate(PRIVATE, id('n'), ALL, h, bytes(), undefined),
};

/** How a handle gets stale. */
const ENDS: Readonly<Record<string, (ta: TaStorage, handle: number) => void>> = {
  closed: (ta, h) => close(ta, h),
  deleted: (ta, h) => ok(ta.svc.objDelete(h)),
};

for (const storage of STORAGES) {
  describe(`${storage}: a handle that was`, () => {
    for (const [end, stop] of Object.entries(ENDS)) {
      for (const [use, call] of Object.entries(USES)) {
        it(`${end}: ${use} is BAD_STATE, and makes nothing`, () => {
          const rig = new Rig(storage);
          const { ta } = rig;
          const handle = create(ta, 'o', { data: 'data' });
          stop(ta, handle);
          is(call(ta, handle), 'BAD_STATE');
          is(ta.svc.objOpen(PRIVATE, id('n'), READ, { handle: 0 }), 'ITEM_NOT_FOUND');
          const again = create(ta, 'o', { data: 'new', flags: ALL | OVERWRITE });
          assert.notEqual(again, handle, 'a handle is never given out twice');
          is(call(ta, handle), 'BAD_STATE');
          assert.equal(read(ta, again), 'new');
          rig.end();
        });
      }
    }

    it("never this instance's is BAD_STATE here", () => {
      const rig = new Rig(storage);
      const theirs = [create(rig.other, 'a'), create(rig.other, 'b')].at(-1)!;
      for (const call of Object.values(USES)) is(call(rig.ta, theirs), 'BAD_STATE');
      rig.end();
    });

    it('an id that is too long comes before a handle of nothing', () => {
      const rig = new Rig(storage);
      is(rig.ta.svc.objRename(999, new Uint8Array(65)), 'BAD_PARAMETERS');
      rig.end();
    });
  });

  describe(`${storage}: an object that another instance`, () => {
    const SHARED = READ | WRITE | SHARE_READ | SHARE_WRITE;
    const opens = (ta: TaStorage, flags: number): MaybeCo<number> =>
      ta.svc.objOpen(PRIVATE, ID, flags, { handle: 0 });

    it('has open cannot be deleted or renamed: that takes a handle for it alone', () => {
      const rig = new Rig(storage);
      const held = create(rig.ta, 'o', { data: 'data', flags: SHARED });
      is(opens(rig.other, ALL), 'ACCESS_CONFLICT');
      is(opens(rig.other, ALL | SHARE_READ | SHARE_WRITE), 'ACCESS_CONFLICT');
      const shared = open(rig.other, 'o', SHARED);
      is(rig.other.svc.objDelete(shared), 'ACCESS_CONFLICT');
      is(rig.other.svc.objRename(shared, id('n')), 'BAD_STATE');
      assert.equal(read(rig.ta, held), 'data');
      rig.end();
    });

    it('has deleted is not there, and its name is free', () => {
      const rig = new Rig(storage);
      close(rig.ta, create(rig.ta, 'o'));
      const held = open(rig.other, 'o');
      is(opens(rig.ta, READ), 'ACCESS_CONFLICT');
      ok(rig.other.svc.objDelete(held));
      is(opens(rig.ta, READ), 'ITEM_NOT_FOUND');
      close(rig.ta, create(rig.ta, 'o'));
      rig.end();
    });

    it('has renamed is there under its new name only', () => {
      const rig = new Rig(storage);
      close(rig.ta, create(rig.ta, 'o', { data: 'data' }));
      const held = open(rig.other, 'o');
      ok(rig.other.svc.objRename(held, id('n')));
      is(opens(rig.ta, READ), 'ITEM_NOT_FOUND');
      is(rig.ta.svc.objOpen(PRIVATE, id('n'), READ, { handle: 0 }), 'ACCESS_CONFLICT');
      close(rig.other, held);
      assert.equal(read(rig.ta, open(rig.ta, 'n', READ)), 'data');
      rig.end();
    });

    it('has replaced: the old handle sees the old file, or whatever has its name in RPMB', () => {
      const rig = new Rig(storage);
      const held = create(rig.ta, 'o', { data: 'data', flags: SHARED });
      const flags = SHARED | OVERWRITE;
      const out = { handle: 0 };
      ok(rig.other.svc.objCreate(PRIVATE, ID, flags, 0, id('other'), out));
      assert.equal(read(rig.other, out.handle), 'other');
      assert.equal(read(rig.ta, held), storage === 'REE' ? 'data' : 'other');
      rig.end();
    });
  });

  describe(`${storage}: an enumerator`, () => {
    const ROWS: readonly (readonly [rule: string, (rig: Rig) => MaybeCo<number>, code: string])[] =
      [
        ['that was never started has no next', (r) => r.next(r.enumerator()), 'ITEM_NOT_FOUND'],
        [
          'of a storage that is none',
          (r) => r.ta.svc.enumStart(r.enumerator(), 2),
          'ITEM_NOT_FOUND',
        ],
        ['of nothing does not start', (r) => r.ta.svc.enumStart(999, 2), 'BAD_PARAMETERS'],
        [
          'that was reset has no next',
          (r) => {
            const e = r.started();
            ok(r.ta.svc.enumReset(e));
            return r.next(e);
          },
          'ITEM_NOT_FOUND',
        ],
        [
          'may be reset twice',
          (r) => {
            const e = r.started();
            ok(r.ta.svc.enumReset(e));
            return r.ta.svc.enumReset(e);
          },
          'TEE_SUCCESS',
        ],
        [
          'may be started again while it is',
          (r) => r.ta.svc.enumStart(r.started(), PRIVATE),
          'TEE_SUCCESS',
        ],
        ...(['next', 'start', 'reset', 'free'] as const).map(
          (call) =>
            [
              `that was freed: ${call}`,
              (r: Rig) => {
                const e = r.started();
                ok(r.ta.svc.enumFree(e));
                return enumCall(r, call, e);
              },
              'BAD_PARAMETERS',
            ] as const,
        ),
        ...(['next', 'start', 'reset', 'free'] as const).map(
          (call) =>
            [
              `whose instance has ended: ${call}`,
              (r: Rig) => {
                const e = r.started();
                now(r.ta.svc.closeEnums());
                return enumCall(r, call, e);
              },
              'BAD_PARAMETERS',
            ] as const,
        ),
        ['is no object', (r) => r.ta.svc.objRead(r.started(), bytes(), { size: 0 }), 'BAD_STATE'],
        ['is none of an object', (r) => r.ta.svc.enumReset(create(r.ta, 'x')), 'BAD_PARAMETERS'],
        ['of another instance is none', (r) => enumOfOther(r), 'BAD_PARAMETERS'],
      ];
    for (const [rule, call, code] of ROWS) {
      it(`${rule}: ${code}`, () => {
        const rig = new Rig(storage);
        close(rig.ta, create(rig.ta, 'o'));
        is(call(rig), code);
        rig.end();
      });
    }

    it('says at its end that it has ended, each time', () => {
      const rig = new Rig(storage);
      close(rig.ta, create(rig.ta, 'o'));
      const e = rig.started();
      assert.deepEqual(rig.rest(e), ['o', 'ITEM_NOT_FOUND']);
      is(rig.next(e), 'ITEM_NOT_FOUND');
      rig.end();
    });

    it('over what is deleted meanwhile: skipped, or a list of then in RPMB', () => {
      const rig = new Rig(storage);
      for (const name of ['a', 'b', 'c']) close(rig.ta, create(rig.ta, name));
      const e = rig.started();
      ok(rig.next(e));
      ok(rig.other.svc.objDelete(open(rig.other, 'b')));
      const stale = ['ITEM_NOT_FOUND'];
      assert.deepEqual(rig.rest(e), storage === 'REE' ? ['c', 'ITEM_NOT_FOUND'] : stale);
      if (storage === 'RPMB') assert.deepEqual(rig.rest(e), ['c', 'ITEM_NOT_FOUND']);
      rig.end();
    });

    it('over what is made meanwhile: found where it lies behind, or not in RPMB', () => {
      const rig = new Rig(storage);
      close(rig.ta, create(rig.ta, 'a'));
      const e = rig.started();
      ok(rig.next(e));
      close(rig.other, create(rig.other, 'b'));
      const found = storage === 'REE' ? ['b'] : [];
      assert.deepEqual(rig.rest(e), [...found, 'ITEM_NOT_FOUND']);
      rig.end();
    });

    it('that could not be started: the core dies over REE, in RPMB it is an error', () => {
      const rig = new Rig(storage);
      const e = rig.enumerator();
      is(rig.ta.svc.enumStart(e, PRIVATE), 'ITEM_NOT_FOUND');
      if (storage === 'REE') assert.throws(() => nowOrEnded(rig.next(e)), /core panic/);
      else is(rig.next(e), 'GENERIC');
      close(rig.ta, create(rig.ta, 'a'));
      ok(rig.ta.svc.enumStart(e, PRIVATE));
      assert.deepEqual(rig.rest(e), ['a', 'ITEM_NOT_FOUND']);
      rig.end();
    });
  });
}

function enumCall(rig: Rig, call: 'next' | 'start' | 'reset' | 'free', e: number): MaybeCo<number> {
  const { svc } = rig.ta;
  if (call === 'next') return rig.next(e);
  if (call === 'start') return svc.enumStart(e, PRIVATE);
  return call === 'reset' ? svc.enumReset(e) : svc.enumFree(e);
}

function enumOfOther(rig: Rig): MaybeCo<number> {
  const e = { handle: 0 };
  for (let n = 0; n < 5; n++) ok(rig.other.svc.enumAlloc(e));
  return rig.ta.svc.enumReset(e.handle);
}
