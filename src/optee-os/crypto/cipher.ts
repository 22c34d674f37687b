/**
 * Block ciphers in the modes ECB, CBC and CTR, without padding: a streaming cipher of the host and
 * what is needed to fork it, since hosts cannot copy a cipher that is under way.
 *
 * Upstream counterparts: optee_os core/lib/libtomcrypt/{ecb,cbc,ctr}.c, core/crypto/sm4-*.c,
 * tee_do_cipher_update() in core/tee/tee_cryp_utl.c.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  TEE_AES_BLOCK_SIZE,
  TEE_DES_BLOCK_SIZE,
  TEE_SM4_BLOCK_SIZE,
} from '../../abi/utee-defines.ts';
import type { HostCipher, HostCipherName, HostCrypto, HostKey } from '../../host/crypto.ts';
import type { CipherContext } from './contexts.ts';
import { KeySlot, threeDesKeys } from './host-keys.ts';

/** A block cipher. */
export interface BlockCipher {
  /** Bytes. */
  readonly blockSize: number;
  /** Bytes of the keys that it takes. */
  readonly keySizes: readonly number[];
  /** Gives a key a size that hosts take. */
  readonly expand: (key: Uint8Array) => Uint8Array;
}

const asIs = (key: Uint8Array): Uint8Array => key;

export const AES: BlockCipher = {
  blockSize: TEE_AES_BLOCK_SIZE,
  keySizes: [16, 24, 32],
  expand: asIs,
};
export const DES: BlockCipher = {
  blockSize: TEE_DES_BLOCK_SIZE,
  keySizes: [8],
  expand: threeDesKeys,
};
export const DES3: BlockCipher = {
  blockSize: TEE_DES_BLOCK_SIZE,
  keySizes: [16, 24],
  expand: threeDesKeys,
};
export const SM4: BlockCipher = { blockSize: TEE_SM4_BLOCK_SIZE, keySizes: [16], expand: asIs };

/** A block cipher in a mode. */
export interface CipherMode {
  readonly block: BlockCipher;
  readonly host: HostCipherName;
  readonly chaining: 'ecb' | 'cbc' | 'ctr';
  /** What a key of another size gets. */
  readonly badKey: number;
  /** What a piece gets that is not whole blocks, before the end and at it. */
  readonly partial: number;
  readonly partialAtEnd: number;
}

const WHOLE_BLOCKS = {
  badKey: TEE_ERROR_BAD_STATE,
  partial: TEE_ERROR_BAD_PARAMETERS,
  partialAtEnd: TEE_ERROR_BAD_PARAMETERS,
};

const ecb = (block: BlockCipher, host: HostCipherName): CipherMode => ({
  ...WHOLE_BLOCKS,
  block,
  host,
  chaining: 'ecb',
});
const cbc = (block: BlockCipher, host: HostCipherName): CipherMode => ({
  ...ecb(block, host),
  chaining: 'cbc',
});

export const AES_ECB = ecb(AES, 'aes-ecb');
export const AES_CBC = cbc(AES, 'aes-cbc');
export const AES_CTR: CipherMode = {
  block: AES,
  host: 'aes-ctr',
  chaining: 'ctr',
  badKey: TEE_ERROR_BAD_STATE,
  partial: TEE_SUCCESS,
  partialAtEnd: TEE_SUCCESS,
};
export const DES_ECB = ecb(DES, 'des3-ecb');
export const DES_CBC = cbc(DES, 'des3-cbc');
export const DES3_ECB = ecb(DES3, 'des3-ecb');
export const DES3_CBC = cbc(DES3, 'des3-cbc');
export const SM4_ECB = ecb(SM4, 'sm4-ecb');
export const SM4_CBC: CipherMode = { ...cbc(SM4, 'sm4-cbc'), badKey: TEE_ERROR_BAD_PARAMETERS };
/** tee_do_cipher_update() knows of no stream of bytes but AES's. */
export const SM4_CTR: CipherMode = {
  block: SM4,
  host: 'sm4-ctr',
  chaining: 'ctr',
  badKey: TEE_ERROR_BAD_PARAMETERS,
  partial: TEE_ERROR_BAD_PARAMETERS,
  partialAtEnd: TEE_ERROR_NOT_SUPPORTED,
};

