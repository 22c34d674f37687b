/**
 * Recordings of the public example clients on the real stack (OP-TEE 4.10.0, Linux 6.1.192, arm64),
 * one JSON object an ioctl, and what is left of them when everything is taken away that differs from
 * run to run: addresses, durations, numbers of threads and files, random bytes.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as abi from '../../src/abi/tee.ts';
import { _IOC_NR } from '../../src/abi/ioctl.ts';

/** The public examples that were recorded and that the box has TAs for. */
export const EXAMPLES = ['hello_world', 'random', 'aes'] as const;
export type ExampleName = (typeof EXAMPLES)[number];

/** Byte strings are hex. `in` is before the call, `out` behind it. */
export interface RecordedIoctl {
  readonly nr: number;
  /** The request, in hex with 0x. */
  readonly rq: string;
  readonly ret: number;
  readonly errno: number;
  readonly arg_in: string;
  readonly arg_out: string;
  /** What a tee_ioctl_buf_data points to. */
  readonly buf_in?: string;
  readonly buf_out?: string;
  /** `in0`, `out0`, …: memory that parameter 0, … refers to, 4096 bytes at most. */
  readonly memory: Readonly<Record<string, string>>;
}

interface Line extends Omit<RecordedIoctl, 'memory'> {
  readonly tid: number;
  readonly us: number;
  readonly [memory: `${'in' | 'out'}${number}`]: string;
}

const fixture = (name: string): string =>
  readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8');

/** What the client printed. */
export const recordedOutput = (example: ExampleName): string => fixture(`ex_${example}.out`);

export function recordedIoctls(example: ExampleName): readonly RecordedIoctl[] {
  const lines = fixture(`ex_${example}.jsonl`).trimEnd().split('\n');
  return lines.map((text) => {
    const { tid: _tid, us: _us, ...line } = JSON.parse(text) as Line;
    const memory = Object.entries(line).filter(([key]) => /^(in|out)\d$/.test(key));
    const { nr, rq, ret, errno, arg_in, arg_out } = line;
    const buffers = {
      ...(line.buf_in !== undefined && { buf_in: line.buf_in }),
      ...(line.buf_out !== undefined && { buf_out: line.buf_out }),
    };
    const texts = Object.fromEntries(memory.map(([key, value]) => [key, String(value)]));
    return { nr, rq, ret, errno, arg_in, arg_out, ...buffers, memory: texts };
  });
}

/** Ioctls whose argument begins with an address. */
const WITH_ADDRESS: ReadonlySet<number> = new Set(
  [abi.TEE_IOC_OPEN_SESSION, abi.TEE_IOC_INVOKE, abi.TEE_IOC_SHM_REGISTER].map(_IOC_NR),
);
const ADDRESS_DIGITS = 16;
const SHOWN_DIGITS = 64;
/** What an fd is compared as. */
const SOME_FD = 3;

/** A call of an example, with what may differ taken away and long memory summed up. */
export function comparable(example: ExampleName, call: RecordedIoctl): RecordedIoctl {
  const blank = (hex: string): string =>
    WITH_ADDRESS.has(call.nr) ? hex.slice(ADDRESS_DIGITS).padStart(hex.length, '0') : hex;
  const memory = Object.entries(call.memory).map(([key, hex]): [string, string] => [
    key,
    VARYING[example].includes(key) ? `${hex.length / 2} bytes` : summary(hex),
  ]);
  return {
    ...call,
    ret: call.ret > 0 ? SOME_FD : call.ret,
    arg_in: blank(call.arg_in),
    arg_out: blank(call.arg_out),
    memory: Object.fromEntries(memory),
  };
}

/** Memory that differs from run to run: random bytes, and what stood in an output buffer before. */
const VARYING: Readonly<Record<ExampleName, readonly string[]>> = {
  hello_world: [],
  random: ['out0'],
  aes: ['in1'],
};

/** Differences of pages of digits say nothing to a reader. */
function summary(hex: string): string {
  if (hex.length <= SHOWN_DIGITS) return hex;
  const digest = createHash('sha256').update(hex).digest('hex');
  return `${hex.length / 2} bytes ${hex.slice(0, SHOWN_DIGITS)}… (SHA-256 ${digest})`;
}

/** Text without the number that the random client prints. */
export const withoutDigits = (text: string): string => text.replace(/0x[0-9a-f]+$/m, '0x…');
