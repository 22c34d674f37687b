/**
 * RPMB end to end: a TA stores an object in TEE_STORAGE_PRIVATE_RPMB, through the device that
 * tee-supplicant emulates and through the kernel's; and RPMB keeps the other storage from being
 * rolled back.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { O_RDONLY } from '../../src/abi/fcntl.ts';
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_VALUE_INPUT,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_STORAGE_NOT_AVAILABLE,
  TEE_ERROR_TARGET_DEAD,
  TEE_STORAGE_PRIVATE,
  TEE_STORAGE_PRIVATE_REE,
  TEE_STORAGE_PRIVATE_RPMB,
  TEE_SUCCESS,
} from '../../src/abi/gp.ts';
import {
  OPTEE_RPC_CMD_FS,
  OPTEE_RPC_CMD_RPMB,
  OPTEE_RPC_CMD_RPMB_FRAMES,
  OPTEE_RPC_CMD_RPMB_PROBE_NEXT,
  OPTEE_RPC_CMD_RPMB_PROBE_RESET,
} from '../../src/abi/optee-rpc.ts';
import {
  ALLOC_ID_RPMB,
  PTA_CMD_GET_DEVICES_RPMB,
  PTA_DEVICE_UUID,
  PtaStatsAlloc,
  STATS_CMD_ALLOC_STATS,
  STATS_UUID,
} from '../../src/abi/pta.ts';
import { rpmbEmmc } from '../../src/cli/rpmb-emmc.ts';
import { Box } from '../../src/box/box.ts';
import type { BoxOptions } from '../../src/box/box.ts';
import { MemoryStore } from '../../src/host/memory-store.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { NodeCrypto } from '../../src/host/node/crypto.ts';
import { RPMB_IMAGE_SIZE } from '../../src/machine/emulated-rpmb.ts';
import type { OpteeOsConfig } from '../../src/optee-os/config.ts';
import { inspectRpmb } from '../../src/optee-os/storage/inspect-rpmb.ts';
import {
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE,
  TEE_DATA_FLAG_OVERWRITE,
  TEE_HANDLE_NULL,
  defineTa,
  ref,
} from '../../src/ta/index.ts';
import type { TEE_ObjectHandle } from '../../src/ta/index.ts';
import { taImageOf } from '../../src/ta/typescript/image.ts';
import type { TraceEvent } from '../../src/trace/events.ts';
import { RPMB_FILE } from '../../src/userland/tee-supplicant/rpmb.ts';
import { imageIn, storeOf } from './fixtures.ts';

const UUID = 'c0ffee00-1111-2222-3333-444444444444';
const CMD_WRITE = 1;
const CMD_READ = 2;
const ID = new TextEncoder().encode('object');
const DATA = Uint8Array.from({ length: 700 }, (_, n) => (n * 3) & 0xff);

/** Stores and reads an object in the storage that the client names. */
const ta = defineTa({ uuid: UUID, flags: 0, stackSize: 2048, dataSize: 32768 }, (tee) => ({
  TA_CreateEntryPoint: () => TEE_SUCCESS,
  TA_DestroyEntryPoint() {},
  TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
  TA_CloseSessionEntryPoint() {},
  async TA_InvokeCommandEntryPoint(_session, command, _types, params) {
    const storage = params[0].value.a;
    const { buffer } = params[1].memref;
    const object = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
    if (command === CMD_WRITE) {
      const flags = TEE_DATA_FLAG_ACCESS_WRITE | TEE_DATA_FLAG_OVERWRITE;
      const made = await tee.TEE_CreatePersistentObject(
        storage,
        ID,
        flags,
        TEE_HANDLE_NULL,
        buffer,
        object,
      );
      if (made === TEE_SUCCESS) await tee.TEE_CloseObject(object.value);
      return made;
    }
    const flags = TEE_DATA_FLAG_ACCESS_READ;
    const opened = await tee.TEE_OpenPersistentObject(storage, ID, flags, object);
    if (opened !== TEE_SUCCESS) return opened;
    const count = ref(0);
    const read = await tee.TEE_ReadObjectData(object.value, buffer, count);
    params[1].memref.size = count.value;
    await tee.TEE_CloseObject(object.value);
    return read;
  },
}));

const RPMB: Partial<OpteeOsConfig> = { CFG_RPMB_FS: true };
const WITH_KEY: Partial<OpteeOsConfig> = { ...RPMB, CFG_RPMB_WRITE_KEY: true };

