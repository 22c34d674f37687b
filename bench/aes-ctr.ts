/**
 * AES-CTR over 64 KiB by the public aes TA, its client inside the box: an initialization and an
 * update per buffer, as the public client makes them. Buffers and vector are in shared memory, and
 * once more temporary, as the public client has them. The peer is node:crypto doing the same to
 * plain memory, its key made once. The TA sees contiguous pages themselves, scattered ones as a copy.
 */
import assert from 'node:assert/strict';
import { createCipheriv, createSecretKey } from 'node:crypto';
import * as aes from '../examples/aes/ta.ts';
import {
  TA_AES_ALGO_CTR,
  TA_AES_CMD_CIPHER,
  TA_AES_CMD_PREPARE,
  TA_AES_CMD_SET_IV,
  TA_AES_CMD_SET_KEY,
  TA_AES_MODE_ENCODE,
  TA_AES_SIZE_128BIT,
  TA_AES_UUID,
} from '../examples/aes/aes-ta.ts';
import {
  TEEC_MEMREF_PARTIAL_INPUT,
  TEEC_MEMREF_PARTIAL_OUTPUT,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_MEM_INPUT,
  TEEC_MEM_OUTPUT,
  TEEC_VALUE_INPUT,
} from '../src/abi/gp.ts';
import { boot, taImageOf } from '../src/index.ts';
import type { Va } from '../src/machine/address.ts';
import type { TeecOperation, TeecParameter } from '../src/userland/libteec/teec.ts';
import { CryptoClient, contiguous, operation, scattered } from './crypto-client.ts';
import type { Alloc } from './crypto-client.ts';
import { ratioAtLeast } from './row.ts';
import type { Row } from './row.ts';
import { beside, work } from './samples.ts';
import type { Work } from './samples.ts';

const BYTES = 64 * 1024;
const KEY = new Uint8Array(TA_AES_SIZE_128BIT).fill(0xa5);
const IV = new Uint8Array(16).fill(0x5a);

export async function* aesCtr(): AsyncGenerator<Row> {
  using box = boot({ tas: [taImageOf(aes, 'examples/aes/ta.ts')] });
  const client = new CryptoClient(box.client(), TA_AES_UUID);
  prepare(client);
  const perSecond = { unit: 'MB/s', convert: (us: number) => BYTES / us, ms: 2500 } as const;
  const shared = cipherShared('aes-ctr-64k-contiguous', client, contiguous);
  yield await beside(shared, nodeCrypto(), { ...perSecond, goal: ratioAtLeast(0.8) });
  const copied = cipherShared('aes-ctr-64k-scattered', client, scattered);
  yield await beside(copied, nodeCrypto(), { ...perSecond, goal: ratioAtLeast(0.6) });
  const temporary = cipherTemporary('aes-ctr-64k-temporary', client, contiguous);
  yield await beside(temporary, nodeCrypto(), perSecond);
}

/** Gives a session its algorithm and its key. */
function prepare(client: CryptoClient): void {
  const values = [TA_AES_ALGO_CTR, TA_AES_SIZE_128BIT, TA_AES_MODE_ENCODE].map(
    (a) => [TEEC_VALUE_INPUT, { value: { a, b: 0 } }] as const,
  );
  client.invoke(TA_AES_CMD_PREPARE, operation(...values));
  const key = temporary(client.bytes(KEY), KEY.length);
  client.invoke(TA_AES_CMD_SET_KEY, operation([TEEC_MEMREF_TEMP_INPUT, key]));
}

/** All memory is registered once. */
function cipherShared(name: string, client: CryptoClient, alloc: Alloc): Work {
  const input = client.share(alloc(client.client, BYTES), BYTES, TEEC_MEM_INPUT);
  const at = alloc(client.client, BYTES);
  const output = client.share(at, BYTES, TEEC_MEM_OUTPUT);
  const iv = client.share(client.bytes(IV), IV.length, TEEC_MEM_INPUT);
  const cipher = operation(
    [TEEC_MEMREF_PARTIAL_INPUT, input],
    [TEEC_MEMREF_PARTIAL_OUTPUT, output],
  );
  return cipherWork(name, client, operation([TEEC_MEMREF_PARTIAL_INPUT, iv]), cipher, at);
}

/** All memory is registered for each call. */
function cipherTemporary(name: string, client: CryptoClient, alloc: Alloc): Work {
  const at = alloc(client.client, BYTES);
  const cipher = operation(
    [TEEC_MEMREF_TEMP_INPUT, temporary(alloc(client.client, BYTES), BYTES)],
    [TEEC_MEMREF_TEMP_OUTPUT, temporary(at, BYTES)],
  );
  const iv = temporary(client.bytes(IV), IV.length);
  return cipherWork(name, client, operation([TEEC_MEMREF_TEMP_INPUT, iv]), cipher, at);
}

const temporary = (buffer: Va, size: number): TeecParameter => ({ tmpref: { buffer, size } });

function cipherWork(
  name: string,
  client: CryptoClient,
  setIv: TeecOperation,
  cipher: TeecOperation,
  output: Va,
): Work {
  const once = (): void => {
    client.invoke(TA_AES_CMD_SET_IV, setIv);
    client.invoke(TA_AES_CMD_CIPHER, cipher);
  };
  once();
  const expected = createCipheriv('aes-128-ctr', KEY, IV).update(new Uint8Array(BYTES));
  assert.deepEqual(Buffer.from(client.read(output, BYTES)), expected);
  return work(name, once);
}

function nodeCrypto(): Work {
  const key = createSecretKey(KEY);
  const clear = new Uint8Array(BYTES);
  return work('node:crypto', () => {
    createCipheriv('aes-128-ctr', key, IV).update(clear);
  });
}
