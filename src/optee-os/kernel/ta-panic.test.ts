import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TA_FLAG_INSTANCE_KEEP_ALIVE,
  TA_FLAG_INSTANCE_KEEP_CRASHED,
  TA_FLAG_MULTI_SESSION,
  TA_FLAG_SINGLE_INSTANCE,
} from '../../abi/ta-head.ts';
import { TEE_ERROR_TARGET_DEAD, TEE_ORIGIN_TEE, TEE_SUCCESS } from '../../abi/gp.ts';
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import { TaPanic } from '../../ta/runtime.ts';
import { PANIC, UUID, assertClean, commands, outcome, worldWith } from '../testing/fixtures.ts';

const MULTI = TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION;
const KEEP_ALIVE = MULTI | TA_FLAG_INSTANCE_KEEP_ALIVE;

describe('a panic', () => {
  it('kills the instance: every session answers TARGET_DEAD until it is closed', () => {
    const { world, seen } = worldWith({ flags: MULTI });
    const [a, b] = [1, 2].map(() => world.run(world.open(UUID)).session);
    const dead = [TEE_ERROR_TARGET_DEAD, TEE_ORIGIN_TEE];
    assert.deepEqual(outcome(world.run(world.invoke(a!, PANIC))), dead);
    assert.deepEqual(seen.slice(-2), ['TA_InvokeCommandEntryPoint', 'gone']);
    assert.equal(world.os.usage().taRamBytes, 0);
    assert.deepEqual(outcome(world.run(world.invoke(b!, 0))), dead);
    const fresh = world.run(world.open(UUID));
    assert.equal(fresh.ret, TEE_SUCCESS);
    assert.deepEqual(outcome(world.run(world.invoke(b!, 0))), dead);
    assert.equal(world.run(world.invoke(fresh.session, 0)).ret, TEE_SUCCESS);
    for (const id of [a!, b!, fresh.session])
      assert.equal(world.run(world.close(id)).ret, TEE_SUCCESS);
    assertClean(world);
  });

  it('is reported with its code, the TA, the line and the open sessions', () => {
    const { world } = worldWith({
      commands: {
        *0() {
          throw new TaPanic(0xffff0006, 'TEE_Panic(TEE_ERROR_BAD_PARAMETERS)', 'ta.ts:12');
        },
      },
    });
    world.trace.setLevel('calls');
    const { session } = world.run(world.open(UUID));
    world.run(world.invoke(session, 0));
    assert.deepEqual(world.log().slice(-6), [
      'E/TC:? 0 ',
      'E/TC:? 0 TA panicked with code 0xffff0006',
      `E/LD:  Status of TA ${UUID}`,
      `E/LD:   [0] ${UUID} @ test-ta.ts:1`,
      'E/LD:  Call stack:',
      'E/LD:   ta.ts:12',
    ]);
    const event = [...world.trace.events()].find(({ name }) => name === 'ta.panic');
    assert.deepEqual(event?.args, {
      uuid: UUID,
      code: 0xffff0006,
      text: 'TEE_Panic(TEE_ERROR_BAD_PARAMETERS); in TA_InvokeCommandEntryPoint; open sessions: 1',
      where: 'ta.ts:12',
    });
    assert.equal(world.lastCause?.code, 'TEE_ERROR_TARGET_DEAD');
    assert.deepEqual(world.lastCause?.events, ['TA_InvokeCommandEntryPoint session 1 command 0']);
  });

  it('by an access that the firewall refuses is an abort of the TA, not of the core', () => {
    const { world } = worldWith({
      commands: {
        *0({ environment }) {
          environment.port.bytes(pa(0), PAGE_SIZE, 'read');
          return TEE_SUCCESS;
        },
      },
    });
    const { session } = world.run(world.open(UUID));
    const result = world.run(world.invoke(session, 0));
    assert.deepEqual(outcome(result), [TEE_ERROR_TARGET_DEAD, TEE_ORIGIN_TEE]);
    assert.ok(world.log().includes('E/TC:? 0 User mode data-abort at address 0x0'));
  });

  it('while a session opens or closes leaves nothing behind', () => {
    const opening = worldWith({ open: commands[PANIC]! });
    const result = opening.world.run(opening.world.open(UUID));
    assert.deepEqual(outcome(result), [TEE_ERROR_TARGET_DEAD, TEE_ORIGIN_TEE]);
    assertClean(opening.world);
    const closing = worldWith({ close: commands[PANIC]! });
    const { session } = closing.world.run(closing.world.open(UUID));
    assert.equal(closing.world.run(closing.world.close(session)).ret, TEE_SUCCESS);
    assertClean(closing.world);
  });

  it('of a TA with INSTANCE_KEEP_CRASHED is for good', () => {
    const { world } = worldWith({ flags: KEEP_ALIVE | TA_FLAG_INSTANCE_KEEP_CRASHED });
    const { session } = world.run(world.open(UUID));
    const dead = [TEE_ERROR_TARGET_DEAD, TEE_ORIGIN_TEE];
    assert.deepEqual(outcome(world.run(world.invoke(session, PANIC))), dead);
    assert.equal(world.run(world.close(session)).ret, TEE_SUCCESS);
    assert.deepEqual(outcome(world.run(world.open(UUID))), dead);
    assert.equal(world.os.usage().contexts, 1);
    assert.equal(world.os.usage().sessions, 0);
  });

  it('of a kept-alive TA without it makes room for a new instance', () => {
    const { world, seen } = worldWith({ flags: KEEP_ALIVE });
    const { session } = world.run(world.open(UUID));
    world.run(world.invoke(session, PANIC));
    world.run(world.close(session));
    assert.equal(world.run(world.open(UUID)).ret, TEE_SUCCESS);
    assert.equal(seen.filter((e) => e === 'TA_CreateEntryPoint').length, 2);
  });
});
