/**
 * SM2 signatures of digests; hashing identity and key into the digest is the TA's.
 *
 * Upstream counterpart: optee_os core/lib/libtomcrypt/sm2-dsa.c. Source: GM/T 0003.2-2012, 6.1 and
 * 7.1.
 */
import {
  TEE_ATTR_ECC_PRIVATE_VALUE,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ERROR_SIGNATURE_INVALID,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import type { Operation, Verification } from './asymmetric-context.ts';
import { deliver } from './asymmetric-context.ts';
import type { CryptoServices } from './contexts.ts';
import { publicPoint } from './ecc.ts';
import { concat } from './main-hash.ts';
import { mod, randomUpto, toNumber, toOctets } from './mpi.ts';
import { SM2_INT_SIZE_BYTES } from './sm2-kdf.ts';

const SIGNATURE_BYTES = 2 * SM2_INT_SIZE_BYTES;

export function signSm2({ services, key, source, out, size }: Operation): number {
  if (size.size < SIGNATURE_BYTES) {
    size.size = SIGNATURE_BYTES;
    return TEE_ERROR_SHORT_BUFFER;
  }
  const { order } = services.crypto.publicKey.sm2;
  const secret = key.number(TEE_ATTR_ECC_PRIVATE_VALUE);
  const inverse = services.crypto.publicKey.modInverse(secret + 1n, order);
  const commitment = commit(services, toNumber(source));
  if (inverse === undefined || commitment === undefined) return TEE_ERROR_BAD_STATE;
  const { k, r } = commitment;
  const s = mod(inverse * (k - r * secret), order);
  const [left, right] = [r, s].map((value) => toOctets(value, SM2_INT_SIZE_BYTES));
  return deliver(concat(left!, right!), out, size);
}

/** Steps A3 to A5. Undefined when there is no randomness. */
function commit({ crypto, rng }: CryptoServices, e: bigint): { k: bigint; r: bigint } | undefined {
  const { sm2 } = crypto.publicKey;
  for (;;) {
    const k = randomUpto(sm2.order, rng);
    if (k === undefined) return undefined;
    const r = (e + sm2.multiply(sm2.base, k)!.x) % sm2.order;
    if (r !== 0n && r + k !== sm2.order) return { k, r };
  }
}

export function verifySm2({ services, key, data, signature }: Verification): number {
  if (signature.length !== SIGNATURE_BYTES) return TEE_ERROR_BAD_PARAMETERS;
  const { sm2 } = services.crypto.publicKey;
  const r = toNumber(signature.subarray(0, SM2_INT_SIZE_BYTES));
  const s = toNumber(signature.subarray(SM2_INT_SIZE_BYTES));
  const t = (r + s) % sm2.order;
  const inRange = r > 0n && r < sm2.order && s > 0n && s < sm2.order && t !== 0n;
  const point = inRange ? sm2.multiplyAdd(sm2.base, s, publicPoint(key), t) : undefined;
  if (point === undefined) return TEE_ERROR_SIGNATURE_INVALID;
  const valid = (toNumber(data) + point.x) % sm2.order === r;
  return valid ? TEE_SUCCESS : TEE_ERROR_SIGNATURE_INVALID;
}
