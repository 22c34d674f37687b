/**
 * The algorithms that the library allocates operations for, and what it says of them when asked.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_operations.c (TEE_AllocateOperation,
 * TEE_IsAlgorithmSupported). The two disagree there; here, too.
 */
import {
  TEE_ALG_MD5SHA1,
  TEE_ALG_RSASSA_PKCS1_V1_5_MD5SHA1,
  TEE_CRYPTO_ELEMENT_NONE,
} from '../../abi/gp.ts';
import type { AlgorithmRow } from './algorithm-row.ts';
import { ASYMMETRIC_ROWS } from './algorithms-asymmetric.ts';
import { SYMMETRIC_ROWS } from './algorithms-symmetric.ts';

export const ALGORITHM_ROWS: readonly AlgorithmRow[] = [...SYMMETRIC_ROWS, ...ASYMMETRIC_ROWS];

/** Called supported, although no operation can be allocated for them. */
const WITHOUT_OPERATION: readonly number[] = [TEE_ALG_MD5SHA1, TEE_ALG_RSASSA_PKCS1_V1_5_MD5SHA1];

const BY_ID: ReadonlyMap<number, AlgorithmRow> = new Map(
  ALGORITHM_ROWS.map((row) => [row.algorithm, row]),
);

export function findAlgorithmRow(algorithm: number): AlgorithmRow | undefined {
  return BY_ID.get(algorithm);
}

/** @param element TEE_ECC_CURVE_*, or TEE_CRYPTO_ELEMENT_NONE */
export function isAlgorithmSupported(algorithm: number, element: number): boolean {
  if (WITHOUT_OPERATION.includes(algorithm)) return element === TEE_CRYPTO_ELEMENT_NONE;
  return BY_ID.get(algorithm)?.elements.includes(element) ?? false;
}
