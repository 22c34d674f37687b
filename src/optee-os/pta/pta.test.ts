import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ALLOC_ID_ALL,
  ALLOC_ID_HEAP,
  ALLOC_ID_TA_RAM,
  PTA_CMD_GET_DEVICES,
  PTA_CMD_GET_DEVICES_RPMB,
  PTA_CMD_GET_DEVICES_SUPP,
  PTA_DEVICE_UUID,
  PTA_SYSTEM_ADD_RNG_ENTROPY,
  PTA_SYSTEM_DERIVE_TA_UNIQUE_KEY,
  PTA_SYSTEM_DLOPEN,
  PTA_SYSTEM_DLSYM,
  PTA_SYSTEM_GET_TPM_EVENT_LOG,
  PTA_SYSTEM_MAP_TA_BINARY,
  PTA_SYSTEM_MAP_ZI,
  PTA_SYSTEM_UNMAP,
  PTA_SYSTEM_UUID,
  PtaStatsAlloc,
  RTLD_GLOBAL,
  RTLD_NODELETE,
  RTLD_NOW,
  STATS_CMD_ALLOC_STATS,
  STATS_CMD_GET_TIME,
  STATS_CMD_MEMLEAK_STATS,
  STATS_CMD_PAGER_STATS,
  STATS_CMD_PRINT_DRIVER_INFO,
  STATS_CMD_TA_STATS,
  STATS_UUID,
} from '../../abi/pta.ts';
import {
  PTA_MANDATORY_FLAGS,
  TA_FLAG_DEVICE_ENUM,
  TA_FLAG_DEVICE_ENUM_SUPP,
  TA_FLAG_DEVICE_ENUM_TEE_STORAGE_PRIVATE,
} from '../../abi/ta-head.ts';
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ERROR_STORAGE_NOT_AVAILABLE,
  TEE_ERROR_TARGET_DEAD,
  TEE_ORIGIN_TEE,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { NIL_UUID, getUuidOctets } from '../../abi/uuid.ts';
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import { TaParamSlot } from '../../ta/runtime.ts';
import type { Co } from '../../sched/task.ts';
import { nonConformance } from '../kernel/pseudo-ta.ts';
import { teeUuid } from '../storage/tee-fs.ts';
import { LAYOUT, NormalWorld } from '../testing/normal-world.ts';
import { rmem, tmem } from '../testing/msg-param.ts';
import type { MsgParam } from '../testing/msg-param.ts';
import type { MsgResult } from '../testing/normal-world.ts';
import { REE_TIME } from '../testing/rpc-answers.ts';
import { testTa } from '../testing/test-ta.ts';
import type { TestEntry } from '../testing/test-ta.ts';

const TMEM_OUT = 0xa;
const RMEM_OUT = 6;
const SHM = LAYOUT.reservedShm.base;
const uuidOf = (n: number): string => `${`${n}`.repeat(8)}-0000-0000-0000-000000000000`;

function call(
  world: NormalWorld,
  uuid: string,
  cmd: number,
  params: readonly MsgParam[],
): MsgResult {
  return world.run(
    (function* (): Co<MsgResult> {
      const { session, ret } = yield* world.open(uuid);
      assert.equal(ret, TEE_SUCCESS);
      const result = yield* world.invoke(session, cmd, params);
      yield* world.close(session);
      return result;
    })(),
  );
}

