/** SM2's key exchange, which has two keys: what each call does in each state, and what it is told. */
import * as gp from '../../abi/gp.ts';
import {
  kepAttributes,
  ref as buffer,
  sm2Pair,
  sm2Public,
  value,
} from '../../optee-os/crypto/testing/asymmetric-drive.ts';
import type { KeySpec } from '../../optee-os/crypto/testing/asymmetric-drive.ts';
import { SM2_INITIATOR, SM2_RESPONDER } from '../../optee-os/crypto/testing/sm2-vectors.ts';
import type { TaAttribute } from '../runtime.ts';
import { after, derived, key, object, operation, populated } from '../testing/operations.ts';
import type { Call, Make } from '../testing/operations.ts';
import { checkStateTable } from '../testing/state-table.ts';
import type { Tee } from './tee.ts';
import { TEE_OperationInfo, TEE_OperationInfoMultiple, objectHandle } from './types.ts';
import type { TEE_ObjectHandle } from './types.ts';

const { TEE_HANDLE_NULL, TEE_TYPE_GENERIC_SECRET, TEE_TYPE_SM2_KEP_KEYPAIR } = gp;

type Attributes = readonly TaAttribute[];

const [own, peer] = [SM2_INITIATOR, SM2_RESPONDER];
const OWN = sm2Pair(own, TEE_TYPE_SM2_KEP_KEYPAIR);
const EPHEMERAL = sm2Pair(
  { d: own.ephemeralD, x: own.ephemeralX, y: own.ephemeralY },
  TEE_TYPE_SM2_KEP_KEYPAIR,
);
const PUBLIC = sm2Public(own, gp.TEE_TYPE_SM2_KEP_PUBLIC_KEY);

const made: Make = (tee) => operation(tee, gp.TEE_ALG_SM2_KEP, gp.TEE_MODE_DERIVE, 512);
const set =
  (first: KeySpec, second: KeySpec): Call =>
  (tee, op) =>
    tee.TEE_SetOperationKey2(op, populated(tee, first), populated(tee, second));
const setBoth = set(OWN, EPHEMERAL);
const clearBoth: Call = (tee, op) => tee.TEE_SetOperationKey2(op, TEE_HANDLE_NULL, TEE_HANDLE_NULL);
const clearOne: Call = (tee, op) => tee.TEE_SetOperationKey(op, TEE_HANDLE_NULL);
const keyed = after(made, setBoth);

const told: Attributes = kepAttributes(0, peer);
const secret = (tee: Tee, bits = 128): TEE_ObjectHandle =>
  object(tee, TEE_TYPE_GENERIC_SECRET, bits);
const derive = (attributes: Attributes, into = secret): Call => derived(attributes, into);

