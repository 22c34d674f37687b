import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  OPTEE_MSG_ATTR_TYPE_NONE,
  OPTEE_MSG_ATTR_TYPE_TMEM_INOUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_INPUT,
  OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_INOUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_INPUT,
  OPTEE_MSG_ATTR_TYPE_VALUE_OUTPUT,
} from '../../../abi/optee-msg.ts';
import {
  PTA_CMD_GET_DEVICES,
  PTA_DEVICE_UUID,
  PTA_INVOKE_TESTS_AES_CBC,
  PTA_INVOKE_TESTS_AES_CTR,
  PTA_INVOKE_TESTS_AES_ECB,
  PTA_INVOKE_TESTS_AES_GCM,
  PTA_INVOKE_TESTS_AES_XTS,
  PTA_INVOKE_TESTS_CMD_COPY_NSEC_TO_SEC,
  PTA_INVOKE_TESTS_CMD_COPY_SEC_TO_NSEC,
  PTA_INVOKE_TESTS_CMD_DT_DRIVER_TESTS,
  PTA_INVOKE_TESTS_CMD_FS_HTREE,
  PTA_INVOKE_TESTS_CMD_LOCKDEP,
  PTA_INVOKE_TESTS_CMD_MEMREF_NULL,
  PTA_INVOKE_TESTS_CMD_MUTEX,
  PTA_INVOKE_TESTS_CMD_PARAMS,
  PTA_INVOKE_TESTS_CMD_READ_MODIFY_SEC,
  PTA_INVOKE_TESTS_CMD_SELF_TESTS,
  PTA_INVOKE_TESTS_CMD_TRACE,
  PTA_INVOKE_TESTS_CMD_TRANSFER_LIST_TESTS,
  PTA_INVOKE_TESTS_UUID,
  PTA_INVOKE_TEST_CMD_AES_PERF,
  PTA_MUTEX_TEST_READER,
  PTA_MUTEX_TEST_WRITER,
} from '../../../abi/pta.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ERROR_SHORT_BUFFER,
  TEE_SUCCESS,
} from '../../../abi/gp.ts';
import { getUuidOctets } from '../../../abi/uuid.ts';
import { pa } from '../../../machine/address.ts';
import { RandomPolicy } from '../../../sched/policy.ts';
import type { Co } from '../../../sched/task.ts';
import { tmem } from '../../testing/msg-param.ts';
import type { MsgParam } from '../../testing/msg-param.ts';
import { LAYOUT, NormalWorld } from '../../testing/normal-world.ts';
import type { MsgResult, WorldOptions } from '../../testing/normal-world.ts';

const SHM = LAYOUT.reservedShm.base;
const NONE: MsgParam = { attr: OPTEE_MSG_ATTR_TYPE_NONE };
const value = (a: number, b: number, attr = OPTEE_MSG_ATTR_TYPE_VALUE_INPUT): MsgParam => ({
  attr,
  a,
  b,
});
const OUT = value(0, 0, OPTEE_MSG_ATTR_TYPE_VALUE_OUTPUT);
const inout = (at: number, size: number): MsgParam =>
  tmem(OPTEE_MSG_ATTR_TYPE_TMEM_INOUT, at, size);

function worldFor(options: WorldOptions = {}): NormalWorld {
  const config = { ...options.config, CFG_TEE_CORE_EMBED_INTERNAL_TESTS: true };
  return new NormalWorld({ ...options, config });
}

function call(world: NormalWorld, command: number, params: readonly MsgParam[] = []): MsgResult {
  return world.run(
    (function* (): Co<MsgResult> {
      const { session, ret } = yield* world.open(PTA_INVOKE_TESTS_UUID);
      assert.equal(ret, TEE_SUCCESS);
      const result = yield* world.invoke(session, command, params);
      yield* world.close(session);
      return result;
    })(),
  );
}