class Rig {
  readonly box: Box;

  constructor(options: BoxOptions) {
    this.box = new Box(nodeHost(), {
      tas: [taImageOf(ta, import.meta.url)],
      trace: 'worlds',
      ...options,
    });
  }

  write(storage: number, data = DATA): Promise<number> {
    return this.#call(CMD_WRITE, storage, TEEC_MEMREF_TEMP_INPUT, data);
  }

  /** What is stored, or a result. */
  async read(storage: number): Promise<Uint8Array | number> {
    const data = new Uint8Array(DATA.length);
    const result = await this.#call(CMD_READ, storage, TEEC_MEMREF_TEMP_OUTPUT, data);
    return result === TEE_SUCCESS ? data : result;
  }

  /** RPC commands that the secure world has sent, each once. */
  get sent(): number[] {
    const commands = new Set<number>();
    for (const event of this.box.trace.events()) {
      if (is(event, 'rpc.begin')) commands.add(event.args.cmd);
    }
    return [...commands];
  }

  /** A command of a pseudo TA that fills memory. @param ask the value that it takes first, if any */
  async pta(
    uuid: string,
    command: number,
    out: Uint8Array,
    ask?: { a: number; b: number },
  ): Promise<number> {
    const client = this.box.client();
    const { context } = await client.TEEC_InitializeContext();
    const { session } = await client.TEEC_OpenSession(context, uuid, TEEC_LOGIN_PUBLIC);
    const memory = { tmpref: { buffer: out, size: out.length } };
    const [first, second] =
      ask === undefined
        ? [TEEC_MEMREF_TEMP_OUTPUT, TEEC_NONE]
        : [TEEC_VALUE_INPUT, TEEC_MEMREF_TEMP_OUTPUT];
    const { result } = await client.TEEC_InvokeCommand(session, command, {
      paramTypes: TEEC_PARAM_TYPES(first, second, TEEC_NONE, TEEC_NONE),
      params: ask === undefined ? [memory] : [{ value: ask }, memory],
    });
    await client.program.exit();
    return result;
  }

  async #call(command: number, storage: number, type: number, data: Uint8Array): Promise<number> {
    const client = this.box.client();
    const { context } = await client.TEEC_InitializeContext();
    const { session, result } = await client.TEEC_OpenSession(context, UUID, TEEC_LOGIN_PUBLIC);
    assert.equal(result, TEE_SUCCESS);
    const answer = await client.TEEC_InvokeCommand(session, command, {
      paramTypes: TEEC_PARAM_TYPES(TEEC_VALUE_INPUT, type, TEEC_NONE, TEEC_NONE),
      params: [{ value: { a: storage, b: 0 } }, { tmpref: { buffer: data, size: data.length } }],
    });
    await client.program.exit();
    await this.box.settle();
    assert.deepEqual(this.box.leaks(), []);
    return answer.result;
  }
}

