/** What each function makes of TEE_HANDLE_NULL, and of a handle that names nothing. */
import {
  TEE_ATTR_ECC_CURVE,
  TEE_ATTR_SECRET_VALUE,
  TEE_MODE_DIGEST,
  TEE_ALG_SHA256,
  TEE_PROPSET_CURRENT_TA,
  TEE_TYPE_AES,
} from '../../abi/gp.ts';
import { key, operation } from '../testing/operations.ts';
import { checkStateTable } from '../testing/state-table.ts';
import type { Tee } from './tee.ts';
import {
  TEE_ObjectInfo,
  TEE_OperationInfo,
  TEE_OperationInfoMultiple,
  memref,
  objectHandle,
  operationHandle,
  propSetHandle,
  ref,
  sessionHandle,
} from './types.ts';
import type { TEE_ObjectHandle, TEE_OperationHandle } from './types.ts';

const BLOCK = new Uint8Array(16);
const room = () => memref(new Uint8Array(64));
const HANDLES = { NULL: () => 0, stale: () => 99 };

const aesKey = (tee: Tee): TEE_ObjectHandle => key(tee, TEE_TYPE_AES, 128);
const sha256 = (tee: Tee): TEE_OperationHandle =>
  operation(tee, TEE_ALG_SHA256, TEE_MODE_DIGEST, 0);

const op = operationHandle;
checkStateTable('operations', {
  states: HANDLES,
  calls: {
    TEE_FreeOperation: (tee, n) => tee.TEE_FreeOperation(op(n)),
    TEE_GetOperationInfo: (tee, n) => tee.TEE_GetOperationInfo(op(n), new TEE_OperationInfo()),
    TEE_GetOperationInfoMultiple: (tee, n) =>
      tee.TEE_GetOperationInfoMultiple(op(n), new TEE_OperationInfoMultiple()),
    TEE_ResetOperation: (tee, n) => tee.TEE_ResetOperation(op(n)),
    TEE_SetOperationKey: (tee, n) => tee.TEE_SetOperationKey(op(n), aesKey(tee)),
    TEE_SetOperationKey2: (tee, n) => tee.TEE_SetOperationKey2(op(n), aesKey(tee), aesKey(tee)),
    'TEE_CopyOperation to it': (tee, n) => tee.TEE_CopyOperation(op(n), sha256(tee)),
    'TEE_CopyOperation from it': (tee, n) => tee.TEE_CopyOperation(sha256(tee), op(n)),
    TEE_DigestUpdate: (tee, n) => tee.TEE_DigestUpdate(op(n), BLOCK),
    TEE_DigestDoFinal: (tee, n) => tee.TEE_DigestDoFinal(op(n), BLOCK, room()),
    TEE_DigestExtract: (tee, n) => tee.TEE_DigestExtract(op(n), room()),
    TEE_CipherInit: (tee, n) => tee.TEE_CipherInit(op(n), BLOCK),
    TEE_CipherUpdate: (tee, n) => tee.TEE_CipherUpdate(op(n), BLOCK, room()),
    TEE_CipherDoFinal: (tee, n) => tee.TEE_CipherDoFinal(op(n), BLOCK, room()),
    TEE_MACInit: (tee, n) => tee.TEE_MACInit(op(n), null),
    TEE_MACUpdate: (tee, n) => tee.TEE_MACUpdate(op(n), BLOCK),
    TEE_MACComputeFinal: (tee, n) => tee.TEE_MACComputeFinal(op(n), BLOCK, room()),
    TEE_MACCompareFinal: (tee, n) => tee.TEE_MACCompareFinal(op(n), BLOCK, BLOCK),
    TEE_AEInit: (tee, n) => tee.TEE_AEInit(op(n), BLOCK, 128, 0, 0),
    TEE_AEUpdateAAD: (tee, n) => tee.TEE_AEUpdateAAD(op(n), BLOCK),
    TEE_AEUpdate: (tee, n) => tee.TEE_AEUpdate(op(n), BLOCK, room()),
    TEE_AEEncryptFinal: (tee, n) => tee.TEE_AEEncryptFinal(op(n), BLOCK, room(), room()),
    TEE_AEDecryptFinal: (tee, n) => tee.TEE_AEDecryptFinal(op(n), BLOCK, room(), BLOCK),
    TEE_AsymmetricEncrypt: (tee, n) => tee.TEE_AsymmetricEncrypt(op(n), [], BLOCK, room()),
    TEE_AsymmetricDecrypt: (tee, n) => tee.TEE_AsymmetricDecrypt(op(n), [], BLOCK, room()),
    TEE_AsymmetricSignDigest: (tee, n) => tee.TEE_AsymmetricSignDigest(op(n), [], BLOCK, room()),
    TEE_AsymmetricVerifyDigest: (tee, n) => tee.TEE_AsymmetricVerifyDigest(op(n), [], BLOCK, BLOCK),
    TEE_DeriveKey: (tee, n) => tee.TEE_DeriveKey(op(n), [], aesKey(tee)),
  },
  expected: `
    function                     | NULL                 | stale
    TEE_FreeOperation            | ok                   | panic 0
    TEE_GetOperationInfo         | panic 0              | panic 0
    TEE_GetOperationInfoMultiple | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_ResetOperation           | panic 0              | panic 0
    TEE_SetOperationKey          | panic 0              | panic 0
    TEE_SetOperationKey2         | panic 0              | panic 0
    TEE_CopyOperation to it      | panic 0              | panic 0
    TEE_CopyOperation from it    | panic 0              | panic 0
    TEE_DigestUpdate             | panic 0              | panic 0
    TEE_DigestDoFinal            | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_DigestExtract            | panic 0              | panic 0
    TEE_CipherInit               | panic 0              | panic 0
    TEE_CipherUpdate             | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_CipherDoFinal            | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_MACInit                  | panic 0              | panic 0
    TEE_MACUpdate                | panic 0              | panic 0
    TEE_MACComputeFinal          | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_MACCompareFinal          | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEInit                   | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEUpdateAAD              | panic 0              | panic 0
    TEE_AEUpdate                 | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEEncryptFinal           | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEDecryptFinal           | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AsymmetricEncrypt        | panic 0              | panic 0
    TEE_AsymmetricDecrypt        | panic 0              | panic 0
    TEE_AsymmetricSignDigest     | panic 0              | panic 0
    TEE_AsymmetricVerifyDigest   | panic 0              | panic 0
    TEE_DeriveKey                | panic 0              | panic 0
  `,
});

