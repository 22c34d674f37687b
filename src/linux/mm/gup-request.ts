/** A call of GUP under way: what was asked for, the pages that it has, and why it went no further. */
import { EFAULT, ENOMEM, EOPNOTSUPP } from '../../abi/errno.ts';
import type { Pa } from '../../machine/address.ts';
import type { MmStruct } from './mm-struct.ts';

export interface GupRequest {
  readonly mm: MmStruct;
  /** Numbers of the first page and of the one behind the last. */
  readonly first: number;
  readonly end: number;
  /** FOLL_* */
  readonly foll: number;
  /** As large as it may become, for growing costs more than pinning; filled up to `got`. */
  readonly pages: Pa[];
  got: number;
}

/** Why a page cannot be had. */
export interface GupError {
  readonly code: '-EFAULT' | '-ENOMEM' | '-EOPNOTSUPP' | '-EINVAL';
  /** Negative. */
  readonly errno: number;
  readonly text: string;
  readonly hint?: string;
}

const fault = (text: string): GupError => ({ code: '-EFAULT', errno: -EFAULT, text });
const noMemory = (text: string, hint: string): GupError => ({
  code: '-ENOMEM',
  errno: -ENOMEM,
  text,
  hint,
});

export const OUTSIDE = fault('the range is not user space');
export const UNMAPPED = fault('nothing is mapped there');
export const PFN_MAPPED = fault('it is a mapping of physical memory (VM_IO | VM_PFNMAP)');
export const SECRETMEM = fault('it is secret memory (memfd_secret)');
export const NOT_ANON = fault('FOLL_ANON: the mapping shows a file');
export const NOT_WRITABLE = fault('the mapping is not writable');
export const NOT_READABLE = fault('the mapping is not readable');
export const NOT_PRIVATE = fault('FOLL_FORCE writes to private mappings only');
export const HOLE = fault('FOLL_DUMP: nothing was ever written there');
export const NOT_PRESENT = fault('FOLL_NOFAULT: the page is not there, or not like this');
export const NO_CONTENT = fault('the file has no such page');
export const DIRTY_TRACKED: GupError = {
  ...fault('a long-term pin for writing of a shared mapping whose file tracks dirty pages'),
  hint: 'pin private or anonymous memory, or memory of a memfd or of tmpfs',
};
export const FSDAX: GupError = {
  code: '-EOPNOTSUPP',
  errno: -EOPNOTSUPP,
  text: 'a long-term pin of a file on DAX storage',
};
export const NO_PAGE = noMemory(
  'the kernel has no page left for it',
  'give the box more RAM or swap',
);
export const OVERFLOW = noMemory(
  'the page is pinned too often',
  'a small folio can be pinned 2^21 times',
);
export const NOT_MIGRATED = noMemory(
  'it is in a CMA area or ZONE_MOVABLE and cannot leave',
  'somebody has pinned it for a short time, or there is no page elsewhere',
);
