/** The example TAs: commands, results and log lines of OP-TEE's public ones. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TA_AES_ALGO,
  TA_AES_ALGO_CCM,
  TA_AES_ALGO_CTR,
  TA_AES_ALGO_GCM,
  TA_AES_CMD_AUTHENC,
  TA_AES_CMD_CIPHER,
  TA_AES_CMD_PREPARE,
  TA_AES_CMD_SET_IV,
  TA_AES_CMD_SET_KEY,
  TA_AES_MODE_DECODE,
  TA_AES_MODE_ENCODE,
} from '../../../examples/aes/aes-ta.ts';
import aes from '../../../examples/aes/ta.ts';
import {
  TA_HELLO_WORLD_CMD_DEC_VALUE,
  TA_HELLO_WORLD_CMD_INC_VALUE,
} from '../../../examples/hello_world/hello-world-ta.ts';
import hello from '../../../examples/hello_world/ta.ts';
import { TA_RANDOM_CMD_GENERATE } from '../../../examples/random/random-ta.ts';
import random from '../../../examples/random/ta.ts';
import {
  TEE_ERROR,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INOUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
} from '../../abi/gp.ts';
import { codeName } from '../../abi/layout.ts';
import { NodeCrypto } from '../../host/node/crypto.ts';
import { CIPHER_VECTORS, PLAIN, toHex } from '../testing/crypto-vectors.ts';
import type { TaMemref } from '../runtime.ts';
import { Params, World } from '../testing/world.ts';
import type { LoadedTa } from '../testing/world.ts';

const NONE = TEE_PARAM_TYPE_NONE;
const IN = TEE_PARAM_TYPE_MEMREF_INPUT;
const OUT = TEE_PARAM_TYPE_MEMREF_OUTPUT;
const VALUE = TEE_PARAM_TYPE_VALUE_INPUT;

const named = (code: number): string => codeName(TEE_ERROR, code).replace('TEE_ERROR_', '');

describe('hello_world', () => {
  const INOUT = TEE_PARAM_TYPES(TEE_PARAM_TYPE_VALUE_INOUT, NONE, NONE, NONE);

  test('counts up and down, with the public example’s lines', async () => {
    const world = new World();
    world.traceLevel = 3;
    const ta = world.load(hello);
    const session = await ta.open();
    const params = new Params(INOUT).value(0, 42);
    assert.equal(await ta.invoke(session, TA_HELLO_WORLD_CMD_INC_VALUE, params), 0);
    assert.equal(params.slots[0]!.a, 43);
    assert.equal(await ta.invoke(session, TA_HELLO_WORLD_CMD_DEC_VALUE, params), 0);
    assert.equal(params.slots[0]!.a, 42);
    await ta.enter('TA_CloseSessionEntryPoint', session, 0, undefined);
    await ta.enter('TA_DestroyEntryPoint', 0, 0, undefined);
    const lines = world.lines.map((line) => line.replace(/:\d+ has/, ':LINE has'));
    assert.deepEqual(lines, [
      'D/TA:  TA_CreateEntryPoint:LINE has been called\n',
      'D/TA:  TA_OpenSessionEntryPoint:LINE has been called\n',
      'I/TA: Hello World!\n',
      'D/TA:  inc_value:LINE has been called\n',
      'I/TA: Got value: 42 from NW\n',
      'I/TA: Increase value to: 43\n',
      'D/TA:  dec_value:LINE has been called\n',
      'I/TA: Got value: 43 from NW\n',
      'I/TA: Decrease value to: 42\n',
      'I/TA: Goodbye!\n',
      'D/TA:  TA_DestroyEntryPoint:LINE has been called\n',
    ]);
  });

  test('values go around, other commands and parameters are refused', async () => {
    const ta = new World().load(hello);
    const session = await ta.open();
    const params = new Params(INOUT).value(0, 0xffffffff);
    await ta.invoke(session, TA_HELLO_WORLD_CMD_INC_VALUE, params);
    assert.equal(params.slots[0]!.a, 0);
    await ta.invoke(session, TA_HELLO_WORLD_CMD_DEC_VALUE, params);
    assert.equal(params.slots[0]!.a, 0xffffffff);
    assert.equal(named(await ta.invoke(session, 2, params)), 'BAD_PARAMETERS');
    assert.equal(named(await ta.invoke(session, 0, new Params(VALUE))), 'BAD_PARAMETERS');
    assert.equal(named(await ta.invoke(session, 1, undefined)), 'BAD_PARAMETERS');
    const refused = ta.enter('TA_OpenSessionEntryPoint', 9, 0, new Params(VALUE));
    assert.equal(named(await refused), 'BAD_PARAMETERS');
  });
});

describe('random', () => {
  const types = TEE_PARAM_TYPES(OUT, NONE, NONE, NONE);

  test('fills the client’s buffer', async () => {
    const world = new World();
    const ta = world.load(random);
    const session = await ta.open();
    const memref = world.shared(new Uint8Array(16));
    const params = new Params(types).memref(0, memref, 16);
    assert.equal(await ta.invoke(session, TA_RANDOM_CMD_GENERATE, params), 0);
    assert.ok(world.contents(memref, 16).some((byte) => byte !== 0));
    assert.deepEqual(world.lines, ['I/TA: Generating random data over 16 bytes.\n']);
    assert.equal(ta.world.secure.used, 8, 'TA_DATA_SIZE and nothing more');
  });

  test('is out of memory beyond its heap', async () => {
    const world = new World();
    const ta = world.load(random);
    const memref = world.shared(new Uint8Array(40000));
    const params = new Params(types).memref(0, memref, 40000);
    const result = await ta.invoke(await ta.open(), TA_RANDOM_CMD_GENERATE, params);
    assert.equal(named(result), 'OUT_OF_MEMORY');
    assert.equal(named(await ta.invoke(1, 5, params)), 'BAD_PARAMETERS');
  });
});

/** A client of the aes TA. */
class AesClient {
  readonly world = new World();
  readonly ta: LoadedTa = this.world.load(aes);
  session = 0;

