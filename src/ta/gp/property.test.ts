import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  TEE_CORE_API_VERSION,
  TEE_ERROR_BAD_FORMAT,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_SHORT_BUFFER,
  TEE_PROPSET_CURRENT_CLIENT,
  TEE_PROPSET_CURRENT_TA,
  TEE_PROPSET_TEE_IMPLEMENTATION,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { TA_FLAG_SINGLE_INSTANCE, USER_TA_PROP_TYPE } from '../../abi/ta-head.ts';
import { World, taOf } from '../testing/world.ts';
import type { Tee } from './tee.ts';
import { TEE_Identity, memref, propSetHandle, ref } from './types.ts';

const TA = TEE_PROPSET_CURRENT_TA;
const CLIENT = TEE_PROPSET_CURRENT_CLIENT;
const IMPL = TEE_PROPSET_TEE_IMPLEMENTATION;

async function withProperties(body: (tee: Tee) => void): Promise<void> {
  const world = new World();
  const { USER_TA_PROP_TYPE_UUID, USER_TA_PROP_TYPE_IDENTITY, USER_TA_PROP_TYPE_BOOL } =
    USER_TA_PROP_TYPE;
  const uuid = '11111111-2222-3333-4444-555555555555';
  world.properties.push(
    { set: TA, name: 'gpd.ta.appID', type: USER_TA_PROP_TYPE_UUID, value: uuid },
    {
      set: CLIENT,
      name: 'gpd.client.identity',
      type: USER_TA_PROP_TYPE_IDENTITY,
      value: `4026531840:${uuid}`,
    },
    { set: IMPL, name: 'gpd.tee.cryptography.ecc', type: USER_TA_PROP_TYPE_BOOL, value: true },
  );
  const properties = {
    'org.test.text': 'some text',
    'org.test.yes': true,
    'org.test.number': 0xffffffff,
    'org.test.wide': 1n << 40n,
    'org.test.bytes': Uint8Array.of(1, 2, 3, 0xff),
  };
  const ta = world.load(
    taOf(body, { properties, flags: TA_FLAG_SINGLE_INSTANCE, version: '1.2', stackSize: 4096 }),
  );
  await ta.invoke(await ta.open(), 0);
}

describe('by name', () => {
  const text = (tee: Tee, set: typeof TA | typeof CLIENT | typeof IMPL, name: string): string => {
    const value = ref('');
    assert.equal(tee.TEE_GetPropertyAsString(set, name, value), TEE_SUCCESS);
    return value.value;
  };

  test('as text, whatever the type', () =>
    withProperties((tee) => {
      assert.equal(text(tee, TA, 'gpd.ta.singleInstance'), 'true');
      assert.equal(text(tee, TA, 'gpd.ta.multiSession'), 'false');
      assert.equal(text(tee, TA, 'gpd.ta.dataSize'), '32768');
      assert.equal(text(tee, TA, 'gpd.ta.stackSize'), '4096');
      assert.equal(text(tee, TA, 'gpd.ta.version'), '1.2');
      assert.equal(text(tee, TA, 'gpd.ta.description'), 'Undefined description');
      assert.equal(text(tee, TA, 'gpd.ta.appID'), '11111111-2222-3333-4444-555555555555');
      assert.equal(text(tee, TA, 'org.test.number'), '4294967295');
      assert.equal(text(tee, TA, 'org.test.bytes'), Buffer.from([1, 2, 3, 255]).toString('base64'));
      assert.match(text(tee, CLIENT, 'gpd.client.identity'), /^4026531840:11111111-/);
      assert.equal(text(tee, IMPL, 'gpd.tee.sockets.version'), String(0x01000000));
    }));

  test('as their own type', () =>
    withProperties((tee) => {
      const [flag, number, wide, uuid] = [ref(false), ref(0), ref(0n), ref('')];
      assert.equal(tee.TEE_GetPropertyAsBool(TA, 'org.test.yes', flag), TEE_SUCCESS);
      assert.equal(flag.value, true);
      assert.equal(tee.TEE_GetPropertyAsBool(IMPL, 'gpd.tee.cryptography.ecc', flag), TEE_SUCCESS);
      assert.equal(tee.TEE_GetPropertyAsU32(IMPL, 'gpd.tee.internalCore.version', number), 0);
      assert.equal(number.value, TEE_CORE_API_VERSION);
      assert.equal(tee.TEE_GetPropertyAsU64(TA, 'org.test.wide', wide), TEE_SUCCESS);
      assert.equal(wide.value, 1n << 40n);
      assert.equal(tee.TEE_GetPropertyAsUUID(TA, 'gpd.ta.appID', uuid), TEE_SUCCESS);
      assert.equal(uuid.value, '11111111-2222-3333-4444-555555555555');
      const identity = new TEE_Identity();
      assert.equal(tee.TEE_GetPropertyAsIdentity(CLIENT, 'gpd.client.identity', identity), 0);
      assert.deepEqual(Object.assign({}, identity), { login: 0xf0000000, uuid: uuid.value });
    }));

  test('bytes, and a buffer that is too short for them', () =>
    withProperties((tee) => {
      const short = memref(new Uint8Array(3));
      assert.equal(
        tee.TEE_GetPropertyAsBinaryBlock(TA, 'org.test.bytes', short),
        TEE_ERROR_SHORT_BUFFER,
      );
      assert.equal(short.size, 4);
      const block = memref(new Uint8Array(9));
      assert.equal(tee.TEE_GetPropertyAsBinaryBlock(TA, 'org.test.bytes', block), TEE_SUCCESS);
      assert.deepEqual([...block.buffer!.subarray(0, block.size)], [1, 2, 3, 255]);
    }));

  test('absent ones, and those of another type', () =>
    withProperties((tee) => {
      assert.equal(tee.TEE_GetPropertyAsString(TA, 'org.none', ref('')), TEE_ERROR_ITEM_NOT_FOUND);
      assert.equal(tee.TEE_GetPropertyAsU32(TA, 'org.none', ref(0)), TEE_ERROR_ITEM_NOT_FOUND);
      assert.equal(tee.TEE_GetPropertyAsU32(TA, 'org.test.yes', ref(0)), TEE_ERROR_BAD_FORMAT);
      assert.equal(
        tee.TEE_GetPropertyAsBool(TA, 'org.test.number', ref(false)),
        TEE_ERROR_BAD_FORMAT,
      );
      assert.equal(tee.TEE_GetPropertyAsUUID(TA, 'org.test.text', ref('')), TEE_ERROR_BAD_FORMAT);
    }));
});

