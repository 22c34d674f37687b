import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL } from '../../../abi/errno.ts';
import {
  OPTEE_MSG_ATTR_META,
  OpteeMsgParam,
  OpteeMsgParamRmem,
  OpteeMsgParamValue,
} from '../../../abi/optee-msg.ts';
import * as tee from '../../../abi/tee.ts';
import { teeShmAllocKernelBuf, teeShmAllocPrivBuf } from '../tee-shm-alloc.ts';
import { TeeParam } from '../tee-drv.ts';
import type { TeeShm } from '../tee-shm.ts';
import { fromMsgParam, toMsgParam } from './msg-param.ts';
import { ShmCookies } from './shm-cookie.ts';
import { makeBox } from './testing/box.ts';
import { param } from './testing/clients.ts';

function make(): {
  cookies: ShmCookies;
  dynamic: TeeShm;
  priv: TeeShm;
  view: DataView;
  words(n?: number): readonly bigint[];
} {
  const box = makeBox();
  const { ctx } = box.optee;
  const view = new DataView(new ArrayBuffer(4 * OpteeMsgParam.byteLength));
  new Uint8Array(view.buffer).fill(0xee);
  return {
    cookies: new ShmCookies(box.sched, box.kernel.addresses),
    dynamic: box.run(teeShmAllocKernelBuf(ctx, 8192)) as TeeShm,
    priv: box.run(teeShmAllocPrivBuf(ctx, 8192)) as TeeShm,
    view,
    words: (n = 0) => [0, 8, 16, 24].map((o) => view.getBigUint64(32 * n + o, true)),
  };
}

const cookieOf = ({ address }: TeeShm): bigint => (BigInt(address.hi) << 32n) | BigInt(address.lo);
const ALL = 0xffff_ffff;

describe('parameters to messages', () => {
  it('carry 64 bits of values', () => {
    const { view, words } = make();
    const p = param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT, a: 1, b: ALL, c: 3 });
    p.aHi = 0xaaaa;
    p.cHi = ALL;
    assert.equal(toMsgParam(view, 0, [p], false), 0);
    assert.deepEqual(words(), [3n, 0xaaaa_0000_0001n, 0xffff_ffffn, 0xffff_ffff_0000_0003n]);
  });

  it('name registered memory by cookie and offset, other memory by address', () => {
    const { view, words, dynamic, priv } = make();
    const attr = tee.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT;
    const params = [
      param({ attr, shm: dynamic, offs: 4100, size: 5 }),
      param({ attr, shm: priv, offs: 4100, size: 5 }),
      param({ attr, shm: null, size: 7 }),
    ];
    assert.equal(toMsgParam(view, 0, params, false), 0);
    assert.deepEqual(words(0), [6n, 4100n, 5n, cookieOf(dynamic)]);
    assert.deepEqual(words(1), [0xan, BigInt(priv.paddr + 4100), 5n, cookieOf(priv)]);
    assert.deepEqual(words(2), [0xan, 0n, 7n, 0n]);
  });

  it('clear what is of no type', () => {
    const { view, words } = make();
    assert.equal(toMsgParam(view, 0, [new TeeParam()], false), 0);
    assert.deepEqual(words(), [0n, 0n, 0n, 0n]);
  });

  it('refuse META, UBUF and OBJREF, and offsets outside memory that goes by address', () => {
    const { view, priv } = make();
    const attrs = [
      tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT | tee.TEE_IOCTL_PARAM_ATTR_META,
      tee.TEE_IOCTL_PARAM_ATTR_META,
      tee.TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT,
      tee.TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INOUT,
      4,
    ];
    for (const attr of attrs) assert.equal(toMsgParam(view, 0, [param({ attr })], false), -EINVAL);
    const attr = tee.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
    const behind = param({ attr, shm: priv, offs: priv.size });
    assert.equal(toMsgParam(view, 0, [behind], false), -EINVAL);
  });

  it('update outputs only on the way back', () => {
    const { view, words, dynamic } = make();
    const attr = {
      in: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
      out: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
    };
    const memref = tee.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
    const old = 0xeeee_eeee_eeee_eeeen;
    const params = [
      param({ attr: attr.in, a: 1, b: 2, c: 3 }),
      param({ attr: attr.out, a: 1, b: 2, c: 3 }),
      param({ attr: memref, shm: dynamic, size: 9 }),
      param({ attr: memref + 1, shm: dynamic, size: 9 }),
    ];
    assert.equal(toMsgParam(view, 0, params, true), 0);
    assert.deepEqual(words(0), [old, old, old, old]);
    assert.deepEqual(words(1), [old, 1n, 2n, 3n]);
    assert.deepEqual(words(2), [old, old, old, old]);
    assert.deepEqual(words(3), [old, old, 9n, old]);
    assert.equal(toMsgParam(view, 0, [new TeeParam()], true), 0);
    assert.deepEqual(words(0), [old, old, old, old]);
  });

  it('keep the size of a NULL memref to the bit', () => {
    const { view, words } = make();
    const attr = tee.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
    const p = param({ attr, b: 0xffff_fffe, size: 2 ** 64 });
    p.bHi = ALL;
    toMsgParam(view, 0, [p], false);
    assert.equal(words()[2], 0xffff_ffff_ffff_fffen);
    p.bHi = p.bLo = 0;
    toMsgParam(view, 0, [p], false);
    assert.equal(words()[2], BigInt(Number.MAX_SAFE_INTEGER));
  });
});