  async open(): Promise<this> {
    this.session = await this.ta.open();
    return this;
  }
  call(command: number, params: Params): number | Promise<number> {
    return this.ta.invoke(this.session, command, params);
  }
  prepare(algo: number, keySize: number, mode: number): number | Promise<number> {
    const types = TEE_PARAM_TYPES(VALUE, VALUE, VALUE, NONE);
    const params = new Params(types).value(0, algo).value(1, keySize).value(2, mode);
    return this.call(TA_AES_CMD_PREPARE, params);
  }
  send(command: number, bytes: Uint8Array): number | Promise<number> {
    const types = TEE_PARAM_TYPES(IN, NONE, NONE, NONE);
    const memref = bytes.length === 0 ? undefined : this.world.shared(bytes);
    return this.call(command, new Params(types).memref(0, memref, bytes.length));
  }
  /** @returns result and what came out */
  async cipher(bytes: Uint8Array, room = bytes.length): Promise<[number, string]> {
    const [from, to] = [this.world.shared(bytes), this.world.shared(new Uint8Array(room))];
    const params = new Params(TEE_PARAM_TYPES(IN, OUT, NONE, NONE));
    params.memref(0, from, bytes.length).memref(1, to, room);
    const result = await this.call(TA_AES_CMD_CIPHER, params);
    return [result, toHex(this.world.contents(to, params.slots[1]!.size))];
  }
  async authenc(encrypt: number, bytes: Uint8Array, tag: TaMemref): Promise<[number, Uint8Array]> {
    const [from, to] = [this.world.shared(bytes), this.world.shared(new Uint8Array(80))];
    const params = new Params(TEE_PARAM_TYPES(IN, OUT, VALUE, TEE_PARAM_TYPE_MEMREF_INOUT));
    params.memref(0, from, bytes.length).memref(1, to, 80).value(2, encrypt).memref(3, tag, 16);
    const result = await this.call(TA_AES_CMD_AUTHENC, params);
    return [result, this.world.contents(to, params.slots[1]!.size)];
  }
}

