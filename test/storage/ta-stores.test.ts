/**
 * TAs as files: installed in secure storage by the PTA for that, looked for there before
 * tee-supplicant is asked, and never older than one that was seen before.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_VALUE_INPUT,
  TEE_ERROR_ACCESS_CONFLICT,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_MAC_INVALID,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SECURITY,
  TEE_SUCCESS,
} from '../../src/abi/gp.ts';
import { PTA_SECSTOR_TA_MGMT_BOOTSTRAP, PTA_SECSTOR_TA_MGMT_UUID } from '../../src/abi/pta.ts';
import { Box } from '../../src/box/box.ts';
import type { BoxOptions } from '../../src/box/box.ts';
import { MemoryStore } from '../../src/host/memory-store.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import {
  SIGNING_PUB_KEY,
  SUBKEY_KEY,
  bootstrapTa,
  encryptedTa,
  legacyTa,
  subkey,
} from '../../src/optee-os/testing/ta-files.ts';
import { concat } from '../../src/optee-os/crypto/main-hash.ts';
import { imageIn, storeOf } from './fixtures.ts';

const UUID = '8aaaf200-2450-11e4-abe2-0002a5d5c51b';
const OTHER = '8aaaf200-2450-11e4-abe2-0002a5d5c51c';
/** More than is written at once. */
const IMAGE = Uint8Array.from({ length: 70_000 }, (_, n) => (n * 5) & 0xff);

class Rig {
  readonly box: Box;

  constructor(options: BoxOptions = {}) {
    this.box = new Box(nodeHost(), { taPubKey: SIGNING_PUB_KEY, trace: 'worlds', ...options });
  }

  /** What an installation answers. */
  install(file: Uint8Array, type = TEEC_MEMREF_TEMP_INPUT, command = INSTALL): Promise<number> {
    return this.#client(PTA_SECSTOR_TA_MGMT_UUID, async (client, session) => {
      const data = { tmpref: { buffer: file, size: file.length } };
      const answer = await client.TEEC_InvokeCommand(session, command, {
        paramTypes: TEEC_PARAM_TYPES(type, TEEC_NONE, TEEC_NONE, TEEC_NONE),
        params: [type === TEEC_MEMREF_TEMP_INPUT ? data : { value: { a: 0, b: 0 } }],
      });
      return answer.result;
    });
  }

  /** What opening a session with a TA answers. */
  open(uuid = UUID): Promise<number> {
    return this.#client(uuid, async () => TEE_SUCCESS);
  }

  /** The stores that were asked last, with what they said. */
  get lookups(): string[] {
    const all: string[] = [];
    for (const { name, args } of this.box.trace.events()) {
      if (name === 'ta.lookup' && 'store' in args) all.push(`${args.store}: ${args.outcome}`);
    }
    return all;
  }

  async #client(
    uuid: string,
    use: (client: Client, session: Session) => Promise<number>,
  ): Promise<number> {
    const client = this.box.client();
    const { context } = await client.TEEC_InitializeContext();
    const opened = await client.TEEC_OpenSession(context, uuid, TEEC_LOGIN_PUBLIC);
    const result =
      opened.result === TEE_SUCCESS ? await use(client, opened.session) : opened.result;
    await client.program.exit();
    await this.box.settle();
    assert.deepEqual(this.box.leaks(), []);
    assert.equal(this.box.opteeOs.guest.tadb?.references ?? 0, 0);
    return result;
  }
}

type Client = ReturnType<Box['client']>;
type Session = Awaited<ReturnType<Client['TEEC_OpenSession']>>['session'];
const INSTALL = PTA_SECSTOR_TA_MGMT_BOOTSTRAP;

