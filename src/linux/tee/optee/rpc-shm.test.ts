import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBUSY } from '../../../abi/errno.ts';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_OUT_OF_MEMORY,
  TEEC_SUCCESS,
} from '../../../abi/gp.ts';
import * as rpc from '../../../abi/optee-rpc.ts';
import { LINUX_6_1 as CORE_6_1 } from '../testing/profiles.ts';
import type { TeeContext } from '../tee-context.ts';
import { teedevCloseContext, teedevOpen } from '../tee-context.ts';
import { teeShmAllocUserBuf } from '../tee-shm-alloc.ts';
import type { TeeShm } from '../tee-shm.ts';
import { openSupplicant } from './testing/box.ts';
import type { BoxOptions, OpteeBox } from './testing/box.ts';
import { recv, send, serve } from './testing/clients.ts';
import type { Received } from './testing/clients.ts';
import type { RawParam } from './testing/fake-message.ts';
import type { OpteeSwitches } from './switches.ts';
import { FIXED, LINUX_6_1, LINUX_7_3 } from './testing/profiles.ts';
import { ask, makeRig as make } from './testing/rpc-rig.ts';

const VALUE_IN = 1;
const VALUE_OUT = 2;
const TMEM_OUT_NONCONTIG = 0x20a;
const APPL = BigInt(rpc.OPTEE_RPC_SHM_TYPE_APPL);
const KERNEL = BigInt(rpc.OPTEE_RPC_SHM_TYPE_KERNEL);
const OLD: BoxOptions = { core: CORE_6_1, switches: LINUX_6_1 };

describe('SHM_ALLOC and SHM_FREE of the kernel', () => {
  const request = (type: bigint, size: number): Partial<RawParam>[] => [
    { attr: VALUE_IN, a: type, b: BigInt(size), c: 8n },
  ];

  it('give a page list, and take the memory back', () => {
    const rig = make();
    const { box } = rig;
    const before = box.kernel.pages.usedPages;
    let cookie = 0n;
    rig.call(function* () {
      const given = yield* box.world.rpc(rpc.OPTEE_RPC_CMD_SHM_ALLOC, request(KERNEL, 10_000));
      assert.equal(given.ret, TEEC_SUCCESS);
      const { attr, a, b, c } = given.param(0);
      assert.deepEqual([attr, b], [TMEM_OUT_NONCONTIG, 12288n]);
      assert.equal(box.world.readPageList(a, b).pages.length, 3);
      assert.equal(box.kernel.pages.usedPages, before + 4, 'three pages and the list');
      const again = yield* box.world.rpc(rpc.OPTEE_RPC_CMD_SHM_ALLOC, request(KERNEL, 1));
      assert.equal(box.kernel.pages.usedPages, before + 5, 'one list at a time');
      const free = [{ attr: VALUE_IN, a: KERNEL, b: again.param(0).c }];
      yield* box.world.rpc(rpc.OPTEE_RPC_CMD_SHM_FREE, free);
      cookie = c;
    });
    assert.equal(box.kernel.pages.usedPages, before + 3, 'it outlives the call');
    const freed = ask(rig, rpc.OPTEE_RPC_CMD_SHM_FREE, [{ attr: VALUE_IN, a: KERNEL, b: cookie }]);
    assert.equal(freed.ret, TEEC_SUCCESS);
    assert.equal(box.kernel.pages.usedPages, before);
  });

  it('give one address in 6.1', () => {
    const rig = make(OLD);
    const answer = ask(rig, rpc.OPTEE_RPC_CMD_SHM_ALLOC, request(KERNEL, 5000));
    const { attr, b } = answer.params[0]!;
    assert.deepEqual([answer.ret, attr, b], [TEEC_SUCCESS, 0xa, 8192n]);
  });

  it('refuse what is not well formed', () => {
    const rig = make();
    const bad: readonly (readonly Partial<RawParam>[])[] = [
      [],
      [{ attr: VALUE_OUT, a: KERNEL }],
      [{ attr: 0x101, a: KERNEL }],
      [...request(KERNEL, 1), { attr: VALUE_IN }],
      request(2n, 1),
    ];
    for (const params of bad) {
      const answer = ask(rig, rpc.OPTEE_RPC_CMD_SHM_ALLOC, params);
      assert.equal(answer.ret, TEEC_ERROR_BAD_PARAMETERS);
    }
    const two = ask(rig, rpc.OPTEE_RPC_CMD_SHM_FREE, [{ attr: VALUE_IN }, { attr: 0 }]);
    assert.equal(two.ret, TEEC_ERROR_BAD_PARAMETERS);
    const allowed = ask(rig, rpc.OPTEE_RPC_CMD_SHM_ALLOC, [...request(KERNEL, 1), { attr: 0 }]);
    assert.equal(allowed.ret, TEEC_SUCCESS);
  });

  it('say when there is no memory', () => {
    const rig = make();
    const answer = ask(rig, rpc.OPTEE_RPC_CMD_SHM_ALLOC, request(KERNEL, 1 << 30));
    assert.equal(answer.ret, TEEC_ERROR_OUT_OF_MEMORY);
  });

  it('free nothing at cookie 0, and oops at a wild one', () => {
    const rig = make();
    const free = (b: bigint): ReturnType<typeof ask> =>
      ask(rig, rpc.OPTEE_RPC_CMD_SHM_FREE, [{ attr: VALUE_IN, a: KERNEL, b }]);
    assert.equal(free(0n).ret, TEEC_SUCCESS);
    assert.throws(() => free(0xffff_0000_1234_5678n), /paging request.*ffff000012345678/);
  });

  it('answer SUCCESS for memory of no known type, BAD_PARAMETERS when fixed', () => {
    for (const [switches, ret] of [
      [{}, TEEC_SUCCESS],
      [FIXED, TEEC_ERROR_BAD_PARAMETERS],
    ] as const) {
      const rig = make({ switches });
      const answer = ask(rig, rpc.OPTEE_RPC_CMD_SHM_FREE, [{ attr: VALUE_IN, a: 9n }]);
      assert.equal(answer.ret, ret);
    }
  });
});

