/**
 * The objects of one TA context, transient and persistent ones under handles of the same kind.
 * Handles count up and are never given out twice, so that a stale one is an error.
 *
 * Upstream counterpart: optee_os core/tee/tee_obj.c, core/include/tee/tee_obj.h.
 */
import { TEE_ERROR_OUT_OF_MEMORY, TEE_SUCCESS } from '../../abi/gp.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { CryptoObject } from './cryp-object.ts';

/** Where objects and operations are allocated: the core's heap. */
export interface CryptoHeap {
  /** Charges an allocation for `what`. @returns false, with a cause, when there is no room */
  alloc(bytes: number, what: string): boolean;
  free(bytes: number): void;
}

/** What makes an object persistent: its open file. */
export interface PersistentPart {
  /** TEE_HANDLE_FLAG_PERSISTENT and TEE_DATA_FLAG_* that it was opened with. */
  readonly handleFlags: number;
  /** Bytes. */
  dataSize: number;
  dataPosition: number;
  /** TEE_USAGE_*: the same for all handles of the object. */
  readonly usage: number;
  /** Takes uses away for good: the file keeps it. @returns a TEE_Result */
  restrictUsage(usage: number): Co<number>;
  /** Closes the file and forgets the use of the object; leaves the secure world. */
  close(): Co<void>;
}

/** sizeof(struct tee_obj) on a 64-bit machine. */
const OBJECT_BYTES = 96;

export class ObjectTable {
  readonly #heap: CryptoHeap;
  readonly #objects = new Map<number, CryptoObject>();
  #lastHandle = 0;

  constructor(heap: CryptoHeap) {
    this.#heap = heap;
  }

  /** Objects that exist; for leak reports. */
  get count(): number {
    return this.#objects.size;
  }

  /** tee_obj_add(), its memory included. @returns TEE_SUCCESS or TEE_ERROR_OUT_OF_MEMORY */
  add(object: CryptoObject, out: { handle: number }): number {
    if (!this.#alloc(blocksOf(object))) return TEE_ERROR_OUT_OF_MEMORY;
    out.handle = this.newHandle();
    this.#objects.set(out.handle, object);
    return TEE_SUCCESS;
  }

  /** A handle of whatever else a TA has handles of. */
  newHandle(): number {
    this.#lastHandle += 1;
    return this.#lastHandle;
  }

  /** tee_obj_get(): undefined where upstream answers TEE_ERROR_BAD_STATE. */
  get(handle: number): CryptoObject | undefined {
    return this.#objects.get(handle);
  }

  /** tee_obj_close(): nothing happens for a handle of nothing. */
  close(handle: number): MaybeCo<void> {
    const object = this.#objects.get(handle);
    if (object === undefined) return undefined;
    this.#objects.delete(handle);
    return object.persistent === undefined ? this.#free(object) : this.#closeFile(object);
  }

  /** tee_obj_close_all() */
  *closeAll(): Co<void> {
    for (const handle of this.#objects.keys()) {
      const closing = this.close(handle);
      if (closing !== undefined) yield* closing;
    }
  }

  *#closeFile(object: CryptoObject): Co<void> {
    yield* object.persistent!.close();
    this.#free(object);
  }

  #free(object: CryptoObject): undefined {
    object.reset();
    for (const bytes of blocksOf(object)) this.#heap.free(bytes);
  }

  /** All of them, or none. */
  #alloc(blocks: readonly number[]): boolean {
    const refused = blocks.findIndex((bytes) => !this.#heap.alloc(bytes, 'a cryptographic object'));
    if (refused < 0) return true;
    for (const bytes of blocks.slice(0, refused)) this.#heap.free(bytes);
    return false;
  }
}

/** One allocation for each: the object, and what its type takes for the attributes. */
const blocksOf = ({ props }: CryptoObject): readonly number[] => [OBJECT_BYTES, ...props.blocks];
