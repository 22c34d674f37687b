import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PTA_DEVICE_UUID } from '../../abi/pta.ts';
import {
  TA_FLAG_INSTANCE_KEEP_ALIVE,
  TA_FLAG_MULTI_SESSION,
  TA_FLAG_SINGLE_INSTANCE,
} from '../../abi/ta-head.ts';
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_FORMAT,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BUSY,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_LOGIN_REE_KERNEL,
  TEE_LOGIN_TRUSTED_APP,
  TEE_ORIGIN_TEE,
  TEE_ORIGIN_TRUSTED_APP,
  TEE_PROPSET_CURRENT_CLIENT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { NIL_UUID } from '../../abi/uuid.ts';
import type { PropertyOut } from '../../ta/runtime.ts';
import type { Co } from '../../sched/task.ts';
import { TaPanic } from '../../ta/runtime.ts';
import { LAYOUT } from '../testing/normal-world.ts';
import type { MsgResult } from '../testing/normal-world.ts';
import { UUID, WAIT, assertClean, outcome, worldWith } from '../testing/fixtures.ts';

const CLIENT = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee';

const SINGLE = TA_FLAG_SINGLE_INSTANCE;
const MULTI = SINGLE | TA_FLAG_MULTI_SESSION;
const KEEP_ALIVE = MULTI | TA_FLAG_INSTANCE_KEEP_ALIVE;

describe('opening', () => {
  it('counts session ids up from the last one, and never gives 0', () => {
    const { world } = worldWith({});
    const open = (): number => world.run(world.open(UUID)).session;
    assert.deepEqual([open(), open(), open()], [1, 2, 3]);
    world.run(world.close(2));
    assert.equal(open(), 4);
    world.run(world.close(4));
    // The last in the list is 3 now.
    assert.equal(open(), 4);
  });

  it('answers origin TRUSTED_APP once the TA has run', () => {
    const { world } = worldWith({
      *open() {
        return TEE_ERROR_ACCESS_DENIED;
      },
    });
    const result = world.run(world.open(UUID));
    assert.deepEqual(outcome(result), [TEE_ERROR_ACCESS_DENIED, TEE_ORIGIN_TRUSTED_APP]);
    assert.equal(result.session, 0);
    assert.match(
      world.log().at(-1)!,
      /^E\/TC:\? 0 tee_ta_open_session Failed for TA 1111.*Return error 0xffff0001$/,
    );
    assertClean(world);
  });

  it('wants the two meta parameters as they are defined', () => {
    const { world } = worldWith({});
    const meta = { attr: 0x101 };
    for (const params of [
      [],
      [meta],
      [{ attr: 0x1 }, meta],
      [meta, { attr: 0x1 }],
      [meta, { attr: 0x103 }],
      [meta, { attr: 0x1_0000_0101 }],
    ]) {
      const result = world.run(world.send({ cmd: 0, session: 9, params }));
      assert.deepEqual(outcome(result), [TEE_ERROR_BAD_PARAMETERS, TEE_ORIGIN_TEE]);
      assert.equal(result.session, 0);
    }
  });

  it('accepts the logins that the normal world may claim, and no other', () => {
    const identities: unknown[] = [];
    const { world } = worldWith({
      *open({ tee }) {
        const out: PropertyOut = { name: '', type: 0, value: '' };
        tee.getProperty(TEE_PROPSET_CURRENT_CLIENT, 0, out);
        identities.push(out.value);
        return TEE_SUCCESS;
      },
    });
    const logins = [0, 1, 2, 4, 5, 6, TEE_LOGIN_REE_KERNEL];
    for (const login of logins) assert.equal(world.run(world.open(UUID, [], login, CLIENT)).ret, 0);
    assert.deepEqual(identities, [
      `0:${NIL_UUID}`,
      ...[1, 2, 4, 5, 6].map((login) => `${login}:${CLIENT}`),
      `${TEE_LOGIN_REE_KERNEL}:${NIL_UUID}`,
    ]);
    for (const login of [3, 7, 0x7fffffff, TEE_LOGIN_TRUSTED_APP, 0xffffffff]) {
      const result = world.run(world.open(UUID, [], login, CLIENT));
      assert.deepEqual(outcome(result), [TEE_ERROR_BAD_PARAMETERS, TEE_ORIGIN_TEE]);
    }
  });

  it('says where it looked for a TA that is not there', () => {
    const { world } = worldWith({}, { config: { CFG_REE_FS_TA: false } });
    const result = world.run(world.open(CLIENT));
    assert.deepEqual(outcome(result), [TEE_ERROR_ITEM_NOT_FOUND, TEE_ORIGIN_TEE]);
    assert.match(world.lastCause!.text, /^no such TA: the TA given to the box is another$/);
    assert.deepEqual(world.log().slice(-2), [
      `E/LD:  init_elf sys_open_ta_bin(${CLIENT})`,
      'E/TC:? 0 ldelf_init_with_ldelf ldelf failed with res: 0xffff0008',
    ]);
    assertClean(world);
  });

  it('refuses flags that no user TA has', () => {
    for (const flags of [0x100, 0x4000, 0x80000000]) {
      const { world } = worldWith({ flags });
      assert.deepEqual(outcome(world.run(world.open(UUID))), [
        TEE_ERROR_BAD_FORMAT,
        TEE_ORIGIN_TEE,
      ]);
      assertClean(world);
    }
  });

  it('fails without memory for the stack, in a loader that panics, and without heap', () => {
    const big = worldWith({ stackSize: LAYOUT.taRam.size + 1 });
    const result = big.world.run(big.world.open(UUID));
    assert.deepEqual(outcome(result), [TEE_ERROR_OUT_OF_MEMORY, TEE_ORIGIN_TEE]);
    assert.equal(big.world.lastCause?.object, 'TA RAM');
    assertClean(big.world);
    for (const [code, ret] of [
      [TEE_ERROR_OUT_OF_MEMORY, TEE_ERROR_OUT_OF_MEMORY],
      [7, TEE_ERROR_GENERIC],
    ] as const) {
      const { world } = worldWith({
        instantiate: () => {
          throw new TaPanic(code, 'no', '');
        },
      });
      assert.deepEqual(outcome(world.run(world.open(UUID))), [ret, TEE_ORIGIN_TEE]);
      assertClean(world);
    }
    const small = worldWith({}, { config: { CFG_CORE_HEAP_SIZE: 4096 } });
    const opened: MsgResult[] = [];
    do opened.push(small.world.run(small.world.open(UUID)));
    while (opened.at(-1)!.ret === TEE_SUCCESS);
    assert.deepEqual(outcome(opened.at(-1)!), [TEE_ERROR_OUT_OF_MEMORY, TEE_ORIGIN_TEE]);
    for (const { session } of opened.slice(0, -1)) small.world.run(small.world.close(session));
    assertClean(small.world);
  });
});

