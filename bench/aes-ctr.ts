/**
 * AES-CTR over 64 KiB by the public aes TA, its client inside the box: an initialization and an
 * update per buffer, as the public client makes them. Buffers and vector are in shared memory, and
 * once more temporary, as the public client has them. The peer is node:crypto doing the same to
 * plain memory, its key made once. The TA sees contiguous pages themselves, scattered ones as a copy.
 */
import assert from 'node:assert/strict';
import { createCipheriv, createSecretKey } from 'node:crypto';
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
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_MEM_INPUT,
  TEEC_MEM_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_VALUE_INPUT,
} from '../src/abi/gp.ts';
import { boot, taImageOf } from '../src/index.ts';
import type { TeeClient } from '../src/index.ts';
import { PAGE_SIZE, va } from '../src/machine/address.ts';
import type { Va } from '../src/machine/address.ts';
import { TeecSharedMemory } from '../src/userland/libteec/teec.ts';
import type {
  TeecContext,
  TeecOperation,
  TeecParameter,
  TeecSession,
} from '../src/userland/libteec/teec.ts';
import { check } from './noop-client.ts';
import { ratioAtLeast } from './row.ts';
import type { Row } from './row.ts';
import { beside, now, work } from './samples.ts';
import type { Work } from './samples.ts';

const BYTES = 64 * 1024;
const KEY = new Uint8Array(TA_AES_SIZE_128BIT).fill(0xa5);
const IV = new Uint8Array(16).fill(0x5a);

export async function* aesCtr(): AsyncGenerator<Row> {
  using box = boot({ tas: [taImageOf(aes, 'examples/aes/ta.ts')] });
  const client = new AesClient(box.client());
  const perSecond = { unit: 'MB/s', convert: (us: number) => BYTES / us, ms: 2500 } as const;
  const shared = client.cipherShared('aes-ctr-64k-contiguous', contiguous);
  yield await beside(shared, nodeCrypto(), { ...perSecond, goal: ratioAtLeast(0.8) });
  const copied = client.cipherShared('aes-ctr-64k-scattered', scattered);
  yield await beside(copied, nodeCrypto(), perSecond);
  const temporary = client.cipherTemporary('aes-ctr-64k-temporary', contiguous);
  yield await beside(temporary, nodeCrypto(), perSecond);
}

/** Finds memory for a buffer. */
type Alloc = (client: TeeClient) => Va;

class AesClient {
  readonly #client: TeeClient;
  readonly #context: TeecContext;
  readonly #session: TeecSession;

  /** Opens a session, and gives it algorithm and key. */
  constructor(client: TeeClient) {
    this.#client = client;
    this.#context = now(client.TEEC_InitializeContext()).context;
    const open = now(client.TEEC_OpenSession(this.#context, TA_AES_UUID, TEEC_LOGIN_PUBLIC));
    check('TEEC_OpenSession', open.result);
    this.#session = open.session;
    this.#invoke(TA_AES_CMD_PREPARE, {
      paramTypes: TEEC_PARAM_TYPES(TEEC_VALUE_INPUT, TEEC_VALUE_INPUT, TEEC_VALUE_INPUT, TEEC_NONE),
      params: [TA_AES_ALGO_CTR, TA_AES_SIZE_128BIT, TA_AES_MODE_ENCODE].map((a) => ({
        value: { a, b: 0 },
      })),
    });
    const key = this.#temporary(this.#bytes(KEY), KEY.length);
    this.#invoke(TA_AES_CMD_SET_KEY, operation([TEEC_MEMREF_TEMP_INPUT, key]));
  }

