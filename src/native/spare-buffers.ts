/** Memory for what pins keep of a process's pages, used again. */
import type { Libc } from './libc.ts';

/** A buffer outside of V8's moving heap, with its address. */
export interface Buffer {
  readonly bytes: Uint8Array;
  readonly address: number;
}

/** Most bytes that are kept for later pins. */
const SPARE_BYTES = 32 * 1024 * 1024;

/**
 * Buffers of pins that are gone, by size. Temporary references are pinned and unpinned for each
 * call, and memory that is fresh each time costs its page faults and the collector's attention.
 */
export class SpareBuffers {
  readonly #libc: Libc;
  readonly #bySize = new Map<number, Buffer[]>();
  #held = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** Contents are undefined. */
  take(size: number): Buffer {
    const spare = this.#bySize.get(size)?.pop();
    if (spare !== undefined) {
      this.#held -= size;
      return spare;
    }
    const bytes = new Uint8Array(size);
    return { bytes, address: this.#libc.address(bytes) };
  }

  give(buffer: Buffer): void {
    const size = buffer.bytes.length;
    if (this.#held + size > SPARE_BYTES) return;
    const list = this.#bySize.get(size);
    if (list === undefined) this.#bySize.set(size, [buffer]);
    else list.push(buffer);
    this.#held += size;
  }
}