describe('invoking and closing', () => {
  it('needs a session of the normal world', () => {
    const { world } = worldWith({});
    assert.deepEqual(outcome(world.run(world.invoke(1, 0))), [
      TEE_ERROR_BAD_PARAMETERS,
      TEE_ORIGIN_TEE,
    ]);
    assert.deepEqual(outcome(world.run(world.cancel(1))), [
      TEE_ERROR_BAD_PARAMETERS,
      TEE_ORIGIN_TEE,
    ]);
    assert.deepEqual(outcome(world.run(world.close(1))), [
      TEE_ERROR_ITEM_NOT_FOUND,
      TEE_ORIGIN_TEE,
    ]);
    assert.match(world.log().at(-1)!, /session id 1 to be removed is not found/);
  });

  it('takes no parameters where there are none', () => {
    const { world } = worldWith({});
    const { session } = world.run(world.open(UUID));
    for (const cmd of [2, 3]) {
      const result = world.run(world.send({ cmd, session, params: [{ attr: 0 }] }));
      assert.deepEqual(outcome(result), [TEE_ERROR_BAD_PARAMETERS, TEE_ORIGIN_TEE]);
    }
    assert.equal(world.os.usage().sessions, 1);
  });

  it('hands the TA its result through', () => {
    const { world } = worldWith({});
    const { session } = world.run(world.open(UUID));
    const done = world.run(world.invoke(session, 0));
    assert.deepEqual(outcome(done), [TEE_SUCCESS, TEE_ORIGIN_TRUSTED_APP]);
    const unknown = world.run(world.invoke(session, 99));
    assert.deepEqual(outcome(unknown), [TEE_ERROR_NOT_SUPPORTED, TEE_ORIGIN_TRUSTED_APP]);
  });

  it('is one call at a time for each session, in the order of coming', () => {
    const { world, seen } = worldWith({ flags: KEEP_ALIVE });
    const { session } = world.run(world.open(UUID));
    const calls = [1, 2].map((n) => world.spawn(`${n}`, world.invoke(session, WAIT)));
    world.settle();
    assert.deepEqual(
      calls.map(({ result }) => result?.value.ret),
      [TEE_SUCCESS, TEE_SUCCESS],
    );
    assert.equal(world.sched.nowNs() >= 20e6, true);
    assert.equal(seen.filter((entry) => entry === 'TA_InvokeCommandEntryPoint').length, 2);
    assert.equal(world.os.guest.manager.mutex.waiters, 0);
  });

  it('waits for the end of a call before the session closes; later calls find none', () => {
    const { world, seen } = worldWith({}, { config: { CFG_NUM_THREADS: 3 } });
    const { session } = world.run(world.open(UUID));
    const invoke = world.spawn('invoke', world.invoke(session, WAIT));
    const close = world.spawn('close', world.close(session));
    const late = world.spawn('late', world.invoke(session, 0));
    world.settle();
    assert.equal(invoke.result?.value.ret, TEE_SUCCESS);
    assert.equal(close.result?.value.ret, TEE_SUCCESS);
    assert.equal(late.result?.value.ret, TEE_ERROR_BAD_PARAMETERS);
    assert.equal(seen.at(-1), 'gone');
    assertClean(world);
  });
});

