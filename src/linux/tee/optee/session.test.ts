import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL, ENOMEM, EPERM } from '../../../abi/errno.ts';
import { TEEC_ERROR_COMMUNICATION, TEEC_ORIGIN_COMMS } from '../../../abi/gp.ts';
import * as msg from '../../../abi/optee-msg.ts';
import * as smc from '../../../abi/optee-smc.ts';
import * as tee from '../../../abi/tee.ts';
import { parseUuid } from '../../../abi/uuid.ts';
import { pa } from '../../../machine/address.ts';
import { LINUX_6_1 as CORE_6_1 } from '../testing/profiles.ts';
import { teedevCloseContext } from '../tee-context.ts';
import type { TeeContext } from '../tee-context.ts';
import { teeShmAllocKernelBuf } from '../tee-shm-alloc.ts';
import type { TeeShm } from '../tee-shm.ts';
import { makeBox, openClient } from './testing/box.ts';
import type { BoxOptions, OpteeBox } from './testing/box.ts';
import { TA_UUID, invoke, open, param } from './testing/clients.ts';
import type { FakeMessage } from './testing/fake-message.ts';
import type { FakeOptee } from './testing/fake-optee.ts';
import { HELD, makeGate } from './testing/gate.ts';
import { FIXED, LINUX_6_1 } from './testing/profiles.ts';

const DYNAMIC = smc.OPTEE_SMC_SEC_CAP_DYNAMIC_SHM | smc.OPTEE_SMC_SEC_CAP_MEMREF_NULL;
const RESERVED = smc.OPTEE_SMC_SEC_CAP_HAVE_RESERVED_SHM;
const RPC_ARG = smc.OPTEE_SMC_SEC_CAP_RPC_ARG;
/** The last MiB of RAM. */
const SHM = { base: 0x4000_0000 + (31 << 20), size: 1 << 20 };

function reserved(caps: number): BoxOptions {
  return {
    tree: { reservedShm: { base: pa(SHM.base), size: SHM.size } },
    setUp: (world) => {
      world.offer(RESERVED | caps);
      const config = [smc.OPTEE_SMC_RETURN_OK, SHM.base, SHM.size, smc.OPTEE_SMC_SHM_CACHED];
      world.fast.set(smc.OPTEE_SMC_GET_SHM_CONFIG, config);
    },
  };
}

interface Configuration {
  readonly options: BoxOptions;
  readonly call: number;
  /** Messages of one page. */
  readonly perPage: number;
}

/** The ways in which a message is passed, by what the secure world offers. */
const CONFIGURATIONS: Readonly<Record<string, Configuration>> = {
  'registered memory, RPC message behind': {
    options: {},
    call: smc.OPTEE_SMC_CALL_WITH_REGD_ARG,
    perPage: 10,
  },
  'a page of its own': {
    options: { setUp: (world) => world.offer(DYNAMIC) },
    call: smc.OPTEE_SMC_CALL_WITH_ARG,
    perPage: 1,
  },
  'reserved memory': {
    options: reserved(0),
    call: smc.OPTEE_SMC_CALL_WITH_ARG,
    perPage: 18,
  },
  'reserved memory, RPC message behind': {
    options: reserved(RPC_ARG),
    call: smc.OPTEE_SMC_CALL_WITH_RPC_ARG,
    perPage: 10,
  },
};

function make(options: BoxOptions = {}): { box: OpteeBox; ctx: TeeContext; session: number } {
  const box = makeBox(options);
  const ctx = box.run(openClient(box.optee));
  const { session } = box.run(open(ctx));
  return { box, ctx, session };
}

