/** Where an operation stops the core, not only its TA. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TEE_ALG_RSASSA_PKCS1_V1_5,
  TEE_ALG_SM4_XTS,
  TEE_ATTR_SECRET_VALUE,
  TEE_ERROR_BAD_STATE,
  TEE_MODE_ENCRYPT,
  TEE_MODE_SIGN,
  TEE_MODE_VERIFY,
  TEE_SUCCESS,
  TEE_TYPE_RSA_KEYPAIR,
  TEE_TYPE_SM4,
} from '../../abi/gp.ts';
import type { Co } from '../../sched/task.ts';
import { UUID } from '../testing/fixtures.ts';
import { NormalWorld } from '../testing/normal-world.ts';
import { testTa } from '../testing/test-ta.ts';
import type { TestCall } from '../testing/test-ta.ts';
import type { CryptoSyscalls } from './svc-cryp.ts';

type Body = (crypto: CryptoSyscalls) => number;

const NOTHING = new Uint8Array(0);
const ok = (code: number): void => assert.equal(code, TEE_SUCCESS);

/** @returns what the TA's command comes to */
function run(body: Body, config = {}): { world: NormalWorld; end: () => number } {
  const commands = {
    *0({ tee }: TestCall): Co<number> {
      return body(tee.crypto as CryptoSyscalls);
    },
  };
  const world = new NormalWorld({ config, tas: [testTa({ uuid: UUID, commands })] });
  const { session } = world.run(world.open(UUID));
  return { world, end: () => world.run(world.invoke(session, 0)).ret };
}

function object(crypto: CryptoSyscalls, type: number, bits: number): number {
  const out = { handle: 0 };
  ok(crypto.objAlloc(type, bits, out));
  return out.handle;
}

function state(crypto: CryptoSyscalls, id: number, mode: number, key1: number, key2 = 0): number {
  const out = { handle: 0 };
  ok(crypto.stateAlloc(id, mode, key1, key2, out));
  return out.handle;
}

describe('XTS of SM4, less than a block', () => {
  const body: Body = (crypto) => {
    const [key1, key2] = [1, 2].map((octet) => {
      const handle = object(crypto, TEE_TYPE_SM4, 128);
      const content = new Uint8Array(16).fill(octet);
      ok(crypto.objPopulate(handle, [{ id: TEE_ATTR_SECRET_VALUE, content }]));
      return handle;
    });
    const xts = state(crypto, TEE_ALG_SM4_XTS, TEE_MODE_ENCRYPT, key1!, key2);
    ok(crypto.cipherInit(xts, new Uint8Array(16)));
    return crypto.cipherFinal(xts, new Uint8Array(15), new Uint8Array(15), { size: 15 });
  };

  test('is an assertion of the core', () => {
    const { world, end } = run(body);
    assert.throws(end, /sm4_crypt_xts: assertion failed: len >= 16/);
    assert.equal(world.sched.halted?.kind, 'core panic');
    assert.match(
      world.log().at(-1)!,
      /Panic 'assertion failed: len >= 16' at \?:0 <sm4_crypt_xts>/,
    );
  });

  test('is refused where assertions are not checked', () => {
    assert.equal(run(body, { CFG_TEE_CORE_DEBUG: false }).end(), TEE_ERROR_BAD_STATE);
  });
});

test('an RSA signature of no bytes, without a hash, stops the core that verifies it', () => {
  const { world, end } = run((crypto) => {
    const keys = [1, 2].map(() => object(crypto, TEE_TYPE_RSA_KEYPAIR, 512));
    ok(crypto.generateKey(keys[0]!, 512, []));
    ok(crypto.objCopy(keys[1]!, keys[0]!));
    const id = TEE_ALG_RSASSA_PKCS1_V1_5;
    const [signing, verifying] = [TEE_MODE_SIGN, TEE_MODE_VERIFY].map((mode, n) =>
      state(crypto, id, mode, keys[n]!),
    );
    const signature = new Uint8Array(64);
    ok(crypto.asymmOperate(signing!, [], NOTHING, signature, { size: 64 }));
    return crypto.asymmVerify(verifying!, [], NOTHING, signature);
  });
  assert.throws(end, /___ftmn_set_check_res_memcmp/);
  assert.equal(world.sched.halted?.kind, 'core panic');
});
