import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBUSY } from '../../../abi/errno.ts';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_COMMUNICATION,
  TEEC_ERROR_OUT_OF_MEMORY,
  TEEC_SUCCESS,
  TEE_ERROR_TIMEOUT,
} from '../../../abi/gp.ts';
import * as rpc from '../../../abi/optee-rpc.ts';
import * as smc from '../../../abi/optee-smc.ts';
import { LINUX_6_1 as CORE_6_1 } from '../testing/profiles.ts';
import type { TeeContext } from '../tee-context.ts';
import { teedevCloseContext, teedevOpen } from '../tee-context.ts';
import { teeShmAllocUserBuf } from '../tee-shm-alloc.ts';
import type { TeeShm } from '../tee-shm.ts';
import { REALTIME_NS, makeBox, openClient, openSupplicant } from './testing/box.ts';
import type { BoxOptions, OpteeBox, Running } from './testing/box.ts';
import { invoke, open, recv, send, serve } from './testing/clients.ts';
import type { Answer, Received } from './testing/clients.ts';
import type { RawParam } from './testing/fake-message.ts';
import type { SecureCo } from './testing/fake-optee.ts';
import { FIXED, LINUX_6_1 } from './testing/profiles.ts';

const VALUE_IN = 1;
const VALUE_OUT = 2;
const TMEM_OUT_NONCONTIG = 0x20a;
const { APPL, KERNEL } = {
  APPL: BigInt(rpc.OPTEE_RPC_SHM_TYPE_APPL),
  KERNEL: BigInt(rpc.OPTEE_RPC_SHM_TYPE_KERNEL),
};
const OLD: BoxOptions = { core: CORE_6_1, switches: LINUX_6_1 };

interface Rig {
  readonly box: OpteeBox;
  readonly ctx: TeeContext;
  /** A call in which the secure world does this. */
  call(script: () => SecureCo): Running<Answer>;
}

function make(options: BoxOptions = {}): Rig {
  const box = makeBox(options);
  const ctx = box.run(openClient(box.optee));
  const { session } = box.run(open(ctx));
  const call = (script: () => SecureCo): Running<Answer> => {
    box.world.handle = function* (message) {
      if (message.func === 5) yield* script();
      yield* box.world.succeed(message);
    };
    const running = box.spawn('caller', invoke(ctx, session));
    box.settle();
    return running;
  };
  return { box, ctx, call };
}

/** The answer to one RPC command; undefined while it has none. */
function ask(
  { box, call }: Rig,
  cmd: number,
  params: readonly Partial<RawParam>[],
): {
  readonly ret: number | undefined;
  readonly params: readonly RawParam[];
  caller: Running<Answer>;
} {
  let answered: { ret: number; params: readonly RawParam[] } | undefined;
  const caller = call(function* () {
    const message = yield* box.world.rpc(cmd, params);
    answered = { ret: message.ret, params: message.params };
  });
  return {
    caller,
    get ret() {
      return answered?.ret;
    },
    get params() {
      return answered?.params ?? [];
    },
  };
}

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

  it('give one address before 6.9', () => {
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

  it('fail before 6.9 with memory from SHM_ALLOC, which keeps no list of its pages', () => {
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

  it('do not ask the next supplicant to free what the last one had', () => {
    const rig = make({ switches: FIXED });
    const { box } = rig;
    const { ctx, shm } = supplicantWith(box, 4096);
    const given = ask(rig, rpc.OPTEE_RPC_CMD_SHM_ALLOC, alloc(4096));
    box.run(
      (function* () {
        yield* shm.put();
        yield* teedevCloseContext(ctx);
      })(),
    );
    const next = box.run(openSupplicant(box.optee));
    const free = [{ attr: VALUE_IN, a: APPL, b: given.params[0]!.c }];
    assert.equal(ask(rig, rpc.OPTEE_RPC_CMD_SHM_FREE, free).ret, TEEC_SUCCESS);
    assert.deepEqual(box.optee.supp.outstanding, []);
    void next;
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
