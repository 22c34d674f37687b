/**
 * Has the secure_storage TA write, read and delete an object; a second one outlives the program, and
 * is deleted by the next run.
 * Upstream counterpart: optee_examples secure_storage/host/main.c.
 */
import {
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_SHORT_BUFFER,
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
} from '../../src/abi/gp.ts';
import type { TeecOperation, TeecSession } from '../../src/userland/libteec/teec.ts';
import type { TeeClient } from '../../src/userland/tee-client.ts';
import { hex } from '../digits.ts';
import { ClientFailed, exitCodeOf, failed } from '../failed.ts';
import type { Print } from '../failed.ts';
import {
  TA_SECURE_STORAGE_CMD_DELETE,
  TA_SECURE_STORAGE_CMD_READ_RAW,
  TA_SECURE_STORAGE_CMD_WRITE_RAW,
  TA_SECURE_STORAGE_UUID,
} from './secure-storage-ta.ts';

const TEST_OBJECT_SIZE = 7000;
const OBJECT_1 = 'object#1';
const OBJECT_2 = 'object#2';
/** With C's zero. */
const TEXT = 'This is data stored in the secure storage.\n\0';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The TA's commands, on one session. */
class StorageSession {
  readonly #client: TeeClient;
  readonly #session: TeecSession;
  readonly #print: Print;

  constructor(client: TeeClient, session: TeecSession, print: Print) {
    this.#client = client;
    this.#session = session;
    this.#print = print;
  }

  read(id: string, data: Uint8Array): Promise<number> {
    const expected = [TEEC_ERROR_SHORT_BUFFER, TEEC_ERROR_ITEM_NOT_FOUND];
    const operation = refer(id, TEEC_MEMREF_TEMP_OUTPUT, data);
    return this.#invoke('READ_RAW', TA_SECURE_STORAGE_CMD_READ_RAW, operation, expected);
  }

  write(id: string, data: Uint8Array): Promise<number> {
    const operation = refer(id, TEEC_MEMREF_TEMP_INPUT, data);
    return this.#invoke('WRITE_RAW', TA_SECURE_STORAGE_CMD_WRITE_RAW, operation, []);
  }

  delete(id: string): Promise<number> {
    const operation = refer(id, TEEC_NONE, null);
    const expected = [TEEC_ERROR_ITEM_NOT_FOUND];
    return this.#invoke('DELETE', TA_SECURE_STORAGE_CMD_DELETE, operation, expected);
  }

  async #invoke(
    name: string,
    command: number,
    operation: TeecOperation,
    expected: readonly number[],
  ): Promise<number> {
    const { result, origin } = await this.#client.TEEC_InvokeCommand(
      this.#session,
      command,
      operation,
    );
    if (result !== TEEC_SUCCESS && !expected.includes(result)) {
      this.#print(`Command ${name} failed: ${hex(result)} / ${origin}`);
    }
    return result;
  }
}

/** An operation on an object, and on `data` if there is any. */
function refer(id: string, dataType: number, data: Uint8Array | null): TeecOperation {
  const name = bytesOf(id);
  const params = [{ tmpref: { buffer: name, size: name.length } }];
  if (data !== null) params.push({ tmpref: { buffer: data, size: data.length } });
  const types = TEEC_PARAM_TYPES(TEEC_MEMREF_TEMP_INPUT, dataType, TEEC_NONE, TEEC_NONE);
  return { paramTypes: types, params };
}

async function writeReadDelete(storage: StorageSession, print: Print): Promise<void> {
  print('');
  print(`Test on object "${OBJECT_1}"`);
  print('- Create and load object in the TA secure storage');
  const data = new Uint8Array(TEST_OBJECT_SIZE).fill(0xa1);
  if ((await storage.write(OBJECT_1, data)) !== TEEC_SUCCESS) {
    throw new ClientFailed('Failed to create an object in the secure storage');
  }
  print('- Read back the object');
  const found = new Uint8Array(TEST_OBJECT_SIZE);
  if ((await storage.read(OBJECT_1, found)) !== TEEC_SUCCESS) {
    throw new ClientFailed('Failed to read an object from the secure storage');
  }
  if (found.some((byte, i) => byte !== data[i])) {
    throw new ClientFailed('Unexpected content found in secure storage');
  }
  print('- Delete the object');
  const result = await storage.delete(OBJECT_1);
  if (result !== TEEC_SUCCESS) {
    throw new ClientFailed(`Failed to delete the object: ${hex(result)}`);
  }
}

/** Created by one run, deleted by the next one. */
async function createOrDelete(storage: StorageSession, print: Print): Promise<void> {
  print('');
  print(`Test on object "${OBJECT_2}"`);
  const found = await storage.read(OBJECT_2, new Uint8Array(TEST_OBJECT_SIZE));
  if (found === TEEC_ERROR_ITEM_NOT_FOUND) {
    print('- Object not found in TA secure storage, create it.');
    if ((await storage.write(OBJECT_2, bytesOf(TEXT))) !== TEEC_SUCCESS) {
      throw new ClientFailed('Failed to create/load an object');
    }
  } else if (found === TEEC_SUCCESS) {
    print('- Object found in TA secure storage, delete it.');
    if ((await storage.delete(OBJECT_2)) !== TEEC_SUCCESS) {
      throw new ClientFailed('Failed to delete an object');
    }
  } else {
    throw new ClientFailed(`Unexpected status when reading an object : ${hex(found)}`);
  }
}

/** @returns the exit code. */
export async function main(client: TeeClient, print: Print): Promise<number> {
  print('Prepare session with the TA');
  const { result, context } = await client.TEEC_InitializeContext();
  if (result !== TEEC_SUCCESS) return failed(print, 'TEEC_InitializeContext', result);
  const open = await client.TEEC_OpenSession(context, TA_SECURE_STORAGE_UUID, TEEC_LOGIN_PUBLIC);
  if (open.result !== TEEC_SUCCESS) {
    return failed(print, 'TEEC_Opensession', open.result, open.origin);
  }
  return exitCodeOf(print, async () => {
    const storage = new StorageSession(client, open.session, print);
    await writeReadDelete(storage, print);
    await createOrDelete(storage, print);
    print('');
    print("We're done, close and release TEE resources");
    await client.TEEC_CloseSession(open.session);
    await client.TEEC_FinalizeContext(context);
  });
}
