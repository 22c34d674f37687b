/**
 * Digests over node:crypto. Extendable-output functions too: node:crypto gives their output once
 * and whole, so what comes out in pieces is made anew, from a copy of the input's state, when more
 * of it is needed; each time at least twice as much, so that a byte is made about twice.
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import type { HostDigest, HostXof } from '../crypto.ts';

/** What was made, or as much of it as there is room for in `out`. */
export function placed(made: Uint8Array, out: Uint8Array | undefined): Uint8Array {
  if (out === undefined) return made;
  out.set(made.subarray(0, out.length));
  return out;
}

export class NodeDigest implements HostDigest {
  readonly #name: string;
  #hash: Hash;
  constructor(name: string, state = createHash(name)) {
    this.#name = name;
    this.#hash = state;
  }
  update(data: Uint8Array): void {
    this.#hash.update(data);
  }
  copy(): HostDigest {
    return new NodeDigest(this.#name, this.#hash.copy());
  }
  final(out?: Uint8Array): Uint8Array {
    return placed(this.#hash.digest(), out);
  }
  start(): void {
    this.#hash = createHash(this.#name);
  }
}

/** Bytes of output that are made at least. */
export const LEAST_OUTPUT = 256;

export class NodeXof implements HostXof {
  readonly #hash: Hash;
  /** Bytes of the output that were taken. */
  #taken = 0;
  /** Bytes of the output that come next. */
  #next: Uint8Array = new Uint8Array(0);

  constructor(state: Hash) {
    this.#hash = state;
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  copy(): HostXof {
    const other = new NodeXof(this.#hash.copy());
    other.#taken = this.#taken;
    other.#next = this.#next;
    return other;
  }

  squeeze(out: Uint8Array): void {
    if (out.length > this.#next.length) this.#make(this.#taken + out.length);
    out.set(this.#next.subarray(0, out.length));
    this.#next = this.#next.subarray(out.length);
    this.#taken += out.length;
  }

  #make(needed: number): void {
    const outputLength = Math.max(needed, 2 * this.#taken, LEAST_OUTPUT);
    this.#next = this.#hash.copy({ outputLength }).digest().subarray(this.#taken);
  }
}
