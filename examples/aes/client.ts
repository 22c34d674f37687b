/**
 * Encrypts 4 KiB with a key that it loads into the aes TA, decrypts them again and compares; with
 * CCM and GCM a short message and its tag instead.
 * Upstream counterpart: optee_examples aes/host/main.c.
 */
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INOUT,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INPUT,
} from '../../src/abi/gp.ts';
import type { TeecOperation, TeecSession } from '../../src/userland/libteec/teec.ts';
import type { TeeClient } from '../../src/userland/tee-client.ts';
import { failed } from '../failed.ts';
import {
  TA_AES_ALGO,
  TA_AES_ALGO_CCM,
  TA_AES_ALGO_ECB,
  TA_AES_ALGO_GCM,
  TA_AES_CMD_AUTHENC,
  TA_AES_CMD_CIPHER,
  TA_AES_CMD_PREPARE,
  TA_AES_CMD_SET_IV,
  TA_AES_CMD_SET_KEY,
  TA_AES_MODE_DECODE,
  TA_AES_MODE_ENCODE,
  TA_AES_SIZE_128BIT,
  TA_AES_UUID,
} from './aes-ta.ts';

const AES_TEST_BUFFER_SIZE = 4096;
const AES_BLOCK_SIZE = 16;
const AE_BUFFER_SIZE = 80;
const AE_MESSAGE = Uint8Array.from('TestCCMMessage', (c) => c.charCodeAt(0));

type Print = (line: string) => void;

/** A command of the TA that did not succeed; ends the client. */
class CommandFailed extends Error {
  constructor(command: string, result: number, origin: number) {
    const codes = `0x${result.toString(16)} origin 0x${origin.toString(16)}`;
    super(`TEEC_InvokeCommand(${command}) failed ${codes}`);
  }
}

/** The commands of the TA, on one session. */
class AesSession {
  readonly #client: TeeClient;
  readonly #session: TeecSession;
  readonly #algorithm: number;

  constructor(client: TeeClient, session: TeecSession, algorithm: number) {
    this.#client = client;
    this.#session = session;
    this.#algorithm = algorithm;
  }

  prepare(mode: number): Promise<void> {
    return this.#invoke('PREPARE', TA_AES_CMD_PREPARE, {
      paramTypes: TEEC_PARAM_TYPES(TEEC_VALUE_INPUT, TEEC_VALUE_INPUT, TEEC_VALUE_INPUT, TEEC_NONE),
      params: [
        { value: { a: this.#algorithm, b: 0 } },
        { value: { a: TA_AES_SIZE_128BIT, b: 0 } },
        { value: { a: mode, b: 0 } },
      ],
    });
  }

  setKey(key: Uint8Array): Promise<void> {
    return this.#invoke('SET_KEY', TA_AES_CMD_SET_KEY, input(key));
  }

  setIv(iv: Uint8Array): Promise<void> {
    const buffer = this.#algorithm === TA_AES_ALGO_ECB ? null : iv;
    return this.#invoke('SET_IV', TA_AES_CMD_SET_IV, input(buffer));
  }

  cipher(from: Uint8Array, to: Uint8Array): Promise<void> {
    return this.#invoke('CIPHER', TA_AES_CMD_CIPHER, {
      paramTypes: TEEC_PARAM_TYPES(
        TEEC_MEMREF_TEMP_INPUT,
        TEEC_MEMREF_TEMP_OUTPUT,
        TEEC_NONE,
        TEEC_NONE,
      ),
      params: [
        { tmpref: { buffer: from, size: from.length } },
        { tmpref: { buffer: to, size: to.length } },
      ],
    });
  }

  /** @returns what was written to `to` and to `tag`. */
  async authenticate(
    mode: number,
    from: Uint8Array,
    to: Uint8Array,
    tag: Uint8Array,
  ): Promise<{ data: Uint8Array; tag: Uint8Array }> {
    const toRef = { buffer: to, size: to.length };
    const tagRef = { buffer: tag, size: tag.length };
    await this.#invoke('AUTHENC', TA_AES_CMD_AUTHENC, {
      paramTypes: TEEC_PARAM_TYPES(
        TEEC_MEMREF_TEMP_INPUT,
        TEEC_MEMREF_TEMP_OUTPUT,
        TEEC_VALUE_INPUT,
        TEEC_MEMREF_TEMP_INOUT,
      ),
      params: [
        { tmpref: { buffer: from, size: from.length } },
        { tmpref: toRef },
        { value: { a: mode, b: 0 } },
        { tmpref: tagRef },
      ],
    });
    return { data: to.subarray(0, toRef.size), tag: tag.subarray(0, tagRef.size) };
  }

  async #invoke(name: string, command: number, operation: TeecOperation): Promise<void> {
    const { result, origin } = await this.#client.TEEC_InvokeCommand(
      this.#session,
      command,
      operation,
    );
    if (result !== TEEC_SUCCESS) throw new CommandFailed(name, result, origin);
  }
}