describe('parameters from messages', () => {
  it('come back as they went', () => {
    const { view, dynamic, priv, cookies } = make();
    const memref = tee.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT;
    const params = [
      param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT, a: 1, b: 2, c: 3 }),
      param({ attr: memref, shm: dynamic, offs: 12, size: 34 }),
      param({ attr: memref, shm: priv, offs: 12, size: 34 }),
      param({ attr: memref, shm: null, size: 34 }),
    ];
    toMsgParam(view, 0, params, false);
    const back = params.map(() => new TeeParam());
    assert.equal(fromMsgParam(view, 0, back, false, cookies), 0);
    assert.deepEqual(back, params);
  });

  it('may be META: only the type counts', () => {
    const { view, cookies } = make();
    OpteeMsgParamValue.attr.setNum(view, 0, 1 | OPTEE_MSG_ATTR_META);
    const p = new TeeParam();
    assert.equal(fromMsgParam(view, 0, [p], false, cookies), 0);
    assert.equal(p.attr, tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT);
  });

  it('of no known type are refused', () => {
    const { view, cookies } = make();
    for (const attr of [4, 8, 0xc, 0xff]) {
      OpteeMsgParam.attr.setNum(view, 0, attr);
      assert.equal(fromMsgParam(view, 0, [new TeeParam()], false, cookies), -EINVAL);
    }
  });

  it('update values and sizes of outputs only', () => {
    const { view, dynamic, cookies } = make();
    const types = tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT;
    const params = [
      param({ attr: types, a: 1, b: 1, c: 1 }),
      param({ attr: types + 1, a: 1, b: 1, c: 1 }),
      param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT, shm: dynamic, size: 1 }),
      param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT, shm: dynamic, size: 1 }),
    ];
    toMsgParam(view, 0, params, false);
    for (let n = 0; n < 4; n++) {
      const { a, b, c } = OpteeMsgParamValue;
      for (const field of [a, b, c]) field.setNum(view, 32 * n, 7);
    }
    assert.equal(fromMsgParam(view, 0, params, true, cookies), 0);
    assert.deepEqual(
      params.map((p) => [p.aLo, p.bLo, p.cLo, p.shm?.id, p.shmOffs, p.size]),
      [
        [1, 1, 1, undefined, 0, 0],
        [7, 7, 7, undefined, 0, 0],
        [0, 0, 0, -1, 0, 1],
        [0, 0, 0, -1, 0, 7],
      ],
    );
  });

  it('with a cookie that is none make the kernel follow a wild pointer', () => {
    const { view, dynamic, cookies } = make();
    const attr = tee.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
    toMsgParam(view, 0, [param({ attr, shm: dynamic })], false);
    const { lo, hi } = dynamic.address;
    OpteeMsgParamRmem.shmRef.setPair(view, 0, lo ^ 0x40000, hi);
    assert.throws(
      () => fromMsgParam(view, 0, [new TeeParam()], false, cookies),
      /Unable to handle kernel paging request at virtual address ffff0000/,
    );
  });

  it('saturate sizes that no buffer can have', () => {
    const { view, dynamic, cookies } = make();
    const attr = tee.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT;
    const p = param({ attr, shm: dynamic, size: 1 });
    toMsgParam(view, 0, [p], false);
    OpteeMsgParamRmem.size.setPair(view, 0, ALL, ALL);
    assert.equal(fromMsgParam(view, 0, [p], true, cookies), 0);
    assert.equal(p.size, Number.MAX_SAFE_INTEGER);
  });
});
