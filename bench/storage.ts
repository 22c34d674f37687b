/**
 * Secure storage, from the TA to the files of the built-in supplicant in memory: an object made,
 * written and closed; and what many objects cost. OP-TEE reads the directory entry by entry, one
 * request each, whenever it opens it or looks for an object, so that opening costs as much as there
 * are entries; what is the same for 10,000 as for few is an entry, and a write to an open object.
 */
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
} from '../src/abi/gp.ts';
import { boot, taImageOf } from '../src/index.ts';
import type { Box, TeeClient } from '../src/index.ts';
import { MemoryStore } from '../src/host/memory-store.ts';
import { manyId, manyObjects } from '../src/optee-os/storage/testing/many-objects.ts';
import type { TeecSession } from '../src/userland/libteec/teec.ts';
import { check } from './noop-client.ts';
import { atMost, ratioAtMost } from './row.ts';
import type { Row } from './row.ts';
import { beside, inTurns, rowOf } from './samples.ts';
import type { Work } from './samples.ts';
import * as ta from './storage-ta.ts';

const OBJECTS = { few: 10, some: 100, many: 10_000 } as const;
const FLAT = ratioAtMost(1.3);
const MS = { unit: 'ms', convert: (us: number) => us / 1000 } as const;

export async function* storage(): AsyncGenerator<Row> {
  yield await createWriteClose();
  using few = bootWith(OBJECTS.few);
  using some = bootWith(OBJECTS.some);
  using many = bootWith(OBJECTS.many);
  yield await writeHeld(await StorageClient.open(few), await StorageClient.open(many));
  yield await openByName(await StorageClient.open(some), await StorageClient.open(many));
}

const bootOn = (stateStore: MemoryStore): Box =>
  boot({ tas: [taImageOf(ta, 'bench/storage-ta.ts')], stateStore });

const bootWith = (objects: number): Box => bootOn(manyObjects(ta.STORAGE_BENCH_TA, objects));

async function createWriteClose(): Promise<Row> {
  using box = bootOn(new MemoryStore());
  const client = await StorageClient.open(box);
  const create = client.work('', ta.CMD_CREATE_WRITE_CLOSE, 0);
  const [samples = []] = await inTurns([create], { ms: 2500 });
  return rowOf('storage-create-write-close-4k', samples, { ...MS, goal: atMost(1) });
}

async function writeHeld(few: StorageClient, many: StorageClient): Promise<Row> {
  for (const client of [few, many]) await client.invoke(ta.CMD_HOLD, 0);
  const large = many.work(`storage-write-4k-of-${OBJECTS.many}`, ta.CMD_WRITE_HELD, 0);
  const small = few.work(`of ${OBJECTS.few}`, ta.CMD_WRITE_HELD, 0);
  return await beside(large, small, { ...MS, ms: 2500, goal: FLAT });
}

/** As many entries on both sides: those of many objects once, those of some as often as it takes. */
async function openByName(some: StorageClient, many: StorageClient): Promise<Row> {
  const name = `storage-open-${OBJECTS.many}-entries`;
  const large = many.work(name, ta.CMD_OPEN_CLOSE, OBJECTS.many - 1);
  const again = OBJECTS.many / OBJECTS.some;
  const small = some.work(
    `in ${again} × ${OBJECTS.some}`,
    ta.CMD_OPEN_CLOSE,
    OBJECTS.some - 1,
    again,
  );
  return await beside(large, small, { ...MS, goal: FLAT });
}

class StorageClient {
  readonly #client: TeeClient;
  readonly #session: TeecSession;

  private constructor(client: TeeClient, session: TeecSession) {
    this.#client = client;
    this.#session = session;
  }

  static async open(box: Box): Promise<StorageClient> {
    const client = box.client();
    const { context } = await client.TEEC_InitializeContext();
    const open = await client.TEEC_OpenSession(context, ta.STORAGE_BENCH_TA, TEEC_LOGIN_PUBLIC);
    check('TEEC_OpenSession', open.result);
    return new StorageClient(client, open.session);
  }

  /** @param n of the object that it is about */
  async invoke(command: number, n: number): Promise<void> {
    const buffer = manyId(n);
    const { result } = await this.#client.TEEC_InvokeCommand(this.#session, command, {
      paramTypes: TEEC_PARAM_TYPES(TEEC_MEMREF_TEMP_INPUT, TEEC_NONE, TEEC_NONE, TEEC_NONE),
      params: [{ tmpref: { buffer, size: buffer.length } }],
    });
    check('TEEC_InvokeCommand', result);
  }

  work(name: string, command: number, n: number, again = 1): Work {
    return {
      name,
      run: async (times) => {
        for (let i = 0; i < times * again; i++) await this.invoke(command, n);
      },
    };
  }
}
