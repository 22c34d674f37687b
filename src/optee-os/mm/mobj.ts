/**
 * Memory objects: shared memory as the secure world refers to it. A NULL reference is `undefined`.
 *
 * Upstream counterpart: optee_os core/include/mm/mobj.h and core/mm/mobj.c. Left out: objects of
 * secure memory (a TA's own memory is pages, see TaMemref), secure data path.
 */
import {
  PAGE_SHIFT,
  PAGE_SIZE,
  pa,
  pageOffset,
  pageStart,
  pagesFor,
} from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { BusPort } from '../../machine/bus.ts';
import type { Region } from '../../machine/machine.ts';

/** Offset of a byte in its page. */
export const PAGE_MASK = PAGE_SIZE - 1;

/** What a memory object matches: `enum buf_is_attr` in as far as it applies. */
export type MobjKind = 'nsec-shm' | 'reg-shm';

export abstract class Mobj {
  readonly kind: MobjKind;
  /** Bytes. */
  readonly size: number;
  readonly pages: readonly Pa[];
  /** Where byte 0 lies in the first page. */
  readonly pageOffset: number;
  readonly cookieLo: number;
  readonly cookieHi: number;
  refs = 1;

  constructor(
    kind: MobjKind,
    pages: readonly Pa[],
    offset: number,
    size: number,
    cookieLo: number,
    cookieHi: number,
  ) {
    this.kind = kind;
    this.pages = pages;
    this.pageOffset = offset;
    this.size = size;
    this.cookieLo = cookieLo;
    this.cookieHi = cookieHi;
  }

  /** mobj_get(); false when the last reference is gone already, where upstream panics. */
  get(): boolean {
    if (this.refs === 0) return false;
    this.refs += 1;
    return true;
  }

  /**
   * mobj_put(). True when whoever waits in `RegShmRelease.byCookie` must be told:
   * `if (mobj.put()) yield* release.announce(thread)`.
   */
  put(): boolean {
    this.refs -= 1;
    return this.refs === 0 && this.freed();
  }

  /** Physical address of a byte. RAM is at most 4 GiB, so that positions have 32 bits. */
  paOf(offset: number): Pa {
    const at = this.pageOffset + offset;
    return pa(this.pages[at >>> PAGE_SHIFT]! + (at & PAGE_MASK));
  }

  /** Writes to the object from its byte `offset` on. */
  write(port: BusPort, offset: number, bytes: Uint8Array): void {
    const mapping = port.mapContiguous(this.pages, this.pageOffset + offset, bytes.length, 'write');
    mapping.bytes.set(bytes);
    mapping.writeBack();
  }

  /** Reads from the object's byte `offset` on until `out` is full. */
  read(port: BusPort, offset: number, out: Uint8Array): void {
    const from = this.pageOffset + offset;
    out.set(port.mapContiguous(this.pages, from, out.length, 'read').bytes);
  }

  /** mobj_check_offset_and_len(): false for an empty stretch too. */
  covers(offset: number, length: number): boolean {
    return length > 0 && offset + length <= this.size;
  }

  /** mobj_inc_map(): false when there is no virtual space left. */
  abstract incMap(): boolean;
  abstract decMap(): void;
  /** The last reference is gone. @returns as `put` */
  protected abstract freed(): boolean;
}

/** The pages that a contiguous stretch touches. */
export function pagesOf(base: number, length: number): Pa[] {
  const first = pageStart(base);
  const count = pagesFor(base + length - first);
  return Array.from({ length: count }, (_, i) => pa(first + i * PAGE_SIZE));
}

/** The whole reserved shared memory (mobj_phys), or a piece of it with a cookie (mobj_shm). */
export class MobjNsecShm extends Mobj {
  readonly base: Pa;

  constructor(base: Pa, size: number, cookieLo = 0, cookieHi = 0) {
    super('nsec-shm', pagesOf(base, size), pageOffset(base), size, cookieLo, cookieHi);
    this.base = base;
  }

  static ofRegion(region: Region): MobjNsecShm {
    return new MobjNsecShm(region.base, region.size);
  }

  /** It is always mapped. */
  incMap(): boolean {
    return true;
  }

  decMap(): void {}

  protected freed(): boolean {
    return false;
  }
}
