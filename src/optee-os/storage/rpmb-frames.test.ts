import assert from 'node:assert/strict';
import { createCipheriv, createHash, createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_SECURITY,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  RPMB_DATA_FRAME_SIZE,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_RESP_AUTH_DATA_READ,
  RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_RESP_WRITE_COUNTER_VAL_READ,
  RpmbDataFrame,
} from '../../abi/optee-rpc.ts';
import { EMU_RPMB_CID } from '../../machine/emulated-rpmb.ts';
import { cryptBlocks } from './rpmb-crypt-block.ts';
import { checkFrames, keyMacOf, macOfFrames, packFrames, viewOf } from './rpmb-frames.ts';
import type { RpmbExpectation } from './rpmb-frames.ts';
import { RPMB_TEST_KEY, rpmbKey } from './rpmb-link.ts';
import { TeeFsKeyManager } from './tee-fs-key-manager.ts';
import { teeUuid } from './tee-fs.ts';
import { CRYPTO, pattern } from './testing/rpmb-world.ts';
import { TA } from './testing/storage-world.ts';

const KEY = RPMB_TEST_KEY;
const NONCE = pattern(16, 3);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const sha256Mac = (key: Uint8Array, data: Uint8Array): string =>
  createHmac('sha256', key).update(data).digest('hex');

describe('a request', () => {
  it('lies as JEDEC has it, big endian', () => {
    const frames = packFrames(
      {
        msgType: RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE,
        blockCount: 1,
        blkIdx: 0x123,
        writeCounter: 0x01020304,
        nonce: NONCE,
        data: pattern(256),
      },
      1,
    );
    const stuffAndMac = '00'.repeat(228);
    const tail = '01020304' + '0123' + '0001' + '0000' + '0003';
    assert.equal(hex(frames), stuffAndMac + hex(pattern(256)) + hex(NONCE) + tail);
  });

  it('of two frames has the head in both, and one MAC over the 284 bytes of each', () => {
    const data = pattern(512);
    const frames = packFrames(
      { msgType: RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE, blockCount: 2, blkIdx: 7, data },
      2,
    );
    const view = viewOf(frames);
    for (const [n, at] of [0, RPMB_DATA_FRAME_SIZE].entries()) {
      assert.equal(RpmbDataFrame.address.get(view, at), 7);
      assert.equal(RpmbDataFrame.blockCount.get(view, at), 2);
      assert.deepEqual(RpmbDataFrame.data.bytes(view, at), data.subarray(n * 256, n * 256 + 256));
    }
    const covered = Buffer.concat([frames.subarray(228, 512), frames.subarray(740, 1024)]);
    assert.equal(hex(macOfFrames(CRYPTO, KEY, frames)), sha256Mac(KEY, covered));
    keyMacOf(frames).fill(0xee);
    assert.deepEqual([...new Set(frames.subarray(512 + 196, 512 + 228))], [0xee]);
  });
});

describe('the key', () => {
  it('is derived from the CID without what a firmware update changes', () => {
    const message = Buffer.from(EMU_RPMB_CID);
    message[9] = message[15] = 0;
    // The hardware unique key of the board; no usage word stands before the CID.
    const expected = sha256Mac(new Uint8Array(16), message);
    assert.equal(hex(rpmbKey(CRYPTO, EMU_RPMB_CID)), expected);
    for (const [octet, same] of [
      [9, true],
      [15, true],
      [8, false],
    ] as const) {
      const cid = EMU_RPMB_CID.slice();
      cid[octet] = 0x77;
      assert.equal(hex(rpmbKey(CRYPTO, cid)) === expected, same, `octet ${octet}`);
    }
  });
});

describe('blocks of files', () => {
  it('are AES-CBC under the file key, from an ESSIV of their place', () => {
    const keys = new TeeFsKeyManager(CRYPTO);
    const uuid = teeUuid(TA);
    const fek = pattern(16, 9);
    const seal = { uuid, fek: keys.fekCrypt(uuid, true, fek) };
    const plain = pattern(512, 1);
    const cipher = [0x0203, 0x0204].map((block, n) => {
      const place = Buffer.alloc(16);
      place.writeUInt16LE(block);
      const ivKey = createHash('sha256').update(fek).digest().subarray(0, 16);
      const iv = createCipheriv('aes-128-ecb', ivKey, null).setAutoPadding(false).update(place);
      const cbc = createCipheriv('aes-128-cbc', fek, iv).setAutoPadding(false);
      return cbc.update(plain.subarray(n * 256, n * 256 + 256));
    });
    const encrypted = cryptBlocks(CRYPTO, keys, seal, true, 0x0203, plain);
    assert.equal(hex(encrypted), hex(Buffer.concat(cipher)));
    assert.deepEqual(cryptBlocks(CRYPTO, keys, seal, false, 0x0203, encrypted), plain);
    const otherTa = { ...seal, uuid: new Uint8Array(16) };
    assert.notDeepEqual(cryptBlocks(CRYPTO, keys, otherTa, false, 0x0203, encrypted), plain);
  });
});

