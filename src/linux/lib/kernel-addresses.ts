/**
 * Kernel virtual addresses of objects: drivers hand them to a secure world as opaque cookies and
 * find the object when the cookie comes back.
 *
 * Upstream counterpart: pointers to slab objects cast to integers (reg_pair_from_64() in
 * drivers/tee/optee). Where upstream would follow whatever a secure world returns, a cookie that
 * names no live object is found out here; addresses come back only after all others were used.
 */

/** Halves of a 64-bit kernel address. */
export interface KernelAddress {
  readonly lo: number;
  readonly hi: number;
}

/** Upper half of the linear map's addresses on arm64 with 48-bit virtual addresses. */
const LINEAR_MAP_HI = 0xffff0000;
/** L1_CACHE_BYTES: how slab objects of this size are aligned. */
const ALIGN = 64;

export class KernelAddresses {
  readonly #objects = new Map<number, unknown>();
  #last = 0;

  /** Objects that have an address. */
  get size(): number {
    return this.#objects.size;
  }

  /** A non-zero address that no other object has. */
  assign(object: unknown): KernelAddress {
    do this.#last = (this.#last + ALIGN) >>> 0;
    while (this.#last === 0 || this.#objects.has(this.#last));
    this.#objects.set(this.#last, object);
    return { lo: this.#last, hi: LINEAR_MAP_HI };
  }

  /** The object at an address; undefined for anything else, an object that is gone included. */
  find(lo: number, hi: number): unknown {
    return hi === LINEAR_MAP_HI ? this.#objects.get(lo) : undefined;
  }

  /** The object is freed. */
  release(lo: number, hi: number): void {
    if (hi === LINEAR_MAP_HI) this.#objects.delete(lo);
  }
}
