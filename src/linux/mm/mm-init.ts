/**
 * A kernel's memory as it is set up at boot: what is reserved, the CMA areas, the zones.
 *
 * Upstream counterpart: mm/mm_init.c (movablecore=), kernel/dma/contiguous.c (cma=, reusable nodes of
 * /reserved-memory), drivers/of/of_reserved_mem.c.
 */
import { PAGE_SIZE, pa, pageStart, roundUp } from '../../machine/address.ts';
import type { BusPort } from '../../machine/bus.ts';
import type { DeviceTree, Region } from '../../machine/machine.ts';
import type { Scheduler } from '../../sched/scheduler.ts';
import { CMA_MIN_ALIGNMENT_BYTES, CmaArea } from './cma.ts';
import { topRegion, usableMemory, withoutHoles } from './memblock.ts';
import { MAX_PAGE_ORDER } from './migrate-type.ts';
import { PageAllocator } from './page-allocator.ts';
import type { MmSwitches } from './switches.ts';
import { DEFAULT_ZONES } from './zonelist.ts';
import type { ZoneSpec } from './zonelist.ts';

/** What the kernel's command line and sysctls say of memory. */
export interface MemoryParameters {
  /** `cma=`: bytes of the default CMA area, when the device tree has none. */
  readonly cma?: number;
  /** `movablecore=`: bytes at the top of RAM that only movable pages get (ZONE_MOVABLE). */
  readonly movablecore?: number;
  /**
   * `highmem=`: bytes at the top of RAM that the linear map of a 32-bit kernel does not reach
   * (ZONE_HIGHMEM); what would leave it nothing is ignored. Means something with the kernel layout
   * `arm`, where `vmalloc=` has that effect.
   */
  readonly highmem?: number;
  /** vm.min_free_kbytes */
  readonly minFreeKbytes?: number;
  /** swapon: bytes of the swap area. */
  readonly swap?: number;
}

export interface MemoryInit {
  readonly sched: Scheduler;
  readonly port: BusPort;
  readonly tree: DeviceTree;
  readonly parameters?: MemoryParameters;
  /** Those of linux-7.3 by default. */
  readonly switches?: MmSwitches;
  readonly printk: (text: string, level: 'err' | 'warning' | 'info') => void;
}

export interface Memory {
  readonly pages: PageAllocator;
  readonly cma: readonly CmaArea[];
  /** dma_contiguous_default_area: of devices that have none of their own. */
  readonly defaultCma: CmaArea | undefined;
}

interface Reserved {
  readonly name: string;
  readonly region: Region;
  readonly isDefault: boolean;
}

export function initMemory(init: MemoryInit): Memory {
  const { sched, port, tree, parameters = {}, printk } = init;
  const usable = usableMemory(tree);
  const areas = reserveCma(init, usable);
  const holes = areas.map(({ region }) => region);
  const pages = new PageAllocator({
    sched,
    port,
    memory: usable.flatMap((region) => withoutHoles(region, holes)),
    zones: zonesFor(usable, parameters),
    printk,
    ...(init.switches && { switches: init.switches }),
    swapPages: Math.floor((parameters.swap ?? 0) / PAGE_SIZE),
    ...(parameters.minFreeKbytes === undefined ? {} : { minFreeKbytes: parameters.minFreeKbytes }),
  });
  const cma = areas.map(({ name, region }) => new CmaArea({ pages, name, region, printk }));
  const defaultCma = cma[areas.findIndex(({ isDefault }) => isDefault)];
  return { pages, cma, defaultCma };
}

/** The nodes of the device tree that are as they should be, and the area of `cma=`. */
function reserveCma(
  { tree, parameters, printk }: MemoryInit,
  usable: readonly Region[],
): Reserved[] {
  const areas: Reserved[] = [];
  for (const { name, region, isDefault } of tree.reusable ?? []) {
    if (region.base % CMA_MIN_ALIGNMENT_BYTES || region.size % CMA_MIN_ALIGNMENT_BYTES) {
      printk('Reserved memory: incorrect alignment of CMA region', 'err');
      continue;
    }
    printk(`Reserved memory: created CMA memory pool at ${pool(region)}`, 'info');
    areas.push({ name, region, isDefault });
  }
  const size = roundUp(parameters?.cma ?? 0, CMA_MIN_ALIGNMENT_BYTES);
  if (size === 0 || areas.some(({ isDefault }) => isDefault)) return areas;
  const free = usable.flatMap((part) =>
    withoutHoles(
      part,
      areas.map(({ region }) => region),
    ),
  );
  const region = topRegion(free, size, CMA_MIN_ALIGNMENT_BYTES);
  if (region === undefined) {
    printk(`cma: Failed to reserve ${mib(size)} MiB`, 'err');
    return areas;
  }
  printk(`cma: Reserved ${mib(size)} MiB at 0x${hex(region.base)}`, 'info');
  return [...areas, { name: 'reserved', region, isDefault: true }];
}

/**
 * find_zone_movable_pfns_for_nodes(): ZONE_MOVABLE begins at a largest block, and not below high memory,
 * if there is any. Where it would be all of memory there is none.
 */
function zonesFor(
  usable: readonly Region[],
  { movablecore = 0, highmem = 0 }: MemoryParameters,
): readonly ZoneSpec[] {
  const block = PAGE_SIZE << MAX_PAGE_ORDER;
  const total = usable.reduce((sum, { size }) => sum + size, 0);
  const kernelcore = total - roundUp(movablecore, block);
  const hasHighmem = highmem > 0 && highmem < total;
  const lowmemEnd = hasHighmem ? pageStart(behind(usable, total - highmem)) : 0;
  const zones = lowmemEnd === 0 ? DEFAULT_ZONES : highmemZones(lowmemEnd);
  if (movablecore === 0 || kernelcore <= 0) return zones;
  const start = Math.max(lowmemEnd, roundUp(behind(usable, kernelcore), block));
  const below = zones.filter(({ end }) => end < start);
  const top = zones[below.length]!;
  return [...below, { name: top.name, end: pa(start) }, { name: 'MOVABLE', end: Infinity }];
}

/** There is no ZONE_DMA32 on 32-bit kernels. */
const highmemZones = (lowmemEnd: number): readonly ZoneSpec[] => [
  { name: 'NORMAL', end: lowmemEnd },
  { name: 'HIGHMEM', end: Infinity },
];

/** Where so many bytes of memory end. */
function behind(memory: readonly Region[], bytes: number): number {
  let left = bytes;
  for (const { base, size } of memory) {
    if (left <= size) return base + left;
    left -= size;
  }
  return Infinity;
}

const mib = (bytes: number): number => bytes / 2 ** 20;
const hex = (address: number): string => address.toString(16).padStart(16, '0');
const pool = ({ base, size }: Region): string => `0x${hex(base)}, size ${mib(size)} MiB`;