describe('SHM_ALLOC and SHM_FREE of the supplicant', () => {
  const alloc = (size: number): Partial<RawParam>[] => [
    { attr: VALUE_IN, a: APPL, b: BigInt(size) },
  ];

  /** A supplicant that answers SHM_ALLOC with a buffer of `size`, and logs what it is asked. */
  function supplicantWith(
    box: OpteeBox,
    size: number,
  ): { ctx: TeeContext; log: string[]; shm: TeeShm } {
    const ctx = box.run(openSupplicant(box.optee));
    const shm = box.run(teeShmAllocUserBuf(ctx, size)) as TeeShm;
    const log: string[] = [];
    const handle = ({ func, params }: Received): number => {
      const { aLo, bLo } = params[1]!;
      log.push(`${rpc.OPTEE_RPC_CMD_SHM_ALLOC === func ? 'alloc' : 'free'} ${aLo} ${bLo}`);
      params[1]!.cLo = shm.id;
      return 0;
    };
    box.spawn('supplicant', serve(ctx, handle));
    box.settle();
    return { ctx, log, shm };
  }

  it('take a reference on its buffer, and drop it before it is asked to free', () => {
    const rig = make();
    const { box } = rig;
    const { log, shm } = supplicantWith(box, 8192);
    rig.call(function* () {
      const given = yield* box.world.rpc(rpc.OPTEE_RPC_CMD_SHM_ALLOC, alloc(8192));
      assert.equal(given.ret, TEEC_SUCCESS);
      const { attr, a, b, c } = given.param(0);
      assert.deepEqual([attr, b], [TMEM_OUT_NONCONTIG, 8192n]);
      assert.deepEqual(box.world.readPageList(a, b).pages, shm.pages);
      assert.equal(shm.refcount.count, 2);
      yield* box.world.rpc(rpc.OPTEE_RPC_CMD_SHM_FREE, [{ attr: VALUE_IN, a: APPL, b: c }]);
      assert.equal(shm.refcount.count, 1);
    });
    assert.deepEqual(log, ['alloc 0 8192', `free 0 ${shm.id}`]);
  });

  it('fail in 6.1 with memory from SHM_ALLOC, which keeps no list of its pages', () => {
    const rig = make(OLD);
    const { shm } = supplicantWith(rig.box, 8192);
    const answer = ask(rig, rpc.OPTEE_RPC_CMD_SHM_ALLOC, alloc(8192));
    assert.equal(answer.ret, TEEC_ERROR_OUT_OF_MEMORY);
    assert.equal(shm.refcount.count, 1);
    assert.match(rig.box.kernel.trace.lastCause!.text, /no list of pages/);
  });

  it('fail with an id that the supplicant does not have', () => {
    const rig = make();
    const { box } = rig;
    const ctx = box.run(openSupplicant(box.optee));
    box.spawn(
      'supplicant',
      serve(ctx, () => 0),
    );
    assert.equal(ask(rig, rpc.OPTEE_RPC_CMD_SHM_ALLOC, alloc(1)).ret, TEEC_ERROR_OUT_OF_MEMORY);
    assert.match(box.kernel.trace.lastCause!.text, /shared memory 0, which it does not have/);
  });

  it('fail when the supplicant fails', () => {
    const rig = make();
    const { box } = rig;
    const ctx = box.run(openSupplicant(box.optee));
    box.spawn(
      'supplicant',
      serve(ctx, () => 0xffff000c),
    );
    assert.equal(ask(rig, rpc.OPTEE_RPC_CMD_SHM_ALLOC, alloc(1)).ret, TEEC_ERROR_OUT_OF_MEMORY);
  });

  it('quirk: pass a buffer on that is too small; the device is busy until it is freed', () => {
    const rig = make();
    const { box } = rig;
    const { ctx, shm } = supplicantWith(box, 4096);
    const answer = ask(rig, rpc.OPTEE_RPC_CMD_SHM_ALLOC, alloc(8192));
    assert.deepEqual([answer.ret, answer.params[0]!.b], [TEEC_SUCCESS, 4096n]);
    box.run(
      (function* () {
        yield* shm.put();
        yield* teedevCloseContext(ctx);
      })(),
    );
    assert.equal(box.run(teedevOpen(box.optee.suppTeedev)), -EBUSY);
  });

  it('give a buffer back that is too small, when fixed', () => {
    const rig = make({ switches: FIXED });
    const { log, shm } = supplicantWith(rig.box, 4096);
    const answer = ask(rig, rpc.OPTEE_RPC_CMD_SHM_ALLOC, alloc(8192));
    assert.equal(answer.ret, TEEC_ERROR_OUT_OF_MEMORY);
    assert.equal(shm.refcount.count, 1);
    assert.deepEqual(log, ['alloc 0 8192', `free 0 ${shm.id}`]);
  });

  /** A client holds a supplicant's buffer; that supplicant has gone. */
  function orphaned(switches: OpteeSwitches) {
    const rig = make({ switches });
    const { box } = rig;
    const ctx = box.run(openSupplicant(box.optee));
    const shm = box.run(teeShmAllocUserBuf(ctx, 4096)) as TeeShm;
    const { id } = shm;
    box.spawn(
      'supplicant',
      (function* () {
        const request = yield* recv(ctx);
        request.params[1]!.cLo = id;
        yield* send(ctx, request);
      })(),
    );
    const given = ask(rig, rpc.OPTEE_RPC_CMD_SHM_ALLOC, alloc(4096));
    assert.equal(given.ret, TEEC_SUCCESS);
    box.run(
      (function* () {
        yield* shm.put();
        yield* teedevCloseContext(ctx);
      })(),
    );
    return { rig, id, free: [{ attr: VALUE_IN, a: APPL, b: given.params[0]!.c }] };
  }

  it('do not ask the next supplicant to free what the last one had, when fixed', () => {
    const { rig, free } = orphaned(FIXED);
    const { box } = rig;
    box.run(openSupplicant(box.optee));
    assert.equal(ask(rig, rpc.OPTEE_RPC_CMD_SHM_FREE, free).ret, TEEC_SUCCESS);
    assert.deepEqual(box.optee.supp.outstanding, []);
  });

  for (const [name, switches] of Object.entries({ LINUX_6_1, LINUX_7_3 })) {
    it(`quirkShmFreeOfClosedSupplicant: ${name}: wait for the next one and ask it`, () => {
      const { rig, id, free } = orphaned(switches);
      const { box } = rig;
      const freed = ask(rig, rpc.OPTEE_RPC_CMD_SHM_FREE, free);
      assert.equal(freed.ret, undefined, 'it sleeps');
      const asked: unknown[] = [];
      const ctx = box.run(openSupplicant(box.optee));
      const next = serve(ctx, ({ func, params }) => {
        asked.push([func, params[1]!.aLo, params[1]!.bLo]);
        return TEEC_ERROR_BAD_PARAMETERS;
      });
      box.spawn('supplicant', next);
      box.settle();
      assert.deepEqual(asked, [[rpc.OPTEE_RPC_CMD_SHM_FREE, 0, id]]);
      assert.equal(freed.ret, TEEC_SUCCESS);
    });
  }
});
