/** A box with the TA of these tests, and its client. */
import assert from 'node:assert/strict';
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_TEMP_INOUT,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INOUT,
  TEE_ERROR,
} from '../../src/abi/gp.ts';
import { codeName } from '../../src/abi/layout.ts';
import { Box } from '../../src/box/box.ts';
import type { BoxOptions } from '../../src/box/box.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { taImageOf } from '../../src/index.ts';
import type { TeecSession } from '../../src/userland/libteec/teec.ts';
import type { TeeClient } from '../../src/userland/tee-client.ts';
import * as ta from './storage-ta.ts';

const image = taImageOf(ta, 'test/storage/storage-ta.ts');

export const bootStorage = (options: BoxOptions = {}): Box =>
  new Box(nodeHost(), { tas: [image], ...options });

export interface Call {
  readonly id?: string;
  readonly data?: string | Uint8Array;
  /** Flags, or the place of a handle. */
  readonly a?: number;
}

const bytesOf = (data: string | Uint8Array): Uint8Array =>
  typeof data === 'string' ? new TextEncoder().encode(data) : Uint8Array.from(data);

export class StorageClient {
  readonly client: TeeClient;
  readonly #session: TeecSession;

  private constructor(client: TeeClient, session: TeecSession) {
    this.client = client;
    this.#session = session;
  }

  static async open(box: Box): Promise<StorageClient> {
    const client = box.client({ name: 'storage-client' });
    const { context } = await client.TEEC_InitializeContext();
    const { result, session } = await client.TEEC_OpenSession(
      context,
      ta.STORAGE_TA,
      TEEC_LOGIN_PUBLIC,
    );
    assert.equal(result, TEEC_SUCCESS);
    return new StorageClient(client, session);
  }

  /** @returns the result's name, and what came back. */
  async call(
    command: keyof typeof ta.CMD,
    { id = '', data = '', a = 0 }: Call = {},
  ): Promise<{ result: string; a: number; data: Uint8Array }> {
    const [name, buffer] = [bytesOf(id), bytesOf(data)];
    const value = { a, b: 0 };
    const moved = { tmpref: { buffer, size: buffer.length } };
    const types = [TEEC_MEMREF_TEMP_INPUT, TEEC_MEMREF_TEMP_INOUT, TEEC_VALUE_INOUT] as const;
    const { result } = await this.client.TEEC_InvokeCommand(this.#session, ta.CMD[command], {
      paramTypes: TEEC_PARAM_TYPES(...types, TEEC_NONE),
      params: [{ tmpref: { buffer: name, size: name.length } }, moved, { value }],
    });
    const out = buffer.subarray(0, Math.min(moved.tmpref.size, buffer.length));
    return { result: codeName(TEE_ERROR, result).replace('TEE_ERROR_', ''), a: value.a, data: out };
  }

  /** The same; anything but success fails the test. */
  async ok(command: keyof typeof ta.CMD, call: Call = {}): Promise<{ a: number; data: string }> {
    const { result, a, data } = await this.call(command, call);
    assert.equal(result, 'TEE_SUCCESS');
    return { a, data: new TextDecoder().decode(data) };
  }

  async close(): Promise<void> {
    await this.client.TEEC_CloseSession(this.#session);
  }
}
