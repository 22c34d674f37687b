/** The outside under Node. */
import { randomFillSync } from 'node:crypto';
import type { Host } from '../host.ts';
import { MemoryStore } from '../memory-store.ts';
import { NodeCrypto } from './crypto.ts';
import { DirectoryStore } from './directory-store.ts';

const WASM_PAGE = 65536;
/** What setTimeout() takes; it fires at once for more. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** A Host over Node's own modules. */
export function nodeHost(): Host {
  return {
    clock: {
      monotonicNs: () => performance.now() * 1e6,
      realtimeNs: () => BigInt(Date.now()) * 1_000_000n,
    },
    crypto: new NodeCrypto(),
    entropy: (out) => void randomFillSync(out),
    ram(sizeBytes) {
      const pages = sizeBytes / WASM_PAGE;
      const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
      return { bytes: new Uint8Array(memory.buffer), memory, release() {} };
    },
    memoryStore: () => new MemoryStore(),
    directoryStore: (path) => new DirectoryStore(path),
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    after(ms, fn) {
      const timer = setTimeout(fn, Math.min(ms, LONGEST_TIMEOUT_MS));
      return () => clearTimeout(timer);
    },
  };
}
