/**
 * Recordings of the public example clients on the real stack (OP-TEE 4.10.0, Linux 6.1.192, arm64),
 * one JSON object an ioctl, and what is left of them when everything is taken away that differs from
 * run to run: addresses, durations, numbers of threads and files, random bytes.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as abi from '../../src/abi/tee.ts';
import { _IOC_NR } from '../../src/abi/ioctl.ts';

/** One run of a public example. */
export interface Recording {
  /** Of the fixtures: `ex_NAME.jsonl` and `ex_NAME.out`. */
  readonly name: string;
  /** The example's folder. */
  readonly example: string;
  /** What its client was run with. */
  readonly args: readonly string[];
  /**
   * What differs from run to run, as `N.KEY` of the Nth ioctl: random bytes, what follows from them,
   * and what stood in memory that the program did not initialize.
   */
  readonly varying: readonly string[];
  /** What it prints that differs from run to run. */
  readonly varyingText?: RegExp;
}

const sha = (algorithm: string): Recording => ({
  name: `sha_${algorithm}`,
  example: 'sha',
  args: ['hello world', algorithm],
  varying: [],
});

/** A row of bytes. */
const SPACED_DIGITS = /(?<=: )([0-9a-f]{2} )+$/gm;

const MACS = ['AES_CMAC', 'HMAC_SHA1', 'HMAC_SHA224', 'HMAC_SHA256', 'HMAC_SHA384', 'HMAC_SHA512'];
const DIGESTS = ['SHA1', 'SHA224', 'SHA256', 'SHA384', 'SHA512'];
const SPONGES = ['SHA3_224', 'SHA3_256', 'SHA3_384', 'SHA3_512', 'SHAKE128', 'SHAKE256'];

export const RECORDINGS: readonly Recording[] = [
  { name: 'hello_world', example: 'hello_world', args: [], varying: [] },
  {
    name: 'random',
    example: 'random',
    args: [],
    varying: ['3.out0'],
    varyingText: /0x[0-9a-f]+$/gm,
  },
  { name: 'aes', example: 'aes', args: [], varying: ['9.in1', '17.in1'] },
  { name: 'hotp', example: 'hotp', args: [], varying: ['4.buf_in'] },
  ...[...MACS, ...DIGESTS, ...SPONGES].map(sha),
  {
    name: 'acipher',
    example: 'acipher',
    args: ['512', 'hello'],
    varying: ['7.out1', '9.in0', '9.out0', '12.in0', '12.out0', '12.in1'],
    varyingText: SPACED_DIGITS,
  },
  {
    name: 'ecdsa',
    example: 'ecdsa',
    args: [],
    varying: ['4.in1', '8.in1', '8.out1'],
    varyingText: SPACED_DIGITS,
  },
  {
    name: 'ecdh',
    example: 'ecdh',
    args: [],
    varying: ['4.out3'],
    varyingText: /^([0-9a-f]{2})+$/gm,
  },
  {
    name: 'sign_verify',
    example: 'sign_verify',
    args: [],
    varying: ['4.in1', '4.out1'],
    varyingText: SPACED_DIGITS,
  },
  { name: 'secure_storage', example: 'secure_storage', args: [], varying: [] },
];

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
  /** `in0`, `out0`, …: memory that parameter 0, … refers to, if it is 4096 bytes or less. */
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
export const recordedOutput = ({ name }: Recording): string => fixture(`ex_${name}.out`);

export function recordedIoctls({ name }: Recording): readonly RecordedIoctl[] {
  const lines = fixture(`ex_${name}.jsonl`).trimEnd().split('\n');
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

/** The calls of a recording, with what may differ taken away and long memory summed up. */
export const comparable = (
  recording: Recording,
  calls: readonly RecordedIoctl[],
): readonly RecordedIoctl[] => calls.map((call, n) => comparableCall(recording, call, n));

function comparableCall({ varying }: Recording, call: RecordedIoctl, n: number): RecordedIoctl {
  const blank = (hex: string): string =>
    WITH_ADDRESS.has(call.nr) ? hex.slice(ADDRESS_DIGITS).padStart(hex.length, '0') : hex;
  const shown = (key: string, hex: string): string =>
    varying.includes(`${n}.${key}`) ? `${hex.length / 2} bytes` : summary(hex);
  const memory = Object.entries(call.memory).map(([key, hex]) => [key, shown(key, hex)] as const);
  return {
    ...call,
    ...(varying.includes(`${n}.buf_in`) && { buf_in: 'varies' }),
    ret: call.ret > 0 ? SOME_FD : call.ret,
    arg_in: blank(call.arg_in),
    arg_out: blank(call.arg_out),
    memory: Object.fromEntries(memory),
  };
}

/** Differences of pages of digits say nothing to a reader. */
function summary(hex: string): string {
  if (hex.length <= SHOWN_DIGITS) return hex;
  const digest = createHash('sha256').update(hex).digest('hex');
  return `${hex.length / 2} bytes ${hex.slice(0, SHOWN_DIGITS)}… (SHA-256 ${digest})`;
}

/** What a client printed, without what differs from run to run. */
export const comparableText = ({ varyingText }: Recording, text: string): string =>
  varyingText === undefined ? text : text.replaceAll(varyingText, '…');
