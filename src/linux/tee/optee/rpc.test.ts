import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL } from '../../../abi/errno.ts';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_COMMUNICATION,
  TEEC_SUCCESS,
  TEE_ERROR_TIMEOUT,
} from '../../../abi/gp.ts';
import * as rpc from '../../../abi/optee-rpc.ts';
import * as smc from '../../../abi/optee-smc.ts';
import { endOf } from '../../../sched/task.ts';
import { LINUX_6_1 as CORE_6_1 } from '../testing/profiles.ts';
import { teeShmAllocPrivBuf } from '../tee-shm-alloc.ts';
import type { TeeShm } from '../tee-shm.ts';
import { REALTIME_NS, openSupplicant } from './testing/box.ts';
import type { BoxOptions, Running } from './testing/box.ts';
import { recv, send } from './testing/clients.ts';
import type { Answer } from './testing/clients.ts';
import type { RawParam } from './testing/fake-message.ts';
import { LINUX_6_1 } from './testing/profiles.ts';
import { ask, makeRig as make } from './testing/rpc-rig.ts';

const VALUE_IN = 1;
const VALUE_OUT = 2;
const OLD: BoxOptions = { core: CORE_6_1, switches: LINUX_6_1 };

for (const [name, options] of Object.entries({
  'behind the message': {},
  'in memory of their own': {
    setUp: (world) => world.offer(smc.OPTEE_SMC_SEC_CAP_DYNAMIC_SHM),
  },
} satisfies Record<string, BoxOptions>)) {
  describe(`RPC messages ${name}`, () => {
    it('are answered in place', () => {
      const rig = make(options);
      const answer = ask(rig, rpc.OPTEE_RPC_CMD_GET_TIME, [{ attr: VALUE_OUT }]);
      assert.equal(answer.ret, TEEC_SUCCESS);
      assert.deepEqual(
        [answer.params[0]!.a, answer.params[0]!.b],
        [REALTIME_NS / 1_000_000_000n, REALTIME_NS % 1_000_000_000n],
      );
      assert.equal(answer.caller.result?.ret, 0);
    });

    it('are refused when they end outside their memory', () => {
      const rig = make(options);
      let ret: number | undefined;
      rig.call(function* () {
        const message = yield* rig.box.world.rpc(rpc.OPTEE_RPC_CMD_GET_TIME, [], 1000);
        ret = message.ret;
      });
      assert.equal(ret, TEEC_ERROR_BAD_PARAMETERS);
      assert.match(rig.box.kernel.trace.lastCause!.text, /ends outside its memory/);
    });
  });
}

describe('GET_TIME', () => {
  it('has one output', () => {
    const rig = make();
    for (const params of [[], [{ attr: VALUE_IN }], [{ attr: VALUE_OUT }, { attr: 0 }]]) {
      const answer = ask(rig, rpc.OPTEE_RPC_CMD_GET_TIME, params);
      assert.equal(answer.ret, TEEC_ERROR_BAD_PARAMETERS);
    }
  });
});

