import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  CONFIG_TABLE,
  ConfigError,
  DEFAULT_CONFIG,
  QEMU_ARMV8A,
  makeConfig,
  parseConfig,
} from './config.ts';

describe('configuration', () => {
  it('has a default and a meaning for each option', () => {
    for (const [name, row] of Object.entries(CONFIG_TABLE)) {
      assert.notEqual(row.meaning, '', name);
      assert.ok(name.startsWith('CFG_'), name);
    }
    assert.equal(DEFAULT_CONFIG.CFG_NUM_THREADS, 2);
    assert.equal(DEFAULT_CONFIG.CFG_CORE_HEAP_SIZE, 65536);
    assert.equal(DEFAULT_CONFIG.CFG_CORE_ASYNC_NOTIF, false);
  });

  it('parses assignments by the type of the option', () => {
    assert.deepEqual(parseConfig('CFG_NUM_THREADS=4'), { CFG_NUM_THREADS: 4 });
    assert.deepEqual(parseConfig('CFG_MSG_LONG_PREFIX_MASK=0x1f'), {
      CFG_MSG_LONG_PREFIX_MASK: 31,
    });
    assert.deepEqual(parseConfig('CFG_WITH_STATS=y'), { CFG_WITH_STATS: true });
    assert.deepEqual(parseConfig('CFG_WITH_STATS=n'), { CFG_WITH_STATS: false });
    assert.deepEqual(parseConfig('CFG_TEE_IMPL_DESCR=a=b'), { CFG_TEE_IMPL_DESCR: 'a=b' });
  });

  it('refuses what it cannot take, and says why', () => {
    const cases: readonly [string, RegExp][] = [
      ['CFG_NUM_THREADS', /expected CFG_NAME=VALUE/],
      ['CFG_TA_ASLR=y', /CFG_TA_ASLR: no option that this model reads.*CFG_NUM_THREADS/],
      ['toString=y', /no option/],
      ['CFG_WITH_STATS=yes', /CFG_WITH_STATS=yes: expected y or n/],
      ['CFG_NUM_THREADS=0', /from 1 to 32767/],
      ['CFG_NUM_THREADS=two', /from 1 to 32767/],
      ['CFG_NUM_THREADS=1.5', /from 1 to 32767/],
    ];
    for (const [text, message] of cases) {
      assert.throws(() => parseConfig(text), { name: 'ConfigError', message }, text);
    }
  });

  it('later overrides win, and values are checked again', () => {
    const config = makeConfig(QEMU_ARMV8A, { CFG_NUM_THREADS: 8 }, { CFG_NUM_THREADS: 3 });
    assert.equal(config.CFG_NUM_THREADS, 3);
    assert.equal(config.CFG_CORE_HEAP_SIZE, 196608);
    assert.equal(config.CFG_CORE_DYN_SHM, true);
    assert.throws(() => makeConfig({ CFG_CORE_HEAP_SIZE: 1 }), ConfigError);
  });
});
