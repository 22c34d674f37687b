/**
 * Block ciphers in the modes ECB, CBC and CTR, without padding: a streaming cipher of the host.
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
import type { HostCipher, HostCipherName, HostCrypto } from '../../host/crypto.ts';
import type { CipherContext } from './contexts.ts';
import { KeySlot, threeDesKeys } from './host-keys.ts';

const NO_IV = new Uint8Array(0);

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

export class ChainedCipher implements CipherContext {
  readonly kind = 'cipher';
  readonly #crypto: HostCrypto;
  readonly #row: CipherMode;
  /** TEE_MODE_* */
  readonly #mode: number;
  readonly #keys: KeySlot;
  #cipher: HostCipher | undefined;

  constructor(crypto: HostCrypto, row: CipherMode, mode: number) {
    this.#crypto = crypto;
    this.#row = row;
    this.#mode = mode;
    this.#keys = new KeySlot(crypto, row.block.expand);
  }

  init(key: Uint8Array, _key2: Uint8Array | undefined, iv: Uint8Array): number {
    const { block, host, chaining, badKey } = this.#row;
    if (!isCipherMode(this.#mode)) return TEE_ERROR_BAD_PARAMETERS;
    if (chaining !== 'ecb' && iv.length !== block.blockSize) return TEE_ERROR_BAD_PARAMETERS;
    if (!block.keySizes.includes(key.length)) return badKey;
    const secret = this.#keys.get(key);
    const vector = chaining === 'ecb' ? NO_IV : iv;
    if (this.#cipher !== undefined) {
      this.#cipher.start(secret, vector);
    } else {
      // Counter mode is its own inverse.
      const encrypt = chaining === 'ctr' || this.#mode === TEE_MODE_ENCRYPT;
      this.#cipher = this.#crypto.cipher(host, encrypt, secret, vector);
    }
    return TEE_SUCCESS;
  }

  update(source: Uint8Array, out: Uint8Array, last: boolean): number {
    const { block, partial, partialAtEnd } = this.#row;
    if (this.#cipher === undefined) return TEE_ERROR_BAD_STATE;
    if (source.length % block.blockSize !== 0) {
      const refused = last ? partialAtEnd : partial;
      if (refused !== TEE_SUCCESS) return refused;
    }
    this.#cipher.update(source, out);
    return TEE_SUCCESS;
  }

  fork(): ChainedCipher {
    const other = new ChainedCipher(this.#crypto, this.#row, this.#mode);
    other.#cipher = this.#cipher?.fork();
    return other;
  }
}
