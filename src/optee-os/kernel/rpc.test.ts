import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OPTEE_SMC_CALL_WITH_ARG, OPTEE_SMC_ENABLE_SHM_CACHE } from '../../abi/optee-smc.ts';
import {
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
  OPTEE_RPC_CMD_SUSPEND,
  OPTEE_RPC_SHM_TYPE_APPL,
  OPTEE_RPC_SHM_TYPE_KERNEL,
} from '../../abi/optee-rpc.ts';
import { TEE_ERROR_GENERIC, TEE_ERROR_OUT_OF_MEMORY, TEE_SUCCESS } from '../../abi/gp.ts';
import { OpteeMsgArg } from '../../abi/optee-msg.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import { smcRegs } from '../../machine/smc.ts';
import type { Co } from '../../sched/task.ts';
import { LAYOUT, NormalWorld } from '../testing/normal-world.ts';
import { replyTmem } from '../testing/rpc-message.ts';
import type { MsgResult } from '../testing/normal-world.ts';
import type { RpcMessage } from '../testing/rpc-message.ts';
import { testTa } from '../testing/test-ta.ts';
import type { TestEntry } from '../testing/test-ta.ts';
import type { ThreadCtx } from './thread.ts';

const UUID = '11111111-2222-3333-4444-555555555555';
const TMEM_OUT = 0xa;
const NONCONTIG = 0x200;

/** A world with a TA whose command 0 runs `body` on the core's side, with its thread. */
class Fixture {
  readonly world: NormalWorld;
  readonly session: number;
  body: (thread: ThreadCtx) => Co<number>;

  constructor(body: (thread: ThreadCtx) => Co<number>, options = {}) {
    this.body = body;
    const run = (thread: ThreadCtx): Co<number> => this.body(thread);
    const command: TestEntry = function* () {
      return yield* run(world.os.guest.threads.slots[0]!);
    };
    const world = new NormalWorld({
      ...options,
      tas: [testTa({ uuid: UUID, commands: { 0: command } })],
    });
    this.world = world;
    this.session = world.run(world.open(UUID)).session;
  }

  /** Calls with an RPC message of the normal world's. */
  invoke(): MsgResult {
    return this.world.run(this.world.invoke(this.session, 0));
  }

  /** Calls without one, so that the thread must ask for it. */
  invokeBare(): number {
    const page = this.world.page();
    this.world.writeMessage(page, { cmd: 1, session: this.session });
    const regs = smcRegs(OPTEE_SMC_CALL_WITH_ARG, 0, page);
    assert.equal(this.world.run(this.world.yielding(regs)), 0);
    return this.world.readMessage(page).ret;
  }
}

const suspend = (f: () => Fixture) =>
  function* (thread: ThreadCtx): Co<number> {
    return yield* f().world.os.guest.rpc.value(thread, OPTEE_RPC_CMD_SUSPEND, 1);
  };

