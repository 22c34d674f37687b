/**
 * AES-CTR over 64 KiB of shared memory by the public aes TA, its client inside the box: an
 * initialization and an update per buffer, as the public client makes them. The peer is node:crypto
 * doing the same to plain memory. In contiguous pages the TA sees the memory itself, in scattered
 * ones a copy.
 */
import { createCipheriv } from 'node:crypto';
import * as aes from '../examples/aes/ta.ts';
import {
  TA_AES_ALGO_CTR,
  TA_AES_CMD_CIPHER,
  TA_AES_CMD_PREPARE,
  TA_AES_CMD_SET_IV,
  TA_AES_CMD_SET_KEY,
  TA_AES_MODE_ENCODE,
  TA_AES_SIZE_128BIT,
  TA_AES_UUID,
} from '../examples/aes/aes-ta.ts';
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_PARTIAL_INPUT,
  TEEC_MEMREF_PARTIAL_OUTPUT,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_MEM_INPUT,
  TEEC_MEM_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_VALUE_INPUT,
} from '../src/abi/gp.ts';
import { boot, taImageOf } from '../src/index.ts';
import type { TeeClient } from '../src/index.ts';
import { PAGE_SIZE, roundUp, va } from '../src/machine/address.ts';
import type { Va } from '../src/machine/address.ts';
import { TeecSharedMemory } from '../src/userland/libteec/teec.ts';
import type { TeecContext, TeecOperation, TeecSession } from '../src/userland/libteec/teec.ts';
import { check } from './noop-client.ts';
import { ratioAtLeast } from './row.ts';
import type { Goal, Row } from './row.ts';
import { beside, now, work } from './samples.ts';
import type { Work } from './samples.ts';

const BYTES = 64 * 1024;
const KEY = new Uint8Array(TA_AES_SIZE_128BIT).fill(0xa5);
const IV = new Uint8Array(16);

type Alloc = (client: TeeClient) => Va;

/** Places for a buffer, by how their pages lie in RAM. */
const PLACES: Readonly<Record<string, { readonly alloc: Alloc; readonly goal?: Goal }>> = {
  contiguous: { alloc: contiguous, goal: ratioAtLeast(0.8) },
  scattered: { alloc: scattered },
};

export async function* aesCtr(): AsyncGenerator<Row> {
  using box = boot({ tas: [taImageOf(aes, 'examples/aes/ta.ts')] });
  const client = box.client();
  const { context } = now(client.TEEC_InitializeContext());
  for (const [place, { alloc, goal }] of Object.entries(PLACES)) {
    const session = openSession(client, context);
    const encrypt = cipherWork(`aes-ctr-64k-${place}`, client, session, [
      shareAt(client, context, alloc(client), TEEC_MEM_INPUT),
      shareAt(client, context, alloc(client), TEEC_MEM_OUTPUT),
    ]);
    const perSecond = { unit: 'MB/s', convert: (us: number) => BYTES / us, ms: 2500 } as const;
    yield await beside(encrypt, nodeCrypto(), { ...perSecond, ...(goal && { goal }) });
  }
}

function openSession(client: TeeClient, context: TeecContext): TeecSession {
  const open = now(client.TEEC_OpenSession(context, TA_AES_UUID, TEEC_LOGIN_PUBLIC));
  check('TEEC_OpenSession', open.result);
  invoke(client, open.session, TA_AES_CMD_PREPARE, {
    paramTypes: TEEC_PARAM_TYPES(TEEC_VALUE_INPUT, TEEC_VALUE_INPUT, TEEC_VALUE_INPUT, TEEC_NONE),
    params: [
      { value: { a: TA_AES_ALGO_CTR, b: 0 } },
      { value: { a: TA_AES_SIZE_128BIT, b: 0 } },
      { value: { a: TA_AES_MODE_ENCODE, b: 0 } },
    ],
  });
  invoke(client, open.session, TA_AES_CMD_SET_KEY, temporary(client, KEY));
  return open.session;
}

/** Bytes of the program as a temporary input. */
function temporary(client: TeeClient, bytes: Uint8Array): TeecOperation {
  const { memory } = client.program;
  const buffer = memory.malloc(bytes.length);
  memory.write(buffer, bytes);
  return {
    paramTypes: TEEC_PARAM_TYPES(TEEC_MEMREF_TEMP_INPUT, TEEC_NONE, TEEC_NONE, TEEC_NONE),
    params: [{ tmpref: { buffer, size: bytes.length } }],
  };
}

function shareAt(client: TeeClient, context: TeecContext, at: Va, flags: number): TeecSharedMemory {
  const shm = new TeecSharedMemory(flags, BYTES, at);
  check('TEEC_RegisterSharedMemory', now(client.TEEC_RegisterSharedMemory(context, shm)));
  return shm;
}

function cipherWork(
  name: string,
  client: TeeClient,
  session: TeecSession,
  [input, output]: readonly [TeecSharedMemory, TeecSharedMemory],
): Work {
  const iv = temporary(client, IV);
  const cipher: TeecOperation = {
    paramTypes: TEEC_PARAM_TYPES(
      TEEC_MEMREF_PARTIAL_INPUT,
      TEEC_MEMREF_PARTIAL_OUTPUT,
      TEEC_NONE,
      TEEC_NONE,
    ),
    params: [
      { memref: { parent: input, offset: 0, size: BYTES } },
      { memref: { parent: output, offset: 0, size: BYTES } },
    ],
  };
  return work(name, () => {
    invoke(client, session, TA_AES_CMD_SET_IV, iv);
    invoke(client, session, TA_AES_CMD_CIPHER, cipher);
  });
}

function invoke(client: TeeClient, session: TeecSession, command: number, op: TeecOperation): void {
  const { result } = now(client.TEEC_InvokeCommand(session, command, op));
  check('TEEC_InvokeCommand', result);
}

function nodeCrypto(): Work {
  const clear = new Uint8Array(BYTES);
  return work('node:crypto', () => {
    createCipheriv('aes-128-ctr', KEY, IV).update(clear);
  });
}

/** Page-aligned memory whose pages follow each other in RAM. @throws Error when they do not */
function contiguous({ program }: TeeClient): Va {
  const at = program.memory.memalign(PAGE_SIZE, BYTES);
  if (program.memory.view(at, BYTES) === undefined) throw new Error('the pages are scattered');
  return at;
}

/** Page-aligned memory without two neighbours that are neighbours in RAM. */
function scattered({ program }: TeeClient): Va {
  const { mm } = program.process;
  const start = mm.mmap({ length: 2 * BYTES });
  if (start < 0) throw new Error(`mmap: ${start}`);
  const at = roundUp(start, PAGE_SIZE);
  // Pages come in the order of the first touches: every second one first, from the far end.
  const pages = Array.from({ length: BYTES / PAGE_SIZE }, (_, n) => at + n * PAGE_SIZE);
  for (const parity of [0, 1]) {
    for (const page of pages.filter((_, n) => n % 2 === parity).reverse()) {
      program.memory.setU8(va(page), 0);
    }
  }
  if (program.memory.view(va(at), 2 * PAGE_SIZE) !== undefined) throw new Error('not scattered');
  return va(at);
}
