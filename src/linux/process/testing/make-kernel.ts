/** For tests: a small machine with a kernel, and drivers that do as they are told. */
import { DEFAULT_RAM_BASE, Machine } from '../../../machine/machine.ts';
import { pa } from '../../../machine/address.ts';
import type { Va } from '../../../machine/address.ts';
import { VirtualClock } from '../../../sched/clock.ts';
import { FifoPolicy } from '../../../sched/policy.ts';
import type { Policy } from '../../../sched/policy.ts';
import { SeededRandom } from '../../../sched/random.ts';
import { Scheduler } from '../../../sched/scheduler.ts';
import type { Co } from '../../../sched/task.ts';
import { Trace } from '../../../trace/trace.ts';
import type { CharDevice } from '../devices.ts';
import { File } from '../file.ts';
import type { FileOperations } from '../file.ts';
import { Kernel } from '../kernel.ts';
import type { KernelOptions } from '../kernel.ts';
import { Program } from '../program.ts';
import type { ProcessOptions } from '../user-process.ts';

const MIB = 1 << 20;

export interface TestKernelOptions extends Partial<
  Pick<KernelOptions, 'switches' | 'arch' | 'printkSink' | 'net' | 'memory' | 'mmSwitches'>
> {
  readonly policy?: Policy;
  readonly mib?: number;
}

export function makeKernel({ policy, mib = 8, ...rest }: TestKernelOptions = {}): Kernel {
  const random = new SeededRandom(1);
  const sched = new Scheduler({
    trace: new Trace(),
    clock: new VirtualClock(),
    random,
    policy: policy ?? new FifoPolicy(),
    outside: {
      turn: () => new Promise((resolve) => setImmediate(resolve)),
      after: (ms, fn) => {
        const timer = setTimeout(fn, ms);
        return () => clearTimeout(timer);
      },
    },
  });
  const ram = { bytes: new Uint8Array(mib * MIB), memory: undefined, release() {} };
  const secure = { base: pa(DEFAULT_RAM_BASE), size: MIB };
  const machine = new Machine({
    sched,
    ram,
    tree: { secure: [secure], reservedShm: undefined, optee: undefined },
  });
  return new Kernel({
    sched,
    machine,
    random,
    realtimeNs: () => 1_700_000_000_000_000_000n,
    release: '7.3.4',
    ...rest,
  });
}

/** A program of root's, or of the user given. */
export const makeProgram = (kernel: Kernel, options: Partial<ProcessOptions> = {}): Program =>
  new Program(kernel, { name: 'test', ...options });

/** A device whose files have these operations. */
export function makeDevice(
  name: string,
  ops: FileOperations,
  rest: Partial<CharDevice> = {},
): CharDevice {
  return {
    name,
    mode: 0o660,
    *open(_current, flags): Co<File> {
      return new File(ops, `/dev/${name}`, flags, undefined);
    },
    ...rest,
  };
}

/** An ioctl operation from a function of the command. */
export function ioctlOps(answer: (cmd: number, arg: Va) => Co<number>): FileOperations {
  return { ioctl: (_file, _current, cmd, arg) => answer(cmd, arg) };
}

/** Runs a call that does not block. */
export function now<T>(program: Program, co: Co<T>): T {
  const value = program.run(co);
  if (value instanceof Promise) throw new Error('the call has blocked');
  return value;
}
