/**
 * The key type `trusted`: keys that user space sees as sealed blobs only.
 *
 * Upstream counterpart: security/keys/trusted-keys/trusted_core.c. Left out: the trust sources TPM,
 * CAAM, DCP and PKWM (a TPM's options with them).
 */
import { EINVAL, EIO, ENODEV, ENOMEM, EPERM } from '../../../abi/errno.ts';
import type { Co } from '../../../sched/task.ts';
import type { Key, KeyType } from '../../keys/key.ts';
import type { Kernel } from '../../process/kernel.ts';
import { parseDataBlob } from './datablob.ts';
import type { DataBlob } from './datablob.ts';
import { TrustedKeyPayload, payloadBytes } from './trusted-type.ts';
import type { TrustedKeyOps, TrustedKeySource } from './trusted-type.ts';

/** Bytes of what add_key() takes at most. */
const MAX_DATA = 32_767;

/** Parameters of the module. */
export interface TrustedParams {
  /** trusted.source: the first source whose name it begins with; any by default. */
  readonly source?: string | undefined;
  /** trusted.rng: `default`, `kernel` or the source's name. */
  readonly rng?: string | undefined;
}

type GetRandom = NonNullable<TrustedKeyOps['getRandom']>;

export class TrustedKeys {
  readonly #kernel: Kernel;
  readonly #maxBlobSize: number;
  /** The source in use, once there is one. */
  #ops: TrustedKeyOps | undefined;
  #getRandom: GetRandom | undefined;
  /** key_type_trusted, which the source registers when it is there. */
  readonly keyType: KeyType;

  constructor(kernel: Kernel, maxBlobSize: number) {
    this.#kernel = kernel;
    this.#maxBlobSize = maxBlobSize;
    this.keyType = {
      name: 'trusted',
      instantiate: (key, data) => this.#instantiate(key, data),
      *update(key) {
        // No source that can reseal is modelled, and this comes before the data is looked at.
        return payloadOf(key).migratable ? -EINVAL : -EPERM;
      },
      read: (key) => this.#read(key),
      destroy: (key) => payloadOf(key).free(),
    };
  }

  /** init_trusted(): 0 also without any source; -EINVAL for a generator that is not there. */
  *init(sources: readonly TrustedKeySource[], params: TrustedParams): Co<number> {
    let rc = 0;
    for (const { name, ops } of sources) {
      if (params.source !== undefined && !params.source.startsWith(name)) continue;
      const getRandom = this.#chooseRandom(name, ops, params.rng ?? 'default');
      if (getRandom === undefined) return -EINVAL;
      // Before init(), which makes the type known: a program may add a key at once.
      this.#ops = ops;
      this.#getRandom = getRandom;
      rc = yield* ops.init();
      if (rc !== 0) this.#ops = undefined;
      if (rc !== -ENODEV) break;
    }
    return rc === -ENODEV ? 0 : rc;
  }

  /** cleanup_trusted() */
  *exit(): Co<void> {
    if (this.#ops !== undefined) yield* this.#ops.exit();
    this.#ops = undefined;
  }

  #chooseRandom(name: string, ops: TrustedKeyOps, rng: string): GetRandom | undefined {
    const fromKernel: GetRandom = (payload, length) => this.#kernelRandom(payload, length);
    const fromSource: GetRandom | undefined =
      ops.getRandom && ((payload, length) => ops.getRandom!(payload, length));
    if (rng === 'kernel') return fromKernel;
    if (rng === 'default') return fromSource ?? fromKernel;
    if (rng === name && fromSource !== undefined) return fromSource;
    const own = fromSource === undefined ? '' : `, ${name}`;
    const text = `trusted_key: Unsupported RNG. Supported: kernel${own}, default`;
    this.#kernel.printk(text, 'warning');
    return undefined;
  }

  *#kernelRandom(payload: TrustedKeyPayload, length: number): Co<number> {
    this.#kernel.random.fill(payload.key(length));
    return length;
  }

  /** trusted_instantiate(): an owner over his quota is told -ENOMEM, as upstream does. */
  *#instantiate(key: Key, data: Uint8Array | undefined): Co<number> {
    if (data === undefined || data.length > MAX_DATA) return -EINVAL;
    const migratable = this.#ops!.migratable;
    const reserved = key.reserve(payloadBytes(this.#maxBlobSize));
    if (reserved !== 0) return this.#outOfQuota(key);
    const payload = TrustedKeyPayload.alloc(this.#kernel, this.#maxBlobSize, migratable);
    if (payload === undefined) return -ENOMEM;
    const blob = parseDataBlob(data, this.#maxBlobSize);
    const rc = blob === undefined ? -EINVAL : yield* this.#fill(payload, blob);
    if (rc === 0) key.payload = payload;
    else payload.free();
    return rc;
  }

  *#fill(payload: TrustedKeyPayload, blob: DataBlob): Co<number> {
    if (blob.command === 'update') return -EINVAL;
    return yield* blob.command === 'new'
      ? this.#new(payload, blob.keyLen)
      : this.#load(payload, blob.blob);
  }

  *#new(payload: TrustedKeyPayload, keyLen: number): Co<number> {
    payload.keyLen = keyLen;
    const got = yield* this.#getRandom!(payload, keyLen);
    if (got < 0) return got;
    if (got !== keyLen) {
      this.#info(`key_create failed (${got})`);
      return -EIO;
    }
    const rc = yield* this.#ops!.seal(payload);
    if (rc < 0) this.#info(`key_seal failed (${rc})`);
    return rc;
  }

  *#load(payload: TrustedKeyPayload, blob: Uint8Array): Co<number> {
    payload.blobLen = blob.length;
    payload.blob(blob.length).set(blob);
    const rc = yield* this.#ops!.unseal(payload);
    if (rc < 0) this.#info(`key_unseal failed (${rc})`);
    return rc;
  }

  /** trusted_read(): the blob as lower-case hexadecimal digits. */
  #read(key: Key): Uint8Array {
    const payload = payloadOf(key);
    const digits = [...payload.blob(payload.blobLen)].map((b) => b.toString(16).padStart(2, '0'));
    return new TextEncoder().encode(digits.join(''));
  }

  #outOfQuota(key: Key): number {
    const { trace } = this.#kernel;
    const { uid, qnbytes, limits } = key.user;
    if (trace.worlds) {
      trace.cause('linux', {
        layer: 'keys',
        code: '-ENOMEM',
        text: `uid ${uid} has ${qnbytes} of ${limits.maxbytes} bytes in keys: no memory is short`,
        requested: payloadBytes(this.#maxBlobSize),
        available: limits.maxbytes - qnbytes,
        limit: 'kernel.keys.maxbytes',
        hint: 'unlink keys that are no longer needed',
      });
    }
    return -ENOMEM;
  }

  #info(text: string): void {
    this.#kernel.printk(`trusted_key: ${text}`);
  }
}

const payloadOf = (key: Key): TrustedKeyPayload => key.payload as TrustedKeyPayload;
