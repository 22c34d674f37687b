/** Contexts driven as the system calls drive them, for tests: whole messages, in pieces, with forks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  TEE_ALG,
  TEE_ALG_AES_CTS,
  TEE_ALG_AES_XTS,
  TEE_ALG_SM4_XTS,
  TEE_ERROR,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_SUCCESS,
} from '../../../abi/gp.ts';
import { codeName } from '../../../abi/layout.ts';
import { TEE_AES_BLOCK_SIZE } from '../../../abi/utee-defines.ts';
import type { HostCrypto } from '../../../host/crypto.ts';
import { NodeCrypto } from '../../../host/node/crypto.ts';
import type { Algorithm, OperationContext } from '../contexts.ts';
import { SYMMETRIC_ALGORITHMS } from '../symmetric.ts';
import type { AuthencVector } from './authenc-vectors.ts';
import type { CipherVector } from './cipher-vectors.ts';
import { hex } from './vector.ts';
import type { Vector } from './vector.ts';

export const NODE = new NodeCrypto();
/** What an origin is given that its fork is not. */
const SPOIL = new Uint8Array(64);

/** One test for each algorithm and source. */
export function eachSource<V extends Vector>(
  vectors: readonly V[],
  check: (vector: V) => void,
): void {
  const groups = Map.groupBy(vectors, ({ algorithm: id, source }) => {
    return `${codeName(TEE_ALG, id)}: ${source}`;
  });
  for (const [name, group] of groups) {
    test(name, () => {
      for (const vector of group) check(vector);
    });
  }
}

/** The code's name, without what all have in common. */
export const result = (code: number): string => codeName(TEE_ERROR, code).replace('TEE_ERROR_', '');
export const ok = (code: number): void => assert.equal(result(code), 'TEE_SUCCESS');

export function algorithm(id: number): Algorithm {
  const found = SYMMETRIC_ALGORITHMS.find((row) => row.id === id);
  assert.ok(found, `no row for 0x${id.toString(16)}`);
  return found;
}

type Kind = OperationContext['kind'];
type ContextOf<K extends Kind> = Extract<OperationContext, { readonly kind: K }>;

/** A new context of an algorithm, which is of this kind. */
export function open<K extends Kind>(
  kind: K,
  id: number,
  mode: number = TEE_MODE_ENCRYPT,
  crypto: HostCrypto = NODE,
): ContextOf<K> {
  const context = algorithm(id).open({ crypto, rng: () => TEE_SUCCESS }, mode);
  assert.ok(isKind(kind, context), `0x${id.toString(16)} is no ${kind}`);
  return context;
}

function isKind<K extends Kind>(kind: K, context: OperationContext): context is ContextOf<K> {
  return context.kind === kind;
}

/** Where a message is cut: the lengths of its pieces, over and over; 0 forks the context there. */
export type Cuts = readonly number[];
export const WHOLE: Cuts = [Number.MAX_SAFE_INTEGER];
const FORK = 0;

/** What becomes of the pieces of a message. */
interface Pieces {
  readonly feed: (piece: Uint8Array) => void;
  readonly fork: () => void;
  /** Bytes that stay for the end at least. */
  readonly least?: number;
}

/** Feeds a message piece by piece. @returns what stays for the end: the last, or a shorter piece */
export function cut(data: Uint8Array, cuts: Cuts, { feed, fork, least = 1 }: Pieces): Uint8Array {
  let at = 0;
  for (let n = 0; ; n++) {
    const length = cuts[n % cuts.length]!;
    if (length === FORK) {
      fork();
    } else if (at + length + least > data.length) {
      return data.subarray(at);
    } else {
      feed(data.subarray(at, at + length));
      at += length;
    }
  }
}

export function digestOf(
  id: number,
  data: Uint8Array,
  size: number,
  cuts = WHOLE,
  crypto: HostCrypto = NODE,
): Uint8Array {
  let context = open('digest', id, undefined, crypto);
  context.init();
  const rest = cut(data, cuts, {
    feed: (piece) => context.update(piece),
    fork: () => (context = left(context, context.fork(), (other) => other.update(SPOIL))),
  });
  context.update(rest);
  const out = new Uint8Array(size);
  context.final(out);
  return out;
}

