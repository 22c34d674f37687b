/**
 * What one ioctl with parameters works on: the copy of its argument, its parameters and the structs
 * that drivers are given. Frames are used again, one at a time: a device has as many as it ever had
 * such calls under way at once.
 */
import {
  TEE_IOCTL_UUID_LEN,
  TeeIoctlInvokeArg,
  TeeIoctlOpenSessionArg,
  TeeIoctlParam,
} from '../../abi/tee.ts';
import { TeeParam } from './tee-drv.ts';
import type { TeeInvoke, TeeOpenSession } from './tee-drv.ts';
import { UserArg } from './user-arg.ts';

/** struct tee_ioctl_invoke_arg, in the kernel's copy. */
class InvokeArg implements TeeInvoke {
  func = 0;
  session = 0;
  cancelId = 0;
  ret = 0;
  retOrigin = 0;

  load(view: DataView): void {
    this.func = TeeIoctlInvokeArg.func.get(view, 0);
    this.session = TeeIoctlInvokeArg.session.get(view, 0);
    this.cancelId = TeeIoctlInvokeArg.cancelId.get(view, 0);
    this.ret = TeeIoctlInvokeArg.ret.get(view, 0);
    this.retOrigin = TeeIoctlInvokeArg.retOrigin.get(view, 0);
  }
}

/** struct tee_ioctl_open_session_arg, in the kernel's copy. */
class OpenSessionArg implements TeeOpenSession {
  readonly uuid: Uint8Array;
  readonly clntUuid: Uint8Array;
  clntLogin = 0;
  cancelId = 0;
  session = 0;
  ret = 0;
  retOrigin = 0;

  /** @param bytes the argument's copy, which begins with the two UUIDs. */
  constructor(bytes: Uint8Array) {
    const { uuid, clntUuid } = TeeIoctlOpenSessionArg;
    this.uuid = bytes.subarray(uuid.offset, uuid.offset + TEE_IOCTL_UUID_LEN);
    this.clntUuid = bytes.subarray(clntUuid.offset, clntUuid.offset + TEE_IOCTL_UUID_LEN);
  }

  load(view: DataView): void {
    this.clntLogin = TeeIoctlOpenSessionArg.clntLogin.get(view, 0);
    this.cancelId = TeeIoctlOpenSessionArg.cancelId.get(view, 0);
    this.session = TeeIoctlOpenSessionArg.session.get(view, 0);
    this.ret = TeeIoctlOpenSessionArg.ret.get(view, 0);
    this.retOrigin = TeeIoctlOpenSessionArg.retOrigin.get(view, 0);
  }
}

export class IoctlFrame {
  readonly arg: UserArg;
  readonly invoke = new InvokeArg();
  readonly openSession: OpenSessionArg;
  /** As many as the call has. */
  readonly params: TeeParam[] = [];
  /** Sizes of memrefs and UBUFs as user space gave them: drivers change those of the parameters. */
  readonly sizes: Float64Array;
  /** Parameters that hold a reference on their memory. */
  memrefs = 0;
  /** The parameter that was converted last. */
  next = 0;
  readonly #spare: TeeParam[] = [];

  constructor(capacity: number) {
    this.arg = new UserArg(capacity);
    this.sizes = new Float64Array(capacity / TeeIoctlParam.byteLength);
    this.openSession = new OpenSessionArg(this.arg.bytes);
  }

  /** kcalloc() of `count` parameters. */
  allocParams(count: number): void {
    const { params } = this;
    for (let n = 0; n < count; n++) {
      const param = (this.#spare[n] ??= new TeeParam());
      param.clear();
      params[n] = param;
    }
    if (params.length !== count) params.length = count;
  }
}

/** The frames of a device that are not in use. */
export class IoctlFrames {
  readonly #capacity: number;
  readonly #free: IoctlFrame[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  take(): IoctlFrame {
    return this.#free.pop() ?? new IoctlFrame(this.#capacity);
  }

  give(frame: IoctlFrame): void {
    frame.memrefs = 0;
    this.#free.push(frame);
  }
}
