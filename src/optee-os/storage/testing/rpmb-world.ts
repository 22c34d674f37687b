/**
 * For tests: the RPMB file system over an emulated device, without a secure world around it. Every
 * call is made at once, because nobody waits.
 */
import {
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_SUCCESS,
} from '../../../abi/gp.ts';
import {
  OPTEE_RPC_SHM_TYPE_KERNEL,
  RPMB_CMD_GET_DEV_INFO,
  RPMB_DATA_FRAME_SIZE,
  RPMB_DATA_SIZE,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_REQ_RESULT_READ,
  RpmbDataFrame,
  RpmbDevInfo,
  RpmbReq,
} from '../../../abi/optee-rpc.ts';
import { NodeCrypto } from '../../../host/node/crypto.ts';
import {
  EMU_RPMB_CID,
  EMU_RPMB_REL_WR_SEC_C,
  EMU_RPMB_SIZE_MULT,
  EmulatedRpmb,
  RPMB_IMAGE_SIZE,
} from '../../../machine/emulated-rpmb.ts';
import { SeededRandom } from '../../../sched/random.ts';
import type { Co } from '../../../sched/task.ts';
import { Trace } from '../../../trace/trace.ts';
import { makeConfig } from '../../config.ts';
import type { OpteeOsConfig } from '../../config.ts';
import type { ThreadCtx } from '../../kernel/thread.ts';
import { CoreLog } from '../../kernel/trace.ts';
import { CoreHeap } from '../../mm/core-heap.ts';
import { UPSTREAM_SWITCHES } from '../../switches.ts';
import type { OpteeOsSwitches } from '../../switches.ts';
import { TeePobj } from '../tee-pobj.ts';
import type { TeeFile } from '../tee-fs.ts';
import { teeUuid } from '../tee-fs.ts';
import { TeeRpmbFs } from '../tee-rpmb-fs.ts';
import { viewOf } from '../rpmb-frames.ts';
import type { RpmbDeviceInfo, RpmbRoute, RpmbTransport } from '../rpmb-transport.ts';
import { TA, now } from './storage-world.ts';

export const CRYPTO = new NodeCrypto();
export const THREAD = { threadId: 0, coreId: 0 } as unknown as ThreadCtx;

/** A device with its key unset. */
export const blankDevice = (image: Uint8Array = new Uint8Array(RPMB_IMAGE_SIZE)): EmulatedRpmb =>
  new EmulatedRpmb(image, (key, data) => CRYPTO.hmac('sha256', key, data));

/** One request on its way. `frames` may be changed; what is returned is the answer's result. */
export interface RpmbOp {
  /** RPMB_MSG_TYPE_REQ_*, or undefined for GET_DEV_INFO. */
  readonly type: number | undefined;
  readonly block: number;
  readonly frames: Uint8Array;
}

/** tee-supplicant and the kernel, as far as they carry frames. */
export class DirectTransport implements RpmbTransport {
  /** What the kernel would find; undefined where it does not route. */
  kernelDevices: RpmbDeviceInfo[] | undefined;
  info: RpmbDeviceInfo & { retCode?: number } = {
    cid: EMU_RPMB_CID,
    sizeMult: EMU_RPMB_SIZE_MULT,
    relWrSecC: EMU_RPMB_REL_WR_SEC_C,
  };
  device: EmulatedRpmb;
  readonly ops: RpmbOp[] = [];
  readonly routes: RpmbRoute[] = [];
  outOfMemory = false;
  probeResult: number | undefined;
  /** Asked before each request; a result is its answer, and the device does not see it. */
  before: (op: RpmbOp) => number | undefined = () => undefined;
  /** Told of each answer of the device; a result replaces it. */
  after: (op: RpmbOp, response: Uint8Array) => number | undefined = () => undefined;
  #position = 0;

  constructor(device: EmulatedRpmb) {
    this.device = device;
  }

  *reserve(): Co<number> {
    return this.outOfMemory ? TEE_ERROR_OUT_OF_MEMORY : TEE_SUCCESS;
  }

  *exchange(
    _thread: ThreadCtx,
    route: RpmbRoute,
    request: Uint8Array,
    response: Uint8Array,
  ): Co<number> {
    if (this.outOfMemory) return TEE_ERROR_OUT_OF_MEMORY;
    this.routes.push(route);
    const isInfo = route.legacy && RpmbReq.cmd.get(viewOf(request), 0) === RPMB_CMD_GET_DEV_INFO;
    const frames = request.slice(route.legacy ? RpmbReq.byteLength : 0);
    const op = isInfo ? { type: undefined, block: 0, frames } : opOf(frames);
    this.ops.push(op);
    const refused = this.before(op);
    if (refused !== undefined) return refused;
    if (isInfo) this.#tell(response);
    else this.#transfer(op, response);
    return this.after(op, response) ?? TEE_SUCCESS;
  }

  *probeReset(_thread: ThreadCtx, out: { shmType: number }): Co<number> {
    if (this.probeResult !== undefined) return this.probeResult;
    if (this.kernelDevices === undefined) return TEE_ERROR_NOT_SUPPORTED;
    this.#position = 0;
    out.shmType = OPTEE_RPC_SHM_TYPE_KERNEL;
    return TEE_SUCCESS;
  }

