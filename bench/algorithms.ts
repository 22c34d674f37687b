/**
 * Algorithms through a TA that does a whole message in one invoke, its client inside the box: 64 KiB
 * in contiguous and in scattered shared memory, 4 KiB, and updates of 16 bytes of a message that is
 * under way. The peer is node:crypto doing the same to plain memory, its key made once.
 */
import assert from 'node:assert/strict';
import { createCipheriv, createHash, createSecretKey } from 'node:crypto';
import {
  TEEC_MEMREF_PARTIAL_INPUT as INPUT,
  TEEC_MEMREF_PARTIAL_OUTPUT as OUTPUT,
  TEEC_MEM_INPUT,
  TEEC_MEM_OUTPUT,
} from '../src/abi/gp.ts';
import { boot, taImageOf } from '../src/index.ts';
import type { Va } from '../src/machine/address.ts';
import { PAGE_SIZE } from '../src/machine/address.ts';
import type { TeecParameter } from '../src/userland/libteec/teec.ts';
import * as ta from './algorithms-ta.ts';
import { ALGORITHMS_TA_UUID, COMMAND, KEY, TAG_BYTES } from './algorithms-ta.ts';
import { CryptoClient, contiguous, operation, scattered } from './crypto-client.ts';
import type { Alloc } from './crypto-client.ts';
import { atMost, overPeerAtMost, ratioAtLeast } from './row.ts';
import type { Benchmark, Row } from './row.ts';
import { beside, work } from './samples.ts';
import type { Work } from './samples.ts';

const LARGE = 64 * 1024;
const SMALL = 4 * 1024;
const TINY = 16;
const DIGEST_BYTES = 32;
const MS = 2500;

interface Algorithm {
  readonly name: string;
  readonly whole: number;
  readonly update: number;
  /** Initialization vector or nonce; empty for none. */
  readonly vector: Uint8Array;
  /** Bytes of output for so many of input. */
  readonly outputBytes: (input: number) => number;
  readonly tagBytes: number;
  /** A whole message by node:crypto: output and tag. */
  readonly peer: (data: Uint8Array) => readonly Uint8Array[];
  /** A message under way. */
  readonly begin: () => { update(data: Uint8Array): unknown };
}

const SECRET = createSecretKey(KEY);
const COUNTER = new Uint8Array(16).fill(0x5a);
const NONCE = new Uint8Array(12).fill(0x5a);
const GCM = { authTagLength: TAG_BYTES };

const AES_CTR: Algorithm = {
  name: 'aes-ctr-one-invoke',
  whole: COMMAND.ctr,
  update: COMMAND.ctrUpdate,
  vector: COUNTER,
  outputBytes: (input) => input,
  tagBytes: 0,
  peer: (data) => [createCipheriv('aes-128-ctr', SECRET, COUNTER).update(data)],
  begin: () => createCipheriv('aes-128-ctr', SECRET, COUNTER),
};

const AES_GCM: Algorithm = {
  name: 'aes-gcm',
  whole: COMMAND.gcm,
  update: COMMAND.gcmUpdate,
  vector: NONCE,
  outputBytes: (input) => input,
  tagBytes: TAG_BYTES,
  peer: (data) => {
    const cipher = createCipheriv('aes-128-gcm', SECRET, NONCE, GCM);
    const output = cipher.update(data);
    cipher.final();
    return [output, cipher.getAuthTag()];
  },
  begin: () => createCipheriv('aes-128-gcm', SECRET, NONCE, GCM),
};

const SHA_256: Algorithm = {
  name: 'sha-256',
  whole: COMMAND.sha256,
  update: COMMAND.sha256Update,
  vector: new Uint8Array(0),
  outputBytes: () => DIGEST_BYTES,
  tagBytes: 0,
  peer: (data) => [createHash('sha256').update(data).digest()],
  begin: () => createHash('sha256'),
};

export const aesCtrOneInvoke: Benchmark = () => rowsOf(AES_CTR);
export const aesGcm: Benchmark = () => rowsOf(AES_GCM);
export const sha256: Benchmark = () => rowsOf(SHA_256);

async function* rowsOf(algorithm: Algorithm): AsyncGenerator<Row, void, void> {
  using box = boot({ tas: [taImageOf(ta, 'bench/algorithms-ta.ts')] });
  const client = new CryptoClient(box.client(), ALGORITHMS_TA_UUID);
  const { name } = algorithm;
  const perSecond = { unit: 'MB/s', convert: (us: number) => LARGE / us, ms: MS } as const;
  for (const [alloc, ratio] of [
    [contiguous, 0.8],
    [scattered, 0.6],
  ] as const) {
    const large = whole(`${name}-64k-${alloc.name}`, client, algorithm, LARGE, alloc);
    const goal = ratioAtLeast(ratio);
    yield await beside(large, wholePeer(algorithm, LARGE), { ...perSecond, goal });
  }
  const small = whole(`${name}-4k`, client, algorithm, SMALL, contiguous);
  yield await beside(small, wholePeer(algorithm, SMALL), { goal: overPeerAtMost(3), ms: MS });
  const tiny = update(`${name}-update-16`, client, algorithm);
  yield await beside(tiny, updatePeer(algorithm), { goal: atMost(5), ms: MS });
}

/** A parameter in memory of its own. */
interface Lent {
  readonly at: Va;
  readonly bytes: number;
  readonly param: readonly [type: number, param: TeecParameter];
}

function lend(client: CryptoClient, alloc: Alloc, bytes: number, type: number): Lent {
  const at = alloc(client.client, Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE);
  const flags = type === INPUT ? TEEC_MEM_INPUT : TEEC_MEM_OUTPUT;
  return { at, bytes, param: [type, client.share(at, bytes, flags)] };
}

/** Whole messages; the first one is checked. */
function whole(
  name: string,
  client: CryptoClient,
  algorithm: Algorithm,
  size: number,
  alloc: Alloc,
): Work {
  const { vector, outputBytes, tagBytes } = algorithm;
  const input = lend(client, alloc, size, INPUT);
  const output = lend(client, alloc, outputBytes(size), OUTPUT);
  const vectors = vector.length === 0 ? [] : [lend(client, contiguous, vector.length, INPUT)];
  for (const { at } of vectors) client.client.program.memory.write(at, vector);
  const tags = tagBytes === 0 ? [] : [lend(client, contiguous, tagBytes, OUTPUT)];
  const op = operation(...[input, output, ...vectors, ...tags].map(({ param }) => param));
  const once = (): void => client.invoke(algorithm.whole, op);
  once();
  const made = [output, ...tags].map(({ at, bytes }) => client.read(at, bytes));
  const expected = algorithm.peer(new Uint8Array(size));
  assert.deepEqual(made.map(toHex), expected.map(toHex));
  return work(name, once);
}

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function wholePeer({ peer }: Algorithm, size: number): Work {
  const data = new Uint8Array(size);
  return work('node:crypto', () => {
    peer(data);
  });
}

/** Pieces of a message that never ends. */
function update(name: string, client: CryptoClient, { update, outputBytes }: Algorithm): Work {
  const input = lend(client, contiguous, TINY, INPUT);
  const output = lend(client, contiguous, outputBytes(TINY), OUTPUT);
  const op = operation(input.param, output.param);
  return work(name, () => client.invoke(update, op));
}

function updatePeer({ begin }: Algorithm): Work {
  const message = begin();
  const data = new Uint8Array(TINY);
  return work('node:crypto', () => {
    message.update(data);
  });
}
