import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  OPTEE_MSG_CMD_INVOKE_COMMAND,
  OPTEE_MSG_MAX_NUM_PARAMS,
  OpteeMsgArg,
  opteeMsgArgSize,
} from '../../abi/optee-msg.ts';
import {
  ARM_SMCCC_CALL_VAL,
  OPTEE_SMC_CALL_WITH_ARG,
  OPTEE_SMC_CALL_WITH_REGD_ARG,
  OPTEE_SMC_CALL_WITH_RPC_ARG,
  OPTEE_SMC_RETURN_EBADADDR,
  OPTEE_SMC_RETURN_EBADCMD,
  OPTEE_SMC_RETURN_ENOMEM,
  OPTEE_SMC_RETURN_OK,
  OPTEE_SMC_STD_CALL_VAL,
} from '../../abi/optee-smc.ts';
import { TEE_ERROR_BAD_PARAMETERS, TEE_SUCCESS } from '../../abi/gp.ts';
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import { smcRegs } from '../../machine/smc.ts';
import { LAYOUT, NormalWorld } from '../testing/normal-world.ts';
import { success, testTa } from '../testing/test-ta.ts';

const UUID = '11111111-2222-3333-4444-555555555555';
const INVOKE = { cmd: OPTEE_MSG_CMD_INVOKE_COMMAND, session: 1, func: 0 };

function worldWithSession(): NormalWorld {
  const commands = { 0: success };
  const world = new NormalWorld({ tas: [testTa({ uuid: UUID, commands })] });
  assert.equal(world.run(world.open(UUID)).session, 1);
  return world;
}

/** The status of one yielding call with these registers. */
const call = (world: NormalWorld, ...regs: number[]): number =>
  world.run(world.yielding(smcRegs(...regs)));