describe('TAs in secure storage', () => {
  it('are installed, and found before tee-supplicant is asked', async () => {
    const stateStore = new MemoryStore();
    const rig = new Rig({ stateStore });
    assert.equal(await rig.open(), TEE_ERROR_ITEM_NOT_FOUND);
    assert.equal(await rig.install(bootstrapTa(UUID, 1, IMAGE)), TEE_SUCCESS);
    const file = imageIn(stateStore).get('0.ta')!;
    assert.equal(file.length, IMAGE.length);
    assert.notDeepEqual(file.subarray(0, 100), IMAGE.subarray(0, 100), 'encrypted');
    const next = new Rig({ stateStore });
    assert.equal(await next.open(), TEE_ERROR_NOT_SUPPORTED);
    assert.deepEqual(next.lookups, [
      'early TA: TEE_ERROR_ITEM_NOT_FOUND',
      'Secure Storage TA: TEE_ERROR_NOT_SUPPORTED',
    ]);
    assert.match(next.box.trace.lastCause?.text ?? '', /the TA is sound/);
    assert.equal(await next.open(OTHER), TEE_ERROR_ITEM_NOT_FOUND);
  });

  it('are replaced by the same version or a later one', async () => {
    const stateStore = new MemoryStore();
    const rig = new Rig({ stateStore });
    const installed = async (version: number): Promise<readonly [number, string]> => {
      const res = await rig.install(bootstrapTa(UUID, version, IMAGE.subarray(version)));
      const files = [...imageIn(stateStore).keys()].filter((name) => name.endsWith('.ta'));
      return [res, files.sort().join()];
    };
    assert.deepEqual(await installed(2), [TEE_SUCCESS, '0.ta']);
    assert.deepEqual(await installed(2), [TEE_SUCCESS, '1.ta']);
    assert.deepEqual(await installed(1), [TEE_ERROR_ACCESS_CONFLICT, '1.ta']);
    assert.deepEqual(await installed(3), [TEE_SUCCESS, '0.ta']);
    const other = await rig.install(bootstrapTa(OTHER, 0, IMAGE));
    assert.equal(other, TEE_SUCCESS);
    assert.equal(await rig.open(), TEE_ERROR_NOT_SUPPORTED);
    assert.equal(await rig.open(OTHER), TEE_ERROR_NOT_SUPPORTED);
  });

  it('are not installed when they are not signed, whole and of the right kind', async () => {
    const stateStore = new MemoryStore();
    const rig = new Rig({ stateStore });
    const good = bootstrapTa(UUID, 1, IMAGE);
    const flipped = good.slice();
    flipped[flipped.length - 1]! ^= 1;
    for (const [what, file, res] of [
      ['nothing', new Uint8Array(0), TEE_ERROR_SECURITY],
      ['a flipped bit', flipped, TEE_ERROR_SECURITY],
      ['cut short', good.subarray(0, good.length - 1), TEE_ERROR_SECURITY],
      ['cut in its head', good.subarray(0, 320), TEE_ERROR_SECURITY],
      ['another key', bootstrapTa(UUID, 1, IMAGE, { key: SUBKEY_KEY }), TEE_ERROR_SECURITY],
      ['without UUID', legacyTa(IMAGE), TEE_ERROR_SECURITY],
      ['encrypted', encryptedTa(UUID, 1, IMAGE), TEE_ERROR_SECURITY],
      ['under a subkey', subkey({ uuid: UUID }), TEE_ERROR_SECURITY],
    ] as const) {
      assert.equal(await rig.install(file), res, what);
      const left = [...imageIn(stateStore).keys()].filter((name) => name.endsWith('.ta'));
      assert.deepEqual(left, [], what);
    }
    assert.equal(await rig.install(good, TEEC_VALUE_INPUT), TEE_ERROR_BAD_PARAMETERS);
    assert.equal(await rig.install(good, TEEC_MEMREF_TEMP_INPUT, 1), TEE_ERROR_NOT_IMPLEMENTED);
    assert.equal(await rig.open(), TEE_ERROR_ITEM_NOT_FOUND);
  });

  it('are refused when their file was changed or is another', async () => {
    const stateStore = new MemoryStore();
    const rig = new Rig({ stateStore });
    assert.equal(await rig.install(bootstrapTa(UUID, 1, IMAGE)), TEE_SUCCESS);
    assert.equal(await rig.install(bootstrapTa(OTHER, 1, IMAGE)), TEE_SUCCESS);
    const image = imageIn(stateStore);
    const flipped = image.get('0.ta')!.slice();
    flipped[500]! ^= 4;
    for (const [file, res] of [
      [flipped, TEE_ERROR_MAC_INVALID],
      [image.get('1.ta')!, TEE_ERROR_MAC_INVALID],
      [image.get('0.ta')!.subarray(0, 1000), TEE_ERROR_MAC_INVALID],
    ] as const) {
      const changed = new Map([...image, ['0.ta', file]]);
      assert.equal(await new Rig({ stateStore: storeOf(changed) }).open(), res);
    }
    const gone = new Map(image);
    gone.delete('0.ta');
    // The next store is asked, as for one that is not installed.
    assert.equal(await new Rig({ stateStore: storeOf(gone) }).open(), TEE_ERROR_ITEM_NOT_FOUND);
  });

  it('are a matter of the configuration', async () => {
    const without = new Rig({ config: { CFG_SECSTOR_TA: false } });
    assert.equal(await without.install(bootstrapTa(UUID, 1, IMAGE)), TEE_ERROR_ITEM_NOT_FOUND);
    const unmanaged = new Rig({ config: { CFG_SECSTOR_TA_MGMT_PTA: false } });
    assert.equal(await unmanaged.install(bootstrapTa(UUID, 1, IMAGE)), TEE_ERROR_ITEM_NOT_FOUND);
  });
});

