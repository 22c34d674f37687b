import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OPTEE_RPC_CMD_GET_TIME, OPTEE_RPC_CMD_SUSPEND } from '../../abi/optee-rpc.ts';
import { PTA_DEVICE_UUID } from '../../abi/pta.ts';
import { TA_FLAG_MULTI_SESSION, TA_FLAG_SINGLE_INSTANCE } from '../../abi/ta-head.ts';
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BUSY,
  TEE_ERROR_CANCEL,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_OVERFLOW,
  TEE_ERROR_TARGET_DEAD,
  TEE_ERROR_TIME_NOT_SET,
  TEE_LOGIN_TRUSTED_APP,
  TEE_ORIGIN_TEE,
  TEE_ORIGIN_TRUSTED_APP,
  TEE_PROPSET_CURRENT_CLIENT,
  TEE_PROPSET_CURRENT_TA,
  TEE_PROPSET_TEE_IMPLEMENTATION,
  TEE_SUCCESS,
  TEE_TIMEOUT_INFINITE,
} from '../../abi/gp.ts';
import {
  UTEE_TIME_CAT_REE,
  UTEE_TIME_CAT_SYSTEM,
  UTEE_TIME_CAT_TA_PERSISTENT,
} from '../../abi/utee.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { TaParamSlot } from '../../ta/runtime.ts';
import type { PropertyOut, TaParams } from '../../ta/runtime.ts';
import { LAYOUT, NormalWorld } from '../testing/normal-world.ts';
import { REE_TIME } from '../testing/rpc-answers.ts';
import { success, testTa } from '../testing/test-ta.ts';
import type { TestCall, TestEntry, TestTa } from '../testing/test-ta.ts';

const A = 'aaaaaaaa-0000-0000-0000-000000000001';
const B = 'bbbbbbbb-0000-0000-0000-000000000002';
const MULTI = TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION;

const params = (types = 0, fill: (slots: TaParamSlot[]) => void = () => {}): TaParams => {
  const slots = [1, 2, 3, 4].map(() => new TaParamSlot());
  fill(slots);
  return { types, slots };
};

/** Runs one command of a TA `A`, with other TAs beside it. */
function inTa(
  body: TestEntry,
  others: readonly TestTa[] = [],
  options: ConstructorParameters<typeof NormalWorld>[0] = {},
): { world: NormalWorld; ret: number; session: number } {
  const tas = [{ uuid: A, commands: { 0: body } }, ...others].map(testTa);
  const world = new NormalWorld({ ...options, tas });
  const { session } = world.run(world.open(A));
  const { ret } = world.run(world.invoke(session, 0));
  return { world, ret, session };
}

