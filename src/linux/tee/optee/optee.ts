/**
 * The driver of one OP-TEE (struct optee, drivers/tee/optee/optee_private.h): its two devices and
 * what all of its parts share. Made by `opteeProbe` in `probe.ts`.
 */
import type { Co, Task } from '../../../sched/task.ts';
import type { Kernel } from '../../process/kernel.ts';
import type { PrintkLevel } from '../../process/printk.ts';
import type { RpmbClass } from '../../rpmb/rpmb-core.ts';
import { teedevCloseContext } from '../tee-context.ts';
import type { TeeContext } from '../tee-context.ts';
import type { TeeDevice } from '../tee-device.ts';
import type { TeeShmPool } from '../tee-drv.ts';
import type { TeeSubsystem } from '../tee-subsystem.ts';
import type { OpteeOps } from './abi-ops.ts';
import { CallQueue } from './call-queue.ts';
import { unregisterDevices } from './device.ts';
import { ShmArgCache } from './msg-arg.ts';
import { OpteeNotif } from './notif.ts';
import { RpmbRouting } from './rpmb.ts';
import type { SecureConfig } from './secure-config.ts';
import { Supp } from './supp.ts';
import type { OpteeSwitches } from './switches.ts';

export class Optee {
  readonly tee: TeeSubsystem;
  readonly kernel: Kernel;
  readonly switches: OpteeSwitches;
  /** What the secure world said of itself. */
  readonly secure: SecureConfig;
  readonly callQueue: CallQueue;
  readonly notif: OpteeNotif;
  readonly supp: Supp;
  /** The kernel serves RPMB; undefined: the supplicant does. */
  readonly rpmb: RpmbRouting | undefined;

  /* Set while probing, before anybody else sees the object. */
  ops!: OpteeOps;
  argCache!: ShmArgCache;
  pool!: TeeShmPool;
  /** /dev/teeN */
  teedev!: TeeDevice;
  /** /dev/teeprivN */
  suppTeedev!: TeeDevice;
  /** The driver's own context: what the secure world allocates outlives its clients. */
  ctx!: TeeContext;

  /** The scan that the first supplicant starts. */
  scanBusDone = false;
  scanBusWork: Task | undefined;
  /** The list of the TAs that need RPMB has been had. */
  rpmbScanBusDone = false;
  /** The scan for them that was started last. */
  rpmbScanBusWork: Task | undefined;
  /** Ends the interest in RPMB devices that come. */
  stopRpmbIntf: (() => void) | undefined;

  constructor(
    tee: TeeSubsystem,
    switches: OpteeSwitches,
    secure: SecureConfig,
    rpmb: RpmbClass | undefined,
  ) {
    const { sched } = tee.kernel;
    this.tee = tee;
    this.kernel = tee.kernel;
    this.switches = switches;
    this.secure = secure;
    this.callQueue = new CallQueue(sched, switches, secure.threadCount);
    this.notif = new OpteeNotif(sched, switches, secure.maxNotifValue);
    this.supp = new Supp(sched, switches);
    this.rpmb = rpmb === undefined ? undefined : new RpmbRouting(sched, rpmb);
  }

  printk(text: string, level: PrintkLevel = 'info'): void {
    this.kernel.printk(`optee: ${text}`, level);
  }

  /** optee_shutdown(): before a reboot or kexec. */
  shutdown(): Co<void> {
    return this.ops.shutdown();
  }

  /**
   * optee_smc_remove(): the driver is unbound. Sleeps, uninterruptibly, until everybody has closed
   * the devices and freed what they shared.
   */
  *remove(): Co<void> {
    yield* this.ops.quiesce();
    this.stopRpmbIntf?.();
    if (this.rpmbScanBusWork !== undefined) yield* this.kernel.sched.join(this.rpmbScanBusWork);
    yield* unregisterDevices(this.tee);
    yield* this.argCache.uninit();
    yield* teedevCloseContext(this.ctx);
    yield* this.suppTeedev.unregister();
    yield* this.teedev.unregister();
    this.pool.destroy();
  }
}