test('enumeration: the library’s own, then the core’s; nothing before the start', () =>
  withProperties((tee) => {
    const handle = ref(propSetHandle(0));
    assert.equal(tee.TEE_AllocatePropertyEnumerator(handle), TEE_SUCCESS);
    const enumerator = handle.value;
    const name = ref('');
    assert.equal(tee.TEE_GetPropertyName(enumerator, name), TEE_ERROR_ITEM_NOT_FOUND);
    assert.equal(tee.TEE_GetNextProperty(enumerator), TEE_ERROR_ITEM_NOT_FOUND);
    assert.equal(tee.TEE_GetPropertyAsU32(enumerator, null, ref(0)), TEE_ERROR_ITEM_NOT_FOUND);

    tee.TEE_StartPropertyEnumerator(enumerator, TA);
    const names: string[] = [];
    do {
      assert.equal(tee.TEE_GetPropertyName(enumerator, name), TEE_SUCCESS);
      names.push(name.value);
    } while (tee.TEE_GetNextProperty(enumerator) === TEE_SUCCESS);
    assert.deepEqual(names, [
      'gpd.ta.singleInstance',
      'gpd.ta.multiSession',
      'gpd.ta.instanceKeepAlive',
      'optee.ta.instanceKeepCrashed',
      'gpd.ta.dataSize',
      'gpd.ta.stackSize',
      'gpd.ta.version',
      'gpd.ta.description',
      'gpd.ta.endian',
      'gpd.ta.doesNotCloseHandleOnCorruptObject',
      'org.test.text',
      'org.test.yes',
      'org.test.number',
      'org.test.wide',
      'org.test.bytes',
      'gpd.ta.appID',
    ]);
    assert.equal(tee.TEE_GetPropertyName(enumerator, name), TEE_ERROR_ITEM_NOT_FOUND);

    tee.TEE_StartPropertyEnumerator(enumerator, CLIENT);
    const value = ref('');
    assert.equal(tee.TEE_GetPropertyAsString(enumerator, null, value), TEE_SUCCESS);
    assert.match(value.value, /^4026531840:/);
    tee.TEE_ResetPropertyEnumerator(enumerator);
    assert.equal(tee.TEE_GetNextProperty(enumerator), TEE_ERROR_ITEM_NOT_FOUND);
    tee.TEE_FreePropertyEnumerator(enumerator);
  }));
