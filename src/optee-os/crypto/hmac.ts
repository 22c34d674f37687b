/**
 * HMAC (RFC 2104) over digests, since hosts can copy those but not a MAC that is under way.
 *
 * Upstream counterparts: optee_os core/lib/libtomcrypt/hmac.c, core/crypto/sm3-hmac.c.
 */
import { TEE_ERROR_BAD_STATE, TEE_SUCCESS } from '../../abi/gp.ts';
import type { HostCrypto, HostDigest } from '../../host/crypto.ts';
import type { MacContext } from './contexts.ts';

const IPAD = 0x36;
const OPAD = 0x5c;

/** A digest that HMAC is built on. */
export interface HmacDigest {
  /** The host's name. */
  readonly name: string;
  /** Bytes of the digest. */
  readonly size: number;
  /** Bytes that the digest takes in at a time. */
  readonly blockSize: number;
  /** Bytes of the shortest key. */
  readonly shortestKey: number;
}

/** The digests of one message. */
interface Message {
  readonly inner: HostDigest;
  readonly outer: HostDigest;
}

export class Hmac implements MacContext {
  readonly kind = 'mac';
  readonly #crypto: HostCrypto;
  readonly #digest: HmacDigest;
  #message: Message | undefined;

  constructor(crypto: HostCrypto, digest: HmacDigest) {
    this.#crypto = crypto;
    this.#digest = digest;
  }

  get size(): number {
    return this.#digest.size;
  }

  init(key: Uint8Array): number {
    const { name, blockSize, shortestKey } = this.#digest;
    if (key.length < shortestKey) return TEE_ERROR_BAD_STATE;
    const block = new Uint8Array(blockSize);
    block.set(key.length > blockSize ? this.#crypto.hash(name, key) : key);
    this.#message = { inner: this.#keyed(block, IPAD), outer: this.#keyed(block, OPAD) };
    return TEE_SUCCESS;
  }

  update(data: Uint8Array): number {
    if (this.#message === undefined) return TEE_ERROR_BAD_STATE;
    this.#message.inner.update(data);
    return TEE_SUCCESS;
  }

  final(out: Uint8Array): number {
    if (this.#message === undefined) return TEE_ERROR_BAD_STATE;
    const { inner, outer } = this.#message;
    this.#message = undefined;
    outer.update(inner.final());
    outer.final(out);
    return TEE_SUCCESS;
  }

  fork(): Hmac {
    const other = new Hmac(this.#crypto, this.#digest);
    if (this.#message === undefined) return other;
    const { inner, outer } = this.#message;
    other.#message = { inner: inner.copy(), outer: outer.copy() };
    return other;
  }

  #keyed(block: Uint8Array, pad: number): HostDigest {
    const digest = this.#crypto.digest(this.#digest.name);
    digest.update(block.map((byte) => byte ^ pad));
    return digest;
  }
}
