/** Curve 25519: Ed25519 over the points of @noble/curves, X25519 over node:crypto. */
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js';
import { createPrivateKey, createPublicKey, diffieHellman, hash } from 'node:crypto';
import type { HostEd25519, HostX25519 } from '../public-key.ts';

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;
const BYTES = 32;

function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  return hash('sha512', Buffer.concat(parts), 'buffer');
}

/** The secret scalar, and the prefix of what nonces are hashes of. Source: RFC 8032, 5.1.5. */
function expand(seed: Uint8Array): { scalar: bigint; prefix: Uint8Array } {
  const expanded = sha512(seed);
  const clamped = expanded.slice(0, BYTES);
  clamped[0]! &= 0xf8;
  clamped[BYTES - 1]! &= 0x7f;
  clamped[BYTES - 1]! |= 0x40;
  return { scalar: bytesToNumberLE(clamped) % ORDER, prefix: expanded.slice(BYTES) };
}

/**
 * TweetNaCl's arrangement, which the emulated core has: it hashes the public key that it is given,
 * and takes signatures whose scalar is not reduced.
 */
export const ED25519: HostEd25519 = {
  publicKey: (seed) => Point.BASE.multiply(expand(seed).scalar).toBytes(),

  sign(seed, publicKey, domain, message) {
    const { scalar, prefix } = expand(seed);
    const nonce = bytesToNumberLE(sha512(domain, prefix, message)) % ORDER;
    const commitment = Point.BASE.multiply(nonce).toBytes();
    const challenge = bytesToNumberLE(sha512(domain, commitment, publicKey, message)) % ORDER;
    const response = numberToBytesLE((nonce + challenge * scalar) % ORDER, BYTES);
    return Buffer.concat([commitment, response]);
  },

  verify(publicKey, domain, message, signature) {
    const key = decode(publicKey);
    if (key === undefined) return undefined;
    const commitment = signature.subarray(0, BYTES);
    const response = bytesToNumberLE(signature.subarray(BYTES)) % ORDER;
    const challenge = bytesToNumberLE(sha512(domain, commitment, publicKey, message)) % ORDER;
    const found = Point.BASE.multiplyUnsafe(response).add(key.negate().multiplyUnsafe(challenge));
    return Buffer.compare(found.toBytes(), commitment) === 0;
  },
};

/** Coordinates need not be reduced. */
function decode(publicKey: Uint8Array): InstanceType<typeof Point> | undefined {
  try {
    return Point.fromBytes(publicKey, true);
  } catch {
    return undefined;
  }
}

/** What comes before the octets of a key. Source: RFC 8410, 4 and 7. */
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI = Buffer.from('302a300506032b656e032100', 'hex');

const privateKey = (secret: Uint8Array): ReturnType<typeof createPrivateKey> =>
  createPrivateKey({ key: Buffer.concat([PKCS8, secret]), format: 'der', type: 'pkcs8' });

export const X25519: HostX25519 = {
  publicKey(secret) {
    const exported = createPublicKey(privateKey(secret)).export({ format: 'der', type: 'spki' });
    return Uint8Array.from(exported.subarray(-BYTES));
  },

  sharedSecret(secret, publicKey) {
    const other = Buffer.concat([SPKI, publicKey]);
    const options = {
      privateKey: privateKey(secret),
      publicKey: createPublicKey({ key: other, format: 'der', type: 'spki' }),
    };
    try {
      return diffieHellman(options);
    } catch {
      return undefined;
    }
  },
};
