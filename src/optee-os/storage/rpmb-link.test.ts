import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_COMMUNICATION,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SECURITY,
  TEE_ERROR_STORAGE_NOT_AVAILABLE,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  OPTEE_RPC_SHM_TYPE_APPL,
  OPTEE_RPC_SHM_TYPE_KERNEL,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_READ,
  RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE,
  RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM,
  RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
  RpmbDataFrame,
} from '../../abi/optee-rpc.ts';
import { RpmbFsPartition } from '../../abi/tee-fs.ts';
import { EMU_RPMB_CID } from '../../machine/emulated-rpmb.ts';
import { viewOf } from './rpmb-frames.ts';
import { RpmbWorld, THREAD, blankDevice, fileOf, pattern } from './testing/rpmb-world.ts';
import type { RpmbWorldOptions } from './testing/rpmb-world.ts';
import { now } from './testing/storage-world.ts';

const INFO = { cid: EMU_RPMB_CID, sizeMult: 2, relWrSecC: 1 };
const NO_KEY_WRITING = { CFG_RPMB_WRITE_KEY: false };

/** An RPMB device in use, as a core with another configuration boots on it. */
function used(options: RpmbWorldOptions = {}, first: RpmbWorldOptions = {}): RpmbWorld {
  const world = new RpmbWorld(first);
  now(fileOf(world.create('a', pattern(44))).close(THREAD));
  return world.reboot(options);
}

const types = (world: RpmbWorld): (number | undefined)[] =>
  world.transport.ops.map(({ type }) => type);

describe('the device through tee-supplicant', () => {
  it('is asked what it is, its counter is read, and a key is programmed', () => {
    const world = new RpmbWorld();
    assert.equal(world.open('a'), TEE_ERROR_ITEM_NOT_FOUND);
    assert.deepEqual(types(world).slice(0, 4), [
      undefined,
      RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
      RPMB_MSG_TYPE_REQ_AUTH_KEY_PROGRAM,
      RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
    ]);
    const { legacy, shmType } = world.transport.routes[0]!;
    assert.deepEqual([legacy, shmType], [true, OPTEE_RPC_SHM_TYPE_APPL]);
    assert.ok(world.device.isKeySet);
  });

  it('needs its key programmed, and says so', () => {
    const world = new RpmbWorld({ config: NO_KEY_WRITING });
    assert.equal(world.open('a'), TEE_ERROR_STORAGE_NOT_AVAILABLE);
    assert.equal(world.trace.lastCause?.limit, 'CFG_RPMB_WRITE_KEY=n');
    assert.ok(!world.device.isKeySet);
  });

  it('with the key of another core is not ours', () => {
    const world = used({ config: { CFG_RPMB_TESTKEY: true } });
    assert.equal(world.contents('a'), TEE_ERROR_SECURITY);
    assert.deepEqual(used().contents('a'), pattern(44));
    const test = { config: { CFG_RPMB_TESTKEY: true } };
    assert.deepEqual(used(test, test).contents('a'), pattern(44));
  });

  for (const [what, info, res] of [
    ['no size', { sizeMult: 0 }, TEE_ERROR_GENERIC],
    ['more blocks than a frame can name', { sizeMult: 129 }, TEE_ERROR_BAD_PARAMETERS],
    ['a failure', { retCode: 1 }, TEE_ERROR_GENERIC],
  ] as const) {
    it(`that tells of ${what} is none`, () => {
      const world = new RpmbWorld();
      world.transport.info = { ...INFO, ...info };
      assert.equal(world.open('a'), res);
    });
  }

  it('that does not answer is tried again the next time', () => {
    const world = used();
    world.transport.before = () => TEE_ERROR_COMMUNICATION;
    assert.equal(world.open('a'), TEE_ERROR_COMMUNICATION);
    world.transport.before = () => undefined;
    world.transport.outOfMemory = true;
    assert.equal(world.open('a'), TEE_ERROR_OUT_OF_MEMORY);
    world.transport.outOfMemory = false;
    assert.deepEqual(world.contents('a'), pattern(44));
  });

  it('is looked for only when the kernel does not route', () => {
    for (const probeResult of [TEE_ERROR_NOT_IMPLEMENTED, TEE_ERROR_COMMUNICATION]) {
      const world = used({ config: NO_KEY_WRITING });
      world.transport.probeResult = probeResult;
      const isWay = probeResult === TEE_ERROR_NOT_IMPLEMENTED;
      assert.deepEqual(world.contents('a'), isWay ? pattern(44) : probeResult);
    }
  });
});

