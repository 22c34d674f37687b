/**
 * /dev/teeN as a file (tee_fops, drivers/tee/tee_core.c): a context from open to the last close, and
 * its ioctls. There is no read, write, mmap or poll.
 */
import { EFAULT, EINVAL } from '../../abi/errno.ts';
import {
  TEE_GEN_CAP_PRIVILEGED,
  TEE_IOC_CANCEL,
  TEE_IOC_CLOSE_SESSION,
  TEE_IOC_INVOKE,
  TEE_IOC_OPEN_SESSION,
  TEE_IOC_SHM_ALLOC,
  TEE_IOC_SHM_REGISTER,
  TEE_IOC_SHM_REGISTER_FD,
  TEE_IOC_SUPPL_RECV,
  TEE_IOC_SUPPL_SEND,
  TEE_IOC_VERSION,
  TeeIoctlVersionData,
} from '../../abi/tee.ts';
import type { Va } from '../../machine/address.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import { File } from '../process/file.ts';
import type { FileOperations } from '../process/file.ts';
import type { TaskStruct } from '../process/process.ts';
import {
  teeIoctlCancel,
  teeIoctlCloseSession,
  teeIoctlInvoke,
  teeIoctlOpenSession,
} from './ioctl-session.ts';
import { teeIoctlShmAlloc, teeIoctlShmRegister, teeIoctlShmRegisterFd } from './ioctl-shm.ts';
import { teeIoctlSupplRecv, teeIoctlSupplSend } from './ioctl-supp.ts';
import { refuse } from './refuse.ts';
import { TeeContext, teedevCloseContext, teedevOpen } from './tee-context.ts';
import type { TeeDevice } from './tee-device.ts';

type Ioctl = (ctx: TeeContext, current: TaskStruct, at: Va) => MaybeCo<number>;

/** TEE_IOC_OBJECT_INVOKE is not among them: without that operation a driver answers as to no ioctl. */
const IOCTLS: ReadonlyMap<number, Ioctl> = new Map<number, Ioctl>([
  [TEE_IOC_INVOKE, teeIoctlInvoke],
  [TEE_IOC_OPEN_SESSION, teeIoctlOpenSession],
  [TEE_IOC_CLOSE_SESSION, teeIoctlCloseSession],
  [TEE_IOC_CANCEL, teeIoctlCancel],
  [TEE_IOC_SHM_ALLOC, teeIoctlShmAlloc],
  [TEE_IOC_SHM_REGISTER, teeIoctlShmRegister],
  [TEE_IOC_SHM_REGISTER_FD, teeIoctlShmRegisterFd],
  [TEE_IOC_SUPPL_RECV, teeIoctlSupplRecv],
  [TEE_IOC_SUPPL_SEND, teeIoctlSupplSend],
  [TEE_IOC_VERSION, teeIoctlVersion],
]);

const TEE_FOPS: FileOperations = {
  ioctl: (file, current, cmd, arg) => {
    const ctx = contextOfFile(file)!;
    const ioctl = IOCTLS.get(cmd);
    return ioctl === undefined ? unknownIoctl(ctx, cmd) : ioctl(ctx, current, arg);
  },
  *release(file) {
    yield* teedevCloseContext(contextOfFile(file)!);
  },
};

/** The context behind an open file, if it is one of /dev/teeN. */
function contextOfFile(file: File): TeeContext | undefined {
  return file.data instanceof TeeContext ? file.data : undefined;
}

/** tee_open(); files wait for a supplicant that is not there yet. */
export function* teeOpen(teedev: TeeDevice, flags: number): Co<File | number> {
  const ctx = yield* teedevOpen(teedev);
  if (typeof ctx === 'number') return ctx;
  ctx.suppNowait = false;
  return new File(TEE_FOPS, `/dev/${teedev.name}`, flags, ctx);
}

/** -EINVAL, where other drivers say -ENOTTY. */
function unknownIoctl(ctx: TeeContext, cmd: number): number {
  return refuse(ctx.trace, EINVAL, `no such ioctl: 0x${cmd.toString(16)}`);
}

/** TEE_IOC_VERSION */
function* teeIoctlVersion(ctx: TeeContext, current: TaskStruct, at: Va): Co<number> {
  const { implId, implCaps, genCaps, byteLength } = TeeIoctlVersionData;
  const view = new DataView(new ArrayBuffer(byteLength));
  const version = ctx.ops.getVersion();
  const privileged = ctx.teedev.desc!.privileged ? TEE_GEN_CAP_PRIVILEGED : 0;
  implId.set(view, 0, version.implId);
  implCaps.set(view, 0, version.implCaps);
  genCaps.set(view, 0, version.genCaps | privileged);
  return current.process.mm.write(at, new Uint8Array(view.buffer)) ? 0 : -EFAULT;
}
