/** Parameters of OPEN_SESSION and INVOKE, in and out. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EFAULT, EINVAL } from '../../abi/errno.ts';
import * as abi from '../../abi/tee.ts';
import { WaitQueue } from '../../sched/wait.ts';
import type { TeeParam } from './tee-drv.ts';
import { boot, NOTHING_HELD } from './testing/box.ts';
import type { TeeBox } from './testing/box.ts';
import { describe as text, echo } from './testing/fake-tee.ts';
import type { UserParam } from './testing/params.ts';
import { LINUX_6_1, LINUX_7_3, PROFILES } from './testing/profiles.ts';

const T = abi.TEE_IOCTL_PARAM_ATTR_TYPE;
const { TEE_IOCTL_PARAM_ATTR_META: META, TEE_MEMREF_NULL } = abi;
const { TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT: VALUE_INOUT } = T;
const { TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT: MEMREF_IN } = T;
const { TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT: MEMREF_OUT } = T;
const { TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT: MEMREF_INOUT } = T;
const { TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT: UBUF_IN } = T;
const { TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INOUT: UBUF_INOUT } = T;

const A = 0x1111_2222_3333_4444n;
const B = 0x5555_6666_7777_8888n;
const C = 0x9999_aaaa_bbbb_ccccn;
/** As `echo` changes them. */
const [A1, B1, C1] = [A + 1n, B + (1n << 32n), C + 1n];

/** Keeps what the driver was given. */
function watch(box: TeeBox): string[] {
  const seen: string[] = [];
  box.fake.invoke = function* (ctx, arg, params: readonly TeeParam[]) {
    seen.push(...params.map(text));
    return yield* echo(ctx, arg, params);
  };
  return seen;
}

