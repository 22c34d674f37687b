/**
 * The public example clients themselves, unmodified, under `teebox run`: the recordings were made of
 * the same programs on the real stack. TEEBOX_PUBLIC_CLIENTS names the directory that holds them
 * (`optee_example_hello_world`, …); TEEBOX_PUBLIC_SUPPLICANT a command line of the public
 * tee-supplicant, to run them beside it too, with its own secure storage, which must be empty, and
 * with the syslog plugin (`… --fs-parent-path DIR --plugin-path DIR`).
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Strace } from '../../src/trace/export/strace.ts';
import type { TraceEvent } from '../../src/trace/events.ts';
import { RECORDINGS, comparableText, recordedIoctls, recordedOutput } from './recording.ts';
import type { RecordedIoctl, Recording } from './recording.ts';

/** Longest that a client may take, milliseconds. */
const HUNG_MS = 120_000;
const root = fileURLToPath(new URL('../../', import.meta.url));
const { TEEBOX_PUBLIC_CLIENTS: clients, TEEBOX_PUBLIC_SUPPLICANT: supplicant } = process.env;
const directory = mkdtempSync(join(tmpdir(), 'teebox-recordings-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** Runs the client of an example on a box. @returns what it printed */
async function run(
  example: string,
  args: readonly string[],
  ...options: string[]
): Promise<string> {
  const ta = join(root, 'examples', example, 'ta.ts');
  const program = join(clients ?? '', `optee_example_${example}`);
  const main = join(root, 'src/cli/main.ts');
  const command = [main, 'run', '-q', '--ta', ta, ...options, '--', program, ...args];
  return (await promisify(execFile)(process.execPath, command, { timeout: HUNG_MS })).stdout;
}

/** What a recording's client printed now, and its calls as strace would show them. */
async function replay(
  { name, example, args }: Recording,
  served: string,
): Promise<{ stdout: string; lines: string[] }> {
  const traceOut = join(directory, `${name}.strace`);
  const options = ['--profile', 'linux-6.1', '--supplicant', served, '--trace-out', traceOut];
  const stdout = await run(example, args, ...options);
  const lines = readFileSync(traceOut, 'utf8').trimEnd().split('\n');
  return { stdout, lines: lines.filter((line) => line.includes('/dev/tee0>')).map(withoutNumbers) };
}

/** The sha client prints a `char` with %02x, which widens it where `char` has a sign. */
const withoutSigns = (text: string): string => text.replaceAll(/ffffff(?=[89a-f][0-9a-f])/g, '');

/** The recorded calls in the same form. */
function straceOf(calls: readonly RecordedIoctl[]): string[] {
  const strace = new Strace();
  return calls.map((call) => {
    const lines = eventsOf(call).map((event) => strace.see(event));
    return withoutNumbers(lines.at(-1) ?? '');
  });
}

function eventsOf(call: RecordedIoctl): TraceEvent[] {
  const cmd = Number(call.rq);
  const common = { pid: 0, fd: 0, cmd };
  const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
  const events: TraceEvent[] = [];
  const add = <N extends TraceEvent['name']>(name: N, args: TraceEvent<N>['args']): void => {
    const where = { seq: 0, timeNs: 0, world: 'client', cpu: 0, task: 1, flow: 0 } as const;
    events.push({ ...where, name, args });
  };
  const path = '/dev/tee0';
  add('ioctl.enter', { ...common, path, arg: 0, bytes: bytes(call.arg_in) });
  if (call.buf_in !== undefined) {
    add('tee.buffer', { cmd, direction: 'in', bytes: bytes(call.buf_in) });
    add('tee.buffer', { cmd, direction: 'out', bytes: bytes(call.buf_out ?? '') });
  }
  const result = call.ret < 0 ? -call.errno : call.ret;
  add('ioctl.exit', { ...common, result, bytes: bytes(call.arg_out) });
  return events;
}

/** Without processes, files and addresses, also those that uninitialized values still hold. */
const withoutNumbers = (line: string): string =>
  line
    .replace(/VALUE_OUTPUT, a=0x[0-9a-f]+, b=0x[0-9a-f]{4},/, 'VALUE_OUTPUT, a=0x…, b=0x…,')
    .replace(/^\[pid \d+\] ioctl\(\d+/, 'ioctl(N')
    .replaceAll(/\b(addr|buf_ptr)=0x[0-9a-f]+/g, '$1=0x…')
    .replace(/(TEE_IOC_SHM_REGISTER, .*) = \d+$/, '$1 = fd');

const skip = clients === undefined ? 'TEEBOX_PUBLIC_CLIENTS is not set' : false;
const supplicants = ['builtin', ...(supplicant === undefined ? [] : [supplicant])];

for (const served of supplicants) {
  describe(`public clients, supplicant ${served}`, { skip }, () => {
    for (const recording of RECORDINGS) {
      it(`${recording.name}: prints and calls as recorded`, async () => {
        const { stdout, lines } = await replay(recording, served);
        assert.equal(
          comparableText(recording, withoutSigns(stdout)),
          comparableText(recording, recordedOutput(recording)),
        );
        assert.deepEqual(lines, straceOf(recordedIoctls(recording)));
      });
    }

    it('plugins: the plugin answers', async () => {
      const plugin = join(root, 'examples/plugins/syslog-plugin.ts');
      const stdout = await run('plugins', [], '--supplicant', served, '--plugin', plugin);
      assert.equal(stdout.match(/^Attempt #\d: TEEC_InvokeCommand\(\) success; /gm)?.length, 5);
    });
  });
}

describe('public clients, secure storage', { skip }, () => {
  it('keeps the second object from run to run', async () => {
    const state = join(directory, 'state');
    const options = ['--profile', 'linux-6.1', '--state', state];
    const outputs = [];
    for (let i = 0; i < 3; i++) outputs.push(await run('secure_storage', [], ...options));
    const created = recordedOutput(RECORDINGS.find(({ name }) => name === 'secure_storage')!);
    assert.equal(outputs[0], created);
    assert.match(outputs[1] ?? '', /- Object found in TA secure storage, delete it\./);
    assert.equal(outputs[2], created);
  });

  it('keeps it in an eMMC as well, which the state has from the first run on', async () => {
    const state = join(directory, 'state-with-emmc');
    const config = ['CFG_RPMB_FS=y', 'CFG_REE_FS=n'].flatMap((one) => ['-c', one]);
    const options = ['--state', state, '--supplicant', 'none', ...config];
    const first = await run('secure_storage', [], '--rpmb', '128', ...options);
    assert.match(first, /- Create and load object in the TA secure storage/);
    const second = await run('secure_storage', [], ...options);
    assert.match(second, /- Object found in TA secure storage, delete it\./);
  });
});
