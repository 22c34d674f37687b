/**
 * What a box takes from the outside, as interfaces: memory, clocks, entropy, crypto, byte stores.
 * Nothing in the rooms above reaches for these by itself; `host/node` and `host/browser` implement
 * them and the package's entries pass one to `box`.
 */
import type { HostCrypto } from './crypto.ts';
import type { HostNet } from './net.ts';
import type { ByteStore } from './store.ts';

/** The RAM of one machine. `bytes` is fixed for the life of the backing: it never moves or grows. */
export interface RamBacking {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * Zero bytes beside the RAM, for what a kernel knows of each page: 64 a page, where there are any.
   */
  readonly pageData?: Uint8Array<ArrayBuffer>;
  /** The memory that `bytes` lies in, as WebAssembly sees it, where translated TA code runs on it. */
  readonly memory: WebAssemblyMemoryLike | undefined;
  /** Gives the memory back. The bytes must not be touched afterwards. */
  release(): void;
}

/** The part of `WebAssembly.Memory` that the core rooms need; they compile without its library. */
export interface WebAssemblyMemoryLike {
  readonly buffer: ArrayBuffer;
}

/** Clocks of the outside. Only live boxes read them; seeded boxes have virtual time. */
export interface HostClock {
  /** Nanoseconds since an arbitrary start, never going back. */
  monotonicNs(): number;
  /** Nanoseconds since 1970-01-01 UTC. */
  realtimeNs(): bigint;
}

export interface Host {
  readonly clock: HostClock;
  readonly crypto: HostCrypto;
  /** Fills `out` with random bytes from the outside. Seeded boxes never call it. */
  entropy(out: Uint8Array): void;
  /** @param sizeBytes a multiple of 64 KiB, at most 4 GiB; the bytes are zero. */
  ram(sizeBytes: number): RamBacking;
  /** A store that is gone with the process. */
  memoryStore(): ByteStore;
  /** A store over a directory of the outside; undefined where there is none (browser). */
  directoryStore?(path: string): ByteStore;
  /** The network; undefined where there is none (browser). For live boxes that ask for it. */
  net?(): HostNet;
  /** Resolves after the host's pending callbacks have run once: one turn of its event loop. */
  turn(): Promise<void>;
  /** Calls `fn` after `ms` milliseconds, or earlier when that is very long; returns what cancels it. */
  after(ms: number, fn: () => void): () => void;
}
