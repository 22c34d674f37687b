/**
 * Has the ecdsa TA digest a text, make a key, sign and verify, and prints the signature.
 * Upstream counterpart: optee_examples ecdsa/host/main.c.
 */
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INPUT,
  TEE_ALG_ECDSA_SHA1,
  TEE_ALG_ECDSA_SHA224,
  TEE_ALG_ECDSA_SHA256,
  TEE_ALG_ECDSA_SHA384,
  TEE_ALG_ECDSA_SHA512,
} from '../../src/abi/gp.ts';
import type { TeecOperation, TeecSession } from '../../src/userland/libteec/teec.ts';
import type { TeeClient } from '../../src/userland/tee-client.ts';
import { digits, hex } from '../digits.ts';
import { ClientFailed, exitCodeOf, failed } from '../failed.ts';
import type { Print } from '../failed.ts';
import {
  TA_ECDSA_CMD_COMPUTE_DIGEST,
  TA_ECDSA_GEN_KEY,
  TA_ECDSA_SIGN_VERIFY_DIGEST,
  TA_ECDSA_UUID,
} from './ecdsa-ta.ts';

const MESSAGE = new TextEncoder().encode('hello world');
/** Room, in bytes. */
const DIGEST_SIZE = 64;
const SIGNATURE_SIZE = 512;

/** Algorithms by the names that the client takes as its argument. */
const ALGORITHMS: ReadonlyMap<string, number> = new Map([
  ['ECDSA_SHA1', TEE_ALG_ECDSA_SHA1],
  ['ECDSA_SHA224', TEE_ALG_ECDSA_SHA224],
  ['ECDSA_SHA256', TEE_ALG_ECDSA_SHA256],
  ['ECDSA_SHA384', TEE_ALG_ECDSA_SHA384],
  ['ECDSA_SHA512', TEE_ALG_ECDSA_SHA512],
]);

const DEFAULT = 'ECDSA_SHA256';

const USAGE = [
  'usage: ecdsa [<algo>]',
  '',
  'Example of ECSDSA authentication in a TA',
  '',
  '<algo>     ECDSA algorithm to use, supported values:',
  ...[...ALGORITHMS.keys()].map(
    (name) => `           ${name}${name === DEFAULT ? ' (default)' : ''}`,
  ),
];

/** The TA's commands, on one session. */
class EcdsaSession {
  readonly #client: TeeClient;
  readonly #session: TeecSession;

  constructor(client: TeeClient, session: TeecSession) {
    this.#client = client;
    this.#session = session;
  }

  async computeDigest(algorithm: number, message: Uint8Array): Promise<Uint8Array> {
    const to = room(DIGEST_SIZE);
    await this.#invoke('COMPUTE DIGEST', TA_ECDSA_CMD_COMPUTE_DIGEST, {
      paramTypes: TEEC_PARAM_TYPES(
        TEEC_MEMREF_TEMP_INPUT,
        TEEC_MEMREF_TEMP_OUTPUT,
        TEEC_VALUE_INPUT,
        TEEC_NONE,
      ),
      params: [
        { tmpref: { buffer: message, size: message.length } },
        { tmpref: to },
        { value: { a: algorithm, b: 0 } },
      ],
    });
    return to.buffer.subarray(0, to.size);
  }

  generateKey(): Promise<void> {
    return this.#invoke('Genrate Key', TA_ECDSA_GEN_KEY, {
      paramTypes: TEEC_PARAM_TYPES(TEEC_NONE, TEEC_NONE, TEEC_NONE, TEEC_NONE),
      params: [],
    });
  }

  async signAndVerify(digest: Uint8Array): Promise<Uint8Array> {
    const to = room(SIGNATURE_SIZE);
    await this.#invoke('Sign Verify', TA_ECDSA_SIGN_VERIFY_DIGEST, {
      paramTypes: TEEC_PARAM_TYPES(
        TEEC_MEMREF_TEMP_INPUT,
        TEEC_MEMREF_TEMP_OUTPUT,
        TEEC_NONE,
        TEEC_NONE,
      ),
      params: [{ tmpref: { buffer: digest, size: digest.length } }, { tmpref: to }],
    });
    return to.buffer.subarray(0, to.size);
  }

  async #invoke(name: string, command: number, operation: TeecOperation): Promise<void> {
    const { result, origin } = await this.#client.TEEC_InvokeCommand(
      this.#session,
      command,
      operation,
    );
    if (result === TEEC_SUCCESS) return;
    const codes = `${hex(result)} origin ${hex(origin)}`;
    throw new ClientFailed(`TEEC_InvokeCommand(${name}) failed ${codes}`);
  }
}

const room = (size: number): { readonly buffer: Uint8Array; size: number } => ({
  buffer: new Uint8Array(size),
  size,
});

async function signMessage(ecdsa: EcdsaSession, print: Print, algorithm: number): Promise<void> {
  print('Compute digest');
  const digest = await ecdsa.computeDigest(algorithm, MESSAGE);
  print('genrate the key');
  await ecdsa.generateKey();
  print('Sign and Verify the digest');
  const signature = await ecdsa.signAndVerify(digest);
  print('verify signature successfully.');
  print(`signature: ${digits(signature, ' ')}`);
}

/**
 * @param args the algorithm's name, `ECDSA_SHA256` without.
 * @returns the exit code.
 */
export async function main(
  client: TeeClient,
  print: Print,
  args: readonly string[] = [],
): Promise<number> {
  const name = args[0] ?? DEFAULT;
  print(`${name} algo selected`);
  const algorithm = ALGORITHMS.get(name);
  if (algorithm === undefined) {
    for (const line of [`${name} algo is invalid`, ...USAGE]) print(line);
    return 1;
  }
  print('Prepare session with the TA');
  const { result, context } = await client.TEEC_InitializeContext();
  if (result !== TEEC_SUCCESS) return failed(print, 'TEEC_InitializeContext', result);
  const open = await client.TEEC_OpenSession(context, TA_ECDSA_UUID, TEEC_LOGIN_PUBLIC);
  if (open.result !== TEEC_SUCCESS) {
    return failed(print, 'TEEC_Opensession', open.result, open.origin);
  }
  return exitCodeOf(print, async () => {
    await signMessage(new EcdsaSession(client, open.session), print, algorithm);
    await client.TEEC_CloseSession(open.session);
    await client.TEEC_FinalizeContext(context);
  });
}
