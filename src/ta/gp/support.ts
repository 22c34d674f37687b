/**
 * What there is of the TEE Internal Core API (GP 1.3.1, as OP-TEE 4.10 declares it in
 * tee_internal_api.h) for TypeScript TAs. Calling an absent function is a type error, and at run time
 * a panic of the TA.
 */
import type { SupportRow } from '../../abi/support.ts';

const AREA = 'Internal Core API';

const supported = (names: string): SupportRow[] =>
  names.split(' ').map((name) => ({ area: AREA, name, status: 'supported' }));
const partial = (name: string, note: string): SupportRow => ({
  area: AREA,
  name,
  status: 'partial',
  note,
});
const absent = (names: string, note: string): SupportRow[] =>
  names.split(' ').map((name) => ({ area: AREA, name, status: 'absent', note }));

const ALGORITHMS = 'AES ECB, CBC, CTR, CCM and GCM';

export const GP_SUPPORT: readonly SupportRow[] = [
  ...supported(
    'TEE_GetPropertyAsString TEE_GetPropertyAsBool TEE_GetPropertyAsU32 TEE_GetPropertyAsU64 ' +
      'TEE_GetPropertyAsBinaryBlock TEE_GetPropertyAsUUID TEE_GetPropertyAsIdentity ' +
      'TEE_AllocatePropertyEnumerator TEE_FreePropertyEnumerator TEE_StartPropertyEnumerator ' +
      'TEE_ResetPropertyEnumerator TEE_GetPropertyName TEE_GetNextProperty',
  ),
  ...supported('TEE_Panic TEE_OpenTASession TEE_CloseTASession TEE_InvokeTACommand'),
  ...supported('TEE_GetCancellationFlag TEE_UnmaskCancellation TEE_MaskCancellation'),
  partial('TEE_Malloc', 'TEE_MALLOC_NO_SHARE finds no memory'),
  ...supported('TEE_Realloc TEE_Free TEE_MemMove TEE_MemCompare TEE_MemFill'),
  ...supported('TEE_CheckMemoryAccessRights TEE_SetInstanceData TEE_GetInstanceData'),
  ...supported(
    'TEE_GetObjectInfo TEE_GetObjectInfo1 TEE_RestrictObjectUsage TEE_RestrictObjectUsage1 ' +
      'TEE_GetObjectBufferAttribute TEE_GetObjectValueAttribute TEE_CloseObject',
  ),
  partial('TEE_AllocateTransientObject', 'AES, HMAC and generic secrets'),
  partial('TEE_GenerateKey', 'AES, HMAC and generic secrets'),
  ...supported(
    'TEE_FreeTransientObject TEE_ResetTransientObject TEE_PopulateTransientObject ' +
      'TEE_InitRefAttribute TEE_InitValueAttribute TEE_CopyObjectAttributes ' +
      'TEE_CopyObjectAttributes1',
  ),
  partial('TEE_AllocateOperation', ALGORITHMS),
  partial('TEE_IsAlgorithmSupported', ALGORITHMS),
  partial('TEE_CopyOperation', 'GCM only before its first data'),
  ...supported(
    'TEE_FreeOperation TEE_GetOperationInfo TEE_GetOperationInfoMultiple TEE_ResetOperation ' +
      'TEE_SetOperationKey',
  ),
  ...supported('TEE_CipherInit TEE_CipherUpdate TEE_CipherDoFinal'),
  ...supported('TEE_AEInit TEE_AEUpdateAAD TEE_AEUpdate TEE_AEEncryptFinal TEE_AEDecryptFinal'),
  ...supported('TEE_GenerateRandom TEE_GetSystemTime TEE_Wait TEE_GetREETime'),
  ...supported('TEE_GetTAPersistentTime TEE_SetTAPersistentTime'),
  ...absent(
    'TEE_OpenPersistentObject TEE_CreatePersistentObject TEE_CloseAndDeletePersistentObject ' +
      'TEE_CloseAndDeletePersistentObject1 TEE_RenamePersistentObject ' +
      'TEE_AllocatePersistentObjectEnumerator TEE_FreePersistentObjectEnumerator ' +
      'TEE_ResetPersistentObjectEnumerator TEE_StartPersistentObjectEnumerator ' +
      'TEE_GetNextPersistentObject TEE_ReadObjectData TEE_WriteObjectData TEE_TruncateObjectData ' +
      'TEE_SeekObjectData',
    'no secure storage yet',
  ),
  ...absent('TEE_DigestUpdate TEE_DigestDoFinal TEE_DigestExtract', 'no digests yet'),
  ...absent('TEE_MACInit TEE_MACUpdate TEE_MACComputeFinal TEE_MACCompareFinal', 'no MACs yet'),
  ...absent(
    'TEE_AsymmetricEncrypt TEE_AsymmetricDecrypt TEE_AsymmetricSignDigest ' +
      'TEE_AsymmetricVerifyDigest TEE_DeriveKey TEE_SetOperationKey2',
    'no asymmetric algorithms, key derivation and XTS yet',
  ),
  ...absent('TEE_CacheClean TEE_CacheFlush TEE_CacheInvalidate', 'there are no caches'),
  ...absent(
    'TEE_BigIntFMMContextSizeInU32 TEE_BigIntFMMSizeInU32 TEE_BigIntInit TEE_BigIntInitFMMContext ' +
      'TEE_BigIntInitFMMContext1 TEE_BigIntInitFMM TEE_BigIntConvertFromOctetString ' +
      'TEE_BigIntConvertToOctetString TEE_BigIntConvertFromS32 TEE_BigIntConvertToS32 ' +
      'TEE_BigIntCmp TEE_BigIntCmpS32 TEE_BigIntShiftRight TEE_BigIntGetBit ' +
      'TEE_BigIntGetBitCount TEE_BigIntSetBit TEE_BigIntAssign TEE_BigIntAbs TEE_BigIntAdd ' +
      'TEE_BigIntSub TEE_BigIntNeg TEE_BigIntMul TEE_BigIntSquare TEE_BigIntDiv TEE_BigIntMod ' +
      'TEE_BigIntAddMod TEE_BigIntSubMod TEE_BigIntMulMod TEE_BigIntSquareMod TEE_BigIntInvMod ' +
      'TEE_BigIntExpMod TEE_BigIntRelativePrime TEE_BigIntComputeExtendedGcd ' +
      'TEE_BigIntIsProbablePrime TEE_BigIntConvertToFMM TEE_BigIntConvertFromFMM ' +
      'TEE_BigIntComputeFMM',
    'use bigint',
  ),
];
