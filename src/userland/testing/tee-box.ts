/**
 * For tests: a kernel with a real TEE core and the devices of a driver that answers by itself, and
 * programs whose ioctls are recorded.
 */
import { INVOKE_ARG_SIZE, OPEN_ARG_SIZE } from '../libteec/call-frame.ts';
import {
  TEE_GEN_CAP_GP,
  TEE_GEN_CAP_MEMREF_NULL,
  TEE_GEN_CAP_PRIVILEGED,
  TEE_GEN_CAP_REG_MEM,
  TEE_IMPL_ID_OPTEE,
  TEE_OPTEE_CAP_TZ,
  TeeIoctlBufData,
} from '../../abi/tee.ts';
import { _IOC_NR, _IOC_SIZE } from '../../abi/ioctl.ts';
import { va } from '../../machine/address.ts';
import type { HostNet } from '../../host/net.ts';
import type { Va } from '../../machine/address.ts';
import type { Kernel } from '../../linux/process/kernel.ts';
import { Program } from '../../linux/process/program.ts';
import { Syscalls } from '../../linux/process/syscalls.ts';
import { FakeTee } from '../../linux/tee/testing/fake-tee.ts';
import { makeKernel, register, sha1 } from '../../linux/tee/testing/box.ts';
import { LINUX_7_3 } from '../../linux/tee/testing/profiles.ts';
import type { TeeDevice } from '../../linux/tee/tee-device.ts';
import { TeeSubsystem } from '../../linux/tee/tee-subsystem.ts';
import type { TeeVersion } from '../../linux/tee/tee-drv.ts';
import type { Co } from '../../sched/task.ts';
import { TeeClient } from '../tee-client.ts';

/** What OP-TEE's client device answers to TEE_IOC_VERSION. */
export const OPTEE_VERSION: TeeVersion = {
  implId: TEE_IMPL_ID_OPTEE,
  implCaps: TEE_OPTEE_CAP_TZ,
  genCaps: TEE_GEN_CAP_GP | TEE_GEN_CAP_REG_MEM | TEE_GEN_CAP_MEMREF_NULL,
};

export interface UserBoxOptions {
  /** Of each client device, in order; one of OP-TEE without. */
  readonly versions?: readonly TeeVersion[];
  readonly net?: HostNet | undefined;
}

export class UserBox {
  readonly kernel: Kernel;
  readonly tee: TeeSubsystem;
  readonly fake: FakeTee;
  readonly clients: readonly TeeDevice[];
  readonly priv: TeeDevice;
  readonly #pagesBefore: number;

  constructor(options: UserBoxOptions = {}) {
    this.kernel = makeKernel(undefined, { net: options.net });
    this.tee = new TeeSubsystem(this.kernel, LINUX_7_3, { sha1 });
    this.fake = new FakeTee(this.kernel.sched);
    const versions = options.versions ?? [OPTEE_VERSION];
    this.clients = versions.map((version) => this.#register(version, false));
    this.priv = this.#register(versions[0] ?? OPTEE_VERSION, true);
    this.#pagesBefore = this.kernel.pages.usedPages;
  }

  /** A program with the Client API, whose ioctls are recorded. */
  client(): RecordedClient {
    return new RecordedClient(this.kernel);
  }

  /** What is still held; all zero when everything has been given back. */
  held(): Readonly<Record<string, number>> {
    const devices = [...this.clients, this.priv];
    return {
      users: devices.reduce((sum, device) => sum + device.numUsers - 1, 0),
      ids: devices.reduce((sum, device) => sum + device.idr.size, 0),
      registered: this.fake.registered.size,
      pins: this.kernel.pages.pinsOutstanding,
      files: this.kernel.openFiles().length,
      pages: this.kernel.pages.usedPages - this.#pagesBefore,
    };
  }

  #register(version: TeeVersion, privileged: boolean): TeeDevice {
    const extra = privileged ? TEE_GEN_CAP_PRIVILEGED : 0;
    const genCaps = version.genCaps | extra;
    const ops = privileged ? this.fake.suppOps() : this.fake.clientOps();
    const desc = {
      name: 'fake',
      ops: { ...ops, getVersion: () => ({ ...version, genCaps }) },
      privileged,
    };
    return register(this.tee, desc, this.fake.pool());
  }
}