describe('device.pta', () => {
  const flags = [
    TA_FLAG_DEVICE_ENUM,
    TA_FLAG_DEVICE_ENUM_SUPP,
    TA_FLAG_DEVICE_ENUM_TEE_STORAGE_PRIVATE,
    TA_FLAG_DEVICE_ENUM | TA_FLAG_DEVICE_ENUM_SUPP,
    0,
    TA_FLAG_DEVICE_ENUM,
  ];
  const tas = flags.map((f, i) => testTa({ uuid: uuidOf(i + 1), flags: f }));
  const list = (world: NormalWorld, cmd: number): string[] => {
    const result = call(world, PTA_DEVICE_UUID, cmd, [tmem(TMEM_OUT, SHM, 256)]);
    assert.equal(result.ret, TEE_SUCCESS);
    const { view } = world.machine.normal;
    const count = result.params[0]!.b / 16;
    return Array.from({ length: count }, (_, i) => getUuidOctets(view, world.at(SHM) + 16 * i));
  };

  it('lists TAs by the stage they belong to', () => {
    const world = new NormalWorld({ tas });
    assert.deepEqual(list(world, PTA_CMD_GET_DEVICES), [uuidOf(1), uuidOf(6)]);
    assert.deepEqual(list(world, PTA_CMD_GET_DEVICES_SUPP), [uuidOf(2), uuidOf(3)]);
    assert.deepEqual(list(world, PTA_CMD_GET_DEVICES_RPMB), []);
    const skipped = `E/TC:? 0 add_ta device.pta: skipping TA ${uuidOf(4)}, inconsistent flags`;
    assert.equal(world.log().filter((line) => line === skipped).length, 3, 'once a listing');
    const noRee = new NormalWorld({ tas, config: { CFG_REE_FS: false } });
    assert.deepEqual(list(noRee, PTA_CMD_GET_DEVICES_SUPP), [uuidOf(2)]);
    const { ret } = call(noRee, PTA_DEVICE_UUID, PTA_CMD_GET_DEVICES_RPMB, [
      tmem(TMEM_OUT, SHM, 0),
    ]);
    assert.equal(ret, TEE_ERROR_STORAGE_NOT_AVAILABLE);
  });

  it('says how much room it needs', () => {
    const world = new NormalWorld({ tas });
    for (const param of [tmem(TMEM_OUT, 0, 0), tmem(TMEM_OUT, SHM, 16), tmem(TMEM_OUT, SHM, 31)]) {
      const result = call(world, PTA_DEVICE_UUID, PTA_CMD_GET_DEVICES, [param]);
      assert.equal(result.ret, TEE_ERROR_SHORT_BUFFER);
      assert.equal(result.params[0]!.b, 32);
    }
  });

  it('wants one output and a command that exists', () => {
    const world = new NormalWorld({ tas });
    const wrong = [tmem(0x9, SHM, 64)];
    assert.equal(call(world, PTA_DEVICE_UUID, 0, wrong).ret, TEE_ERROR_BAD_PARAMETERS);
    assert.equal(call(world, PTA_DEVICE_UUID, 0, []).ret, TEE_ERROR_BAD_PARAMETERS);
    assert.equal(call(world, PTA_DEVICE_UUID, 3, []).ret, TEE_ERROR_NOT_IMPLEMENTED);
  });

  it('is absent from a build without it', () => {
    const world = new NormalWorld({ config: { CFG_DEVICE_ENUM_PTA: false } });
    assert.equal(world.run(world.open(PTA_DEVICE_UUID)).ret, TEE_ERROR_ITEM_NOT_FOUND);
  });

  it('writes into memory whose pages do not follow each other', () => {
    const world = new NormalWorld({ tas });
    const pages = world.pages(2, true);
    world.run(world.register(pages, 2 * PAGE_SIZE, 0x40));
    const offset = PAGE_SIZE - 20;
    const params = [rmem(RMEM_OUT, offset, 64, 0x40)];
    assert.equal(call(world, PTA_DEVICE_UUID, 0, params).ret, TEE_SUCCESS);
    const bytes = new Uint8Array(32);
    bytes.set(world.bytes(pa(pages[0]! + offset), 20));
    bytes.set(world.bytes(pages[1]!, 12), 20);
    assert.equal(getUuidOctets(new DataView(bytes.buffer), 16), uuidOf(6));
    assert.equal(world.os.usage().mappedShmPages, 0);
  });

  it('answers origin TEE when its memory cannot be mapped', () => {
    const world = new NormalWorld({ tas });
    world.run(world.register([world.page()], PAGE_SIZE, 0x40));
    const { session } = world.run(world.open(PTA_DEVICE_UUID));
    world.os.nexus.mmu.mapShm(8191);
    const result = world.run(world.invoke(session, 0, [rmem(RMEM_OUT, 0, 64, 0x40)]));
    assert.deepEqual([result.ret, result.origin], [TEE_ERROR_OUT_OF_MEMORY, TEE_ORIGIN_TEE]);
  });
});

