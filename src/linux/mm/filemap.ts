/**
 * The page cache of a regular file: its pages in memory, as mappings show them, and their way back.
 *
 * Upstream counterpart: mm/filemap.c, mm/page-writeback.c, page_mkclean() in mm/rmap.c. A page comes
 * when a mapping touches it. It is clean until something says that it was written: an entry of a
 * shared mapping by a fault, write() by itself, a device only if whoever unpins the page tells. A
 * clean page is dropped by reclaim without a look at its content; a dirty one is written first.
 * read() and write() see the pages that are here, and the file where there is none.
 * Left out: large folios, read-ahead, the flusher threads (what is dirty is written by fsync, msync,
 * reclaim and the last close), writeback errors that are reported once and forgotten.
 */
import { EIO } from '../../abi/errno.ts';
import { PAGE_SIZE, pageOffset, pageStart } from '../../machine/address.ts';
import { GFP_HIGHUSER_MOVABLE } from './gfp.ts';
import { FAULT_OOM, FAULT_SIGBUS } from './page-cache.ts';
import type { PageCache } from './page-cache.ts';
import type { PageAllocator } from './page-allocator.ts';
import { PG_DIRTY, PG_LRU, PG_SWAPBACKED } from './page-frames.ts';
import { PTE_WRITE } from './page-table.ts';
import { rmapWalk } from './rmap.ts';
import { pagesFor, removeFromCache, unmapMappingPages, zeroBehind } from './truncate.ts';
import type { Vma } from './vma.ts';

/** What a file system does for its page caches (struct address_space_operations). */
export interface FileBacking {
  /** i_size, in bytes. */
  size(): number;
  /** Fills `out` from a byte of the file on as far as there are any: how many, or a negative errno. */
  read(out: Uint8Array, position: number): number;
  /** How many bytes were written, or a negative errno. */
  write(data: Uint8Array, position: number): number;
  /** What was written is durable: 0 or a negative errno. */
  sync(): number;
}

export interface FileMapOptions {
  readonly pages: PageAllocator;
  readonly name: string;
  readonly file: FileBacking;
  /**
   * BDI_CAP_WRITEBACK. False for files of a tmpfs, whose pages have no other place: they count as
   * dirty from the start, mappings need no notice, and without swap none can be reclaimed.
   */
  readonly writeback?: boolean;
}

export class FileMap implements PageCache {
  readonly kind = 'cache';
  readonly name: string;
  readonly id: number;
  readonly movable = true;
  readonly backing: 'writeback' | 'shmem';
  readonly #pages: PageAllocator;
  readonly #file: FileBacking;
  /** Frames by page of the file. */
  readonly #frames = new Map<number, number>();
  readonly #vmas = new Set<Vma>();

  constructor(options: FileMapOptions) {
    this.#pages = options.pages;
    this.#file = options.file;
    this.name = options.name;
    this.backing = (options.writeback ?? true) ? 'writeback' : 'shmem';
    this.id = options.pages.owners.register(this);
  }

  get vmas(): ReadonlySet<Vma> {
    return this.#vmas;
  }

  /** nrpages */
  get size(): number {
    return this.#frames.size;
  }

  /** Frames of its pages. */
  frames(): IterableIterator<number> {
    return this.#frames.values();
  }

  attach(vma: Vma): void {
    this.#vmas.add(vma);
  }

  /** Pages stay for as long as the file is open: see `end`. */
  detach(vma: Vma): void {
    this.#vmas.delete(vma);
  }

