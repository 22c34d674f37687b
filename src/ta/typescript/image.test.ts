import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TEE_SUCCESS } from '../../abi/gp.ts';
import { TA_FLAG_CONCURRENT, TA_FLAG_SINGLE_INSTANCE } from '../../abi/ta-head.ts';
import { defineTa } from './define.ts';
import type { TaEntryPoints } from './define.ts';
import { TaModuleError, taImageOf } from './image.ts';

const UUID = '8AAAF200-2450-11e4-abe2-0002a5d5c51b';
const create = (): TaEntryPoints<unknown> => ({
  TA_CreateEntryPoint: () => TEE_SUCCESS,
  TA_DestroyEntryPoint() {},
  TA_OpenSessionEntryPoint: () => TEE_SUCCESS,
  TA_CloseSessionEntryPoint() {},
  TA_InvokeCommandEntryPoint: () => TEE_SUCCESS,
});

test('the head is what a header file would have made of it', () => {
  const ta = defineTa(
    {
      uuid: UUID,
      flags: TA_FLAG_SINGLE_INSTANCE,
      stackSize: 4096,
      dataSize: 8192,
      version: '2.0',
      description: 'a test',
      properties: { 'org.test': 7 },
    },
    create,
  );
  const { head, origin } = taImageOf({ default: ta }, 'here');
  assert.equal(head.uuid, UUID.toLowerCase());
  assert.deepEqual([head.flags, head.stackSize, head.dataSize], [4, 4096 + 2048, 8192]);
  assert.equal(head.properties.get('gpd.ta.singleInstance'), true);
  assert.equal(head.properties.get('gpd.ta.stackSize'), 4096);
  assert.equal(head.properties.get('org.test'), 7);
  assert.match(origin, /image\.test\.ts:\d+$/, 'where defineTa was called');
});

test('what is not said has upstream’s defaults', () => {
  const { head } = taImageOf(defineTa({ uuid: UUID }, create), 'here');
  assert.deepEqual([head.flags, head.stackSize, head.dataSize], [0, 4096, 32768]);
  assert.equal(head.version, 'Undefined version');
  assert.equal(head.description, 'Undefined description');
});

describe('modules that are no TA say why', () => {
  const made = (properties: unknown, factory: unknown = create): unknown => ({
    default: { kind: 'teebox/ta', properties, create: factory, site: undefined },
  });
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ['nothing', undefined, /default export is not what defineTa\(\) returns/],
    ['no default', { named: 1 }, /default export/],
    ['another default', { default: () => 1 }, /default export/],
    ['no properties', made(null), /first argument of defineTa\(\)/],
    ['no function', made({ uuid: UUID }, 5), /second argument of defineTa\(\)/],
    ['no UUID', made({}), /uuid is undefined: text such as/],
    ['a bad UUID', made({ uuid: 'x' }), /uuid is "x"/],
    ['unknown flags', made({ uuid: UUID, flags: 1 << 14 }), /flags is 16384/],
    ['flags of pseudo TAs', made({ uuid: UUID, flags: TA_FLAG_CONCURRENT }), /flags is 256/],
    ['a small heap', made({ uuid: UUID, dataSize: 1023 }), /dataSize is 1023: at least 1024/],
    ['no stack', made({ uuid: UUID, stackSize: 0 }), /stackSize is 0/],
    ['a version that is none', made({ uuid: UUID, version: 1 }), /version is 1: a string/],
    ['properties that are none', made({ uuid: UUID, properties: 3 }), /properties is 3/],
    [
      'a reserved name',
      made({ uuid: UUID, properties: { 'gpd.x': 1 } }),
      /gpd\.x: names with gpd\./,
    ],
    ['a value of no type', made({ uuid: UUID, properties: { x: 1.5 } }), /property x is 1\.5/],
    [
      'a number too wide',
      made({ uuid: UUID, properties: { x: 2 ** 32 } }),
      /property x is 4294967296/,
    ],
    [
      'a bigint too wide',
      made({ uuid: UUID, properties: { x: 1n << 64n } }),
      /property x is 18446744073709551616/,
    ],
  ];
  for (const [name, module, message] of cases) {
    test(name, () => {
      assert.throws(
        () => taImageOf(module, 'ta.ts'),
        (error) => {
          assert.ok(error instanceof TaModuleError);
          assert.match(error.message, /^ta\.ts is not a trusted application:\n {2}- /);
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  test('all reasons at once', () => {
    assert.throws(
      () => taImageOf(made({ flags: -1, version: 2 }, null), 'ta.ts'),
      (error) => error instanceof TaModuleError && error.problems.length === 4,
    );
  });
});
