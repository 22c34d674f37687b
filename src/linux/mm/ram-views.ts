/**
 * Views of stretches of RAM, kept for the next time: making one costs more than the copy that it is
 * for. RAM never moves, so a view is good for ever.
 */

const SLOTS = 64;

export class RamViews {
  readonly #ram: Uint8Array<ArrayBuffer>;
  readonly #views: Uint8Array<ArrayBuffer>[];

  constructor(ram: Uint8Array<ArrayBuffer>) {
    this.#ram = ram;
    this.#views = new Array<Uint8Array<ArrayBuffer>>(SLOTS).fill(ram);
  }

  /** `length` bytes from an index into RAM. */
  at(index: number, length: number): Uint8Array<ArrayBuffer> {
    const slot = ((index >>> 4) ^ length) & (SLOTS - 1);
    const kept = this.#views[slot]!;
    if (kept.byteOffset === index + this.#ram.byteOffset && kept.length === length) return kept;
    const view = this.#ram.subarray(index, index + length);
    this.#views[slot] = view;
    return view;
  }
}
