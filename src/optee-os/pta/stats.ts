/**
 * The statistics PTA: memory pools, the pager, time.
 *
 * Upstream counterpart: optee_os core/pta/stats.c. Left out: heaps of TAs (CFG_TA_STATS, which asks
 * each TA), clocks and regulators (there are none).
 */
import {
  ALLOC_ID_ALL,
  ALLOC_ID_HEAP,
  ALLOC_ID_NEXUS_HEAP,
  ALLOC_ID_PUBLIC_DDR,
  ALLOC_ID_RPMB,
  ALLOC_ID_TA_RAM,
  PtaStatsAlloc,
  STATS_CMD_ALLOC_STATS,
  STATS_CMD_GET_TIME,
  STATS_CMD_MEMLEAK_STATS,
  STATS_CMD_PAGER_STATS,
  STATS_CMD_PRINT_DRIVER_INFO,
  STATS_CMD_TA_STATS,
  STATS_DRIVER_TYPE_CLOCK,
  STATS_DRIVER_TYPE_REGULATOR,
  STATS_UUID,
} from '../../abi/pta.ts';
import { PTA_DEFAULT_FLAGS } from '../../abi/ta-head.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { Co } from '../../sched/task.ts';
import type { TaTime } from '../../ta/runtime.ts';
import type { Guest } from '../guest.ts';
import type { PseudoTa, PtaCall } from '../kernel/pseudo-ta.ts';
import type { PoolStats } from '../mm/core-heap.ts';

const NONE = TEE_PARAM_TYPE_NONE;
const OUT = TEE_PARAM_TYPE_VALUE_OUTPUT;

/** A pool, which may be able to forget its peaks. */
interface Pool extends PoolStats {
  resetStats?(): void;
}

/** What is said of a pool; without numbers, only what it is called. */
interface PoolRow {
  readonly desc: string;
  readonly pool?: Pool;
}

/** A command: the types it takes, and what it does. */
interface Command {
  readonly types: number;
  readonly run: (pta: StatsPta, call: PtaCall) => Co<number>;
}

const COMMANDS: ReadonlyMap<number, Command> = new Map([
  [
    STATS_CMD_PAGER_STATS,
    { types: TEE_PARAM_TYPES(OUT, OUT, OUT, NONE), run: (p, c) => p.pager(c) },
  ],
  [
    STATS_CMD_ALLOC_STATS,
    {
      types: TEE_PARAM_TYPES(TEE_PARAM_TYPE_VALUE_INPUT, TEE_PARAM_TYPE_MEMREF_OUTPUT, NONE, NONE),
      run: (p, c) => p.alloc(c),
    },
  ],
  [STATS_CMD_MEMLEAK_STATS, { types: NONE, run: (p, c) => p.memleak(c) }],
  [STATS_CMD_TA_STATS, { types: TEE_PARAM_TYPE_MEMREF_OUTPUT, run: (p) => p.tas() }],
  [STATS_CMD_GET_TIME, { types: TEE_PARAM_TYPES(OUT, OUT, NONE, NONE), run: (p, c) => p.time(c) }],
  [STATS_CMD_PRINT_DRIVER_INFO, { types: TEE_PARAM_TYPE_VALUE_INPUT, run: (p, c) => p.drivers(c) }],
]);

export class StatsPta implements PseudoTa {
  readonly uuid = STATS_UUID;
  readonly name = 'stats.pta';
  readonly flags = PTA_DEFAULT_FLAGS;
  readonly #guest: Guest;
  /** By ALLOC_ID_*. */
  readonly #pools: ReadonlyMap<number, PoolRow>;