describe('NOTIFICATION', () => {
  const wait = (key: number, timeout = 0): Partial<RawParam>[] => [
    { attr: VALUE_IN, a: 0n, b: BigInt(key), c: BigInt(timeout) },
  ];

  it('waits, and is sent', () => {
    const rig = make();
    const answer = ask(rig, rpc.OPTEE_RPC_CMD_NOTIFICATION, wait(7));
    assert.equal(answer.caller.site, 'optee_notif_wait');
    rig.box.optee.notif.send(7);
    rig.box.settle();
    assert.equal(answer.ret, TEEC_SUCCESS);
    const sent = ask(rig, rpc.OPTEE_RPC_CMD_NOTIFICATION, [{ attr: VALUE_IN, a: 1n, b: 9n }]);
    assert.equal(sent.ret, TEEC_SUCCESS);
    assert.equal(ask(rig, rpc.OPTEE_RPC_CMD_NOTIFICATION, wait(9)).ret, TEEC_SUCCESS);
  });

  it('times out', () => {
    const rig = make();
    assert.equal(ask(rig, rpc.OPTEE_RPC_CMD_NOTIFICATION, wait(7, 100)).ret, TEE_ERROR_TIMEOUT);
    const old = make(OLD);
    const answer = ask(old, rpc.OPTEE_RPC_CMD_NOTIFICATION, wait(7, 100));
    assert.equal(answer.caller.site, 'optee_notif_wait');
  });

  it('refuses what it does not know', () => {
    const rig = make();
    const bad: readonly (readonly Partial<RawParam>[])[] = [
      [],
      [{ attr: VALUE_OUT }],
      [{ attr: VALUE_IN, a: 2n }],
      [{ attr: VALUE_IN, a: 1n << 32n }],
      wait(300),
      [{ attr: VALUE_IN, a: 1n, b: 300n }],
    ];
    for (const params of bad) {
      const answer = ask(rig, rpc.OPTEE_RPC_CMD_NOTIFICATION, params);
      assert.equal(answer.ret, TEEC_ERROR_BAD_PARAMETERS);
    }
  });
});

describe('SUSPEND', () => {
  it('sleeps for a tick more than asked', () => {
    const rig = make();
    const before = rig.box.sched.nowNs();
    assert.equal(ask(rig, rpc.OPTEE_RPC_CMD_SUSPEND, [{ attr: VALUE_IN, a: 10n }]).ret, 0);
    assert.equal(Math.round((rig.box.sched.nowNs() - before) / 1e6), 16, '10 ms are 3 ticks');
  });

  it('ends early, as if nothing had been, when a signal comes', () => {
    const rig = make();
    // Negative as an int: for ever.
    const answer = ask(rig, rpc.OPTEE_RPC_CMD_SUSPEND, [{ attr: VALUE_IN, a: 0xffff_ffffn }]);
    assert.equal(answer.caller.site, 'msleep_interruptible');
    answer.caller.signal();
    rig.box.settle();
    assert.equal(answer.ret, TEEC_SUCCESS);
  });

  it('has one input', () => {
    const rig = make();
    const answer = ask(rig, rpc.OPTEE_RPC_CMD_SUSPEND, [{ attr: VALUE_OUT }]);
    assert.equal(answer.ret, TEEC_ERROR_BAD_PARAMETERS);
  });
});

describe('I2C_TRANSFER', () => {
  it('finds no adapter', () => {
    const rig = make();
    const answer = ask(rig, rpc.OPTEE_RPC_CMD_I2C_TRANSFER, []);
    assert.equal(answer.ret, TEEC_ERROR_BAD_PARAMETERS);
  });
});

describe('commands that the kernel does not know', () => {
  it('are the supplicant’s', () => {
    const rig = make();
    const { box } = rig;
    const supplicant = box.run(openSupplicant(box.optee));
    const answer = ask(rig, 1000, [{ attr: 3, a: 1n, b: 2n, c: 3n }]);
    assert.equal(answer.caller.site, 'optee_supp_thrd_req');
    const request = box.run(recv(supplicant));
    assert.deepEqual([request.func, request.count], [1000, 2]);
    request.params[1]!.aLo = 99;
    box.run(send(supplicant, request, 0x77));
    assert.equal(answer.ret, 0x77);
    assert.deepEqual(answer.params, [{ attr: 3, a: 99n, b: 2n, c: 3n }]);
  });

  it('fail for kernel clients without one', () => {
    const rig = make();
    rig.ctx.suppNowait = true;
    assert.equal(ask(rig, 1000, []).ret, TEEC_ERROR_COMMUNICATION);
  });

  it('are refused with parameters of no known type', () => {
    const rig = make();
    assert.equal(ask(rig, 1000, [{ attr: 4 }]).ret, TEEC_ERROR_BAD_PARAMETERS);
  });

  it('end with COMMUNICATION when the client is killed, and its call ends as the TEE wants', () => {
    const rig = make();
    rig.box.run(openSupplicant(rig.box.optee));
    const answer = ask(rig, 1000, []);
    answer.caller.kill();
    rig.box.settle();
    assert.equal(answer.ret, TEEC_ERROR_COMMUNICATION);
    assert.equal(answer.caller.result?.ret, 0);
  });
});

