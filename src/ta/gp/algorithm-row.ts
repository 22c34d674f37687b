/**
 * What the library knows of an algorithm before it asks the core: class, modes, type of key, sizes,
 * and whether whole blocks must be collected.
 *
 * Upstream counterparts: optee_os lib/libutee/tee_api_operations.c (TEE_AllocateOperation),
 * include/utee_defines.h (the macros that take an algorithm's id apart).
 */
import { TEE_CRYPTO_ELEMENT_NONE } from '../../abi/gp.ts';

/** What a key must be for an operation in one mode. */
export interface KeyNeed {
  /** TEE_USAGE_* together: all of them are required. */
  readonly usage: number;
  /** TEE_TYPE_*; 0 where there is no key. */
  readonly keyType: number;
}

export interface AlgorithmRow {
  /** TEE_ALG_* */
  readonly algorithm: number;
  /** TEE_OPERATION_* */
  readonly operationClass: number;
  /** By TEE_MODE_*. */
  readonly modes: ReadonlyMap<number, KeyNeed>;
  /** Whether TEE_AllocateOperation takes this maxKeySize (bits); the core has limits of its own. */
  readonly takesKeySize: (bits: number) => boolean;
  /** TEE_ALG_GET_DIGEST_SIZE(): bytes of the digest, MAC or digest to sign; 0 where none is fixed. */
  readonly digestLength: number;
  /** Bytes that go to the core at a time; 1 when any number may. */
  readonly blockSize: number;
  /** The last two blocks wait for the end (CTS, XTS). */
  readonly holdsTwoBlocks: boolean;
  /** TEE_HANDLE_FLAG_EXPECT_TWO_KEYS: maxKeySize is the size of both together. */
  readonly twoKeys: boolean;
  /** TEE_CipherInit takes no initialization vector. */
  readonly noIv: boolean;
  /** The whole input must be whole blocks. */
  readonly wholeBlocks: boolean;
  /** What TEE_IsAlgorithmSupported takes as element; upstream does not know every algorithm there. */
  readonly elements: readonly number[];
}

export type RowOptions = Partial<Omit<AlgorithmRow, 'algorithm' | 'operationClass' | 'modes'>>;

const DEFAULTS = {
  takesKeySize: () => true,
  digestLength: 0,
  blockSize: 1,
  holdsTwoBlocks: false,
  twoKeys: false,
  noIv: false,
  wholeBlocks: false,
  elements: [TEE_CRYPTO_ELEMENT_NONE],
};

export function algorithmRow(
  algorithm: number,
  operationClass: number,
  modes: AlgorithmRow['modes'],
  options: RowOptions,
): AlgorithmRow {
  return { ...DEFAULTS, ...options, algorithm, operationClass, modes };
}