  constructor(guest: Guest) {
    this.#guest = guest;
    this.#pools = new Map([
      [ALLOC_ID_HEAP, { desc: 'Heap', pool: guest.heap }],
      [ALLOC_ID_PUBLIC_DDR, { desc: 'Public DDR (deprecated)' }],
      [ALLOC_ID_TA_RAM, { desc: 'Physical TA memory', pool: guest.nexus.taRam }],
      [ALLOC_ID_NEXUS_HEAP, { desc: 'KHeap (disabled)' }],
      [ALLOC_ID_RPMB, { desc: 'RPMB secure storage (no data)' }],
    ]);
  }

  *invokeCommand(call: PtaCall, command: number): Co<number> {
    const row = COMMANDS.get(command);
    if (row === undefined || row.types !== call.types) return TEE_ERROR_BAD_PARAMETERS;
    return yield* row.run(this, call);
  }

  /** get_pager_stats(): there is no pager. */
  *pager(call: PtaCall): Co<number> {
    for (const param of call.params) {
      param.a = 0;
      param.b = 0;
    }
    return TEE_SUCCESS;
  }

  /** get_alloc_stats() */
  *alloc(call: PtaCall): Co<number> {
    const [{ a: id, b: reset }, out] = [call.params[0]!, call.params[1]!];
    const all = id === ALLOC_ID_ALL;
    if (!all && !this.#pools.has(id)) return TEE_ERROR_BAD_PARAMETERS;
    const ids = all ? [...this.#pools.keys()] : [id];
    const wanted = ids.length * PtaStatsAlloc.byteLength;
    const short = out.size < wanted;
    out.size = wanted;
    if (short) return TEE_ERROR_SHORT_BUFFER;
    const view = new DataView(out.bytes.buffer, out.bytes.byteOffset, wanted);
    for (const [i, pool] of ids.entries()) {
      const stats = pool === ALLOC_ID_RPMB ? yield* this.#rpmb(call) : this.#pools.get(pool)!;
      writePool(view, i * PtaStatsAlloc.byteLength, stats);
      if (reset !== 0) stats.pool?.resetStats?.();
    }
    return TEE_SUCCESS;
  }

  /** mdbg_check(): a build without malloc debugging prints nothing. */
  *memleak(_call: PtaCall): Co<number> {
    return TEE_SUCCESS;
  }

  /** A build without CFG_TA_STATS. */
  *tas(): Co<number> {
    return TEE_ERROR_NOT_SUPPORTED;
  }

  /** get_system_time() */
  *time(call: PtaCall): Co<number> {
    const { time } = this.#guest;
    const tee: TaTime = { seconds: 0, millis: 0 };
    const ree: TaTime = { seconds: 0, millis: 0 };
    time.system(tee);
    const res = yield* time.ree(call.thread, ree);
    if (res !== TEE_SUCCESS) return res;
    [ree, tee].forEach(({ seconds, millis }, i) => {
      call.params[i]!.a = seconds;
      call.params[i]!.b = millis;
    });
    return TEE_SUCCESS;
  }

  /** print_driver_info(): both trees are empty. */
  *drivers(call: PtaCall): Co<number> {
    const known = [STATS_DRIVER_TYPE_CLOCK, STATS_DRIVER_TYPE_REGULATOR];
    return known.includes(call.params[0]!.a) ? TEE_SUCCESS : TEE_ERROR_BAD_PARAMETERS;
  }

  /** rpmb_mem_stats(): what the table of files says, which is read for it. */
  *#rpmb({ thread }: PtaCall): Co<PoolRow> {
    const pool = yield* this.#guest.storage.rpmbFs?.memStats(thread) ?? nothing();
    if (typeof pool === 'number') return { desc: 'RPMB secure storage (no data)' };
    const { allocated, maxAllocated, size } = pool;
    const failures = { numAllocFail: 0, biggestAllocFail: 0, biggestAllocFailUsed: 0 };
    return { desc: 'RPMB secure storage', pool: { allocated, maxAllocated, size, ...failures } };
  }
}

function* nothing(): Co<number> {
  return TEE_ERROR_NOT_SUPPORTED;
}

function writePool(view: DataView, at: number, { desc, pool }: PoolRow): void {
  new Uint8Array(view.buffer, view.byteOffset + at, PtaStatsAlloc.byteLength).fill(0);
  PtaStatsAlloc.desc.bytes(view, at).set(new TextEncoder().encode(desc));
  if (pool === undefined) return;
  PtaStatsAlloc.allocated.set(view, at, pool.allocated);
  PtaStatsAlloc.maxAllocated.set(view, at, pool.maxAllocated);
  PtaStatsAlloc.size.set(view, at, pool.size);
  PtaStatsAlloc.numAllocFail.set(view, at, pool.numAllocFail);
  PtaStatsAlloc.biggestAllocFail.set(view, at, pool.biggestAllocFail);
  PtaStatsAlloc.biggestAllocFailUsed.set(view, at, pool.biggestAllocFailUsed);
}
