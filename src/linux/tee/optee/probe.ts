/**
 * Finding OP-TEE behind the device tree's node, and setting the driver up for what it can do.
 * Upstream counterpart: drivers/tee/optee/smc_abi.c, optee_probe(), and optee_core_init() in core.c.
 * Left out: loading the OP-TEE image from the kernel (CONFIG_OPTEE_INSECURE_LOAD_IMAGE).
 */
import { EINVAL, ENODEV } from '../../../abi/errno.ts';
import {
  OPTEE_SMC_SEC_CAP_ASYNC_NOTIF,
  OPTEE_SMC_SEC_CAP_DYNAMIC_SHM,
  OPTEE_SMC_SEC_CAP_RPC_ARG,
  OPTEE_SMC_SEC_CAP_RPMB_PROBE,
} from '../../../abi/optee-smc.ts';
import { PTA_CMD_GET_DEVICES, PTA_CMD_GET_DEVICES_RPMB } from '../../../abi/pta.ts';
import type { Co } from '../../../sched/task.ts';
import type { RpmbClass } from '../../rpmb/rpmb-core.ts';
import { teedevCloseContext, teedevOpen } from '../tee-context.ts';
import { teeDeviceAlloc } from '../tee-device.ts';
import type { TeeDesc } from '../tee-drv.ts';
import type { TeeSubsystem } from '../tee-subsystem.ts';
import { refuse } from './cause.ts';
import { enumerateDevices, unregisterDevices } from './device.ts';
import { clntDesc, suppDesc } from './driver-ops.ts';
import { SHM_ENTRY_SIZE, ShmArgCache, msgArgSize } from './msg-arg.ts';
import { Optee } from './optee.ts';
import { querySecureConfig } from './secure-config.ts';
import { disableShmCache, enableShmCache } from './shm-cache.ts';
import { makePool } from './shm-pool.ts';
import type { PoolLayout } from './shm-pool.ts';
import { SmcAbi } from './smc-abi.ts';
import { OpteeSmc } from './smc.ts';
import type { OpteeSwitches } from './switches.ts';

/** What else the kernel has that the driver makes use of. */
export interface OpteePlatform {
  /** The kernel's RPMB class (CONFIG_RPMB). */
  readonly rpmb?: RpmbClass;
  /** The kernel runs to save the memory of one that crashed (is_kdump_kernel()). */
  readonly kdump?: boolean;
  /** How its shared memory is divided: one pool by default. */
  readonly pools?: PoolLayout;
}

/** Steps that take back what was done, the last one first. */
type Undo = (() => Co<void>)[];

/**
 * Binds the driver. Errors: -ENODEV without a node for OP-TEE, or in a kdump kernel, whose
 * predecessor may have left secure threads suspended; -EINVAL when what answers is no OP-TEE that
 * the driver knows, or shares no memory; -ENOENT, -ENXIO for reserved memory or an interrupt that
 * are missing; -ENOMEM.
 */
export function* opteeProbe(
  tee: TeeSubsystem,
  switches: OpteeSwitches,
  platform: OpteePlatform = {},
): Co<Optee | number> {
  const { kernel } = tee;
  if (platform.kdump === true) return refuse(kernel.trace, ENODEV, 'this is a kdump kernel');
  if (kernel.machine.tree.optee === undefined) {
    return refuse(kernel.trace, ENODEV, 'the device tree has no node for OP-TEE');
  }
  kernel.printk('optee: probing for conduit method.');
  const secure = yield* querySecureConfig(kernel, switches);
  if (typeof secure === 'number') return secure;
  const canProbeRpmb = (secure.secCaps & OPTEE_SMC_SEC_CAP_RPMB_PROBE) !== 0;
  const rpmb = switches.rpmbRouting && canProbeRpmb ? platform.rpmb : undefined;
  const optee = new Optee(tee, switches, secure, rpmb);
  const undo: Undo = [];
  const rc = yield* setUp(optee, platform.pools ?? 'one', undo);
  if (rc === 0) return optee;
  for (const step of undo.reverse()) yield* step();
  return rc;
}

function* setUp(optee: Optee, pools: PoolLayout, undo: Undo): Co<number> {
  const smc = new OpteeSmc(optee);
  const abi = new SmcAbi(smc);
  optee.ops = abi;
  let rc = yield* setUpMemory(optee, pools, undo);
  if (rc === 0) rc = allocDevices(optee, undo);
  if (rc === 0) rc = yield* openContext(optee, undo);
  if (rc === 0) rc = yield* setUpInterrupt(optee, abi);
  if (rc !== 0) return rc;
  // Memory that a kernel before this one left behind.
  yield* disableShmCache(smc, false);
  if (smc.rpcParamCount === 0) yield* enableShmCache(smc);
  undo.push(function* () {
    yield* abi.quiesce();
    yield* unregisterDevices(optee.tee);
  });
  if (hasCap(optee, OPTEE_SMC_SEC_CAP_DYNAMIC_SHM)) {
    optee.printk('dynamic shared memory is enabled');
  }
  return yield* announce(optee);
}

