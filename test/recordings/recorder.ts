/** Records the ioctls of a program of the box in the form of the recordings. */
import { _IOC_NR, _IOC_SIZE } from '../../src/abi/ioctl.ts';
import * as abi from '../../src/abi/tee.ts';
import type { Program } from '../../src/linux/process/program.ts';
import { Syscalls } from '../../src/linux/process/syscalls.ts';
import { va } from '../../src/machine/address.ts';
import type { Va } from '../../src/machine/address.ts';
import type { Co } from '../../src/sched/task.ts';
import type { RecordedIoctl } from './recording.ts';

/** Longer memory is not in the recordings. */
const MOST_BYTES = 4096;

/** Bytes of the header of what a tee_ioctl_buf_data points to. */
const HEADERS: ReadonlyMap<number, number> = new Map([
  [abi.TEE_IOC_OPEN_SESSION, abi.TeeIoctlOpenSessionArg.byteLength],
  [abi.TEE_IOC_INVOKE, abi.TeeIoctlInvokeArg.byteLength],
]);

const { TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT, TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT } = abi;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** Where the bytes of a call are, before and after it. */
interface Snapshot {
  readonly arg: string;
  readonly buf: string | undefined;
  /** By parameter. */
  readonly memory: ReadonlyMap<number, string>;
}

export class Recorder extends Syscalls {
  readonly ioctls: RecordedIoctl[] = [];
  readonly #program: Program;
  /** Where registered memory is, by id. */
  readonly #registered = new Map<number, number>();

  constructor(program: Program) {
    super(program.thread);
    this.#program = program;
  }

  override *ioctl(fd: number, cmd: number, arg: Va): Co<number> {
    const before = this.#look(cmd, arg);
    const result = yield* super.ioctl(fd, cmd, arg);
    if (cmd === abi.TEE_IOC_SHM_REGISTER && result >= 0) this.#note(arg);
    const after = this.#look(cmd, arg);
    this.ioctls.push({
      nr: _IOC_NR(cmd),
      rq: `0x${cmd.toString(16)}`,
      ret: Math.max(result, -1),
      errno: Math.max(-result, 0),
      arg_in: before.arg,
      arg_out: after.arg,
      ...(before.buf !== undefined && { buf_in: before.buf }),
      ...(after.buf !== undefined && { buf_out: after.buf }),
      memory: Object.fromEntries([
        ...[...before.memory].map(([n, bytes]) => [`in${n}`, bytes]),
        ...[...after.memory].map(([n, bytes]) => [`out${n}`, bytes]),
      ]),
    });
    return result;
  }

  #note(arg: Va): void {
    const { id, addr, byteLength } = abi.TeeIoctlShmRegisterData;
    const view = viewOf(this.#program.memory.read(arg, byteLength));
    this.#registered.set(id.get(view, 0), addr.num(view, 0));
  }

  #look(cmd: number, arg: Va): Snapshot {
    const { memory } = this.#program;
    const bytes = memory.read(arg, _IOC_SIZE(cmd));
    const header = HEADERS.get(cmd);
    if (header === undefined) return { arg: hex(bytes), buf: undefined, memory: new Map() };
    const { bufPtr, bufLen } = abi.TeeIoctlBufData;
    const view = viewOf(bytes);
    const buf = memory.read(va(bufPtr.num(view, 0)), bufLen.num(view, 0));
    return { arg: hex(bytes), buf: hex(buf), memory: this.#referred(viewOf(buf), header) };
  }

  /** The memory that parameters refer to. */
  #referred(view: DataView, header: number): ReadonlyMap<number, string> {
    const { attr, a, b, c, byteLength } = abi.TeeIoctlParam;
    const found = new Map<number, string>();
    for (let n = 0, at = header; at < view.byteLength; n++, at += byteLength) {
      const type = attr.num(view, at);
      if (type < TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT) continue;
      if (type > TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT) continue;
      const start = this.#registered.get(c.lo(view, at));
      if (start === undefined) continue;
      const length = b.num(view, at);
      if (length > MOST_BYTES) continue;
      found.set(n, hex(this.#program.memory.read(va(start + a.num(view, at)), length)));
    }
    return found;
  }
}