describe('an answer', () => {
  const READ: RpmbExpectation = {
    msgType: RPMB_MSG_TYPE_RESP_AUTH_DATA_READ,
    blkIdx: 5,
    nonce: NONCE,
    key: KEY,
  };

  function answer(msgType: number, change: (view: DataView, last: number) => void = () => {}) {
    const blkIdx = 5;
    const frames = packFrames({ msgType, blkIdx, nonce: NONCE, writeCounter: 8 }, 2);
    change(viewOf(frames), RPMB_DATA_FRAME_SIZE);
    keyMacOf(frames).set(macOfFrames(CRYPTO, KEY, frames));
    return frames;
  }

  const ROWS: readonly [string, number, (view: DataView, last: number) => void][] = [
    ['is fine', TEE_SUCCESS, () => {}],
    ['the key is not programmed', TEE_ERROR_ITEM_NOT_FOUND, (v, at) => setResult(v, at, 7)],
    ['beside an expired counter', TEE_ERROR_ITEM_NOT_FOUND, (v, at) => setResult(v, at, 0x87)],
    ['only the counter has expired', TEE_SUCCESS, (v, at) => setResult(v, at, 0x80)],
    ...[1, 2, 3, 4, 5, 6, 8, 0x3f].map(
      (n) =>
        [`result ${n}`, TEE_ERROR_GENERIC, (v: DataView, at: number) => setResult(v, at, n)] as [
          string,
          number,
          (view: DataView, last: number) => void,
        ],
    ),
    ['only the last frame tells', TEE_SUCCESS, (v) => setResult(v, 0, 1)],
    ['another type', TEE_ERROR_GENERIC, (v, at) => RpmbDataFrame.msgType.set(v, at, 0x300)],
    ['another block', TEE_ERROR_GENERIC, (v, at) => RpmbDataFrame.address.set(v, at, 6)],
    ['another nonce', TEE_ERROR_SECURITY, (v, at) => RpmbDataFrame.nonce.bytes(v, at).fill(0)],
  ];
  const setResult = (view: DataView, at: number, result: number): void =>
    RpmbDataFrame.opResult.set(view, at, result);

  for (const [name, res, change] of ROWS) {
    it(`${name}: 0x${res.toString(16)}`, () => {
      const frames = answer(RPMB_MSG_TYPE_RESP_AUTH_DATA_READ, change);
      assert.equal(checkFrames(CRYPTO, frames, READ).res, res);
    });
  }

  it('has a MAC over every bit of both frames that it covers', () => {
    for (const frame of [0, RPMB_DATA_FRAME_SIZE]) {
      for (const at of [228, 300, 483]) {
        const frames = answer(RPMB_MSG_TYPE_RESP_AUTH_DATA_READ);
        frames[frame + at]! ^= 0x10;
        assert.equal(checkFrames(CRYPTO, frames, READ).res, TEE_ERROR_SECURITY, `${frame + at}`);
      }
    }
    const other = { ...READ, key: new Uint8Array(32) };
    const frames = answer(RPMB_MSG_TYPE_RESP_AUTH_DATA_READ);
    assert.equal(checkFrames(CRYPTO, frames, other).res, TEE_ERROR_SECURITY);
  });

  it('takes the counter from what it reads, and counts a write by one', () => {
    const counter = { writeCounter: 0 };
    const read = { msgType: RPMB_MSG_TYPE_RESP_WRITE_COUNTER_VAL_READ, counter, key: KEY };
    const type = RPMB_MSG_TYPE_RESP_WRITE_COUNTER_VAL_READ;
    assert.equal(checkFrames(CRYPTO, answer(type), read).res, TEE_SUCCESS);
    assert.equal(counter.writeCounter, 8);
    let counted = 0;
    const write = {
      msgType: RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE,
      counter,
      counted: () => (counted += 1),
      key: KEY,
    };
    for (const [before, res] of [
      [7, TEE_SUCCESS],
      [8, TEE_ERROR_SECURITY],
      [6, TEE_ERROR_SECURITY],
    ] as const) {
      counter.writeCounter = before;
      const frames = answer(RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE);
      assert.equal(checkFrames(CRYPTO, frames, write).res, res, `after ${before}`);
    }
    assert.equal(counted, 1);
    counter.writeCounter = 0xffffffff;
    const wrapped = answer(RPMB_MSG_TYPE_RESP_AUTH_DATA_WRITE, (view, at) =>
      RpmbDataFrame.writeCounter.set(view, at, 0),
    );
    assert.equal(checkFrames(CRYPTO, wrapped, write).res, TEE_SUCCESS);
  });
});
