/** The attestation PTA of a whole box: its key is in secure storage, its signatures are node:crypto's. */
import assert from 'node:assert/strict';
import { constants, createHash, createPublicKey, verify } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_VALUE_OUTPUT,
  TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256,
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_CORRUPT_OBJECT,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SECURITY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_SUCCESS,
  TEE_TIMEOUT_INFINITE,
} from '../../src/abi/gp.ts';
import { hex32 } from '../../src/abi/layout.ts';
import {
  PTA_ATTESTATION_GET_PUBKEY,
  PTA_ATTESTATION_GET_TA_SHDR_DIGEST,
  PTA_ATTESTATION_HASH_TA_MEMORY,
  PTA_ATTESTATION_HASH_TEE_MEMORY,
  PTA_ATTESTATION_UUID,
  PTA_SECSTOR_TA_MGMT_BOOTSTRAP,
  PTA_SECSTOR_TA_MGMT_UUID,
} from '../../src/abi/pta.ts';
import { SHDR_BOOTSTRAP_TA, Shdr } from '../../src/abi/shdr.ts';
import { TEE_FS_HTREE_TYPE_BLOCK } from '../../src/abi/tee-fs.ts';
import { Box } from '../../src/box/box.ts';
import type { BoxOptions } from '../../src/box/box.ts';
import { MemoryStore } from '../../src/host/memory-store.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { taImageOf } from '../../src/index.ts';
import { reeFsOffset } from '../../src/optee-os/storage/ree-fs-layout.ts';
import { teeUuid } from '../../src/optee-os/storage/tee-fs.ts';
import { SIGNING_PUB_KEY, bootstrapTa } from '../../src/optee-os/testing/ta-files.ts';
import { defineTa, memref, newParams, ref } from '../../src/ta/index.ts';
import type { TEE_TASessionHandle } from '../../src/ta/index.ts';

const KEY_BITS = 1024;
const KEY_BYTES = KEY_BITS / 8;
const IN = TEEC_MEMREF_TEMP_INPUT;
const OUT = TEEC_MEMREF_TEMP_OUTPUT;
const NONCE = Uint8Array.of(1, 2, 3);
const EMPTY = createHash('sha256').digest();
const ASKER = '7a000000-0000-4000-8000-000000000001';

/** A TA that has its own memory measured. */
const asker = defineTa({ uuid: ASKER }, (tee) => ({
  TA_CreateEntryPoint: () => TEE_SUCCESS,
  TA_DestroyEntryPoint() {},
  TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
  TA_CloseSessionEntryPoint() {},
  async TA_InvokeCommandEntryPoint(_session, _command, _types, [out]) {
    const session = ref<TEE_TASessionHandle>(0 as TEE_TASessionHandle);
    const forever = TEE_TIMEOUT_INFINITE;
    await tee.TEE_OpenTASession(PTA_ATTESTATION_UUID, forever, 0, null, session, null);
    const params = newParams();
    Object.assign(params[0].memref, memref(NONCE));
    Object.assign(params[1].memref, out.memref);
    const types = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INPUT, TEE_PARAM_TYPE_MEMREF_OUTPUT, 0, 0);
    const command = PTA_ATTESTATION_HASH_TA_MEMORY;
    return tee.TEE_InvokeTACommand(session.value, forever, command, types, params, null);
  },
}));

function boxWith(stateStore = new MemoryStore(), seed = 1, options: BoxOptions = {}): Box {
  const config = { CFG_ATTESTATION_PTA: true, CFG_ATTESTATION_PTA_KEY_SIZE: KEY_BITS };
  const tas = [taImageOf({ default: asker }, 'attestation.test.ts')];
  return new Box(nodeHost(), { config, stateStore, tas, seed, ...options });
}

interface Answer {
  readonly result: number;
  readonly sizes: readonly number[];
  readonly buffers: readonly Uint8Array[];
  readonly a: number;
}

/** @param given contents of inputs, lengths of outputs; the last output may be a value */
async function ask(
  box: Box,
  command: number,
  given: readonly (Uint8Array | number)[],
  types: readonly number[] = given.map((one) => (typeof one === 'number' ? OUT : IN)),
  uuid = PTA_ATTESTATION_UUID,
): Promise<Answer> {
  const client = box.client();
  const { context } = await client.TEEC_InitializeContext();
  const opened = await client.TEEC_OpenSession(context, uuid, TEEC_LOGIN_PUBLIC);
  assert.equal(opened.result, TEE_SUCCESS);
  const value = { a: 0, b: 0 };
  const refs = given.map((one) => {
    const buffer = typeof one === 'number' ? new Uint8Array(one) : one;
    return { tmpref: { buffer, size: buffer.length }, value };
  });
  const [t0 = TEEC_NONE, t1 = TEEC_NONE, t2 = TEEC_NONE] = types;
  const { result } = await client.TEEC_InvokeCommand(opened.session, command, {
    paramTypes: TEEC_PARAM_TYPES(t0, t1, t2, TEEC_NONE),
    params: refs,
  });
  await client.program.exit();
  await box.settle();
  assert.deepEqual(box.leaks(), []);
  const buffers = refs.map(({ tmpref }) => tmpref.buffer.subarray(0, tmpref.size));
  return { result, sizes: refs.map(({ tmpref }) => tmpref.size), buffers, a: value.a };
}