const hasCap = (optee: Optee, cap: number): boolean => (optee.secure.secCaps & cap) !== 0;

/** A pool, and how messages are placed in memory from it. */
function* setUpMemory(optee: Optee, layout: PoolLayout, undo: Undo): Co<number> {
  const dynamic = hasCap(optee, OPTEE_SMC_SEC_CAP_DYNAMIC_SHM);
  const argSize = msgArgSize(optee.secure.rpcParamCount);
  if (argSize > SHM_ENTRY_SIZE) {
    // Upstream would write beyond its page.
    return refuse(optee.kernel.trace, EINVAL, 'RPC messages do not fit a page', {
      requested: argSize,
      limit: `SHM_ENTRY_SIZE=${SHM_ENTRY_SIZE}`,
    });
  }
  const pool = yield* makePool(optee, layout);
  if (typeof pool === 'number') return pool;
  optee.pool = pool;
  undo.push(function* () {
    pool.destroy();
  });
  // Only pages of the one pool are known to be registered.
  const registered = dynamic && layout === 'one' && hasCap(optee, OPTEE_SMC_SEC_CAP_RPC_ARG);
  // Kernels that divide it have no such pages, and a page of it for the driver's small buffers.
  const divided = !dynamic && layout !== 'one';
  const keepsContext = optee.switches.quirkArgPageKeepsContext;
  optee.argCache = new ShmArgCache(optee.kernel, {
    argSize,
    allocPriv: !registered && !divided,
    // Without RPC_ARG the secure world takes messages at the start of a page only.
    shared: registered || !dynamic,
    owner: (ctx) => (keepsContext ? ctx : optee.ctx),
  });
  return 0;
}

function allocDevices(optee: Optee, undo: Undo): number {
  const teedev = allocDevice(optee, clntDesc(optee), undo);
  if (typeof teedev === 'number') return teedev;
  optee.teedev = teedev;
  const suppTeedev = allocDevice(optee, suppDesc(optee), undo);
  if (typeof suppTeedev === 'number') return suppTeedev;
  optee.suppTeedev = suppTeedev;
  if (!optee.switches.rpmbRouting) return 0;
  const model = optee.rpmb === undefined ? 'user\n' : 'kernel\n';
  const groups = { rpmb_routing_model: (): string => model };
  teedev.setDevGroups(groups);
  suppTeedev.setDevGroups(groups);
  return 0;
}

function allocDevice(optee: Optee, desc: TeeDesc, undo: Undo): ReturnType<typeof teeDeviceAlloc> {
  const teedev = teeDeviceAlloc(optee.tee, desc, optee.pool, optee);
  if (typeof teedev !== 'number') undo.push(() => teedev.unregister());
  return teedev;
}

function* openContext(optee: Optee, undo: Undo): Co<number> {
  undo.push(() => optee.argCache.uninit());
  const ctx = yield* teedevOpen(optee.teedev);
  if (typeof ctx === 'number') return ctx;
  optee.ctx = ctx;
  undo.push(() => teedevCloseContext(ctx));
  return 0;
}

function* setUpInterrupt(optee: Optee, abi: SmcAbi): Co<number> {
  if (!hasCap(optee, OPTEE_SMC_SEC_CAP_ASYNC_NOTIF)) return 0;
  return yield* abi.enableAsyncNotif();
}

/** The devices appear, then those of the TEE bus. */
function* announce(optee: Optee): Co<number> {
  let rc = optee.teedev.register();
  if (rc === 0) rc = optee.suppTeedev.register();
  if (rc === 0) rc = yield* enumerateDevices(optee.tee, PTA_CMD_GET_DEVICES);
  if (rc !== 0) return rc;
  optee.stopRpmbIntf = optee.rpmb?.rpmbClass.onAdd(() => scanRpmb(optee));
  optee.printk('initialized driver');
  return 0;
}

/** optee_rpmb_intf_rdev(): with another RPMB device, TAs that need one may be there. */
function scanRpmb(optee: Optee): void {
  optee.rpmbScanBusWork = optee.kernel.kthread('optee_bus_scan_rpmb', busScanRpmb(optee));
}

/** optee_bus_scan_rpmb() */
function* busScanRpmb(optee: Optee): Co<void> {
  if (optee.rpmbScanBusDone) return;
  const rc = yield* enumerateDevices(optee.tee, PTA_CMD_GET_DEVICES_RPMB);
  optee.rpmbScanBusDone = rc === 0;
  if (rc !== 0 && rc !== -ENODEV) optee.printk(`Scanning for RPMB device: ret ${rc}`);
}
