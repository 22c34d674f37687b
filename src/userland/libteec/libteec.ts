/**
 * The TEE Client API for TypeScript programs, call for call what libteec does: the same ioctls with
 * the same bytes. One object serves one thread; contexts, sessions and shared memory are values that
 * all threads of the program may use.
 *
 * Upstream counterpart: libteec/src/tee_client_api.c. Left out: the checks for NULL contexts,
 * sessions and results, which the types replace.
 */
import { EINVAL, ENOMEM, formatErrno } from '../../abi/errno.ts';
import { O_RDWR } from '../../abi/fcntl.ts';
import {
  TEEC_CONFIG_PAYLOAD_REF_COUNT,
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_GENERIC,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_OUT_OF_MEMORY,
  TEEC_LOGIN_GROUP,
  TEEC_LOGIN_GROUP_APPLICATION,
  TEEC_ORIGIN_API,
  TEEC_ORIGIN_COMMS,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import {
  TEE_GEN_CAP_GP,
  TEE_GEN_CAP_MEMREF_NULL,
  TEE_GEN_CAP_REG_MEM,
  TEE_IMPL_ID_OPTEE,
  TEE_IOC_CANCEL,
  TEE_IOC_CLOSE_SESSION,
  TEE_IOC_INVOKE,
  TEE_IOC_OPEN_SESSION,
  TEE_IOC_VERSION,
  TEE_OPTEE_CAP_TZ,
  TeeIoctlBufData,
  TeeIoctlCancelArg,
  TeeIoctlCloseSessionArg,
  TeeIoctlInvokeArg,
  TeeIoctlOpenSessionArg,
  TeeIoctlVersionData,
} from '../../abi/tee.ts';
import { setUuidOctets } from '../../abi/uuid.ts';
import type { Program } from '../../linux/process/program.ts';
import type { Syscalls } from '../../linux/process/syscalls.ts';
import type { Co } from '../../sched/task.ts';
import type { Trace } from '../../trace/trace.ts';
import { Frame } from '../frame.ts';
import {
  ARG,
  FRAME_SIZE,
  INVOKE_ARG_SIZE,
  INVOKE_PARAMS,
  OPEN_ARG_SIZE,
  OPEN_PARAMS,
  SMALL,
} from './call-frame.ts';
import { OperationParams } from './operation.ts';
import { SharedMemoryCalls } from './shared-memory.ts';
import type {
  TeecContext,
  TeecContextReply,
  TeecOpenReply,
  TeecOperation,
  TeecReply,
  TeecSession,
  TeecSharedMemory,
} from './teec.ts';

/** Devices /dev/tee0… that are tried. */
const TEEC_MAX_DEV_SEQ = 10;

/** What a failed ioctl is to the caller; anything else is TEEC_ERROR_GENERIC. */
const IOCTL_ERRNO_TO_RES: ReadonlyMap<number, number> = new Map([
  [-ENOMEM, TEEC_ERROR_OUT_OF_MEMORY],
  [-EINVAL, TEEC_ERROR_BAD_PARAMETERS],
]);

/** Connection methods whose data is a group id. */
const LOGINS_WITH_GROUP: ReadonlySet<number> = new Set([
  TEEC_LOGIN_GROUP,
  TEEC_LOGIN_GROUP_APPLICATION,
]);

/** What a name asks of TEEC_InitializeContext's device beyond GP: implementation and capabilities. */
const CAPABILITIES: ReadonlyMap<string, { readonly implId: number; readonly implCaps: number }> =
  new Map([['optee-tz', { implId: TEE_IMPL_ID_OPTEE, implCaps: TEE_OPTEE_CAP_TZ }]]);

const NO_CONTEXT: TeecContext = { fd: -1, regMem: false, memrefNull: false };

export class LibTeec {
  readonly #sys: Syscalls;
  readonly #trace: Trace;
  readonly #frame: Frame;
  readonly #params: OperationParams;
  readonly #shm: SharedMemoryCalls;

  /** @param sys the system calls of the thread that will make the calls; the main thread's without. */
  constructor(program: Program, sys: Syscalls = program.sys) {
    this.#sys = sys;
    this.#trace = program.kernel.trace;
    this.#frame = new Frame(program, FRAME_SIZE);
    this.#shm = new SharedMemoryCalls(program.memory, sys, this.#frame);
    this.#params = new OperationParams(
      program.memory,
      this.#frame,
      this.#shm,
      (text, requested, available) => this.#refuse(text, requested, available),
    );
  }

  /** TEEC_InitializeContext. @param name `optee-tz`, or null for any GP TEE. */
  *initializeContext(name: string | null = null): Co<TeecContextReply> {
    for (let n = 0; n < TEEC_MAX_DEV_SEQ; n++) {
      const context = yield* this.#openDev(`/dev/tee${n}`, name);
      if (context !== undefined) return { result: TEEC_SUCCESS, context };
    }
    this.#trace.cause('client', {
      layer: 'libteec',
      code: 'TEEC_ERROR_ITEM_NOT_FOUND',
      text: `none of /dev/tee0 to /dev/tee${TEEC_MAX_DEV_SEQ - 1} is a TEE of the kind asked for`,
      ...(name === null ? {} : { object: name }),
      hint: 'look at the permissions of the nodes, and at the capabilities in `ioctl` events',
    });
    return { result: TEEC_ERROR_ITEM_NOT_FOUND, context: NO_CONTEXT };
  }

  /** TEEC_FinalizeContext */
  *finalizeContext(ctx: TeecContext): Co<void> {
    yield* this.#sys.close(ctx.fd);
  }

  /**
   * TEEC_OpenSession.
   * @param destination the TA's UUID as text.
   * @param connectionMethod TEEC_LOGIN_*
   * @param connectionData the group id of the two methods that take one.
   */
  *openSession(
    ctx: TeecContext,
    destination: string,
    connectionMethod: number,
    connectionData: number | null = null,
    operation: TeecOperation | null = null,
  ): Co<TeecOpenReply> {
    const arg = TeeIoctlOpenSessionArg;
    const { ram } = this.#frame;
    let at = this.#begin(OPEN_ARG_SIZE);
    arg.numParams.set(ram, at, TEEC_CONFIG_PAYLOAD_REF_COUNT);
    setUuidOctets(ram, at + arg.uuid.offset, destination);
    setupClientData(ram, at, connectionMethod, connectionData);
    let session: TeecSession = { ctx, sessionId: 0 };
    if (operation !== null) {
      const result = yield* this.#params.preProcessTempRefs(ctx, operation, OPEN_PARAMS);
      if (result !== TEEC_SUCCESS) return { ...(yield* this.#stopped(result)), session };
    }
    const rc = yield* this.#sys.ioctl(ctx.fd, TEE_IOC_OPEN_SESSION, this.#frame.at);
    if (rc !== 0) return { ...(yield* this.#failed('TEE_IOC_OPEN_SESSION', rc)), session };
    at = this.#frame.refresh() + ARG;
    const result = arg.ret.get(ram, at);
    const origin = arg.retOrigin.get(ram, at);
    if (result === TEEC_SUCCESS) session = { ctx, sessionId: arg.session.get(ram, at) };
    if (operation !== null) {
      this.#params.postProcess(operation, OPEN_PARAMS);
      yield* this.#params.freeTempRefs();
    }
    return { result, origin, session };
  }

  /** TEEC_CloseSession */
  *closeSession(session: TeecSession): Co<void> {
    const arg = TeeIoctlCloseSessionArg;
    arg.session.set(this.#frame.ram, this.#frame.refresh() + SMALL, session.sessionId);
    const at = this.#frame.address(SMALL);
    const rc = yield* this.#sys.ioctl(session.ctx.fd, TEE_IOC_CLOSE_SESSION, at);
    if (rc !== 0) this.#emsg(`Failed to close session 0x${session.sessionId.toString(16)}`);
  }

  /** TEEC_InvokeCommand */
  *invokeCommand(
    session: TeecSession,
    commandId: number,
    operation: TeecOperation | null = null,
  ): Co<TeecReply> {
    const arg = TeeIoctlInvokeArg;
    const { ctx } = session;
    const { ram } = this.#frame;
    let at = this.#begin(INVOKE_ARG_SIZE);
    arg.func.set(ram, at, commandId);
    arg.session.set(ram, at, session.sessionId);
    arg.numParams.set(ram, at, TEEC_CONFIG_PAYLOAD_REF_COUNT);
    if (operation !== null) {
      operation.session = session;
      const result = this.#params.hasTempRefs(operation)
        ? yield* this.#params.preProcessTempRefs(ctx, operation, INVOKE_PARAMS)
        : this.#params.preProcess(operation, INVOKE_PARAMS);
      if (result !== TEEC_SUCCESS) return yield* this.#stopped(result);
    }
    const rc = yield* this.#sys.ioctl(ctx.fd, TEE_IOC_INVOKE, this.#frame.at);
    if (rc !== 0) return yield* this.#failed('TEE_IOC_INVOKE', rc);
    at = this.#frame.refresh() + ARG;
    const result = arg.ret.get(ram, at);
    const origin = arg.retOrigin.get(ram, at);
    if (operation !== null) {
      this.#params.postProcess(operation, INVOKE_PARAMS);
      if (this.#params.hasTempRefs(operation)) yield* this.#params.freeTempRefs();
    }
    return { result, origin };
  }

  /** TEEC_RequestCancellation, from another thread than the one that invokes. */
  *requestCancellation(operation: TeecOperation): Co<void> {
    const { session } = operation;
    if (session === undefined) return;
    const arg = TeeIoctlCancelArg;
    const at = this.#frame.refresh() + SMALL;
    arg.cancelId.set(this.#frame.ram, at, 0);
    arg.session.set(this.#frame.ram, at, session.sessionId);
    const small = this.#frame.address(SMALL);
    const rc = yield* this.#sys.ioctl(session.ctx.fd, TEE_IOC_CANCEL, small);
    if (rc !== 0) this.#emsg(`TEE_IOC_CANCEL: ${formatErrno(rc)}`);
  }

  /** TEEC_RegisterSharedMemory: of `shm.buffer`, `shm.size`, `shm.flags`. @returns TEEC_Result */
  registerSharedMemory(ctx: TeecContext, shm: TeecSharedMemory): Co<number> {
    return this.#shm.register(ctx, shm);
  }

  /** TEEC_RegisterSharedMemoryFileDescriptor: sets `shm.size`. @returns TEEC_Result */
  registerSharedMemoryFileDescriptor(
    ctx: TeecContext,
    shm: TeecSharedMemory,
    fd: number,
  ): Co<number> {
    return this.#shm.registerFileDescriptor(ctx, shm, fd);
  }

  /** TEEC_AllocateSharedMemory: sets `shm.buffer`. @returns TEEC_Result */
  allocateSharedMemory(ctx: TeecContext, shm: TeecSharedMemory): Co<number> {
    return this.#shm.allocate(ctx, shm);
  }

  /** TEEC_ReleaseSharedMemory */
  releaseSharedMemory(shm: TeecSharedMemory): Co<void> {
    return this.#shm.release(shm);
  }

  /** teec_open_dev() */
  *#openDev(path: string, name: string | null): Co<TeecContext | undefined> {
    const fd = yield* this.#sys.open(path, O_RDWR);
    if (fd < 0) return undefined;
    const data = TeeIoctlVersionData;
    const { ram } = this.#frame;
    this.#frame.clear(SMALL, data.byteLength);
    const rc = yield* this.#sys.ioctl(fd, TEE_IOC_VERSION, this.#frame.address(SMALL));
    const at = this.#frame.refresh() + SMALL;
    const genCaps = data.genCaps.get(ram, at);
    const wanted = name === null ? ANY : CAPABILITIES.get(name);
    if (rc !== 0) this.#emsg('TEE_IOC_VERSION failed');
    else if (
      (genCaps & TEE_GEN_CAP_GP) !== 0 &&
      wanted !== undefined &&
      satisfies(ram, at, wanted)
    ) {
      const regMem = (genCaps & TEE_GEN_CAP_REG_MEM) !== 0;
      return { fd, regMem, memrefNull: (genCaps & TEE_GEN_CAP_MEMREF_NULL) !== 0 };
    }
    yield* this.#sys.close(fd);
    return undefined;
  }

  /** Zeroes the argument and sets the `tee_ioctl_buf_data`. @returns where the argument is in RAM. */
  #begin(size: number): number {
    const { ram } = this.#frame;
    const at = this.#frame.clear(ARG, size);
    TeeIoctlBufData.bufPtr.setNum(ram, at - ARG, this.#frame.address(ARG));
    TeeIoctlBufData.bufLen.setPair(ram, at - ARG, size, 0);
    return at;
  }

  /** The library refused the parameters: no call is made. */
  *#stopped(result: number): Co<TeecReply> {
    yield* this.#params.freeTempRefs();
    return { result, origin: TEEC_ORIGIN_API };
  }

  /** The call itself failed. */
  *#failed(name: string, rc: number): Co<TeecReply> {
    this.#emsg(`${name} failed`);
    yield* this.#params.freeTempRefs();
    const result = IOCTL_ERRNO_TO_RES.get(rc) ?? TEEC_ERROR_GENERIC;
    return { result, origin: TEEC_ORIGIN_COMMS };
  }

  /** What libteec prints with EMSG(). */
  #emsg(text: string): void {
    this.#trace.log('client', 'libteec', 'error', text);
  }

  #refuse(text: string, requested?: number, available?: number): number {
    this.#trace.cause('client', {
      layer: 'libteec',
      code: 'TEEC_ERROR_BAD_PARAMETERS',
      text,
      ...(requested === undefined ? {} : { requested }),
      ...(available === undefined ? {} : { available }),
    });
    return TEEC_ERROR_BAD_PARAMETERS;
  }
}

const ANY = { implId: undefined, implCaps: 0 };

/** Whether the device whose version is at `at` is what a name asks for. */
function satisfies(
  ram: DataView,
  at: number,
  wanted: { readonly implId: number | undefined; readonly implCaps: number },
): boolean {
  const { implId, implCaps } = TeeIoctlVersionData;
  if (wanted.implId !== undefined && implId.get(ram, at) !== wanted.implId) return false;
  return (implCaps.get(ram, at) & wanted.implCaps) === wanted.implCaps;
}

/** setup_client_data(). @throws TypeError where C would read a group id through NULL. */
function setupClientData(ram: DataView, at: number, method: number, data: number | null): void {
  const arg = TeeIoctlOpenSessionArg;
  arg.clntLogin.set(ram, at, method);
  if (!LOGINS_WITH_GROUP.has(method)) return;
  if (data === null) throw new TypeError('this connection method needs a group id');
  ram.setUint32(at + arg.clntUuid.offset, data, true);
}