const object = objectHandle;
checkStateTable('objects', {
  states: HANDLES,
  calls: {
    TEE_GetObjectInfo: (tee, n) => tee.TEE_GetObjectInfo(object(n), new TEE_ObjectInfo()),
    TEE_GetObjectInfo1: (tee, n) => tee.TEE_GetObjectInfo1(object(n), new TEE_ObjectInfo()),
    TEE_RestrictObjectUsage: (tee, n) => tee.TEE_RestrictObjectUsage(object(n), 0),
    TEE_RestrictObjectUsage1: (tee, n) => tee.TEE_RestrictObjectUsage1(object(n), 0),
    TEE_GetObjectBufferAttribute: (tee, n) =>
      tee.TEE_GetObjectBufferAttribute(object(n), TEE_ATTR_SECRET_VALUE, room()),
    TEE_GetObjectValueAttribute: (tee, n) =>
      tee.TEE_GetObjectValueAttribute(object(n), TEE_ATTR_ECC_CURVE, null, null),
    TEE_CloseObject: (tee, n) => tee.TEE_CloseObject(object(n)),
    TEE_FreeTransientObject: (tee, n) => tee.TEE_FreeTransientObject(object(n)),
    TEE_ResetTransientObject: (tee, n) => tee.TEE_ResetTransientObject(object(n)),
    TEE_PopulateTransientObject: (tee, n) => tee.TEE_PopulateTransientObject(object(n), []),
    'TEE_CopyObjectAttributes to it': (tee, n) =>
      tee.TEE_CopyObjectAttributes(object(n), aesKey(tee)),
    'TEE_CopyObjectAttributes1 to it': (tee, n) =>
      tee.TEE_CopyObjectAttributes1(object(n), aesKey(tee)),
    'TEE_CopyObjectAttributes1 from it': (tee, n) =>
      tee.TEE_CopyObjectAttributes1(aesKey(tee), object(n)),
    TEE_GenerateKey: (tee, n) => tee.TEE_GenerateKey(object(n), 128, []),
  },
  expected: `
    function                          | NULL            | stale
    TEE_GetObjectInfo                 | panic BAD_STATE | panic BAD_STATE
    TEE_GetObjectInfo1                | panic BAD_STATE | panic BAD_STATE
    TEE_RestrictObjectUsage           | panic BAD_STATE | panic BAD_STATE
    TEE_RestrictObjectUsage1          | panic BAD_STATE | panic BAD_STATE
    TEE_GetObjectBufferAttribute      | panic BAD_STATE | panic BAD_STATE
    TEE_GetObjectValueAttribute       | panic BAD_STATE | panic BAD_STATE
    TEE_CloseObject                   | ok              | panic BAD_STATE
    TEE_FreeTransientObject           | ok              | panic BAD_STATE
    TEE_ResetTransientObject          | ok              | panic BAD_STATE
    TEE_PopulateTransientObject       | panic BAD_STATE | panic BAD_STATE
    TEE_CopyObjectAttributes to it    | panic BAD_STATE | panic BAD_STATE
    TEE_CopyObjectAttributes1 to it   | panic BAD_STATE | panic BAD_STATE
    TEE_CopyObjectAttributes1 from it | panic BAD_STATE | panic BAD_STATE
    TEE_GenerateKey                   | panic BAD_STATE | panic BAD_STATE
  `,
});

