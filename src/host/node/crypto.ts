/**
 * HostCrypto over node:crypto. Ciphers are streaming and unpadded, so that they keep their chaining
 * state; what they return is a fresh buffer. Keys are key objects, made once: telling that bytes are
 * none takes node:crypto longer than encrypting 32 KiB.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  hash,
  timingSafeEqual,
} from 'node:crypto';
import type { CipherGCM, CipherGCMTypes, DecipherGCM, KeyObject } from 'node:crypto';
import type {
  HostAead,
  HostCipher,
  HostCipherName,
  HostCrypto,
  HostDigest,
  HostKey,
  HostKeyOrBytes,
  HostXof,
} from '../crypto.ts';
import { LEAST_OUTPUT, NodeDigest, NodeXof } from './crypto-digest.ts';
import { NodePublicKey } from './public-key.ts';

/** Bytes of a result from which on giving its memory back pays. */
const LEAST_RELEASED = 16 * 1024;

class NodeKey implements HostKey {
  readonly kind = 'secret key';
  readonly object: KeyObject;
  readonly length: number;
  constructor(bytes: Uint8Array) {
    this.object = createSecretKey(bytes);
    this.length = bytes.length;
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

/** OpenSSL's names of ciphers, by the key's length where that is part of them. */
const NAMES: Readonly<Record<HostCipherName, Readonly<Record<number, string>>>> = {
  'aes-ecb': { 16: 'aes-128-ecb', 24: 'aes-192-ecb', 32: 'aes-256-ecb' },
  'aes-cbc': { 16: 'aes-128-cbc', 24: 'aes-192-cbc', 32: 'aes-256-cbc' },
  'aes-ctr': { 16: 'aes-128-ctr', 24: 'aes-192-ctr', 32: 'aes-256-ctr' },
  'des3-ecb': { 24: 'des-ede3' },
  'des3-cbc': { 24: 'des-ede3-cbc' },
  'sm4-ecb': { 16: 'sm4-ecb' },
  'sm4-cbc': { 16: 'sm4-cbc' },
  'sm4-ctr': { 16: 'sm4-ctr' },
};

const GCM_NAMES: Readonly<Record<number, CipherGCMTypes>> = {
  16: 'aes-128-gcm',
  24: 'aes-192-gcm',
  32: 'aes-256-gcm',
};

export class NodeCrypto implements HostCrypto {
  readonly publicKey = new NodePublicKey();

  digest(name: string): HostDigest {
    return new NodeDigest(createHash(name));
  }

  xof(name: string): HostXof {
    return new NodeXof(createHash(name, { outputLength: LEAST_OUTPUT }));
  }

  hash(name: string, data: Uint8Array): Uint8Array {
    return hash(name, data, 'buffer');
  }

  hmac(name: string, key: Uint8Array, data: Uint8Array): Uint8Array {
    return createHmac(name, key).update(data).digest();
  }

  secretKey(bytes: Uint8Array): HostKey {
    return new NodeKey(bytes);
  }

  cipher(name: HostCipherName, encrypt: boolean, key: HostKeyOrBytes, iv: Uint8Array): HostCipher {
    const full = known(NAMES[name][key.length], name, key);
    const vector = iv.length === 0 ? null : iv;
    const create = encrypt ? createCipheriv : createDecipheriv;
    const cipher = create(full, keyObject(key), vector);
    // Counter modes do not pad anyway.
    return name.endsWith('ctr') ? cipher : cipher.setAutoPadding(false);
  }

  aesGcm(encrypt: boolean, key: HostKeyOrBytes, nonce: Uint8Array, tagLength: number): HostAead {
    const full = known(GCM_NAMES[key.length], 'aes-gcm', key);
    const options = { authTagLength: tagLength };
    const secret = keyObject(key);
    if (encrypt) return new NodeGcmEncryption(createCipheriv(full, secret, nonce, options));
    return new NodeGcmDecryption(createDecipheriv(full, secret, nonce, options));
  }

  release({ buffer, byteLength }: Uint8Array): void {
    const whole = buffer instanceof ArrayBuffer && byteLength === buffer.byteLength;
    if (whole && byteLength >= LEAST_RELEASED) buffer.transfer(0);
  }

  timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean {
    return a.length === b.length && timingSafeEqual(a, b);
  }
}

function known<T>(full: T | undefined, name: string, key: HostKeyOrBytes): T {
  if (full === undefined) throw new RangeError(`${name} takes no key of ${key.length} bytes`);
  return full;
}

function keyObject(key: HostKeyOrBytes): KeyObject {
  if (key instanceof NodeKey) return key.object;
  if (key instanceof Uint8Array) return createSecretKey(key);
  throw new TypeError('a key of another host');
}
