/**
 * What the core knows of physical memory: which addresses are non-secure, which are the reserved
 * shared memory, and how much virtual space is left to map shared memory in.
 *
 * Upstream counterpart: optee_os core/mm/core_mmu.c. Left out: translation tables. The firewall's
 * attributes stand for the list of non-secure DDR that upstream takes from the device tree.
 */
import { PAGE_SIZE, pa, pageStart } from '../../machine/address.ts';
import type { BusPort } from '../../machine/bus.ts';
import type { Region } from '../../machine/machine.ts';

/** Virtual space for dynamic shared memory. Source: SHM_VASPACE_SIZE, core/mm/core_mmu.c. */
const SHM_VASPACE_SIZE = 32 * 1024 * 1024;

/** core_is_buffer_inside(): false for an empty buffer and for one that wraps. */
export const isBufferInside = (base: number, length: number, region: Region): boolean =>
  length > 0 && base >= region.base && base + length <= region.base + region.size;

export class CoreMmu {
  readonly reservedShm: Region | undefined;
  readonly #port: BusPort;
  #shmPages = 0;

  constructor(port: BusPort, reservedShm: Region | undefined) {
    this.#port = port;
    this.reservedShm = reservedShm;
  }

  /** core_pbuf_is(CORE_MEM_NSEC_SHM): empty buffers comply with anything. */
  isNsecShm(base: number, length: number): boolean {
    const region = this.reservedShm;
    return region !== undefined && (length === 0 || isBufferInside(base, length, region));
  }

  /** core_pbuf_is(CORE_MEM_NON_SEC). The reserved memory is a hole in ordinary non-secure memory. */
  isNonSecure(base: number, length: number): boolean {
    if (length === 0 || this.isNsecShm(base, length)) return true;
    const { bus } = this.#port;
    if (!bus.contains(base, length) || this.#meetsReserved(base, length)) return false;
    for (let page = pageStart(base); page < base + length; page += PAGE_SIZE) {
      if (bus.attribute(pa(page)).kind !== 'normal') return false;
    }
    return true;
  }

  /** Takes virtual space for a mapping; false when the pool is exhausted. */
  mapShm(pages: number): boolean {
    if (this.#shmPages + pages > SHM_VASPACE_SIZE / PAGE_SIZE) return false;
    this.#shmPages += pages;
    return true;
  }

  unmapShm(pages: number): void {
    this.#shmPages -= pages;
  }

  /** Pages of shared memory that the core has mapped. */
  get mappedShmPages(): number {
    return this.#shmPages;
  }

  #meetsReserved(base: number, length: number): boolean {
    const region = this.reservedShm;
    if (region === undefined) return false;
    return base < region.base + region.size && region.base < base + length;
  }
}
