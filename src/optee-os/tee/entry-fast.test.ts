import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as smc from '../../abi/optee-smc.ts';
import { OPTEE_RPC_CMD_SUSPEND } from '../../abi/optee-rpc.ts';
import { TEE_SUCCESS } from '../../abi/gp.ts';
import { smcRegs } from '../../machine/smc.ts';
import { LAYOUT, NormalWorld } from '../testing/normal-world.ts';
import { testTa } from '../testing/test-ta.ts';

const UUID = '11111111-2222-3333-4444-555555555555';

describe('fast calls', () => {
  const world = new NormalWorld();

  it('say who answers', () => {
    assert.deepEqual(world.fast(smc.OPTEE_SMC_CALLS_COUNT)[0], 12);
    assert.deepEqual(
      world.fast(smc.OPTEE_SMC_CALLS_UID),
      [0x384fb3e0, 0xe7f811e3, 0xaf630002, 0xa5d5c51b],
    );
    assert.deepEqual(world.fast(smc.OPTEE_SMC_CALLS_REVISION).slice(0, 2), [2, 0]);
    assert.deepEqual(
      world.fast(smc.OPTEE_SMC_CALL_GET_OS_UUID),
      [0x486178e0, 0xe7f811e3, 0xbc5e0002, 0xa5d5c51b],
    );
    assert.deepEqual(world.fast(smc.OPTEE_SMC_CALL_GET_OS_REVISION).slice(0, 3), [4, 10, 0]);
  });

  it('leave registers that are no answer as they were', () => {
    assert.deepEqual(world.fast(smc.OPTEE_SMC_CALLS_REVISION, 7, 8, 9), [2, 0, 8, 9]);
    assert.deepEqual(world.fast(smc.OPTEE_SMC_GET_THREAD_COUNT, 7, 8, 9), [0, 2, 8, 9]);
  });

  it('describe the reserved shared memory', () => {
    const { base, size } = LAYOUT.reservedShm;
    assert.deepEqual(world.fast(smc.OPTEE_SMC_GET_SHM_CONFIG), [0, base, size, 1]);
    const without = new NormalWorld({ config: { CFG_CORE_RESERVED_SHM: false } });
    assert.equal(without.fast(smc.OPTEE_SMC_GET_SHM_CONFIG)[0], 0xffffffff);
  });

  it('exchange capabilities', () => {
    const [a0, a1, a2, a3] = world.fast(smc.OPTEE_SMC_EXCHANGE_CAPABILITIES, 1);
    assert.equal(a0, smc.OPTEE_SMC_RETURN_OK);
    assert.equal(a1, 0b1111_0101);
    assert.equal(a2, 64 + 2);
    assert.equal(a3, 4);
    const [refused] = world.fast(smc.OPTEE_SMC_EXCHANGE_CAPABILITIES, 2);
    assert.equal(refused, smc.OPTEE_SMC_RETURN_ENOTAVAIL);
    assert.ok(world.log().includes('I/TC: Reserved shared memory is enabled'));
    assert.ok(world.log().includes('I/TC: Normal World virtualization support is disabled'));
  });

  it('announce only what the build has', () => {
    const bare = new NormalWorld({
      config: {
        CFG_CORE_RESERVED_SHM: false,
        CFG_CORE_DYN_SHM: false,
        CFG_CORE_ASYNC_NOTIF: false,
        CFG_RPMB_ANNOUNCE_PROBE_CAP: false,
      },
    });
    const [, caps, a2] = bare.fast(smc.OPTEE_SMC_EXCHANGE_CAPABILITIES, 0, 77);
    assert.equal(caps, smc.OPTEE_SMC_SEC_CAP_MEMREF_NULL | smc.OPTEE_SMC_SEC_CAP_RPC_ARG);
    assert.equal(a2, 77);
    assert.equal(bare.fast(smc.OPTEE_SMC_ENABLE_ASYNC_NOTIF)[0], 0xffffffff);
    assert.equal(bare.fast(smc.OPTEE_SMC_GET_ASYNC_NOTIF_VALUE)[0], 0xffffffff);
  });

  it('answer as a build without virtualization, secondary boot and protected memory', () => {
    const unknown = smc.OPTEE_SMC_RETURN_UNKNOWN_FUNCTION;
    for (const id of [
      smc.OPTEE_SMC_VM_CREATED,
      smc.OPTEE_SMC_VM_DESTROYED,
      smc.OPTEE_SMC_L2CC_MUTEX,
      smc.OPTEE_SMC_GET_PROTMEM_CONFIG,
      smc.OPTEE_SMC_FAST_CALL_VAL(0x7777),
      smc.ARM_SMCCC_CALL_VAL(1, 0, 49, 0),
      smc.ARM_SMCCC_CALL_VAL(1, 1, 50, smc.OPTEE_SMC_FUNCID_GET_THREAD_COUNT),
      smc.ARM_SMCCC_CALL_VAL(0, 0, 2, 4),
    ]) {
      assert.equal(world.fast(id)[0], unknown, id.toString(16));
    }
    assert.equal(world.fast(smc.OPTEE_SMC_BOOT_SECONDARY)[0], smc.OPTEE_SMC_RETURN_ENOTAVAIL);
  });
});

