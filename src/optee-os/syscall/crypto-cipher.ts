/**
 * AES in the modes ECB, CBC and CTR, without padding: a streaming cipher of the host and what is
 * needed to fork it, since hosts cannot copy a cipher that is under way.
 *
 * Upstream counterparts: optee_os core/lib/libtomcrypt/{ecb,cbc,ctr}.c, tee_do_cipher_update() in
 * core/tee/tee_cryp_utl.c. Left out so far: CTS, XTS, DES, SM4.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { TEE_AES_BLOCK_SIZE } from '../../abi/utee-defines.ts';
import type { HostCipher, HostCipherMode, HostCrypto } from '../../host/crypto.ts';

/** What a cipher operation does, as `struct crypto_cipher_ops`. Results are TEE_Results. */
export interface CipherContext {
  readonly kind: 'cipher';
  init(key1: Uint8Array, key2: Uint8Array | undefined, iv: Uint8Array): number;
  /** `out` has room for as many bytes as `source` has. */
  update(source: Uint8Array, out: Uint8Array): number;
  /** A context of the same algorithm and mode that goes on where this one is. */
  fork(): CipherContext;
}

const NOTHING = new Uint8Array(0);

/** `counter + n`, as 128-bit big-endian numbers. */
export function addToCounter(counter: Uint8Array, n: number): Uint8Array {
  const sum = counter.slice();
  let carry = n;
  for (let i = sum.length - 1; i >= 0 && carry > 0; i--) {
    carry += sum[i]!;
    sum[i] = carry % 256;
    carry = Math.floor(carry / 256);
  }
  return sum;
}

/** A counter-mode cipher `bytes` into the key stream that starts with `counter`. */
export function ctrAt(
  crypto: HostCrypto,
  key: Uint8Array,
  counter: Uint8Array,
  bytes: number,
): HostCipher {
  const start = addToCounter(counter, Math.floor(bytes / TEE_AES_BLOCK_SIZE));
  const cipher = crypto.aes('ctr', true, key, start);
  const rest = bytes % TEE_AES_BLOCK_SIZE;
  if (rest > 0) cipher.update(new Uint8Array(rest));
  return cipher;
}

export class AesCipher implements CipherContext {
  readonly kind = 'cipher';
  readonly #crypto: HostCrypto;
  readonly #chaining: HostCipherMode;
  /** TEE_MODE_* */
  readonly #mode: number;
  #cipher: HostCipher | undefined;
  #key: Uint8Array = NOTHING;
  /** CBC: the last ciphertext block. CTR: the first counter. */
  #chain: Uint8Array = NOTHING;
  #bytes = 0;

  constructor(crypto: HostCrypto, chaining: HostCipherMode, mode: number) {
    this.#crypto = crypto;
    this.#chaining = chaining;
    this.#mode = mode;
  }

  init(key: Uint8Array, _key2: Uint8Array | undefined, iv: Uint8Array): number {
    if (this.#mode !== TEE_MODE_ENCRYPT && this.#mode !== TEE_MODE_DECRYPT) {
      return TEE_ERROR_BAD_PARAMETERS;
    }
    if (this.#chaining !== 'ecb' && iv.length !== TEE_AES_BLOCK_SIZE) {
      return TEE_ERROR_BAD_PARAMETERS;
    }
    this.#key = key.slice();
    this.#chain = this.#chaining === 'ecb' ? NOTHING : iv.slice();
    this.#bytes = 0;
    this.#cipher = this.#open();
    return TEE_SUCCESS;
  }

  update(source: Uint8Array, out: Uint8Array): number {
    if (this.#cipher === undefined) return TEE_ERROR_BAD_PARAMETERS;
    if (this.#chaining !== 'ctr' && source.length % TEE_AES_BLOCK_SIZE !== 0) {
      return TEE_ERROR_BAD_PARAMETERS;
    }
    if (this.#chaining === 'cbc' && this.#mode === TEE_MODE_DECRYPT) this.#chainOn(source);
    const result = this.#cipher.update(source);
    out.set(result);
    this.#bytes += source.length;
    if (this.#chaining === 'cbc' && this.#mode === TEE_MODE_ENCRYPT) this.#chainOn(result);
    return TEE_SUCCESS;
  }

  fork(): AesCipher {
    const other = new AesCipher(this.#crypto, this.#chaining, this.#mode);
    other.#key = this.#key;
    other.#chain = this.#chain.slice();
    other.#bytes = this.#bytes;
    if (this.#cipher !== undefined) other.#cipher = other.#open();
    return other;
  }

  #open(): HostCipher {
    if (this.#chaining === 'ctr') return ctrAt(this.#crypto, this.#key, this.#chain, this.#bytes);
    const encrypt = this.#mode === TEE_MODE_ENCRYPT;
    return this.#crypto.aes(this.#chaining, encrypt, this.#key, this.#chain);
  }

  #chainOn(ciphertext: Uint8Array): void {
    if (ciphertext.length > 0) this.#chain.set(ciphertext.subarray(-TEE_AES_BLOCK_SIZE));
  }
}
