/**
 * The algorithms that an operation can be allocated for.
 *
 * Upstream counterparts: optee_os core/tee/tee_svc_cryp.c (tee_svc_cryp_check_key_type,
 * syscall_cryp_state_alloc), core/crypto/crypto.c (crypto_*_alloc_ctx).
 */
import { ASYMMETRIC_ALGORITHMS } from './asymmetric.ts';
import type { Algorithm } from './contexts.ts';
import { SYMMETRIC_ALGORITHMS } from './symmetric.ts';

export const ALGORITHMS: readonly Algorithm[] = [...SYMMETRIC_ALGORITHMS, ...ASYMMETRIC_ALGORITHMS];

const BY_ID: ReadonlyMap<number, Algorithm> = new Map(ALGORITHMS.map((row) => [row.id, row]));

export function findAlgorithm(id: number): Algorithm | undefined {
  return BY_ID.get(id);
}
