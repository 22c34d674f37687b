/** For tests: a kernel with the devices of a `FakeTee`, and counts of what is held. */
import { createHash } from 'node:crypto';
import { Machine } from '../../../machine/machine.ts';
import { VirtualClock } from '../../../sched/clock.ts';
import { FifoPolicy } from '../../../sched/policy.ts';
import type { Policy } from '../../../sched/policy.ts';
import { SeededRandom } from '../../../sched/random.ts';
import { Scheduler } from '../../../sched/scheduler.ts';
import { Trace } from '../../../trace/trace.ts';
import { Kernel } from '../../process/kernel.ts';
import type { KernelOptions } from '../../process/kernel.ts';
import type { ProcessOptions } from '../../process/user-process.ts';
import type { TeeSwitches } from '../switches.ts';
import { teeDeviceAlloc } from '../tee-device.ts';
import type { TeeDevice } from '../tee-device.ts';
import type { TeeDesc, TeeShmPool } from '../tee-drv.ts';
import { TeeSubsystem } from '../tee-subsystem.ts';
import type { TeeOptions } from '../tee-subsystem.ts';
import { FakeTee } from './fake-tee.ts';
import type { OptionalOp } from './fake-tee.ts';
import { LINUX_7_3 } from './profiles.ts';
import { TeeUser } from './user.ts';

const RAM_BYTES = 32 << 20;

export interface TeeBox {
  readonly kernel: Kernel;
  readonly sched: Scheduler;
  readonly trace: Trace;
  readonly tee: TeeSubsystem;
  readonly fake: FakeTee;
  readonly client: TeeDevice;
  readonly priv: TeeDevice;
  /** A program with /dev/tee0 to open. */
  user(options?: Partial<ProcessOptions>): TeeUser;
  /** What is still held, by kind; all zero when everything has been given back. */
  held(): Readonly<Record<string, number>>;
}

export interface TeeBoxOptions extends Partial<TeeOptions> {
  readonly switches?: TeeSwitches;
  readonly policy?: Policy;
  /** What the kernel is made with. */
  readonly kernel?: Partial<KernelOptions>;
  /** 32 MiB by default. */
  readonly ramBytes?: number;
  readonly pool?: (fake: FakeTee, kernel: Kernel) => TeeShmPool;
  /** Operations that the driver does not have. */
  readonly left?: readonly OptionalOp[];
}

export function makeKernel(
  policy: Policy = new FifoPolicy(),
  more: Partial<KernelOptions> = {},
  ramBytes = RAM_BYTES,
): Kernel {
  const random = new SeededRandom(1);
  const sched = new Scheduler({
    trace: new Trace(),
    clock: new VirtualClock(),
    random,
    policy,
    outside: { turn: () => new Promise((resolve) => setImmediate(resolve)), after: () => () => {} },
  });
  const machine = new Machine({
    sched,
    ram: { bytes: new Uint8Array(ramBytes), memory: undefined, release() {} },
    tree: { secure: [], reservedShm: undefined, optee: undefined },
  });
  return new Kernel({ sched, machine, random, realtimeNs: () => 0n, release: '7.3.4', ...more });
}

export const sha1 = (data: Uint8Array): Uint8Array =>
  new Uint8Array(createHash('sha1').update(data).digest());

/** A kernel with the driver's two devices registered. */
export function boot(options: TeeBoxOptions = {}): TeeBox {
  const kernel = makeKernel(options.policy, options.kernel, options.ramBytes);
  const { sched, trace } = kernel;
  const tee = new TeeSubsystem(kernel, options.switches ?? LINUX_7_3, { sha1, ...options });
  const fake = new FakeTee(sched);
  const pool = options.pool?.(fake, kernel) ?? fake.pool();
  const { left } = options;
  const client = register(
    tee,
    { name: 'fake', ops: fake.clientOps(left), privileged: false },
    pool,
  );
  const priv = register(tee, { name: 'fake', ops: fake.suppOps(left), privileged: true }, pool);
  const before = kernel.pages.usedPages;
  return {
    kernel,
    sched,
    trace,
    tee,
    fake,
    client,
    priv,
    user: (more) => new TeeUser(kernel, { name: 'client', ...more }),
    held: () => ({
      users: client.numUsers + priv.numUsers - 2,
      ids: client.idr.size + priv.idr.size,
      registered: fake.registered.size,
      addresses: kernel.addresses.size,
      pins: kernel.pages.pinsOutstanding,
      pages: kernel.pages.usedPages - before,
      memlock: tee.memlock.pages(0) + tee.memlock.pages(1000),
    }),
  };
}

export const NOTHING_HELD = {
  users: 0,
  ids: 0,
  registered: 0,
  addresses: 0,
  pins: 0,
  pages: 0,
  memlock: 0,
} as const;

export function register(
  tee: TeeSubsystem,
  desc: TeeDesc,
  pool: TeeShmPool | undefined,
): TeeDevice {
  const teedev = teeDeviceAlloc(tee, desc, pool, undefined);
  if (typeof teedev === 'number') throw new Error(`no device: ${teedev}`);
  const rc = teedev.register();
  if (rc !== 0) throw new Error(`not registered: ${rc}`);
  return teedev;
}
