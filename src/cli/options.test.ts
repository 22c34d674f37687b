import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError } from './command.ts';
import { parseBoxOptions, parseProgramOptions } from './options.ts';

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
          profile: 'linux-7.3',
          config: {},
          kernelClients: [],
          trace: 'off',
          traceOut: undefined,
          quiet: false,
          json: false,
          ramMib: 512,
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

  it('name kernel clients as modprobe does', () => {
    const { options } = parseBoxOptions([
      '--kernel-client',
      'trusted rng=kernel',
      '--kernel-client=optee-rng',
    ]);
    assert.deepEqual(options.kernelClients, ['trusted rng=kernel', 'optee-rng']);
  });

  it('are refused with what would be right', () => {
    refused(/unexpected prog: write -- before the program/, 'prog');
    refused(/no profile linux-5: linux-7\.3, linux-6\.1, hardened/, '--profile', 'linux-5');
    refused(/no trace level most: off, calls, worlds, all/, '--trace', 'most');
    refused(/no kernel client tpm: trusted, optee-rng, tee_bnxt_fw/, '--kernel-client', 'tpm');
    refused(/optee-rng: no parameter x=1: it takes none/, '--kernel-client', 'optee-rng x=1');
    refused(/no network loopback: host, none/, '--net', 'loopback');
    refused(/CFG_NO_SUCH/, '-c', 'CFG_NO_SUCH=1');
    refused(/CFG_NUM_THREADS/, '-c', 'CFG_NUM_THREADS=many');
    refused(/--wrong/, '--wrong');
    for (const ram of ['1', '40.5', '5000']) refused(/whole MiB from 32 to 4096/, '--ram', ram);
    for (const time of ['0', '-1', 'x']) refused(/a number above 0/, `--ta-timeout=${time}`);
  });

  it('of a program need one, and no socket', () => {
    assert.throws(() => parseProgramOptions('run', ['-q']), /which program\? teebox run/);
    assert.throws(() => parseProgramOptions('run', ['--socket', 's', '--', 'x']), /serve and exec/);
    assert.deepEqual(parseProgramOptions('run', ['--', 'x', 'y']).program, ['x', 'y']);
  });
});
