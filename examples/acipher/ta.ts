/**
 * Asymmetric cipher, the trusted application: each session holds an RSA key that it generates, and
 * encrypts and decrypts with it. Same UUID, commands, results and log lines as OP-TEE's public
 * example (optee_examples, acipher/ta).
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BAD_STATE,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_HANDLE_NULL,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_ObjectInfo,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_SUCCESS,
  TEE_TYPE_RSA_KEYPAIR,
  defineTa,
  ref,
} from 'teebox/ta';
import type { TEE_ObjectHandle, TEE_OperationHandle, TEE_Params, Tee } from 'teebox/ta';
import {
  TA_ACIPHER_CMD_ENCRYPT_DECRYPT,
  TA_ACIPHER_CMD_GEN_KEY,
  TA_ACIPHER_UUID,
} from './acipher-ta.ts';

const NONE = TEE_PARAM_TYPE_NONE;
const VALUE_IN = TEE_PARAM_TYPE_VALUE_INPUT;

/** What a session remembers. */
interface Acipher {
  key: TEE_ObjectHandle;
}

const hex = (n: number): string => `0x${n.toString(16)}`;

function cmd_gen_key(tee: Tee, state: Acipher, types: number, params: TEE_Params): number {
  if (types !== TEE_PARAM_TYPES(VALUE_IN, NONE, NONE, NONE)) return TEE_ERROR_BAD_PARAMETERS;
  const keySize = params[0].value.a;
  const key = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  let result = tee.TEE_AllocateTransientObject(TEE_TYPE_RSA_KEYPAIR, keySize, key);
  if (result !== TEE_SUCCESS) {
    const call = `TEE_AllocateTransientObject(${hex(TEE_TYPE_RSA_KEYPAIR)}, ${keySize})`;
    tee.EMSG(`${call}: ${hex(result)}`);
    return result;
  }
  result = tee.TEE_GenerateKey(key.value, keySize, []);
  if (result !== TEE_SUCCESS) {
    tee.EMSG(`TEE_GenerateKey(${keySize}): ${hex(result)}`);
    tee.TEE_FreeTransientObject(key.value);
    return result;
  }
  tee.TEE_FreeTransientObject(state.key);
  state.key = key.value;
  return TEE_SUCCESS;
}

function cmd_enc(tee: Tee, state: Acipher, types: number, params: TEE_Params): number {
  const expected = TEE_PARAM_TYPES(
    TEE_PARAM_TYPE_MEMREF_INPUT,
    TEE_PARAM_TYPE_MEMREF_OUTPUT,
    VALUE_IN,
    VALUE_IN,
  );
  if (types !== expected) return TEE_ERROR_BAD_PARAMETERS;
  if (state.key === TEE_HANDLE_NULL) return TEE_ERROR_BAD_STATE;
  const info = new TEE_ObjectInfo();
  let result = tee.TEE_GetObjectInfo1(state.key, info);
  if (result !== TEE_SUCCESS) {
    tee.EMSG(`TEE_GetObjectInfo1: ${hex(result)}`);
    return result;
  }
  const [mode, name] =
    params[2].value.a === 0 ? [TEE_MODE_DECRYPT, 'DECRYPT'] : [TEE_MODE_ENCRYPT, 'ENCRYPT'];
  const algorithm = params[3].value.a;
  const op = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  result = tee.TEE_AllocateOperation(op, algorithm, mode, info.objectSize);
  if (result !== TEE_SUCCESS) {
    const call = `TEE_AllocateOperation(TEE_MODE_${name}, ${hex(algorithm)}, ${info.objectSize})`;
    tee.EMSG(`${call}: ${hex(result)}`);
    return result;
  }
  result = operate(tee, state, op.value, mode, params);
  tee.TEE_FreeOperation(op.value);
  return result;
}

function operate(
  tee: Tee,
  state: Acipher,
  op: TEE_OperationHandle,
  mode: number,
  params: TEE_Params,
): number {
  let result = tee.TEE_SetOperationKey(op, state.key);
  if (result !== TEE_SUCCESS) {
    tee.EMSG(`TEE_SetOperationKey: ${hex(result)}`);
    return result;
  }
  const [input, output] = [params[0].memref, params[1].memref];
  const room = output.size;
  const encrypts = mode === TEE_MODE_ENCRYPT;
  result = encrypts
    ? tee.TEE_AsymmetricEncrypt(op, [], input.buffer, output)
    : tee.TEE_AsymmetricDecrypt(op, [], input.buffer, output);
  if (result !== TEE_SUCCESS) {
    const call = encrypts ? 'TEE_AsymmetricEncrypt' : 'TEE_AsymmetricDecrypt';
    tee.EMSG(`${call}(${input.size}, ${room}): ${hex(result)}`);
  }
  return result;
}

export default defineTa<Acipher>(
  {
    uuid: TA_ACIPHER_UUID,
    flags: 0,
    stackSize: 2 * 1024,
    dataSize: 32 * 1024,
    version: '1.0',
    description: 'Example of TA using asymmetric cipher',
  },
  (tee) => ({
    TA_CreateEntryPoint: () => TEE_SUCCESS,

    TA_DestroyEntryPoint() {},

    TA_OpenSessionEntryPoint(_paramTypes, _params, session) {
      session.context = { key: TEE_HANDLE_NULL };
      return TEE_SUCCESS;
    },

    TA_CloseSessionEntryPoint({ context }) {
      tee.TEE_FreeTransientObject(context.key);
    },

    TA_InvokeCommandEntryPoint({ context }, commandID, paramTypes, params) {
      switch (commandID) {
        case TA_ACIPHER_CMD_GEN_KEY:
          return cmd_gen_key(tee, context, paramTypes, params);
        case TA_ACIPHER_CMD_ENCRYPT_DECRYPT:
          return cmd_enc(tee, context, paramTypes, params);
        default:
          tee.EMSG(`Command ID ${hex(commandID)} is not supported`);
          return TEE_ERROR_NOT_SUPPORTED;
      }
    },
  }),
);
