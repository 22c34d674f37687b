import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  RPMB_DATA_FRAME_SIZE,
  RPMB_DATA_OFFSET,
  RPMB_DATA_SIZE,
  RPMB_KEY_MAC_SIZE,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_READ,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_REQ_RESULT_READ,
  RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
  RPMB_MSG_TYPE_RESP_AUTH_DATA_READ,
  RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_RESP_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_RESP_WRITE_COUNTER_VAL_READ,
  RPMB_RESULT_ADDRESS_FAILURE,
  RPMB_RESULT_AUTH_FAILURE,
  RPMB_RESULT_AUTH_KEY_NOT_PROGRAMMED,
  RPMB_RESULT_GENERAL_FAILURE,
  RPMB_RESULT_OK,
  RpmbDataFrame,
} from '../abi/optee-rpc.ts';
import { EmulatedRpmb, RPMB_IMAGE_SIZE } from './emulated-rpmb.ts';

const KEY = new Uint8Array(RPMB_KEY_MAC_SIZE).fill(0x42);
const BLOCKS = 1024;

const hmac = (key: Uint8Array, data: Uint8Array): Uint8Array =>
  Uint8Array.from(createHmac('sha256', key).update(data).digest());

/** Frames and a view of each of their fields. */
class Frames {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(count = 1) {
    this.bytes = new Uint8Array(count * RPMB_DATA_FRAME_SIZE);
    this.view = new DataView(this.bytes.buffer);
  }
  get count(): number {
    return this.bytes.length / RPMB_DATA_FRAME_SIZE;
  }
  at(n: number): number {
    return n * RPMB_DATA_FRAME_SIZE;
  }
  set(field: 'msgType' | 'address' | 'blockCount' | 'writeCounter', v: number): this {
    for (let n = 0; n < this.count; n++) RpmbDataFrame[field].set(this.view, this.at(n), v);
    return this;
  }
  get(field: 'msgType' | 'address' | 'opResult' | 'writeCounter', n = 0): number {
    return RpmbDataFrame[field].get(this.view, this.at(n));
  }
  field(field: 'data' | 'nonce' | 'keyMac', n = 0): Uint8Array {
    return RpmbDataFrame[field].bytes(this.view, this.at(n));
  }
  mac(key = KEY): Uint8Array {
    const parts = Array.from({ length: this.count }, (_, n) => [
      ...this.bytes.subarray(this.at(n) + RPMB_DATA_OFFSET, this.at(n + 1)),
    ]);
    return hmac(key, Uint8Array.from(parts.flat()));
  }
  sign(key = KEY): this {
    this.field('keyMac', this.count - 1).set(this.mac(key));
    return this;
  }
}

const blank = (): EmulatedRpmb => new EmulatedRpmb(new Uint8Array(RPMB_IMAGE_SIZE), hmac);

function withKey(): EmulatedRpmb {
  const device = blank();
  program(device);
  device.saved();
  return device;
}

function result(device: EmulatedRpmb): Frames {
  const frames = new Frames().set('msgType', RPMB_MSG_TYPE_REQ_RESULT_READ);
  device.write(frames.bytes);
  device.read(frames.bytes);
  return frames;
}

function program(device: EmulatedRpmb, key = KEY): Frames {
  const frames = new Frames().set('msgType', RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM);
  frames.field('keyMac').set(key);
  device.write(frames.bytes);
  return result(device);
}

function counter(device: EmulatedRpmb, nonce: number): Frames {
  const frames = new Frames().set('msgType', RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ);
  frames.field('nonce').fill(nonce);
  device.write(frames.bytes);
  const answer = new Frames();
  device.read(answer.bytes);
  return answer;
}

function write(device: EmulatedRpmb, address: number, fill: readonly number[], key = KEY): Frames {
  const frames = new Frames(fill.length)
    .set('msgType', RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE)
    .set('address', address);
  fill.forEach((byte, n) => frames.field('data', n).fill(byte));
  device.write(frames.sign(key).bytes);
  return result(device);
}

function read(device: EmulatedRpmb, address: number, count: number, nonce = 7): Frames {
  const frames = new Frames()
    .set('msgType', RPMB_MSG_TYPE_REQ_AUTH_DATA_READ)
    .set('address', address);
  frames.field('nonce').fill(nonce);
  device.write(frames.bytes);
  const answer = new Frames(count);
  device.read(answer.bytes);
  return answer;
}

describe('the key', () => {
  it('is set once', () => {
    const device = blank();
    assert.equal(device.isKeySet, false);
    const first = program(device);
    assert.equal(first.get('msgType'), RPMB_MSG_TYPE_RESP_AUTH_KEY_PROGRAM);
    assert.equal(first.get('opResult'), RPMB_RESULT_OK);
    const second = program(device, new Uint8Array(RPMB_KEY_MAC_SIZE));
    assert.equal(second.get('opResult'), RPMB_RESULT_GENERAL_FAILURE);
    assert.deepEqual(counter(device, 1).field('keyMac'), counter(device, 1).mac());
  });

  it('is needed for everything that has a MAC', () => {
    const device = blank();
    assert.equal(counter(device, 1).get('opResult'), RPMB_RESULT_AUTH_KEY_NOT_PROGRAMMED);
    assert.equal(write(device, 0, [1]).get('opResult'), RPMB_RESULT_AUTH_FAILURE);
    const answer = read(device, 0, 1);
    assert.equal(answer.get('msgType'), RPMB_MSG_TYPE_RESP_AUTH_DATA_READ);
    assert.deepEqual([...new Set(answer.field('keyMac'))], [0], 'no MAC');
    assert.equal(device.changes.length, 0);
  });
});

