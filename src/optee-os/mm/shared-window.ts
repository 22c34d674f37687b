/**
 * A message in shared memory as the core sees it through its mapping: in place where its pages are
 * contiguous, else as a copy that `fetch` and `flush` keep in step.
 *
 * Upstream counterpart: the pointer that mobj_get_va() returns (core/include/mm/mobj.h).
 */
import { PAGE_SHIFT, PAGE_SIZE } from '../../machine/address.ts';
import type { BusPort } from '../../machine/bus.ts';
import { PAGE_MASK } from './mobj.ts';
import type { Mobj } from './mobj.ts';

/** Messages are 8-byte aligned (alignof(struct optee_msg_arg)). */
const ALIGNMENT_MASK = 7;

export class SharedWindow {
  view: DataView;
  /** Offset of the message in `view`. */
  at = 0;
  /** False while the window shows nothing. */
  placed = false;
  readonly #port: BusPort;
  /** Position of the message in its object, counted from the first page. */
  #first = 0;
  #scattered: { mobj: Mobj; offset: number; bytes: Uint8Array<ArrayBuffer> } | undefined;

  constructor(port: BusPort) {
    this.#port = port;
    this.view = port.view;
  }

  /**
   * Shows a part of a mapped object; false when it is not there or not aligned.
   * @param near a window of the same object that was placed just before: the firewall, which knows
   * pages, need not be asked again for the same page
   * @throws BusFault
   */
  place(mobj: Mobj, offset: number, length: number, near?: SharedWindow): boolean {
    const first = mobj.pageOffset + offset;
    if (!mobj.covers(offset, length) || (first & ALIGNMENT_MASK) !== 0) return false;
    if ((first & PAGE_MASK) + length <= PAGE_SIZE) {
      const at = near?.atInPage(first) ?? this.#port.at(mobj.paOf(offset), length, 'write');
      this.#direct(first, at);
    } else if (isContiguous(mobj, first, length)) {
      this.#direct(first, this.#port.at(mobj.paOf(offset), length, 'write'));
    } else {
      this.#scatter(mobj, offset, length);
    }
    return true;
  }

  #direct(first: number, at: number): void {
    this.view = this.#port.view;
    this.at = at;
    this.#first = first;
    this.#scattered = undefined;
    this.placed = true;
  }

  #scatter(mobj: Mobj, offset: number, length: number): void {
    const bytes = new Uint8Array(length);
    this.#scattered = { mobj, offset, bytes };
    this.view = new DataView(bytes.buffer);
    this.at = 0;
    this.placed = true;
    this.fetch();
  }

  /** Where a position of the object lies, if it is in the page that this window starts in. */
  atInPage(first: number): number | undefined {
    if (this.#scattered !== undefined) return undefined;
    const distance = first - this.#first;
    const inPage = (this.#first & PAGE_MASK) + distance;
    return inPage >= 0 && inPage < PAGE_SIZE ? this.at + distance : undefined;
  }

  /** Shows nothing any more. */
  clear(): void {
    this.placed = false;
    this.#scattered = undefined;
  }

  /** What the other world may have written becomes visible. */
  fetch(): void {
    if (this.#scattered !== undefined) this.#copy('read');
  }

  /** What was written here becomes visible to the other world. */
  flush(): void {
    if (this.#scattered !== undefined) this.#copy('write');
  }

  #copy(access: 'read' | 'write'): void {
    const { mobj, offset, bytes } = this.#scattered!;
    const from = mobj.pageOffset + offset;
    const mapping = this.#port.mapContiguous(mobj.pages, from, bytes.length, access);
    if (access === 'read') {
      bytes.set(mapping.bytes);
    } else {
      mapping.bytes.set(bytes);
      mapping.writeBack();
    }
  }
}

function isContiguous(mobj: Mobj, first: number, length: number): boolean {
  const last = (first + length - 1) >>> PAGE_SHIFT;
  for (let i = first >>> PAGE_SHIFT; i < last; i++) {
    if (mobj.pages[i + 1] !== mobj.pages[i]! + PAGE_SIZE) return false;
  }
  return true;
}
