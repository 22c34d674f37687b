import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from './command.ts';
import { parseBoxOptions, parseProgramOptions, refuseBoxOptions } from './options.ts';

const refused = (message: RegExp, ...args: string[]): void =>
  assert.throws(
    () => parseBoxOptions(args),
    (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      return true;
    },
  );

describe('options of a box', () => {
  it('have defaults', () => {
    const { options, program, socket } = parseBoxOptions([]);
    assert.deepEqual(
      { options, program, socket },
      {
        options: {
          tas: [],
          supplicant: 'builtin',
          plugins: [],
          net: 'host',
          state: undefined,
          rpmb: undefined,
          profile: 'linux-7.3',
          config: {},
          kernelClients: [],
          trace: 'off',
          traceOut: undefined,
          quiet: false,
          json: false,
          ramMib: 512,
          shm: 'copy',
          cmaBytes: [],
          swapBytes: 0,
          taTimeoutMs: 10_000,
        },
        program: [],
        socket: undefined,
      },
    );
  });

  it('end at --, and what follows is the program’s', () => {
    const { options, program } = parseBoxOptions(
      '--ta a --ta=b --plugin p --plugin q -c CFG_NUM_THREADS=4 -c CFG_CORE_DYN_SHM=n -q --ram 64 --ta-timeout 0.5 -- prog -q --ta'.split(
        ' ',
      ),
    );
    assert.deepEqual(options.tas, ['a', 'b']);
    assert.deepEqual(options.plugins, ['p', 'q']);
    assert.deepEqual(options.config, { CFG_NUM_THREADS: 4, CFG_CORE_DYN_SHM: false });
    assert.deepEqual([options.quiet, options.ramMib, options.taTimeoutMs], [true, 64, 500]);
    assert.deepEqual(program, ['prog', '-q', '--ta']);
  });

  it('describe the eMMC of the board', () => {
    const rpmbOf = (...args: readonly string[]) => parseBoxOptions(args).options.rpmb;
    assert.deepEqual(rpmbOf('--rpmb', '16384'), { sizeMult: 128, cid: undefined });
    const cid = '000102030405060708090a0b0c0d0e0F';
    assert.deepEqual(rpmbOf('--rpmb', '128', '--rpmb-cid', cid)?.cid, Buffer.from(cid, 'hex'));
    for (const [args, reason] of [
      [['--rpmb', '100'], /a multiple of 128 up to 16384/],
      [['--rpmb', '0'], /a multiple/],
      [['--rpmb', '16512'], /a multiple/],
      [['--rpmb', 'x'], /a multiple/],
      [['--rpmb-cid', cid], /of the device that --rpmb makes/],
      [['--rpmb', '256', '--rpmb-cid', '00'], /32 hex digits/],
      [['--rpmb', '256', '--profile', 'linux-6.1'], /no class of RPMB devices/],
    ] as const) {
      assert.throws(() => rpmbOf(...args), reason);
    }
  });

  it('name kernel clients as modprobe does', () => {
    const { options } = parseBoxOptions([
      '--kernel-client',
      'trusted rng=kernel',
      '--kernel-client=optee-rng',
    ]);
    assert.deepEqual(options.kernelClients, ['trusted rng=kernel', 'optee-rng']);
  });

  it('give sizes of CMA areas and swap with their units', () => {
    const { options } = parseBoxOptions(['--cma', '64M,2m', '--swap=512K']);
    assert.deepEqual(options.cmaBytes, [64 << 20, 2 << 20]);
    assert.equal(options.swapBytes, 512 << 10);
    assert.deepEqual(parseBoxOptions(['--ram=64', '--cma=32M']).options.cmaBytes, [32 << 20]);
    assert.equal(parseBoxOptions(['--swap', '4G']).options.swapBytes, 2 ** 32);
  });

  it('are refused with what would be right', () => {
    refused(/unexpected prog: write -- before the program/, 'prog');
    refused(/no profile linux-5: linux-7\.3, linux-6\.1, hardened/, '--profile', 'linux-5');
    refused(/no trace level most: off, calls, worlds, all/, '--trace', 'most');
    refused(/no kernel client tpm: trusted, optee-rng, tee_bnxt_fw/, '--kernel-client', 'tpm');
    refused(/optee-rng: no parameter x=1: it takes none/, '--kernel-client', 'optee-rng x=1');
    refused(/no network loopback: host, none/, '--net', 'loopback');
    refused(/CFG_NO_SUCH/, '-c', 'CFG_NO_SUCH=1');
    refused(/^Unknown option '--wrong'$/, '--wrong');
    refused(/^[^\n]+$/, '--ram', '-1');
    for (const path of ['ta', 'plugin', 'state', 'trace-out', 'socket']) {
      refused(new RegExp(`^--${path}: a path is needed$`), `--${path}=`);
    }
    for (const which of ['', ' ']) refused(/builtin, none, or a command/, `--supplicant=${which}`);
    for (const ram of ['1', '40.5', '5000', '', ' 64', '1e3', '0x40', '-64', 'NaN']) {
      refused(/whole MiB from 32 to 4096/, `--ram=${ram}`);
    }
    for (const size of ['', ' 128', '0x80', '-128', 'NaN']) {
      refused(/a multiple of 128 up to 16384/, `--rpmb=${size}`);
    }
    for (const size of ['64', 'M', '0M', '1.5G', '-2M', '64M,', '2T']) {
      refused(/a size with its unit is needed: 512K, 64M, 1G/, `--cma=${size}`);
    }
    refused(/--cma 3M: areas are multiples of 2M \(a pageblock\)/, '--cma', '3M');
    refused(/480M of 512M at most, .* more with --ram/, '--cma', '240M,242M');
    refused(/--cma 2M: 0M of 32M at most/, '--ram', '32', '--cma', '2M');
    refused(/--swap 64: a size with its unit/, '--swap', '64');
    refused(/--swap 6K: pages of 4K, up to 4G/, '--swap', '6K');
    refused(/--swap 5G: pages of 4K, up to 4G/, '--swap', '5G');
    for (const time of ['0', '-1', 'x', '', '.', ' 1', '1e3', '0x10', 'NaN', 'Infinity']) {
      refused(/a number above 0/, `--ta-timeout=${time}`);
    }
  });

  it('of the build say what was given', () => {
    for (const value of ['many', '', ' 4', '-1', '1.5', '1e3', '0x10000', '9'.repeat(400)]) {
      const message = `CFG_NUM_THREADS=${value}: expected a whole number from 1 to 32767`;
      refused(new RegExp(`^${message.replace('.', '\\.')}$`), '-c', `CFG_NUM_THREADS=${value}`);
    }
    const { options } = parseBoxOptions(['-c', 'CFG_NUM_THREADS=0x10']);
    assert.deepEqual(options.config, { CFG_NUM_THREADS: 16 });
  });

  it('of a box are none of a program on the box of another', () => {
    const { given } = parseBoxOptions(['--socket', 's', '--json', '-c', 'CFG_NUM_THREADS=4']);
    refuseBoxOptions(given, 'socket', 'json', 'c');
    assert.throws(() => refuseBoxOptions(given, 'socket', 'c'), /--json: the box is that of/);
    assert.throws(() => refuseBoxOptions(given, 'socket', 'json'), /-c: the box is that of/);
  });

  it('of a program need one, and no socket', () => {
    assert.throws(() => parseProgramOptions('run', ['-q']), /which program\? teebox run/);
    assert.throws(() => parseProgramOptions('run', ['--socket', 's', '--', 'x']), /serve and exec/);
    assert.deepEqual(parseProgramOptions('run', ['--', 'x', 'y']).program, ['x', 'y']);
  });
});