checkStateTable('sessions', {
  states: HANDLES,
  calls: {
    TEE_CloseTASession: (tee, n) => tee.TEE_CloseTASession(sessionHandle(n)),
    TEE_InvokeTACommand: (tee, n) => tee.TEE_InvokeTACommand(sessionHandle(n), 0, 0, 0, null, null),
  },
  expected: `
    function            | NULL                 | stale
    TEE_CloseTASession  | ok                   | panic ITEM_NOT_FOUND
    TEE_InvokeTACommand | panic ITEM_NOT_FOUND | panic ITEM_NOT_FOUND
  `,
});

const enumerator = propSetHandle;
checkStateTable('property enumerators', {
  states: {
    ...HANDLES,
    new: (tee) => {
      const made = ref(enumerator(0));
      tee.TEE_AllocatePropertyEnumerator(made);
      return made.value;
    },
  },
  calls: {
    TEE_FreePropertyEnumerator: (tee, n) => tee.TEE_FreePropertyEnumerator(enumerator(n)),
    TEE_StartPropertyEnumerator: (tee, n) =>
      tee.TEE_StartPropertyEnumerator(enumerator(n), TEE_PROPSET_CURRENT_TA),
    TEE_ResetPropertyEnumerator: (tee, n) => tee.TEE_ResetPropertyEnumerator(enumerator(n)),
    TEE_GetPropertyName: (tee, n) => tee.TEE_GetPropertyName(enumerator(n), ref('')),
    TEE_GetNextProperty: (tee, n) => tee.TEE_GetNextProperty(enumerator(n)),
    TEE_GetPropertyAsString: (tee, n) => tee.TEE_GetPropertyAsString(enumerator(n), null, ref('')),
    TEE_GetPropertyAsBool: (tee, n) => tee.TEE_GetPropertyAsBool(enumerator(n), null, ref(false)),
    TEE_GetPropertyAsU32: (tee, n) => tee.TEE_GetPropertyAsU32(enumerator(n), null, ref(0)),
    TEE_GetPropertyAsU64: (tee, n) => tee.TEE_GetPropertyAsU64(enumerator(n), null, ref(0n)),
    TEE_GetPropertyAsBinaryBlock: (tee, n) =>
      tee.TEE_GetPropertyAsBinaryBlock(enumerator(n), null, room()),
    TEE_GetPropertyAsUUID: (tee, n) => tee.TEE_GetPropertyAsUUID(enumerator(n), null, ref('')),
    TEE_GetPropertyAsIdentity: (tee, n) =>
      tee.TEE_GetPropertyAsIdentity(enumerator(n), null, { login: 0, uuid: '' }),
  },
  expected: `
    function                     | NULL    | stale   | new
    TEE_FreePropertyEnumerator   | ok      | panic 0 | ok
    TEE_StartPropertyEnumerator  | ok      | panic 0 | ok
    TEE_ResetPropertyEnumerator  | panic 0 | panic 0 | ok
    TEE_GetPropertyName          | panic 0 | panic 0 | ITEM_NOT_FOUND
    TEE_GetNextProperty          | panic 0 | panic 0 | ITEM_NOT_FOUND
    TEE_GetPropertyAsString      | panic 0 | panic 0 | ITEM_NOT_FOUND
    TEE_GetPropertyAsBool        | panic 0 | panic 0 | ITEM_NOT_FOUND
    TEE_GetPropertyAsU32         | panic 0 | panic 0 | ITEM_NOT_FOUND
    TEE_GetPropertyAsU64         | panic 0 | panic 0 | ITEM_NOT_FOUND
    TEE_GetPropertyAsBinaryBlock | panic 0 | panic 0 | ITEM_NOT_FOUND
    TEE_GetPropertyAsUUID        | panic 0 | panic 0 | ITEM_NOT_FOUND
    TEE_GetPropertyAsIdentity    | panic 0 | panic 0 | ITEM_NOT_FOUND
  `,
});