describe('RPC messages', () => {
  it('that the call brings are used, with cookie 0', () => {
    const f: Fixture = new Fixture((thread) => suspend(() => f)(thread));
    assert.equal(f.invoke().ret, TEE_SUCCESS);
    assert.equal(f.world.lent.size, 0);
  });

  it('are asked for otherwise, and given back when the call ends', () => {
    const f: Fixture = new Fixture((thread) => suspend(() => f)(thread));
    f.body = function* (thread) {
      const res = yield* suspend(() => f)(thread);
      assert.equal(f.world.lent.size, 1);
      assert.equal(f.world.os.guest.shm.count, 2);
      return res;
    };
    assert.equal(f.invokeBare(), TEE_SUCCESS);
    assert.equal(f.world.lent.size, 0);
    assert.equal(f.world.os.usage().registeredShm, 0);
  });

  it('stay with the thread while the cache is enabled', () => {
    const f: Fixture = new Fixture((thread) => suspend(() => f)(thread));
    f.world.fast(OPTEE_SMC_ENABLE_SHM_CACHE);
    for (let i = 0; i < 3; i++) assert.equal(f.invokeBare(), TEE_SUCCESS);
    assert.equal(f.world.lent.size, 1);
    // A call that brings its own makes the thread give up the one it kept.
    assert.equal(f.invoke().ret, TEE_SUCCESS);
    assert.equal(f.world.lent.size, 0);
    assert.equal(f.world.os.usage().registeredShm, 0);
  });

  it('may lie in the reserved memory', () => {
    const f: Fixture = new Fixture((thread) => suspend(() => f)(thread));
    const at = LAYOUT.reservedShm.base + 64;
    f.world.allocReply = { pa: at, cookie: 0x99 };
    f.world.lent.set(0x99, at as never);
    assert.equal(f.invokeBare(), TEE_SUCCESS);
    assert.equal(f.world.lent.has(0x99), false);
  });

  it('are refused where they cannot be, and given back', () => {
    const f: Fixture = new Fixture((thread) => suspend(() => f)(thread));
    const page = f.world.page();
    const bad = [0, page + 4, page + 8, LAYOUT.taRam.base, LAYOUT.reservedShm.base - 8];
    for (const address of bad) {
      f.world.allocReply = { pa: address, cookie: 0x99 };
      f.world.lent.set(0x99, page);
      assert.equal(f.invokeBare(), TEE_ERROR_OUT_OF_MEMORY, address.toString(16));
      assert.equal(f.world.lent.has(0x99), false);
      assert.equal(f.world.os.usage().registeredShm, 0);
    }
    assert.equal(f.world.lastCause?.object, 'RPC ALLOC');
  });

  it('that are not answered say TEE_ERROR_GENERIC', () => {
    const f: Fixture = new Fixture((thread) => suspend(() => f)(thread));
    f.world.answers.set(OPTEE_RPC_CMD_SUSPEND, function* (rpc) {
      return OpteeMsgArg.ret.get(rpc.view, rpc.at);
    });
    assert.equal(f.invoke().ret, TEE_ERROR_GENERIC);
  });
});

describe('payload buffers', () => {
  const alloc = (size: number, type: number, keep: (size: number) => void = () => {}) =>
    function* (thread: ThreadCtx): Co<number> {
      const { rpc } = f.world.os.guest;
      const mobj = yield* rpc.allocPayload(thread, size, type);
      if (mobj === undefined) return TEE_ERROR_OUT_OF_MEMORY;
      keep(mobj.size);
      yield* rpc.freePayload(thread, mobj, type);
      return TEE_SUCCESS;
    };
  let f: Fixture;

  it('are asked for by type and size, and freed by cookie', () => {
    const asked: object[] = [];
    f = new Fixture(alloc(5000, OPTEE_RPC_SHM_TYPE_KERNEL, (size) => asked.push({ size })));
    f.world.answers.set(OPTEE_RPC_CMD_SHM_FREE, function* (rpc) {
      asked.push({ free: rpc.value(0).a });
      f.world.lent.delete(rpc.value(0).b);
      return TEE_SUCCESS;
    });
    assert.equal(f.invoke().ret, TEE_SUCCESS);
    assert.deepEqual(asked, [{ size: 2 * PAGE_SIZE }, { free: OPTEE_RPC_SHM_TYPE_KERNEL }]);
    assert.equal(f.world.lent.size, 0);
    assert.equal(f.world.os.usage().mappedShmPages, 0);
  });

  it('are refused when the reply is not what was asked for', () => {
    const replies: readonly [string, (rpc: RpcMessage) => void, number][] = [
      ['attribute', (rpc) => replyTmem(rpc, 0x9, f.world.page(), PAGE_SIZE, 1), 0],
      ['two parameters', (rpc) => OpteeMsgArg.numParams.set(rpc.view, rpc.at, 2), 0],
      ['not memory', (rpc) => replyTmem(rpc, TMEM_OUT, LAYOUT.core.base, PAGE_SIZE, 1), 1],
      ['two pages in one', (rpc) => replyTmem(rpc, TMEM_OUT, f.world.page(), 2 * PAGE_SIZE, 1), 1],
      ['a bad list', (rpc) => replyTmem(rpc, TMEM_OUT | NONCONTIG, LAYOUT.core.base, 4096, 1), 1],
    ];
    for (const [what, reply, frees] of replies) {
      f = new Fixture(alloc(PAGE_SIZE, OPTEE_RPC_SHM_TYPE_APPL));
      f.world.answers.set(OPTEE_RPC_CMD_SHM_ALLOC, function* (rpc) {
        reply(rpc);
        return TEE_SUCCESS;
      });
      assert.equal(f.invoke().ret, TEE_ERROR_OUT_OF_MEMORY, what);
      const freed = f.world.rpcs.filter((cmd) => cmd === OPTEE_RPC_CMD_SHM_FREE).length;
      assert.equal(freed, frees, what);
      assert.match(f.world.log().at(-1)!, /get_rpc_alloc_res RPC allocation failed/);
      assert.equal(f.world.os.usage().registeredShm, 0);
    }
  });

  it('that are too small are lost, unless the quirk is off', () => {
    for (const quirk of [true, false]) {
      f = new Fixture(alloc(PAGE_SIZE + 1, OPTEE_RPC_SHM_TYPE_APPL), {
        switches: { quirkShortShmAllocLost: quirk },
      });
      f.world.lent.set(0x77, f.world.page());
      f.world.answers.set(OPTEE_RPC_CMD_SHM_ALLOC, function* (rpc) {
        replyTmem(rpc, TMEM_OUT, f.world.page(), PAGE_SIZE, 0x77);
        return TEE_SUCCESS;
      });
      assert.equal(f.invoke().ret, TEE_ERROR_OUT_OF_MEMORY);
      assert.equal(f.world.lent.has(0x77), quirk);
      assert.match(f.world.lastCause!.text, /the buffer has 4096 bytes/);
    }
  });
});

