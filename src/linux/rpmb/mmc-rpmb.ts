/**
 * The RPMB partition of an eMMC behind the kernel's RPMB class: requests are looked at and become
 * the commands that the device knows.
 *
 * Upstream counterpart: drivers/mmc/core/block.c (mmc_blk_rpmb_add(), mmc_route_rpmb_frames()). Left
 * out: the card behind it, and /dev/mmcblk0rpmb, which a tee-supplicant with a real device opens.
 */
import { EINVAL, EIO } from '../../abi/errno.ts';
import {
  RPMB_DATA_FRAME_SIZE,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_READ,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_REQ_RESULT_READ,
  RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
  RpmbDataFrame,
} from '../../abi/optee-rpc.ts';
import type { EmulatedRpmb, ImageRange } from '../../machine/emulated-rpmb.ts';
import type { Co } from '../../sched/task.ts';
import type { RpmbDevice } from './rpmb-core.ts';

/** What a card without EXT_CSD_WR_REL_PARAM_EN_RPMB_REL_WR is said to write at once. */
const RELIABLE_WR_COUNT = 32;

interface Shape {
  /** The result has to be asked for. */
  readonly write: boolean;
  /** Exactly one frame, else any number of whole ones. */
  readonly oneRequest: boolean;
  readonly oneResponse: boolean;
}

const SHAPES: ReadonlyMap<number, Shape> = new Map<number, Shape>([
  [RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM, { write: true, oneRequest: true, oneResponse: true }],
  [RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ, { write: false, oneRequest: true, oneResponse: true }],
  [RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE, { write: true, oneRequest: false, oneResponse: true }],
  [RPMB_MSG_TYPE_REQ_AUTH_DATA_READ, { write: false, oneRequest: true, oneResponse: false }],
]);

/**
 * Where a card's bytes are kept beyond the box.
 * @param changed ranges of its image @returns false when they cannot be kept
 */
export type KeepRpmb = (changed: readonly ImageRange[]) => boolean;

export class MmcRpmb implements RpmbDevice {
  readonly type = 'emmc';
  readonly devId: Uint8Array;
  readonly capacity: number;
  readonly reliableWrCount = RELIABLE_WR_COUNT;
  readonly device: EmulatedRpmb;
  readonly #keep: KeepRpmb;

  /** @param keep told what a request has changed, before it is answered */
  constructor(device: EmulatedRpmb, keep: KeepRpmb = () => true) {
    this.devId = device.cid;
    this.capacity = device.sizeMult;
    this.device = device;
    this.#keep = keep;
  }

  /**
   * mmc_route_rpmb_frames(): -EINVAL for a request of no known type, or of another size; -EIO when
   * the card fails, which may have done what it was asked for.
   */
  *routeFrames(request: Uint8Array, response: Uint8Array): Co<number> {
    if (request.length < RPMB_DATA_FRAME_SIZE) return -EINVAL;
    const view = new DataView(request.buffer, request.byteOffset, request.length);
    const shape = SHAPES.get(RpmbDataFrame.msgType.get(view, 0));
    if (shape === undefined) return -EINVAL;
    if (!fits(request, shape.oneRequest) || !fits(response, shape.oneResponse)) return -EINVAL;
    // The emulation writes into what it takes; a card does not.
    this.device.write(request.slice());
    if (shape.write) this.#askForResult(response);
    this.device.read(response);
    if (!this.#keep(this.device.changes)) return -EIO;
    this.device.saved();
    return 0;
  }

  #askForResult(response: Uint8Array): void {
    const view = new DataView(response.buffer, response.byteOffset, response.length);
    response.fill(0);
    RpmbDataFrame.msgType.set(view, 0, RPMB_MSG_TYPE_REQ_RESULT_READ);
    this.device.write(response);
  }
}

const fits = (frames: Uint8Array, one: boolean): boolean =>
  one ? frames.length === RPMB_DATA_FRAME_SIZE : frames.length % RPMB_DATA_FRAME_SIZE === 0;