describe('a message that does not lie in its memory', () => {
  it('is not sent', () => {
    for (const options of [{}, OLD]) {
      const { box } = make(options);
      const { ctx, ops } = box.optee;
      const shm = box.run(teeShmAllocPrivBuf(ctx, 4096)) as TeeShm;
      const before = box.world.calls.length;
      const last = { shm, offs: shm.size - 32, at: box.kernel.port.at(shm.paddr, 32, 'read') };
      assert.equal(box.run(endOf(ops.doCallWithArg(ctx, last, false))), -EINVAL);
      assert.equal(
        box.run(endOf(ops.doCallWithArg(ctx, { ...last, offs: shm.size }, false))),
        -EINVAL,
      );
      assert.equal(box.world.calls.length, before);
    }
  });
});

describe('RPCs by register', () => {
  it('allocate and free memory of the driver', () => {
    const rig = make();
    const { box } = rig;
    const before = box.kernel.pages.usedPages;
    rig.call(function* () {
      const given = yield [smc.OPTEE_SMC_RETURN_RPC_ALLOC, 5000];
      assert.equal(given[0], smc.OPTEE_SMC_CALL_RETURN_FROM_RPC);
      assert.equal(box.kernel.pages.usedPages, before + 2);
      const [hi, lo] = [given[4]!, given[5]!];
      assert.equal(hi, 0xffff0000);
      assert.equal(given[6], 0, 'what the secure world left there is not kept');
      yield [smc.OPTEE_SMC_RETURN_RPC_FREE, hi, lo];
      assert.equal(box.kernel.pages.usedPages, before);
      const none = yield [smc.OPTEE_SMC_RETURN_RPC_ALLOC, 0x7fff_ffff];
      assert.deepEqual([...none.subarray(1, 3), ...none.subarray(4, 6)], [0, 0, 0, 0]);
      yield [smc.OPTEE_SMC_RETURN_RPC_FREE, 0, 0];
    });
  });

  it('let others run when an interrupt wants the CPU', () => {
    const rig = make();
    const order: string[] = [];
    rig.box.spawn(
      'other',
      (function* () {
        order.push('other');
      })(),
    );
    const caller = rig.call(function* () {
      yield [smc.OPTEE_SMC_RETURN_RPC_FOREIGN_INTR];
      order.push('resumed');
    });
    assert.deepEqual(order, ['other', 'resumed']);
    assert.equal(caller.result?.ret, 0);
  });

  it('of no known function are logged, and resumed', () => {
    const rig = make();
    const caller = rig.call(function* () {
      yield [smc.OPTEE_SMC_RPC_VAL(1)];
    });
    assert.equal(caller.result?.ret, 0);
    assert.match(rig.box.kernel.dmesg.text, /optee: Unknown RPC func 0x1/);
  });

  it('with a wild cookie for the message oops', () => {
    const rig = make({ setUp: (world) => world.offer(smc.OPTEE_SMC_SEC_CAP_DYNAMIC_SHM) });
    const name = (lo: number): Running<Answer> =>
      rig.call(function* () {
        yield [smc.OPTEE_SMC_RETURN_RPC_CMD, 0, lo];
      });
    assert.throws(() => name(0), /paging request at virtual address 0000000000000000/);
  });
});

describe('traces', () => {
  it('tell of commands', () => {
    const rig = make();
    const { trace } = rig.box.kernel;
    trace.setLevel('worlds');
    ask(rig, rpc.OPTEE_RPC_CMD_GET_TIME, [{ attr: VALUE_OUT }]);
    const events = [...trace.events()].filter(({ name }) => name.startsWith('rpc.'));
    assert.deepEqual(
      events.map(({ name, args }) => [name, args]),
      [
        ['rpc.begin', { cmd: 3, thread: 0 }],
        ['rpc.end', { cmd: 3, thread: 0, ret: 0 }],
      ],
    );
  });
});
