/**
 * What there is of the TEE Internal Core API (GP 1.3.1, as OP-TEE 4.10 declares it in
 * tee_internal_api.h and tee_internal_api_extensions.h) for TypeScript TAs. Calling an absent
 * function is a type error, and at run time a panic of the TA.
 */
import type { SupportRow } from '../../abi/support.ts';

const AREA = 'Internal Core API';

const supported = (names: string, area = AREA): SupportRow[] =>
  names.split(' ').map((name) => ({ area, name, status: 'supported' }));
const absent = (names: string, note: string, area = AREA): SupportRow[] =>
  names.split(' ').map((name) => ({ area, name, status: 'absent', note }));

const EXTENSIONS = 'OP-TEE extensions';
const NO_MAPPINGS = 'a TypeScript TA has no address space to map into: TEE_Malloc';

export const GP_SUPPORT: readonly SupportRow[] = [
  ...supported(
    'TEE_GetPropertyAsString TEE_GetPropertyAsBool TEE_GetPropertyAsU32 TEE_GetPropertyAsU64 ' +
      'TEE_GetPropertyAsBinaryBlock TEE_GetPropertyAsUUID TEE_GetPropertyAsIdentity ' +
      'TEE_AllocatePropertyEnumerator TEE_FreePropertyEnumerator TEE_StartPropertyEnumerator ' +
      'TEE_ResetPropertyEnumerator TEE_GetPropertyName TEE_GetNextProperty',
  ),
  ...supported('TEE_Panic TEE_OpenTASession TEE_CloseTASession TEE_InvokeTACommand'),
  ...supported('TEE_GetCancellationFlag TEE_UnmaskCancellation TEE_MaskCancellation'),
  ...supported('TEE_Malloc TEE_Realloc TEE_Free TEE_MemMove TEE_MemCompare TEE_MemFill'),
  ...supported('TEE_CheckMemoryAccessRights TEE_SetInstanceData TEE_GetInstanceData'),
  ...supported(
    'TEE_GetObjectInfo TEE_GetObjectInfo1 TEE_RestrictObjectUsage TEE_RestrictObjectUsage1 ' +
      'TEE_GetObjectBufferAttribute TEE_GetObjectValueAttribute TEE_CloseObject',
  ),
  ...supported(
    'TEE_AllocateTransientObject TEE_FreeTransientObject TEE_ResetTransientObject ' +
      'TEE_PopulateTransientObject TEE_InitRefAttribute TEE_InitValueAttribute ' +
      'TEE_CopyObjectAttributes TEE_CopyObjectAttributes1 TEE_GenerateKey',
  ),
  ...supported(
    'TEE_OpenPersistentObject TEE_CreatePersistentObject TEE_CloseAndDeletePersistentObject ' +
      'TEE_CloseAndDeletePersistentObject1 TEE_RenamePersistentObject ' +
      'TEE_AllocatePersistentObjectEnumerator TEE_FreePersistentObjectEnumerator ' +
      'TEE_ResetPersistentObjectEnumerator TEE_StartPersistentObjectEnumerator ' +
      'TEE_GetNextPersistentObject TEE_ReadObjectData TEE_WriteObjectData TEE_TruncateObjectData ' +
      'TEE_SeekObjectData',
  ),
  ...supported(
    'TEE_AllocateOperation TEE_FreeOperation TEE_GetOperationInfo TEE_GetOperationInfoMultiple ' +
      'TEE_ResetOperation TEE_SetOperationKey TEE_SetOperationKey2 TEE_CopyOperation ' +
      'TEE_IsAlgorithmSupported',
  ),
  ...supported('TEE_DigestDoFinal TEE_DigestExtract'),
  {
    area: AREA,
    name: 'TEE_DigestUpdate',
    status: 'partial',
    note: 'after TEE_DigestExtract a new digest starts; OP-TEE goes on with what is left of the old one',
  },
  ...supported('TEE_CipherInit TEE_CipherUpdate TEE_CipherDoFinal'),
  ...supported('TEE_MACInit TEE_MACUpdate TEE_MACComputeFinal TEE_MACCompareFinal'),
  ...supported('TEE_AEInit TEE_AEUpdateAAD TEE_AEUpdate TEE_AEEncryptFinal TEE_AEDecryptFinal'),
  ...supported(
    'TEE_AsymmetricEncrypt TEE_AsymmetricDecrypt TEE_AsymmetricSignDigest ' +
      'TEE_AsymmetricVerifyDigest TEE_DeriveKey',
  ),
  ...supported('TEE_GenerateRandom TEE_GetSystemTime TEE_Wait TEE_GetREETime'),
  ...supported('TEE_GetTAPersistentTime TEE_SetTAPersistentTime'),
  ...absent(
    'TEE_Peripheral_Close TEE_Peripheral_CloseMultiple TEE_Peripheral_GetPeripherals ' +
      'TEE_Peripheral_GetState TEE_Peripheral_GetStateTable TEE_Peripheral_Open ' +
      'TEE_Peripheral_OpenMultiple TEE_Peripheral_Read TEE_Peripheral_SetState ' +
      'TEE_Peripheral_Write TEE_Event_AddSources TEE_Event_CancelSources ' +
      'TEE_Event_CloseQueue TEE_Event_DropSources TEE_Event_ListSources TEE_Event_OpenQueue ' +
      'TEE_Event_TimerCreate TEE_Event_Wait',
    'OP-TEE 4.10 does not declare it: no TA in C that calls it links',
  ),
  ...supported(
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
  ),

  // What libutee has beyond the specification, or beside it.
  ...absent(
    '__OPTEE_CORE_API_COMPAT_1_1',
    "libutee's GP 1.1 functions (__GP11_*), for C TAs built with that flag: a TypeScript TA is new",
    EXTENSIONS,
  ),
  ...supported('TEE_CacheClean TEE_CacheFlush TEE_CacheInvalidate', EXTENSIONS),
  ...supported('TEE_tcpSocket TEE_udpSocket', EXTENSIONS),
  ...supported('tee_invoke_supp_plugin tee_uuid_from_str', EXTENSIONS),
  ...supported('EMSG IMSG DMSG FMSG DHEXDUMP printf', EXTENSIONS),
  ...absent('tee_map_zi tee_map_zi_va tee_unmap', NO_MAPPINGS, EXTENSIONS),
  ...absent('dlopen dlsym dlclose dlerror', 'a module imports what it needs', EXTENSIONS),
];
