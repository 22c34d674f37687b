/** How much of Linux's memory management there is. */
import type { SupportRow } from '../../abi/support.ts';

const AREA = 'Linux memory management';

export const MM_SUPPORT: readonly SupportRow[] = [
  { area: AREA, name: 'alloc_pages', status: 'partial', note: 'no watermarks, no per-CPU lists' },
  { area: AREA, name: 'alloc_pages_exact', status: 'supported' },
  { area: AREA, name: 'page migrate types', status: 'supported' },
  { area: AREA, name: 'demand paging', status: 'partial', note: 'no page cache, no huge pages' },
  { area: AREA, name: 'copy on write', status: 'supported' },
  {
    area: AREA,
    name: 'remap_pfn_range',
    status: 'partial',
    note: 'RAM only; what no machine has memory for is -EINVAL',
  },
  {
    area: AREA,
    name: 'pin_user_pages_fast',
    status: 'partial',
    note: 'FOLL_WRITE; FOLL_LONGTERM changes nothing, for nothing is in CMA',
  },
  { area: AREA, name: 'MAP_POPULATE', status: 'supported' },
  { area: AREA, name: 'vm.max_map_count', status: 'supported' },
  {
    area: AREA,
    name: 'vm.mmap_min_addr',
    status: 'partial',
    note: 'CAP_SYS_RAWIO is not asked for',
  },
  { area: AREA, name: 'RLIMIT_AS', status: 'absent', note: 'no limit' },
  { area: AREA, name: 'CMA', status: 'absent', note: 'cma_alloc() has no area' },
  { area: AREA, name: 'reclaim and swap', status: 'absent', note: '-ENOMEM at once' },
  { area: AREA, name: 'madvise', status: 'absent', note: '-ENOSYS' },
  { area: AREA, name: 'mremap', status: 'absent', note: '-ENOSYS' },
];
