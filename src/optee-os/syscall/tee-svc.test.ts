import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OPTEE_RPC_CMD_SUSPEND } from '../../abi/optee-rpc.ts';
import { PTA_DEVICE_UUID } from '../../abi/pta.ts';
import { TA_FLAG_MULTI_SESSION, TA_FLAG_SINGLE_INSTANCE } from '../../abi/ta-head.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BUSY,
  TEE_ERROR_CANCEL,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_TARGET_DEAD,
  TEE_LOGIN_TRUSTED_APP,
  TEE_ORIGIN_TEE,
  TEE_ORIGIN_TRUSTED_APP,
  TEE_PROPSET_CURRENT_CLIENT,
  TEE_SUCCESS,
  TEE_TIMEOUT_INFINITE,
} from '../../abi/gp.ts';
import type { Co } from '../../sched/task.ts';
import type { PropertyOut } from '../../ta/runtime.ts';
import { NormalWorld } from '../testing/normal-world.ts';
import { testTa } from '../testing/test-ta.ts';
import type { TestCall, TestEntry } from '../testing/test-ta.ts';
import { UUID as A, inTa, taParams } from '../testing/fixtures.ts';

const B = 'bbbbbbbb-0000-0000-0000-000000000002';
const MULTI = TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION;

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
        const value = taParams(0x3, (slots) => (slots[0]!.a = 20));
        assert.equal(yield* tee.openTaSession(B, TEE_TIMEOUT_INFINITE, taParams(), out), 0);
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
        yield* tee.openTaSession(B, TEE_TIMEOUT_INFINITE, taParams(), out);
        const bad = TEE_ERROR_BAD_PARAMETERS;
        assert.equal(yield* tee.invokeTaCommand(77, 0, 0, taParams(), out), bad);
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
          yield* tee.openTaSession(B, TEE_TIMEOUT_INFINITE, taParams(), out);
          yield* tee.openTaSession(PTA_DEVICE_UUID, TEE_TIMEOUT_INFINITE, taParams(), out);
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
        yield* tee.openTaSession(B, TEE_TIMEOUT_INFINITE, taParams(), out);
        const result = yield* tee.invokeTaCommand(out.session, 0xffffffff, 0, taParams(), out);
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
      const bad = taParams(0x5, (slots) => (slots[0]!.size = 4));
      assert.equal(
        yield* tee.openTaSession(PTA_DEVICE_UUID, 0, bad, out),
        TEE_ERROR_BAD_PARAMETERS,
      );
      assert.equal(yield* tee.openTaSession(PTA_DEVICE_UUID, 0, taParams(0x5), out), TEE_SUCCESS);
      const { session } = out;
      assert.equal(yield* tee.invokeTaCommand(session, 0, 0, bad, out), TEE_ERROR_BAD_PARAMETERS);
      return yield* tee.invokeTaCommand(session, 0, 99, taParams(), out);
    });
    assert.equal(ret, TEE_ERROR_NOT_IMPLEMENTED);
  });

  it('nest only so deep', () => {
    const results: number[][] = [];
    const dive: TestEntry = function* ({ tee }) {
      const out = { session: 0, origin: 77 };
      const res = yield* tee.openTaSession(A, TEE_TIMEOUT_INFINITE, taParams(), out);
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
        const res = yield* tee.openTaSession(uuid, TEE_TIMEOUT_INFINITE, taParams(), out);
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

  it('panics the core when TAs open sessions in a circle', () => {
    assert.throws(() => circle(), /tee_ta_set_busy/);
  });

  it('turns such a circle into TEE_ERROR_BUSY without the quirk', () => {
    assert.deepEqual(circle({ switches: { quirkBusyOpenPanics: false } }), [
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
        const res = yield* tee.openTaSession(uuid, TEE_TIMEOUT_INFINITE, taParams(), out);
        sessions[mine] = out.session;
        return res;
      };
    const calls = (mine: 'a' | 'b'): TestEntry =>
      function* ({ tee }) {
        return yield* tee.invokeTaCommand(sessions[mine], 0xffffffff, 1, taParams(), { origin: 0 });
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
        yield* tee.openTaSession(B, TEE_TIMEOUT_INFINITE, taParams(), out);
        return yield* tee.invokeTaCommand(out.session, 0, 0, taParams(), out);
      },
      [{ uuid: B, commands: { 0: waits } }],
    );
    assert.equal(ret, TEE_ERROR_CANCEL);
    assert.ok(world.sched.nowNs() < 1e9);
  });
});