  *probeNext(): Co<RpmbDeviceInfo | number> {
    const info = this.kernelDevices?.[this.#position];
    this.#position += 1;
    return info ?? TEE_ERROR_ITEM_NOT_FOUND;
  }

  #tell(response: Uint8Array): void {
    const view = viewOf(response);
    RpmbDevInfo.cid.bytes(view, 0).set(this.info.cid);
    RpmbDevInfo.rpmbSizeMult.set(view, 0, this.info.sizeMult);
    RpmbDevInfo.relWrSecC.set(view, 0, this.info.relWrSecC);
    RpmbDevInfo.retCode.set(view, 0, this.info.retCode ?? 0);
  }

  #transfer({ type, frames }: RpmbOp, response: Uint8Array): void {
    if (response.length % RPMB_DATA_FRAME_SIZE !== 0) throw new Error('no whole frames');
    this.device.write(frames);
    if (type === RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE || type === RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM) {
      response.fill(0);
      RpmbDataFrame.msgType.set(viewOf(response), 0, RPMB_MSG_TYPE_REQ_RESULT_READ);
      this.device.write(response);
    }
    this.device.read(response);
  }
}

function opOf(frames: Uint8Array): RpmbOp {
  const view = viewOf(frames);
  const block = RpmbDataFrame.address.get(view, 0);
  return { type: RpmbDataFrame.msgType.get(view, 0), block, frames };
}

export interface RpmbWorldOptions {
  readonly config?: Partial<OpteeOsConfig>;
  readonly device?: EmulatedRpmb;
  readonly heapBytes?: number;
  readonly switches?: OpteeOsSwitches;
  readonly seed?: number;
}

/** A boot of the core, with a device whose key it may program. */
export class RpmbWorld {
  readonly trace = new Trace();
  readonly heap: CoreHeap;
  readonly transport: DirectTransport;
  readonly fs: TeeRpmbFs;
  held = false;

  constructor(options: RpmbWorldOptions = {}) {
    const config = makeConfig({ CFG_RPMB_WRITE_KEY: true }, options.config ?? {});
    this.transport = new DirectTransport(options.device ?? blankDevice());
    this.heap = new CoreHeap(this.trace, options.heapBytes ?? 196608);
    this.fs = new TeeRpmbFs({
      core: {
        transport: this.transport,
        crypto: CRYPTO,
        random: new SeededRandom(options.seed ?? 1),
        heap: this.heap,
        log: new CoreLog(this.trace, config),
        trace: this.trace,
        config,
        switches: options.switches ?? UPSTREAM_SWITCHES,
      },
      mutex: {
        lock: this.#hold.bind(this, true),
        unlock: this.#hold.bind(this, false),
      },
      panic: (_thread, fn, text) => new Error(`core panic in ${fn}: ${text}`),
    });
  }

  get device(): EmulatedRpmb {
    return this.transport.device;
  }

  /** Another boot on the same device. */
  reboot(options: RpmbWorldOptions = {}): RpmbWorld {
    return new RpmbWorld({ device: blankDevice(this.device.image), ...options });
  }

  // --- calls by object id
  create(name: string, data: Uint8Array, overwrite = false, ta = TA): TeeFile | number {
    return now(this.fs.create(THREAD, this.newPo(name, ta), overwrite, [data]));
  }

  open(name: string, size = { size: 0 }, ta = TA): TeeFile | number {
    return now(this.fs.open(THREAD, this.po(name, ta), size));
  }

  remove(name: string, ta = TA): number {
    return now(this.fs.remove(THREAD, this.po(name, ta)));
  }

  rename(from: string, to: string, overwrite = false): number {
    return now(this.fs.rename(THREAD, this.po(from), this.po(to), overwrite));
  }

  /** The whole object, or a TEE_Result. */
  contents(name: string, ta = TA): Uint8Array | number {
    const size = { size: 0 };
    const file = this.open(name, size, ta);
    if (typeof file === 'number') return file;
    const out = new Uint8Array(size.size);
    const res = now(file.read(THREAD, 0, out, { size: 0 }));
    now(file.close(THREAD));
    return res === TEE_SUCCESS ? out : res;
  }

  list(ta = TA): string[] | number {
    const dir = now(this.fs.openDir(THREAD, teeUuid(ta)));
    if (typeof dir === 'number') return dir;
    const names: string[] = [];
    for (let id = now(dir.read(THREAD)); typeof id !== 'number'; id = now(dir.read(THREAD))) {
      names.push(new TextDecoder().decode(id));
    }
    now(dir.close(THREAD));
    return names;
  }

  po(name: string, ta = TA): TeePobj {
    return new TeePobj(teeUuid(ta), new TextEncoder().encode(name), 0, this.fs);
  }

  newPo(name: string, ta = TA): TeePobj {
    const po = this.po(name, ta);
    po.temporary = true;
    return po;
  }

  /** One block of the device. */
  block(n: number): Uint8Array {
    return this.device.image.subarray(n * RPMB_DATA_SIZE, (n + 1) * RPMB_DATA_SIZE);
  }

  *#hold(held: boolean): Co<void> {
    if (this.held === held) throw new Error('the lock is not what it should be');
    this.held = held;
  }
}

export function fileOf(result: TeeFile | number): TeeFile {
  if (typeof result === 'number') throw new Error(`failed with 0x${result.toString(16)}`);
  return result;
}

/** Contents that tell where each byte was. */
export const pattern = (length: number, salt = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, n) => (n * 7 + (n >> 8) + salt) & 0xff);
