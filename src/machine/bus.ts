/**
 * RAM and the bus in front of it. Every access names its master: a normal-world CPU of a guest, a
 * secure CPU, or a DMA device. The firewall (a TZASC in effect) holds an attribute per 4 KiB page;
 * a refused access is a fault that is delivered to that master and recorded, never silent.
 */
import type { RamBacking } from '../host/host.ts';
import type { Trace } from '../trace/trace.ts';
import { PAGE_SHIFT, PAGE_SIZE, pa, pageOffset } from './address.ts';
import type { Pa } from './address.ts';

export type MasterKind = 'normal-cpu' | 'secure-cpu' | 'dma';

export interface Master {
  readonly name: string;
  readonly kind: MasterKind;
  /** Guest of a normal-world CPU; 0 without virtualization. */
  readonly guest: number;
}

export type Access = 'read' | 'write';

/** A refused access, as its master sees it: an external abort or a DMA error. */
export class BusFault extends Error {
  readonly master: Master;
  readonly address: Pa;
  readonly access: Access;
  constructor(master: Master, address: Pa, access: Access, why: string) {
    super(`${master.name}: ${access} of 0x${address.toString(16)}: ${why}`);
    this.name = 'BusFault';
    this.master = master;
    this.address = address;
    this.access = access;
  }
}

/** Who may touch a page. Protected pages list their masters; `cpu` says whether secure CPUs may. */
export type PageAttribute =
  | { readonly kind: 'normal' }
  | { readonly kind: 'secure' }
  | { readonly kind: 'protected'; readonly useCase: string; readonly masters: ReadonlySet<string> };

export const NORMAL: PageAttribute = { kind: 'normal' };
export const SECURE: PageAttribute = { kind: 'secure' };
/** Where these two are in a bus's list: whoever may touch the second may touch the first. */
const NORMAL_INDEX = 0;
const SECURE_INDEX = 1;

/** A view of scattered pages as if they were contiguous. */
export interface Mapping {
  readonly bytes: Uint8Array;
  /** Brings what was written to `bytes` to the pages; does nothing for a direct view. */
  writeBack(): void;
}

/** What is larger is not worth keeping. */
const MOST_SCRATCH = 1 << 20;

/** A contiguous piece of pages, and its place in a copy of them, or, without a copy, itself. */
interface Run {
  readonly address: Pa;
  readonly ram: Uint8Array;
  readonly copy: Uint8Array;
}

/** Pages as a master sees them: in place, or copied. */
class Gathered implements Mapping {
  readonly pages: readonly Pa[];
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly #port: BusPort;
  readonly #runs: readonly Run[];
  /** Of the mapping that is under way. */
  #access: Access = 'read';

  constructor(
    port: BusPort,
    pages: readonly Pa[],
    offset: number,
    bytes: Uint8Array,
    runs: readonly Run[],
  ) {
    this.#port = port;
    this.pages = pages;
    this.offset = offset;
    this.bytes = bytes;
    this.#runs = runs;
  }

  /** @throws BusFault */
  map(access: Access): this {
    this.#access = access;
    for (const { address, ram, copy } of this.#runs) {
      this.#port.at(address, ram.length, access);
      if (copy !== ram) copy.set(ram);
    }
    return this;
  }

  readonly writeBack = (): void => {
    if (this.#access === 'read' || this.isDirect) return;
    for (const { address, ram, copy } of this.#runs) {
      this.#port.at(address, ram.length, 'write');
      ram.set(copy);
    }
  };

  get isDirect(): boolean {
    return this.bytes === this.#runs[0]?.ram;
  }
}

/** Memory that copies of scattered pages are made in, over and over, mostly of the same pages. */
export class Scratch {
  #bytes = new Uint8Array(0);
  /** What was mapped last. */
  last: Gathered | undefined;

  take(length: number): Uint8Array<ArrayBuffer> {
    if (length > MOST_SCRATCH) return new Uint8Array(length);
    if (length > this.#bytes.length) this.#bytes = new Uint8Array(length);
    return this.#bytes.subarray(0, length);
  }
}

export class Bus {
  readonly base: Pa;
  readonly size: number;
  readonly ram: RamBacking;
  readonly u8: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly trace: Trace;
  #pageData: Uint8Array<ArrayBuffer> | undefined;
  /** Attribute per page, as an index into `#attributes`. */
  readonly #pages: Uint8Array;
  readonly #attributes: PageAttribute[] = [NORMAL, SECURE];
  /** Counts changes of attributes: as long as it stays, a check made before still holds. */
  changes = 0;

  constructor(ram: RamBacking, base: Pa, trace: Trace) {
    this.ram = ram;
    this.base = base;
    this.size = ram.bytes.length;
    this.u8 = ram.bytes;
    this.view = new DataView(ram.bytes.buffer, ram.bytes.byteOffset, ram.bytes.length);
    this.trace = trace;
    this.#pageData = ram.pageData;
    this.#pages = new Uint8Array(this.size / PAGE_SIZE);
  }

  /** Zero bytes for what a kernel keeps of each page. The first who asks gets those of the RAM. */
  takePageData(bytes: number): Uint8Array<ArrayBuffer> {
    const beside = this.#pageData;
    if (beside === undefined || beside.length < bytes) return new Uint8Array(bytes);
    this.#pageData = undefined;
    return beside;
  }

  contains(address: number, length: number): boolean {
    return address >= this.base && address + length <= this.base + this.size;
  }

