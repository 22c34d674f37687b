/**
 * Branded addresses: a physical address, a guest's physical address (IPA), a user or kernel virtual
 * address and a page frame number cannot be mixed up. All are plain numbers at run time, exact up
 * to 2^53; 64-bit fields that hold more are refused where they are decoded.
 */

declare const brand: unique symbol;
type Branded<B extends string> = number & { readonly [brand]: B };

/** Physical address. */
export type Pa = Branded<'Pa'>;
/** Intermediate physical address: what a guest believes to be physical. */
export type Ipa = Branded<'Ipa'>;
/** Virtual address. */
export type Va = Branded<'Va'>;
/** Page frame number: physical address / PAGE_SIZE. */
export type Pfn = Branded<'Pfn'>;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;

export const pa = (address: number): Pa => address as Pa;
export const ipa = (address: number): Ipa => address as Ipa;
export const va = (address: number): Va => address as Va;
export const pfn = (frame: number): Pfn => frame as Pfn;

export const paToPfn = (address: Pa): Pfn => Math.floor(address / PAGE_SIZE) as Pfn;
export const pfnToPa = (frame: Pfn): Pa => (frame * PAGE_SIZE) as Pa;

/** Offset of an address in its page. */
export const pageOffset = (address: number): number => address % PAGE_SIZE;
/** The address of its page. */
export const pageStart = <A extends number>(address: A): A =>
  (address - (address % PAGE_SIZE)) as A;
/** Pages that `bytes` fill, the last one perhaps in part. */
export const pagesFor = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE);
export const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;
