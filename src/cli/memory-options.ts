/**
 * `--cma` and `--swap`: memory that is lent until a device wants it in one piece, and where memory
 * goes when it runs short.
 */
import { CMA_MIN_ALIGNMENT_BYTES } from '../linux/mm/cma.ts';
import { MOST_SWAP_PAGES } from '../linux/mm/swap.ts';
import { PAGE_SIZE } from '../machine/address.ts';
import { UsageError } from './command.ts';

export const MEMORY_USAGE: readonly string[] = [
  '  --cma SIZE[,SIZE...]      CMA areas, the first for every device: 64M; none by default',
  '  --swap SIZE               a swap area: 256M; none by default',
];

const KIB = 1024;
const MIB = KIB * 1024;
/** Suffixes of memparse(). */
const UNITS: Readonly<Record<string, number>> = { K: KIB, M: MIB, G: KIB * MIB };

/**
 * Sizes of the CMA areas, bytes.
 * @param ramMib RAM of the box. @param keptMib so much of it lies in no area.
 * @throws UsageError
 */
export function cmaOf(text: string | undefined, ramMib: number, keptMib: number): number[] {
  if (text === undefined) return [];
  const sizes = text.split(',').map((size) => sizeOf('--cma', size));
  if (sizes.some((size) => size % CMA_MIN_ALIGNMENT_BYTES !== 0)) {
    const least = CMA_MIN_ALIGNMENT_BYTES / MIB;
    throw new UsageError(`--cma ${text}: areas are multiples of ${least}M (a pageblock)`);
  }
  const most = ramMib - keptMib;
  if (sizes.reduce((sum, size) => sum + size, 0) <= most * MIB) return sizes;
  throw new UsageError(
    `--cma ${text}: ${Math.max(0, most)}M of ${ramMib}M at most, the kernel needs the rest; more with --ram`,
  );
}

/** Bytes of the swap area. @throws UsageError */
export function swapOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const size = sizeOf('--swap', text);
  if (size % PAGE_SIZE === 0 && size <= MOST_SWAP_PAGES * PAGE_SIZE) return size;
  const most = (MOST_SWAP_PAGES * PAGE_SIZE) / (KIB * MIB);
  throw new UsageError(`--swap ${text}: pages of ${PAGE_SIZE / KIB}K, up to ${most}G`);
}

function sizeOf(option: string, text: string): number {
  const [, digits, unit] = /^(\d+)([KMG])$/i.exec(text) ?? [];
  const size = Number(digits) * (UNITS[unit?.toUpperCase() ?? ''] ?? NaN);
  if (size > 0) return size;
  throw new UsageError(`${option} ${text}: a size with its unit is needed: 512K, 64M, 1G`);
}