export function macOf(
  id: number,
  key: Uint8Array,
  data: Uint8Array,
  cuts = WHOLE,
  crypto: HostCrypto = NODE,
): Uint8Array {
  let context = open('mac', id, undefined, crypto);
  ok(context.init(key));
  const rest = cut(data, cuts, {
    feed: (piece) => ok(context.update(piece)),
    fork: () => (context = left(context, context.fork(), (other) => other.update(SPOIL))),
  });
  if (rest.length > 0) ok(context.update(rest));
  const out = new Uint8Array(context.size);
  ok(context.final(out));
  return out;
}

/** Modes that steal from the block before the last, which must not be gone by then. */
const STEALING: ReadonlySet<number> = new Set([TEE_ALG_AES_CTS, TEE_ALG_AES_XTS, TEE_ALG_SM4_XTS]);

/** Either direction of a vector. */
export function crypt(
  v: Omit<CipherVector, 'source'>,
  mode: number,
  cuts = WHOLE,
  crypto: HostCrypto = NODE,
): Uint8Array {
  let context = open('cipher', v.algorithm, mode, crypto);
  ok(context.init(hex(v.key), v.key2 === '' ? undefined : hex(v.key2), hex(v.iv)));
  const data = hex(mode === TEE_MODE_ENCRYPT ? v.plain : v.cipher);
  const out = new Uint8Array(data.length);
  let done = 0;
  const feed = (piece: Uint8Array, last = false): void => {
    ok(context.update(piece, out.subarray(done), last));
    done += piece.length;
  };
  const rest = cut(data, cuts, {
    feed,
    fork: () =>
      (context = left(context, context.fork(), (other) =>
        other.update(SPOIL, new Uint8Array(SPOIL.length), false),
      )),
    least: STEALING.has(v.algorithm) ? TEE_AES_BLOCK_SIZE + 1 : 1,
  });
  if (rest.length > 0) feed(rest, true);
  return out;
}

/** Encrypts, or decrypts and verifies: what comes out, and the tag or the verdict. */
export function authenc(
  v: AuthencVector,
  mode: number,
  cuts = WHOLE,
  crypto: HostCrypto = NODE,
): { out: Uint8Array; tag: Uint8Array; code: number } {
  let context = open('authenc', v.algorithm, mode, crypto);
  const [aad, tag] = [hex(v.aad), hex(v.tag)];
  const data = hex(mode === TEE_MODE_ENCRYPT ? v.plain : v.cipher);
  const lengths = { tagLength: tag.length, aadLength: aad.length, payloadLength: data.length };
  ok(context.init({ key: hex(v.key), nonce: hex(v.nonce), ...lengths }));
  const out = new Uint8Array(data.length);
  let done = 0;
  const fork = (): void => {
    const other = context.fork();
    assert.ok(other);
    context = left(context, other, (one) => one.updatePayload(SPOIL, new Uint8Array(SPOIL.length)));
  };
  const feedAad = (piece: Uint8Array): void => ok(context.updateAad(piece));
  feedAad(cut(aad, cuts, { feed: feedAad, fork }));
  const feed = (piece: Uint8Array): void => {
    ok(context.updatePayload(piece, out.subarray(done)));
    done += piece.length;
  };
  const rest = cut(data, cuts, { feed, fork });
  if (mode === TEE_MODE_DECRYPT) {
    return { out, tag, code: context.decFinal(rest, out.subarray(done), tag) };
  }
  const [made, size] = [new Uint8Array(tag.length), { size: tag.length }];
  const code = context.encFinal(rest, out.subarray(done), made, size);
  return { out, tag: made, code };
}

/** Goes on with the fork; what happens to its origin must not matter. */
function left<T>(origin: T, fork: T, spoil: (origin: T) => unknown): T {
  spoil(origin);
  return fork;
}