describe('invoke_tests.pta', () => {
  it('is part of a build with embedded tests only, and a device then', () => {
    const without = new NormalWorld();
    const opened = without.run(without.open(PTA_INVOKE_TESTS_UUID));
    assert.equal(opened.ret, TEE_ERROR_ITEM_NOT_FOUND);
    const world = worldFor();
    const devices = world.run(
      (function* (): Co<MsgResult> {
        const { session } = yield* world.open(PTA_DEVICE_UUID);
        const list = tmem(OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT, SHM, 64);
        return yield* world.invoke(session, PTA_CMD_GET_DEVICES, [list]);
      })(),
    );
    assert.equal(devices.params[0]?.b, 16);
    const { view } = world.machine.normal;
    assert.equal(getUuidOctets(view, world.at(SHM)), PTA_INVOKE_TESTS_UUID);
  });

  it('speaks', () => {
    const world = worldFor({ config: { CFG_TEE_CORE_LOG_LEVEL: 3 } });
    assert.equal(call(world, PTA_INVOKE_TESTS_CMD_TRACE).ret, TEE_SUCCESS);
    const said = world.log().filter((line) => line.includes('"invoke_tests.pta"'));
    assert.deepEqual(said, [
      'D/TC:? 0 open_session open entry point for pseudo ta "invoke_tests.pta"',
      'I/TC: pseudo TA "invoke_tests.pta" says "Hello world !"',
      'D/TC:? 0 close_session close entry point for pseudo ta "invoke_tests.pta"',
    ]);
  });

  const results: readonly (readonly [string, number, readonly MsgParam[], number])[] = [
    ['no such command', 13, [], TEE_ERROR_BAD_PARAMETERS],
    ['LOCKDEP', PTA_INVOKE_TESTS_CMD_LOCKDEP, [], TEE_ERROR_NOT_SUPPORTED],
    ['DT_DRIVER_TESTS', PTA_INVOKE_TESTS_CMD_DT_DRIVER_TESTS, [], TEE_SUCCESS],
    ['TRANSFER_LIST', PTA_INVOKE_TESTS_CMD_TRANSFER_LIST_TESTS, [], TEE_ERROR_NOT_SUPPORTED],
    ['SELF_TESTS', PTA_INVOKE_TESTS_CMD_SELF_TESTS, [], TEE_SUCCESS],
    ['FS_HTREE', PTA_INVOKE_TESTS_CMD_FS_HTREE, [], TEE_SUCCESS],
    ['FS_HTREE with a value', PTA_INVOKE_TESTS_CMD_FS_HTREE, [OUT], TEE_ERROR_BAD_PARAMETERS],
    ['MEMREF_NULL', PTA_INVOKE_TESTS_CMD_MEMREF_NULL, [inout(0, 0)], TEE_SUCCESS],
    [
      'MEMREF_NULL with memory',
      PTA_INVOKE_TESTS_CMD_MEMREF_NULL,
      [inout(SHM, 1)],
      TEE_ERROR_BAD_PARAMETERS,
    ],
    ['MEMREF_NULL with a value', PTA_INVOKE_TESTS_CMD_MEMREF_NULL, [OUT], TEE_ERROR_BAD_PARAMETERS],
    ['MUTEX without values', PTA_INVOKE_TESTS_CMD_MUTEX, [], TEE_ERROR_BAD_PARAMETERS],
    [
      'MUTEX: no such side',
      PTA_INVOKE_TESTS_CMD_MUTEX,
      [value(2, 1), OUT],
      TEE_ERROR_BAD_PARAMETERS,
    ],
    ['AES_PERF without buffers', PTA_INVOKE_TEST_CMD_AES_PERF, [], TEE_ERROR_BAD_PARAMETERS],
    [
      'READ_MODIFY_SEC',
      PTA_INVOKE_TESTS_CMD_READ_MODIFY_SEC,
      [inout(SHM, 4)],
      TEE_ERROR_BAD_PARAMETERS,
    ],
  ];
  for (const [name, command, params, expected] of results) {
    it(name, () => {
      const world = worldFor();
      call(world, PTA_INVOKE_TESTS_CMD_TRACE);
      const before = world.os.guest.heap.allocated;
      assert.equal(call(world, command, params).ret, expected);
      assert.equal(world.os.guest.heap.allocated, before);
    });
  }

  it('has no memory of the secure data path', () => {
    const world = worldFor();
    for (const command of [
      PTA_INVOKE_TESTS_CMD_COPY_NSEC_TO_SEC,
      PTA_INVOKE_TESTS_CMD_COPY_SEC_TO_NSEC,
    ]) {
      const from = tmem(OPTEE_MSG_ATTR_TYPE_TMEM_INPUT, SHM, 32);
      const to = (size: number): MsgParam =>
        tmem(OPTEE_MSG_ATTR_TYPE_TMEM_OUTPUT, SHM + 4096, size);
      assert.equal(call(world, command, [from, to(32)]).ret, TEE_ERROR_BAD_PARAMETERS);
      const short = call(world, command, [from, to(31)]);
      assert.deepEqual([short.ret, short.params[1]?.b], [TEE_ERROR_SHORT_BUFFER, 32]);
      assert.equal(call(world, command, [from]).ret, TEE_ERROR_BAD_PARAMETERS);
    }
  });
});

