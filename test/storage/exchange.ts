/**
 * Plays operations on storage, a line each, and says what came of them in the words of the recordings
 * in `fixtures/real-*`:
 *
 *     create H STORE FLAGS KEYH ID LENGTH SEED    open H STORE FLAGS ID     close H     free H
 *     read H LENGTH     write H LENGTH SEED     seek H OFFSET WHENCE     trunc H SIZE     rename H ID
 *     info H     enum STORE     attr H ID     key H TYPE BITS ID=LENGTH:SEED ID=v:A:B …
 *
 * H is the place of a handle. An id is text, or `x` and hex digits, or `@LENGTH:SEED`; bytes are a
 * pattern that grows from a seed.
 */
import assert from 'node:assert/strict';
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INOUT,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INPUT,
  TEE_ORIGIN_TRUSTED_APP,
} from '../../src/abi/gp.ts';
import { Box } from '../../src/box/box.ts';
import type { BoxOptions } from '../../src/box/box.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { taImageOf } from '../../src/index.ts';
import type { TeecContext, TeecSession } from '../../src/userland/libteec/teec.ts';
import type { TeeClient } from '../../src/userland/tee-client.ts';
import * as ta from './exchange-ta.ts';

const image = taImageOf(ta, 'test/storage/exchange-ta.ts');

/** Room for what comes back, where an operation does not say how much. */
const ROOM: Readonly<Record<string, number>> = { info: 64, enum: 65_536, attr: 4096 };
/** More bytes than these are shown by their hash. */
const SHOWN = 48;

const number = (text: string | undefined): number => Number(text ?? 0) >>> 0;

function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = Math.imul(seed, 2_654_435_761) + 12_345;
  for (let n = 0; n < length; n++) {
    x = Math.imul(x, 1_664_525) + 1_013_904_223;
    bytes[n] = x >>> 24;
  }
  return bytes;
}

const sized = (text: string): Uint8Array => {
  const [length, seed] = text.split(':').map(Number);
  return pattern(length ?? 0, seed ?? 0);
};

function idOf(text: string): Uint8Array {
  if (text.startsWith('x')) return Uint8Array.from(Buffer.from(text.slice(1), 'hex'));
  if (text.startsWith('@')) return sized(text.slice(1));
  return new TextEncoder().encode(text);
}

/** `0xc0000000=32:20` or `0xf0000441=v:3:0`, as the TA takes it. */
function attribute(text: string): number[] {
  const [id = '', content = ''] = text.split('=');
  const values = content.startsWith('v:') ? content.slice(2).split(':').map(Number) : undefined;
  const bytes =
    values === undefined ? sized(content) : new Uint8Array(Uint32Array.from(values).buffer);
  const head = Uint32Array.of(Number(id), bytes.length);
  return [...new Uint8Array(head.buffer), ...bytes];
}

interface Request {
  readonly numbers: readonly (string | undefined)[];
  readonly id?: string;
  readonly data?: Uint8Array;
}

/** What the words behind an operation's name mean to the TA. */
function requestOf(name: string, words: readonly string[]): Request {
  const [h, x, y, z, id] = words;
  const room = new Uint8Array(name === 'read' ? number(x) : (ROOM[name] ?? 0));
  switch (name) {
    case 'create':
      return { numbers: [h, x, y, z], id: id!, data: pattern(number(words[5]), number(words[6])) };
    case 'open':
      return { numbers: [h, x, y], id: z! };
    case 'write':
      return { numbers: [h], data: pattern(number(x), number(y)) };
    case 'rename':
      return { numbers: [h], id: x! };
    case 'enum':
      return { numbers: ['0', h], data: room };
    case 'key':
      return { numbers: [h, x, y], data: Uint8Array.from(words.slice(3).flatMap(attribute)) };
    default:
      return { numbers: [h, x, y], data: room };
  }
}

const hex = (value: number): string => value.toString(16).padStart(8, '0');

function fnv(bytes: Uint8Array): number {
  let hash = 2_166_136_261;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 16_777_619);
  return hash >>> 0;
}

function shown(bytes: Uint8Array): string {
  const start = Buffer.from(bytes.subarray(0, SHOWN)).toString('hex');
  return bytes.length > SHOWN ? `${start}..fnv:${hex(fnv(bytes))}` : start;
}