describe('shared memory cache', () => {
  it('gives its messages back one by one, and is empty then', () => {
    const world = new NormalWorld({
      tas: [
        testTa({
          uuid: UUID,
          commands: {
            *0({ tee }) {
              return yield* tee.wait(1);
            },
          },
        }),
      ],
    });
    assert.equal(world.fast(smc.OPTEE_SMC_ENABLE_SHM_CACHE)[0], smc.OPTEE_SMC_RETURN_OK);
    const { session } = world.run(world.open(UUID));
    const page = world.page();
    world.writeMessage(page, { cmd: 1, session, func: 0 });
    const status = world.run(world.yielding(smcRegs(smc.OPTEE_SMC_CALL_WITH_ARG, 0, page)));
    assert.equal(status, smc.OPTEE_SMC_RETURN_OK);
    assert.equal(world.readMessage(page).ret, TEE_SUCCESS);
    assert.deepEqual(world.rpcs, [OPTEE_RPC_CMD_SUSPEND]);
    assert.equal(world.lent.size, 1);
    const [cookie] = [...world.lent.keys()];
    assert.deepEqual(world.fast(smc.OPTEE_SMC_DISABLE_SHM_CACHE).slice(0, 3), [0, 0, cookie]);
    const { OPTEE_SMC_RETURN_ENOTAVAIL } = smc;
    assert.equal(world.fast(smc.OPTEE_SMC_DISABLE_SHM_CACHE)[0], OPTEE_SMC_RETURN_ENOTAVAIL);
    assert.equal(world.os.usage().registeredShm, 0);
  });

  it('is busy while a thread is in use', () => {
    const world = new NormalWorld({
      tas: [
        testTa({
          uuid: UUID,
          commands: {
            *0({ tee }) {
              return yield* tee.wait(1000);
            },
          },
        }),
      ],
    });
    const { session } = world.run(world.open(UUID));
    const answers: number[] = [];
    world.answers.set(OPTEE_RPC_CMD_SUSPEND, function* (rpc) {
      for (const id of [smc.OPTEE_SMC_ENABLE_SHM_CACHE, smc.OPTEE_SMC_DISABLE_SHM_CACHE]) {
        const regs = yield* world.smc(id);
        answers.push(regs[0]!);
      }
      yield* world.sched.sleep(rpc.value(0).a * 1e6, 'uninterruptible');
      return TEE_SUCCESS;
    });
    assert.equal(world.run(world.invoke(session, 0)).ret, TEE_SUCCESS);
    assert.deepEqual(answers, [smc.OPTEE_SMC_RETURN_EBUSY, smc.OPTEE_SMC_RETURN_EBUSY]);
  });
});