describe('CALL_WITH_ARG and CALL_WITH_RPC_ARG by address', () => {
  it('take a whole page anywhere in non-secure memory', () => {
    const world = worldWithSession();
    for (const id of [OPTEE_SMC_CALL_WITH_ARG, OPTEE_SMC_CALL_WITH_RPC_ARG]) {
      const page = world.page();
      world.writeMessage(page, INVOKE);
      assert.equal(call(world, id, 0, page), OPTEE_SMC_RETURN_OK);
      assert.deepEqual(world.readMessage(page), { ret: 0, origin: 4, session: 1, params: [] });
    }
    assert.equal(world.os.usage().registeredShm, 0);
    assert.equal(world.os.usage().mappedShmPages, 0);
  });

  it('clear a1 to a3 on return', () => {
    const world = worldWithSession();
    const page = world.page();
    world.writeMessage(page, INVOKE);
    const regs = smcRegs(OPTEE_SMC_CALL_WITH_ARG, 0, page, 5, 6, 7);
    world.run(world.yielding(regs));
    assert.deepEqual([...regs.subarray(0, 6)], [0, 0, 0, 0, 6, 7]);
  });

  it('take any 8-byte aligned address in the reserved memory', () => {
    const world = worldWithSession();
    const at = pa(LAYOUT.reservedShm.base + 0x128);
    world.writeMessage(at, INVOKE);
    assert.equal(call(world, OPTEE_SMC_CALL_WITH_ARG, 0, at), OPTEE_SMC_RETURN_OK);
    assert.equal(world.readMessage(at).ret, TEE_SUCCESS);
    assert.equal(call(world, OPTEE_SMC_CALL_WITH_ARG, 0, at + 4), OPTEE_SMC_RETURN_EBADADDR);
    assert.equal(world.os.guest.reserved?.refs, 1);
  });

  it('refuse messages that leave the reserved memory', () => {
    const world = worldWithSession();
    const end = LAYOUT.reservedShm.base + LAYOUT.reservedShm.size;
    const last = pa(end - opteeMsgArgSize(0));
    world.writeMessage(last, INVOKE);
    assert.equal(call(world, OPTEE_SMC_CALL_WITH_ARG, 0, last), OPTEE_SMC_RETURN_OK);
    assert.equal(call(world, OPTEE_SMC_CALL_WITH_RPC_ARG, 0, last), OPTEE_SMC_RETURN_EBADADDR);
    OpteeMsgArg.numParams.set(world.machine.normal.view, world.at(last), 1);
    assert.equal(call(world, OPTEE_SMC_CALL_WITH_ARG, 0, last), OPTEE_SMC_RETURN_EBADADDR);
  });

  it('refuse every other address', () => {
    const world = worldWithSession();
    const page = world.page();
    const cases: readonly [string, number, number][] = [
      ['not page aligned', 0, page + 8],
      ['NULL', 0, 0],
      ['secure RAM', 0, LAYOUT.taRam.base],
      ['the core', 0, LAYOUT.core.base],
      ['behind the RAM', 0, LAYOUT.normal.base + LAYOUT.normal.size],
      ['beyond 4 GiB', 1, page],
      ['beyond 2^53', 0xffffffff, 0xfffff000],
    ];
    for (const [what, high, low] of cases) {
      assert.equal(
        call(world, OPTEE_SMC_CALL_WITH_ARG, high, low),
        OPTEE_SMC_RETURN_EBADADDR,
        what,
      );
      assert.match(world.log().at(-1)!, /^E\/TC:\? 0 std_entry_with_parg Bad arg address 0x/, what);
    }
    assert.equal(world.os.usage().threads, 0);
    assert.equal(world.os.usage().registeredShm, 0);
  });

  it('refuse a page outside of the reserved memory without dynamic shared memory', () => {
    const world = new NormalWorld({ config: { CFG_CORE_DYN_SHM: false } });
    const page = world.page();
    world.writeMessage(page, INVOKE);
    assert.equal(call(world, OPTEE_SMC_CALL_WITH_ARG, 0, page), OPTEE_SMC_RETURN_EBADADDR);
  });

  it('bound the number of parameters by the page', () => {
    const world = worldWithSession();
    const page = world.page();
    const { view } = world.machine.normal;
    const status = (count: number, id: number): number => {
      world.writeMessage(page, INVOKE);
      OpteeMsgArg.numParams.set(view, world.at(page), count);
      return call(world, id, 0, page);
    };
    assert.equal(status(OPTEE_MSG_MAX_NUM_PARAMS, OPTEE_SMC_CALL_WITH_ARG), OPTEE_SMC_RETURN_OK);
    assert.equal(OpteeMsgArg.ret.get(view, world.at(page)), TEE_ERROR_BAD_PARAMETERS);
    for (const count of [OPTEE_MSG_MAX_NUM_PARAMS + 1, 0x08000001, 0xffffffff]) {
      assert.equal(status(count, OPTEE_SMC_CALL_WITH_ARG), OPTEE_SMC_RETURN_EBADADDR);
    }
    const rpcFits = OPTEE_MSG_MAX_NUM_PARAMS - 5;
    assert.equal(status(rpcFits, OPTEE_SMC_CALL_WITH_RPC_ARG), OPTEE_SMC_RETURN_OK);
    assert.equal(status(rpcFits + 1, OPTEE_SMC_CALL_WITH_RPC_ARG), OPTEE_SMC_RETURN_EBADADDR);
  });
});