describe('RPMB through tee-supplicant', () => {
  for (const profile of ['linux-7.3', 'linux-6.1'] as const) {
    it(`keeps an object for the next box (${profile})`, async () => {
      const stateStore = new MemoryStore();
      const first = new Rig({ profile, stateStore, config: WITH_KEY });
      assert.equal(await first.write(TEE_STORAGE_PRIVATE_RPMB), TEE_SUCCESS);
      assert.deepEqual(await first.read(TEE_STORAGE_PRIVATE_RPMB), DATA);
      assert.equal(await first.read(TEE_STORAGE_PRIVATE), TEE_ERROR_ITEM_NOT_FOUND);
      const next = new Rig({ profile, stateStore, config: RPMB });
      assert.deepEqual(await next.read(TEE_STORAGE_PRIVATE_RPMB), DATA);
      assert.ok(next.sent.includes(OPTEE_RPC_CMD_RPMB));
      assert.ok(!next.sent.includes(OPTEE_RPC_CMD_RPMB_FRAMES));
    });
  }

  it('needs a key', async () => {
    const rig = new Rig({ config: { ...RPMB, CFG_REE_FS: false } });
    assert.equal(await rig.write(TEE_STORAGE_PRIVATE_RPMB), TEE_ERROR_STORAGE_NOT_AVAILABLE);
    assert.match(rig.box.trace.lastCause?.hint ?? '', /CFG_RPMB_WRITE_KEY=y/);
  });

  it('is the private storage of a build without another', async () => {
    const rig = new Rig({ config: { ...WITH_KEY, CFG_REE_FS: false } });
    assert.equal(await rig.write(TEE_STORAGE_PRIVATE), TEE_SUCCESS);
    assert.deepEqual(await rig.read(TEE_STORAGE_PRIVATE_RPMB), DATA);
    assert.equal(await rig.read(TEE_STORAGE_PRIVATE_REE), TEE_ERROR_ITEM_NOT_FOUND);
    assert.ok(!rig.sent.includes(OPTEE_RPC_CMD_FS));
  });

  it('is told of by the statistics PTA', async () => {
    const rig = new Rig({ config: { ...WITH_KEY, CFG_WITH_STATS: true } });
    await rig.write(TEE_STORAGE_PRIVATE_RPMB);
    const out = new Uint8Array(PtaStatsAlloc.byteLength);
    const ask = { a: ALLOC_ID_RPMB, b: 0 };
    assert.equal(await rig.pta(STATS_UUID, STATS_CMD_ALLOC_STATS, out, ask), TEE_SUCCESS);
    const view = new DataView(out.buffer);
    assert.match(
      new TextDecoder().decode(PtaStatsAlloc.desc.bytes(view, 0)),
      /^RPMB secure storage\0/,
    );
    assert.ok(PtaStatsAlloc.allocated.get(view, 0) >= DATA.length);
    assert.ok(PtaStatsAlloc.size.get(view, 0) > PtaStatsAlloc.allocated.get(view, 0));
    const none = new Rig({ config: { CFG_WITH_STATS: true } });
    await none.pta(STATS_UUID, STATS_CMD_ALLOC_STATS, out, ask);
    assert.match(new TextDecoder().decode(out), /^RPMB secure storage \(no data\)\0/);
  });

  it('has its devices enumerated once there is one', async () => {
    const only: Partial<OpteeOsConfig> = { ...WITH_KEY, CFG_REE_FS: false };
    const out = new Uint8Array(0);
    const list = (config: Partial<OpteeOsConfig>): Promise<number> =>
      new Rig({ config }).pta(PTA_DEVICE_UUID, PTA_CMD_GET_DEVICES_RPMB, out);
    assert.equal(await list(only), TEE_SUCCESS);
    assert.equal(await list({ CFG_REE_FS: false }), TEE_ERROR_STORAGE_NOT_AVAILABLE);
    assert.equal(await list({ ...RPMB, CFG_REE_FS: false }), TEE_ERROR_STORAGE_NOT_AVAILABLE);
  });

  it('is none in a build without it', async () => {
    const rig = new Rig({});
    assert.equal(await rig.write(TEE_STORAGE_PRIVATE_RPMB), TEE_ERROR_ITEM_NOT_FOUND);
  });
});