/** An operation whose one parameter is `bytes`. */
function input(bytes: Uint8Array | null): TeecOperation {
  return {
    paramTypes: TEEC_PARAM_TYPES(TEEC_MEMREF_TEMP_INPUT, TEEC_NONE, TEEC_NONE, TEEC_NONE),
    params: [{ tmpref: { buffer: bytes, size: bytes?.length ?? 0 } }],
  };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

const key = (): Uint8Array => new Uint8Array(TA_AES_SIZE_128BIT).fill(0xa5);

async function cipherThereAndBack(aes: AesSession, print: Print): Promise<void> {
  const clear = new Uint8Array(AES_TEST_BUFFER_SIZE).fill(0x5a);
  const ciphered = new Uint8Array(AES_TEST_BUFFER_SIZE);
  const decoded = new Uint8Array(AES_TEST_BUFFER_SIZE);
  const run = async (title: string, mode: number, from: Uint8Array, to: Uint8Array) => {
    print(`Prepare ${title.toLowerCase()} operation`);
    await aes.prepare(mode);
    print('Load key in TA');
    await aes.setKey(key());
    print('Reset ciphering operation in TA (provides the initial vector)');
    await aes.setIv(new Uint8Array(AES_BLOCK_SIZE));
    print(`${title} buffer from TA`);
    await aes.cipher(from, to);
  };
  await run('Encode', TA_AES_MODE_ENCODE, clear, ciphered);
  await run('Decode', TA_AES_MODE_DECODE, ciphered, decoded);
  if (equal(clear, decoded)) print('Clear text and decoded text match');
  else print('Clear text and decoded text differ => ERROR');
}

async function authenticateThereAndBack(aes: AesSession, print: Print): Promise<void> {
  const run = async (title: string, mode: number, from: Uint8Array, tag: Uint8Array) => {
    print(`Prepare ${title} operation`);
    await aes.prepare(mode);
    print('Load key in TA');
    await aes.setKey(key());
    print(`AE ${title} operation in TA`);
    return aes.authenticate(mode, from, new Uint8Array(AE_BUFFER_SIZE), tag);
  };
  const sealed = await run('encode', TA_AES_MODE_ENCODE, AE_MESSAGE, new Uint8Array(16));
  const opened = await run('decode', TA_AES_MODE_DECODE, sealed.data, sealed.tag);
  if (equal(AE_MESSAGE, opened.data)) print('CCM encryption/decryption successful!');
  else print('Decryption failed or tag mismatch!');
}

function algorithmOf(name: string): number | undefined {
  return new Map<string, number>(Object.entries(TA_AES_ALGO)).get(name);
}

/**
 * @param args the algorithm's name, `TA_AES_ALGO_CTR` without.
 * @returns the exit code.
 */
export async function main(
  client: TeeClient,
  print: Print,
  args: readonly string[] = [],
): Promise<number> {
  const name = args[0] ?? 'TA_AES_ALGO_CTR';
  print(`${name} algo selected`);
  const algorithm = algorithmOf(name);
  if (algorithm === undefined) {
    print(`${name} algo is invalid`);
    return 255;
  }
  print('Prepare session with the TA');
  const { result, context } = await client.TEEC_InitializeContext();
  if (result !== TEEC_SUCCESS) return failed(print, 'TEEC_InitializeContext', result);
  const open = await client.TEEC_OpenSession(context, TA_AES_UUID, TEEC_LOGIN_PUBLIC);
  if (open.result !== TEEC_SUCCESS) {
    return failed(print, 'TEEC_Opensession', open.result, open.origin);
  }
  const authenticates = algorithm === TA_AES_ALGO_CCM || algorithm === TA_AES_ALGO_GCM;
  const thereAndBack = authenticates ? authenticateThereAndBack : cipherThereAndBack;
  try {
    await thereAndBack(new AesSession(client, open.session, algorithm), print);
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    print(error.message);
    return 1;
  }
  await client.TEEC_CloseSession(open.session);
  await client.TEEC_FinalizeContext(context);
  return 0;
}