checkStateTable('SM2 key exchange', {
  states: {
    made,
    keyed,
    cleared: after(keyed, clearBoth),
    'half cleared': after(keyed, clearOne),
  },
  calls: {
    TEE_GetOperationInfo: (tee, op) => tee.TEE_GetOperationInfo(op, new TEE_OperationInfo()),
    TEE_GetOperationInfoMultiple: (tee, op) =>
      tee.TEE_GetOperationInfoMultiple(op, new TEE_OperationInfoMultiple()),
    TEE_ResetOperation: (tee, op) => tee.TEE_ResetOperation(op),
    TEE_CopyOperation: (tee, op) => tee.TEE_CopyOperation(made(tee), op),
    'TEE_SetOperationKey one': (tee, op) => tee.TEE_SetOperationKey(op, populated(tee, OWN)),
    'TEE_SetOperationKey NULL': clearOne,
    TEE_SetOperationKey2: setBoth,
    'TEE_SetOperationKey2 NULL, NULL': clearBoth,
    'TEE_SetOperationKey2 one, NULL': (tee, op) =>
      tee.TEE_SetOperationKey2(op, populated(tee, OWN), TEE_HANDLE_NULL),
    'TEE_SetOperationKey2 NULL, one': (tee, op) =>
      tee.TEE_SetOperationKey2(op, TEE_HANDLE_NULL, populated(tee, OWN)),
    'TEE_SetOperationKey2 the same one twice': (tee, op) => {
      const one = populated(tee, OWN);
      return tee.TEE_SetOperationKey2(op, one, one);
    },
    'TEE_SetOperationKey2 equal ones': set(OWN, OWN),
    // An object that was populated says nothing of its size, a generated one does.
    'TEE_SetOperationKey2 one that was made': (tee, op) =>
      tee.TEE_SetOperationKey2(op, populated(tee, OWN), key(tee, TEE_TYPE_SM2_KEP_KEYPAIR, 256)),
    'TEE_SetOperationKey2 two that were made': (tee, op) =>
      tee.TEE_SetOperationKey2(
        op,
        key(tee, TEE_TYPE_SM2_KEP_KEYPAIR, 256),
        key(tee, TEE_TYPE_SM2_KEP_KEYPAIR, 256),
      ),
    'TEE_GetObjectInfo1 in it: no such object': (tee, op) =>
      tee.TEE_SetOperationKey2(op, populated(tee, OWN), objectHandle(99)),
    'TEE_CopyObjectAttributes1 in it: empty': (tee, op) =>
      tee.TEE_SetOperationKey2(op, populated(tee, OWN), object(tee, TEE_TYPE_SM2_KEP_KEYPAIR, 256)),
    'TEE_CopyObjectAttributes1 in it: a public key': set(OWN, PUBLIC),
    'TEE_SetOperationKey2 of another type': (tee, op) =>
      tee.TEE_SetOperationKey2(op, populated(tee, OWN), key(tee, gp.TEE_TYPE_AES, 256)),
    'TEE_SetOperationKey2 not for derivation': (tee, op) => {
      const mine = populated(tee, EPHEMERAL);
      void tee.TEE_RestrictObjectUsage1(mine, ~gp.TEE_USAGE_DERIVE >>> 0);
      return tee.TEE_SetOperationKey2(op, populated(tee, OWN), mine);
    },
    TEE_DeriveKey: derive(told),
    'TEE_DeriveKey twice': (tee, op) => {
      derive(told)(tee, op);
      derive(told)(tee, op);
    },
    'TEE_DeriveKey told nothing': derive([]),
    'TEE_DeriveKey into NULL': derive(told, () => TEE_HANDLE_NULL),
    'TEE_DeriveKey into a key': derive(told, (tee) => object(tee, gp.TEE_TYPE_AES, 256)),
    'TEE_DeriveKey into one that is full': derive(told, (tee) =>
      key(tee, TEE_TYPE_GENERIC_SECRET, 128),
    ),
  },
  expected: `
    function                                      | made                 | keyed                | cleared              | half cleared
    TEE_GetOperationInfo                          | ok                   | ok                   | ok                   | ok
    TEE_GetOperationInfoMultiple                  | ok                   | ok                   | ok                   | ok
    TEE_ResetOperation                            | panic 0              | ok                   | panic 0              | panic 0
    TEE_CopyOperation                             | panic BAD_STATE      | panic BAD_STATE      | panic BAD_STATE      | panic BAD_STATE
    TEE_SetOperationKey one                       | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_SetOperationKey NULL                      | ok                   | ok                   | ok                   | ok
    TEE_SetOperationKey2                          | ok                   | ok                   | ok                   | ok
    TEE_SetOperationKey2 NULL, NULL               | ok                   | ok                   | ok                   | ok
    TEE_SetOperationKey2 one, NULL                | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_SetOperationKey2 NULL, one                | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_SetOperationKey2 the same one twice       | SECURITY             | SECURITY             | SECURITY             | SECURITY
    TEE_SetOperationKey2 equal ones               | ok                   | ok                   | ok                   | ok
    TEE_SetOperationKey2 one that was made        | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_SetOperationKey2 two that were made       | ok                   | ok                   | ok                   | ok
    TEE_GetObjectInfo1 in it: no such object      | panic BAD_STATE      | panic BAD_STATE      | panic BAD_STATE      | panic BAD_STATE
    TEE_CopyObjectAttributes1 in it: empty        | panic 0              | panic 0              | panic 0              | panic 0
    TEE_CopyObjectAttributes1 in it: a public key | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_SetOperationKey2 of another type          | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_SetOperationKey2 not for derivation       | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_DeriveKey                                 | panic 0              | ok                   | panic 0              | panic 0
    TEE_DeriveKey twice                           | panic 0              | ok                   | panic 0              | panic 0
    TEE_DeriveKey told nothing                    | panic 0              | panic BAD_PARAMETERS | panic 0              | panic 0
    TEE_DeriveKey into NULL                       | panic 0              | panic 0              | panic 0              | panic 0
    TEE_DeriveKey into a key                      | panic 0              | panic 0              | panic 0              | panic 0
    TEE_DeriveKey into one that is full           | panic 0              | panic 0              | panic 0              | panic 0
  `,
});

