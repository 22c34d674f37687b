/**
 * Trusted applications that the TEE announces, as devices on the TEE bus: the device pseudo TA is
 * asked, as any kernel client would.
 * Upstream counterpart: drivers/tee/optee/device.c.
 */
import { EINVAL, ENODEV } from '../../../abi/errno.ts';
import {
  TEEC_ERROR_SHORT_BUFFER,
  TEEC_ERROR_STORAGE_NOT_AVAILABLE,
  TEEC_SUCCESS,
} from '../../../abi/gp.ts';
import {
  OPTEE_DEVICE_NAME_PREFIX,
  PTA_CMD_GET_DEVICES_SUPP,
  PTA_DEVICE_UUID,
} from '../../../abi/pta.ts';
import {
  TEE_IMPL_ID_OPTEE,
  TEE_IOCTL_LOGIN_PUBLIC,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
} from '../../../abi/tee.ts';
import { UUID_LEN, formatUuid, parseUuid } from '../../../abi/uuid.ts';
import type { Co } from '../../../sched/task.ts';
import type { SysfsShow } from '../../process/sysfs.ts';
import { TeeClientDevice } from '../tee-bus.ts';
import {
  teeClientCloseContext,
  teeClientCloseSession,
  teeClientInvokeFunc,
  teeClientOpenContext,
  teeClientOpenSession,
} from '../tee-client.ts';
import type { TeeContext } from '../tee-context.ts';
import { TeeParam } from '../tee-drv.ts';
import { teeShmAllocKernelBuf } from '../tee-shm-alloc.ts';
import type { TeeShm } from '../tee-shm.ts';
import type { TeeSubsystem } from '../tee-subsystem.ts';
import { refuse } from './cause.ts';

/** Parameters of an invoke of the pseudo TA. */
const PARAMS = 4;

/** What devices that need a supplicant have in sysfs: a file that reads as empty. */
const NEED_SUPPLICANT: Readonly<Record<string, SysfsShow>> = { need_supplicant: () => '' };

/**
 * optee_enumerate_devices()
 * @param func PTA_CMD_GET_DEVICES*
 * @returns 0, also without a device pseudo TA; -ENODEV when no OP-TEE is there or its RPMB is not
 * usable; -EINVAL when it fails otherwise; -ENOMEM; -EEXIST for a TA that is announced twice.
 */
export function* enumerateDevices(tee: TeeSubsystem, func: number): Co<number> {
  const ctx = yield* teeClientOpenContext(tee, ({ implId }) => implId === TEE_IMPL_ID_OPTEE);
  if (typeof ctx === 'number') return -ENODEV;
  const arg = {
    uuid: parseUuid(PTA_DEVICE_UUID),
    clntUuid: new Uint8Array(UUID_LEN),
    clntLogin: TEE_IOCTL_LOGIN_PUBLIC,
    cancelId: 0,
    session: 0,
    ret: 0,
    retOrigin: 0,
  };
  let rc = yield* teeClientOpenSession(ctx, arg, []);
  if (rc === 0 && arg.ret === TEEC_SUCCESS) {
    rc = yield* listDevices(tee, ctx, arg.session, func);
    yield* teeClientCloseSession(ctx, arg.session);
  } else {
    rc = 0;
  }
  yield* teeClientCloseContext(ctx);
  return rc;
}

/** optee_unregister_devices() */
export function* unregisterDevices(tee: TeeSubsystem): Co<void> {
  for (const device of tee.bus.devices) {
    if (device.name.startsWith(OPTEE_DEVICE_NAME_PREFIX)) yield* tee.bus.unregisterDevice(device);
  }
}

/** Asks for the size of the list, then for the list. */
function* listDevices(
  tee: TeeSubsystem,
  ctx: TeeContext,
  session: number,
  func: number,
): Co<number> {
  const size = yield* getDevices(ctx, session, null, 0, func);
  if (size <= 0) return size;
  const shm = yield* teeShmAllocKernelBuf(ctx, size);
  if (typeof shm === 'number') {
    tee.kernel.printk('optee: tee_shm_alloc_kernel_buf failed', 'err');
    return shm;
  }
  const filled = yield* getDevices(ctx, session, shm, size, func);
  let rc = Math.min(filled, 0);
  // The list may have grown since; what was not asked room for is not there.
  const { bytes } = shm.map(0, Math.min(Math.max(filled, 0), shm.size), 'read');
  for (let at = 0; at + UUID_LEN <= bytes.length && rc === 0; at += UUID_LEN) {
    rc = yield* registerDevice(tee, formatUuid(bytes, at), func);
  }
  yield* shm.put();
  return rc;
}

/** get_devices(): bytes of the list, or a negative errno. */
function* getDevices(
  ctx: TeeContext,
  session: number,
  shm: TeeShm | null,
  size: number,
  func: number,
): Co<number> {
  const arg = { func, session, cancelId: 0, ret: 0, retOrigin: 0 };
  const params = Array.from({ length: PARAMS }, () => new TeeParam());
  const list = params[0]!;
  list.attr = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT;
  list.shm = shm;
  list.size = size;
  const rc = yield* teeClientInvokeFunc(ctx, arg, params);
  if (rc === 0 && arg.ret === TEEC_ERROR_STORAGE_NOT_AVAILABLE) {
    return refuse(ctx.trace, ENODEV, 'TAs that need RPMB cannot be listed without a usable one');
  }
  if (rc < 0 || (arg.ret !== TEEC_SUCCESS && arg.ret !== TEEC_ERROR_SHORT_BUFFER)) {
    const { kernel } = ctx.teedev;
    const ret = arg.ret.toString(16);
    kernel.printk(`optee: PTA_CMD_GET_DEVICES invoke function err: ${ret}`, 'err');
    return -EINVAL;
  }
  return list.size;
}

/** optee_register_device() */
function* registerDevice(tee: TeeSubsystem, uuid: string, func: number): Co<number> {
  const attributes = func === PTA_CMD_GET_DEVICES_SUPP ? NEED_SUPPLICANT : {};
  const name = OPTEE_DEVICE_NAME_PREFIX + uuid;
  const rc = yield* tee.bus.registerDevice(new TeeClientDevice(tee.kernel, name, uuid, attributes));
  if (rc !== 0) tee.kernel.printk(`optee: device registration failed, err: ${rc}`, 'err');
  return rc;
}
