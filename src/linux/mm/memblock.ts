/**
 * Which memory the kernel may use: all RAM less what the boot loader reserved.
 *
 * Upstream counterpart: mm/memblock.c and no-map nodes of /reserved-memory.
 */
import { PAGE_SIZE, pa, pageStart, roundUp } from '../../machine/address.ts';
import type { DeviceTree, Region } from '../../machine/machine.ts';

/** Whole pages of `memory` outside of the holes, ascending. Holes may lie outside of it. */
export function withoutHoles(memory: Region, holes: readonly Region[]): Region[] {
  const rest: Region[] = [];
  const keep = (from: number, to: number): void => {
    const base = roundUp(from, PAGE_SIZE);
    const size = pageStart(to) - base;
    if (size > 0) rest.push({ base: pa(base), size });
  };
  const end = memory.base + memory.size;
  let from: number = memory.base;
  for (const hole of holes.toSorted((a, b) => a.base - b.base)) {
    keep(from, Math.min(end, hole.base));
    from = Math.max(from, hole.base + hole.size);
  }
  keep(from, end);
  return rest;
}

/** memblock_find_in_range(): the highest aligned place of so many bytes. */
export function topRegion(
  memory: readonly Region[],
  size: number,
  alignment: number,
): Region | undefined {
  for (const { base, size: available } of memory.toReversed()) {
    const at = Math.floor((base + available - size) / alignment) * alignment;
    if (at >= base) return { base: pa(at), size };
  }
  return undefined;
}

/** What is left for the normal world's page allocator. */
export function usableMemory(tree: DeviceTree): Region[] {
  const shm = tree.reservedShm === undefined ? [] : [tree.reservedShm];
  return withoutHoles(tree.memory, [...tree.secure, ...shm]);
}