describe('sessions with other TAs', () => {
  it('open, invoke and close, with the TA as the client', () => {
    const identities: unknown[] = [];
    const identify = function* ({ tee }: TestCall): Co<number> {
      const out: PropertyOut = { name: '', type: 0, value: '' };
      tee.getProperty(TEE_PROPSET_CURRENT_CLIENT, 0, out);
      identities.push(out.value);
      return TEE_SUCCESS;
    };
    const { world, ret } = inTa(
      function* ({ tee }) {
        const out = { session: 0, origin: 0 };
        const value = params(0x3, (slots) => (slots[0]!.a = 20));
        assert.equal(yield* tee.openTaSession(B, TEE_TIMEOUT_INFINITE, params(), out), 0);
        assert.deepEqual(out, { session: 1, origin: TEE_ORIGIN_TRUSTED_APP });
        const invoked = { origin: 0 };
        const { session } = out;
        assert.equal(
          yield* tee.invokeTaCommand(session, TEE_TIMEOUT_INFINITE, 5, value, invoked),
          0,
        );
        assert.equal(value.slots[0]!.a, 21);
        return yield* tee.closeTaSession(session);
      },
      [
        {
          uuid: B,
          open: identify,
          commands: {
            *5({ params: given }) {
              given!.slots[0]!.a += 1;
              return TEE_SUCCESS;
            },
          },
        },
      ],
    );
    assert.equal(ret, TEE_SUCCESS);
    assert.deepEqual(identities, [`${TEE_LOGIN_TRUSTED_APP}:${A}`]);
    assert.equal(world.os.usage().contexts, 1);
  });

  it('are out of reach for the normal world and for unknown ids', () => {
    const { world } = inTa(
      function* ({ tee }) {
        const out = { session: 0, origin: 0 };
        yield* tee.openTaSession(B, TEE_TIMEOUT_INFINITE, params(), out);
        const bad = TEE_ERROR_BAD_PARAMETERS;
        assert.equal(yield* tee.invokeTaCommand(77, 0, 0, params(), out), bad);
        assert.equal(yield* tee.closeTaSession(77), TEE_ERROR_ITEM_NOT_FOUND);
        return TEE_SUCCESS;
      },
      [{ uuid: B }],
    );
    // Its id is 1 in the list of A; the normal world's 1 is A's own session.
    assert.equal(world.os.usage().sessions, 1);
    assert.equal(world.run(world.close(2)).ret, TEE_ERROR_ITEM_NOT_FOUND);
  });

  it('close with the TA that opened them, and after its panic', () => {
    for (const panics of [false, true]) {
      const { world, session } = inTa(
        function* ({ tee }) {
          const out = { session: 0, origin: 0 };
          yield* tee.openTaSession(B, TEE_TIMEOUT_INFINITE, params(), out);
          yield* tee.openTaSession(PTA_DEVICE_UUID, TEE_TIMEOUT_INFINITE, params(), out);
          return panics ? tee.panic(1) : TEE_SUCCESS;
        },
        [{ uuid: B }],
      );
      assert.equal(world.run(world.close(session)).ret, TEE_SUCCESS);
      const { sessions, taRamBytes, contexts } = world.os.usage();
      // The pseudo TA stays loaded.
      assert.deepEqual([sessions, taRamBytes, contexts], [0, 0, 1], `panics: ${panics}`);
    }
  });

  it('of a TA that panicked answer TARGET_DEAD', () => {
    const { ret } = inTa(
      function* ({ tee }) {
        const out = { session: 0, origin: 0 };
        yield* tee.openTaSession(B, TEE_TIMEOUT_INFINITE, params(), out);
        const result = yield* tee.invokeTaCommand(out.session, 0xffffffff, 0, params(), out);
        assert.equal(out.origin, TEE_ORIGIN_TEE);
        return result;
      },
      [
        {
          uuid: B,
          commands: {
            *0({ tee }) {
              return tee.panic(9);
            },
          },
        },
      ],
    );
    assert.equal(ret, TEE_ERROR_TARGET_DEAD);
  });

  it('refuse a NULL reference with bytes', () => {
    const { ret } = inTa(function* ({ tee }) {
      const out = { session: 0, origin: 0 };
      const bad = params(0x5, (slots) => (slots[0]!.size = 4));
      const { OK } = { OK: params(0x5) };
      assert.equal(
        yield* tee.openTaSession(PTA_DEVICE_UUID, 0, bad, out),
        TEE_ERROR_BAD_PARAMETERS,
      );
      assert.equal(yield* tee.openTaSession(PTA_DEVICE_UUID, 0, OK, out), TEE_SUCCESS);
      const { session } = out;
      assert.equal(yield* tee.invokeTaCommand(session, 0, 0, bad, out), TEE_ERROR_BAD_PARAMETERS);
      return yield* tee.invokeTaCommand(session, 0, 99, params(), out);
    });
    assert.equal(ret, TEE_ERROR_NOT_IMPLEMENTED);
  });

  it('nest only so deep', () => {
    const results: number[][] = [];
    const dive: TestEntry = function* ({ tee }) {
      const out = { session: 0, origin: 77 };
      const res = yield* tee.openTaSession(A, TEE_TIMEOUT_INFINITE, params(), out);
      results.push([res, out.origin]);
      return res;
    };
    const world = new NormalWorld({ tas: [testTa({ uuid: A, open: dive })] });
    assert.equal(world.run(world.open(A)).ret, TEE_ERROR_OUT_OF_MEMORY);
    // The fifth was not entered, so that nobody has set an origin.
    assert.deepEqual(results[0], [TEE_ERROR_OUT_OF_MEMORY, 0]);
    assert.equal(results.length, 4);
    const causes = world.causes().filter(({ limit }) => limit !== undefined);
    assert.equal(causes[0]?.limit, 'CFG_CORE_MAX_SYSCALL_RECURSION=4');
    assert.equal(world.os.usage().contexts, 0);
    assert.equal(world.os.usage().heapBytes, 0);
  });
});

