/**
 * Where the kernel's own addresses are, by architecture.
 *
 * Upstream counterparts: arch/arm64/include/asm/memory.h (48-bit addresses, 4 KiB pages),
 * arch/x86/include/asm/page_64_types.h, pgtable_64_types.h, arch/arm/include/asm/memory.h, highmem.h,
 * fixmap.h. A kernel address is a `Va` with the value that it has as a signed number of 64 bits, so
 * that one of a 64-bit kernel is negative, and exact. Left out: KASLR, modules' own range.
 */
import { PAGE_SIZE, pa, va } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';

/** The 64 bits of an address, by halves. */
export const kernelVa = (hi: number, lo: number): Va => va((hi | 0) * 2 ** 32 + (lo >>> 0));

/** As printk("%px") shows it. */
export function formatKernelVa(address: Va): string {
  const half = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
  return `${half(Math.floor(address / 2 ** 32))}${half(address)}`;
}

/** Offset of a kernel address in its page. */
export const kernelVaOffset = (address: Va): number =>
  address - Math.floor(address / PAGE_SIZE) * PAGE_SIZE;

/** Where pages beyond the linear map are mapped when the kernel needs them (CONFIG_HIGHMEM). */
export interface HighmemLayout {
  /** PKMAP_BASE: kmap() */
  readonly pkmapBase: Va;
  /** LAST_PKMAP: so many pages at once. */
  readonly lastPkmap: number;
  /** __fix_to_virt(FIX_KMAP_BEGIN): kmap_local_page(), downwards. */
  readonly fixKmapBegin: Va;
  /** KM_MAX_IDX: kmap_local mappings of one CPU. */
  readonly kmMaxIdx: number;
}

export interface KernelLayout {
  /** PAGE_OFFSET: where the linear map begins. */
  readonly pageOffset: Va;
  /** Physical address that is mapped there: 0, or where RAM begins (PHYS_OFFSET, memstart_addr). */
  readonly linearFrom: 'zero' | 'ram';
  /** VMALLOC_START; undefined where it is so far behind the end of the linear map. */
  readonly vmallocStart: Va | undefined;
  readonly vmallocEnd: Va;
  /** page_to_phys(NULL), where arithmetic on a page that was not found leads: outside RAM. */
  readonly nullPage: Pa;
  readonly highmem: HighmemLayout | undefined;
}

/** VMALLOC_OFFSET of arch/arm: a hole that catches who runs off the end of the linear map. */
export const VMALLOC_OFFSET = 8 << 20;

export type KernelLayoutName = 'arm64' | 'x86-64' | 'arm';

export const KERNEL_LAYOUTS: { readonly [N in KernelLayoutName]: KernelLayout } = {
  arm64: {
    pageOffset: kernelVa(0xffff0000, 0),
    linearFrom: 'ram',
    vmallocStart: kernelVa(0xffff8000, 0x08000000),
    vmallocEnd: kernelVa(0xfffffdff, 0xf0000000),
    nullPage: pa(2 ** 48),
    highmem: undefined,
  },
  'x86-64': {
    pageOffset: kernelVa(0xffff8880, 0),
    linearFrom: 'zero',
    vmallocStart: kernelVa(0xffffc900, 0),
    vmallocEnd: kernelVa(0xffffe8ff, 0xfffff000),
    nullPage: pa(0x16 * 2 ** 46),
    highmem: undefined,
  },
  arm: {
    pageOffset: va(0xc000_0000),
    linearFrom: 'ram',
    vmallocStart: undefined,
    vmallocEnd: va(0xff80_0000),
    nullPage: pa(2 ** 40),
    highmem: {
      pkmapBase: va(0xbfe0_0000),
      lastPkmap: 512,
      fixKmapBegin: va(0xffef_f000),
      kmMaxIdx: 16,
    },
  },
};

/** The linear map of one machine. */
export class LinearMap {
  readonly start: Va;
  /** high_memory: behind the last byte that has an address here. */
  readonly end: Va;
  readonly #physOffset: number;
  readonly #pageOffset: number;

  /** @param lowmem physical address where RAM that is mapped ends. */
  constructor(layout: KernelLayout, ram: Pa, lowmem: number) {
    this.#physOffset = layout.linearFrom === 'ram' ? ram : 0;
    this.start = va(layout.pageOffset + ram - this.#physOffset);
    this.end = va(layout.pageOffset + lowmem - this.#physOffset);
    this.#pageOffset = layout.pageOffset;
  }

  contains(address: Va): boolean {
    return address >= this.start && address < this.end;
  }

  /** __va() */
  toVirt(address: Pa): Va {
    return va(address - this.#physOffset + this.#pageOffset);
  }

  /** __pa(): arithmetic; of an address outside, nothing in particular. */
  toPhys(address: Va): Pa {
    return pa(address - this.#pageOffset + this.#physOffset);
  }
}
