/**
 * Pins: pages of a process that a device, here the secure world, may use for as long as it likes.
 *
 * Upstream counterpart: mm/gup.c, pin_user_pages_fast(). As there, what the page table maps with
 * the rights that are asked for is pinned without a look at the VMAs; only what is missing goes
 * the slow way, which asks them. So a page that a write copied out of a pfn mapping can be pinned.
 * Left out: FOLL_LONGTERM's migration out of CMA and ZONE_MOVABLE (a kernel has neither by default),
 * FOLL_FORCE, FOLL_NOFAULT, the end of a slow pin by a fatal signal.
 */
import { EFAULT, ENOMEM } from '../../abi/errno.ts';
import { PAGE_SIZE, pageStart } from '../../machine/address.ts';
import type { Pa, Va } from '../../machine/address.ts';
import { handleMmFault } from './fault.ts';
import type { MmStruct } from './mm-struct.ts';
import type { PageAllocator } from './page-allocator.ts';
import { GUP_PIN_COUNTING_BIAS, PG_ANON, PG_ANON_EXCLUSIVE } from './page-frames.ts';
import { PTE_SPECIAL, PTE_USER, PTE_WRITE, PTRS_PER_PTE, pteFrame } from './page-table.ts';
import type { GupFlags, PinnedPages } from './user-memory.ts';
import type { Vma } from './vma.ts';

/** Pages of a program inside the box: they are its own, so nothing needs syncing. */
class PinnedFrames implements PinnedPages {
  readonly pages: readonly Pa[];
  readonly #allocator: PageAllocator;
  #held = true;

  constructor(allocator: PageAllocator, pages: readonly Pa[]) {
    this.pages = pages;
    this.#allocator = allocator;
  }

  syncForDevice(): void {}
  syncForCpu(): void {}

