/** Objects and operations of any algorithm, ready for what a test is about. */
import {
  TEE_ALG_ECDH_DERIVE_SHARED_SECRET,
  TEE_ATTR_ECC_CURVE,
  TEE_Attribute,
  TEE_ECC_CURVE_NIST_P256,
  TEE_HANDLE_NULL,
  TEE_MODE_DERIVE,
  TEE_MODE_DIGEST,
  TEE_MODE_MAC,
  TEE_SUCCESS,
  TEE_TYPE_ECDH_KEYPAIR,
  ref,
} from '../index.ts';
import type { TEE_ObjectHandle, TEE_OperationHandle, Tee } from '../index.ts';
import type { KeySpec } from '../../optee-os/crypto/testing/asymmetric-drive.ts';
import type { TaAttribute } from '../runtime.ts';

/** An empty object. */
export function object(tee: Tee, type: number, bits: number): TEE_ObjectHandle {
  const made = ref<TEE_ObjectHandle>(TEE_HANDLE_NULL);
  succeed(tee.TEE_AllocateTransientObject(type, bits, made));
  return made.value;
}

/** An object with a new key. */
export function key(
  tee: Tee,
  type: number,
  bits: number,
  attributes: readonly TEE_Attribute[] = [],
): TEE_ObjectHandle {
  const made = object(tee, type, bits);
  succeed(tee.TEE_GenerateKey(made, bits, attributes));
  return made;
}

/** An operation without a key. */
export function operation(
  tee: Tee,
  algorithm: number,
  mode: number,
  bits: number,
): TEE_OperationHandle {
  const made = ref<TEE_OperationHandle>(TEE_HANDLE_NULL);
  succeed(tee.TEE_AllocateOperation(made, algorithm, mode, bits));
  return made.value;
}

export const digest = (tee: Tee, algorithm: number): TEE_OperationHandle =>
  operation(tee, algorithm, TEE_MODE_DIGEST, 0);

/** A MAC with its key. */
export function mac(tee: Tee, algorithm: number, type: number, bits: number): TEE_OperationHandle {
  const made = operation(tee, algorithm, TEE_MODE_MAC, bits);
  succeed(tee.TEE_SetOperationKey(made, key(tee, type, bits)));
  return made;
}

/** An attribute that names a curve. */
export function curveAttribute(tee: Tee, curve: number): TEE_Attribute {
  const made = new TEE_Attribute();
  tee.TEE_InitValueAttribute(made, TEE_ATTR_ECC_CURVE, curve, 0);
  return made;
}

/** A key agreement with its key. */
export function agreement(tee: Tee): TEE_OperationHandle {
  const made = operation(tee, TEE_ALG_ECDH_DERIVE_SHARED_SECRET, TEE_MODE_DERIVE, 256);
  const curve = curveAttribute(tee, TEE_ECC_CURVE_NIST_P256);
  succeed(tee.TEE_SetOperationKey(made, key(tee, TEE_TYPE_ECDH_KEYPAIR, 256, [curve])));
  return made;
}

function succeed(result: number): void {
  if (result !== TEE_SUCCESS) throw new Error(`0x${result.toString(16)}`);
}

/** An attribute as a system call would have it. */
export function attributeOf(tee: Tee, { id, a, b, content }: TaAttribute): TEE_Attribute {
  const made = new TEE_Attribute();
  if (content === undefined) tee.TEE_InitValueAttribute(made, id, a ?? 0, b ?? 0);
  else tee.TEE_InitRefAttribute(made, id, content);
  return made;
}

/** An object with these attributes, in one that has room for `bits`. */
export function populated(tee: Tee, spec: KeySpec, bits: number = spec.bits): TEE_ObjectHandle {
  const made = object(tee, spec.type, bits);
  const attributes = spec.attributes.map((one) => attributeOf(tee, one));
  succeed(tee.TEE_PopulateTransientObject(made, attributes));
  return made;
}

// --- what tables of states are made of

/** How an operation gets into a state. */
export type Make = (tee: Tee) => TEE_OperationHandle;
export type Call = (tee: Tee, op: TEE_OperationHandle) => unknown;

/** The state that the steps lead to. */
export const after =
  (make: Make, ...steps: readonly Call[]): Make =>
  (tee) => {
    const op = make(tee);
    for (const step of steps) step(tee, op);
    return op;
  };

export const clearKey: Call = (tee, op) => tee.TEE_SetOperationKey(op, TEE_HANDLE_NULL);

/** TEE_DeriveKey: what it is told, and where the secret goes. */
export const derived =
  (attributes: readonly TaAttribute[], into: (tee: Tee) => TEE_ObjectHandle): Call =>
  (tee, op) =>
    tee.TEE_DeriveKey(
      op,
      attributes.map((one) => attributeOf(tee, one)),
      into(tee),
    );