describe('instances', () => {
  it('are one for each session without SINGLE_INSTANCE', () => {
    const { world, seen } = worldWith({});
    const a = world.run(world.open(UUID)).session;
    world.run(world.open(UUID));
    assert.equal(world.os.usage().contexts, 2);
    world.run(world.close(a));
    assert.deepEqual(seen, [
      'TA_CreateEntryPoint',
      'TA_OpenSessionEntryPoint',
      'TA_CreateEntryPoint',
      'TA_OpenSessionEntryPoint',
      'TA_CloseSessionEntryPoint',
      'TA_DestroyEntryPoint',
      'gone',
    ]);
  });

  it('with SINGLE_INSTANCE alone take one session', () => {
    const { world } = worldWith({ flags: SINGLE });
    const { session } = world.run(world.open(UUID));
    assert.deepEqual(outcome(world.run(world.open(UUID))), [TEE_ERROR_BUSY, TEE_ORIGIN_TEE]);
    assert.equal(world.lastCause?.limit, 'TA_FLAG_MULTI_SESSION');
    world.run(world.close(session));
    assert.equal(world.run(world.open(UUID)).ret, TEE_SUCCESS);
  });

  it('with MULTI_SESSION are shared, and gone with the last session', () => {
    const { world, seen } = worldWith({ flags: MULTI });
    const ids = [1, 2, 3].map(() => world.run(world.open(UUID)).session);
    assert.equal(world.os.usage().contexts, 1);
    for (const id of ids) world.run(world.close(id));
    assert.equal(seen.filter((e) => e === 'TA_CreateEntryPoint').length, 1);
    assert.deepEqual(seen.slice(-2), ['TA_DestroyEntryPoint', 'gone']);
    assertClean(world);
  });

  it('with INSTANCE_KEEP_ALIVE stay, and are never destroyed', () => {
    const { world, seen } = worldWith({ flags: KEEP_ALIVE });
    for (let i = 0; i < 2; i++) world.run(world.close(world.run(world.open(UUID)).session));
    assert.equal(seen.filter((e) => e === 'TA_CreateEntryPoint').length, 1);
    assert.ok(!seen.includes('TA_DestroyEntryPoint'));
    assert.equal(world.os.usage().contexts, 1);
  });

  it('whose create entry point fails are not entered further', () => {
    const { world, seen } = worldWith({
      flags: MULTI,
      *create() {
        return TEE_ERROR_ACCESS_DENIED;
      },
    });
    const result = world.run(world.open(UUID));
    assert.deepEqual(outcome(result), [TEE_ERROR_ACCESS_DENIED, TEE_ORIGIN_TRUSTED_APP]);
    assert.deepEqual(seen, ['TA_CreateEntryPoint', 'gone']);
    assertClean(world);
  });

  it('are loaded once when two want them at a time', () => {
    const { world, seen } = worldWith({
      flags: MULTI,
      *create({ tee }) {
        return yield* tee.wait(5);
      },
    });
    const opens = [1, 2].map((n) => world.spawn(`${n}`, world.open(UUID)));
    world.settle();
    assert.deepEqual(
      opens.map(({ result }) => result?.value.ret),
      [TEE_SUCCESS, TEE_SUCCESS],
    );
    assert.equal(seen.filter((e) => e === 'TA_CreateEntryPoint').length, 1);
  });
});

describe('pseudo TAs', () => {
  it('open, answer and stay', () => {
    const { world } = worldWith({});
    for (let i = 0; i < 2; i++) {
      const { ret, session } = world.run(world.open(PTA_DEVICE_UUID));
      assert.equal(ret, TEE_SUCCESS);
      const result = world.run(world.invoke(session, 77));
      assert.equal(result.origin, TEE_ORIGIN_TRUSTED_APP);
      assert.equal(world.run(world.close(session)).ret, TEE_SUCCESS);
    }
    assert.equal(world.os.usage().contexts, 1);
  });
});

describe('many', () => {
  it('sessions of many instances come and go', () => {
    const { world } = worldWith({}, { config: { CFG_CORE_HEAP_SIZE: 1 << 20 } });
    const churn = function* (): Co<void> {
      const open: number[] = [];
      for (let i = 0; i < 300; i++) {
        open.push((yield* world.open(UUID)).session);
        if (i % 3 === 2) yield* world.close(open.splice((i * 7) % open.length, 1)[0]!);
      }
      for (const id of open) yield* world.close(id);
    };
    world.run(churn());
    assertClean(world);
  });
});
