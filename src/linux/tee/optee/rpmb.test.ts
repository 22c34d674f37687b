import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_SHORT_BUFFER,
  TEEC_SUCCESS,
} from '../../../abi/gp.ts';
import * as rpc from '../../../abi/optee-rpc.ts';
import { teeShmAllocPrivBuf } from '../tee-shm-alloc.ts';
import type { TeeShm } from '../tee-shm.ts';
import { makeBox, openClient } from './testing/box.ts';
import type { OpteeBox, Running } from './testing/box.ts';
import { invoke, open } from './testing/clients.ts';
import type { Answer } from './testing/clients.ts';
import type { RawParam } from './testing/fake-message.ts';
import { RPMB_CAPS, emmc, makeRpmb } from './testing/fake-rpmb.ts';

const VALUE_OUT = 2;
const RMEM_IN = 5;
const RMEM_OUT = 6;
const RESET = rpc.OPTEE_RPC_CMD_RPMB_PROBE_RESET;
const NEXT = rpc.OPTEE_RPC_CMD_RPMB_PROBE_NEXT;
const FRAMES = rpc.OPTEE_RPC_CMD_RPMB_FRAMES;

interface Rig {
  readonly box: OpteeBox;
  readonly shm: TeeShm;
  ask(
    cmd: number,
    ...params: readonly Partial<RawParam>[]
  ): {
    readonly ret: number | undefined;
    readonly params: readonly RawParam[];
    readonly caller: Running<Answer>;
  };
  memref(attr: number, offs: number, size: number): Partial<RawParam>;
}

function make(kernelRouting = true): Rig {
  const { rpmb, add } = makeRpmb();
  const box = makeBox({
    ...(kernelRouting && { platform: { rpmb } }),
    setUp: (world) => world.offer(RPMB_CAPS),
  });
  add(emmc(1));
  add(emmc(2));
  const ctx = box.run(openClient(box.optee));
  const { session } = box.run(open(ctx));
  const shm = box.run(teeShmAllocPrivBuf(box.optee.ctx, 4096)) as TeeShm;
  const cookie = (BigInt(shm.address.hi) << 32n) | BigInt(shm.address.lo);
  return {
    box,
    shm,
    ask(cmd, ...params) {
      const answer: { ret: number | undefined; params: readonly RawParam[] } = {
        ret: undefined,
        params: [],
      };
      box.world.handle = function* (message) {
        if (message.func === 5) {
          const done = yield* box.world.rpc(cmd, params);
          answer.ret = done.ret;
          answer.params = done.params;
        }
        yield* box.world.succeed(message);
      };
      const caller = box.spawn('caller', invoke(ctx, session));
      box.settle();
      return { ...answer, caller };
    },
    memref: (attr, offs, size) => ({ attr, a: BigInt(offs), b: BigInt(size), c: cookie }),
  };
}

describe('RPMB by way of the kernel', () => {
  it('walks over the devices', () => {
    const { ask, memref, shm } = make();
    const reset = ask(RESET, { attr: VALUE_OUT, a: 9n, b: 9n, c: 9n });
    assert.equal(reset.ret, TEEC_SUCCESS);
    const { a, b, c } = reset.params[0]!;
    assert.deepEqual([a, b, c], [1n, 0n, 0n], 'memory of the kernel');
    const next = (): ReturnType<Rig['ask']> =>
      ask(NEXT, { attr: VALUE_OUT }, memref(RMEM_OUT, 0, 100));
    for (const cid of [1, 2]) {
      const found = next();
      assert.equal(found.ret, TEEC_SUCCESS);
      const value = found.params[0]!;
      assert.deepEqual([value.a, value.b, value.c, found.params[1]!.b], [0n, 32n, 1n, 16n]);
      assert.deepEqual([...shm.map(0, 16, 'read').bytes], new Array(16).fill(cid));
    }
    assert.equal(next().ret, TEEC_ERROR_ITEM_NOT_FOUND);
    assert.equal(next().ret, TEEC_SUCCESS, 'from the start again');
  });

  it('sends frames to the device that the walk has come to', () => {
    const { ask, memref, shm } = make();
    const frames = (size: number): ReturnType<Rig['ask']> =>
      ask(FRAMES, memref(RMEM_IN, 0, size), memref(RMEM_OUT, 1024, 512));
    assert.equal(frames(512).ret, TEEC_ERROR_ITEM_NOT_FOUND);
    ask(NEXT, { attr: VALUE_OUT }, memref(RMEM_OUT, 0, 16));
    assert.equal(frames(512).ret, TEEC_SUCCESS);
    assert.deepEqual([...shm.map(1024, 512, 'read').bytes], new Array(512).fill(1));
    assert.equal(frames(511).ret, TEEC_ERROR_BAD_PARAMETERS, 'what the device refuses');
    ask(RESET, { attr: VALUE_OUT });
    assert.equal(frames(512).ret, TEEC_ERROR_ITEM_NOT_FOUND);
  });

  it('refuses other parameters, and buffers that are none', () => {
    const { ask, memref } = make();
    const none = { attr: RMEM_OUT, a: 0n, b: 16n, c: 0n };
    const bad: readonly (readonly [number, ...Partial<RawParam>[]])[] = [
      [RESET],
      [RESET, { attr: 1 }],
      [NEXT, { attr: VALUE_OUT }],
      [NEXT, { attr: VALUE_OUT }, memref(RMEM_IN, 0, 16)],
      [NEXT, { attr: VALUE_OUT }, none],
      [NEXT, { attr: VALUE_OUT }, memref(RMEM_OUT, 4090, 16)],
    ];
    for (const [cmd, ...params] of bad) {
      assert.equal(ask(cmd, ...params).ret, TEEC_ERROR_BAD_PARAMETERS);
    }
    ask(NEXT, { attr: VALUE_OUT }, memref(RMEM_OUT, 0, 16));
    assert.equal(ask(FRAMES, memref(RMEM_IN, 0, 512)).ret, TEEC_ERROR_BAD_PARAMETERS);
    assert.equal(ask(FRAMES, memref(RMEM_IN, 0, 512), none).ret, TEEC_ERROR_BAD_PARAMETERS);
  });

  it('wants room for the CID', () => {
    const { ask, memref } = make();
    const small = ask(NEXT, { attr: VALUE_OUT }, memref(RMEM_OUT, 0, 15));
    assert.equal(small.ret, TEEC_ERROR_SHORT_BUFFER);
  });
});

describe('RPMB without the kernel', () => {
  it('is the supplicant’s', () => {
    const { ask } = make(false);
    const { caller } = ask(RESET, { attr: VALUE_OUT });
    assert.equal(caller.site, 'optee_supp_thrd_req');
  });
});