export const isCipherMode = (mode: number): boolean =>
  mode === TEE_MODE_ENCRYPT || mode === TEE_MODE_DECRYPT;

/** `counter + n`, as big-endian numbers of as many bits as the counter has. */
function addToCounter(counter: Uint8Array, n: number): Uint8Array {
  const sum = new Uint8Array(counter);
  let carry = n;
  for (let i = sum.length - 1; i >= 0 && carry > 0; i--) {
    carry += sum[i]!;
    sum[i] = carry % 256;
    carry = Math.floor(carry / 256);
  }
  return sum;
}

/** A counter-mode cipher `bytes` into the key stream that starts with `counter`, a block. */
export function ctrAt(
  crypto: HostCrypto,
  name: HostCipherName,
  key: HostKey,
  counter: Uint8Array,
  bytes: number,
): HostCipher {
  if (bytes === 0) return crypto.cipher(name, true, key, counter);
  const rest = bytes % counter.length;
  const start = addToCounter(counter, (bytes - rest) / counter.length);
  const cipher = crypto.cipher(name, true, key, start);
  if (rest > 0) cipher.update(new Uint8Array(rest));
  return cipher;
}

export class ChainedCipher implements CipherContext {
  readonly kind = 'cipher';
  readonly #crypto: HostCrypto;
  readonly #row: CipherMode;
  /** TEE_MODE_* */
  readonly #mode: number;
  readonly #keys: KeySlot;
  #key: HostKey | undefined;
  #cipher: HostCipher | undefined;
  /** CBC: the last ciphertext block. CTR: the first counter. ECB: nothing. */
  readonly #chain: Uint8Array;
  #bytes = 0;

  constructor(crypto: HostCrypto, row: CipherMode, mode: number) {
    this.#crypto = crypto;
    this.#row = row;
    this.#mode = mode;
    this.#keys = new KeySlot(crypto, row.block.expand);
    this.#chain = new Uint8Array(row.chaining === 'ecb' ? 0 : row.block.blockSize);
  }

  init(key: Uint8Array, _key2: Uint8Array | undefined, iv: Uint8Array): number {
    const { block, chaining, badKey } = this.#row;
    if (!isCipherMode(this.#mode)) return TEE_ERROR_BAD_PARAMETERS;
    if (chaining !== 'ecb' && iv.length !== block.blockSize) return TEE_ERROR_BAD_PARAMETERS;
    if (!block.keySizes.includes(key.length)) return badKey;
    this.#key = this.#keys.get(key);
    if (chaining !== 'ecb') this.#chain.set(iv);
    this.#bytes = 0;
    this.#cipher = this.#open(this.#key);
    return TEE_SUCCESS;
  }

  update(source: Uint8Array, out: Uint8Array, last: boolean): number {
    const { block, chaining, partial, partialAtEnd } = this.#row;
    if (this.#cipher === undefined) return TEE_ERROR_BAD_STATE;
    if (source.length % block.blockSize !== 0) {
      const refused = last ? partialAtEnd : partial;
      if (refused !== TEE_SUCCESS) return refused;
    }
    // Source and out may be the same memory: the source's end is read before anything is written.
    if (chaining === 'cbc' && this.#mode === TEE_MODE_DECRYPT) this.#chainOn(source);
    const result = this.#cipher.update(source);
    out.set(result);
    this.#bytes += source.length;
    if (chaining === 'cbc' && this.#mode === TEE_MODE_ENCRYPT) this.#chainOn(result);
    this.#crypto.release(result);
    return TEE_SUCCESS;
  }

  fork(): ChainedCipher {
    const other = new ChainedCipher(this.#crypto, this.#row, this.#mode);
    other.#key = this.#key;
    other.#chain.set(this.#chain);
    other.#bytes = this.#bytes;
    if (this.#key !== undefined) other.#cipher = other.#open(this.#key);
    return other;
  }

  #open(key: HostKey): HostCipher {
    const { host, chaining } = this.#row;
    if (chaining === 'ctr') return ctrAt(this.#crypto, host, key, this.#chain, this.#bytes);
    return this.#crypto.cipher(host, this.#mode === TEE_MODE_ENCRYPT, key, this.#chain);
  }

  #chainOn(ciphertext: Uint8Array): void {
    const { blockSize } = this.#row.block;
    if (ciphertext.length > 0) this.#chain.set(ciphertext.subarray(-blockSize));
  }
}
