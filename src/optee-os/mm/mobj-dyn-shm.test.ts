import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  OPTEE_MSG_CMD_REGISTER_SHM,
  OPTEE_MSG_CMD_UNREGISTER_SHM,
  OPTEE_MSG_PAGES_PER_LIST_PAGE,
} from '../../abi/optee-msg.ts';
import { OPTEE_RPC_CMD_NOTIFICATION, OPTEE_RPC_CMD_SUSPEND } from '../../abi/optee-rpc.ts';
import { TEE_ERROR_BAD_PARAMETERS, TEE_SUCCESS } from '../../abi/gp.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import { RandomPolicy } from '../../sched/policy.ts';
import type { Co } from '../../sched/task.ts';
import { LAYOUT, NormalWorld } from '../testing/normal-world.ts';
import { rmem } from '../testing/msg-param.ts';
import type { MsgParam } from '../testing/msg-param.ts';
import { testTa } from '../testing/test-ta.ts';

const UUID = '11111111-2222-3333-4444-555555555555';
const REGISTER = 0x20a;

const registerWith = (world: NormalWorld, params: readonly MsgParam[]): number =>
  world.run(world.send({ cmd: OPTEE_MSG_CMD_REGISTER_SHM, params })).ret;

describe('REGISTER_SHM', () => {
  it('keeps pages until UNREGISTER_SHM', () => {
    const world = new NormalWorld();
    const pages = world.pages(3, true);
    assert.equal(world.run(world.register(pages, 3 * PAGE_SIZE, 0x40)).ret, TEE_SUCCESS);
    const shm = world.os.guest.shm.find(0x40, 0)!;
    assert.deepEqual(shm.pages, pages);
    assert.equal(shm.guarded, false);
    assert.equal(world.os.guest.shm.pages, 3);
    assert.equal(world.run(world.unregister(0x40)).ret, TEE_SUCCESS);
    assert.deepEqual(world.os.usage(), {
      threads: 0,
      sessions: 0,
      contexts: 0,
      registeredShm: 0,
      mappedShmPages: 0,
      taRamBytes: 0,
      heapBytes: 0,
    });
  });

  it('follows the list from page to page, only as far as it needs', () => {
    for (const count of [1, 510, 511, 512, 1022, 1023]) {
      const world = new NormalWorld({ config: { CFG_CORE_HEAP_SIZE: 1 << 20 } });
      const pages = world.pages(count);
      assert.equal(world.run(world.register(pages, count * PAGE_SIZE, 0x40)).ret, 0, `${count}`);
      assert.equal(world.os.guest.shm.find(0x40, 0)?.pages.at(-1), pages.at(-1));
    }
  });

  it('takes exactly one parameter of exactly one type', () => {
    const world = new NormalWorld();
    const list = world.pageList([world.page()]);
    const good = { attr: REGISTER, a: list, b: 8, c: 0x40 };
    for (const params of [
      [],
      [good, good],
      [{ ...good, attr: 0x209 }],
      [{ ...good, attr: 0xa }],
      [{ ...good, attr: 0x1_0000_020a }],
    ]) {
      assert.equal(registerWith(world, params), TEE_ERROR_BAD_PARAMETERS);
    }
    assert.equal(world.os.usage().registeredShm, 0);
    assert.equal(registerWith(world, [good]), TEE_SUCCESS);
  });

  it('refuses every list that is not one of non-secure pages', () => {
    const world = new NormalWorld();
    const page = world.page();
    const outside = LAYOUT.normal.base + LAYOUT.normal.size;
    const { core, taRam, reservedShm } = LAYOUT;
    const bad: readonly [string, readonly (number | bigint)[]][] = [
      ['not aligned', [page + 8]],
      ['secure', [taRam.base]],
      ['the core', [core.base]],
      ['behind the RAM', [outside]],
      ['NULL', [0]],
      ['2^63', [1n << 63n]],
      ['all ones', [0xffff_ffff_ffff_f000n]],
      ['second page', [page, page + 1]],
    ];
    for (const [what, pages] of bad) {
      const { ret } = world.run(world.register(pages, pages.length * PAGE_SIZE, 0x40));
      assert.equal(ret, TEE_ERROR_BAD_PARAMETERS, what);
    }
    assert.equal(world.run(world.register([reservedShm.base], PAGE_SIZE, 0x40)).ret, TEE_SUCCESS);
    assert.equal(world.run(world.unregister(0x40)).ret, TEE_SUCCESS);
    assert.equal(world.os.usage().heapBytes, 0);
  });

  it('refuses lists that lie somewhere else, and sizes that no list can have', () => {
    const world = new NormalWorld();
    const page = world.page();
    const { view } = world.machine.normal;
    const [first, second] = world.pages(2);
    for (let i = 0; i <= OPTEE_MSG_PAGES_PER_LIST_PAGE; i++) {
      view.setBigUint64(world.at(first!) + 8 * i, BigInt(page), true);
    }
    const long = 512 * PAGE_SIZE;
    const cases: readonly [string, number | bigint, number | bigint][] = [
      ['list in secure RAM', LAYOUT.taRam.base, 8],
      ['list at NULL, with an offset', 8, 8],
      ['no bytes', first!, 0],
      ['size wraps', first! + 8, 0xffff_ffff_ffff_fffcn],
      ['more pages than heap', first!, 1 << 30],
    ];
    for (const [what, a, b] of cases) {
      const ret = registerWith(world, [{ attr: REGISTER, a, b, c: 0x40 }]);
      assert.equal(ret, TEE_ERROR_BAD_PARAMETERS, what);
    }
    // The link to the next list page is one of the 512 entries.
    const link = world.at(first!) + 8 * OPTEE_MSG_PAGES_PER_LIST_PAGE;
    view.setBigUint64(link, BigInt(second! + 8), true);
    const params = [{ attr: REGISTER, a: first!, b: long, c: 0x40 }];
    assert.equal(registerWith(world, params), TEE_ERROR_BAD_PARAMETERS);
    assert.equal(world.os.usage().heapBytes, 0);
  });

  it('is limited by the core heap, and says so', () => {
    const world = new NormalWorld({ config: { CFG_CORE_HEAP_SIZE: 8192 } });
    const ret = world.run(world.register(world.pages(600), 600 * PAGE_SIZE, 0x40)).ret;
    assert.equal(ret, TEE_ERROR_BAD_PARAMETERS);
    assert.equal(world.lastCause?.limit, 'CFG_CORE_HEAP_SIZE=8192');
    assert.equal(world.os.usage().heapBytes, 0);
  });

  it('does not look at cookies: the newer of two is found first', () => {
    const world = new NormalWorld();
    const [old, newer] = world.pages(2);
    for (const page of [old, newer]) {
      assert.equal(world.run(world.register([page!], PAGE_SIZE, 0x40)).ret, TEE_SUCCESS);
    }
    assert.equal(world.os.guest.shm.find(0x40, 0)?.pages[0], newer);
    assert.equal(world.run(world.unregister(0x40)).ret, TEE_SUCCESS);
    assert.equal(world.os.guest.shm.find(0x40, 0)?.pages[0], old);
    assert.equal(world.run(world.unregister(0x40)).ret, TEE_SUCCESS);
    assert.equal(world.run(world.unregister(0x40)).ret, TEE_ERROR_BAD_PARAMETERS);
  });

  it('refuses a cookie twice without the quirk', () => {
    const world = new NormalWorld({ switches: { quirkDuplicateCookies: false } });
    const [a, b] = world.pages(2);
    assert.equal(world.run(world.register([a!], PAGE_SIZE, 0x40)).ret, TEE_SUCCESS);
    assert.equal(world.run(world.register([b!], PAGE_SIZE, 0x40)).ret, TEE_ERROR_BAD_PARAMETERS);
    assert.match(world.lastCause!.text, /the cookie is in use/);
    assert.equal(world.run(world.register([b!], PAGE_SIZE, 0x80)).ret, TEE_SUCCESS);
  });
});