const pubkey = (box: Box, e = 8, n = KEY_BYTES): Promise<Answer> =>
  ask(box, PTA_ATTESTATION_GET_PUBKEY, [e, n, 0], [OUT, OUT, TEEC_VALUE_OUTPUT]);

/** Whether the second half signs the nonce and the first. */
async function isSigned(box: Box, out: Uint8Array): Promise<boolean> {
  const { buffers } = await pubkey(box);
  const [e, n] = buffers.map((octets) => Buffer.from(octets).toString('base64url'));
  const jwk = { kty: 'RSA', e: e!, n: n! };
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  const data = Buffer.concat([NONCE, out.subarray(0, 32)]);
  return verify('sha256', data, { key, padding, saltLength: 32 }, out.subarray(32));
}

describe('attestation.pta', () => {
  it('is not part of a build by default', async () => {
    using box = new Box(nodeHost(), {});
    const client = box.client();
    const { context } = await client.TEEC_InitializeContext();
    const { result } = await client.TEEC_OpenSession(
      context,
      PTA_ATTESTATION_UUID,
      TEEC_LOGIN_PUBLIC,
    );
    assert.equal(hex32(result), hex32(TEE_ERROR_ITEM_NOT_FOUND));
  });

  it('has a key, and names its algorithm', async () => {
    using box = boxWith();
    const { result, buffers, a } = await pubkey(box);
    assert.equal(result, TEE_SUCCESS);
    assert.deepEqual([...buffers[0]!], [1, 0, 1]);
    assert.equal(buffers[1]![0]! >>> 7, 1);
    assert.equal(a, TEE_ALG_RSASSA_PKCS1_PSS_MGF1_SHA256);
    const short = await pubkey(box, 2, KEY_BYTES - 1);
    assert.deepEqual([short.result, ...short.sizes], [TEE_ERROR_SHORT_BUFFER, 3, KEY_BYTES, 0]);
  });

  it('finds the key that another box left', async () => {
    const [store, elsewhere] = [new MemoryStore(), new MemoryStore()];
    const keyOf = async (where: MemoryStore, seed: number): Promise<string> => {
      using box = boxWith(where, seed);
      const { buffers } = await pubkey(box);
      assert.equal(box.opteeOs.guest.storage.pobjs.count, 0);
      return Buffer.from(buffers[1]!).toString('hex');
    };
    const left = await keyOf(store, 1);
    assert.equal(await keyOf(store, 2), left);
    assert.equal(await keyOf(elsewhere, 1), left, 'random numbers are those of the seed');
    assert.notEqual(await keyOf(new MemoryStore(), 2), left);
    assert.deepEqual(store.list('')?.toSorted(), ['0', 'dirf.db']);
  });

  it('removes a key that was changed, and makes another one then', async () => {
    const store = new MemoryStore();
    {
      using box = boxWith(store);
      await pubkey(box);
    }
    for (const version of [0, 1]) {
      const offset = reeFsOffset(TEE_FS_HTREE_TYPE_BLOCK, 0, version);
      store.write('0', offset, Uint8Array.of(1, 2, 3, 4));
    }
    using box = boxWith(store);
    assert.equal(hex32((await pubkey(box)).result), hex32(TEE_ERROR_CORRUPT_OBJECT));
    assert.equal((await pubkey(box)).result, TEE_SUCCESS);
  });

  it('signs what is measured of the core', async () => {
    using box = boxWith();
    const room = 32 + KEY_BYTES;
    const answer = await ask(box, PTA_ATTESTATION_HASH_TEE_MEMORY, [NONCE, room + 5]);
    assert.deepEqual([answer.result, answer.sizes[1]], [TEE_SUCCESS, room]);
    const out = answer.buffers[1]!;
    assert.deepEqual(Buffer.from(out.subarray(0, 32)), EMPTY);
    assert.equal(await isSigned(box, out), true);
    out[40]! ^= 1;
    assert.equal(await isSigned(box, out), false);
  });

  it('signs what is measured of a TA, for that TA alone', async () => {
    using box = boxWith();
    const answer = await ask(box, 0, [32 + KEY_BYTES], [OUT], ASKER);
    assert.equal(answer.result, TEE_SUCCESS);
    assert.equal(await isSigned(box, answer.buffers[0]!), true);
  });

  const room = 32 + KEY_BYTES;
  const OTHER = '7a000000-0000-4000-8000-000000000002';
  const HDR = PTA_ATTESTATION_GET_TA_SHDR_DIGEST;
  const TEE = PTA_ATTESTATION_HASH_TEE_MEMORY;
  const rows: readonly (readonly [string, number, readonly (Uint8Array | number)[], number])[] = [
    ['no such command', 4, [], TEE_ERROR_BAD_PARAMETERS],
    ['a key without types', PTA_ATTESTATION_GET_PUBKEY, [8, 8], TEE_ERROR_BAD_PARAMETERS],
    ['no nonce', TEE, [new Uint8Array(0), room], TEE_ERROR_BAD_PARAMETERS],
    ['no output', TEE, [NONCE], TEE_ERROR_BAD_PARAMETERS],
    ['too short an output', TEE, [NONCE, room - 1], TEE_ERROR_SHORT_BUFFER],
    [
      'a client that is no TA',
      PTA_ATTESTATION_HASH_TA_MEMORY,
      [NONCE, room],
      TEE_ERROR_ACCESS_DENIED,
    ],
    ['not a UUID', HDR, [NONCE, NONCE, room], TEE_ERROR_BAD_PARAMETERS],
    ['an unknown TA', HDR, [teeUuid(OTHER), NONCE, room], TEE_ERROR_ITEM_NOT_FOUND],
    ['a TypeScript TA', HDR, [teeUuid(ASKER), NONCE, room], TEE_ERROR_NOT_SUPPORTED],
    ['of it, too short an output', HDR, [teeUuid(ASKER), NONCE, 0], TEE_ERROR_SHORT_BUFFER],
  ];
  it('refuses', async (t) => {
    using box = boxWith();
    for (const [name, command, given, expected] of rows) {
      await t.test(name, async () => {
        assert.equal(hex32((await ask(box, command, given)).result), hex32(expected));
      });
    }
  });
});