for (const [name, { options, call, perPage }] of Object.entries(CONFIGURATIONS)) {
  describe(`messages in ${name}`, () => {
    it('take parameters there and back', () => {
      const { box, ctx, session } = make(options);
      const shm = box.run(teeShmAllocKernelBuf(ctx, 64)) as TeeShm;
      const value = param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT, a: 2, b: 3 });
      const attr = tee.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT;
      const memref = param({ attr, shm, offs: 4, size: 8 });
      shm.map(4, 8, 'write').bytes.set([1, 2, 3, 4, 5, 6, 7, 8]);
      box.world.handle = function* (message) {
        assert.deepEqual([message.cmd, message.func], [msg.OPTEE_MSG_CMD_INVOKE_COMMAND, 5]);
        assert.deepEqual([message.session, message.cancelId], [session, 12]);
        message.setParam(0, { a: message.param(0).a * 10n });
        message.bytes(1).reverse();
        message.setParam(1, { b: 5n });
        message.answer(0x1234, 4);
      };
      const answer = box.run(invoke(ctx, session, [value, memref]));
      assert.deepEqual([answer.rc, answer.ret, answer.origin], [0, 0x1234, 4]);
      assert.deepEqual([value.aLo, value.bLo, memref.size], [20, 3, 5]);
      assert.deepEqual([...shm.map(4, 8, 'read').bytes], [8, 7, 6, 5, 4, 3, 2, 1]);
      assert.ok(box.world.calls.includes(call));
    });

    it('do not get into each other’s way', () => {
      const gate = makeGate({
        ...options,
        setUp: (world, kernel) => {
          options.setUp?.(world, kernel);
          world.threads = 100;
        },
      });
      const count = perPage + 1;
      const calls = Array.from({ length: count }, (_, n) => gate.call(n));
      assert.equal(gate.box.optee.argCache.slots.used, count);
      assert.equal(gate.box.optee.argCache.slots.total, 2 * perPage);
      for (let n = count - 1; n >= 0; n--) gate.release(n);
      assert.ok(calls.every(({ result }) => result?.ret === 0));
      assert.equal(gate.box.optee.argCache.slots.used, 0);
    });
  });
}

describe('OPEN_SESSION', () => {
  it('tells the secure world of the TA and the client', () => {
    const { box, ctx } = make();
    let seen: FakeMessage | undefined;
    box.world.handle = function* (message) {
      seen = message;
      assert.deepEqual([message.numParams, message.cancelId], [3, 11]);
      assert.deepEqual([...message.octets(0)], [...TA_UUID]);
      assert.deepEqual([message.param(0).attr, message.param(1).attr], [0x101, 0x101]);
      assert.equal(message.param(1).c, 1n);
      const uid0 = parseUuid('ef0180a3-13f3-5d1c-b7f5-888c0e21059a');
      assert.deepEqual([...message.octets(1)], [...uid0]);
      assert.equal(message.param(2).a, 77n);
      yield* box.world.succeed(message);
    };
    const value = param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, a: 77 });
    const answer = box.run(open(ctx, [value], tee.TEE_IOCTL_LOGIN_USER));
    assert.deepEqual([answer.rc, answer.ret], [0, 0]);
    assert.ok(box.world.sessions.has(answer.session));
    assert.notEqual(seen, undefined);
  });

  it('passes refusals on, and keeps no session', () => {
    const { box, ctx } = make();
    box.world.handle = function* (message) {
      message.session = 55;
      message.answer(0xffff0008, 3);
    };
    const answer = box.run(open(ctx));
    assert.deepEqual([answer.rc, answer.ret, answer.origin], [0, 0xffff0008, 3]);
    assert.equal(box.run(invoke(ctx, 55)).rc, -EINVAL);
  });

  it('takes four parameters, and logins that the kernel knows', () => {
    const { box, ctx } = make();
    const value = param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT });
    const five = Array.from({ length: 5 }, () => value);
    const before = box.world.commands.length;
    assert.equal(box.run(open(ctx, five.slice(1))).rc, 0);
    assert.equal(box.world.commands.length, before + 1);
    assert.equal(box.run(open(ctx, five)).rc, -EINVAL);
    assert.equal(box.kernel.trace.lastCause?.limit, 'MAX_ARG_PARAM_COUNT=6');
    assert.equal(box.run(open(ctx, [], tee.TEE_IOCTL_LOGIN_APPLICATION)).rc, -EINVAL);
    assert.equal(box.world.commands.length, before + 1, 'nothing of that went out');
    assert.equal(box.optee.argCache.slots.used, 0);
  });

  it('is -EPERM for a group that the caller is not in', () => {
    const { box, ctx } = make();
    const arg = {
      uuid: TA_UUID,
      clntUuid: new Uint8Array(16).fill(0xff),
      clntLogin: tee.TEE_IOCTL_LOGIN_GROUP,
      cancelId: 0,
      session: 0,
      ret: 0,
      retOrigin: 0,
    };
    assert.equal(box.run(ctx.ops.openSession!(ctx, arg, [], undefined)), -EPERM);
    assert.equal(box.optee.argCache.slots.used, 0);
  });

  it('is COMMUNICATION when the message is not taken, and still 0', () => {
    const { box, ctx } = make();
    box.world.refuseWith = smc.OPTEE_SMC_RETURN_EBADADDR;
    const answer = box.run(open(ctx));
    assert.deepEqual(
      [answer.rc, answer.ret, answer.origin],
      [0, TEEC_ERROR_COMMUNICATION, TEEC_ORIGIN_COMMS],
    );
    assert.match(box.kernel.trace.lastCause!.text, /returned 4/);
  });

  it('closes a session again whose parameters make no sense', () => {
    const { box, ctx } = make();
    box.world.handle = function* (message) {
      yield* box.world.succeed(message);
      if (message.numParams === 3) message.setParam(2, { attr: 0xff });
    };
    const value = param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT });
    const open1 = box.world.sessions.size;
    const answer = box.run(open(ctx, [value]));
    assert.deepEqual(
      [answer.rc, answer.ret, answer.origin],
      [0, TEEC_ERROR_COMMUNICATION, TEEC_ORIGIN_COMMS],
    );
    assert.equal(box.world.commands.at(-1), msg.OPTEE_MSG_CMD_CLOSE_SESSION);
    assert.equal(box.world.sessions.size, open1);
  });
});

