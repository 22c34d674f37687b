/** For tests: the system calls of a TA on its storage, each with the result that is expected. */
import assert from 'node:assert/strict';
import {
  TEE_DATA_FLAG_ACCESS_READ,
  TEE_DATA_FLAG_ACCESS_WRITE,
  TEE_DATA_FLAG_ACCESS_WRITE_META,
  TEE_DATA_FLAG_OVERWRITE,
  TEE_DATA_FLAG_SHARE_READ,
  TEE_DATA_FLAG_SHARE_WRITE,
  TEE_ERROR,
  TEE_STORAGE_PRIVATE,
} from '../../../abi/gp.ts';
import { codeName } from '../../../abi/layout.ts';
import type { MaybeCo } from '../../../sched/task.ts';
import type { PersistentPart } from '../../syscall/tee-obj.ts';
import { now, nowOrEnded } from './storage-world.ts';
import type { StorageWorld, TaStorage } from './storage-world.ts';

export const READ = TEE_DATA_FLAG_ACCESS_READ;
export const WRITE = TEE_DATA_FLAG_ACCESS_WRITE;
export const META = TEE_DATA_FLAG_ACCESS_WRITE_META;
export const SHARE_READ = TEE_DATA_FLAG_SHARE_READ;
export const SHARE_WRITE = TEE_DATA_FLAG_SHARE_WRITE;
export const OVERWRITE = TEE_DATA_FLAG_OVERWRITE;
export const ALL = READ | WRITE | META;
export const PRIVATE = TEE_STORAGE_PRIVATE;

export const id = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
export const named = (code: number): string => codeName(TEE_ERROR, code).replace('TEE_ERROR_', '');
export const is = (call: MaybeCo<number>, expected: string): void =>
  assert.equal(named(nowOrEnded(call)), expected);
export const ok = (call: MaybeCo<number>): void => is(call, 'TEE_SUCCESS');

export interface CreateOptions {
  readonly flags?: number;
  readonly data?: string;
  readonly attributes?: number;
}

export function create(ta: TaStorage, name: string, options: CreateOptions = {}): number {
  const { flags = ALL, data = '', attributes = 0 } = options;
  const out = { handle: 0 };
  ok(ta.svc.objCreate(PRIVATE, id(name), flags, attributes, id(data), out));
  return out.handle;
}

export function open(ta: TaStorage, name: string, flags = ALL): number {
  const out = { handle: 0 };
  ok(ta.svc.objOpen(PRIVATE, id(name), flags, out));
  return out.handle;
}

export const opening = (ta: TaStorage, name: string, flags: number): MaybeCo<number> =>
  ta.svc.objOpen(PRIVATE, id(name), flags, { handle: 0 });

export function close(ta: TaStorage, handle: number): void {
  const closing = ta.objects.close(handle);
  if (closing !== undefined) now(closing);
}

export function read(ta: TaStorage, handle: number, bytes = 100): string {
  const out = new Uint8Array(bytes);
  const count = { size: 0 };
  ok(ta.svc.objRead(handle, out, count));
  return text(out.subarray(0, count.size));
}

export const partOf = (ta: TaStorage, handle: number): PersistentPart =>
  ta.objects.get(handle)!.persistent!;

export function assertClean(world: StorageWorld): void {
  assert.equal(world.pobjs.count, 0);
  assert.equal(world.fs.references, 0);
  assert.equal(world.heap.allocated, 0);
}
