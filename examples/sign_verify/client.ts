/**
 * Has the sign_verify TA make an RSA key, sign a text and verify the signature, and prints it.
 * Upstream counterpart: optee_examples sign_verify/host/main.c.
 */
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INPUT,
} from '../../src/abi/gp.ts';
import type { TeecSession } from '../../src/userland/libteec/teec.ts';
import type { TeeClient } from '../../src/userland/tee-client.ts';
import { digits, hex } from '../digits.ts';
import { ClientFailed, exitCodeOf } from '../failed.ts';
import type { Print } from '../failed.ts';
import * as ta from './sign-verify-ta.ts';

const MESSAGE = new TextEncoder().encode('HelloFromHost');

/** Algorithms by the names that the client takes as its argument. */
const ALGORITHMS: ReadonlyMap<string, number> = new Map([
  ['PKCS1_V1_5_SHA1', ta.TA_ALG_PKCS1_V1_5_SHA1],
  ['PKCS1_V1_5_SHA224', ta.TA_ALG_PKCS1_V1_5_SHA224],
  ['PKCS1_V1_5_SHA256', ta.TA_ALG_PKCS1_V1_5_SHA256],
  ['PKCS1_V1_5_SHA384', ta.TA_ALG_PKCS1_V1_5_SHA384],
  ['PKCS1_V1_5_SHA512', ta.TA_ALG_PKCS1_V1_5_SHA512],
  ['PKCS1_PSS_MGF1_SHA1', ta.TA_ALG_PKCS1_PSS_MGF1_SHA1],
  ['PKCS1_PSS_MGF1_SHA224', ta.TA_ALG_PKCS1_PSS_MGF1_SHA224],
  ['PKCS1_PSS_MGF1_SHA256', ta.TA_ALG_PKCS1_PSS_MGF1_SHA256],
  ['PKCS1_PSS_MGF1_SHA384', ta.TA_ALG_PKCS1_PSS_MGF1_SHA384],
  ['PKCS1_PSS_MGF1_SHA512', ta.TA_ALG_PKCS1_PSS_MGF1_SHA512],
]);

const DEFAULT = 'PKCS1_V1_5_SHA256';

const USAGE = [
  'Usage: sign_verify [<key_size> [<algo>]]',
  '',
  'Example of RSA authentication in a TA',
  '',
  '<key_size>    Key size in bits, supported values are:',
  '              2048 (default), 3072, 4096.',
  '',
  '<algo>        Algorithm name, supported values are:',
  ...[...ALGORITHMS.keys()].map(
    (name) => `              ${name}${name === DEFAULT ? ' (default)' : ''}`,
  ),
];

interface Arguments {
  /** Bits. */
  readonly keySize: number;
  /** TA_ALG_* */
  readonly algorithm: number;
}

/** What the client is to do; undefined, with the usage, when that is not clear. */
function parse(print: Print, args: readonly string[]): Arguments | undefined {
  const [size = '2048', name = DEFAULT] = args;
  const usage = (...problem: string[]): undefined => {
    for (const line of [...problem, ...USAGE]) print(line);
    return undefined;
  };
  if (args.length > 2) return usage();
  const keySize = Number(size);
  if (!Number.isInteger(keySize)) return usage(`cannot parse key_size "${size}"`);
  if (keySize < 0) return usage(`bad key_size "${size}" (${keySize})`);
  print(`Key size: ${keySize}`);
  print(`${name} algo selected`);
  const algorithm = ALGORITHMS.get(name);
  return algorithm === undefined ? usage(`${name} algo is invalid`, '') : { keySize, algorithm };
}

async function signAndVerify(
  client: TeeClient,
  session: TeecSession,
  { keySize, algorithm }: Arguments,
): Promise<Uint8Array> {
  const buffer = new Uint8Array(ta.MAX_SIG_SIZE);
  const signature = { buffer, size: buffer.length };
  const reply = await client.TEEC_InvokeCommand(session, ta.TA_RSA_SIGN_CMD_SIGN_VERIFY, {
    paramTypes: TEEC_PARAM_TYPES(
      TEEC_MEMREF_TEMP_INPUT,
      TEEC_MEMREF_TEMP_OUTPUT,
      TEEC_VALUE_INPUT,
      TEEC_VALUE_INPUT,
    ),
    params: [
      { tmpref: { buffer: MESSAGE, size: MESSAGE.length } },
      { tmpref: signature },
      { value: { a: algorithm, b: 0 } },
      { value: { a: keySize, b: 0 } },
    ],
  });
  if (reply.result !== TEEC_SUCCESS) fail('TEEC_InvokeCommand', reply.result, reply.origin);
  return buffer.subarray(0, signature.size);
}

function fail(call: string, result: number, origin?: number): never {
  const from = origin === undefined ? '' : ` origin: ${hex(origin)}`;
  throw new ClientFailed(`${call} failed: ${hex(result)}${from}`);
}

async function inSession(client: TeeClient, print: Print, given: Arguments): Promise<void> {
  print('Prepare session with the TA');
  const { result, context } = await client.TEEC_InitializeContext();
  if (result !== TEEC_SUCCESS) fail('TEEC_InitializeContext', result);
  const open = await client.TEEC_OpenSession(context, ta.TA_SIGN_VERIFY_UUID, TEEC_LOGIN_PUBLIC);
  if (open.result !== TEEC_SUCCESS) fail('TEEC_OpenSession', open.result, open.origin);
  print('Prepare sign and verify operations');
  const signature = await signAndVerify(client, open.session, given);
  print(`Sign and verify successful. Signature length: ${signature.length} bytes`);
  print(`Signature: ${digits(signature, ' ')}`);
  await client.TEEC_CloseSession(open.session);
  await client.TEEC_FinalizeContext(context);
}

/**
 * @param args key size in bits and the algorithm's name, `2048 PKCS1_V1_5_SHA256` without.
 * @returns the exit code.
 */
export async function main(
  client: TeeClient,
  print: Print,
  args: readonly string[] = [],
): Promise<number> {
  const given = parse(print, args);
  return given === undefined ? 1 : exitCodeOf(print, () => inSession(client, print, given));
}