describe('the single-instance lock', () => {
  /** A opens B, and B opens A again. */
  const circle = (options: ConstructorParameters<typeof NormalWorld>[0] = {}): number[] => {
    const results: number[] = [];
    const open = (uuid: string): TestEntry =>
      function* ({ tee }) {
        const out = { session: 0, origin: 0 };
        const res = yield* tee.openTaSession(uuid, TEE_TIMEOUT_INFINITE, params(), out);
        results.push(res, out.origin);
        return res;
      };
    const tas = [
      testTa({ uuid: A, flags: MULTI, commands: { 0: open(B) } }),
      testTa({ uuid: B, flags: MULTI, open: open(A) }),
    ];
    const world = new NormalWorld({ ...options, tas });
    const { session } = world.run(world.open(A));
    world.run(world.invoke(session, 0));
    assert.equal(world.os.guest.manager.mutex.waiters, 0);
    return results;
  };

  it('turns a circle of TAs into TEE_ERROR_BUSY', () => {
    assert.deepEqual(circle(), [
      TEE_ERROR_BUSY,
      TEE_ORIGIN_TEE,
      TEE_ERROR_BUSY,
      TEE_ORIGIN_TRUSTED_APP,
    ]);
  });

  it('panics the core when a call comes back to a TA that waits for it', () => {
    // Each has a session with the other, opened while the other was idle.
    const sessions = { a: 0, b: 0 };
    const opens = (uuid: string, mine: 'a' | 'b'): TestEntry =>
      function* ({ tee }) {
        const out = { session: 0, origin: 0 };
        const res = yield* tee.openTaSession(uuid, TEE_TIMEOUT_INFINITE, params(), out);
        sessions[mine] = out.session;
        return res;
      };
    const calls = (mine: 'a' | 'b'): TestEntry =>
      function* ({ tee }) {
        return yield* tee.invokeTaCommand(sessions[mine], 0xffffffff, 1, params(), { origin: 0 });
      };
    const tas = [
      testTa({ uuid: A, flags: MULTI, commands: { 0: opens(B, 'a'), 1: calls('a') } }),
      testTa({ uuid: B, flags: MULTI, commands: { 0: opens(A, 'b'), 1: calls('b') } }),
    ];
    const world = new NormalWorld({ tas });
    const a = world.run(world.open(A)).session;
    const b = world.run(world.open(B)).session;
    assert.equal(world.run(world.invoke(a, 0)).ret, TEE_SUCCESS);
    assert.equal(world.run(world.invoke(b, 0)).ret, TEE_SUCCESS);
    assert.throws(() => world.run(world.invoke(a, 1)), /tee_ta_set_busy/);
    assert.equal(world.sched.halted?.kind, 'core panic');
    assert.match(world.log().at(-1)!, /^E\/TC:\? 0 Panic 'TA .*' at \?:0 <tee_ta_set_busy>$/);
  });
});

describe('cancellation', () => {
  it('ends TEE_Wait once unmasked, and is forgotten after the call', () => {
    const slices: number[] = [];
    const tas = [
      testTa({
        uuid: A,
        commands: {
          *0({ tee }) {
            const out = { masked: false };
            tee.unmaskCancellation(out);
            assert.equal(out.masked, true);
            return yield* tee.wait(60_000);
          },
          *1({ tee }) {
            const flag = { cancel: true };
            tee.unmaskCancellation({ masked: false });
            tee.getCancellationFlag(flag);
            return flag.cancel ? 1 : TEE_SUCCESS;
          },
        },
      }),
    ];
    const world = new NormalWorld({ tas });
    world.answers.set(OPTEE_RPC_CMD_SUSPEND, function* (rpc) {
      slices.push(rpc.value(0).a);
      yield* world.sched.sleep(5e6, 'interruptible');
      return TEE_SUCCESS;
    });
    const { session } = world.run(world.open(A));
    const invoke = world.spawn('invoke', world.invoke(session, 0));
    const cancel = world.spawn('cancel', world.cancel(session));
    world.settle();
    assert.equal(cancel.result?.value.ret, TEE_SUCCESS);
    assert.equal(invoke.result?.value.ret, TEE_ERROR_CANCEL);
    assert.deepEqual(slices, [60_000]);
    assert.equal(world.run(world.invoke(session, 1)).ret, TEE_SUCCESS);
  });

  it('is not seen while masked', () => {
    const { ret } = inTa(function* ({ tee }) {
      const flag = { cancel: true };
      const masked = { masked: false };
      tee.getCancellationFlag(flag);
      assert.equal(flag.cancel, false);
      tee.unmaskCancellation(masked);
      tee.maskCancellation(masked);
      assert.equal(masked.masked, false);
      return TEE_SUCCESS;
    });
    assert.equal(ret, TEE_SUCCESS);
  });

  it('comes by itself when the time that the caller gave is over', () => {
    const waits: TestEntry = function* ({ tee }) {
      tee.unmaskCancellation({ masked: false });
      return yield* tee.wait(10_000);
    };
    const { world, ret } = inTa(
      function* ({ tee }) {
        const out = { session: 0, origin: 0 };
        yield* tee.openTaSession(B, TEE_TIMEOUT_INFINITE, params(), out);
        return yield* tee.invokeTaCommand(out.session, 0, 0, params(), out);
      },
      [{ uuid: B, commands: { 0: waits } }],
    );
    assert.equal(ret, TEE_ERROR_CANCEL);
    assert.ok(world.sched.nowNs() < 1e9);
  });
});

