/** The random number PTA, as the normal world's driver calls it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  OPTEE_MSG_ATTR_TYPE_TMEM_INOUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_OUTPUT,
} from '../../abi/optee-msg.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { PTA_CMD_GET_ENTROPY, PTA_CMD_GET_RNG_INFO, PTA_RNG_UUID } from '../../abi/pta.ts';
import { pa } from '../../machine/address.ts';
import { tmem } from '../testing/msg-param.ts';
import type { MsgParam } from '../testing/msg-param.ts';
import { LAYOUT, NormalWorld } from '../testing/normal-world.ts';
import type { MsgResult } from '../testing/normal-world.ts';

const SHM = LAYOUT.reservedShm.base;
const VALUE_OUT = { attr: OPTEE_MSG_ATTR_TYPE_VALUE_OUTPUT };

describe('rng.pta', () => {
  const config = { CFG_HWRNG_PTA: true, CFG_HWRNG_RATE: 7, CFG_HWRNG_QUALITY: 900 };
  const booted = (): { world: NormalWorld; invoke: Invoke } => {
    const world = new NormalWorld({ config });
    const { session, ret } = world.run(world.open(PTA_RNG_UUID));
    assert.equal(ret, TEE_SUCCESS);
    return { world, invoke: (cmd, params) => world.run(world.invoke(session, cmd, params)) };
  };
  type Invoke = (cmd: number, params: readonly MsgParam[]) => MsgResult;

  it('fills what it is given, differently each time, and alike in each world', () => {
    const draw = (): string[] => {
      const { world, invoke } = booted();
      return [0, 1].map(() => {
        world.bytes(pa(SHM), 33).fill(0);
        const params = [tmem(OPTEE_MSG_ATTR_TYPE_TMEM_INOUT, SHM, 32)];
        const { ret, params: after } = invoke(PTA_CMD_GET_ENTROPY, params);
        assert.deepEqual([ret, after[0]!.b], [TEE_SUCCESS, 32]);
        assert.equal(world.bytes(pa(SHM), 33)[32], 0, 'and no more');
        return Buffer.from(world.bytes(pa(SHM), 32)).toString('hex');
      });
    };
    const [first, second] = draw();
    assert.notEqual(first, second);
    assert.deepEqual(draw(), [first, second]);
  });

  it('tells what the build claims', () => {
    const { params, ret } = booted().invoke(PTA_CMD_GET_RNG_INFO, [VALUE_OUT]);
    assert.deepEqual([ret, params[0]!.a, params[0]!.b], [TEE_SUCCESS, 7, 900]);
  });

  const OUT = tmem(OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT, SHM, 32);
  const NULL = tmem(OPTEE_MSG_ATTR_TYPE_TMEM_INOUT, 0, 0);
  const rows = [
    ['entropy: output only', PTA_CMD_GET_ENTROPY, [OUT], TEE_ERROR_BAD_PARAMETERS],
    ['entropy: NULL', PTA_CMD_GET_ENTROPY, [NULL], TEE_ERROR_BAD_PARAMETERS],
    ['entropy: nothing', PTA_CMD_GET_ENTROPY, [], TEE_ERROR_BAD_PARAMETERS],
    ['info: memory', PTA_CMD_GET_RNG_INFO, [OUT], TEE_ERROR_BAD_PARAMETERS],
    ['info: one too many', PTA_CMD_GET_RNG_INFO, [VALUE_OUT, OUT], TEE_ERROR_BAD_PARAMETERS],
    ['another command', 2, [VALUE_OUT], TEE_ERROR_NOT_IMPLEMENTED],
  ] as const;
  for (const [name, cmd, params, expected] of rows) {
    it(name, () => assert.equal(booted().invoke(cmd, params).ret, expected));
  }

  it('is absent from a build without it', () => {
    const world = new NormalWorld({ config: { CFG_HWRNG_PTA: false } });
    assert.equal(world.run(world.open(PTA_RNG_UUID)).ret, TEE_ERROR_ITEM_NOT_FOUND);
  });
});