describe('the device through the kernel', () => {
  const routed = (world: RpmbWorld, ...devices: (typeof INFO)[]): RpmbWorld => {
    world.transport.kernelDevices = devices;
    return world;
  };

  it('is the first that takes the key', () => {
    const world = routed(
      used({ config: NO_KEY_WRITING }),
      { ...INFO, sizeMult: 0 },
      { ...INFO, cid: new Uint8Array(16) },
      INFO,
    );
    assert.deepEqual(world.contents('a'), pattern(44));
    assert.deepEqual(types(world).slice(0, 3), [
      RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
      RPMB_MSG_TYPE_REQ_WRITE_COUNTER_VAL_READ,
      RPMB_MSG_TYPE_REQ_AUTH_DATA_READ,
    ]);
    const { legacy, shmType } = world.transport.routes[0]!;
    assert.deepEqual([legacy, shmType], [false, OPTEE_RPC_SHM_TYPE_KERNEL]);
  });

  it('without a key is passed over', () => {
    const world = routed(new RpmbWorld({ config: NO_KEY_WRITING }), INFO);
    assert.equal(world.open('a'), TEE_ERROR_ITEM_NOT_FOUND);
    assert.match(world.trace.lastCause?.text ?? '', /takes the key/);
  });

  it('is not the way to program a key', () => {
    const world = routed(used(), INFO);
    assert.deepEqual(world.contents('a'), pattern(44));
    assert.ok(world.transport.routes.every(({ legacy }) => legacy));
  });

  it('is looked for again, by its CID', () => {
    const world = routed(used({ config: NO_KEY_WRITING }), INFO);
    const reinit = (): number => now(world.fs.reinit(THREAD));
    assert.equal(reinit(), TEE_SUCCESS, 'the first time');
    assert.equal(reinit(), TEE_SUCCESS);
    routed(world, { ...INFO, cid: new Uint8Array(16) });
    assert.equal(reinit(), TEE_ERROR_ITEM_NOT_FOUND);
    assert.equal(world.open('a'), TEE_ERROR_ITEM_NOT_FOUND, 'until it is there');
    routed(world, { ...INFO, cid: new Uint8Array(16) }, INFO);
    assert.deepEqual(world.contents('a'), pattern(44));
  });
});