describe('TEE_Wait', () => {
  it('asks again for what is left when the normal world comes back early', () => {
    const slices: number[] = [];
    const ta = testTa({
      uuid: A,
      commands: {
        *0({ tee }) {
          return yield* tee.wait(30);
        },
      },
    });
    const world = new NormalWorld({ tas: [ta] });
    world.answers.set(OPTEE_RPC_CMD_SUSPEND, function* (rpc) {
      slices.push(rpc.value(0).a);
      yield* world.sched.sleep(10e6, 'interruptible');
      return TEE_SUCCESS;
    });
    const { session } = world.run(world.open(A));
    assert.equal(world.run(world.invoke(session, 0)).ret, TEE_SUCCESS);
    assert.deepEqual(slices, [30, 20, 10]);
  });
});

describe('time', () => {
  it('of the system comes from the counter, of the normal world by RPC', () => {
    const times: number[][] = [];
    const { world, ret } = inTa(function* ({ tee }) {
      const out = { seconds: 0, millis: 0 };
      for (const category of [UTEE_TIME_CAT_SYSTEM, UTEE_TIME_CAT_REE]) {
        assert.equal(yield* tee.getTime(category, out), TEE_SUCCESS);
        times.push([out.seconds, out.millis]);
      }
      return yield* tee.getTime(3, out);
    });
    assert.equal(ret, TEE_ERROR_BAD_PARAMETERS);
    assert.deepEqual(times, [
      [0, 0],
      [REE_TIME.seconds, 123],
    ]);
    assert.deepEqual(world.rpcs, [OPTEE_RPC_CMD_GET_TIME]);
  });

  it('of the TA is what it was set to, running on', () => {
    const seen: unknown[] = [];
    const { ret } = inTa(function* ({ tee }) {
      const out = { seconds: 0, millis: 0 };
      const get = function* (): Co<void> {
        const res = yield* tee.getTime(UTEE_TIME_CAT_TA_PERSISTENT, out);
        seen.push([res, out.seconds, out.millis]);
      };
      yield* get();
      assert.equal(tee.setTaTime({ seconds: 1, millis: 1000 }), TEE_ERROR_BAD_PARAMETERS);
      assert.equal(tee.setTaTime({ seconds: 500, millis: 250 }), TEE_SUCCESS);
      yield* get();
      yield* tee.wait(1500);
      yield* get();
      assert.equal(tee.setTaTime({ seconds: 0, millis: 0 }), TEE_SUCCESS);
      yield* get();
      assert.equal(tee.setTaTime({ seconds: 0xffffffff, millis: 999 }), TEE_SUCCESS);
      yield* tee.wait(5);
      yield* get();
      return TEE_SUCCESS;
    });
    assert.equal(ret, TEE_SUCCESS);
    assert.deepEqual(seen, [
      [TEE_ERROR_TIME_NOT_SET, 0, 0],
      [TEE_SUCCESS, 500, 250],
      [TEE_SUCCESS, 501, 750],
      [TEE_SUCCESS, 0, 0],
      [TEE_ERROR_OVERFLOW, 0, 4],
    ]);
  });
});