describe('parameters', () => {
  it('each attribute goes in and comes back as the header says, META never comes back', async () => {
    const outputs: Record<number, [bigint, bigint, bigint]> = {
      [T.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT]: [1n, 1n << 32n, 1n],
      [VALUE_INOUT]: [A1, B1, C1],
      [T.TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_OUTPUT]: [1n, 1n << 32n, C],
      [T.TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INOUT]: [A1, B1, C],
    };
    const skipped: number[] = [MEMREF_IN, MEMREF_OUT, MEMREF_INOUT, 8, 9, 10];
    const user = boot().user();
    const fd = await user.open();
    for (const type of Object.values(T).filter((value) => !skipped.includes(value))) {
      for (const attr of [type, type | META]) {
        const answer = await user.invoke(fd, 1, [{ attr, a: A, b: B, c: C }]);
        assert.equal(answer.rc, 0);
        const [a, b, c] = (attr === type ? outputs[type] : undefined) ?? [A, B, C];
        assert.deepEqual(answer.params, [{ attr: BigInt(attr), a, b, c }], `attr ${attr}`);
      }
    }
  });

  it('what is not read reaches the driver as zeros', async () => {
    const box = boot();
    const seen = watch(box);
    const user = box.user();
    const fd = await user.open();
    const all = { a: A, b: B, c: C };
    await user.invoke(fd, 1, [
      { attr: 0, ...all },
      { attr: 2, ...all },
      { attr: 12, ...all },
      { attr: 1, ...all },
    ]);
    const zeros = '0 0 0 0 0 0 shm=undefined +0 0 @0';
    assert.deepEqual(seen, [
      `0 ${zeros}`,
      `2 ${zeros}`,
      `c ${zeros}`,
      '1 11112222 33334444 55556666 77778888 9999aaaa bbbbcccc shm=undefined +0 0 @0',
    ]);
  });

  for (const [name, switches] of Object.entries(PROFILES)) {
    it(`${name}: a memref must lie inside memory of this very context`, async () => {
      const box = boot({ switches });
      const user = box.user();
      const fd = await user.open();
      const other = await user.open();
      const shm = await user.alloc(fd, 4096);
      const foreign = await user.alloc(other, 4096);
      const rc = async (a: bigint, b: bigint, c: bigint): Promise<number> =>
        (await user.invoke(fd, 1, [{ attr: MEMREF_INOUT, a, b, c }])).rc;
      const id = BigInt(shm.id);
      assert.equal(await rc(0n, 4096n, id), 0);
      assert.equal(await rc(4096n, 0n, id), 0, 'nothing at the end');
      assert.equal(await rc(1n, 4096n, id), -EINVAL);
      assert.equal(await rc(4097n, 0n, id), -EINVAL);
      assert.equal(await rc(1n, (1n << 64n) - 1n, id), -EINVAL, 'a sum that wraps');
      assert.equal(await rc((1n << 64n) - 1n, 1n, id), -EINVAL);
      assert.equal(await rc(0n, 1n, 0n), -EINVAL);
      assert.equal(await rc(0n, 1n, 99n), -EINVAL);
      assert.equal(await rc(0n, 1n, 0xffff_ffffn), -EINVAL, 'id -1');
      assert.equal(await rc(0n, 1n, BigInt(foreign.id)), -EINVAL);
      assert.match(box.trace.lastCause?.text ?? '', /this context has no shared memory 2/);
      assert.equal(await rc(0n, 1n, id | (5n << 32n)), 0, 'ids count by their low 32 bits');
      for (const open of [shm.fd, foreign.fd, fd, other]) await user.close(open);
      const { users, ids, registered } = box.held();
      assert.deepEqual([users, ids, registered], [0, 0, 0]);
    });

    it(`${name}: NULL memrefs are all 64 bits, unchecked, and need the capability`, async () => {
      const box = boot({ switches });
      const seen = watch(box);
      const user = box.user();
      const fd = await user.open();
      const param = { attr: MEMREF_INOUT, a: 5, b: (1n << 64n) - 1n, c: TEE_MEMREF_NULL };
      box.fake.invoke = function* (_ctx, _arg, params) {
        seen.push(...params.map(text));
        return 0;
      };
      const { rc, params } = await user.invoke(fd, 1, [param]);
      assert.equal(rc, 0);
      assert.equal(params[0]?.b, (1n << 64n) - 1n, 'a size that nobody changed stays exact');
      assert.match(seen[0] ?? '', / shm=undefined \+5 /);
      box.fake.memrefNull = false;
      const poor = await user.open();
      assert.equal((await user.invoke(poor, 1, [param])).rc, -EINVAL);
      assert.match(box.trace.lastCause?.hint ?? '', /TEE_GEN_CAP_MEMREF_NULL/);
    });

    it(`${name}: sizes come back for outputs, however large, and for inputs never`, async () => {
      const user = boot({ switches }).user();
      const fd = await user.open();
      const { id } = await user.alloc(fd, 4096);
      const memref = (attr: number): { attr: number; a: number; b: number; c: number } => ({
        attr,
        a: 96,
        b: 4000,
        c: id,
      });
      const { params } = await user.invoke(fd, 1, [
        memref(MEMREF_IN),
        memref(MEMREF_OUT),
        memref(MEMREF_INOUT),
        memref(MEMREF_INOUT | META),
      ]);
      assert.deepEqual(
        params.map(({ b }) => b),
        [4000n, 8000n, 8000n, 4000n],
      );
      assert.ok(params.every(({ a, c }) => a === 96n && c === BigInt(id)));
    });
  }

  it('UBUF is checked, and told from OBJREF, since 6.18 only', async () => {
    const box = boot({ switches: LINUX_7_3 });
    const seen = watch(box);
    const user = box.user();
    const fd = await user.open();
    const { rc, params } = await user.invoke(fd, 1, [{ attr: UBUF_INOUT, a: 4096, b: 10, c: 3 }]);
    assert.equal(rc, 0);
    assert.equal(seen[0], 'a 0 1000 0 a 0 3 shm=undefined +0 10 @4096');
    assert.deepEqual(params, [{ attr: 10n, a: 4096n, b: 20n, c: 3n }]);
    const outside = { attr: UBUF_IN, a: 1n << 63n, b: 1 };
    assert.equal((await user.invoke(fd, 1, [outside])).rc, -EFAULT);
    const old = boot({ switches: LINUX_6_1 }).user();
    const oldFd = await old.open();
    for (const attr of [8, 9, 10, 11, 12, 13]) {
      assert.equal((await old.invoke(oldFd, 1, [{ attr, a: 4096, b: 10 }])).rc, -EINVAL);
    }
  });

  it('the first bad parameter decides, and drops what the ones before it held', async () => {
    const box = boot();
    const user = box.user();
    const fd = await user.open();
    const shm = await user.alloc(fd, 4096);
    const good = { attr: MEMREF_IN, a: 0, b: 1, c: shm.id };
    assert.equal((await user.invoke(fd, 1, [good, good, { attr: 4 }])).rc, -EINVAL);
    assert.equal((await user.openSession(fd, 0, [good, { attr: MEMREF_IN, c: 77 }])).rc, -EINVAL);
    assert.equal((await user.openSession(fd, 0x8000_0000, [good])).rc, -1);
    assert.equal((await user.openSession(fd, 0x8000_0000, [{ attr: 4 }])).rc, -EINVAL);
    await user.close(shm.fd);
    await user.close(fd);
    assert.equal(box.fake.registered.size, 0);
    assert.equal(box.held().users, 0);
  });

  it('OPEN_SESSION carries session, answer and parameters back', async () => {
    const box = boot();
    box.fake.openSession = function* (_ctx, arg, params, current) {
      assert.equal(arg.uuid.length, 16);
      assert.equal(current?.process.name, 'client');
      params[0]!.aLo = 42;
      arg.session = 0xdead_beef;
      arg.ret = 0xffff_0006;
      arg.retOrigin = 3;
      return 0;
    };
    const user = box.user();
    const fd = await user.open();
    const answer = await user.openSession(fd, 0, [{ attr: VALUE_INOUT }]);
    assert.equal(answer.rc, 0);
    assert.deepEqual(
      [answer.session, answer.ret, answer.origin, answer.params[0]?.a],
      [0xdead_beef, 0xffff_0006, 3, 42n],
    );
  });

  it('memory of a process is brought over before the call, and back after it', async () => {
    const box = boot();
    const user = box.user();
    const fd = await user.open();
    const reg = await user.register(fd, user.memory.memalign(4096, 8192) + 10, 5000);
    const shm = box.client.idr.get(reg.id)!;
    const seen: string[] = [];
    const { pages } = shm;
    shm.pinned = {
      pages,
      syncForDevice: (offset, length) => seen.push(`device ${offset} ${length}`),
      syncForCpu: (offset, length) => seen.push(`cpu ${offset} ${length}`),
      unpin: () => {},
    };
    box.fake.invoke = function* (ctx, arg, params) {
      seen.push('call');
      return yield* echo(ctx, arg, params);
    };
    const memref = (attr: number, a: number): UserParam => ({ attr, a, b: 100, c: reg.id });
    const params = [memref(MEMREF_IN, 0), memref(MEMREF_OUT, 200), memref(MEMREF_INOUT, 400)];
    await user.invoke(fd, 1, params);
    assert.deepEqual(seen, [
      'device 10 100',
      'device 210 100',
      'device 410 100',
      'call',
      'cpu 210 100',
      'cpu 410 100',
    ]);
  });

  it('calls within calls have parameters of their own', async () => {
    const box = boot();
    const user = box.user();
    const fd = await user.open();
    const inner = box.user();
    const innerFd = await inner.open();
    const queue = new WaitQueue(box.sched, 'test');
    box.fake.invoke = function* (ctx, arg, params) {
      if (arg.func === 1) yield* queue.wait('uninterruptible');
      else queue.wakeOne();
      return yield* echo(ctx, arg, params);
    };
    const first = user.invoke(fd, 1, [{ attr: VALUE_INOUT, a: 10 }]);
    const second = inner.invoke(innerFd, 2, [{ attr: VALUE_INOUT, a: 20 }]);
    const [a, b] = await Promise.all([first, second]);
    assert.deepEqual([a.ret, a.params[0]?.a], [1, 11n]);
    assert.deepEqual([b.ret, b.params[0]?.a], [2, 21n]);
  });

  it('leaves nothing behind', async () => {
    const box = boot();
    const user = box.user();
    const fd = await user.open();
    const shm = await user.alloc(fd, 4096);
    await user.invoke(fd, 1, [{ attr: MEMREF_INOUT, b: 4096, c: shm.id }]);
    await user.close(shm.fd);
    await user.close(fd);
    await user.program.exit();
    assert.deepEqual(box.held(), NOTHING_HELD);
  });
});
