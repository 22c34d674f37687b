/**
 * tee-supplicant: the process that does for the secure world what only user space can do. It opens
 * the privileged TEE device and serves requests on as many threads as are busy at a time, and one.
 *
 * Upstream counterpart: tee-supplicant/src/tee_supplicant.c. Its command line is
 * `TeeSupplicantOptions`. Left out: --ta-dir (a part of `taPath`), --plugin-path (plugins are
 * objects), --rpmb-cid (which its own emulation ignores), daemonizing.
 */
import { EBADF, formatErrno } from '../../abi/errno.ts';
import { O_RDWR } from '../../abi/fcntl.ts';
import { TEEC_ERROR_NOT_SUPPORTED } from '../../abi/gp.ts';
import { hex32 } from '../../abi/layout.ts';
import {
  TEE_IMPL_ID_OPTEE,
  TEE_IOC_SUPPL_RECV,
  TEE_IOC_SUPPL_SEND,
  TEE_IOC_VERSION,
  TeeIoctlVersionData,
} from '../../abi/tee.ts';
import type { HmacSha256 } from '../../machine/emulated-rpmb.ts';
import type { Program } from '../../linux/process/program.ts';
import type { Syscalls } from '../../linux/process/syscalls.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import { Frame } from '../frame.ts';
import type { UserlandSwitches } from '../switches.ts';
import { FaultScript, NO_FAULT, lieBefore, spoil } from './faults.ts';
import type { SupplicantFaults } from './faults.ts';
import { HANDLERS } from './handlers.ts';
import type { Server, Shared } from './handlers.ts';
import { loadPlugins } from './plugin.ts';
import type { Plugins, SupplicantPlugin } from './plugin.ts';
import { SuppRpmb } from './rpmb.ts';
import { FRAME_SIZE, RpcRequest, SMALL } from './rpc-request.ts';
import type { SuppShm } from './rpc-shm.ts';
import { SuppSockets } from './tee-socket.ts';
import { SuppFs, TEE_FS_PARENT_PATH } from './tee-supp-fs.ts';

/** Devices /dev/teepriv0… that are tried. */
const MAX_DEV_SEQ = 10;
/** `<TEEC_LOAD_PATH>/<DEFAULT_TA_DIR>` as built by default. */
export const DEFAULT_TA_PATH: readonly string[] = ['/lib/optee_armtz'];
/** The exit code of a supplicant that has no device, or has stopped serving: EXIT_FAILURE. */
const EXIT_FAILURE = 1;

export interface TeeSupplicantOptions {
  readonly switches: UserlandSwitches;
  /** The device's path; without, the first of /dev/teepriv0 to 9 that is OP-TEE's. */
  readonly device?: string;
  /** Directories that are searched for TAs (--ta-path); `/lib/optee_armtz` without. */
  readonly taPath?: readonly string[];
  /** Directory of secure storage, made when it is not there (--fs-parent-path); `/var/lib/tee`. */
  readonly fsParentPath?: string;
  /** Code that the secure world may call, by UUID. */
  readonly plugins?: readonly SupplicantPlugin[];
  /** HMAC-SHA-256 for the emulated RPMB device; without, there is no such device. */
  readonly hmacSha256?: HmacSha256;
  /** Called once the device is open, where the real one tells systemd. */
  readonly onReady?: () => void;
  readonly faults?: SupplicantFaults;
}

export class TeeSupplicant {
  readonly #program: Program;
  readonly #options: TeeSupplicantOptions;
  readonly #faults: FaultScript;
  readonly #shms = new Map<number, SuppShm>();
  readonly #fs: SuppFs;
  readonly #rpmb: SuppRpmb;
  readonly #sockets = new SuppSockets();
  #plugins: Plugins = new Map();
  #fd = -1;
  #genCaps = 0;
  /** A thread has failed: each thread ends before it would receive again. */
  #abort = false;
  #numWaiters = 0;

  constructor(program: Program, options: TeeSupplicantOptions) {
    this.#program = program;
    this.#options = options;
    this.#faults = new FaultScript(options.faults ?? {});
    this.#fs = new SuppFs(options.fsParentPath ?? TEE_FS_PARENT_PATH);
    this.#rpmb = new SuppRpmb(program.kernel.sched, options.hmacSha256);
  }

  /** Threads that wait for a request. */
  get numWaiters(): number {
    return this.#numWaiters;
  }

  /** Buffers that the secure world holds. */
  get numShms(): number {
    return this.#shms.size;
  }

