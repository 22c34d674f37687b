/**
 * A kernel client's session with the trusted application that the TEE bus gave it: what each of
 * them does in probe(), around a call and in remove().
 */
import { EINVAL, ENODEV } from '../../abi/errno.ts';
import { TEEC_SUCCESS } from '../../abi/gp.ts';
import { UUID_LEN, parseUuid } from '../../abi/uuid.ts';
import type { Co } from '../../sched/task.ts';
import type { TeeClientDevice } from '../tee/tee-bus.ts';
import {
  teeClientCloseContext,
  teeClientCloseSession,
  teeClientInvokeFunc,
  teeClientOpenContext,
  teeClientOpenSession,
} from '../tee/tee-client.ts';
import type { TeeContext } from '../tee/tee-context.ts';
import { TeeParam } from '../tee/tee-drv.ts';
import type { TeeVersion } from '../tee/tee-drv.ts';
import type { TeeSubsystem } from '../tee/tee-subsystem.ts';

/** Parameters of every call. */
const PARAMS = 4;

/** How a call ended: of the driver, and of the TEE. */
export interface Outcome {
  /** 0 or a negative errno. */
  readonly rc: number;
  /** TEEC_Result */
  readonly ret: number;
}

export const succeeded = ({ rc, ret }: Outcome): boolean => rc >= 0 && ret === TEEC_SUCCESS;

/** As kmalloc() on the stack: parameters of no kind. */
export const newParams = (): readonly TeeParam[] =>
  Array.from({ length: PARAMS }, () => new TeeParam());

export class TaSession {
  readonly ctx: TeeContext;
  readonly device: TeeClientDevice;
  readonly #id: number;

  constructor(ctx: TeeContext, device: TeeClientDevice, id: number) {
    this.ctx = ctx;
    this.device = device;
    this.#id = id;
  }

  *invoke(func: number, params: readonly TeeParam[]): Co<Outcome> {
    const arg = { func, session: this.#id, cancelId: 0, ret: 0, retOrigin: 0 };
    const rc = yield* teeClientInvokeFunc(this.ctx, arg, params);
    return { rc, ret: arg.ret };
  }

  /** Ends the session; memory that is registered keeps the context until it is freed. */
  *close(): Co<void> {
    yield* teeClientCloseSession(this.ctx, this.#id);
    yield* teeClientCloseContext(this.ctx);
  }

  /** dev_err() */
  error(text: string): void {
    deviceError(this.ctx.teedev.tee, this.device, text);
  }
}

/**
 * Opens a context and a session.
 * @param login TEE_IOCTL_LOGIN_*
 * @returns -ENODEV without a TEE that matches, -EINVAL when the session is refused.
 */
export function* openTaSession(
  tee: TeeSubsystem,
  device: TeeClientDevice,
  login: number,
  match: (version: TeeVersion) => boolean,
): Co<TaSession | number> {
  const ctx = yield* teeClientOpenContext(tee, match);
  if (typeof ctx === 'number') return -ENODEV;
  const arg = {
    uuid: parseUuid(device.uuid),
    clntUuid: new Uint8Array(UUID_LEN),
    clntLogin: login,
    cancelId: 0,
    session: 0,
    ret: 0,
    retOrigin: 0,
  };
  const rc = yield* teeClientOpenSession(ctx, arg, []);
  if (succeeded({ rc, ret: arg.ret })) return new TaSession(ctx, device, arg.session);
  deviceError(tee, device, `tee_client_open_session failed, err: ${hex(arg.ret)}`);
  yield* teeClientCloseContext(ctx);
  return -EINVAL;
}

/** %x */
export const hex = (value: number): string => (value >>> 0).toString(16);

/** dev_err(): with the driver's name and the device's. */
export function deviceError(tee: TeeSubsystem, device: TeeClientDevice, text: string): void {
  const driver = device.driver?.name ?? 'tee';
  tee.kernel.printk(`${driver} ${device.name}: ${text}`, 'err');
}
