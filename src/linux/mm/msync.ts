/**
 * msync(): what was written through shared mappings goes to the files.
 *
 * Upstream counterpart: mm/msync.c. MS_ASYNC and MS_INVALIDATE only check their arguments, as there; and
 * as there a length so large that it rounds to 2^64 is one of 0.
 */
import { EINVAL, ENOMEM } from '../../abi/errno.ts';
import { MS_ASYNC, MS_INVALIDATE, MS_SYNC } from '../../abi/fcntl.ts';
import { PAGE_SIZE, pageOffset, roundUp } from '../../machine/address.ts';
import { ADDRESS_SPACE } from './arch.ts';
import type { MmStruct } from './mm-struct.ts';

/** @returns 0 or a negative errno; -ENOMEM for a hole, after what lies around it was written. */
export function msync(mm: MmStruct, start: number, length: number, flags: number): number {
  if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) !== 0) return -EINVAL;
  if (pageOffset(start) !== 0) return -EINVAL;
  if ((flags & MS_ASYNC) !== 0 && (flags & MS_SYNC) !== 0) return -EINVAL;
  const size = roundUp(length, PAGE_SIZE);
  if (size === 0 || size >= ADDRESS_SPACE) return 0;
  const end = start + size;
  if (end >= ADDRESS_SPACE) return -ENOMEM;
  let at = start;
  let hole = 0;
  for (const vma of mm.vmas.overlapping(start, end)) {
    if (vma.start > at) hole = -ENOMEM;
    const to = Math.min(end, vma.end);
    const first = vma.cacheIndex(Math.max(at, vma.start) / PAGE_SIZE);
    const sync = (flags & MS_SYNC) !== 0 && vma.shared;
    const error = sync ? vma.cache?.fsync?.(first, vma.cacheIndex(to / PAGE_SIZE)) : 0;
    if (error !== undefined && error < 0) return error;
    at = to;
  }
  return at < end ? -ENOMEM : hole;
}
