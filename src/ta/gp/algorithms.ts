/**
 * What the library knows of an algorithm before it asks the core: class, modes, key type, and
 * whether it must collect whole blocks.
 *
 * Upstream counterparts: optee_os lib/libutee/tee_api_operations.c (TEE_AllocateOperation,
 * TEE_IsAlgorithmSupported), include/utee_defines.h. Left out so far: digests, MACs, asymmetric
 * algorithms and key derivation; CTS and XTS, which hold two blocks back.
 */
import {
  TEE_ALG_AES_CBC_NOPAD,
  TEE_ALG_AES_CCM,
  TEE_ALG_AES_CTR,
  TEE_ALG_AES_ECB_NOPAD,
  TEE_ALG_AES_GCM,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_OPERATION_AE,
  TEE_OPERATION_CIPHER,
  TEE_TYPE_AES,
  TEE_USAGE_DECRYPT,
  TEE_USAGE_ENCRYPT,
} from '../../abi/gp.ts';
import { TEE_AES_BLOCK_SIZE } from '../../abi/utee-defines.ts';

export interface AlgorithmRow {
  /** TEE_ALG_* */
  readonly algorithm: number;
  /** TEE_OPERATION_* */
  readonly operationClass: number;
  /** TEE_MODE_* to the TEE_USAGE_* that a key must have. */
  readonly modes: ReadonlyMap<number, number>;
  /** TEE_TYPE_* */
  readonly keyType: number;
  /** Bytes that go to the core at a time; 1 when any number may. */
  readonly blockSize: number;
  /** TEE_CipherInit takes no initialization vector. */
  readonly noIv: boolean;
  /** The whole input must be whole blocks. */
  readonly wholeBlocks: boolean;
}

const CIPHER_MODES: ReadonlyMap<number, number> = new Map([
  [TEE_MODE_ENCRYPT, TEE_USAGE_ENCRYPT],
  [TEE_MODE_DECRYPT, TEE_USAGE_DECRYPT],
]);

const AES = { modes: CIPHER_MODES, keyType: TEE_TYPE_AES, noIv: false, wholeBlocks: false };
const BLOCKS = { blockSize: TEE_AES_BLOCK_SIZE, wholeBlocks: true };
const CIPHER = { ...AES, operationClass: TEE_OPERATION_CIPHER };
const AE = { ...AES, operationClass: TEE_OPERATION_AE };

export const ALGORITHM_ROWS: readonly AlgorithmRow[] = [
  { ...CIPHER, algorithm: TEE_ALG_AES_ECB_NOPAD, ...BLOCKS, noIv: true },
  { ...CIPHER, algorithm: TEE_ALG_AES_CBC_NOPAD, ...BLOCKS },
  { ...CIPHER, algorithm: TEE_ALG_AES_CTR, blockSize: 1 },
  { ...AE, algorithm: TEE_ALG_AES_CCM, blockSize: TEE_AES_BLOCK_SIZE },
  { ...AE, algorithm: TEE_ALG_AES_GCM, blockSize: 1 },
];

const BY_ID: ReadonlyMap<number, AlgorithmRow> = new Map(
  ALGORITHM_ROWS.map((row) => [row.algorithm, row]),
);

export function findAlgorithmRow(algorithm: number): AlgorithmRow | undefined {
  return BY_ID.get(algorithm);
}
