/**
 * The pages of an object that mappings show: a file, shared memory (struct address_space and its
 * operations). What faults, the reverse map, migration and reclaim ask of it. `filemap.ts` is one
 * of a file's, `shmem.ts` one of shared memory, `secretmem.ts` one that nobody else may see.
 *
 * Upstream counterpart: include/linux/fs.h (struct address_space), mm/filemap.c, and of
 * vm_operations_struct the fault. Pages are numbered from the object's start. The head of a folio
 * that is in a cache has `frames.mapping`, `frames.index` and PG_LRU set, and a reference for each
 * page; whoever takes a folio out clears `mapping` before dropping these.
 */
import type { Vma } from './vma.ts';

/** VM_FAULT_OOM */
export const FAULT_OOM = -1;
/** VM_FAULT_SIGBUS: the object has no such page. */
export const FAULT_SIGBUS = -2;

/**
 * Where the content of pages goes that are not in memory, and what follows from that:
 * `shmem`: to swap; `writeback`: to a file, so that an entry of a shared mapping is read only until
 * it is written, which sets PG_DIRTY (vma_wants_writenotify, page_mkwrite); `secretmem`: nowhere, and
 * nobody pins it; `fsdax`: it is the file's storage itself. No file system here has the last.
 */
export type CacheBacking = 'shmem' | 'writeback' | 'secretmem' | 'fsdax';

export interface PageCache {
  readonly kind: 'cache';
  /** What reports call it: `/tmp/film`, `dev/zero`. */
  readonly name: string;
  /** Its number among the FolioOwners: `frames.mapping` of each of its folios. */
  readonly id: number;
  /** Its folios can be migrated (a_ops->migrate_folio); -EBUSY if not, as for secretmem. */
  readonly movable: boolean;
  readonly backing: CacheBacking;
  /** vfs_fsync_range() for pages `from` to before `to`: 0 or a negative errno. */
  fsync?(from: number, to: number): number;
  /** i_mmap: the VMAs that show it, in any address space. */
  readonly vmas: ReadonlySet<Vma>;
  /** A VMA more shows it. */
  attach(vma: Vma): void;
  /** A VMA less does; the object may end with its last one. */
  detach(vma: Vma): void;
  /**
   * vm_ops->fault(): the frame of a page, read in where it was not there; it may be a tail of a
   * large folio. The cache holds one reference for each page; the caller takes its own.
   * FAULT_OOM or FAULT_SIGBUS when there is none.
   */
  fault(index: number): number;
  /** folio_migrate_mapping(): another folio of the same order takes the place of one. */
  replace(index: number, from: number, to: number): void;
  /**
   * pageout() and __remove_mapping(): the cache forgets a folio that nobody maps, after writing
   * it out if need be and dropping what PG_PRIVATE stands for, and passes the references of its
   * pages on to the caller. False when it cannot.
   */
  evict(index: number, folio: number): boolean;
}
