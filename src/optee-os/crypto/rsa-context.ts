/**
 * What all RSA operations have in common, and RSA without padding.
 *
 * Upstream counterparts: optee_os core/tee/tee_svc_cryp.c (syscall_asymm_operate),
 * core/lib/libtomcrypt/rsa.c (rsadorep). A key pair stands for its public key, too; upstream reads
 * one structure as the other there, which its TA library never lets happen.
 */
import {
  TEE_ERROR_GENERIC,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
} from '../../abi/gp.ts';
import type { TaAttribute } from '../../ta/runtime.ts';
import type { Size } from './asymmetric-context.ts';
import { deliver } from './asymmetric-context.ts';
import type { AsymmetricContext, CryptoServices, KeyObject } from './contexts.ts';
import { convertCipherError } from './ltc-result.ts';
import { RsaKey } from './rsa-key.ts';

/** Keeps what it has made of a key: the same key comes with every call until another one is set. */
export abstract class RsaContext implements AsymmetricContext {
  readonly kind = 'asymmetric';
  protected readonly services: CryptoServices;
  protected readonly mode: number;
  #known: { key: KeyObject; generation: number; rsa: RsaKey } | undefined;

  constructor(services: CryptoServices, mode: number) {
    this.services = services;
    this.mode = mode;
  }

  abstract operate(
    key: KeyObject,
    attributes: readonly TaAttribute[],
    source: Uint8Array,
    out: Uint8Array,
    size: Size,
  ): number;

  /** Of a cipher: its id names no digest that a signature could be of. */
  verify(
    _key: KeyObject,
    _attributes: readonly TaAttribute[],
    _data: Uint8Array,
    _signature: Uint8Array,
  ): number {
    return TEE_ERROR_NOT_SUPPORTED;
  }

  protected rsa(key: KeyObject): RsaKey {
    const { generation } = key;
    if (this.#known?.key !== key || this.#known.generation !== generation) {
      this.#known = { key, generation, rsa: new RsaKey(this.services.crypto.publicKey, key) };
    }
    return this.#known.rsa;
  }
}

/** TEE_ALG_RSA_NOPAD: results have no leading zeroes, except zero itself, which is one. */
export class RsaNoPad extends RsaContext {
  operate(
    key: KeyObject,
    _attributes: readonly TaAttribute[],
    source: Uint8Array,
    out: Uint8Array,
    size: Size,
  ): number {
    if (this.mode !== TEE_MODE_ENCRYPT && this.mode !== TEE_MODE_DECRYPT) return TEE_ERROR_GENERIC;
    const exponent = this.mode === TEE_MODE_ENCRYPT ? 'public' : 'private';
    const result = this.rsa(key).apply(exponent, source);
    if (typeof result === 'string') return convertCipherError(result);
    const first = result.findIndex((octet) => octet !== 0);
    return deliver(first < 0 ? result.subarray(-1) : result.subarray(first), out, size);
  }
}
