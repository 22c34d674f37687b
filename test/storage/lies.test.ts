/**
 * A tee-supplicant that lies: about the sizes of what it returns, in one byte of it, about the result,
 * and about the memory that it lends. Whatever it says, a TA gets its own data or an error (or ends in a
 * panic of its own), the box lives on, and nothing is left behind.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE,
  TEE_DATA_FLAG_ACCESS_WRITE_META,
  TEE_DATA_FLAG_OVERWRITE,
  TEE_DATA_SEEK_SET,
  TEE_ERROR_COMMUNICATION,
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_STORAGE_PRIVATE,
  TEE_STORAGE_PRIVATE_RPMB,
  TEE_SUCCESS,
} from '../../src/abi/gp.ts';
import { TEE_TCP_SET_RECVBUF, TEE_UDP_CHANGEADDR } from '../../src/abi/gp-socket.ts';
import {
  OPTEE_RPC_CMD_FS,
  OPTEE_RPC_CMD_RPMB,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SOCKET,
} from '../../src/abi/optee-rpc.ts';
import { Box } from '../../src/box/box.ts';
import type { BoxOptions } from '../../src/box/box.ts';
import { PROFILES, withoutQuirks } from '../../src/index.ts';
import { MemoryStore } from '../../src/host/memory-store.ts';
import { runInTa } from '../../src/userland/testing/script-ta.ts';
import type { Script } from '../../src/userland/testing/script-ta.ts';
import { TaSocket } from '../../src/userland/testing/ta-socket.ts';
import type { SupplicantFaults } from '../../src/userland/tee-supplicant/faults.ts';
import { TEE_HANDLE_NULL, ref } from '../../src/ta/index.ts';
import type { TEE_ObjectHandle } from '../../src/ta/index.ts';
import type { Tee } from '../../src/ta/gp/tee.ts';
import { imageIn, storeOf } from './fixtures.ts';
import type { Image } from './fixtures.ts';

const RUNS = 60;
const ID = new TextEncoder().encode('object');
const DATA = Uint8Array.from({ length: 5000 }, (_, n) => (n * 11) & 0xff);

/** By a byte, by all there is, and beyond what 32 bits hold. */
const lieArb = fc.oneof(
  fc.integer({ min: -4200, max: 4200 }),
  fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 32 + 7, 2 ** 40, 2 ** 52, -(2 ** 40)),
);
/** No success: who believes in file 0 has the supplicant close its own device, and waits for another. */
const RESULTS = [
  TEE_ERROR_GENERIC,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_COMMUNICATION,
  TEE_ERROR_NOT_SUPPORTED,
  1,
];

/** @param command OPTEE_RPC_CMD_* that the lies are about */
function faultsArb(command: number): fc.Arbitrary<SupplicantFaults> {
  const only = fc.constant([command]);
  // Memory that is lent with a failure, or too little of it, stays the liar's own while it lives.
  if (command === OPTEE_RPC_CMD_SHM_ALLOC) {
    return fc.record({ only, liesAboutSizeBytes: fc.nat(2 ** 20) });
  }
  return fc.record(
    {
      only,
      liesAboutSizeBytes: lieArb,
      corruptsByte: fc.nat(5000),
      answersWith: fc.constantFrom(...RESULTS),
    },
    { requiredKeys: ['only'] },
  );
}

const none = (): { value: TEE_ObjectHandle } => ref(TEE_HANDLE_NULL);
const ALL =
  TEE_DATA_FLAG_ACCESS_READ | TEE_DATA_FLAG_ACCESS_WRITE | TEE_DATA_FLAG_ACCESS_WRITE_META;

/** Makes, reads, writes and removes an object; what it reads must have been written. */
const uses = (storage: number): Script =>
  async function (tee) {
    const made = none();
    const flags = ALL | TEE_DATA_FLAG_OVERWRITE;
    const created = await tee.TEE_CreatePersistentObject(
      storage,
      ID,
      flags,
      TEE_HANDLE_NULL,
      DATA,
      made,
    );
    if (created === TEE_SUCCESS) await tee.TEE_CloseObject(made.value);
    const opened = none();
    if ((await tee.TEE_OpenPersistentObject(storage, ID, ALL, opened)) !== TEE_SUCCESS) return;
    await reads(tee, opened.value);
    tee.TEE_SeekObjectData(opened.value, 100, TEE_DATA_SEEK_SET);
    await tee.TEE_WriteObjectData(opened.value, DATA.subarray(100, 300));
    await tee.TEE_CloseAndDeletePersistentObject1(opened.value);
  };