  unpin(): void {
    if (!this.#held) {
      throw this.#allocator.sched.halt('use after free', 'pages are unpinned a second time');
    }
    this.#held = false;
    const before = this.#allocator.pinsOutstanding;
    for (const page of this.pages) unpinPage(this.#allocator, page);
    account(this.#allocator, before);
  }
}

/** Why a page cannot be pinned. */
interface PinError {
  readonly code: '-EFAULT' | '-ENOMEM';
  readonly errno: number;
  readonly text: string;
}

const fault = (text: string): PinError => ({ code: '-EFAULT', errno: -EFAULT, text });
const noMemory = (text: string): PinError => ({ code: '-ENOMEM', errno: -ENOMEM, text });

const OUTSIDE = fault('the range is not user space');
const UNMAPPED = fault('nothing is mapped there');
const PFN_MAPPED = fault('it is a mapping of physical memory (VM_IO | VM_PFNMAP)');
const NOT_WRITABLE = fault('the mapping is not writable');
const NOT_READABLE = fault('the mapping is not readable');
const NO_PAGE = noMemory('the kernel has no page left for it');
const OVERFLOW = noMemory('the page is pinned too often');

/** A pin under way. */
interface PinRequest {
  readonly mm: MmStruct;
  /** Numbers of the first page and of the one behind the last. */
  readonly first: number;
  readonly end: number;
  readonly write: boolean;
  /** As large as it may become, for growing costs more than pinning; filled up to `got`. */
  readonly pages: Pa[];
  got: number;
}

/**
 * pin_user_pages_fast() with FOLL_PIN: pins `count` pages from the page of `start`, or as many as
 * there are before the first that cannot be; -EFAULT or -ENOMEM when that is the first one.
 */
export function pinUserPagesFast(
  mm: MmStruct,
  start: Va,
  count: number,
  flags: GupFlags,
): PinnedPages | number {
  const allocator = mm.pages;
  const first = pageStart(start) / PAGE_SIZE;
  const pages = new Array<Pa>(Math.min(count, allocator.frames.count));
  const write = flags.write ?? false;
  const request: PinRequest = { mm, first, end: first + count, write, pages, got: 0 };
  const before = allocator.pinsOutstanding;
  mm.hasPinned = true;
  const error = pin(request);
  pages.length = request.got;
  if (error !== undefined) explain(request, error);
  if (error !== undefined && request.got === 0) return error.errno;
  account(allocator, before);
  return new PinnedFrames(allocator, pages);
}

/** internal_get_user_pages_fast() */
function pin(request: PinRequest): PinError | undefined {
  const { mm, first, end } = request;
  if (!mm.accessOk(first * PAGE_SIZE, (end - first) * PAGE_SIZE)) return OUTSIDE;
  pinMapped(request);
  return first + request.got < end ? pinSlow(request) : undefined;
}

/**
 * gup_pgd_range(): pins what is mapped, up to the first page that is not, or not like this. The
 * zero page is special, so it is none of these.
 */
function pinMapped(request: PinRequest): void {
  const { mm, first, end } = request;
  for (let page = first; page < end; page = first + request.got) {
    const ptes = mm.table.leaf(page);
    if (ptes === undefined) break;
    const index = page & (PTRS_PER_PTE - 1);
    const count = Math.min(PTRS_PER_PTE - index, end - page);
    if (pinLeaf(request, ptes, index, count) < count) break;
  }
  mm.pages.vmstat.nr_foll_pin_acquired += request.got;
}

/** gup_pte_range(): the loop that registering large memory consists of. */
function pinLeaf(request: PinRequest, ptes: Uint32Array, index: number, count: number): number {
  const { mm, pages, got } = request;
  const { frames } = mm.pages;
  const { refs } = frames;
  const wanted = PTE_USER | (request.write ? PTE_WRITE : 0);
  let done = 0;
  for (; done < count; done++) {
    const pte = ptes[index + done]!;
    const frame = pteFrame(pte);
    if ((pte & (wanted | PTE_SPECIAL)) !== wanted || refs[frame]! <= 0) break;
    if (mustUnshare(mm, pte)) break;
    refs[frame]! += GUP_PIN_COUNTING_BIAS;
    pages[got + done] = frames.address(frame);
  }
  request.got += done;
  return done;
}

/** __get_user_pages(): page by page, faulting in what is missing. */
function pinSlow(request: PinRequest): PinError | undefined {
  const { mm, first, end, write } = request;
  let vma: Vma | undefined;
  for (let page = first + request.got; page < end; page++) {
    if (vma === undefined || page >= vma.endPage) {
      vma = mm.vmas.find(page * PAGE_SIZE);
      if (vma === undefined) return UNMAPPED;
      const refused = checkVmaFlags(vma, write);
      if (refused !== undefined) return refused;
    }
    if (!faultIn(mm, vma, page, write)) return NO_PAGE;
    const frame = pteFrame(mm.table.get(page));
    if (!tryGrabPage(mm.pages, frame)) return OVERFLOW;
    request.pages[request.got] = mm.pages.frames.address(frame);
    request.got += 1;
  }
  return undefined;
}

function checkVmaFlags(vma: Vma, write: boolean): PinError | undefined {
  if (vma.pfnMapped) return PFN_MAPPED;
  if (write) return vma.writable ? undefined : NOT_WRITABLE;
  return vma.readable ? undefined : NOT_READABLE;
}

/** faultin_page() until follow_page_pte() is content; false when memory has run out. */
function faultIn(mm: MmStruct, vma: Vma, page: number, write: boolean): boolean {
  if (handleMmFault(mm, vma, page, write ? 'write' : 'read') !== undefined) return false;
  if (!mustUnshare(mm, mm.table.get(page))) return true;
  return handleMmFault(mm, vma, page, 'unshare') === undefined;
}

/** gup_must_unshare(): an anonymous page that fork has shared is not pinned as it is. */
function mustUnshare(mm: MmStruct, pte: number): boolean {
  if ((pte & (PTE_WRITE | PTE_SPECIAL)) !== 0) return false;
  return (mm.pages.frames.flags[pteFrame(pte)]! & (PG_ANON | PG_ANON_EXCLUSIVE)) === PG_ANON;
}

/** try_grab_page(): false when the count has overflowed. The zero page is not counted. */
function tryGrabPage(allocator: PageAllocator, frame: number): boolean {
  if (frame === allocator.zeroFrame) return true;
  const { refs } = allocator.frames;
  if (refs[frame]! <= 0) return false;
  refs[frame]! += GUP_PIN_COUNTING_BIAS;
  allocator.vmstat.nr_foll_pin_acquired += 1;
  return true;
}

/** unpin_user_page() */
function unpinPage(allocator: PageAllocator, page: Pa): void {
  const { frames } = allocator;
  const frame = frames.frame(page);
  if (frame === allocator.zeroFrame) return;
  frames.refs[frame]! -= GUP_PIN_COUNTING_BIAS;
  allocator.vmstat.nr_foll_pin_released += 1;
  if (frames.refs[frame] === 0) allocator.releaseFrame(frame);
}

function explain(request: PinRequest, error: PinError): void {
  const { mm, first, end, got } = request;
  const at = ((first + got) * PAGE_SIZE).toString(16);
  mm.pages.sched.trace.cause('linux', {
    layer: 'linux/mm',
    code: error.code,
    text: `the page at 0x${at} cannot be pinned: ${error.text}`,
    object: 'pin_user_pages_fast',
    requested: (end - first) * PAGE_SIZE,
    available: got * PAGE_SIZE,
  });
}

function account(allocator: PageAllocator, before: number): void {
  const { trace } = allocator.sched;
  if (!trace.all) return;
  const pages = allocator.pinsOutstanding;
  trace.emit('linux', 'pin', { pages, delta: pages - before });
}
