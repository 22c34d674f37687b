import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_GENERIC,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import {
  OPTEE_RPC_CMD_FS,
  OPTEE_RPC_CMD_RPMB,
  OPTEE_RPC_FS_OPENDIR,
  RPMB_CMD_DATA_REQ,
  RPMB_CMD_GET_DEV_INFO,
  RPMB_DATA_FRAME_SIZE,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_READ,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
  RPMB_RESULT_GENERAL_FAILURE,
  RPMB_RESULT_OK,
  RpmbDataFrame,
  RpmbDevInfo,
  RpmbReq,
} from '../../abi/optee-rpc.ts';
import { MemoryStore } from '../../host/memory-store.ts';
import { StoreError } from '../../host/store.ts';
import { EMU_RPMB_CID, RPMB_IMAGE_SIZE } from '../../machine/emulated-rpmb.ts';
import { UPSTREAM_USERLAND } from '../switches.ts';
import {
  INPUT,
  OUTPUT,
  Supplicant,
  VALUE_IN,
  VALUE_OUT,
  param,
  value,
} from '../testing/supplicant.ts';
import type { SupplicantOptions } from '../testing/supplicant.ts';
import { NOTHING_HELD } from '../testing/tee-box.ts';
import { RPMB_FILE } from './rpmb.ts';

/** A request's bytes: its head, and frames of these types. */
function message(cmd: number, types: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(RpmbReq.byteLength + types.length * RPMB_DATA_FRAME_SIZE);
  const view = new DataView(bytes.buffer);
  RpmbReq.cmd.set(view, 0, cmd);
  types.forEach((type, n) => {
    RpmbDataFrame.msgType.set(view, RpmbReq.byteLength + n * RPMB_DATA_FRAME_SIZE, type);
  });
  return bytes;
}

class Rpmb extends Supplicant {
  readonly store: MemoryStore;

  constructor(options: SupplicantOptions = {}, store = new MemoryStore()) {
    super(options);
    this.store = store;
    this.box.kernel.mount('/var/lib/tee', store);
    this.start();
  }

  request(bytes: Uint8Array, room: number): number | undefined {
    return this.result(
      OPTEE_RPC_CMD_RPMB,
      this.memref(INPUT, bytes),
      this.room(OUTPUT, room, 'response'),
    );
  }

  data(types: readonly number[], frames = 1): number | undefined {
    return this.request(message(RPMB_CMD_DATA_REQ, types), frames * RPMB_DATA_FRAME_SIZE);
  }

  /** The first frame of the response. */
  get frame(): DataView {
    return new DataView(this.bytes(RPMB_DATA_FRAME_SIZE, 'response').buffer);
  }
  get opResult(): number {
    return RpmbDataFrame.opResult.get(this.frame, 0);
  }
}

const PROGRAM = [RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM];
const COUNTER = [RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ];
const WRITE = [RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE];
const READ = [RPMB_MSG_TYPE_REQ_AUTH_DATA_READ];

describe('the device', () => {
  it('tells what it is', async () => {
    const rpmb = new Rpmb();
    const size = RpmbDevInfo.byteLength;
    assert.equal(rpmb.request(message(RPMB_CMD_GET_DEV_INFO), size), TEEC_SUCCESS);
    assert.deepEqual([...rpmb.bytes(size, 'response')], [...EMU_RPMB_CID, 2, 1, 0]);
    assert.equal(rpmb.store.list('')?.length, 0);
    assert.deepEqual(await rpmb.held(), NOTHING_HELD);
  });

  it('programs a key, once, and reads its counter', async () => {
    const rpmb = new Rpmb();
    assert.equal(rpmb.data(PROGRAM), TEEC_SUCCESS);
    assert.equal(rpmb.opResult, RPMB_RESULT_OK);
    assert.equal(rpmb.data(PROGRAM), TEEC_SUCCESS);
    assert.equal(rpmb.opResult, RPMB_RESULT_GENERAL_FAILURE);
    assert.equal(rpmb.data(COUNTER), TEEC_SUCCESS);
    assert.equal(RpmbDataFrame.writeCounter.get(rpmb.frame, 0), 0);
    assert.equal(rpmb.data(READ, 3), TEEC_SUCCESS);
    assert.deepEqual(await rpmb.held(), NOTHING_HELD);
  });

  it('is not there without an HMAC', () => {
    const rpmb = new Rpmb({ withoutRpmb: true });
    assert.equal(rpmb.data(PROGRAM), TEEC_ERROR_BAD_PARAMETERS);
    const info = message(RPMB_CMD_GET_DEV_INFO);
    assert.equal(rpmb.request(info, RpmbDevInfo.byteLength), TEEC_ERROR_ITEM_NOT_FOUND);
    assert.equal(rpmb.request(info, 1), TEEC_ERROR_BAD_PARAMETERS);
  });
});

