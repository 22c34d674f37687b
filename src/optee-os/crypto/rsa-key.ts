/**
 * RSA keys: the permutation without padding, and new key pairs.
 *
 * Upstream counterparts: optee_os core/lib/libtomcrypt/src/pk/rsa/rsa_exptmod.c and rsa_make_key.c,
 * src/math/rand_prime.c. Blinding is left to the host's library: it does not show in results.
 */
import {
  TEE_ATTR_RSA_COEFFICIENT,
  TEE_ATTR_RSA_EXPONENT1,
  TEE_ATTR_RSA_EXPONENT2,
  TEE_ATTR_RSA_MODULUS,
  TEE_ATTR_RSA_PRIME1,
  TEE_ATTR_RSA_PRIME2,
  TEE_ATTR_RSA_PRIVATE_EXPONENT,
  TEE_ATTR_RSA_PUBLIC_EXPONENT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { HostPublicKey, HostRsaKey, RsaKeyPair } from '../../host/public-key.ts';
import type { CryptoServices, KeyObject, Rng } from './contexts.ts';
import type { LtcError } from './ltc-result.ts';
import { bitLength, byteLength, gcd, mod, toNumber, toOctets } from './mpi.ts';

/** PK_PUBLIC, PK_PRIVATE */
export type Exponent = 'public' | 'private';

/** The numbers of a key object; those that it lacks are 0. */
export class RsaKey {
  readonly modulusBits: number;
  readonly modulusBytes: number;
  readonly #host: HostPublicKey;
  readonly #numbers: RsaKeyPair;
  readonly #native: Partial<Record<Exponent, HostRsaKey | undefined>> = {};

  constructor(host: HostPublicKey, key: KeyObject) {
    this.#host = host;
    this.#numbers = {
      n: key.number(TEE_ATTR_RSA_MODULUS),
      e: key.number(TEE_ATTR_RSA_PUBLIC_EXPONENT),
      d: key.number(TEE_ATTR_RSA_PRIVATE_EXPONENT),
      p: key.number(TEE_ATTR_RSA_PRIME1),
      q: key.number(TEE_ATTR_RSA_PRIME2),
      dp: key.number(TEE_ATTR_RSA_EXPONENT1),
      dq: key.number(TEE_ATTR_RSA_EXPONENT2),
      qp: key.number(TEE_ATTR_RSA_COEFFICIENT),
    };
    this.modulusBits = bitLength(this.#numbers.n);
    this.modulusBytes = byteLength(this.#numbers.n);
  }

  /** rsa_exptmod(). @returns as many octets as the modulus has */
  apply(exponent: Exponent, block: Uint8Array): Uint8Array | LtcError {
    const { n } = this.#numbers;
    const value = toNumber(block);
    if (n < value) return 'CRYPT_PK_INVALID_SIZE';
    if (n % 2n === 0n || n === 1n) return 'CRYPT_ERROR';
    const native = value === n ? undefined : this.#nativeKey(exponent);
    if (native !== undefined) return native.apply(toOctets(value, this.modulusBytes));
    const result = exponent === 'public' ? this.#power(value) : this.#privatePower(value);
    return result === undefined ? 'CRYPT_ERROR' : toOctets(result, this.modulusBytes);
  }

  #nativeKey(exponent: Exponent): HostRsaKey | undefined {
    if (!(exponent in this.#native)) this.#native[exponent] = this.#makeNative(exponent);
    return this.#native[exponent];
  }

  #makeNative(exponent: Exponent): HostRsaKey | undefined {
    const { n, e } = this.#numbers;
    if (exponent === 'public') return this.#host.rsaPublicKey(n, e);
    return fitsTogether(this.#numbers) ? this.#host.rsaPrivateKey(this.#numbers) : undefined;
  }

  #power(value: bigint): bigint {
    return this.#host.modPow(value, this.#numbers.e, this.#numbers.n);
  }

  /** With the primes, when they are there; a result that does not lead back is none. */
  #privatePower(value: bigint): bigint | undefined {
    const { n, d, p, q, dp, dq, qp } = this.#numbers;
    if ([p, q, dp, dq, qp].includes(0n)) return this.#host.modPow(value, d, n);
    if (p % 2n === 0n || q % 2n === 0n || p === 1n || q === 1n) return undefined;
    const left = this.#host.modPow(value, dp, p);
    const right = this.#host.modPow(value, dq, q);
    const result = right + q * mod((left - right) * qp, p);
    return this.#power(result) === value && byteLength(result) <= byteLength(n)
      ? result
      : undefined;
  }
}

/** Whether the parts belong to one key, as the host's library takes for granted. */
function fitsTogether({ n, e, d, p, q, dp, dq, qp }: RsaKeyPair): boolean {
  if (p < 3n || q < 3n || p * q !== n) return false;
  if ((e * d) % (p - 1n) !== 1n || (e * d) % (q - 1n) !== 1n) return false;
  return dp === d % (p - 1n) && dq === d % (q - 1n) && (qp * q) % p === 1n;
}

const BYTE = 8;
const TOP_BITS = 0xc0;
/** rand_prime() makes no shorter one. */
const SHORTEST_PRIME_BYTES = 2;
/** rsa_make_key_bn_e() */
const PUBLIC_EXPONENT_BITS_LIMIT = 256;

/** rsa_make_key_bn_e(), and the check of the modulus's size after it. Undefined when it fails. */
export function makeRsaKey(
  { crypto, rng }: CryptoServices,
  bits: number,
  e: bigint,
): RsaKeyPair | undefined {
  const exponentBits = bitLength(e);
  if (exponentBits < 2 || exponentBits >= PUBLIC_EXPONENT_BITS_LIMIT || e % 2n === 0n) {
    return undefined;
  }
  const host = crypto.publicKey;
  const primeBytes = Math.floor(Math.floor(bits / BYTE) / 2);
  // Both primes start with two ones: the modulus has just these bits.
  if (primeBytes < SHORTEST_PRIME_BYTES || 2 * BYTE * primeBytes !== bits) return undefined;
  const p = makePrime(host, rng, primeBytes, e);
  const q = p === undefined ? undefined : makePrime(host, rng, primeBytes, e);
  return p === undefined || q === undefined ? undefined : completeKey(host, e, p, q);
}

/** A prime such that e does not divide what is before it. */
function makePrime(host: HostPublicKey, rng: Rng, bytes: number, e: bigint): bigint | undefined {
  const octets = new Uint8Array(bytes);
  for (;;) {
    if (rng(octets) !== TEE_SUCCESS) return undefined;
    octets[0]! |= TOP_BITS;
    octets[bytes - 1]! |= 1;
    const candidate = toNumber(octets);
    if (host.isPrime(candidate) && gcd(candidate - 1n, e) === 1n) return candidate;
  }
}

function completeKey(host: HostPublicKey, e: bigint, p: bigint, q: bigint): RsaKeyPair | undefined {
  const order = ((p - 1n) * (q - 1n)) / gcd(p - 1n, q - 1n);
  const d = host.modInverse(e, order);
  const qp = host.modInverse(q, p);
  if (d === undefined || qp === undefined) return undefined;
  return { n: p * q, e, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qp };
}
