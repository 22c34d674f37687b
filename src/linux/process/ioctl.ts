/**
 * The door to a file's ioctl (vfs_ioctl() in fs/ioctl.c), with what traces show of it. In-box
 * programs and the supervisor of native ones both come through here.
 * Left out: the generic commands that the VFS answers itself (FIOCLEX, FIONBIO, …).
 */
import { ENOIOCTLCMD, ENOTTY } from '../../abi/errno.ts';
import { _IOC_SIZE, _IOC_TYPE } from '../../abi/ioctl.ts';
import {
  TEE_IOC_INVOKE,
  TEE_IOC_MAGIC,
  TEE_IOC_OBJECT_INVOKE,
  TEE_IOC_OPEN_SESSION,
  TEE_IOC_SUPPL_RECV,
  TEE_IOC_SUPPL_SEND,
  TEE_MAX_ARG_SIZE,
  TeeIoctlBufData,
} from '../../abi/tee.ts';
import { va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import { endOf } from '../../sched/task.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { File } from './file.ts';
import type { Kernel } from './kernel.ts';
import type { TaskStruct } from './process.ts';

/** The driver's call, or the errno of a file that has none. Nothing is added when not tracing. */
export function ioctlOf(
  kernel: Kernel,
  current: TaskStruct,
  file: File,
  fd: number,
  cmd: number,
  arg: Va,
): MaybeCo<number> {
  if (kernel.trace.calls) return tracedIoctl(kernel, current, file, fd, cmd, arg);
  return file.ops.ioctl === undefined ? -ENOTTY : file.ops.ioctl(file, current, cmd, arg);
}

/** vfs_ioctl() as a coroutine: what user space sees. The caller holds a reference to the file. */
export function* ioctlFile(
  kernel: Kernel,
  current: TaskStruct,
  file: File,
  fd: number,
  cmd: number,
  arg: Va,
): Co<number> {
  return ioctlResult(yield* endOf(ioctlOf(kernel, current, file, fd, cmd, arg)));
}

/** What user space sees of a driver's result. */
export const ioctlResult = (result: number): number => (result === -ENOIOCTLCMD ? -ENOTTY : result);

function* tracedIoctl(
  kernel: Kernel,
  current: TaskStruct,
  file: File,
  fd: number,
  cmd: number,
  arg: Va,
): Co<number> {
  const { trace } = kernel;
  const { pid } = current.process;
  const flow = current.task.flow;
  if (_IOC_TYPE(cmd) === TEE_IOC_MAGIC) current.task.flow = kernel.sched.newFlow();
  const bytes = argumentBytes(current, cmd, arg);
  trace.emit('client', 'ioctl.enter', { pid, fd, path: file.path, cmd, arg, bytes });
  traceBuffer(kernel, current, cmd, 'in', bytes);
  const { ioctl } = file.ops;
  const result =
    ioctl === undefined ? -ENOTTY : yield* endOf(ioctl.call(file.ops, file, current, cmd, arg));
  const after = argumentBytes(current, cmd, arg);
  const seen = ioctlResult(result);
  if (result >= 0) traceBuffer(kernel, current, cmd, 'out', bytes);
  trace.emit('client', 'ioctl.exit', { pid, fd, cmd, result: seen, bytes: after });
  current.task.flow = flow;
  return result;
}

/** The buffer that a `tee_ioctl_buf_data` points to, as it stands in the program's memory. */
function traceBuffer(
  kernel: Kernel,
  current: TaskStruct,
  cmd: number,
  direction: 'in' | 'out',
  argument: Uint8Array,
): void {
  if (!TEE_BUFFER_IOCTLS.has(cmd) || argument.length < TeeIoctlBufData.byteLength) return;
  const view = new DataView(argument.buffer, argument.byteOffset);
  const length = TeeIoctlBufData.bufLen.num(view, 0);
  if (length > TEE_MAX_ARG_SIZE) return;
  const bytes = new Uint8Array(length);
  if (!current.process.mm.read(va(TeeIoctlBufData.bufPtr.num(view, 0)), bytes)) return;
  kernel.trace.emit('client', 'tee.buffer', { cmd, direction, bytes });
}

const TEE_BUFFER_IOCTLS: ReadonlySet<number> = new Set([
  TEE_IOC_OPEN_SESSION,
  TEE_IOC_INVOKE,
  TEE_IOC_SUPPL_RECV,
  TEE_IOC_SUPPL_SEND,
  TEE_IOC_OBJECT_INVOKE,
]);

/** The argument as it stands in the program's memory; empty where that cannot be read. */
function argumentBytes(current: TaskStruct, cmd: number, arg: Va): Uint8Array {
  const bytes = new Uint8Array(_IOC_SIZE(cmd));
  return current.process.mm.read(arg, bytes) ? bytes : bytes.subarray(0, 0);
}
