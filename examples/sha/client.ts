/**
 * Has the sha TA digest a text, or make and compare its authentication code under a key of 0xa5.
 * Upstream counterpart: optee_examples sha/host/main.c.
 */
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INPUT,
} from '../../src/abi/gp.ts';
import type { TeecOperation, TeecReply, TeecSession } from '../../src/userland/libteec/teec.ts';
import type { TeeClient } from '../../src/userland/tee-client.ts';
import { digits, hex } from '../digits.ts';
import { ClientFailed, exitCodeOf, failed } from '../failed.ts';
import type { Print } from '../failed.ts';
import { ALGORITHMS, DEFAULT_ALGORITHM } from './algorithms.ts';
import type { MacKey, ShaAlgorithm } from './algorithms.ts';
import * as ta from './sha-ta.ts';

/** Room for a digest or a code, in bytes. */
const BUFFER_SIZE = 64;

const USAGE = [
  'Usage: sha <string to process> [<algo>]',
  '',
  'Example of hash, HMAC and CMAC in a TA.',
  '',
  `<algo>    Optional algorithm name. ${DEFAULT_ALGORITHM} if omitted.`,
  '          Supported values are:',
  ...[...ALGORITHMS.keys()].map((name) => `          ${name}`),
];

/** The TA's commands, on one session. */
class ShaSession {
  readonly #client: TeeClient;
  readonly #session: TeecSession;

  constructor(client: TeeClient, session: TeecSession) {
    this.#client = client;
    this.#session = session;
  }

  async digest(algorithm: number, message: Uint8Array): Promise<Uint8Array> {
    const buffer = new Uint8Array(BUFFER_SIZE);
    const digest = { buffer, size: buffer.length };
    const operation = {
      paramTypes: TEEC_PARAM_TYPES(
        TEEC_MEMREF_TEMP_INPUT,
        TEEC_MEMREF_TEMP_OUTPUT,
        TEEC_VALUE_INPUT,
        TEEC_NONE,
      ),
      params: [
        { tmpref: { buffer: message, size: message.length } },
        { tmpref: digest },
        { value: { a: algorithm, b: 0 } },
      ],
    };
    await this.#mustInvoke('COMPUTE DIGEST', ta.TA_SHA_CMD_COMPUTE_DIGEST, operation);
    return buffer.subarray(0, digest.size);
  }

  prepare(algorithm: number, { size, objectType }: MacKey): Promise<void> {
    return this.#mustInvoke('PREPARE', ta.TA_SHA_CMD_PREPARE, {
      paramTypes: TEEC_PARAM_TYPES(TEEC_VALUE_INPUT, TEEC_VALUE_INPUT, TEEC_VALUE_INPUT, TEEC_NONE),
      params: [algorithm, size, objectType].map((a) => ({ value: { a, b: 0 } })),
    });
  }

  setKey(key: Uint8Array): Promise<void> {
    return this.#mustInvoke('SET_KEY', ta.TA_SHA_CMD_SET_KEY, input(key));
  }

  /** No algorithm takes an initial vector. */
  setIv(): Promise<void> {
    return this.#mustInvoke('SET_IV', ta.TA_SHA_CMD_SET_IV, input(null));
  }

  async computeMac(message: Uint8Array): Promise<Uint8Array> {
    const buffer = new Uint8Array(BUFFER_SIZE);
    const mac = { buffer, size: buffer.length };
    await this.#mustInvoke('SHA_OPS', ta.TA_SHA_CMD_COMPUTE_MAC, {
      paramTypes: TEEC_PARAM_TYPES(
        TEEC_MEMREF_TEMP_INPUT,
        TEEC_MEMREF_TEMP_OUTPUT,
        TEEC_NONE,
        TEEC_NONE,
      ),
      params: [{ tmpref: { buffer: message, size: message.length } }, { tmpref: mac }],
    });
    return buffer.subarray(0, mac.size);
  }

  async isMac(message: Uint8Array, mac: Uint8Array): Promise<boolean> {
    const { result } = await this.#invoke(ta.TA_SHA_CMD_COMPARE_MAC, input(message, mac));
    return result === TEEC_SUCCESS;
  }

  async #mustInvoke(name: string, command: number, operation: TeecOperation): Promise<void> {
    const { result, origin } = await this.#invoke(command, operation);
    if (result === TEEC_SUCCESS) return;
    const codes = `${hex(result)} origin ${hex(origin)}`;
    throw new ClientFailed(`TEEC_InvokeCommand(${name}) failed ${codes}`);
  }

  #invoke(command: number, operation: TeecOperation): TeecReply | Promise<TeecReply> {
    return this.#client.TEEC_InvokeCommand(this.#session, command, operation);
  }
}

