/** How much of Linux's memory management there is. */
import type { SupportRow } from '../../abi/support.ts';

const AREA = 'Linux memory management';

export const MM_SUPPORT: readonly SupportRow[] = [
  { area: AREA, name: 'alloc_pages', status: 'partial', note: 'no per-CPU lists, no compaction' },
  { area: AREA, name: 'zones DMA32, NORMAL, HIGHMEM, MOVABLE', status: 'supported' },
  { area: AREA, name: 'watermarks', status: 'partial', note: 'no lowmem_reserve, no boost' },
  { area: AREA, name: 'compound pages', status: 'supported' },
  { area: AREA, name: 'alloc_pages_exact', status: 'supported' },
  { area: AREA, name: 'kmalloc', status: 'partial', note: 'no per-CPU slabs, no named caches' },
  {
    area: AREA,
    name: 'vmalloc, vmap',
    status: 'partial',
    note: 'no huge pages, no lazy unmapping',
  },
  {
    area: AREA,
    name: 'kmap, kmap_local_page',
    status: 'partial',
    note: 'high memory on the arm layout only, where highmem= says so',
  },
  { area: AREA, name: 'page migrate types', status: 'supported' },
  { area: AREA, name: 'demand paging', status: 'partial', note: 'no huge pages' },
  { area: AREA, name: 'copy on write', status: 'supported' },
  {
    area: AREA,
    name: 'remap_pfn_range',
    status: 'partial',
    note: 'RAM only; what no machine has memory for is -EINVAL',
  },
  {
    area: AREA,
    name: 'pin_user_pages, get_user_pages',
    status: 'partial',
    note: 'fast, slow, unlocked, remote; nothing sleeps, so FOLL_NOWAIT and FOLL_INTERRUPTIBLE are idle',
  },
  { area: AREA, name: 'FOLL_LONGTERM', status: 'partial', note: 'no device-coherent pages' },
  {
    area: AREA,
    name: 'RLIMIT_MEMLOCK',
    status: 'partial',
    note: 'for pins and secret memory, per user; for MAP_LOCKED, per address space; no mlock()',
  },
  {
    area: AREA,
    name: 'mremap',
    status: 'partial',
    note: 'as 6.1: one mapping at a time; no huge pages, no userfaultfd',
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
  { area: AREA, name: 'CMA', status: 'partial', note: 'areas of one range' },
  { area: AREA, name: 'alloc_contig_range', status: 'supported' },
  { area: AREA, name: 'page migration', status: 'partial', note: 'large folios are not split' },
  {
    area: AREA,
    name: 'reclaim and swap',
    status: 'partial',
    note: 'in the order of frames; no swap cache, no OOM killer',
  },
  {
    area: AREA,
    name: 'page cache of files',
    status: 'partial',
    note: 'from the first mmap to the last close; no flusher threads, read-ahead or large folios',
  },
  { area: AREA, name: 'dirty tracking (page_mkwrite)', status: 'supported' },
  { area: AREA, name: 'shmem', status: 'partial', note: 'large folios are not split' },
  {
    area: AREA,
    name: 'tmpfs',
    status: 'partial',
    note: 'pages of mapped files do not go to swap',
  },
  {
    area: AREA,
    name: 'secretmem',
    status: 'partial',
    note: 'stays in the linear map',
  },
  {
    area: AREA,
    name: 'VM_IO, VM_PFNMAP, write-combining, device memory',
    status: 'partial',
    note: 'attributes of RAM; what they do to ordering and caches cannot be seen',
  },
];