function info(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [type, size, max, usage, data, pos, flags] = Array.from({ length: 7 }, (_, n) =>
    view.getUint32(4 * n, true),
  ) as [number, number, number, number, number, number, number];
  const [kind, use, state] = [type, usage, flags].map((value) => value.toString(16));
  return `type=${kind} size=${size} max=${max} usage=${use} data=${data} pos=${pos} flags=${state}`;
}

function* listed(bytes: Uint8Array): Generator<string> {
  for (let at = 0; at < bytes.length;) {
    const idAt = at + ta.INFO_BYTES + 1;
    const end = idAt + bytes[idAt - 1]!;
    const id = Buffer.from(bytes.subarray(idAt, end)).toString('hex');
    yield `    ${info(bytes.subarray(at, idAt))} id=${id}`;
    at = end;
  }
}

/** What a success gives beside its code. */
function told(name: string, out: Uint8Array): string {
  if (name === 'read') return ` ${out.length} ${shown(out)}`;
  if (name === 'attr') return ` ${shown(out)}`;
  return name === 'info' ? ` ${info(out)}` : '';
}

/** A box with the TA of the recordings, and a client of it. */
export class Exchange {
  readonly box: Box;
  readonly #client: TeeClient;
  readonly #context: TeecContext;
  #session: TeecSession | undefined;

  private constructor(box: Box, client: TeeClient, context: TeecContext) {
    this.box = box;
    this.#client = client;
    this.#context = context;
  }

  static async boot(options: BoxOptions): Promise<Exchange> {
    const box = new Box(nodeHost(), { tas: [image], ...options });
    const client = box.client({ name: 'exchange' });
    const { context } = await client.TEEC_InitializeContext();
    return new Exchange(box, client, context);
  }

  /** @returns a line for each operation, and for each object that one lists. */
  async play(operations: readonly string[]): Promise<string[]> {
    const lines: string[] = [];
    for (const line of operations) lines.push(...(await this.#operation(line)));
    return lines;
  }

  async #operation(line: string): Promise<string[]> {
    const [name = '', ...words] = line.split(' ');
    assert.ok(name in ta.CMD, name);
    const { result, origin, out } = await this.#invoke(name as keyof typeof ta.CMD, words);
    if (origin !== TEE_ORIGIN_TRUSTED_APP) {
      // The TA has panicked: the next operation has a new one.
      this.#session = undefined;
      return [`${line} -> invoke ${hex(result)} origin ${origin}`];
    }
    const more = result === TEEC_SUCCESS ? told(name, out) : '';
    return [`${line} -> ${hex(result)}${more}`, ...(name === 'enum' ? listed(out) : [])];
  }

  async #invoke(name: keyof typeof ta.CMD, words: readonly string[]) {
    const { numbers, id = '', data = new Uint8Array(0) } = requestOf(name, words);
    const [h, x, y, z] = [0, 1, 2, 3].map((n) => number(numbers[n])) as [
      number,
      number,
      number,
      number,
    ];
    const idBytes = idOf(id);
    const moved = { tmpref: { buffer: data, size: data.length } };
    const memrefs = [TEEC_MEMREF_TEMP_INPUT, TEEC_MEMREF_TEMP_INOUT] as const;
    this.#session ??= await this.#open();
    const { result, origin } = await this.#client.TEEC_InvokeCommand(this.#session, ta.CMD[name], {
      paramTypes: TEEC_PARAM_TYPES(TEEC_VALUE_INPUT, TEEC_VALUE_INPUT, ...memrefs),
      params: [
        { value: { a: h, b: x } },
        { value: { a: y, b: z } },
        { tmpref: { buffer: idBytes, size: idBytes.length } },
        moved,
      ],
    });
    return { result, origin, out: data.subarray(0, moved.tmpref.size) };
  }

  async #open(): Promise<TeecSession> {
    const { result, session } = await this.#client.TEEC_OpenSession(
      this.#context,
      ta.EXCHANGE_TA,
      TEEC_LOGIN_PUBLIC,
    );
    assert.equal(result, TEEC_SUCCESS);
    return session;
  }

  /** The client ends, and nothing stays behind. */
  async end(): Promise<void> {
    await this.#client.program.exit();
    await this.box.settle();
    assert.deepEqual(this.box.leaks(), []);
  }
}