describe('INVOKE', () => {
  it('needs a session of its own context', () => {
    const { box, ctx, session } = make();
    const other = box.run(openClient(box.optee));
    const { cancelReq, closeSession } = ctx.ops;
    assert.equal(box.run(invoke(other, session)).rc, -EINVAL);
    assert.equal(box.run(closeSession!(other, session)), -EINVAL);
    assert.equal(box.run(cancelReq!(other, 0, session)), -EINVAL);
    assert.equal(box.run(invoke(ctx, session)).rc, 0);
  });

  it('takes six parameters', () => {
    const { box, ctx, session } = make();
    const value = param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT });
    const seven = Array.from({ length: 7 }, () => value);
    assert.equal(box.run(invoke(ctx, session, seven.slice(1))).rc, 0);
    assert.equal(box.run(invoke(ctx, session, seven)).rc, -EINVAL);
  });

  it('refuses kinds that OP-TEE does not know', () => {
    const { box, ctx, session } = make();
    const before = box.world.commands.length;
    for (const attr of [tee.TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT, 0x101]) {
      assert.equal(box.run(invoke(ctx, session, [param({ attr })])).rc, -EINVAL);
    }
    assert.equal(box.world.commands.length, before);
    assert.equal(box.optee.argCache.slots.used, 0);
  });

  it('is COMMUNICATION when the message is not taken', () => {
    const { box, ctx, session } = make();
    box.world.refuseWith = smc.OPTEE_SMC_RETURN_UNKNOWN_FUNCTION;
    const answer = box.run(invoke(ctx, session));
    assert.deepEqual([answer.rc, answer.ret, answer.origin], [0, TEEC_ERROR_COMMUNICATION, 2]);
  });

  it('is COMMUNICATION when the parameters that come back make no sense', () => {
    const { box, ctx, session } = make();
    box.world.handle = function* (message) {
      message.setParam(0, { attr: 8 });
      message.answer(0);
    };
    const value = param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT });
    const answer = box.run(invoke(ctx, session, [value]));
    assert.deepEqual([answer.rc, answer.ret, answer.origin], [0, TEEC_ERROR_COMMUNICATION, 2]);
  });

  it('sees what the secure world changed of the message: inputs too before 6.18', () => {
    const results = [make(), make({ core: CORE_6_1, switches: LINUX_6_1 })].map(
      ({ box, ctx, session }) => {
        box.world.handle = function* (message) {
          message.setParam(0, { a: 9n });
          message.answer(0);
        };
        const value = param({ attr: tee.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, a: 1 });
        box.run(invoke(ctx, session, [value]));
        return value.aLo;
      },
    );
    assert.deepEqual(results, [1, 9]);
  });

  it('reads the result from shared memory: one flipped byte changes it', () => {
    const { box, ctx, session } = make();
    box.world.handle = function* (message) {
      message.answer(0);
      box.kernel.port.u8[message.at + 20]! ^= 0x06;
    };
    assert.equal(box.run(invoke(ctx, session)).ret, 6);
  });

  it('is -ENOMEM when there is no page for messages', () => {
    const gate = makeGate({
      setUp: (world) => {
        world.threads = 20;
      },
    });
    for (let n = 0; n < 10; n++) gate.call(n);
    while (gate.box.kernel.pages.alloc(0) !== undefined);
    assert.equal(gate.call(10).result?.rc, -ENOMEM);
    for (let n = 0; n < 10; n++) gate.release(n);
  });
});