describe('its file', () => {
  it('outlives the process', () => {
    const first = new Rpmb();
    first.data(PROGRAM);
    assert.deepEqual(first.store.list(''), [RPMB_FILE]);
    assert.equal(first.store.stat(RPMB_FILE)?.sizeBytes, RPMB_IMAGE_SIZE);
    const second = new Rpmb({}, first.store);
    second.data(PROGRAM);
    assert.equal(second.opResult, RPMB_RESULT_GENERAL_FAILURE);
  });

  it('is hidden from listings', () => {
    const rpmb = new Rpmb();
    rpmb.data(PROGRAM);
    const opendir = rpmb.result(
      OPTEE_RPC_CMD_FS,
      value(VALUE_IN, OPTEE_RPC_FS_OPENDIR),
      rpmb.memref(INPUT, '/\0'),
      param(VALUE_OUT),
    );
    assert.equal(opendir, TEEC_ERROR_ITEM_NOT_FOUND);
  });

  it('of another size is none', () => {
    const store = new MemoryStore();
    store.createFile(RPMB_FILE);
    store.write(RPMB_FILE, 0, new Uint8Array(100));
    const rpmb = new Rpmb({}, store);
    assert.equal(rpmb.data(PROGRAM), TEEC_ERROR_BAD_PARAMETERS);
    assert.match(rpmb.box.kernel.trace.lastCause?.text ?? '', /100 bytes instead of 262208/);
    assert.equal(store.stat(RPMB_FILE)?.sizeBytes, 100);
  });

  it('that cannot be written fails the request, and is written the next time', () => {
    const store = new (class extends MemoryStore {
      isFull = true;
      override write(path: string, offset: number, data: Uint8Array): boolean {
        if (this.isFull) throw new StoreError('ENOSPC', path);
        return super.write(path, offset, data);
      }
    })();
    const rpmb = new Rpmb({}, store);
    assert.equal(rpmb.data(PROGRAM), TEEC_ERROR_GENERIC);
    store.isFull = false;
    assert.equal(rpmb.data(COUNTER), TEEC_SUCCESS);
    const again = new Rpmb({}, store);
    again.data(PROGRAM);
    assert.equal(again.opResult, RPMB_RESULT_GENERAL_FAILURE);
  });
});

describe('requests', () => {
  for (const [what, bytes, room, result] of [
    ['no head', new Uint8Array(5), 512, TEEC_ERROR_BAD_PARAMETERS],
    ['no such command', message(2), 512, TEEC_ERROR_BAD_PARAMETERS],
    ['frames behind GET_DEV_INFO', message(1, [1]), 19, TEEC_ERROR_BAD_PARAMETERS],
    ['too much room for GET_DEV_INFO', message(1), 20, TEEC_ERROR_BAD_PARAMETERS],
    ['no whole frame', message(0), 512, TEEC_ERROR_BAD_PARAMETERS],
    ['no such type', message(0, [6]), 512, TEEC_ERROR_GENERIC],
    ['a request for a result', message(0, [5]), 512, TEEC_ERROR_GENERIC],
    ['no room for the result', message(0, WRITE), 511, TEEC_ERROR_BAD_PARAMETERS],
    ['room for two results', message(0, PROGRAM), 1024, TEEC_ERROR_BAD_PARAMETERS],
    ['room for two counters', message(0, COUNTER), 1024, TEEC_ERROR_BAD_PARAMETERS],
    ['no room for a block is no error', message(0, READ), 0, TEEC_SUCCESS],
  ] as const) {
    it(`${what}: 0x${result.toString(16)}`, () => {
      assert.equal(new Rpmb().request(bytes, room), result);
    });
  }

  for (const [quirk, pair, result] of [
    [true, [3, 3], TEEC_ERROR_BAD_PARAMETERS],
    [false, [3, 3], TEEC_SUCCESS],
    [false, [3, 4], TEEC_ERROR_BAD_PARAMETERS],
    [false, [2, 2], TEEC_ERROR_BAD_PARAMETERS],
    // The bytes of the second one, the wrong way round, are the first one's.
    [true, [3, 0x300], TEEC_SUCCESS],
  ] as const) {
    it(`two frames of types ${pair.join(' and ')}, quirk ${quirk}: 0x${result.toString(16)}`, () => {
      const switches = { ...UPSTREAM_USERLAND, quirkRpmbSingleFrames: quirk };
      assert.equal(new Rpmb({ switches }).data(pair), result);
    });
  }

  it('want two buffers', () => {
    const rpmb = new Rpmb();
    const input = (): ReturnType<Rpmb['memref']> => rpmb.memref(INPUT, message(1));
    for (const params of [[], [input()], [param(INPUT), param(OUTPUT)], [param(OUTPUT), input()]]) {
      assert.equal(rpmb.result(OPTEE_RPC_CMD_RPMB, ...params), TEEC_ERROR_BAD_PARAMETERS);
    }
    // Without a buffer, sizes are 0.
    assert.equal(
      rpmb.result(OPTEE_RPC_CMD_RPMB, input(), param(OUTPUT)),
      TEEC_ERROR_BAD_PARAMETERS,
    );
  });
});
