/**
 * The public example clients themselves, unmodified, under `teebox run`: the recordings were made of
 * the same programs on the real stack. TEEBOX_PUBLIC_CLIENTS names the directory that holds them
 * (`optee_example_hello_world`, …); TEEBOX_PUBLIC_SUPPLICANT a command line of the public
 * tee-supplicant, to run them beside it too.
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
import { EXAMPLES, recordedIoctls, recordedOutput, withoutDigits } from './recording.ts';
import type { ExampleName, RecordedIoctl } from './recording.ts';

/** Longest that a client may take, milliseconds. */
const HUNG_MS = 60_000;
const root = fileURLToPath(new URL('../../', import.meta.url));
const { TEEBOX_PUBLIC_CLIENTS: clients, TEEBOX_PUBLIC_SUPPLICANT: supplicant } = process.env;
const directory = mkdtempSync(join(tmpdir(), 'teebox-recordings-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** Runs a client; what it printed, and its calls as strace would show them. */
async function run(
  name: ExampleName,
  served: string,
): Promise<{ stdout: string; lines: string[] }> {
  const traceOut = join(directory, `${name}.strace`);
  const options = ['--profile', 'linux-6.1', '--supplicant', served, '--trace-out', traceOut];
  const ta = join(root, 'examples', name, 'ta.ts');
  const program = join(clients ?? '', `optee_example_${name}`);
  const args = [join(root, 'src/cli/main.ts'), 'run', '-q', '--ta', ta, ...options, '--', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: HUNG_MS });
  const lines = readFileSync(traceOut, 'utf8').trimEnd().split('\n');
  return { stdout, lines: lines.filter((line) => line.includes('/dev/tee0>')).map(withoutNumbers) };
}

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

/** Without processes, files and addresses. */
const withoutNumbers = (line: string): string =>
  line
    .replace(/^\[pid \d+\] ioctl\(\d+/, 'ioctl(N')
    .replaceAll(/\b(addr|buf_ptr)=0x[0-9a-f]+/g, '$1=0x…')
    .replace(/(TEE_IOC_SHM_REGISTER, .*) = \d+$/, '$1 = fd');

const skip = clients === undefined ? 'TEEBOX_PUBLIC_CLIENTS is not set' : false;
const supplicants = ['builtin', ...(supplicant === undefined ? [] : [supplicant])];

for (const served of supplicants) {
  describe(`public clients, supplicant ${served}`, { skip }, () => {
    for (const name of EXAMPLES) {
      it(`${name}: prints and calls as recorded`, async () => {
        const { stdout, lines } = await run(name, served);
        assert.equal(withoutDigits(stdout), withoutDigits(recordedOutput(name)));
        assert.deepEqual(lines, straceOf(recordedIoctls(name)));
      });
    }
  });
}
