/**
 * Where the specification defines each function: what a panic names beside its reason.
 *
 * Source: GlobalPlatform TEE Internal Core API Specification 1.3.1, chapters 4 to 8. A function that
 * it deprecates stands at the clause of the one that replaced it.
 */

import { TEE_PANIC_ID } from '../../abi/gp-panic.ts';

/** Functions of a section by their number in it; `-` is no function, `/` stands between equals. */
const SECTIONS: readonly (readonly [section: string, functions: string])[] = [
  [
    '4.4',
    'TEE_GetPropertyAsString TEE_GetPropertyAsBool TEE_GetPropertyAsU32/TEE_GetPropertyAsU64 ' +
      'TEE_GetPropertyAsBinaryBlock TEE_GetPropertyAsUUID TEE_GetPropertyAsIdentity ' +
      'TEE_AllocatePropertyEnumerator TEE_FreePropertyEnumerator TEE_StartPropertyEnumerator ' +
      'TEE_ResetPropertyEnumerator TEE_GetPropertyName TEE_GetNextProperty',
  ],
  ['4.8', 'TEE_Panic'],
  ['4.9', 'TEE_OpenTASession TEE_CloseTASession TEE_InvokeTACommand'],
  ['4.10', 'TEE_GetCancellationFlag TEE_UnmaskCancellation TEE_MaskCancellation'],
  [
    '4.11',
    'TEE_CheckMemoryAccessRights TEE_SetInstanceData TEE_GetInstanceData TEE_Malloc TEE_Realloc ' +
      'TEE_Free TEE_MemMove TEE_MemCompare TEE_MemFill',
  ],
  [
    '5.5',
    'TEE_GetObjectInfo1/TEE_GetObjectInfo TEE_RestrictObjectUsage1/TEE_RestrictObjectUsage ' +
      'TEE_GetObjectBufferAttribute TEE_GetObjectValueAttribute TEE_CloseObject',
  ],
  [
    '5.6',
    'TEE_AllocateTransientObject TEE_FreeTransientObject TEE_ResetTransientObject ' +
      'TEE_PopulateTransientObject TEE_InitRefAttribute/TEE_InitValueAttribute ' +
      'TEE_CopyObjectAttributes1/TEE_CopyObjectAttributes TEE_GenerateKey',
  ],
  [
    '5.7',
    'TEE_OpenPersistentObject TEE_CreatePersistentObject - ' +
      'TEE_CloseAndDeletePersistentObject1/TEE_CloseAndDeletePersistentObject ' +
      'TEE_RenamePersistentObject',
  ],
  [
    '5.8',
    'TEE_AllocatePersistentObjectEnumerator TEE_FreePersistentObjectEnumerator ' +
      'TEE_ResetPersistentObjectEnumerator TEE_StartPersistentObjectEnumerator ' +
      'TEE_GetNextPersistentObject',
  ],
  ['5.9', 'TEE_ReadObjectData TEE_WriteObjectData TEE_TruncateObjectData TEE_SeekObjectData'],
  [
    '6.2',
    'TEE_AllocateOperation TEE_FreeOperation TEE_GetOperationInfo TEE_GetOperationInfoMultiple ' +
      'TEE_ResetOperation TEE_SetOperationKey TEE_SetOperationKey2 TEE_CopyOperation ' +
      'TEE_IsAlgorithmSupported',
  ],
  ['6.3', 'TEE_DigestUpdate TEE_DigestDoFinal TEE_DigestExtract'],
  ['6.4', 'TEE_CipherInit TEE_CipherUpdate TEE_CipherDoFinal'],
  ['6.5', 'TEE_MACInit TEE_MACUpdate TEE_MACComputeFinal TEE_MACCompareFinal'],
  ['6.6', 'TEE_AEInit TEE_AEUpdateAAD TEE_AEUpdate TEE_AEEncryptFinal TEE_AEDecryptFinal'],
  [
    '6.7',
    'TEE_AsymmetricEncrypt/TEE_AsymmetricDecrypt TEE_AsymmetricSignDigest ' +
      'TEE_AsymmetricVerifyDigest',
  ],
  ['6.8', 'TEE_DeriveKey'],
  ['6.9', 'TEE_GenerateRandom'],
  [
    '7.2',
    'TEE_GetSystemTime TEE_Wait TEE_GetTAPersistentTime TEE_SetTAPersistentTime TEE_GetREETime',
  ],
  ['8.4', '- TEE_BigIntFMMContextSizeInU32 TEE_BigIntFMMSizeInU32'],
  ['8.5', 'TEE_BigIntInit TEE_BigIntInitFMMContext1/TEE_BigIntInitFMMContext TEE_BigIntInitFMM'],
  [
    '8.6',
    'TEE_BigIntConvertFromOctetString TEE_BigIntConvertToOctetString TEE_BigIntConvertFromS32 ' +
      'TEE_BigIntConvertToS32',
  ],
  [
    '8.7',
    'TEE_BigIntCmp TEE_BigIntCmpS32 TEE_BigIntShiftRight TEE_BigIntGetBit ' +
      'TEE_BigIntGetBitCount TEE_BigIntSetBit TEE_BigIntAssign TEE_BigIntAbs',
  ],
  ['8.8', 'TEE_BigIntAdd TEE_BigIntSub TEE_BigIntNeg TEE_BigIntMul TEE_BigIntSquare TEE_BigIntDiv'],
  [
    '8.9',
    'TEE_BigIntMod TEE_BigIntAddMod TEE_BigIntSubMod TEE_BigIntMulMod TEE_BigIntSquareMod ' +
      'TEE_BigIntInvMod TEE_BigIntExpMod',
  ],
  ['8.10', 'TEE_BigIntRelativePrime TEE_BigIntComputeExtendedGcd TEE_BigIntIsProbablePrime'],
  ['8.11', 'TEE_BigIntConvertToFMM TEE_BigIntConvertFromFMM TEE_BigIntComputeFMM'],
];

/** Clauses by function. */
export const CLAUSES: ReadonlyMap<string, string> = new Map(
  SECTIONS.flatMap(([section, functions]) =>
    functions
      .split(' ')
      .flatMap((names, i) => names.split('/').map((name) => [name, `${section}.${i + 1}`] as const))
      .filter(([name]) => name !== '-'),
  ),
);

/** TEE_PANIC_ID_* without its prefix; deprecated functions have none of their own. */
const FUNCTION_NUMBERS: ReadonlyMap<string, number> = new Map(
  Object.entries(TEE_PANIC_ID).map(([id, n]) => [id.replace('TEE_PANIC_ID_', ''), n]),
);

/** Who makes a misuse of `api` a panic, as text: clause and function number. */
export function authorityOf(api: string): string {
  const clause = CLAUSES.get(api);
  if (clause === undefined) return 'libutee';
  const n = FUNCTION_NUMBERS.get(api.toUpperCase());
  const number = n === undefined ? '' : `, function 0x${n.toString(16)}`;
  return `TEE Internal Core API 1.3.1 §${clause}${number}`;
}
