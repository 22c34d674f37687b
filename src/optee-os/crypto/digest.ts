/**
 * Digests and extendable-output functions: thin layers over the host's. After its end a digest
 * starts afresh.
 *
 * Upstream counterparts: optee_os core/lib/libtomcrypt/{hash,shake}.c, core/crypto/sm3-hash.c. Left
 * out: what upstream's contexts give between a final and the next init (hosts hide the state that
 * they go on from).
 */
import type { HostCrypto, HostDigest, HostXof } from '../../host/crypto.ts';
import type { DigestContext } from './contexts.ts';

export class Digest implements DigestContext {
  readonly kind = 'digest';
  readonly size: number;
  readonly #crypto: HostCrypto;
  readonly #name: string;
  #state: HostDigest | undefined;
  /** Whether there were data. */
  #isUnderWay = false;

  constructor(crypto: HostCrypto, name: string, size: number) {
    this.#crypto = crypto;
    this.#name = name;
    this.size = size;
  }

  init(): void {
    this.#isUnderWay = false;
  }

  update(data: Uint8Array): void {
    this.#open().update(data);
  }

  final(out: Uint8Array): void {
    this.#open().final(out);
    this.#isUnderWay = false;
  }

  fork(): Digest {
    const other = new Digest(this.#crypto, this.#name, this.size);
    other.#isUnderWay = this.#isUnderWay;
    if (this.#isUnderWay) other.#state = this.#state?.copy();
    return other;
  }

  #open(): HostDigest {
    if (this.#state === undefined) {
      this.#state = this.#crypto.digest(this.#name);
    } else if (!this.#isUnderWay) {
      this.#state.start();
    }
    this.#isUnderWay = true;
    return this.#state;
  }
}

export class Xof implements DigestContext {
  readonly kind = 'digest';
  readonly size = undefined;
  readonly #crypto: HostCrypto;
  readonly #name: string;
  #state: HostXof;

  constructor(crypto: HostCrypto, name: string, state = crypto.xof(name)) {
    this.#crypto = crypto;
    this.#name = name;
    this.#state = state;
  }

  init(): void {
    this.#state = this.#crypto.xof(this.#name);
  }

  update(data: Uint8Array): void {
    this.#state.update(data);
  }

  final(out: Uint8Array): void {
    this.#state.squeeze(out);
  }

  fork(): Xof {
    return new Xof(this.#crypto, this.#name, this.#state.copy());
  }
}
