/**
 * The RPMB device as bytes: read and written from any address in any length, in blocks that the
 * device signs, one block to a write. Whether a write that got no answer has happened is not known;
 * it is sent again with the same counter, so that it happens once.
 *
 * Upstream counterpart: optee_os core/tee/tee_rpmb_fs.c (tee_rpmb_read(), tee_rpmb_write() and what
 * they call). Upstream would write several blocks at once where RPMB_DRIVER_MULTIPLE_WRITE_FIXED is
 * defined, which no build does.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_COMMUNICATION,
  TEE_ERROR_GENERIC,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  RPMB_DATA_FRAME_SIZE,
  RPMB_DATA_SIZE,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_READ,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_RESP_AUTH_DATA_READ,
  RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE,
  RpmbDataFrame,
} from '../../abi/optee-rpc.ts';
import type { Co } from '../../sched/task.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import { cryptBlocks } from './rpmb-crypt-block.ts';
import type { BlockSeal } from './rpmb-crypt-block.ts';
import { keyMacOf, macOfFrames, packFrames, viewOf } from './rpmb-frames.ts';
import { RpmbLink } from './rpmb-link.ts';
import type { RpmbCore } from './rpmb-link.ts';
import { TeeFsKeyManager } from './tee-fs-key-manager.ts';

const RPMB_MAX_RETRIES = 10;
/** `rel_wr_blkcnt` */
const REL_WR_BLKCNT = 1;
const U16 = 0xffff;

/** The blocks that a stretch of bytes touches, as upstream's types hold them. */
function blocksOf(addr: number, length: number): { idx: number; offset: number; count: number } {
  const offset = addr % RPMB_DATA_SIZE;
  const count = Math.ceil((length + offset) / RPMB_DATA_SIZE) & U16;
  return { idx: Math.floor(addr / RPMB_DATA_SIZE) & U16, offset, count };
}

/** Functions return a TEE_Result. */
export class RpmbDevice {
  readonly link: RpmbLink;
  readonly #core: RpmbCore;
  readonly #keys: TeeFsKeyManager;

  constructor(core: RpmbCore) {
    this.link = new RpmbLink(core);
    this.#core = core;
    this.#keys = new TeeFsKeyManager(core.crypto);
  }

  /** tee_rpmb_get_max_block() @param out the last block's index */
  *maxBlock(thread: ThreadCtx, out: { blkIdx: number }): Co<number> {
    const { link } = this;
    if (link.dead) return TEE_ERROR_COMMUNICATION;
    if (!link.devInfoSynced) {
      const res = yield* link.init(thread);
      if (res !== TEE_SUCCESS) return res;
    }
    out.blkIdx = link.maxBlkIdx;
    return TEE_SUCCESS;
  }

  /** tee_rpmb_write_is_atomic() */
  isAtomic(addr: number, length: number): boolean {
    return blocksOf(addr, length).count <= REL_WR_BLKCNT;
  }

  /** tee_rpmb_read() @param seal whose blocks they are; undefined for what is not encrypted */
  *read(thread: ThreadCtx, addr: number, out: Uint8Array, seal?: BlockSeal): Co<number> {
    if (out.length === 0) return TEE_ERROR_BAD_PARAMETERS;
    const { idx, offset, count } = blocksOf(addr, out.length);
    let res = yield* this.link.init(thread);
    if (res !== TEE_SUCCESS) return res;
    res = yield* this.link.reserve(thread, 1, count);
    if (res !== TEE_SUCCESS) return res;
    const fn = 'tee_rpmb_read';
    this.link.debug(thread, fn, `Read ${count} block${count > 1 ? 's' : ''} at index ${idx}`);
    const frames = yield* this.#readFrames(thread, idx, count);
    if (typeof frames === 'number') return frames;
    if (offset + out.length > count * RPMB_DATA_SIZE) return TEE_ERROR_BAD_PARAMETERS;
    const data = this.#open(frames, idx, seal);
    if (typeof data === 'number') return data;
    out.set(data.subarray(offset, offset + out.length));
    return TEE_SUCCESS;
  }

  /** tee_rpmb_write(): blocks that are not written whole are read first. */
  *write(thread: ThreadCtx, addr: number, data: Uint8Array, seal?: BlockSeal): Co<number> {
    const { idx, offset, count } = blocksOf(addr, data.length);
    if (offset === 0 && data.length % RPMB_DATA_SIZE === 0) {
      return yield* this.#writeBlocks(thread, idx, data, seal);
    }
    const { heap } = this.#core;
    const size = count * RPMB_DATA_SIZE;
    if (!heap.alloc(size, 'blocks of RPMB')) return TEE_ERROR_OUT_OF_MEMORY;
    const blocks = new Uint8Array(size);
    let res = yield* this.read(thread, idx * RPMB_DATA_SIZE, blocks, seal);
    if (res === TEE_SUCCESS) {
      blocks.set(data, offset);
      res = yield* this.#writeBlocks(thread, idx, blocks, seal);
    }
    heap.free(size);
    return res;
  }

