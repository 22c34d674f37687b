/**
 * Boards as data: how much memory a machine has, what the secure world keeps of it, which
 * interrupt tells of notifications. The first is the emulated Armv8 board that OP-TEE's own tests
 * run on (optee_os core/arch/arm/plat-vexpress/conf.mk, flavor qemu_armv8a), with less RAM.
 */
import { pa } from '../machine/address.ts';
import { DEFAULT_RAM_BASE } from '../machine/machine.ts';
import type { Region, ReusablePool } from '../machine/machine.ts';

const MIB = 1 << 20;

export interface Board {
  readonly name: string;
  /** Bytes; a multiple of 64 KiB. */
  readonly ramBytes: number;
  readonly cpus: number;
  /** The core's own image and heaps, bytes. */
  readonly coreBytes: number;
  /** Secure pages for TAs, bytes (TA_RAM_SIZE of the pool as the core reports it). */
  readonly taRamBytes: number;
  /** Reserved shared memory, bytes (CFG_SHMEM_SIZE). */
  readonly reservedShmBytes: number;
  /** CFG_CORE_ASYNC_NOTIF_GIC_INTID */
  readonly notifInterrupt: number;
  /**
   * Bytes of a `linux,cma` node in /reserved-memory, the default CMA area; a multiple of 2 MiB, as
   * is its place. None by default.
   */
  readonly cmaBytes?: number;
  /** Further CMA areas, `cma-1` and so on: of devices that name theirs. As `cmaBytes`. */
  readonly moreCmaBytes?: readonly number[];
}

export const QEMU_ARMV8: Board = {
  name: 'qemu_armv8a',
  ramBytes: 64 * MIB,
  cpus: 2,
  coreBytes: 1 * MIB,
  taRamBytes: 15 * MIB,
  reservedShmBytes: 2 * MIB,
  notifInterrupt: 219,
};

/** The same with as little memory as its parts need: for searches that boot thousands of boxes. */
export const SMALL: Board = {
  ...QEMU_ARMV8,
  name: 'small',
  ramBytes: 4 * MIB,
  coreBytes: 256 * 1024,
  taRamBytes: 768 * 1024,
  reservedShmBytes: 256 * 1024,
};

/** Where a board's regions lie: secure memory and reserved memory at the top of RAM. */
export interface BoardMap {
  readonly core: Region;
  readonly taRam: Region;
  readonly reservedShm: Region;
  /** Nodes of /reserved-memory that are CMA areas. */
  readonly reusable: readonly ReusablePool[];
}

/** Where CMA areas may begin. */
const CMA_ALIGNMENT = 2 * MIB;

export function mapOf(board: Board): BoardMap {
  let top = DEFAULT_RAM_BASE + board.ramBytes;
  const take = (size: number): Region => {
    top -= size;
    return { base: pa(top), size };
  };
  const core = take(board.coreBytes);
  const taRam = take(board.taRamBytes);
  const reservedShm = take(board.reservedShmBytes);
  if (board.cmaBytes === undefined) return { core, taRam, reservedShm, reusable: [] };
  top -= top % CMA_ALIGNMENT;
  const areas = [board.cmaBytes, ...(board.moreCmaBytes ?? [])];
  const reusable = areas.map((size, n) => ({
    name: n === 0 ? 'linux,cma' : `cma-${n}`,
    region: take(size),
    isDefault: n === 0,
  }));
  return { core, taRam, reservedShm, reusable };
}