const replaced = (id: number, octets: Uint8Array): Attributes =>
  told.map((one) => (one.id === id ? buffer(id, octets) : one));
const without = (id: number): Attributes => told.filter((one) => one.id !== id);
const confirmation = (octets: Uint8Array): TaAttribute =>
  buffer(gp.TEE_ATTR_SM2_KEP_CONFIRMATION_IN, octets);
const room = (bytes: number): TaAttribute =>
  buffer(gp.TEE_ATTR_SM2_KEP_CONFIRMATION_OUT, new Uint8Array(bytes));

checkStateTable('SM2 key exchange, told', {
  states: { keyed },
  calls: {
    'TEE_DeriveKey with confirmations': derive([
      ...told,
      confirmation(peer.confirmation),
      room(32),
    ]),
    'TEE_DeriveKey another confirmation': derive([...told, confirmation(own.confirmation)]),
    'TEE_DeriveKey a longer confirmation': derive([
      ...told,
      confirmation(Uint8Array.of(...peer.confirmation, 0)),
    ]),
    'TEE_DeriveKey a short confirmation': derive([
      ...told,
      confirmation(peer.confirmation.subarray(1)),
    ]),
    'TEE_DeriveKey no room for ours': derive([...told, room(31)]),
    'TEE_DeriveKey as the responder': derive([
      value(gp.TEE_ATTR_SM2_KEP_USER, 7),
      ...told.slice(1),
    ]),
    'TEE_DeriveKey of several the last': derive([
      buffer(gp.TEE_ATTR_ECC_PUBLIC_VALUE_X, own.y),
      ...told,
    ]),
    'TEE_DeriveKey a foreign attribute': derive([...told, value(gp.TEE_ATTR_ECC_CURVE, 3)]),
    'TEE_DeriveKey no role': derive(without(gp.TEE_ATTR_SM2_KEP_USER)),
    'TEE_DeriveKey no identity': derive(without(gp.TEE_ATTR_SM2_ID_RESPONDER)),
    'TEE_DeriveKey an empty identity': derive(
      replaced(gp.TEE_ATTR_SM2_ID_RESPONDER, new Uint8Array(0)),
    ),
    'TEE_DeriveKey no ephemeral key': derive(without(gp.TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_Y)),
    'TEE_DeriveKey an ephemeral key off the curve': derive(
      replaced(gp.TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_Y, peer.ephemeralX),
    ),
    'TEE_DeriveKey a key off the curve': derive(replaced(gp.TEE_ATTR_ECC_PUBLIC_VALUE_Y, peer.x)),
    'TEE_DeriveKey zeroes': derive(
      told.map((one) => (one.content?.length === 32 ? buffer(one.id, new Uint8Array(32)) : one)),
    ),
    'TEE_DeriveKey as many bytes as an object has bits': derive(told, (tee) => secret(tee, 512)),
    'TEE_DeriveKey more of them than it has bytes': derive(told, (tee) => secret(tee, 520)),
    'TEE_DeriveKey an identity beyond a page': derive(
      replaced(gp.TEE_ATTR_SM2_ID_INITIATOR, new Uint8Array(4097)),
    ),
  },
  expected: `
    function                                          | keyed
    TEE_DeriveKey with confirmations                  | ok
    TEE_DeriveKey another confirmation                | panic BAD_STATE
    TEE_DeriveKey a longer confirmation               | ok
    TEE_DeriveKey a short confirmation                | panic BAD_PARAMETERS
    TEE_DeriveKey no room for ours                    | panic BAD_PARAMETERS
    TEE_DeriveKey as the responder                    | ok
    TEE_DeriveKey of several the last                 | ok
    TEE_DeriveKey a foreign attribute                 | panic BAD_PARAMETERS
    TEE_DeriveKey no role                             | panic BAD_PARAMETERS
    TEE_DeriveKey no identity                         | panic BAD_PARAMETERS
    TEE_DeriveKey an empty identity                   | ok
    TEE_DeriveKey no ephemeral key                    | panic BAD_PARAMETERS
    TEE_DeriveKey an ephemeral key off the curve      | panic BAD_STATE
    TEE_DeriveKey a key off the curve                 | panic BAD_STATE
    TEE_DeriveKey zeroes                              | panic BAD_STATE
    TEE_DeriveKey as many bytes as an object has bits | ok
    TEE_DeriveKey more of them than it has bytes      | panic BAD_PARAMETERS
    TEE_DeriveKey an identity beyond a page           | panic OUT_OF_MEMORY
  `,
});
