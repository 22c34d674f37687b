/**
 * Asymmetric ciphers, signatures and key derivation: specification chapters 6.7 and 6.8.
 *
 * Upstream counterpart: optee_os lib/libutee/tee_api_operations.c.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_CIPHERTEXT_INVALID,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ERROR_SIGNATURE_INVALID,
  TEE_HANDLE_FLAG_INITIALIZED,
  TEE_HANDLE_FLAG_KEY_SET,
  TEE_HANDLE_NULL,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_MODE_SIGN,
  TEE_MODE_VERIFY,
  TEE_OPERATION_ASYMMETRIC_CIPHER,
  TEE_OPERATION_ASYMMETRIC_SIGNATURE,
  TEE_OPERATION_KEY_DERIVATION,
  TEE_TYPE_GENERIC_SECRET,
} from '../../abi/gp.ts';
import { TeeAuthenticatedEncryption } from './authenc.ts';
import { toSyscall } from './objects.ts';
import type { Operation } from './operation.ts';
import { NOTHING } from './operations.ts';
import type { TEE_Attribute, TEE_Memref, TEE_ObjectHandle, TEE_OperationHandle } from './types.ts';

const CIPHER_RESULTS = [
  TEE_ERROR_SHORT_BUFFER,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_CIPHERTEXT_INVALID,
  TEE_ERROR_NOT_SUPPORTED,
];

export class TeeAsymmetric extends TeeAuthenticatedEncryption {
  /** @param params such as TEE_ATTR_RSA_OAEP_LABEL @returns one of `CIPHER_RESULTS` or success */
  TEE_AsymmetricEncrypt(
    operation: TEE_OperationHandle,
    params: readonly TEE_Attribute[],
    srcData: Uint8Array | null,
    dest: TEE_Memref,
  ): number {
    const api = 'TEE_AsymmetricEncrypt';
    const op = this.#of(api, operation, TEE_OPERATION_ASYMMETRIC_CIPHER, TEE_MODE_ENCRYPT);
    return this.allow(api, this.#operate(api, op, params, srcData, dest), CIPHER_RESULTS);
  }

  /** As TEE_AsymmetricEncrypt. */
  TEE_AsymmetricDecrypt(
    operation: TEE_OperationHandle,
    params: readonly TEE_Attribute[],
    srcData: Uint8Array | null,
    dest: TEE_Memref,
  ): number {
    const api = 'TEE_AsymmetricDecrypt';
    const op = this.#of(api, operation, TEE_OPERATION_ASYMMETRIC_CIPHER, TEE_MODE_DECRYPT);
    return this.allow(api, this.#operate(api, op, params, srcData, dest), CIPHER_RESULTS);
  }

  /** @param digest for Ed25519 the message itself @returns TEE_SUCCESS or TEE_ERROR_SHORT_BUFFER */
  TEE_AsymmetricSignDigest(
    operation: TEE_OperationHandle,
    params: readonly TEE_Attribute[],
    digest: Uint8Array | null,
    signature: TEE_Memref,
  ): number {
    const api = 'TEE_AsymmetricSignDigest';
    const op = this.#of(api, operation, TEE_OPERATION_ASYMMETRIC_SIGNATURE, TEE_MODE_SIGN);
    const result = this.#operate(api, op, params, digest, signature);
    return this.allow(api, result, [TEE_ERROR_SHORT_BUFFER]);
  }

  /** @returns TEE_SUCCESS or TEE_ERROR_SIGNATURE_INVALID */
  TEE_AsymmetricVerifyDigest(
    operation: TEE_OperationHandle,
    params: readonly TEE_Attribute[],
    digest: Uint8Array | null,
    signature: Uint8Array | null,
  ): number {
    const api = 'TEE_AsymmetricVerifyDigest';
    const op = this.#of(api, operation, TEE_OPERATION_ASYMMETRIC_SIGNATURE, TEE_MODE_VERIFY);
    const result = this.syscalls.crypto.asymmVerify(
      op.core.state,
      params.map(toSyscall),
      digest ?? NOTHING,
      signature ?? NOTHING,
    );
    return this.allow(api, result, [TEE_ERROR_SIGNATURE_INVALID]);
  }

  /** @param derivedKey an empty object of TEE_TYPE_GENERIC_SECRET that gets the secret */
  TEE_DeriveKey(
    operation: TEE_OperationHandle,
    params: readonly TEE_Attribute[],
    derivedKey: TEE_ObjectHandle,
  ): void {
    const api = 'TEE_DeriveKey';
    const op = this.operation(api, operation);
    if (derivedKey === TEE_HANDLE_NULL) this.panic(0, api, 'no object for the secret');
    if (op.info.operationClass !== TEE_OPERATION_KEY_DERIVATION) {
      this.panic(0, api, 'not a key derivation');
    }
    if (!op.has(TEE_HANDLE_FLAG_KEY_SET)) this.panic(0, api, 'no key is set');
    const info = this.objectInfo(api, derivedKey);
    if (info.objectType !== TEE_TYPE_GENERIC_SECRET) {
      this.panic(0, api, 'the object is no TEE_TYPE_GENERIC_SECRET');
    }
    if ((info.handleFlags & TEE_HANDLE_FLAG_INITIALIZED) !== 0) {
      this.panic(0, api, 'the object has a secret already');
    }
    const { crypto } = this.syscalls;
    this.allow(api, crypto.deriveKey(op.core.state, params.map(toSyscall), derivedKey));
  }

  /** The core knows whether a key is set. */
  #of(
    api: string,
    operation: TEE_OperationHandle,
    operationClass: number,
    mode: number,
  ): Operation {
    const op = this.operation(api, operation);
    if (op.info.operationClass !== operationClass)
      this.panic(0, api, 'an operation of other class');
    return op.info.mode === mode ? op : this.panic(0, api, 'an operation of other mode');
  }

  #operate(
    api: string,
    op: Operation,
    params: readonly TEE_Attribute[],
    source: Uint8Array | null,
    dest: TEE_Memref,
  ): number {
    const { crypto } = this.syscalls;
    const out = this.room(api, dest);
    return crypto.asymmOperate(op.core.state, params.map(toSyscall), source ?? NOTHING, out, dest);
  }
}
