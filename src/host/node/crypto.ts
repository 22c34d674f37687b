/**
 * HostCrypto over node:crypto. Ciphers are streaming and unpadded, so that they keep their chaining
 * state; what they return is a fresh buffer. Their keys are made key objects first, because telling
 * that bytes are none takes node:crypto longer than encrypting 32 KiB.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  hash,
} from 'node:crypto';
import type { CipherGCM, CipherGCMTypes, DecipherGCM, Hash } from 'node:crypto';
import type { HostAead, HostCipher, HostCipherMode, HostCrypto, HostDigest } from '../crypto.ts';

class NodeDigest implements HostDigest {
  readonly #hash: Hash;
  constructor(state: Hash) {
    this.#hash = state;
  }
  update(data: Uint8Array): void {
    this.#hash.update(data);
  }
  copy(): HostDigest {
    return new NodeDigest(this.#hash.copy());
  }
  final(): Uint8Array {
    return this.#hash.digest();
  }
}

class NodeGcmEncryption implements HostAead {
  readonly #cipher: CipherGCM;
  constructor(cipher: CipherGCM) {
    this.#cipher = cipher;
  }
  aad(data: Uint8Array): void {
    this.#cipher.setAAD(data);
  }
  update(data: Uint8Array): Uint8Array {
    return this.#cipher.update(data);
  }
  tag(): Uint8Array {
    this.#cipher.final();
    return this.#cipher.getAuthTag();
  }
  verify(): boolean {
    throw new Error('an encryption has no tag to verify');
  }
}

class NodeGcmDecryption implements HostAead {
  readonly #cipher: DecipherGCM;
  constructor(cipher: DecipherGCM) {
    this.#cipher = cipher;
  }
  aad(data: Uint8Array): void {
    this.#cipher.setAAD(data);
  }
  update(data: Uint8Array): Uint8Array {
    return this.#cipher.update(data);
  }
  tag(): Uint8Array {
    throw new Error('a decryption makes no tag');
  }
  verify(tag: Uint8Array): boolean {
    this.#cipher.setAuthTag(tag);
    try {
      this.#cipher.final();
      return true;
    } catch {
      return false;
    }
  }
}

export class NodeCrypto implements HostCrypto {
  digest(name: string): HostDigest {
    return new NodeDigest(createHash(name));
  }

  hash(name: string, data: Uint8Array): Uint8Array {
    return hash(name, data, 'buffer');
  }

  hmac(name: string, key: Uint8Array, data: Uint8Array): Uint8Array {
    return createHmac(name, key).update(data).digest();
  }

  aes(mode: HostCipherMode, encrypt: boolean, key: Uint8Array, iv: Uint8Array): HostCipher {
    const name = `aes-${key.length * 8}-${mode}`;
    const vector = mode === 'ecb' ? null : iv;
    const create = encrypt ? createCipheriv : createDecipheriv;
    return create(name, createSecretKey(key), vector).setAutoPadding(false);
  }

  aesGcm(encrypt: boolean, key: Uint8Array, nonce: Uint8Array, tagLength: number): HostAead {
    const name = gcmName(key.length);
    const options = { authTagLength: tagLength };
    const secret = createSecretKey(key);
    if (encrypt) return new NodeGcmEncryption(createCipheriv(name, secret, nonce, options));
    return new NodeGcmDecryption(createDecipheriv(name, secret, nonce, options));
  }
}

function gcmName(keyBytes: number): CipherGCMTypes {
  if (keyBytes === 16) return 'aes-128-gcm';
  return keyBytes === 24 ? 'aes-192-gcm' : 'aes-256-gcm';
}
