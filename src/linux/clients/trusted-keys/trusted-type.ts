/**
 * The payload of a trusted key: the key in clear, which never leaves the kernel, and the blob.
 *
 * Upstream counterpart: include/keys/trusted-type.h. Key and blob lie in memory of the kernel's
 * linear map, as kmalloc() gives it, since a TEE is handed both; lengths and flags are fields here.
 */
import { pa } from '../../../machine/address.ts';
import type { Pa } from '../../../machine/address.ts';
import type { Co } from '../../../sched/task.ts';
import type { Kernel } from '../../process/kernel.ts';

/* Source: include/keys/trusted-type.h, Linux 6.1. Bytes. */
export const MIN_KEY_SIZE = 32;
export const MAX_KEY_SIZE = 128;
export const MAX_BLOB_SIZE = 512;
/** p->key has room for a NUL. */
export const KEY_BYTES = MAX_KEY_SIZE + 1;
/** Where p->key begins: behind an rcu_head, two lengths and two flags. */
export const KEY_OFFSET = 26;

/** sizeof(struct trusted_key_payload) */
export const payloadBytes = (maxBlobSize: number): number =>
  Math.ceil((KEY_OFFSET + KEY_BYTES + maxBlobSize) / 8) * 8;

export class TrustedKeyPayload {
  readonly #kernel: Kernel;
  readonly #page: Pa;
  readonly maxBlobSize: number;
  migratable: boolean;
  /** Bytes. */
  keyLen = 0;
  blobLen = 0;

  private constructor(kernel: Kernel, page: Pa, maxBlobSize: number, migratable: boolean) {
    this.#kernel = kernel;
    this.#page = page;
    this.maxBlobSize = maxBlobSize;
    this.migratable = migratable;
  }

  /** kzalloc(): undefined for -ENOMEM. A page is what the allocator has smallest. */
  static alloc(kernel: Kernel, maxBlobSize: number, migratable: boolean) {
    const page = kernel.pages.allocExact(payloadBytes(maxBlobSize));
    if (page === undefined) return undefined;
    return new TrustedKeyPayload(kernel, page, maxBlobSize, migratable);
  }

  /** p->key, in the linear map; the blob follows it. */
  get keyAddress(): Pa {
    return pa(this.#page + KEY_OFFSET);
  }

  /** Bytes of key and blob together: what a TEE is given. */
  get sealedBytes(): number {
    return KEY_BYTES + this.maxBlobSize;
  }

  /** p->blob. A TEE that claims more than there is room for makes the kernel read past it. */
  blob(length: number): Uint8Array {
    if (length > this.maxBlobSize) {
      this.#kernel.bug(`trusted: slab-out-of-bounds: a blob of ${length} bytes is read`);
    }
    return this.#kernel.port.bytes(pa(this.keyAddress + KEY_BYTES), length, 'write');
  }

  /** kfree_sensitive() */
  free(): void {
    const bytes = payloadBytes(this.maxBlobSize);
    this.#kernel.port.bytes(this.#page, bytes, 'write').fill(0);
    this.#kernel.pages.freeExact(this.#page, bytes);
  }
}

/** struct trusted_key_ops: a trust source. Each returns 0, or what it says, or a negative errno. */
export interface TrustedKeyOps {
  /** Keys can be sealed again, to other platform values. */
  readonly migratable: boolean;
  init(): Co<number>;
  seal(payload: TrustedKeyPayload): Co<number>;
  unseal(payload: TrustedKeyPayload): Co<number>;
  /** Fills p->key; bytes. Absent: the kernel's own random numbers. */
  getRandom?(payload: TrustedKeyPayload, length: number): Co<number>;
  exit(): Co<void>;
}

/** struct trusted_key_source */
export interface TrustedKeySource {
  readonly name: string;
  readonly ops: TrustedKeyOps;
}