describe('an answer', () => {
  /** The next read of an object fails so. */
  function reading(change: (frames: DataView, response: Uint8Array) => void): unknown {
    const world = used();
    world.open('a');
    world.transport.after = ({ type }, response) => {
      if (type === RPMB_MSG_TYPE_REQ_AUTH_DATA_READ) change(viewOf(response), response);
      return undefined;
    };
    return world.contents('a');
  }

  for (const [what, res, change] of [
    ['of the device it was', TEE_SUCCESS, () => {}],
    ['with a flipped bit', TEE_ERROR_SECURITY, (view) => view.setUint8(230, 0xff)],
    ['that is another block', TEE_ERROR_GENERIC, (view) => RpmbDataFrame.address.set(view, 0, 1)],
    ['that is empty', TEE_ERROR_GENERIC, (_, response) => response.fill(0)],
  ] as readonly [string, number, (view: DataView, response: Uint8Array) => void][]) {
    it(`to a read ${what}: 0x${res.toString(16)}`, () => {
      const left = reading((view, response) => {
        // Only the last frame names the block.
        change(new DataView(view.buffer, view.byteOffset + response.length - 512), response);
      });
      assert.deepEqual(left, res === TEE_SUCCESS ? pattern(44) : res);
    });
  }

  it('to an earlier read is refused for its nonce', () => {
    let first: Uint8Array | undefined;
    const left = reading((_, response) => {
      if (response.length !== 8 * 512) return;
      if (first === undefined) first = response.slice();
      else response.set(first);
    });
    assert.equal(left, TEE_ERROR_SECURITY);
  });

  for (const fails of [1, 9, 10]) {
    it(`to a write that gets lost ${fails} times`, () => {
      const world = used();
      const file = fileOf(world.open('a'));
      let lost = 0;
      world.transport.before = ({ type }) =>
        type === RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE && lost++ < fails
          ? TEE_ERROR_COMMUNICATION
          : undefined;
      const res = now(file.write(THREAD, 0, pattern(44, 1)));
      if (fails < 10) {
        assert.equal(res, TEE_SUCCESS);
        assert.deepEqual(world.contents('a'), pattern(44, 1));
        return;
      }
      assert.equal(res, TEE_ERROR_COMMUNICATION);
      world.transport.before = () => undefined;
      assert.equal(world.open('a'), TEE_ERROR_COMMUNICATION, 'not used any more');
      assert.match(world.trace.lastCause?.limit ?? '', /RPMB_MAX_RETRIES=10/);
      assert.deepEqual(world.reboot().contents('a'), pattern(44));
    });
  }

  it('to a write that was done but got lost: the device refuses it the second time', () => {
    // A device that compares counters, as JEDEC has it: the emulated one writes twice.
    const world = used();
    const file = fileOf(world.open('a'));
    let isLost = false;
    world.transport.after = ({ type }, response) => {
      if (type !== RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE) return undefined;
      if (isLost) RpmbDataFrame.opResult.set(viewOf(response), 0, 3);
      isLost = true;
      return TEE_ERROR_COMMUNICATION;
    };
    assert.equal(now(file.write(THREAD, 0, pattern(44, 1))), TEE_ERROR_COMMUNICATION);
    assert.deepEqual(world.reboot().contents('a'), pattern(44, 1), 'it is written');
  });
});

describe('the counter', () => {
  it('goes on by one with each block, whatever is written', () => {
    const world = new RpmbWorld();
    world.open('a');
    const before = world.device.writeCounter;
    const writes = () =>
      types(world).filter((type) => type === RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE).length;
    const sent = writes();
    now(fileOf(world.create('a', pattern(3000))).close(THREAD));
    assert.equal(world.device.writeCounter - before, writes() - sent);
  });

  it('moves at each boot, so that a write which was held back comes too late', () => {
    const world = used();
    const before = world.device.writeCounter;
    world.open('a');
    assert.equal(world.device.writeCounter, before + 1);
  });
});

describe('the partition', () => {
  const change = (world: RpmbWorld, field: 'rpmbFsMagic' | 'fsVersion', to: number): void =>
    RpmbFsPartition[field].set(viewOf(world.block(0)), 0, to);

  it('of another version is not touched', () => {
    const world = used();
    change(world, 'fsVersion', 1);
    assert.equal(world.contents('a'), TEE_ERROR_ACCESS_DENIED);
    change(world, 'fsVersion', 2);
    assert.deepEqual(world.contents('a'), pattern(44));
  });

  it('of something else is cleared', () => {
    const world = used();
    change(world, 'rpmbFsMagic', 0);
    assert.equal(world.contents('a'), TEE_ERROR_ITEM_NOT_FOUND);
    assert.deepEqual(world.reboot().list(), TEE_ERROR_ITEM_NOT_FOUND);
  });

  it('is made again when its making was interrupted', () => {
    for (let writes = 0; writes < 4; writes++) {
      const world = new RpmbWorld({ device: blankDevice() });
      let left = writes;
      world.transport.before = ({ type }) =>
        type === RPMB_MSG_TYPE_REQ_AUTH_DATA_WRITE && left-- <= 0
          ? TEE_ERROR_COMMUNICATION
          : undefined;
      world.create('a', pattern(1));
      const again = world.reboot();
      now(fileOf(again.create('a', pattern(44), true)).close(THREAD));
      assert.deepEqual(again.reboot().contents('a'), pattern(44), `after ${writes} writes`);
    }
  });
});