describe('PTA_INVOKE_TESTS_CMD_PARAMS', () => {
  const around = (n: number, one: MsgParam, other: MsgParam): MsgParam[] =>
    [0, 1, 2, 3].map((i) => (i === n ? one : other));
  const params = (given: readonly MsgParam[], world = worldFor()): MsgResult =>
    call(world, PTA_INVOKE_TESTS_CMD_PARAMS, given);

  for (const n of [0, 1, 2, 3]) {
    it(`a value, in and out, as parameter ${n}`, () => {
      const both = value(0xffffffff, 6, OPTEE_MSG_ATTR_TYPE_VALUE_INOUT);
      assert.deepEqual(pick(params(around(n, both, NONE)), n), [TEE_SUCCESS, 5, 6]);
    });

    it(`the sum of the others as parameter ${n}`, () => {
      const result = params(around(n, OUT, value(0x80000001, 7)));
      assert.deepEqual(pick(result, n), [TEE_SUCCESS, 0x80000003, 21]);
    });

    it(`the sum of its bytes as parameter ${n}`, () => {
      const world = worldFor();
      world.bytes(SHM, 300).fill(1);
      const result = params(around(n, inout(SHM, 300), NONE), world);
      assert.equal(result.ret, TEE_SUCCESS);
      assert.deepEqual([...world.bytes(SHM, 2)], [300 & 0xff, 1]);
    });
  }

  const pick = ({ ret, params: out }: MsgResult, n: number): number[] => [
    ret,
    out[n]!.a,
    out[n]!.b,
  ];

  it('other types are refused', () => {
    const world = worldFor();
    for (const given of [[], [OUT], [value(1, 1)], around(1, OUT, NONE)]) {
      assert.equal(params(given, world).ret, TEE_ERROR_BAD_PARAMETERS);
    }
    assert.ok(world.log().includes('E/TC:? 0 test_entry_params unexpected parameters'));
  });

  it('writes to NULL, which the core does not survive', () => {
    assert.throws(() => params([inout(0, 0), NONE, NONE, NONE]), /data-abort at address 0x0/);
  });
});

describe('PTA_INVOKE_TESTS_CMD_FS_HTREE', () => {
  it('needs memory for its file', () => {
    const world = worldFor({ config: { CFG_CORE_HEAP_SIZE: 4096 } });
    const { heap } = world.os.guest;
    assert.equal(call(world, PTA_INVOKE_TESTS_CMD_FS_HTREE).ret, TEE_ERROR_OUT_OF_MEMORY);
    assert.equal(world.lastCause?.limit, 'CFG_CORE_HEAP_SIZE=4096');
    call(world, PTA_INVOKE_TESTS_CMD_TRACE);
    const before = heap.allocated;
    call(world, PTA_INVOKE_TESTS_CMD_FS_HTREE);
    assert.equal(heap.allocated, before);
  });

  it('says what it met: each change of a block is noticed where it is read', () => {
    const world = worldFor();
    call(world, PTA_INVOKE_TESTS_CMD_FS_HTREE);
    const met = world.log().filter((line) => line.includes('do_range'));
    // 5 blocks of 144 bytes: offsets 0, 1, 2, 4, … 128, 143.
    assert.equal(met.length, 50);
    assert.equal(new Set(met).size, 1);
    assert.equal(met[0], 'E/TC:? 0 do_range error: res = 0xf0100001');
  });
});