describe('properties', () => {
  it('are found by set and index, and by name', () => {
    const values: Record<string, unknown> = {};
    const { ret } = inTa(function* ({ tee }) {
      const sets = [
        TEE_PROPSET_TEE_IMPLEMENTATION,
        TEE_PROPSET_CURRENT_CLIENT,
        TEE_PROPSET_CURRENT_TA,
      ];
      for (const set of sets) {
        const out: PropertyOut = { name: '', type: 0, value: '' };
        for (let i = 0; tee.getProperty(set, i, out) === TEE_SUCCESS; i++) {
          values[out.name] = out.value;
          const at = { index: -1 };
          assert.equal(tee.getPropertyNameToIndex(set, out.name, at), TEE_SUCCESS);
          assert.equal(at.index, i);
        }
      }
      assert.equal(
        tee.getProperty(1, 0, { name: '', type: 0, value: '' }),
        TEE_ERROR_ITEM_NOT_FOUND,
      );
      return tee.getPropertyNameToIndex(sets[0]!, 'gpd.tee.none', { index: 0 });
    });
    assert.equal(ret, TEE_ERROR_ITEM_NOT_FOUND);
    assert.match(
      String(values['gpd.tee.deviceID']),
      /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab]/,
    );
    delete values['gpd.tee.deviceID'];
    assert.deepEqual(values, {
      'gpd.tee.apiversion': 'GPD-1.1-dev',
      'gpd.tee.description': 'OPTEE',
      'gpd.tee.systemTime.protectionLevel': 1000,
      'gpd.tee.TAPersistentTime.protectionLevel': 100,
      'gpd.tee.cryptography.ecc': true,
      'gpd.tee.trustedStorage.antiRollback.protectionLevel': 100,
      'gpd.tee.trustedos.implementation.version': '4.10.0',
      'gpd.tee.trustedos.implementation.binaryversion': 0,
      'gpd.tee.trustedos.manufacturer': 'LINARO',
      'gpd.tee.firmware.implementation.version': 'FW_IMPL_UNDEF',
      'gpd.tee.firmware.implementation.binaryversion': 0,
      'gpd.tee.firmware.manufacturer': 'FW_MAN_UNDEF',
      'gpd.client.identity': '0:00000000-0000-0000-0000-000000000000',
      'gpd.client.endian': 0,
      'gpd.ta.appID': A,
    });
  });
});

describe('memory', () => {
  it('is zeroed, counted, and gone with the TA', () => {
    const { world, session } = inTa(function* ({ tee, environment }) {
      const pages = tee.allocatePages(3)!;
      assert.equal(pages.length, 3);
      const bytes = environment.port.bytes(pages[0]!, PAGE_SIZE, 'write');
      bytes.fill(0xaa);
      tee.freePages(pages);
      const again = tee.allocatePages(2)!;
      assert.deepEqual([again[0], bytes[0]], [pages[0], 0]);
      assert.deepEqual(tee.allocatePages(0), []);
      assert.equal(tee.allocatePages(LAYOUT.taRam.size / PAGE_SIZE), undefined);
      return TEE_SUCCESS;
    });
    assert.equal(world.os.usage().taRamBytes, 3 * PAGE_SIZE);
    assert.equal(world.lastCause?.object, 'TA RAM');
    world.run(world.close(session));
    assert.equal(world.os.usage().taRamBytes, 0);
  });

  it('that was not given cannot be given back', () => {
    const world = new NormalWorld({
      tas: [
        testTa({
          uuid: A,
          *open({ tee }) {
            const pages = tee.allocatePages(2)!;
            tee.freePages(pages.slice(1));
            return TEE_SUCCESS;
          },
        }),
      ],
    });
    assert.throws(() => world.run(world.open(A)), /was not given in one piece/);
  });
});

describe('log', () => {
  it('is printed as the TA wrote it, unless the core is silent', () => {
    const say: TestEntry = function* ({ tee }) {
      tee.log('I/TA:  hello\n');
      return TEE_SUCCESS;
    };
    const loud = inTa(say);
    assert.equal(loud.world.log().at(-1), 'I/TA:  hello');
    for (const config of [{ CFG_TEE_CORE_LOG_LEVEL: 0 }, { CFG_TEE_CORE_TA_TRACE: false }]) {
      const { world } = inTa(say, [], { config });
      assert.ok(!world.log().includes('I/TA:  hello'));
    }
  });

  it('of the core has levels', () => {
    const quiet = new NormalWorld({ config: { CFG_TEE_CORE_LOG_LEVEL: 1 } });
    assert.deepEqual(quiet.log(), []);
    const chatty = new NormalWorld({
      tas: [testTa({ uuid: A, commands: { 0: success } })],
      config: { CFG_TEE_CORE_LOG_LEVEL: 3, CFG_NUM_THREADS: 12 },
    });
    chatty.run(chatty.open(A));
    assert.ok(
      chatty.log().includes(`D/TC:? 00 ldelf_syscall_open_bin Lookup user TA ELF ${A} (early TA)`),
    );
    const { ret } = chatty.run(chatty.invoke(9, 0));
    assert.equal(ret, TEE_ERROR_BAD_PARAMETERS);
    assert.notEqual(ret, TEE_ERROR_ACCESS_DENIED);
  });
});
