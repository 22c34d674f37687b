/**
 * CBC-MAC without padding and with PKCS #5 padding (ISO/IEC 9797-1, MAC algorithm 1), and CMAC
 * (NIST SP 800-38B).
 *
 * Upstream counterparts: optee_os core/crypto/cbc-mac.c, core/lib/libtomcrypt/cmac.c and its
 * src/mac/omac. Left out: what upstream's contexts give between a final and the next init.
 */
import { TEE_ERROR_BAD_STATE, TEE_SUCCESS } from '../../abi/gp.ts';
import type { HostCrypto, HostKey } from '../../host/crypto.ts';
import { CbcChain } from './cbc-chain.ts';
import type { CipherMode } from './cipher.ts';
import type { MacContext } from './contexts.ts';
import { KeySlot } from './host-keys.ts';

/** How a MAC ends: takes in the block that waits. @returns a TEE_Result */
export interface MacPadding {
  /** @param zeroEncrypted gives the encryption of a zero block */
  end(chain: CbcChain, zeroEncrypted: () => Uint8Array): number;
}

/** Only whole blocks, and one at least. */
export const NOPAD: MacPadding = {
  end(chain) {
    if (chain.filled < chain.block.length) return TEE_ERROR_BAD_STATE;
    chain.absorb();
    return TEE_SUCCESS;
  },
};

/** As many bytes as are missing, each that number; a whole block where none is missing. */
export const PKCS5: MacPadding = {
  end(chain) {
    if (chain.filled === chain.block.length) chain.absorb();
    chain.block.fill(chain.block.length - chain.filled, chain.filled);
    chain.absorb();
    return TEE_SUCCESS;
  },
};

/** A whole block is masked with the first subkey; another is padded, and masked with the second. */
export const CMAC: MacPadding = {
  end(chain, zeroEncrypted) {
    const { block, filled } = chain;
    let subkey = double(zeroEncrypted());
    if (filled < block.length) {
      block.fill(0, filled);
      block[filled] = 0x80;
      subkey = double(subkey);
    }
    for (let i = 0; i < block.length; i++) block[i]! ^= subkey[i]!;
    chain.absorb();
    return TEE_SUCCESS;
  },
};

/** SP 800-38B, 5.3: R_b for blocks of 64 and 128 bits. */
const FEEDBACK: Readonly<Record<number, number>> = { 8: 0x1b, 16: 0x87 };

/** Multiplies by x, as SP 800-38B, 6.1 wants it. */
function double(block: Uint8Array): Uint8Array {
  const shifted = block.map((byte, i) => (byte << 1) | ((block[i + 1] ?? 0) >>> 7));
  if (block[0]! >= 0x80) shifted[block.length - 1]! ^= FEEDBACK[block.length] ?? 0;
  return shifted;
}

/** A MAC that is the last block of a CBC encryption. */
export class BlockMac implements MacContext {
  readonly kind = 'mac';
  readonly #crypto: HostCrypto;
  readonly #cbc: CipherMode;
  readonly #padding: MacPadding;
  readonly #keys: KeySlot;
  #key: HostKey | undefined;
  #chain: CbcChain | undefined;

  constructor(crypto: HostCrypto, cbc: CipherMode, padding: MacPadding) {
    this.#crypto = crypto;
    this.#cbc = cbc;
    this.#padding = padding;
    this.#keys = new KeySlot(crypto, cbc.block.expand);
  }

  get size(): number {
    return this.#cbc.block.blockSize;
  }

  init(key: Uint8Array): number {
    const { block, host } = this.#cbc;
    if (!block.keySizes.includes(key.length)) return TEE_ERROR_BAD_STATE;
    this.#key = this.#keys.get(key);
    this.#chain = new CbcChain(this.#crypto, host, this.#key, new Uint8Array(block.blockSize));
    return TEE_SUCCESS;
  }

  update(data: Uint8Array): number {
    if (this.#chain === undefined) return TEE_ERROR_BAD_STATE;
    this.#chain.update(data);
    return TEE_SUCCESS;
  }

  final(out: Uint8Array): number {
    const [chain, key] = [this.#chain, this.#key];
    if (chain === undefined || key === undefined) return TEE_ERROR_BAD_STATE;
    const result = this.#padding.end(chain, () => this.#zeroEncrypted(key));
    if (result !== TEE_SUCCESS) return result;
    out.set(chain.value.subarray(0, out.length));
    this.#chain = undefined;
    return TEE_SUCCESS;
  }

  fork(): BlockMac {
    const other = new BlockMac(this.#crypto, this.#cbc, this.#padding);
    other.#key = this.#key;
    other.#chain = this.#chain?.fork();
    return other;
  }

  #zeroEncrypted(key: HostKey): Uint8Array {
    const zero = new Uint8Array(this.size);
    return this.#crypto.cipher(this.#cbc.host, true, key, zero).update(zero);
  }
}
