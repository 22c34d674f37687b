/**
 * HostCrypto over node:crypto. Keys are key objects, made once: telling that bytes are none takes
 * node:crypto longer than encrypting 32 KiB.
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
import type { CipherGCMTypes, KeyObject } from 'node:crypto';
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
import { NodeCipher, NodeGcm, chainingOf } from './crypto-cipher.ts';
import type { GcmCipher, Transform } from './crypto-cipher.ts';
import { LEAST_OUTPUT, NodeDigest, NodeXof } from './crypto-digest.ts';
import { NodePublicKey } from './public-key.ts';

class NodeKey implements HostKey {
  readonly kind = 'secret key';
  readonly object: KeyObject;
  readonly length: number;
  constructor(bytes: Uint8Array) {
    this.object = createSecretKey(bytes);
    this.length = bytes.length;
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
    return new NodeDigest(name);
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
    const open = (secret: HostKeyOrBytes, vector: Uint8Array): Transform => {
      const create = encrypt ? createCipheriv : createDecipheriv;
      const full = cipherName(name, secret);
      const cipher = create(full, keyObject(secret), vector.length === 0 ? null : vector);
      // Counter modes do not pad anyway.
      return name.endsWith('ctr') ? cipher : cipher.setAutoPadding(false);
    };
    return new NodeCipher(open, chainingOf(name, encrypt), key, iv);
  }

  aesGcm(encrypt: boolean, key: HostKeyOrBytes, nonce: Uint8Array, tagLength: number): HostAead {
    const open = (secret: HostKeyOrBytes, vector: Uint8Array, opposite: boolean): GcmCipher => {
      const options = { authTagLength: tagLength };
      const create = encrypt === opposite ? createDecipheriv : createCipheriv;
      return create(gcmName(secret), keyObject(secret), vector, options);
    };
    return new NodeGcm(open, key, nonce);
  }

  /** Nothing is held but memory that is the collector's. */
  forBox(): HostCrypto {
    return this;
  }

  close(): void {}

  timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean {
    return a.length === b.length && timingSafeEqual(a, b);
  }
}

/** OpenSSL's name of a cipher. @throws RangeError for a key of a length that it does not take */
export const cipherName = (name: HostCipherName, key: HostKeyOrBytes): string =>
  known(NAMES[name][key.length], name, key);

/** The same of AES-GCM. */
export const gcmName = (key: HostKeyOrBytes): CipherGCMTypes =>
  known(GCM_NAMES[key.length], 'aes-gcm', key);

function known<T>(full: T | undefined, name: string, key: HostKeyOrBytes): T {
  if (full === undefined) throw new RangeError(`${name} takes no key of ${key.length} bytes`);
  return full;
}

function keyObject(key: HostKeyOrBytes): KeyObject {
  if (key instanceof NodeKey) return key.object;
  if (key instanceof Uint8Array) return createSecretKey(key);
  throw new TypeError('a key of another host');
}