describe('aes', () => {
  for (const { name, key, iv, cipher } of CIPHER_VECTORS) {
    if (key.length === 24) continue;
    test(`${name} through the client’s buffers`, async () => {
      const client = await new AesClient().open();
      const algo = TA_AES_ALGO[`TA_AES_ALGO_${name.slice(6, 9)}` as keyof typeof TA_AES_ALGO];
      for (const mode of [TA_AES_MODE_ENCODE, TA_AES_MODE_DECODE]) {
        assert.equal(await client.prepare(algo, key.length, mode), 0);
        assert.equal(await client.send(TA_AES_CMD_SET_KEY, key), 0);
        assert.equal(await client.send(TA_AES_CMD_SET_IV, iv), 0);
        const [from, to] =
          mode === TA_AES_MODE_ENCODE ? [toHex(PLAIN), cipher] : [cipher, toHex(PLAIN)];
        const bytes = Uint8Array.from(Buffer.from(from, 'hex'));
        assert.deepEqual(await client.cipher(bytes), [0, to]);
      }
    });
  }

  test('what the public client does: 4 KiB of 0x5a under 0xa5, zero vector', async () => {
    const client = await new AesClient().open();
    const [key, clear] = [new Uint8Array(16).fill(0xa5), new Uint8Array(4096).fill(0x5a)];
    await client.prepare(TA_AES_ALGO_CTR, 16, TA_AES_MODE_ENCODE);
    await client.send(TA_AES_CMD_SET_KEY, key);
    await client.send(TA_AES_CMD_SET_IV, new Uint8Array(16));
    const expected = new NodeCrypto()
      .cipher('aes-ctr', true, key, new Uint8Array(16))
      .update(clear);
    assert.deepEqual(await client.cipher(clear), [0, toHex(expected)]);
  });

  for (const algo of [TA_AES_ALGO_CCM, TA_AES_ALGO_GCM]) {
    test(`authenticated, algorithm ${algo}: there, back, and with a wrong tag`, async () => {
      const client = await new AesClient().open();
      const key = new Uint8Array(16).fill(0xa5);
      const message = new TextEncoder().encode('TestCCMMessage');
      const tag = client.world.shared(new Uint8Array(16));
      await client.prepare(algo, 16, TA_AES_MODE_ENCODE);
      await client.send(TA_AES_CMD_SET_KEY, key);
      const [sealing, sealed] = await client.authenc(1, message, tag);
      assert.deepEqual([sealing, sealed.length], [0, message.length]);
      await client.prepare(algo, 16, TA_AES_MODE_DECODE);
      await client.send(TA_AES_CMD_SET_KEY, key);
      const [opening, opened] = await client.authenc(0, sealed, tag);
      assert.deepEqual([opening, new TextDecoder().decode(opened)], [0, 'TestCCMMessage']);
      const wrong = client.world.shared(new Uint8Array(16));
      await client.prepare(algo, 16, TA_AES_MODE_DECODE);
      await client.send(TA_AES_CMD_SET_KEY, key);
      assert.equal(named((await client.authenc(0, sealed, wrong))[0]), 'MAC_INVALID');
      assert.match(
        client.world.lines.at(-1) ?? '',
        /^E\/TA: {2}auth_enc_op:\d+ TEE_AEDecryptFinal failed with 0xffff3071\n$/,
      );
    });
  }

  test('refusals and their lines', async () => {
    const client = await new AesClient().open();
    const line = (): string => (client.world.lines.at(-1) ?? '').replace(/:\d+ /, ':LINE ');
    assert.equal(named(await client.prepare(9, 16, 1)), 'BAD_PARAMETERS');
    assert.equal(line(), 'E/TA:  ta2tee_algo_id:LINE Invalid algo 9\n');
    assert.equal(named(await client.prepare(0, 24, 1)), 'BAD_PARAMETERS');
    assert.equal(line(), 'E/TA:  ta2tee_key_size:LINE Invalid key size 24\n');
    assert.equal(named(await client.prepare(0, 16, 2)), 'BAD_PARAMETERS');
    assert.equal(line(), 'E/TA:  ta2tee_mode_id:LINE Invalid mode 2\n');
    assert.equal(named((await client.cipher(PLAIN))[0]), 'BAD_STATE');
    await client.prepare(TA_AES_ALGO_CTR, 16, 1);
    assert.equal(named(await client.send(TA_AES_CMD_SET_KEY, PLAIN)), 'BAD_PARAMETERS');
    assert.equal(line(), 'E/TA:  set_aes_key:LINE Wrong key size 64, expect 16 bytes\n');
    assert.equal(named((await client.cipher(PLAIN, 63))[0]), 'BAD_PARAMETERS');
    assert.equal(line(), 'E/TA:  cipher_buffer:LINE Bad sizes: in 64, out 63\n');
    assert.equal(named(await client.call(9, new Params(0))), 'NOT_SUPPORTED');
    assert.equal(
      line(),
      'E/TA:  TA_InvokeCommandEntryPoint:LINE Command ID 0x9 is not supported\n',
    );
    for (const command of [0, 1, 2, 3, 4]) {
      assert.equal(named(await client.call(command, new Params(0))), 'BAD_PARAMETERS');
    }
  });

  test('a closed session leaves nothing in the core', async () => {
    const client = await new AesClient().open();
    await client.prepare(TA_AES_ALGO_CTR, 16, TA_AES_MODE_ENCODE);
    await client.prepare(TA_AES_ALGO_CTR, 32, TA_AES_MODE_DECODE);
    await client.ta.enter('TA_CloseSessionEntryPoint', client.session, 0, undefined);
    const { crypto } = client.ta.syscalls;
    assert.deepEqual([crypto.objectCount, crypto.stateCount], [0, 0]);
  });

  test('feeding an operation that has no vector yet is a panic', async () => {
    const client = await new AesClient().open();
    await client.prepare(TA_AES_ALGO_CTR, 16, TA_AES_MODE_ENCODE);
    await assert.rejects(async () => client.cipher(PLAIN), { name: 'TaPanic', code: 0xffff0006 });
  });
});