describe('stats.pta', () => {
  const world = new NormalWorld({ config: { CFG_WITH_STATS: true, CFG_CORE_HEAP_SIZE: 98304 } });
  const stats = (cmd: number, params: readonly MsgParam[]): MsgResult =>
    call(world, STATS_UUID, cmd, params);
  const value = { attr: 1 };
  const out = { attr: 2 };

  it('reports pools by id', () => {
    const { view } = world.machine.normal;
    const at = world.at(SHM);
    const all = stats(STATS_CMD_ALLOC_STATS, [
      { ...value, a: ALLOC_ID_ALL },
      tmem(TMEM_OUT, SHM, 512),
    ]);
    assert.deepEqual([all.ret, all.params[1]!.b], [TEE_SUCCESS, 320]);
    assert.equal(PtaStatsAlloc.size.get(view, at), 98304);
    assert.ok(PtaStatsAlloc.allocated.get(view, at) > 0);
    const name = PtaStatsAlloc.desc.bytes(view, at + 64);
    assert.equal(String.fromCharCode(...name.subarray(0, 24)), 'Public DDR (deprecated)\0');
    const one = [{ ...value, a: ALLOC_ID_TA_RAM, b: 1 }, tmem(TMEM_OUT, SHM, 64)];
    assert.equal(stats(STATS_CMD_ALLOC_STATS, one).params[1]!.b, 64);
    assert.equal(PtaStatsAlloc.size.get(view, at), LAYOUT.taRam.size);
    const short = [{ ...value, a: ALLOC_ID_HEAP }, tmem(TMEM_OUT, SHM, 63)];
    const result = stats(STATS_CMD_ALLOC_STATS, short);
    assert.deepEqual([result.ret, result.params[1]!.b], [TEE_ERROR_SHORT_BUFFER, 64]);
    const wrong = [{ ...value, a: 6 }, tmem(TMEM_OUT, SHM, 512)];
    assert.equal(stats(STATS_CMD_ALLOC_STATS, wrong).ret, TEE_ERROR_BAD_PARAMETERS);
  });

  it('forgets peaks when asked to', () => {
    const heap = (reset: number): [allocated: number, peak: number] => {
      const one = [{ ...value, a: ALLOC_ID_HEAP, b: reset }, tmem(TMEM_OUT, SHM, 64)];
      assert.equal(stats(STATS_CMD_ALLOC_STATS, one).ret, TEE_SUCCESS);
      const { view } = world.machine.normal;
      const at = world.at(SHM);
      return [PtaStatsAlloc.allocated.get(view, at), PtaStatsAlloc.maxAllocated.get(view, at)];
    };
    const open = (): number => world.run(world.open(STATS_UUID)).session;
    const sessions = [open(), open(), open(), open()];
    for (const session of sessions) world.run(world.close(session));
    const [allocated, peak] = heap(0);
    assert.ok(peak > allocated);
    assert.deepEqual(heap(1), [allocated, peak], 'told once more, and kept until then');
    assert.ok(heap(0)[1] < peak);
  });

  it('reports both times', () => {
    const result = stats(STATS_CMD_GET_TIME, [out, out]);
    assert.equal(result.ret, TEE_SUCCESS);
    assert.deepEqual([result.params[0]!.a, result.params[0]!.b], [REE_TIME.seconds, 123]);
    assert.ok(result.params[1]!.a < 10);
  });

  it('has no pager, no leak checker, no heaps of TAs and no drivers', () => {
    assert.equal(stats(STATS_CMD_PAGER_STATS, [out, out, out]).ret, TEE_SUCCESS);
    assert.equal(stats(STATS_CMD_MEMLEAK_STATS, []).ret, TEE_SUCCESS);
    assert.equal(stats(STATS_CMD_TA_STATS, [tmem(TMEM_OUT, SHM, 8)]).ret, TEE_ERROR_NOT_SUPPORTED);
    assert.equal(stats(STATS_CMD_PRINT_DRIVER_INFO, [{ ...value, a: 1 }]).ret, TEE_SUCCESS);
    assert.equal(
      stats(STATS_CMD_PRINT_DRIVER_INFO, [{ ...value, a: 2 }]).ret,
      TEE_ERROR_BAD_PARAMETERS,
    );
    for (const cmd of [STATS_CMD_PAGER_STATS, STATS_CMD_GET_TIME, 6]) {
      assert.equal(stats(cmd, [value]).ret, TEE_ERROR_BAD_PARAMETERS);
    }
  });
});