describe('buffers kept for the length of a call', () => {
  it('are asked for again only when they must be larger or of another type', () => {
    const f = new Fixture(function* (thread) {
      const cache = f.world.os.guest.rpcShmCache;
      const sizes: (number | undefined)[] = [];
      const get = function* (user: 'fs' | 'rpmb', type: number, size: number): Co<void> {
        sizes.push((yield* cache.alloc(thread, user, type, size))?.size);
      };
      yield* get('fs', OPTEE_RPC_SHM_TYPE_APPL, 100);
      yield* get('fs', OPTEE_RPC_SHM_TYPE_APPL, PAGE_SIZE);
      yield* get('fs', OPTEE_RPC_SHM_TYPE_APPL, PAGE_SIZE + 1);
      yield* get('fs', OPTEE_RPC_SHM_TYPE_KERNEL, 1);
      yield* get('rpmb', OPTEE_RPC_SHM_TYPE_KERNEL, 1);
      yield* get('fs', OPTEE_RPC_SHM_TYPE_APPL, 0);
      assert.deepEqual(sizes, [4096, 4096, 8192, 4096, 4096, undefined]);
      assert.equal(f.world.lent.size, 2);
      return TEE_SUCCESS;
    });
    assert.equal(f.invoke().ret, TEE_SUCCESS);
    const count = (cmd: number): number => f.world.rpcs.filter((c) => c === cmd).length;
    assert.equal(count(OPTEE_RPC_CMD_SHM_ALLOC), 4);
    assert.equal(count(OPTEE_RPC_CMD_SHM_FREE), 4);
    assert.equal(f.world.lent.size, 0);
    assert.equal(f.world.os.guest.threads.slots[0]!.shmCache.size, 0);
  });

  it('are given back when the call had to ask for its RPC message, too', () => {
    const f = new Fixture(function* (thread) {
      yield* f.world.os.guest.rpcShmCache.alloc(thread, 'fs', OPTEE_RPC_SHM_TYPE_APPL, 1);
      return TEE_SUCCESS;
    });
    assert.equal(f.invokeBare(), TEE_SUCCESS);
    assert.equal(f.world.lent.size, 0);
    assert.equal(f.world.os.usage().registeredShm, 0);
  });
});