describe('RPMB through the kernel', () => {
  /** An eMMC whose key a factory has programmed, for cores with the test key. */
  async function provisioned(): Promise<Uint8Array> {
    const stateStore = new MemoryStore();
    const config = { ...WITH_KEY, CFG_RPMB_TESTKEY: true };
    const factory = new Rig({ stateStore, config });
    assert.equal(await factory.write(TEE_STORAGE_PRIVATE_RPMB), TEE_SUCCESS);
    return imageIn(stateStore).get(RPMB_FILE)!.slice();
  }
  const config = { ...RPMB, CFG_RPMB_TESTKEY: true };

  it('keeps an object, without tee-supplicant', async () => {
    const rpmb = await provisioned();
    const rig = new Rig({ rpmb, config: { ...config, CFG_REE_FS: false }, supplicant: 'none' });
    assert.deepEqual(await rig.read(TEE_STORAGE_PRIVATE_RPMB), DATA);
    const other = DATA.toReversed();
    assert.equal(await rig.write(TEE_STORAGE_PRIVATE, other), TEE_SUCCESS);
    const next = new Rig({ rpmb, config });
    assert.deepEqual(await next.read(TEE_STORAGE_PRIVATE_RPMB), other);
    const routed = [
      OPTEE_RPC_CMD_RPMB_PROBE_RESET,
      OPTEE_RPC_CMD_RPMB_PROBE_NEXT,
      OPTEE_RPC_CMD_RPMB_FRAMES,
    ];
    for (const cmd of routed) assert.ok(next.sent.includes(cmd), `${cmd}`);
    assert.ok(!next.sent.includes(OPTEE_RPC_CMD_RPMB));
  });

  it('keeps an object in a state directory, on a device of any size and CID', async () => {
    const store = new MemoryStore();
    const cid = new Uint8Array(16).fill(0x5a);
    const first = new Rig({ rpmb: rpmbEmmc(store, { sizeMult: 1, cid }, RPMB)!, config: RPMB });
    assert.equal(await first.write(TEE_STORAGE_PRIVATE_RPMB), TEE_SUCCESS);
    const next = new Rig({ rpmb: rpmbEmmc(store, undefined, RPMB)!, config: RPMB });
    assert.deepEqual(await next.read(TEE_STORAGE_PRIVATE_RPMB), DATA);
    const { files, key } = inspectRpmb(new NodeCrypto(), rpmbEmmc(store, undefined, RPMB)!.image)!;
    const object = files.find(({ isObject }) => isObject);
    assert.deepEqual([key, object?.uuid, object?.id], ['generated', UUID, ID]);
    assert.deepEqual(object?.head?.data, DATA);
  });

  it('does not take a device without a key', async () => {
    const rig = new Rig({ rpmb: new Uint8Array(RPMB_IMAGE_SIZE), config });
    assert.equal(await rig.write(TEE_STORAGE_PRIVATE_RPMB), TEE_ERROR_ITEM_NOT_FOUND);
    assert.match(rig.box.trace.lastCause?.text ?? '', /none of the RPMB devices/);
  });

  it('is told in sysfs, and is no way before Linux 6.12 or when the core does not offer it', async () => {
    const rpmb = await provisioned();
    const quiet = { ...config, CFG_RPMB_ANNOUNCE_PROBE_CAP: false };
    for (const [options, model] of [
      [{ rpmb, config }, 'kernel\n'],
      [{ config }, 'user\n'],
      [{ rpmb, config: quiet }, 'user\n'],
      [{ rpmb, config, profile: 'linux-6.1' }, undefined],
    ] as const) {
      const { box } = new Rig(options);
      assert.equal(box.optee.rpmb !== undefined, model === 'kernel\n');
      assert.equal(await shown(box, '/class/tee/tee0/rpmb_routing_model'), model);
    }
  });
});

describe('storage of the normal world beside RPMB', () => {
  it('cannot be rolled back or removed', async () => {
    const stateStore = new MemoryStore();
    const rig = new Rig({ stateStore, config: WITH_KEY });
    assert.equal(await rig.write(TEE_STORAGE_PRIVATE), TEE_SUCCESS);
    const old = new Map(imageIn(stateStore));
    assert.equal(await rig.write(TEE_STORAGE_PRIVATE, DATA.toReversed()), TEE_SUCCESS);
    const now = new Map(imageIn(stateStore));
    const rolledBack = new Map([...old, [RPMB_FILE, now.get(RPMB_FILE)!]]);
    const gone = new Map([[RPMB_FILE, now.get(RPMB_FILE)!]]);
    for (const [image, expected] of [
      [now, DATA.toReversed()],
      [rolledBack, TEE_ERROR_CORRUPT_OBJECT],
      // TEE_ERROR_SECURITY, which is none of the codes that opening an object may give: a panic.
      [gone, TEE_ERROR_TARGET_DEAD],
    ] as const) {
      const next = new Rig({ stateStore: storeOf(image), config: RPMB });
      assert.deepEqual(await next.read(TEE_STORAGE_PRIVATE), expected);
    }
    const reset = { ...RPMB, CFG_REE_FS_ALLOW_RESET: true };
    const anew = new Rig({ stateStore: storeOf(gone), config: reset });
    assert.equal(await anew.read(TEE_STORAGE_PRIVATE), TEE_ERROR_ITEM_NOT_FOUND);
    const without = { ...RPMB, CFG_REE_FS_INTEGRITY_RPMB: false };
    const unaware = new Rig({ stateStore: storeOf(rolledBack), config: without });
    assert.deepEqual(await unaware.read(TEE_STORAGE_PRIVATE), DATA);
  });
});

/** An attribute's text; undefined without such an attribute. */
async function shown(box: Box, path: string): Promise<string | undefined> {
  const program = box.program({ name: 'cat' });
  const { memory, sys } = program;
  const fd = await program.run(sys.open(`/sys${path}`, O_RDONLY));
  if (fd < 0) return undefined;
  const at = memory.malloc(4096);
  const length = await program.run(sys.read(fd, at, 4096));
  return new TextDecoder().decode(memory.read(at, length));
}

const is = <N extends TraceEvent['name']>(event: TraceEvent, name: N): event is TraceEvent<N> =>
  event.name === name;
