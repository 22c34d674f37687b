/**
 * HostPublicKey over node:crypto and @noble/curves. RSA is OpenSSL's permutation without padding,
 * on key objects that are made once; what it refuses (exponents of more than 64 bits with a modulus of
 * more than 3072, say) the caller gets from `modPow`.
 *
 * OpenSSL blinds private operations with random numbers of its own. They cancel out where a key's
 * parts are what they should be; with primes that are none they would show in results.
 */
import { invert, pow } from '@noble/curves/abstract/modular.js';
import {
  checkPrimeSync,
  constants,
  createPrivateKey,
  createPublicKey,
  pbkdf2Sync,
  privateDecrypt,
  publicEncrypt,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type {
  HostCurve,
  HostEcdsaCurve,
  HostPublicKey,
  HostRsaKey,
  NistCurve,
  RsaKeyPair,
} from '../public-key.ts';
import { ED25519, X25519 } from './public-key-25519.ts';
import { NobleCurves } from './public-key-curves.ts';

const UNPADDED = { padding: constants.RSA_NO_PADDING };

export class NodePublicKey implements HostPublicKey {
  readonly ed25519 = ED25519;
  readonly x25519 = X25519;
  readonly #curves = new NobleCurves();

  modPow(base: bigint, exponent: bigint, modulus: bigint): bigint {
    return pow(base % modulus, exponent, modulus);
  }

  modInverse(value: bigint, modulus: bigint): bigint | undefined {
    try {
      return invert(value % modulus, modulus);
    } catch {
      return undefined;
    }
  }

  isPrime(candidate: bigint): boolean {
    return checkPrimeSync(candidate);
  }

  rsaPublicKey(n: bigint, e: bigint): HostRsaKey | undefined {
    const jwk = { kty: 'RSA', n: base64url(n), e: base64url(e) };
    const key = attempt(() => createPublicKey({ key: jwk, format: 'jwk' }));
    const compute: Compute = (object, block) => publicEncrypt({ key: object, ...UNPADDED }, block);
    return usable(key, compute, 1n, 1n);
  }

  rsaPrivateKey({ n, e, d, p, q, dp, dq, qp }: RsaKeyPair): HostRsaKey | undefined {
    const numbers = { n, e, d, p, q, dp, dq, qi: qp };
    const encoded = Object.entries(numbers).map(([name, value]) => [name, base64url(value)]);
    const jwk = { kty: 'RSA', ...Object.fromEntries(encoded) };
    const key = attempt(() => createPrivateKey({ key: jwk, format: 'jwk' }));
    const compute: Compute = (object, block) => privateDecrypt({ key: object, ...UNPADDED }, block);
    return usable(key, compute, this.modPow(2n, e, n), 2n);
  }

  curve(name: NistCurve): HostEcdsaCurve {
    return this.#curves.get(name);
  }

  get sm2(): HostCurve {
    return this.#curves.sm2;
  }

  pbkdf2(
    hash: string,
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    length: number,
  ): Uint8Array {
    return pbkdf2Sync(password, salt, iterations, length, hash);
  }
}

/** Big-endian. @param length bytes; as few as there are when absent */
function hexOctets(value: bigint, length = 0): Buffer {
  const digits = value.toString(16);
  const whole = digits.length + (digits.length % 2);
  return Buffer.from(digits.padStart(Math.max(whole, 2 * length), '0'), 'hex');
}

const base64url = (value: bigint): string => hexOctets(value).toString('base64url');

function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

type Compute = (key: KeyObject, block: Uint8Array) => Uint8Array;

/** Undefined when the library has no key, refuses to compute with it, or does not get `expected`. */
function usable(
  key: KeyObject | undefined,
  compute: Compute,
  probe: bigint,
  expected: bigint,
): HostRsaKey | undefined {
  if (key === undefined) return undefined;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  const block = hexOctets(probe, Math.ceil(bits / 8));
  const result = attempt(() => compute(key, block));
  if (result === undefined || Buffer.compare(result, hexOctets(expected, block.length)) !== 0) {
    return undefined;
  }
  return { apply: (input) => compute(key, input) };
}
