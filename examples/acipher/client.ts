/**
 * Has the acipher TA make an RSA key, encrypts a text with it and decrypts it again.
 * Upstream counterpart: optee_examples acipher/host/main.c. As there, session and context are left
 * for the program's end to close.
 */
import {
  TEEC_ERROR_SHORT_BUFFER,
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_NONE,
  TEEC_ORIGIN_TRUSTED_APP,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INPUT,
} from '../../src/abi/gp.ts';
import type { TeeClient } from '../../src/userland/tee-client.ts';
import type { TeecReply, TeecSession } from '../../src/userland/libteec/teec.ts';
import { digits, hex } from '../digits.ts';
import { ClientFailed, exitCodeOf } from '../failed.ts';
import type { Print } from '../failed.ts';
import {
  TA_ACIPHER_CMD_ENCRYPT_DECRYPT,
  TA_ACIPHER_CMD_GEN_KEY,
  TA_ACIPHER_UUID,
  TA_ALG,
} from './acipher-ta.ts';

const USAGE = [
  'Usage: acipher <key_size> <string to encrypt> [<algo name>]',
  '',
  '<key_size>:  key size in bits. Supported values are:',
  '             2048, 3072, 4096',
  '<algo_name>: algorithm name. Supported values are:',
  '             TA_ALG_PKCS1_V1_5 (default)',
  ...Object.keys(TA_ALG)
    .slice(1)
    .map((name) => `             ${name}`),
];

function fail(what: string, { result, origin }: TeecReply): never {
  throw new ClientFailed(`${what}: ${hex(result)} (error origin ${hex(origin)})`);
}

/** The TA's command, on one session. */
class AcipherSession {
  readonly #client: TeeClient;
  readonly #session: TeecSession;
  readonly #algorithm: number;

  constructor(client: TeeClient, session: TeecSession, algorithm: number) {
    this.#client = client;
    this.#session = session;
    this.#algorithm = algorithm;
  }

  async generateKey(bits: number): Promise<void> {
    const reply = await this.#client.TEEC_InvokeCommand(this.#session, TA_ACIPHER_CMD_GEN_KEY, {
      paramTypes: TEEC_PARAM_TYPES(TEEC_VALUE_INPUT, TEEC_NONE, TEEC_NONE, TEEC_NONE),
      params: [{ value: { a: bits, b: 0 } }],
    });
    if (reply.result !== TEEC_SUCCESS) fail('TEEC_InvokeCommand(TA_ACIPHER_CMD_GEN_KEY)', reply);
  }

  /** Asks first how much room the result needs. @returns that room, filled, and what counts of it */
  async cipher(
    encrypt: boolean,
    from: Uint8Array,
  ): Promise<{ readonly room: Uint8Array; readonly size: number }> {
    const what = `${encrypt ? 'en' : 'de'}cryption`;
    const failed = `Command TA_ACIPHER_CMD_ENCRYPT_DECRYPT failed for ${what}`;
    const to: { buffer: Uint8Array | null; size: number } = { buffer: null, size: 0 };
    const asked = await this.#invoke(encrypt, from, to);
    const isShort =
      asked.origin === TEEC_ORIGIN_TRUSTED_APP && asked.result === TEEC_ERROR_SHORT_BUFFER;
    if (!isShort) fail(failed, asked);
    const room = new Uint8Array(to.size);
    to.buffer = room;
    const reply = await this.#invoke(encrypt, from, to);
    if (reply.result !== TEEC_SUCCESS) fail(failed, reply);
    return { room, size: to.size };
  }

  #invoke(
    encrypt: boolean,
    from: Uint8Array,
    to: { buffer: Uint8Array | null; size: number },
  ): TeecReply | Promise<TeecReply> {
    return this.#client.TEEC_InvokeCommand(this.#session, TA_ACIPHER_CMD_ENCRYPT_DECRYPT, {
      paramTypes: TEEC_PARAM_TYPES(
        TEEC_MEMREF_TEMP_INPUT,
        TEEC_MEMREF_TEMP_OUTPUT,
        TEEC_VALUE_INPUT,
        TEEC_VALUE_INPUT,
      ),
      params: [
        { tmpref: { buffer: from, size: from.length } },
        { tmpref: to },
        { value: { a: encrypt ? 1 : 0, b: 0 } },
        { value: { a: this.#algorithm, b: 0 } },
      ],
    });
  }
}

interface Arguments {
  readonly keySize: number;
  readonly text: Uint8Array;
  readonly algorithm: number;
}

/** What the client is to do; undefined, with the usage, when that is not clear. */
function parse(print: Print, args: readonly string[]): Arguments | undefined {
  const [size = '', text = '', name = 'TA_ALG_PKCS1_V1_5'] = args;
  const usage = (problem: string): undefined => {
    for (const line of [problem, ...USAGE]) print(line);
    return undefined;
  };
  if (args.length < 2 || args.length > 3) {
    return usage(`Unexpected number of arguments ${args.length}`);
  }
  const keySize = Number(size);
  if (!Number.isInteger(keySize)) return usage(`cannot parse key_size "${size}"`);
  if (keySize < 0) return usage(`bad key_size "${size}" (${keySize})`);
  print(`${name} algo selected`);
  const algorithm = new Map<string, number>(Object.entries(TA_ALG)).get(name);
  if (algorithm === undefined) return usage(`${name} algo is invalid`);
  return { keySize, text: new TextEncoder().encode(text), algorithm };
}

async function thereAndBack(client: TeeClient, print: Print, given: Arguments): Promise<void> {
  const { result, context } = await client.TEEC_InitializeContext();
  if (result !== TEEC_SUCCESS)
    throw new ClientFailed(`TEEC_InitializeContext(NULL, x): ${hex(result)}`);
  const open = await client.TEEC_OpenSession(context, TA_ACIPHER_UUID, TEEC_LOGIN_PUBLIC);
  if (open.result !== TEEC_SUCCESS) fail('TEEC_OpenSession(TEEC_LOGIN_PUBLIC)', open);
  const acipher = new AcipherSession(client, open.session, given.algorithm);
  await acipher.generateKey(given.keySize);
  const sealed = await acipher.cipher(true, given.text);
  print(`Encrypted buffer: ${digits(sealed.room, ' ')}`);
  const { room, size } = await acipher.cipher(false, sealed.room);
  const matches = room.subarray(0, size).every((byte, i) => byte === given.text[i]);
  print(matches ? 'message is matching successfully' : 'message is not matching');
}

/**
 * @param args key size in bits, the text, and the algorithm's name (`TA_ALG_PKCS1_V1_5` without).
 * @returns the exit code.
 */
export async function main(
  client: TeeClient,
  print: Print,
  args: readonly string[] = [],
): Promise<number> {
  const given = parse(print, args);
  return given === undefined ? 1 : exitCodeOf(print, () => thereAndBack(client, print, given));
}