  /** @returns signed frames, or a TEE_Result */
  *#readFrames(thread: ThreadCtx, blkIdx: number, count: number): Co<Uint8Array | number> {
    const { heap } = this.#core;
    const { link } = this;
    if (!heap.alloc(RPMB_DATA_FRAME_SIZE, 'an RPMB frame')) return TEE_ERROR_OUT_OF_MEMORY;
    heap.free(RPMB_DATA_FRAME_SIZE);
    if (blkIdx > link.maxBlkIdx) return TEE_ERROR_GENERIC;
    const nonce = link.nonce();
    const msgType = RPMB_MSG_TYPE_REQ_AUTH_DATA_READ;
    const request = packFrames({ msgType, blkIdx, nonce }, 1);
    const response = new Uint8Array(count * RPMB_DATA_FRAME_SIZE);
    let res = yield* link.invoke(thread, request, response, { blockCount: count });
    if (res !== TEE_SUCCESS) return res;
    if (count === 0) return TEE_ERROR_BAD_PARAMETERS;
    const expected = { msgType: RPMB_MSG_TYPE_RESP_AUTH_DATA_READ, blkIdx, nonce, key: link.key };
    res = link.check(thread, response, expected);
    return res === TEE_SUCCESS ? response : res;
  }

  /** Takes the data out of frames. A file without a key was written by a core without encryption. */
  #open(frames: Uint8Array, blkIdx: number, seal: BlockSeal | undefined): Uint8Array | number {
    const view = viewOf(frames);
    const blocks = new Uint8Array((frames.length / RPMB_DATA_FRAME_SIZE) * RPMB_DATA_SIZE);
    for (let at = 0; at < frames.length; at += RPMB_DATA_FRAME_SIZE) {
      blocks.set(RpmbDataFrame.data.bytes(view, at), (at / RPMB_DATA_FRAME_SIZE) * RPMB_DATA_SIZE);
    }
    if (seal === undefined) return blocks;
    if (seal.fek.every((byte) => byte === 0)) return TEE_ERROR_SECURITY;
    return cryptBlocks(this.#core.crypto, this.#keys, seal, false, blkIdx, blocks);
  }

  /** tee_rpmb_write_blk() */
  *#writeBlocks(
    thread: ThreadCtx,
    blkIdx: number,
    data: Uint8Array,
    seal: BlockSeal | undefined,
  ): Co<number> {
    const count = data.length / RPMB_DATA_SIZE;
    const fn = 'tee_rpmb_write_blk';
    this.link.debug(thread, fn, `Write ${count} block${count > 1 ? 's' : ''} at index ${blkIdx}`);
    if (count === 0) return TEE_ERROR_BAD_PARAMETERS;
    let res = yield* this.link.init(thread);
    if (res !== TEE_SUCCESS) return res;
    res = yield* this.link.reserve(thread, 1, 1);
    for (let n = 0; n < count && res === TEE_SUCCESS; n++) {
      const block = data.subarray(n * RPMB_DATA_SIZE, (n + 1) * RPMB_DATA_SIZE);
      res = yield* this.#writeBlock(thread, (blkIdx + n) & U16, block, seal);
    }
    return res;
  }

  /** write_req() */
  *#writeBlock(
    thread: ThreadCtx,
    blkIdx: number,
    block: Uint8Array,
    seal: BlockSeal | undefined,
  ): Co<number> {
    const { crypto, heap } = this.#core;
    if (!heap.alloc(RPMB_DATA_FRAME_SIZE, 'an RPMB frame')) return TEE_ERROR_OUT_OF_MEMORY;
    heap.free(RPMB_DATA_FRAME_SIZE);
    if (blkIdx > this.link.maxBlkIdx) return TEE_ERROR_GENERIC;
    const data =
      seal === undefined ? block : cryptBlocks(crypto, this.#keys, seal, true, blkIdx, block);
    const counter = { writeCounter: this.link.writeCounter };
    for (let tries = 0; tries < RPMB_MAX_RETRIES; tries++) {
      if ((yield* this.#tryWrite(thread, blkIdx, data, counter)) === TEE_SUCCESS) {
        return TEE_SUCCESS;
      }
      this.link.wrCntSynced = false;
    }
    return this.#outOfRetries(blkIdx);
  }

  *#tryWrite(
    thread: ThreadCtx,
    blkIdx: number,
    data: Uint8Array,
    counter: { writeCounter: number },
  ): Co<number> {
    const { link } = this;
    const msgType = RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE;
    const { writeCounter } = counter;
    const request = packFrames({ msgType, blockCount: 1, blkIdx, writeCounter, data }, 1);
    keyMacOf(request).set(macOfFrames(this.#core.crypto, link.key, request));
    const response = new Uint8Array(RPMB_DATA_FRAME_SIZE);
    const res = yield* link.invoke(thread, request, response, { cleared: true });
    if (res !== TEE_SUCCESS) return res;
    return link.check(thread, response, {
      msgType: RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE,
      blkIdx,
      counter,
      counted: () => {
        link.writeCounter = (link.writeCounter + 1) >>> 0;
      },
      key: link.key,
    });
  }

  /** A TA that gets this panics: what it wanted stored may be, or not. */
  #outOfRetries(blkIdx: number): number {
    this.link.dead = true;
    this.#core.trace.cause('secure', {
      layer: 'optee-os',
      code: 'TEE_ERROR_COMMUNICATION',
      text: `block ${blkIdx} could not be written to the RPMB device in ${RPMB_MAX_RETRIES} tries`,
      object: 'RPMB device',
      limit: `RPMB_MAX_RETRIES=${RPMB_MAX_RETRIES}`,
      hint: 'the core does not use the device again until it boots',
    });
    return TEE_ERROR_COMMUNICATION;
  }
}