describe('PTA_INVOKE_TESTS_CMD_MUTEX', () => {
  const THREADS = 6;

  /** Writers and readers in turn, all at a time. */
  function run(world: NormalWorld): MsgResult[] {
    const results: MsgResult[] = [];
    for (let n = 0; n < THREADS; n += 1) {
      world.spawn(
        `client ${n}`,
        (function* (): Co<void> {
          const { session } = yield* world.open(PTA_INVOKE_TESTS_UUID);
          for (let i = 0; i < 4; i += 1) {
            const side = (n + i) % 3 === 0 ? PTA_MUTEX_TEST_WRITER : PTA_MUTEX_TEST_READER;
            const given = [value(side, 10), OUT];
            results.push(yield* world.invoke(session, PTA_INVOKE_TESTS_CMD_MUTEX, given));
          }
          yield* world.close(session);
        })(),
      );
    }
    world.settle();
    return results;
  }

  it('readers see what writers have finished, whatever the schedule', () => {
    let mostReaders = 0;
    for (let seed = 0; seed < 40; seed += 1) {
      const config = { CFG_NUM_THREADS: THREADS };
      const world = worldFor({ config, cpus: THREADS, policy: new RandomPolicy(seed) });
      const results = run(world);
      assert.equal(results.length, 4 * THREADS, `seed ${seed}`);
      for (const { ret, params } of results) {
        assert.equal(ret, TEE_SUCCESS, `seed ${seed}`);
        mostReaders = Math.max(mostReaders, params[1]!.b);
      }
    }
    assert.ok(mostReaders > 1, 'readers share the lock');
  });
});

describe('PTA_INVOKE_TEST_CMD_AES_PERF', () => {
  const SIZE = 100;
  const OUTPUT = pa(SHM + 4096);
  const KEY = Uint8Array.from({ length: 64 }, (_, i) => i);
  const IV = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);
  const source = Uint8Array.from({ length: SIZE }, (_, i) => i * 7);

  function perf(mode: number, how: number, unit: number, size = SIZE, count = 1): number[] {
    const world = worldFor();
    world.bytes(SHM, SIZE).set(source);
    const { ret } = call(world, PTA_INVOKE_TEST_CMD_AES_PERF, [
      value(how, mode),
      value(count, unit),
      inout(SHM, size),
      inout(OUTPUT, SIZE),
    ]);
    return [ret, ...world.bytes(OUTPUT, size)];
  }

  const rows = [
    ['ECB', PTA_INVOKE_TESTS_AES_ECB, 'aes-128-ecb', 128, 96, 32],
    ['CBC', PTA_INVOKE_TESTS_AES_CBC, 'aes-256-cbc', 256, 96, 48],
    ['CTR in odd pieces', PTA_INVOKE_TESTS_AES_CTR, 'aes-192-ctr', 192, 100, 7],
    ['CTR in one piece', PTA_INVOKE_TESTS_AES_CTR, 'aes-256-ctr', 256, 100, 0],
    ['XTS', PTA_INVOKE_TESTS_AES_XTS, 'aes-256-xts', 256, 96, 96],
    ['GCM', PTA_INVOKE_TESTS_AES_GCM, 'aes-256-gcm', 256, 100, 33],
  ] as const;
  for (const [name, mode, cipher, bits, size, unit] of rows) {
    it(name, () => {
      const [first, second] = [KEY.subarray(0, bits / 8), KEY.subarray(32, 32 + bits / 8)];
      const key = name === 'XTS' ? Buffer.concat([first, second]) : first;
      const host = createCipheriv(cipher as 'aes-128-cbc', key, name === 'ECB' ? null : IV);
      host.setAutoPadding(false);
      const expected = host.update(source.subarray(0, size));
      assert.deepEqual(perf(mode, bits, unit, size), [TEE_SUCCESS, ...expected]);
    });
  }

  it('decrypts, too, and as often as wanted', () => {
    const [first] = perf(PTA_INVOKE_TESTS_AES_CBC, 0x10000 | 128, 16, 96, 3);
    assert.equal(first, TEE_SUCCESS);
  });

  it('refuses what it has not, and pieces that are none', () => {
    const refused = [
      perf(5, 128, 16),
      perf(PTA_INVOKE_TESTS_AES_ECB, 129, 16),
      perf(PTA_INVOKE_TESTS_AES_ECB, 264, 16),
      perf(PTA_INVOKE_TESTS_AES_ECB, 128, 7),
    ];
    for (const [result] of refused) assert.equal(result, TEE_ERROR_BAD_PARAMETERS);
  });
});
