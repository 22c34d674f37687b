/** The outside under Node. */
import { randomFillSync } from 'node:crypto';
import type { Host } from '../host.ts';
import { MemoryStore } from '../memory-store.ts';
import { hostCrypto } from './evp-crypto.ts';
import { DirectoryStore } from './directory-store.ts';
import { NodeNet } from './net.ts';
import { RamSlabs } from './ram-slabs.ts';

/** What setTimeout() takes; it fires at once for more. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

const slabs = new RamSlabs();

/** A Host over Node's own modules. */
export function nodeHost(): Host {
  return {
    clock: {
      monotonicNs: () => performance.now() * 1e6,
      realtimeNs: () => BigInt(Date.now()) * 1_000_000n,
    },
    crypto: hostCrypto(),
    entropy: (out) => void randomFillSync(out),
    ram: (sizeBytes) => slabs.take(sizeBytes),
    memoryStore: () => new MemoryStore(),
    directoryStore: (path) => new DirectoryStore(path),
    net: () => new NodeNet(),
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    after(ms, fn) {
      const timer = setTimeout(fn, Math.min(ms, LONGEST_TIMEOUT_MS));
      return () => clearTimeout(timer);
    },
  };
}
