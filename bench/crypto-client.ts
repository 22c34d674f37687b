/** A TypeScript client that lends a TA memory: registered once, or for each call. */
import { TEEC_LOGIN_PUBLIC, TEEC_NONE, TEEC_PARAM_TYPES } from '../src/abi/gp.ts';
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
import { now } from './samples.ts';

export class CryptoClient {
  readonly client: TeeClient;
  readonly #context: TeecContext;
  readonly #session: TeecSession;

  /** Opens a session with the TA. @throws Error */
  constructor(client: TeeClient, uuid: string) {
    this.client = client;
    this.#context = now(client.TEEC_InitializeContext()).context;
    const open = now(client.TEEC_OpenSession(this.#context, uuid, TEEC_LOGIN_PUBLIC));
    check('TEEC_OpenSession', open.result);
    this.#session = open.session;
  }

  /** @throws Error for anything but TEEC_SUCCESS. */
  invoke(command: number, op: TeecOperation): void {
    const { result } = now(this.client.TEEC_InvokeCommand(this.#session, command, op));
    check('TEEC_InvokeCommand', result);
  }

  /** Bytes on the program's heap. */
  bytes(bytes: Uint8Array): Va {
    const { memory } = this.client.program;
    const at = memory.malloc(bytes.length);
    memory.write(at, bytes);
    return at;
  }

  read(at: Va, size: number): Uint8Array {
    return this.client.program.memory.read(at, size);
  }

  /** Registered once. @param flags TEEC_MEM_* */
  share(at: Va, size: number, flags: number): TeecParameter {
    const parent = new TeecSharedMemory(flags, size, at);
    const result = now(this.client.TEEC_RegisterSharedMemory(this.#context, parent));
    check('TEEC_RegisterSharedMemory', result);
    return { memref: { parent, offset: 0, size } };
  }
}

/** An operation from parameters with their types. */
export function operation(
  ...given: readonly (readonly [type: number, param: TeecParameter])[]
): TeecOperation {
  const [a = TEEC_NONE, b = TEEC_NONE, c = TEEC_NONE, d = TEEC_NONE] = given.map(([type]) => type);
  return { paramTypes: TEEC_PARAM_TYPES(a, b, c, d), params: given.map(([, param]) => param) };
}

/** Finds memory for a buffer of whole pages, all zero. */
export type Alloc = (client: TeeClient, size: number) => Va;

/** Page-aligned memory whose pages follow each other in RAM. @throws Error if they do not */
export function contiguous({ program: { memory } }: TeeClient, size: number): Va {
  const at = memory.memalign(PAGE_SIZE, size);
  memory.write(at, new Uint8Array(size));
  if (memory.view(at, size) === undefined) throw new Error('the pages are scattered');
  return at;
}

/** Memory without any two neighbours that are neighbours in RAM. @throws Error if there are some */
export function scattered({ program: { memory, process } }: TeeClient, size: number): Va {
  const start = process.mm.mmap({ length: size });
  if (start < 0) throw new Error(`mmap: ${start}`);
  // Pages come in the order of the first touches: every second one first, from the far end.
  const pages = Array.from({ length: size / PAGE_SIZE }, (_, n) => va(start + n * PAGE_SIZE));
  for (const parity of [0, 1]) {
    for (const page of pages.filter((_, n) => n % 2 === parity).reverse()) memory.setU8(page, 0);
  }
  if (pages.slice(1).some((page) => memory.view(va(page - 1), 2) !== undefined)) {
    throw new Error('two pages are neighbours');
  }
  return va(start);
}