async function reads(tee: Tee, object: TEE_ObjectHandle): Promise<void> {
  const out = new Uint8Array(DATA.length + 10);
  const count = ref(0);
  if ((await tee.TEE_ReadObjectData(object, out, count)) !== TEE_SUCCESS) return;
  assert.ok(count.value <= DATA.length, `${count.value} bytes were read`);
  assert.deepEqual(out.subarray(0, count.value), DATA.subarray(0, count.value));
}

const opens = (kind: 'TEE_tcpSocket' | 'TEE_udpSocket'): Script =>
  async function (tee) {
    const socket = new TaSocket(tee[kind]);
    const [opened] = await socket.open('127.0.0.1', 7);
    if (opened !== TEE_SUCCESS) return;
    await socket.send('hello', 50);
    const [received, , length] = await socket.recv(16, 50);
    assert.ok(length >= 0 && length < 2 ** 32, `${length} bytes, result ${received}`);
    await socket.recv(0, 50);
    const command = kind === 'TEE_tcpSocket' ? TEE_TCP_SET_RECVBUF : TEE_UDP_CHANGEADDR;
    await socket.ioctl(command, new TextEncoder().encode('127.0.0.1\0'));
    await socket.close();
  };

/** An object as it is when nobody lies, so that there is something to read. */
async function furnished(options: BoxOptions, storage: number): Promise<Image> {
  const stateStore = new MemoryStore();
  const script: Script = async (tee) => {
    const made = none();
    const args = [TEE_HANDLE_NULL, DATA, made] as const;
    assert.equal(await tee.TEE_CreatePersistentObject(storage, ID, ALL, ...args), TEE_SUCCESS);
    await tee.TEE_CloseObject(made.value);
  };
  await runInTa(script, { options: { ...options, stateStore } });
  return imageIn(stateStore);
}

/** The script ends, or its TA is dead. */
async function survives(script: Script, options: BoxOptions): Promise<void> {
  let box: Box | undefined;
  const prepare = (made: Box): void => {
    box = made;
    for (const kind of ['stream', 'datagram'] as const) {
      made.loopback.listen(kind, 7, { data: (peer, data) => peer.send(data) });
    }
  };
  try {
    await runInTa(script, { options, prepare });
  } catch (error) {
    const { halted } = box!;
    assert.equal(halted, undefined, halted?.text ?? '');
    if (!(error instanceof assert.AssertionError && isResult(error.actual))) throw error;
    assert.deepEqual(box!.leaks(), []);
  }
}

/** What runInTa() has against an invocation that failed: the TA panicked, or there was no memory. */
const isResult = (actual: unknown): boolean =>
  Array.isArray(actual) && actual.length === 1 && /^0xffff\w{4} origin \d$/.test(String(actual[0]));

const MENDED = withoutQuirks(PROFILES['linux-7.3']);
const RPMB: BoxOptions = { config: { CFG_RPMB_FS: true, CFG_RPMB_WRITE_KEY: true } };

describe('a supplicant that lies', () => {
  const ROWS: readonly (readonly [
    what: string,
    command: number,
    script: Script,
    options: BoxOptions,
    storage: number | undefined,
  ])[] = [
    ['about files', OPTEE_RPC_CMD_FS, uses(TEE_STORAGE_PRIVATE), {}, TEE_STORAGE_PRIVATE],
    [
      'about RPMB',
      OPTEE_RPC_CMD_RPMB,
      uses(TEE_STORAGE_PRIVATE_RPMB),
      RPMB,
      TEE_STORAGE_PRIVATE_RPMB,
    ],
    [
      'about its memory',
      OPTEE_RPC_CMD_SHM_ALLOC,
      uses(TEE_STORAGE_PRIVATE),
      {},
      TEE_STORAGE_PRIVATE,
    ],
    ['about streams', OPTEE_RPC_CMD_SOCKET, opens('TEE_tcpSocket'), {}, undefined],
    ['about datagrams', OPTEE_RPC_CMD_SOCKET, opens('TEE_udpSocket'), {}, undefined],
  ];
  for (const [what, command, script, options, storage] of ROWS) {
    it(`${what} harms nobody but the TA that asks`, async () => {
      const image = storage === undefined ? undefined : await furnished(options, storage);
      const property = fc.asyncProperty(faultsArb(command), fc.boolean(), (faults, mended) =>
        survives(script, {
          ...options,
          ...(image && { stateStore: storeOf(image) }),
          ...(mended && { profile: MENDED }),
          supplicant: { faults },
        }),
      );
      await fc.assert(property, { numRuns: RUNS, seed: 41 });
    });
  }
});