describe('the digest of a TA’s header', () => {
  const FILED = '7a000000-0000-4000-8000-000000000003';
  const HDR = PTA_ATTESTATION_GET_TA_SHDR_DIGEST;
  const TA_FILE = bootstrapTa(FILED, 1, Uint8Array.of(1, 2, 3));

  /** What tee-supplicant finds. */
  function boxWithFile(file: Uint8Array, stateStore = new MemoryStore()): Box {
    const taStore = new MemoryStore();
    taStore.createFile(`${FILED}.ta`);
    taStore.write(`${FILED}.ta`, 0, file);
    return boxWith(stateStore, 1, { taStore, taPubKey: SIGNING_PUB_KEY });
  }

  const digestOf = async (box: Box): Promise<Answer> => {
    const answer = await ask(box, HDR, [teeUuid(FILED), NONCE, 32 + KEY_BYTES]);
    if (answer.result === TEE_SUCCESS) assert.ok(await isSigned(box, answer.buffers[2]!));
    return answer;
  };

  it('is that of its file, whatever has become of the image behind it', async () => {
    const file = TA_FILE.slice();
    file[file.length - 1]! ^= 1;
    for (const one of [TA_FILE, file]) {
      using box = boxWithFile(one);
      const { result, buffers } = await digestOf(box);
      assert.equal(hex32(result), hex32(TEE_SUCCESS));
      const signed = TA_FILE.subarray(Shdr.byteLength, Shdr.byteLength + 32);
      assert.deepEqual(Buffer.from(buffers[2]!.subarray(0, 32)), Buffer.from(signed));
    }
  });

  it('is none of a file that was signed by somebody else, or for another TA', async () => {
    const file = TA_FILE.slice();
    file[Shdr.byteLength]! ^= 1;
    const other = bootstrapTa('7a000000-0000-4000-8000-000000000004', 1, Uint8Array.of(1));
    assert.equal(Shdr.imgType.get(new DataView(other.buffer), 0), SHDR_BOOTSTRAP_TA);
    for (const one of [file, other]) {
      using box = boxWithFile(one);
      assert.equal(hex32((await digestOf(box)).result), hex32(TEE_ERROR_SECURITY));
    }
  });

  it('is of a TA in secure storage the tag of its encryption, and nobody’s bytes', async () => {
    const stateStore = new MemoryStore();
    using box = boxWithFile(TA_FILE, stateStore);
    const install = PTA_SECSTOR_TA_MGMT_BOOTSTRAP;
    const installed = await ask(box, install, [TA_FILE], [IN], PTA_SECSTOR_TA_MGMT_UUID);
    assert.equal(installed.result, TEE_SUCCESS);
    const { result, buffers } = await digestOf(box);
    assert.equal(hex32(result), hex32(TEE_SUCCESS));
    const hash = buffers[2]!.subarray(0, 32);
    assert.ok(hash.subarray(0, 16).some((byte) => byte !== 0));
    assert.deepEqual([...hash.subarray(16)], new Array(16).fill(0));
    assert.equal(box.opteeOs.guest.tadb?.references, 0);
  });
});