  /** The main thread. @returns the exit code. */
  *main(): Co<number> {
    const { sys } = this.#program;
    const frame = new Frame(this.#program, FRAME_SIZE);
    this.#plugins = loadPlugins(this.#options.plugins ?? [], (text) => this.#emsg(text));
    this.#fd = yield* this.#getDevFd(sys, frame);
    if (this.#fd < 0) return EXIT_FAILURE;
    this.#options.onReady?.();
    yield* this.#serve(sys, frame);
    yield* sys.close(this.#fd);
    return EXIT_FAILURE;
  }

  *#serve(sys: Syscalls, frame: Frame): Co<void> {
    const request = new RpcRequest(frame);
    const server: Server = { ...this.#shared(), sys, frame };
    while (!this.#abort) {
      if (!(yield* this.#processOneRequest(server, request))) this.#abort = true;
    }
  }

  #shared(): Shared {
    const { memory, kernel } = this.#program;
    return {
      kernel,
      memory,
      trace: kernel.trace,
      switches: this.#options.switches,
      fd: this.#fd,
      genCaps: this.#genCaps,
      shms: this.#shms,
      taPath: this.#options.taPath ?? DEFAULT_TA_PATH,
      fs: this.#fs,
      rpmb: this.#rpmb,
      sockets: this.#sockets,
      plugins: this.#plugins,
      emsg: (text) => this.#emsg(text),
    };
  }

  /** False when this thread, and with it the process, must end. */
  *#processOneRequest(server: Server, request: RpcRequest): Co<boolean> {
    this.#numWaiters += 1;
    const { sys, fd } = server;
    const received = yield* sys.ioctl(fd, TEE_IOC_SUPPL_RECV, request.beginReceive());
    if (received !== 0) {
      this.#emsg(`TEE_IOC_SUPPL_RECV: ${formatErrno(received)}`);
      return false;
    }
    if (!request.parse()) {
      this.#emsg('Unexpected meta parameter');
      return false;
    }
    if (request.numMeta > 0) {
      this.#numWaiters -= 1;
      if (this.#numWaiters === 0) this.#spawnThread();
    }
    const faults = this.#faults;
    const fault = faults.concerns(request) ? yield* faults.received(sys) : NO_FAULT;
    lieBefore(fault, request);
    const handling = this.#handle(server, request);
    const result = typeof handling === 'number' ? handling : yield* handling;
    const ret = fault.answersWith ?? result;
    spoil(fault, server, request);
    let goesOn = true;
    for (let n = 0; n < fault.answers; n++) {
      const rc = yield* sys.ioctl(fd, TEE_IOC_SUPPL_SEND, request.beginSend(ret));
      const sent = this.#hasSent(rc);
      if (n === 0) goesOn = sent;
    }
    return goesOn;
  }

  #handle(server: Server, request: RpcRequest): MaybeCo<number> {
    const { func } = request;
    const handler = HANDLERS.get(func);
    if (handler !== undefined) return handler(server, request);
    this.#emsg(`Cmd [${hex32(func)}] not supported`);
    return TEEC_ERROR_NOT_SUPPORTED;
  }

  /** Whether a thread goes on after this result of SUPPL_SEND. */
  #hasSent(rc: number): boolean {
    if (rc === 0) return true;
    this.#emsg(`TEE_IOC_SUPPL_SEND: ${formatErrno(rc)}`);
    return rc === -EBADF && !this.#options.switches.quirkSupplicantLeavesOnEbadf;
  }

  /** Counted as waiting at once, so that no second thread is made before this one runs. */
  #spawnThread(): void {
    this.#numWaiters += 1;
    this.#program.spawnThread('tee-supplicant', (thread) => this.#threadMain(thread.sys));
  }

  *#threadMain(sys: Syscalls): Co<void> {
    this.#numWaiters -= 1;
    yield* this.#serve(sys, new Frame(this.#program, FRAME_SIZE));
  }

  *#getDevFd(sys: Syscalls, frame: Frame): Co<number> {
    const { device } = this.#options;
    const paths =
      device === undefined
        ? Array.from({ length: MAX_DEV_SEQ }, (_, n) => `/dev/teepriv${n}`)
        : [device];
    for (const path of paths) {
      const fd = yield* this.#openDev(sys, frame, path);
      if (fd >= 0) return fd;
    }
    this.#emsg(
      device === undefined
        ? 'failed to find an OP-TEE supplicant device'
        : `failed to open "${device}"`,
    );
    return -1;
  }

  *#openDev(sys: Syscalls, frame: Frame, path: string): Co<number> {
    const fd = yield* sys.open(path, O_RDWR);
    if (fd < 0) return fd;
    frame.clear(SMALL, TeeIoctlVersionData.byteLength);
    const rc = yield* sys.ioctl(fd, TEE_IOC_VERSION, frame.address(SMALL));
    const at = frame.refresh() + SMALL;
    if (rc === 0 && TeeIoctlVersionData.implId.get(frame.ram, at) === TEE_IMPL_ID_OPTEE) {
      this.#genCaps = TeeIoctlVersionData.genCaps.get(frame.ram, at);
      return fd;
    }
    yield* sys.close(fd);
    return -1;
  }

  /** What tee-supplicant prints with EMSG(). */
  #emsg(text: string): void {
    this.#program.kernel.trace.log('client', 'tee-supplicant', 'error', text);
  }
}