export const NOTHING_HELD = { users: 0, ids: 0, registered: 0, pins: 0, files: 0, pages: 0 };

/** An ioctl as it was made. */
export interface RecordedIoctl {
  /** Its number: `_IOC_NR`. */
  readonly nr: number;
  /** The argument before the call, with zeros for addresses; hex. */
  readonly arg: string;
  /** The buffer that a `tee_ioctl_buf_data` points to, before the call; hex. */
  readonly buf?: string;
  readonly result: number;
}

/** System calls of a thread, with a record of its ioctls. */
export class RecordingSyscalls extends Syscalls {
  readonly ioctls: RecordedIoctl[] = [];
  readonly #program: Program;

  constructor(program: Program) {
    super(program.thread);
    this.#program = program;
  }

  override *ioctl(fd: number, cmd: number, arg: Va): Co<number> {
    const before = this.#describe(cmd, arg);
    const result = yield* super.ioctl(fd, cmd, arg);
    this.ioctls.push({ ...before, result });
    return result;
  }

  #describe(cmd: number, arg: Va): { nr: number; arg: string; buf?: string } {
    const { memory } = this.#program;
    const nr = _IOC_NR(cmd);
    const bytes = memory.read(arg, _IOC_SIZE(cmd));
    const hex = Buffer.from(withoutAddress(nr, bytes)).toString('hex');
    if (!WITH_BUFFER.has(nr)) return { nr, arg: hex };
    const view = new DataView(bytes.buffer);
    const length = TeeIoctlBufData.bufLen.num(view, 0);
    const at = va(TeeIoctlBufData.bufPtr.num(view, 0));
    return { nr, arg: hex, buf: Buffer.from(memory.read(at, length)).toString('hex') };
  }
}

/** A program with the Client API. */
export class RecordedClient extends TeeClient {
  readonly sys: RecordingSyscalls;

  constructor(kernel: Kernel) {
    const program = new Program(kernel, { name: 'client' });
    const sys = new RecordingSyscalls(program);
    super(program, sys);
    this.sys = sys;
  }

  get memory(): Program['memory'] {
    return this.program.memory;
  }

  /** Ioctls since the last call of this. */
  takeIoctls(): readonly RecordedIoctl[] {
    return this.sys.ioctls.splice(0);
  }

  /** Their numbers alone. */
  takeNumbers(): readonly number[] {
    return this.takeIoctls().map(({ nr }) => nr);
  }

  /** Bytes put into memory of the program. */
  place(bytes: Uint8Array): Va {
    const at = this.memory.malloc(bytes.length);
    this.memory.write(at, bytes);
    return at;
  }
}

/** Ioctls whose argument is a `tee_ioctl_buf_data`, and those that begin with another address. */
const WITH_BUFFER: ReadonlySet<number> = new Set([2, 3, 6, 7]);
const WITH_ADDRESS: ReadonlySet<number> = new Set([...WITH_BUFFER, 9]);

function withoutAddress(nr: number, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  if (WITH_ADDRESS.has(nr)) copy.fill(0, 0, 8);
  return copy;
}

/** A buffer of zeros with bytes at places: what an argument should look like. */
export function zerosWith(
  size: number,
  ...places: readonly (readonly [number, number | Uint8Array])[]
): string {
  const bytes = Buffer.alloc(size);
  for (const [at, what] of places) {
    if (typeof what === 'number') bytes.writeUInt32LE(what >>> 0, at);
    else bytes.set(what, at);
  }
  return bytes.toString('hex');
}

/** An INVOKE argument; places are offsets into it. */
export const invokeArg = (...places: Parameters<typeof zerosWith>[1][]): string =>
  zerosWith(INVOKE_ARG_SIZE, [20, 4], ...places);
/** An OPEN_SESSION argument. */
export const openArg = (...places: Parameters<typeof zerosWith>[1][]): string =>
  zerosWith(OPEN_ARG_SIZE, [52, 4], ...places);
