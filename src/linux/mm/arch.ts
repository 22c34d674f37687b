/**
 * What differs between architectures in memory management.
 *
 * Upstream counterparts: TASK_SIZE_MAX and untagged_addr() in arch/x86/include/asm/page_64_types.h,
 * uaccess_64.h and arch/arm64/include/asm/processor.h, memory.h (48-bit addresses, 4 KiB pages).
 * Left out: 5-level paging, 52-bit addresses, x86's LAM (off unless a process asks for it).
 */
import { PAGE_SIZE } from '../../machine/address.ts';

export type MmArchName = 'x86-64' | 'arm64';

/** So many bytes have addresses. A range that ends here or beyond has wrapped, in 64 bits. */
export const ADDRESS_SPACE = 2 ** 64;

export interface MmArch {
  readonly name: MmArchName;
  /** TASK_SIZE_MAX: the first address that is not user space. */
  readonly taskSize: number;
  /** CONFIG_ARM64_TAGGED_ADDR_ABI: threads may ask that their pointers be untagged. */
  readonly taggedAddrAbi: boolean;
  /**
   * untagged_addr(): a user pointer given as 64 bits without the tag that hardware ignores. What
   * exceeds 2^53 loses its low bits here; it is beyond `taskSize` whatever they were.
   */
  untaggedAddr(lo: number, hi: number): number;
}

const join = (lo: number, hi: number): number => (hi >>> 0) * 2 ** 32 + (lo >>> 0);

/** Bit 55 tells user addresses from kernel ones; for user addresses bits 56-63 are the tag. */
const ARM64_KERNEL_BIT = 1 << 23;
const ARM64_TAG_MASK = 0x00ffffff;

export const MM_ARCHES: { readonly [N in MmArchName]: MmArch } = {
  'x86-64': {
    name: 'x86-64',
    taskSize: 2 ** 47 - PAGE_SIZE,
    taggedAddrAbi: false,
    untaggedAddr: join,
  },
  arm64: {
    name: 'arm64',
    taskSize: 2 ** 48,
    taggedAddrAbi: true,
    untaggedAddr: (lo, hi) => join(lo, (hi & ARM64_KERNEL_BIT) !== 0 ? hi : hi & ARM64_TAG_MASK),
  },
};
