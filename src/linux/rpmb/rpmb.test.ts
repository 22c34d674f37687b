import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { EINVAL, EIO } from '../../abi/errno.ts';
import {
  RPMB_DATA_FRAME_SIZE,
  RPMB_KEY_MAC_SIZE,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_READ,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_REQ_RESULT_READ,
  RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
  RPMB_MSG_TYPE_RESP_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_RESP_WRITE_COUNTER_VAL_READ,
  RpmbDataFrame,
} from '../../abi/optee-rpc.ts';
import {
  EMU_RPMB_CID,
  EmulatedRpmb,
  RPMB_IMAGE_SIZE,
  newRpmbImage,
} from '../../machine/emulated-rpmb.ts';
import type { HmacSha256, ImageRange } from '../../machine/emulated-rpmb.ts';
import type { Co } from '../../sched/task.ts';
import { makeKernel } from '../process/testing/make-kernel.ts';
import { MmcRpmb } from './mmc-rpmb.ts';
import { RpmbCore, rpmbRouteFrames } from './rpmb-core.ts';
import type { RpmbDevice } from './rpmb-core.ts';

const FRAME = RPMB_DATA_FRAME_SIZE;

const HMAC: HmacSha256 = (key, data) => createHmac('sha256', key).update(data).digest();

const card = (): MmcRpmb => new MmcRpmb(new EmulatedRpmb(new Uint8Array(RPMB_IMAGE_SIZE), HMAC));

function now<T>(call: Co<T>): T {
  const step = call.next();
  assert.ok(step.done);
  return step.value;
}

function request(type: number, size = FRAME): Uint8Array {
  const frames = new Uint8Array(size);
  if (size >= FRAME) RpmbDataFrame.msgType.set(new DataView(frames.buffer), 0, type);
  return frames;
}

const typeOf = (response: Uint8Array): number =>
  RpmbDataFrame.msgType.get(new DataView(response.buffer), 0);

describe('the class', () => {
  it('tells of devices that are there and that come', () => {
    const kernel = makeKernel();
    const rpmb = new RpmbCore(kernel);
    const [first, second, third] = [card(), card(), card()];
    assert.equal(rpmb.register(first), 0);
    const seen: RpmbDevice[] = [];
    const stop = rpmb.onAdd((device) => seen.push(device));
    assert.equal(rpmb.register(second), 1);
    stop();
    assert.equal(rpmb.register(third), 2);
    assert.deepEqual(seen, [first, second]);
    assert.deepEqual(rpmb.devices, [first, second, third]);
    const added = kernel.uevents.log.filter(({ subsystem }) => subsystem === 'rpmb');
    assert.deepEqual(
      added.map(({ action, devpath }) => `${action} ${devpath}`),
      [0, 1, 2].map((id) => `add /class/rpmb/rpmb${id}`),
    );
  });

  it('refuses a device without an id, and empty frames', () => {
    const kernel = makeKernel();
    const nameless: RpmbDevice = { ...plain(card()), devId: new Uint8Array(0) };
    assert.equal(new RpmbCore(kernel).register(nameless), -EINVAL);
    const none = new Uint8Array(0);
    const one = request(RPMB_MSG_TYPE_REQ_AUTH_DATA_READ);
    assert.equal(now(rpmbRouteFrames(card(), none, one)), -EINVAL);
    assert.equal(now(rpmbRouteFrames(card(), one, none)), -EINVAL);
  });
});

/** A device as a plain object. */
const plain = (device: MmcRpmb): RpmbDevice => ({
  type: device.type,
  devId: device.devId,
  capacity: device.capacity,
  reliableWrCount: device.reliableWrCount,
  routeFrames: (req, resp) => device.routeFrames(req, resp),
});

describe('the eMMC', () => {
  it('is that of the emulation', () => {
    const { type, devId, capacity } = card();
    assert.deepEqual([type, devId, capacity], ['emmc', EMU_RPMB_CID, 2]);
  });

  it('fails when its bytes cannot be kept, and keeps them the next time', () => {
    const image = newRpmbImage(3, new Uint8Array(16).fill(9));
    const kept: (readonly ImageRange[])[] = [];
    let fails = true;
    const device = new MmcRpmb(new EmulatedRpmb(image, HMAC), (changed) => {
      kept.push(changed);
      return !fails;
    });
    assert.deepEqual([device.capacity, device.devId], [3, new Uint8Array(16).fill(9)]);
    const response = new Uint8Array(FRAME);
    const frames = request(RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM);
    assert.equal(now(device.routeFrames(frames, response)), -EIO);
    fails = false;
    const counter = request(RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ);
    assert.equal(now(device.routeFrames(counter, response)), 0);
    assert.equal(now(device.routeFrames(counter, response)), 0);
    const state = { offset: 3 * 131_072, length: 64 };
    assert.deepEqual(kept, [[state], [state], []]);
  });

  it('programs a key and tells the result, and leaves the request alone', () => {
    const device = card();
    const frames = request(RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM);
    const key = new Uint8Array(RPMB_KEY_MAC_SIZE).fill(5);
    RpmbDataFrame.keyMac.bytes(new DataView(frames.buffer), 0).set(key);
    const before = frames.slice();
    const response = new Uint8Array(FRAME).fill(0xff);
    assert.equal(now(device.routeFrames(frames, response)), 0);
    assert.equal(typeOf(response), RPMB_MSG_TYPE_RESP_AUTH_KEY_PROGRAM);
    assert.deepEqual(frames, before);
    assert.ok(device.device.isKeySet);
    const counter = request(RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ);
    assert.equal(now(device.routeFrames(counter, response)), 0);
    assert.equal(typeOf(response), RPMB_MSG_TYPE_RESP_WRITE_COUNTER_VAL_READ);
  });

  const ROWS: readonly (readonly [number, number, number, number])[] = [
    [RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM, FRAME, FRAME, 0],
    [RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM, 2 * FRAME, FRAME, -EINVAL],
    [RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM, FRAME, 2 * FRAME, -EINVAL],
    [RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ, FRAME, FRAME, 0],
    [RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ, 2 * FRAME, FRAME, -EINVAL],
    [RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ, FRAME, 2 * FRAME, -EINVAL],
    [RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE, FRAME, FRAME, 0],
    [RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE, 3 * FRAME, FRAME, 0],
    [RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE, FRAME + 1, FRAME, -EINVAL],
    [RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE, FRAME, 2 * FRAME, -EINVAL],
    [RPMB_MSG_TYPE_REQ_AUTH_DATA_READ, FRAME, 4 * FRAME, 0],
    [RPMB_MSG_TYPE_REQ_AUTH_DATA_READ, 2 * FRAME, FRAME, -EINVAL],
    [RPMB_MSG_TYPE_REQ_AUTH_DATA_READ, FRAME, FRAME - 1, -EINVAL],
    [RPMB_MSG_TYPE_REQ_RESULT_READ, FRAME, FRAME, -EINVAL],
    [0, FRAME, FRAME, -EINVAL],
    [RPMB_MSG_TYPE_REQ_AUTH_DATA_READ, FRAME - 1, FRAME, -EINVAL],
  ];
  for (const [type, requestSize, responseSize, rc] of ROWS) {
    it(`type ${type} of ${requestSize} bytes, ${responseSize} for the answer: ${rc}`, () => {
      const response = new Uint8Array(responseSize);
      assert.equal(now(card().routeFrames(request(type, requestSize), response)), rc);
    });
  }
});