describe('the counter', () => {
  it('counts blocks that are written, and is signed with the nonce', () => {
    const device = withKey();
    assert.equal(counter(device, 1).get('writeCounter'), 0);
    write(device, 3, [1]);
    write(device, 3, [1, 2]);
    const answer = counter(device, 9);
    assert.equal(answer.get('msgType'), RPMB_MSG_TYPE_RESP_WRITE_COUNTER_VAL_READ);
    assert.equal(answer.get('writeCounter'), 3);
    assert.equal(answer.get('opResult'), RPMB_RESULT_OK);
    assert.deepEqual([...new Set(answer.field('nonce'))], [9]);
    assert.deepEqual(answer.field('keyMac'), answer.mac());
  });

  it('wraps, and no request is held against it', () => {
    const device = withKey();
    const image = device.image;
    new DataView(image.buffer).setUint32(BLOCKS * RPMB_DATA_SIZE + RPMB_KEY_MAC_SIZE, 0xffff_ffff);
    assert.equal(device.writeCounter, 0xffff_ffff);
    assert.equal(write(device, 0, [1]).get('writeCounter'), 0);
  });
});

describe('blocks', () => {
  it('are written and read back, signed', () => {
    const device = withKey();
    const written = write(device, 5, [0xa, 0xb]);
    assert.equal(written.get('msgType'), RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE);
    assert.equal(written.get('opResult'), RPMB_RESULT_OK);
    assert.equal(written.get('address'), 5);
    assert.equal(written.get('writeCounter'), 2);
    assert.deepEqual(written.field('keyMac'), written.mac());
    const answer = read(device, 4, 3);
    assert.deepEqual(
      [0, 1, 2].map((n) => answer.field('data', n)[255]),
      [0, 0xa, 0xb],
    );
    assert.deepEqual(answer.field('keyMac', 2), answer.mac());
    for (const n of [0, 1, 2]) {
      assert.equal(answer.get('msgType', n), RPMB_MSG_TYPE_RESP_AUTH_DATA_READ);
      assert.equal(answer.get('address', n), 4);
      assert.deepEqual([...new Set(answer.field('nonce', n))], [7]);
      // Little endian, as upstream writes it.
      assert.deepEqual([...answer.bytes.subarray(answer.at(n) + 506, answer.at(n) + 508)], [3, 0]);
    }
  });

  it('are refused with another MAC', () => {
    const device = withKey();
    const wrong = write(device, 0, [1], new Uint8Array(RPMB_KEY_MAC_SIZE));
    assert.equal(wrong.get('opResult'), RPMB_RESULT_AUTH_FAILURE);
    assert.equal(wrong.get('writeCounter'), 0);
    assert.equal(read(device, 0, 1).field('data')[0], 0);
  });

  it('end with the device', () => {
    const device = withKey();
    assert.equal(write(device, BLOCKS - 1, [1]).get('opResult'), RPMB_RESULT_OK);
    for (const [address, fill] of [
      [BLOCKS, [1]],
      [BLOCKS - 1, [1, 2]],
      [0xffff, [1]],
    ] as const) {
      assert.equal(write(device, address, fill).get('opResult'), RPMB_RESULT_ADDRESS_FAILURE);
    }
    const untouched = read(device, BLOCKS - 1, 2);
    assert.deepEqual(untouched.bytes, new Uint8Array(2 * RPMB_DATA_FRAME_SIZE));
    assert.equal(read(device, BLOCKS - 1, 1).field('data')[0], 1);
  });

  it('a request is changed where it stands', () => {
    const device = withKey();
    const frames = new Frames(2).set('msgType', RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE).sign();
    device.write(frames.bytes);
    assert.deepEqual([frames.get('writeCounter', 0), frames.get('writeCounter', 1)], [1, 2]);
    assert.equal(frames.get('msgType', 1), RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE);
  });
});

describe('the image', () => {
  it('is the device', () => {
    const device = withKey();
    write(device, 1, [1]);
    const again = new EmulatedRpmb(device.image.slice(), hmac);
    assert.deepEqual([again.isKeySet, again.writeCounter], [true, 1]);
    assert.equal(read(again, 1, 1).field('data')[0], 1);
    assert.throws(() => new EmulatedRpmb(new Uint8Array(1), hmac), RangeError);
  });

  it('says what of it has changed', () => {
    const device = withKey();
    write(device, 2, [1, 2]);
    const [data, state] = device.changes;
    assert.deepEqual(data, { offset: 2 * RPMB_DATA_SIZE, length: 2 * RPMB_DATA_SIZE });
    assert.equal(state?.offset, BLOCKS * RPMB_DATA_SIZE);
    device.saved();
    assert.equal(device.changes.length, 0);
  });
});

it('answers nothing to what it does not know', () => {
  const device = withKey();
  for (const type of [0, 6, RPMB_MSG_TYPE_RESP_AUTH_DATA_READ]) {
    device.write(new Frames().set('msgType', type).bytes);
  }
  const fresh = blank();
  const frames = new Frames();
  fresh.read(frames.bytes);
  assert.deepEqual(frames.bytes, new Uint8Array(RPMB_DATA_FRAME_SIZE));
});
