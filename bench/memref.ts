/**
 * Invokes with memory, client and TA in TypeScript in one process. Memory that is registered or
 * allocated once costs a reference; temporary memory is registered, pinned, and let go of each time.
 */
import {
  TEEC_MEMREF_PARTIAL_INOUT,
  TEEC_MEMREF_TEMP_INOUT,
  TEEC_MEM_INPUT,
  TEEC_MEM_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
} from '../src/abi/gp.ts';
import { TeecSharedMemory } from '../src/userland/libteec/teec.ts';
import type { TeecOperation } from '../src/userland/libteec/teec.ts';
import { NoopClient, bootNoop, check } from './noop-client.ts';
import type { Row } from './row.ts';
import { beside, now, work } from './samples.ts';

const SIZES = { '4k': 4096, '1m': 1 << 20 } as const;
const INOUT = TEEC_MEM_INPUT | TEEC_MEM_OUTPUT;

type Prepare = (noop: NoopClient, size: number) => TeecOperation;

const MODES: Readonly<Record<string, Prepare>> = {
  registered: ({ client, context }, size) => {
    const shm = new TeecSharedMemory(INOUT, size, client.program.memory.malloc(size));
    check('TEEC_RegisterSharedMemory', now(client.TEEC_RegisterSharedMemory(context, shm)));
    return whole(shm);
  },
  allocated: ({ client, context }, size) => {
    const shm = new TeecSharedMemory(INOUT, size);
    check('TEEC_AllocateSharedMemory', now(client.TEEC_AllocateSharedMemory(context, shm)));
    return whole(shm);
  },
  temporary: ({ client }, size) => ({
    paramTypes: TEEC_PARAM_TYPES(TEEC_MEMREF_TEMP_INOUT, TEEC_NONE, TEEC_NONE, TEEC_NONE),
    params: [{ tmpref: { buffer: client.program.memory.malloc(size), size } }],
  }),
};

const whole = (shm: TeecSharedMemory): TeecOperation => ({
  paramTypes: TEEC_PARAM_TYPES(TEEC_MEMREF_PARTIAL_INOUT, TEEC_NONE, TEEC_NONE, TEEC_NONE),
  params: [{ memref: { parent: shm, offset: 0, size: shm.size } }],
});

export async function* memref(): AsyncGenerator<Row> {
  using box = bootNoop();
  const noop = new NoopClient(box);
  const empty = work('empty', () => noop.invoke());
  for (const [mode, prepare] of Object.entries(MODES)) {
    for (const [label, size] of Object.entries(SIZES)) {
      const operation = prepare(noop, size);
      const invoke = work(`memref-${mode}-${label}`, () => noop.invoke(operation));
      yield await beside(invoke, empty);
    }
  }
}