  /** Sets the attribute of whole pages. */
  protect(address: Pa, length: number, attribute: PageAttribute): void {
    let index = this.#attributes.indexOf(attribute);
    if (index < 0) index = this.#attributes.push(attribute) - 1;
    const first = (address - this.base) / PAGE_SIZE;
    this.#pages.fill(index, first, first + length / PAGE_SIZE);
    this.changes += 1;
  }

  attribute(address: Pa): PageAttribute {
    return this.#attributes[this.#pages[Math.floor((address - this.base) / PAGE_SIZE)]!]!;
  }

  /**
   * Where an access lands in `u8` and `view`.
   * @throws BusFault when the range is not RAM or a page of it is closed to the master.
   */
  offset(master: Master, address: Pa, length: number, access: Access): number {
    const at = address - this.base;
    if (!(at >= 0 && at + length <= this.size)) {
      throw this.#fault(master, address, access, 'no such memory');
    }
    const last = (at + Math.max(length, 1) - 1) >>> PAGE_SHIFT;
    const open = master.kind === 'secure-cpu' ? SECURE_INDEX : NORMAL_INDEX;
    for (let page = at >>> PAGE_SHIFT; page <= last; page++) {
      const index = this.#pages[page]!;
      if (index > open && !this.#allows(this.#attributes[index]!, master)) {
        const bad = pa(this.base + page * PAGE_SIZE);
        throw this.#fault(master, bad, access, `the page is ${this.attribute(bad).kind}`);
      }
    }
    return at;
  }

  #allows(attribute: PageAttribute, master: Master): boolean {
    if (attribute.kind === 'protected') return attribute.masters.has(master.name);
    return attribute.kind === 'normal' || master.kind === 'secure-cpu';
  }

  #fault(master: Master, address: Pa, access: Access, why: string): BusFault {
    if (this.trace.calls) {
      this.trace.emit('machine', 'fault', { master: master.name, address, access });
    }
    return new BusFault(master, address, access, why);
  }
}

/** A master's connection to the bus: what a world's code holds. */
export class BusPort {
  readonly bus: Bus;
  readonly master: Master;
  readonly u8: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;

  constructor(bus: Bus, master: Master) {
    this.bus = bus;
    this.master = master;
    this.u8 = bus.u8;
    this.view = bus.view;
  }

  /** Index into `u8` and `view` of a checked access. @throws BusFault */
  at(address: Pa, length: number, access: Access): number {
    return this.bus.offset(this.master, address, length, access);
  }

  /** A direct view of contiguous memory. @throws BusFault */
  bytes(address: Pa, length: number, access: Access): Uint8Array<ArrayBuffer> {
    const at = this.at(address, length, access);
    return this.u8.subarray(at, at + length);
  }

  /**
   * The one door to scattered pages: `length` bytes from `offset` into the first page. Contiguous
   * pages give a direct view, others a copy that `writeBack` scatters.
   * @param pages never change once they were given, with a scratch
   * @param scratch where the copy is made; it must not be in use. @throws BusFault
   */
  mapContiguous(
    pages: readonly Pa[],
    offset: number,
    length: number,
    access: Access,
    scratch?: Scratch,
  ): Mapping {
    const last = scratch?.last;
    if (last?.pages === pages && last.offset === offset && last.bytes.length === length) {
      return last.map(access);
    }
    if (pages[Math.floor(offset / PAGE_SIZE)] === undefined || length === 0) {
      return { bytes: new Uint8Array(0), writeBack: nothing };
    }
    if (scratch === undefined && runLength(pages, offset, length) === length) {
      const start = pa(pages[Math.floor(offset / PAGE_SIZE)]! + pageOffset(offset));
      return { bytes: this.bytes(start, length, access), writeBack: nothing };
    }
    const gathered = this.#gather(pages, offset, length, scratch);
    if (scratch !== undefined) {
      scratch.last = gathered.isDirect || length <= MOST_SCRATCH ? gathered : undefined;
    }
    return gathered.map(access);
  }

  #gather(
    pages: readonly Pa[],
    offset: number,
    length: number,
    scratch: Scratch | undefined,
  ): Gathered {
    const pieces: Pick<Run, 'address' | 'ram'>[] = [];
    for (let done = 0; done < length;) {
      const position = offset + done;
      const n = runLength(pages, position, length - done);
      const address = pa(pages[Math.floor(position / PAGE_SIZE)]! + pageOffset(position));
      pieces.push({ address, ram: this.bytes(address, n, 'read') });
      done += n;
    }
    const [only] = pieces;
    if (pieces.length === 1) {
      const { ram } = only!;
      return new Gathered(this, pages, offset, ram, [{ ...only!, copy: ram }]);
    }
    const bytes = scratch?.take(length) ?? new Uint8Array(length);
    let from = 0;
    const runs = pieces.map((piece) => {
      const copy = bytes.subarray(from, from + piece.ram.length);
      from += copy.length;
      return { ...piece, copy };
    });
    return new Gathered(this, pages, offset, bytes, runs);
  }
}

const nothing = (): void => {};

/** How many of `most` bytes from `offset` on lie in pages that follow each other. */
function runLength(pages: readonly Pa[], offset: number, most: number): number {
  let page = Math.floor(offset / PAGE_SIZE);
  let length = PAGE_SIZE - pageOffset(offset);
  while (length < most && pages[page + 1] === pages[page]! + PAGE_SIZE) {
    length += PAGE_SIZE;
    page += 1;
  }
  return Math.min(length, most);
}
