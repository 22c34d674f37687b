/**
 * The payload of a trusted key: the key in clear, which never leaves the kernel, and the blob.
 *
 * Upstream counterpart: include/keys/trusted-type.h. Key and blob lie in an object of kmalloc(), among
 * others of its size, and a TEE is handed the page of it; lengths and flags are fields here.
 */
import { va } from '../../../machine/address.ts';
import type { Va } from '../../../machine/address.ts';
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
  /** Of the struct, in the linear map. */
  readonly address: Va;
  readonly maxBlobSize: number;
  migratable: boolean;
  /** Bytes. */
  keyLen = 0;
  blobLen = 0;

  private constructor(kernel: Kernel, address: Va, maxBlobSize: number, migratable: boolean) {
    this.#kernel = kernel;
    this.address = address;
    this.maxBlobSize = maxBlobSize;
    this.migratable = migratable;
  }

  /** kzalloc(): undefined for -ENOMEM. */
  static alloc(kernel: Kernel, maxBlobSize: number, migratable: boolean) {
    const address = kernel.map.slab.kzalloc(payloadBytes(maxBlobSize));
    if (address === undefined) return undefined;
    return new TrustedKeyPayload(kernel, address, maxBlobSize, migratable);
  }

  /** &p->key; the blob follows it. */
  get keyAddress(): Va {
    return va(this.address + KEY_OFFSET);
  }

  /** p->key, as much of it as is asked for. */
  key(length: number): Uint8Array {
    return this.#bytes(KEY_OFFSET, length);
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
    return this.#bytes(KEY_OFFSET + KEY_BYTES, length);
  }

  /** kfree_sensitive() */
  free(): void {
    this.#bytes(0, payloadBytes(this.maxBlobSize)).fill(0);
    this.#kernel.map.slab.kfree(this.address);
  }

  #bytes(offset: number, length: number): Uint8Array {
    const { map, pages } = this.#kernel;
    return pages.kernelBytes(map.linear.toPhys(va(this.address + offset)), length, 'write');
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