describe('CALL_WITH_REGD_ARG', () => {
  const register = (world: NormalWorld, pages: readonly number[], offset = 0): number => {
    const cookie = world.newCookie();
    const size = pages.length * PAGE_SIZE - offset;
    assert.equal(world.run(world.register(pages, size, cookie, offset)).ret, TEE_SUCCESS);
    return cookie;
  };

  it('finds the message by cookie and offset', () => {
    const world = worldWithSession();
    const page = world.page();
    const cookie = register(world, [page]);
    for (const offset of [0, 384, PAGE_SIZE - 384]) {
      world.writeMessage(pa(page + offset), INVOKE);
      const status = call(world, OPTEE_SMC_CALL_WITH_REGD_ARG, 0, cookie, offset);
      assert.equal(status, OPTEE_SMC_RETURN_OK);
      assert.equal(world.readMessage(pa(page + offset)).ret, TEE_SUCCESS);
    }
    assert.equal(world.os.usage().mappedShmPages, 0);
    assert.equal(world.os.guest.shm.find(cookie, 0)?.refs, 1);
  });

  it('counts the offset from the data, not from the page', () => {
    const world = worldWithSession();
    const page = world.page();
    const cookie = register(world, [page], 64);
    world.writeMessage(pa(page + 64 + 16), INVOKE);
    assert.equal(call(world, OPTEE_SMC_CALL_WITH_REGD_ARG, 0, cookie, 16), OPTEE_SMC_RETURN_OK);
    assert.equal(
      call(world, OPTEE_SMC_CALL_WITH_REGD_ARG, 0, cookie, 12),
      OPTEE_SMC_RETURN_EBADADDR,
    );
  });

  it('reads and writes a message that spans pages which do not follow each other', () => {
    const world = worldWithSession();
    const pages = world.pages(2, true);
    const cookie = register(world, pages);
    // The head is at the end of the first page, parameters and RPC message in the second.
    const message = world.page();
    world.writeMessage(message, { ...INVOKE, params: [{ attr: 3, a: 1, b: 2 }] });
    const bytes = world.bytes(message, 64).slice();
    world.bytes(pa(pages[0]! + PAGE_SIZE - 32), 32).set(bytes.subarray(0, 32));
    world.bytes(pages[1]!, 32).set(bytes.subarray(32));
    const offset = PAGE_SIZE - 32;
    assert.equal(call(world, OPTEE_SMC_CALL_WITH_REGD_ARG, 0, cookie, offset), OPTEE_SMC_RETURN_OK);
    const at = world.at(pages[0]! + offset);
    assert.equal(OpteeMsgArg.retOrigin.get(world.machine.normal.view, at), 4);
  });

  it('refuses unknown cookies and offsets outside', () => {
    const world = worldWithSession();
    const cookie = register(world, [world.page()]);
    const cases: readonly [string, number, number, number][] = [
      ['no such cookie', 0, cookie + 1, 0],
      ['high half differs', 1, cookie, 0],
      ['no room for the head', 0, cookie, PAGE_SIZE - 24],
      ['no room for the RPC message', 0, cookie, PAGE_SIZE - 64],
      ['at the end', 0, cookie, PAGE_SIZE],
      ['far behind', 0, cookie, 0xfffffff8],
      ['not aligned', 0, cookie, 4],
    ];
    for (const [what, hi, lo, offset] of cases) {
      const status = call(world, OPTEE_SMC_CALL_WITH_REGD_ARG, hi, lo, offset);
      assert.equal(status, OPTEE_SMC_RETURN_EBADADDR, what);
    }
    assert.equal(world.os.usage().mappedShmPages, 0);
    assert.equal(world.os.guest.shm.find(cookie, 0)?.refs, 1);
  });

  it('fails with ENOMEM when the core has no virtual space left', () => {
    const world = worldWithSession();
    const cookie = register(world, [world.page()]);
    assert.equal(world.os.nexus.mmu.mapShm(8192), true);
    assert.equal(call(world, OPTEE_SMC_CALL_WITH_REGD_ARG, 0, cookie, 0), OPTEE_SMC_RETURN_ENOMEM);
    assert.equal(world.lastCause?.object, 'SHM_VASPACE');
    world.os.nexus.mmu.unmapShm(8192);
    assert.equal(world.os.guest.shm.find(cookie, 0)?.refs, 1);
  });
});

describe('other yielding calls', () => {
  it('are EBADCMD', () => {
    const world = new NormalWorld();
    for (const id of [OPTEE_SMC_STD_CALL_VAL(0x55), ARM_SMCCC_CALL_VAL(0, 1, 50, 4)]) {
      assert.equal(call(world, id), OPTEE_SMC_RETURN_EBADCMD);
      assert.match(world.log().at(-1)!, /std_smc_entry Unknown SMC 0x/);
    }
    assert.equal(world.os.usage().threads, 0);
  });

  it('with an unknown command are EBADCMD, too', () => {
    const world = new NormalWorld();
    const page = world.page();
    for (const cmd of [8, 11, 99, 0xffffffff]) {
      world.writeMessage(page, { cmd });
      assert.equal(call(world, OPTEE_SMC_CALL_WITH_ARG, 0, page), OPTEE_SMC_RETURN_EBADCMD);
    }
    const bare = new NormalWorld({
      config: { CFG_CORE_DYN_SHM: false, CFG_CORE_ASYNC_NOTIF: false },
    });
    const at = LAYOUT.reservedShm.base;
    for (const cmd of [4, 5, 6, 7]) {
      bare.writeMessage(at, { cmd });
      assert.equal(call(bare, OPTEE_SMC_CALL_WITH_ARG, 0, at), OPTEE_SMC_RETURN_EBADCMD);
    }
  });
});