describe('versions of TAs', () => {
  const store = (file: Uint8Array): MemoryStore => storeOf(new Map([[`${UUID}.ta`, file]]));
  const opens = (stateStore: MemoryStore, file: Uint8Array, config = {}): Promise<number> =>
    new Rig({ stateStore, taStore: store(file), config }).open();
  const version = (n: number): Uint8Array => bootstrapTa(UUID, n, IMAGE.subarray(0, 500));

  for (const inRpmb of [false, true]) {
    it(`never go back${inRpmb ? ', and RPMB remembers them' : ''}`, async () => {
      const stateStore = new MemoryStore();
      const config = inRpmb
        ? { CFG_RPMB_FS: true, CFG_RPMB_WRITE_KEY: true, CFG_TA_VERSION_DB_RPMB: true }
        : {};
      for (const [n, res] of [
        [3, TEE_ERROR_NOT_SUPPORTED],
        [2, TEE_ERROR_ACCESS_CONFLICT],
        [3, TEE_ERROR_NOT_SUPPORTED],
        [7, TEE_ERROR_NOT_SUPPORTED],
        [6, TEE_ERROR_ACCESS_CONFLICT],
      ] as const) {
        assert.equal(await opens(stateStore, version(n), config), res, `version ${n}`);
      }
    });
  }

  it('are forgotten with the files of the normal world, unless RPMB keeps them', async () => {
    const stateStore = new MemoryStore();
    assert.equal(await opens(stateStore, version(3)), TEE_ERROR_NOT_SUPPORTED);
    assert.equal(await opens(new MemoryStore(), version(2)), TEE_ERROR_NOT_SUPPORTED);
  });

  it('of subkeys count too, and a refused one is a security error', async () => {
    const stateStore = new MemoryStore();
    const under = (n: number): Uint8Array =>
      concat(
        subkey({ uuid: UUID, version: n }),
        bootstrapTa(UUID, 0, IMAGE.subarray(0, 500), { key: SUBKEY_KEY }),
      );
    assert.equal(await opens(stateStore, under(2)), TEE_ERROR_NOT_SUPPORTED);
    assert.equal(await opens(stateStore, under(1)), TEE_ERROR_SECURITY);
    assert.equal(await opens(stateStore, under(2)), TEE_ERROR_NOT_SUPPORTED);
  });

  it('are not changed by a file that is not sound', async () => {
    const stateStore = new MemoryStore();
    const bad = version(9);
    bad[bad.length - 1]! ^= 1;
    assert.equal(await opens(stateStore, bad), TEE_ERROR_SECURITY);
    assert.equal(await opens(stateStore, version(1)), TEE_ERROR_NOT_SUPPORTED);
  });
});