describe('system.pta', () => {
  /** Calls the PTA from a TA, with memory of the given pages. */
  function fromTa(
    cmd: number,
    fill: (slots: TaParamSlot[], pages: readonly Pa[], world: NormalWorld) => number,
  ): MsgResult {
    const command: TestEntry = function* ({ tee }) {
      const out = { session: 0, origin: 0 };
      const slots = [1, 2, 3, 4].map(() => new TaParamSlot());
      assert.equal(yield* tee.openTaSession(PTA_SYSTEM_UUID, 0, { types: 0, slots }, out), 0);
      const types = fill(slots, tee.allocatePages(2)!, world);
      return yield* tee.invokeTaCommand(out.session, 0, cmd, { types, slots }, out);
    };
    const world = new NormalWorld({ tas: [testTa({ uuid: uuidOf(1), commands: { 0: command } })] });
    const { session } = world.run(world.open(uuidOf(1)));
    const result = world.run(world.invoke(session, 0));
    keys.push(
      [...world.machine.secure.bytes(pa(LAYOUT.taRam.base + PAGE_SIZE), 32, 'read')].join(),
    );
    return result;
  }
  const keys: string[] = [];
  const memory = (
    slot: TaParamSlot,
    pages: readonly Pa[],
    size: number,
    nonSecure = false,
  ): void => {
    slot.memref = { pages, offset: 0, writable: true, nonSecure };
    slot.size = size;
  };

  it('is for user TAs only', () => {
    const world = new NormalWorld();
    assert.equal(world.run(world.open(PTA_SYSTEM_UUID)).ret, TEE_ERROR_ACCESS_DENIED);
  });

  it('derives a key for the TA, into secure memory only', () => {
    const derive = (size: number, extra = 0, nonSecure = false): number =>
      fromTa(PTA_SYSTEM_DERIVE_TA_UNIQUE_KEY, (slots, pages) => {
        if (extra > 0) memory(slots[0]!, pages, extra);
        memory(slots[1]!, pages, size, nonSecure);
        return 0x65;
      }).ret;
    assert.equal(derive(32), TEE_SUCCESS);
    assert.equal(derive(32), TEE_SUCCESS);
    assert.equal(derive(32, 16), TEE_SUCCESS);
    assert.equal(derive(16, 1024), TEE_SUCCESS);
    assert.equal(keys[0], keys[1]);
    assert.notEqual(keys[0], keys[2]);
    assert.notEqual(keys[0], Array.from({ length: 32 }, () => 0).join());
    assert.equal(derive(15), TEE_ERROR_BAD_PARAMETERS);
    assert.equal(derive(33), TEE_ERROR_BAD_PARAMETERS);
    assert.equal(derive(32, 1025), TEE_ERROR_BAD_PARAMETERS);
    assert.equal(derive(32, 0, true), TEE_ERROR_SECURITY);
  });

  it('takes entropy, and knows what it has not', () => {
    const entropy = (size: number): number =>
      fromTa(PTA_SYSTEM_ADD_RNG_ENTROPY, (slots, pages) => {
        memory(slots[0]!, pages, size);
        return 0x5;
      }).ret;
    assert.equal(entropy(8), TEE_SUCCESS);
    assert.equal(entropy(4096), TEE_SUCCESS);
    assert.equal(entropy(4097), TEE_ERROR_OUT_OF_MEMORY);
    assert.equal(entropy(0), TEE_ERROR_BAD_PARAMETERS);
    assert.equal(fromTa(PTA_SYSTEM_MAP_TA_BINARY, () => 0).ret, TEE_ERROR_NOT_IMPLEMENTED);
  });

  const OWN = uuidOf(1);
  const OTHER = uuidOf(9);
  const FLAGS = RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE;

  /** A value is [a, b], text a TEE_UUID, bytes a buffer. */
  type Given = readonly [number, number] | string | Uint8Array;
  type Row = readonly [string, number, number, readonly Given[], number];
  const [IN, OUT, INOUT] = [TEE_PARAM_TYPE_VALUE_INPUT, TEE_PARAM_TYPE_VALUE_OUTPUT, 3];
  const MAP = TEE_PARAM_TYPES(IN, INOUT, IN, 0);
  const UNMAP = TEE_PARAM_TYPES(IN, IN, 0, 0);
  const OPEN = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INPUT, IN, 0, 0);
  const SYM = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INPUT, TEE_PARAM_TYPE_MEMREF_INPUT, OUT, 0);
  const LOG = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_OUTPUT, 0, 0, 0);
  const BAD = TEE_ERROR_BAD_PARAMETERS;
  const NAME = new TextEncoder().encode('main');
  const ROWS: readonly Row[] = [
    ['maps nothing', PTA_SYSTEM_MAP_ZI, MAP, [[4096, 0]], TEE_ERROR_NOT_SUPPORTED],
    ['maps nothing to share', PTA_SYSTEM_MAP_ZI, MAP, [[4096, 1]], TEE_ERROR_NOT_SUPPORTED],
    ['maps not 0 bytes', PTA_SYSTEM_MAP_ZI, MAP, [[0, 0]], BAD],
    ['maps nothing to write', PTA_SYSTEM_MAP_ZI, MAP, [[4096, 2]], BAD],
    ['has nothing to unmap', PTA_SYSTEM_UNMAP, UNMAP, [[4096, 0]], BAD],
    ['unmaps without flags', PTA_SYSTEM_UNMAP, UNMAP, [[4096, 1]], BAD],
    ['opens the TA itself', PTA_SYSTEM_DLOPEN, OPEN, [NIL_UUID, [FLAGS, 0]], TEE_SUCCESS],
    ['opens it by name, too', PTA_SYSTEM_DLOPEN, OPEN, [OWN, [FLAGS, 0]], TEE_SUCCESS],
    ['opens no library', PTA_SYSTEM_DLOPEN, OPEN, [OTHER, [FLAGS, 0]], TEE_ERROR_TARGET_DEAD],
    ['opens with all flags', PTA_SYSTEM_DLOPEN, OPEN, [OWN, [RTLD_NOW, 0]], BAD],
    ['opens by UUID', PTA_SYSTEM_DLOPEN, OPEN, [NAME, [FLAGS, 0]], BAD],
    ['finds no symbol of it', PTA_SYSTEM_DLSYM, SYM, [NIL_UUID, NAME], TEE_ERROR_ITEM_NOT_FOUND],
    ['nor of others', PTA_SYSTEM_DLSYM, SYM, [OTHER, NAME], TEE_ERROR_ITEM_NOT_FOUND],
    ['finds by name', PTA_SYSTEM_DLSYM, SYM, [OWN, new Uint8Array(0)], BAD],
    ['has no event log', PTA_SYSTEM_GET_TPM_EVENT_LOG, LOG, [NAME], TEE_ERROR_NOT_SUPPORTED],
  ];
  for (const [name, command, types, given, expected] of ROWS) {
    it(name, () => {
      const fill = (slots: TaParamSlot[], pages: readonly Pa[], world: NormalWorld): number => {
        given.forEach((value, n) => put(slots[n]!, pages.slice(n), value, world));
        return types;
      };
      assert.equal(fromTa(command, fill).ret, expected);
      assert.equal(fromTa(command, () => types | 0x8000).ret, BAD);
    });
  }

  function put(slot: TaParamSlot, pages: readonly Pa[], value: Given, world: NormalWorld): void {
    if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
      [slot.a, slot.b] = value;
      return;
    }
    const bytes = typeof value === 'string' ? teeUuid(value) : value;
    world.machine.secure.bytes(pages[0]!, PAGE_SIZE, 'write').set(bytes);
    if (bytes.length > 0) memory(slot, pages, bytes.length);
  }
});

describe('pseudo TAs', () => {
  it('must have the flags that the core expects', () => {
    const pta = {
      uuid: uuidOf(1),
      name: 'x',
      flags: PTA_MANDATORY_FLAGS,
      *invokeCommand() {
        return 0;
      },
    };
    assert.equal(nonConformance(pta), undefined);
    assert.match(nonConformance({ ...pta, flags: 0 })!, /mandatory/);
    assert.match(nonConformance({ ...pta, flags: PTA_MANDATORY_FLAGS | 0x400 })!, /not allowed/);
    assert.match(nonConformance({ ...pta, name: '' })!, /name/);
  });
});