  /** filemap_fault(): FAULT_SIGBUS behind the end of the file, and for what cannot be read. */
  fault(index: number): number {
    if (index >= pagesFor(this.#file.size())) return FAULT_SIGBUS;
    return this.#frames.get(index) ?? this.#readFolio(index);
  }

  replace(index: number, _from: number, to: number): void {
    this.#frames.set(index, to);
  }

  /** pageout(): a dirty page is written first; false when that fails. */
  evict(index: number, folio: number): boolean {
    if (this.backing === 'shmem' || this.#writeFolio(index, folio) < 0) return false;
    this.#frames.delete(index);
    return true;
  }

  // --- system calls
  /** filemap_read() for the pages that are here; `out` has the file's bytes already. */
  readCached(out: Uint8Array, position: number): void {
    this.#eachCached(position, out.length, (frame, offset, done, length) => {
      const bytes = this.#pages.frameBytes(frame, 'read');
      out.set(bytes.subarray(offset, offset + length), done);
    });
  }

  /** generic_perform_write() for the pages that are here; the file has the data already. */
  writeCached(data: Uint8Array, position: number): void {
    this.#eachCached(position, data.length, (frame, offset, done, length) => {
      const bytes = this.#pages.frameBytes(frame, 'write');
      bytes.set(data.subarray(done, done + length), offset);
      this.#pages.markDirty(frame);
    });
  }

  /**
   * truncate_setsize(), pagecache_isize_extended(): the file's size is another. Bytes that were
   * written behind the end through a mapping do not appear when it grows.
   */
  resized(before: number, after: number): void {
    const end = Math.min(before, after);
    const last = this.#frames.get(Math.floor(end / PAGE_SIZE));
    if (last !== undefined) zeroBehind(this.#pages, last, end);
    if (after < before) this.#truncate(pagesFor(after));
  }

  /** file_write_and_wait_range() and what makes it durable: 0 or the first error. */
  fsync(from = 0, to = Infinity): number {
    const written = this.backing === 'shmem' ? 0 : this.#writeback(from, to);
    return written < 0 ? written : this.#file.sync();
  }

  /**
   * The file is open no longer: what is dirty is written, and no page is kept, as if memory had
   * been short. (Upstream's flusher comes later, and clean pages stay as long as there is room.)
   * @returns 0 or the first error of writing
   */
  end(): number {
    const error = this.#writeback(0, Infinity);
    this.#truncate(0);
    this.#pages.owners.unregister(this);
    return error;
  }

  /** filemap_read_folio() */
  #readFolio(index: number): number {
    const { frames } = this.#pages;
    const frame = this.#pages.allocFrames(0, GFP_HIGHUSER_MOVABLE);
    if (frame < 0) return FAULT_OOM;
    const bytes = this.#pages.frameBytes(frame, 'write');
    const got = this.#file.read(bytes, index * PAGE_SIZE);
    if (got < 0) {
      this.#pages.putFrame(frame);
      return FAULT_SIGBUS;
    }
    bytes.fill(0, got);
    frames.flags[frame] = this.backing === 'shmem' ? PG_LRU | PG_SWAPBACKED | PG_DIRTY : PG_LRU;
    frames.mapping[frame] = this.id;
    frames.index[frame] = index;
    this.#frames.set(index, frame);
    return frame;
  }

  /** writeback of pages `from` to before `to`, ascending; 0 or the first error. */
  #writeback(from: number, to: number): number {
    let error = 0;
    for (const [index, frame] of [...this.#frames].sort(([a], [b]) => a - b)) {
      if (index < from || index >= to) continue;
      const result = this.#writeFolio(index, frame);
      if (error === 0) error = result;
    }
    return error;
  }

  /**
   * folio_clear_dirty_for_io() and writepage: mappings are read only again before the content is
   * looked at, so that no write is missed. A page that could not be written, or not all of it, stays
   * dirty.
   */
  #writeFolio(index: number, frame: number): number {
    const { flags } = this.#pages.frames;
    if ((flags[frame]! & PG_DIRTY) === 0) return 0;
    const start = index * PAGE_SIZE;
    const length = Math.min(PAGE_SIZE, this.#file.size() - start);
    this.#mkclean(frame);
    if (length <= 0) return 0;
    const bytes = this.#pages.frameBytes(frame, 'read').subarray(0, length);
    const written = this.#file.write(bytes, start);
    if (written === length) return 0;
    flags[frame]! |= PG_DIRTY;
    return written < 0 ? written : -EIO;
  }

  /** page_mkclean(): the next write through a mapping faults, and makes the page dirty. */
  #mkclean(frame: number): void {
    this.#pages.frames.flags[frame]! &= ~PG_DIRTY;
    rmapWalk(this.#pages, frame, (mm, page, pte) => mm.changePte(page, (pte & ~PTE_WRITE) >>> 0));
  }

  #truncate(first: number): void {
    unmapMappingPages(this, first);
    for (const [index, frame] of [...this.#frames]) {
      if (index < first) continue;
      this.#frames.delete(index);
      removeFromCache(this.#pages, frame);
    }
  }

  /** The parts of a range of bytes whose pages are here. */
  #eachCached(
    position: number,
    length: number,
    visit: (frame: number, offset: number, done: number, length: number) => void,
  ): void {
    for (let at = position; at < position + length; at = pageStart(at) + PAGE_SIZE) {
      const offset = pageOffset(at);
      const frame = this.#frames.get(Math.floor(at / PAGE_SIZE));
      const part = Math.min(PAGE_SIZE - offset, position + length - at);
      if (frame !== undefined) visit(frame, offset, at - position, part);
    }
  }
}
