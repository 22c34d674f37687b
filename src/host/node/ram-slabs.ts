/**
 * RAM for many machines. Every WebAssembly.Memory makes V8 collect garbage sooner, and its price is
 * that of all boxes in the process: so the memory of several machines is one, cut in pieces. Slabs
 * double up to a limit, so that whoever boots one box gets no more than its memory. A piece is used
 * once; its slab goes with its last machine.
 */
import type { RamBacking } from '../host.ts';

const WASM_PAGE = 65536;
/** No slab is larger: what it reserves is address space until it is touched, but not for ever. */
const LARGEST_SLAB_BYTES = 2 ** 31;

/** What a machine gets beside its RAM, for a page of 4 KiB. */
const PAGE_DATA_SHARE = 4096 / 64;
/** Of a WebAssembly.Memory. */
const MOST_BYTES = 2 ** 32;

interface Slab {
  readonly memory: WebAssembly.Memory;
  readonly pieceBytes: number;
  used: number;
}

export class RamSlabs {
  #slab: Slab | undefined;

  /** @param sizeBytes a multiple of 64 KiB; the bytes are zero. */
  take(sizeBytes: number): RamBacking {
    const share = Math.ceil(sizeBytes / PAGE_DATA_SHARE / WASM_PAGE) * WASM_PAGE;
    const pageBytes = sizeBytes + share <= MOST_BYTES ? share : 0;
    const { memory, used } = this.#withRoom(sizeBytes + pageBytes);
    this.#slab!.used += sizeBytes + pageBytes;
    const bytes = new Uint8Array(memory.buffer, used, sizeBytes);
    const pageData = new Uint8Array(memory.buffer, used + sizeBytes, pageBytes);
    return { bytes, pageData, memory, release() {} };
  }

  #withRoom(pieceBytes: number): Slab {
    const last = this.#slab;
    const fits = last?.pieceBytes === pieceBytes;
    if (fits && last.used < last.memory.buffer.byteLength) return last;
    const next = fits ? 2 * last.used : pieceBytes;
    const largest = Math.max(pieceBytes, LARGEST_SLAB_BYTES - (LARGEST_SLAB_BYTES % pieceBytes));
    const pages = Math.min(next, largest) / WASM_PAGE;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.#slab = { memory, pieceBytes, used: 0 };
    return this.#slab;
  }
}