describe('CLOSE_SESSION and CANCEL', () => {
  it('succeed whatever the secure world says', () => {
    const { box, ctx, session } = make();
    box.world.handle = function* (message) {
      message.answer(0xffff0000);
    };
    const { cancelReq, closeSession } = ctx.ops;
    assert.equal(box.run(cancelReq!(ctx, 3, session)), 0);
    assert.equal(box.world.commands.at(-1), msg.OPTEE_MSG_CMD_CANCEL);
    assert.equal(box.run(closeSession!(ctx, session)), 0);
    assert.equal(box.run(closeSession!(ctx, session)), -EINVAL);
  });

  it('pass ids on', () => {
    const { box, ctx, session } = make();
    const seen: number[] = [];
    box.world.handle = function* (message) {
      seen.push(message.session, message.cancelId);
      message.answer(0);
    };
    box.run(ctx.ops.cancelReq!(ctx, 0xfedcba98, session));
    assert.deepEqual(seen, [session, 0xfedcba98]);
  });

  it('take the session away before the secure world is told: calls meanwhile fail', () => {
    const gate = makeGate();
    const { box, ctx, session } = gate;
    box.world.handle = function* (message) {
      yield* box.world.rpc(4, [{ attr: 1, a: 0n, b: BigInt(HELD) }]);
      message.answer(0);
    };
    const closing = box.spawn('closer', ctx.ops.closeSession!(ctx, session));
    box.settle();
    assert.equal(box.run(invoke(ctx, session)).rc, -EINVAL);
    gate.release(0);
    assert.equal(closing.result, 0);
  });
});

describe('a context that goes', () => {
  it('closes its sessions, the newest first', () => {
    const { box, ctx, session } = make();
    const second = box.run(open(ctx)).session;
    const closed: number[] = [];
    box.world.handle = function* (message) {
      closed.push(message.session);
      yield* box.world.succeed(message);
    };
    box.run(teedevCloseContext(ctx));
    assert.deepEqual(closed, [second, session]);
    assert.equal(box.world.sessions.size, 0);
  });

  it('lives on while its memory does', () => {
    const { box, ctx } = make();
    const shm = box.run(teeShmAllocKernelBuf(ctx, 1)) as TeeShm;
    box.run(teedevCloseContext(ctx));
    assert.equal(box.world.sessions.size, 1);
    box.run(shm.put());
    assert.equal(box.world.sessions.size, 0);
  });

  it('is kept for good, with its sessions, by a page of messages that it was the first to need', () => {
    for (const [switches, left] of [
      [{}, 1],
      [FIXED, 0],
    ] as const) {
      const setUp = (world: FakeOptee): void => {
        world.threads = 20;
      };
      const gate = makeGate({ switches, setUp });
      const { box } = gate;
      const others = box.world.sessions.size;
      for (let n = 0; n < 10; n++) gate.call(n);
      const ctx = box.run(openClient(box.optee));
      box.run(open(ctx));
      assert.equal(box.optee.argCache.slots.total, 20);
      box.run(teedevCloseContext(ctx));
      assert.equal(box.world.sessions.size - others, left);
      for (let n = 0; n < 10; n++) gate.release(n);
    }
  });
});