  /** All memory is registered once. */
  cipherShared(name: string, alloc: Alloc): Work {
    const input = alloc(this.#client);
    const output = alloc(this.#client);
    const iv = this.#bytes(IV);
    return this.#work(
      name,
      operation([TEEC_MEMREF_PARTIAL_INPUT, this.#share(iv, IV.length, TEEC_MEM_INPUT)]),
      operation(
        [TEEC_MEMREF_PARTIAL_INPUT, this.#share(input, BYTES, TEEC_MEM_INPUT)],
        [TEEC_MEMREF_PARTIAL_OUTPUT, this.#share(output, BYTES, TEEC_MEM_OUTPUT)],
      ),
      output,
    );
  }

  /** All memory is registered for each call. */
  cipherTemporary(name: string, alloc: Alloc): Work {
    const input = alloc(this.#client);
    const output = alloc(this.#client);
    return this.#work(
      name,
      operation([TEEC_MEMREF_TEMP_INPUT, this.#temporary(this.#bytes(IV), IV.length)]),
      operation(
        [TEEC_MEMREF_TEMP_INPUT, this.#temporary(input, BYTES)],
        [TEEC_MEMREF_TEMP_OUTPUT, this.#temporary(output, BYTES)],
      ),
      output,
    );
  }

  #work(name: string, setIv: TeecOperation, cipher: TeecOperation, output: Va): Work {
    const once = (): void => {
      this.#invoke(TA_AES_CMD_SET_IV, setIv);
      this.#invoke(TA_AES_CMD_CIPHER, cipher);
    };
    once();
    const expected = createCipheriv('aes-128-ctr', KEY, IV).update(new Uint8Array(BYTES));
    assert.deepEqual(Buffer.from(this.#client.program.memory.read(output, BYTES)), expected);
    return work(name, once);
  }

  #invoke(command: number, op: TeecOperation): void {
    const { result } = now(this.#client.TEEC_InvokeCommand(this.#session, command, op));
    check('TEEC_InvokeCommand', result);
  }

  /** Bytes on the program's heap. */
  #bytes(bytes: Uint8Array): Va {
    const { memory } = this.#client.program;
    const at = memory.malloc(bytes.length);
    memory.write(at, bytes);
    return at;
  }

  #share(at: Va, size: number, flags: number): TeecParameter {
    const parent = new TeecSharedMemory(flags, size, at);
    const result = now(this.#client.TEEC_RegisterSharedMemory(this.#context, parent));
    check('TEEC_RegisterSharedMemory', result);
    return { memref: { parent, offset: 0, size } };
  }

  #temporary(buffer: Va, size: number): TeecParameter {
    return { tmpref: { buffer, size } };
  }
}

/** An operation from parameters with their types. */
function operation(...params: readonly (readonly [type: number, param: TeecParameter])[]) {
  const [a = TEEC_NONE, b = TEEC_NONE] = params.map(([type]) => type);
  return {
    paramTypes: TEEC_PARAM_TYPES(a, b, TEEC_NONE, TEEC_NONE),
    params: params.map(([, param]) => param),
  };
}

function nodeCrypto(): Work {
  const key = createSecretKey(KEY);
  const clear = new Uint8Array(BYTES);
  return work('node:crypto', () => {
    createCipheriv('aes-128-ctr', key, IV).update(clear);
  });
}

/** Page-aligned memory whose pages follow each other in RAM, all zero. @throws Error if they do not */
function contiguous({ program: { memory } }: TeeClient): Va {
  const at = memory.memalign(PAGE_SIZE, BYTES);
  memory.write(at, new Uint8Array(BYTES));
  if (memory.view(at, BYTES) === undefined) throw new Error('the pages are scattered');
  return at;
}

/** The same without any two neighbours that are neighbours in RAM. */
function scattered({ program: { memory, process } }: TeeClient): Va {
  const start = process.mm.mmap({ length: BYTES });
  if (start < 0) throw new Error(`mmap: ${start}`);
  // Pages come in the order of the first touches: every second one first, from the far end.
  const pages = Array.from({ length: BYTES / PAGE_SIZE }, (_, n) => va(start + n * PAGE_SIZE));
  for (const parity of [0, 1]) {
    for (const page of pages.filter((_, n) => n % 2 === parity).reverse()) memory.setU8(page, 0);
  }
  if (pages.slice(1).some((page) => memory.view(va(page - 1), 2) !== undefined)) {
    throw new Error('two pages are neighbours');
  }
  return va(start);
}