/** An operation whose parameters are `inputs`. */
function input(...inputs: readonly (Uint8Array | null)[]): TeecOperation {
  const second = inputs.length > 1 ? TEEC_MEMREF_TEMP_INPUT : TEEC_NONE;
  return {
    paramTypes: TEEC_PARAM_TYPES(TEEC_MEMREF_TEMP_INPUT, second, TEEC_NONE, TEEC_NONE),
    params: inputs.map((buffer) => ({ tmpref: { buffer, size: buffer?.length ?? 0 } })),
  };
}

async function prepareMac(
  sha: ShaSession,
  print: Print,
  purpose: string,
  algorithm: number,
  key: MacKey,
): Promise<void> {
  print(`Prepare MAC ${purpose} operation`);
  await sha.prepare(algorithm, key);
  print('Load key in TA');
  await sha.setKey(new Uint8Array(key.size).fill(0xa5));
  print('Reset operation in TA (provides the initial vector)');
  await sha.setIv();
}

async function process(
  sha: ShaSession,
  print: Print,
  { id, key }: ShaAlgorithm,
  message: Uint8Array,
): Promise<void> {
  if (key === undefined) {
    print('Compute digest');
    print(`digest: ${digits(await sha.digest(id, message))}`);
    return;
  }
  await prepareMac(sha, print, 'compute', id, key);
  print('Compute MAC operation');
  const mac = await sha.computeMac(message);
  await prepareMac(sha, print, 'compare', id, key);
  print('Compare the MAC');
  print(`MAC ${(await sha.isMac(message, mac)) ? 'successfully matching' : 'did not match'}`);
  print(`MAC: ${digits(mac)}`);
}

/**
 * @param args the text, and the algorithm's name, `HMAC_SHA256` without.
 * @returns the exit code.
 */
export async function main(
  client: TeeClient,
  print: Print,
  args: readonly string[] = [],
): Promise<number> {
  const usage = (problem: string): number => {
    for (const line of [problem, ...USAGE]) print(line);
    return 1;
  };
  const [text = '', name = DEFAULT_ALGORITHM] = args;
  if (args.length < 1 || args.length > 2) {
    return usage(`Unexpected number of arguments ${args.length} (expected 2)`);
  }
  print(`${name} algo selected`);
  const algorithm = ALGORITHMS.get(name);
  if (algorithm === undefined) return usage(`${name} algo is invalid`);
  print('Prepare session with the TA');
  const { result, context } = await client.TEEC_InitializeContext();
  if (result !== TEEC_SUCCESS) return failed(print, 'TEEC_InitializeContext', result);
  const open = await client.TEEC_OpenSession(context, ta.TA_SHA_UUID, TEEC_LOGIN_PUBLIC);
  if (open.result !== TEEC_SUCCESS) {
    return failed(print, 'TEEC_Opensession', open.result, open.origin);
  }
  return exitCodeOf(print, async () => {
    const sha = new ShaSession(client, open.session);
    await process(sha, print, algorithm, new TextEncoder().encode(text));
    await client.TEEC_CloseSession(open.session);
    await client.TEEC_FinalizeContext(context);
  });
}