describe('UNREGISTER_SHM', () => {
  it('takes one parameter, of any type', () => {
    const world = new NormalWorld();
    const cmd = OPTEE_MSG_CMD_UNREGISTER_SHM;
    assert.equal(world.run(world.send({ cmd })).ret, TEE_ERROR_BAD_PARAMETERS);
    assert.equal(
      world.run(world.send({ cmd, params: [{ attr: 0, c: 1 }] })).ret,
      TEE_ERROR_BAD_PARAMETERS,
    );
    assert.match(world.log().at(-1)!, /unregister_shm Can't find mapping with given cookie/);
    assert.equal(world.run(world.register([world.page()], 8, 0x40)).ret, TEE_SUCCESS);
    assert.equal(world.run(world.send({ cmd, params: [{ attr: 0, c: 0x40 }] })).ret, TEE_SUCCESS);
  });

  it('does not release memory that is guarded', () => {
    const world = new NormalWorld();
    // The page of the message itself is registered, guarded, with cookie 0.
    assert.equal(world.run(world.unregister(0)).ret, TEE_ERROR_BAD_PARAMETERS);
  });

  it('waits in the normal world while a call uses the memory', () => {
    const ta = testTa({
      uuid: UUID,
      commands: {
        *0({ tee }) {
          return yield* tee.wait(50);
        },
      },
    });
    const world = new NormalWorld({ tas: [ta] });
    const { session } = world.run(world.open(UUID));
    assert.equal(world.run(world.register([world.page()], PAGE_SIZE, 0x40)).ret, TEE_SUCCESS);
    const order: string[] = [];
    const body = function* (name: string, co: Co<{ ret: number }>): Co<void> {
      const { ret } = yield* co;
      order.push(`${name} ${ret}`);
    };
    world.spawn('invoke', body('invoke', world.invoke(session, 0, [rmem(5, 0, 8, 0x40)])));
    world.spawn('unregister', body('unregister', world.unregister(0x40)));
    world.settle();
    assert.deepEqual(order.sort(), ['invoke 0', 'unregister 0']);
    assert.equal(world.os.usage().registeredShm, 0);
    // The TA's wait, the release's wait, and what woke it.
    assert.deepEqual(world.rpcs, [
      OPTEE_RPC_CMD_SUSPEND,
      OPTEE_RPC_CMD_NOTIFICATION,
      OPTEE_RPC_CMD_NOTIFICATION,
    ]);
  });

  it('is done by one of two who ask for it at a time, whatever the schedule', () => {
    for (let seed = 0; seed < 50; seed++) {
      const world = new NormalWorld({
        policy: new RandomPolicy(seed),
        config: { CFG_NUM_THREADS: 3 },
      });
      assert.equal(world.run(world.register([world.page()], PAGE_SIZE, 0x40)).ret, TEE_SUCCESS);
      const calls = [1, 2].map((n) => world.spawn(`unregister ${n}`, world.unregister(0x40)));
      world.settle();
      assert.equal(world.sched.halted, undefined);
      const results = new Set(calls.map(({ result }) => result?.value.ret));
      const expected = new Set([TEE_SUCCESS, TEE_ERROR_BAD_PARAMETERS]);
      assert.deepEqual(results, expected, `seed ${seed}`);
      assert.equal(world.os.usage().registeredShm, 0);
    }
  });

  it('at the moment of another call can panic the core, and a search finds when', () => {
    const kinds = new Set<string | undefined>();
    for (let seed = 0; seed < 200 && !kinds.has('core panic'); seed++) {
      const ta = testTa({ uuid: UUID, commands: {} });
      const world = new NormalWorld({ tas: [ta], policy: new RandomPolicy(seed) });
      const { session } = world.run(world.open(UUID));
      world.run(world.register([world.page()], PAGE_SIZE, 0x40));
      world.spawn('unregister', world.unregister(0x40));
      world.spawn('invoke', world.invoke(session, 0, [rmem(5, 0, 8, 0x40)]));
      world.settle();
      kinds.add(world.sched.halted?.kind);
    }
    assert.deepEqual(kinds, new Set([undefined, 'core panic']));
  });
});
