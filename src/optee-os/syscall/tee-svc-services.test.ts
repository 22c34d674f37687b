import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OPTEE_RPC_CMD_GET_TIME, OPTEE_RPC_CMD_SUSPEND } from '../../abi/optee-rpc.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_OVERFLOW,
  TEE_ERROR_TIME_NOT_SET,
  TEE_PROPSET_CURRENT_CLIENT,
  TEE_PROPSET_CURRENT_TA,
  TEE_PROPSET_TEE_IMPLEMENTATION,
  TEE_SUCCESS,
  TEE_TYPE_AES,
} from '../../abi/gp.ts';
import {
  TEE_SCN_CRYP_RANDOM_NUMBER_GENERATE,
  UTEE_TIME_CAT_REE,
  UTEE_TIME_CAT_SYSTEM,
  UTEE_TIME_CAT_TA_PERSISTENT,
} from '../../abi/utee.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { PropertyOut } from '../../ta/runtime.ts';
import { LAYOUT, NormalWorld } from '../testing/normal-world.ts';
import { REE_TIME } from '../testing/rpc-answers.ts';
import { success, testTa } from '../testing/test-ta.ts';
import type { TestEntry } from '../testing/test-ta.ts';
import { UUID as A, inTa } from '../testing/fixtures.ts';

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

describe('random numbers', () => {
  it('go through one bounce buffer', () => {
    const { world, ret } = inTa(function* ({ tee }) {
      const page = new Uint8Array(4096);
      assert.equal(tee.rng(page), TEE_SUCCESS);
      assert.ok(page.some((octet) => octet !== 0));
      return tee.rng(new Uint8Array(4097));
    });
    assert.equal(ret, TEE_ERROR_OUT_OF_MEMORY);
    const { requested, limit } = world.trace.lastCause!;
    assert.deepEqual([requested, limit], [4097, 'BOUNCE_BUFFER_SIZE=4096']);
  });

  it('for keys are no system call', () => {
    const numbers: number[] = [];
    const { ret } = inTa(function* ({ tee, environment }) {
      const { trace } = environment.sched;
      trace.setLevel('all');
      const stop = trace.addSink((event) => {
        if (event.name === 'ta.syscall') numbers.push((event.args as { number: number }).number);
      });
      const out = { handle: 0 };
      assert.equal(tee.crypto.objAlloc(TEE_TYPE_AES, 128, out), TEE_SUCCESS);
      assert.equal(tee.crypto.generateKey(out.handle, 128, []), TEE_SUCCESS);
      assert.equal(tee.rng(new Uint8Array(1)), TEE_SUCCESS);
      stop();
      return TEE_SUCCESS;
    });
    assert.equal(ret, TEE_SUCCESS);
    assert.deepEqual(numbers, [TEE_SCN_CRYP_RANDOM_NUMBER_GENERATE]);
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
  });
});
