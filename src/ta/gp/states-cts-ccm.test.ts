/**
 * Ciphertext stealing and CCM: what each call does in each state. Both look at how much there is:
 * the end of one needs a whole block before it, the other is told both lengths at its start.
 */
import {
  TEE_ALG_AES_CCM,
  TEE_ALG_AES_CTS,
  TEE_MODE_DECRYPT,
  TEE_MODE_ENCRYPT,
  TEE_TYPE_AES,
} from '../../abi/gp.ts';
import { after, clearKey, key, operation } from '../testing/operations.ts';
import type { Call, Make } from '../testing/operations.ts';
import { checkStateTable } from '../testing/state-table.ts';

import { memref } from './types.ts';

const octets = (length: number): Uint8Array => new Uint8Array(length);
const room = (length = 64) => memref(octets(length));
const setKey: Call = (tee, op) => tee.TEE_SetOperationKey(op, key(tee, TEE_TYPE_AES, 128));
const reset: Call = (tee, op) => tee.TEE_ResetOperation(op);

// --- CTS
const init =
  (length: number): Call =>
  (tee, op) =>
    tee.TEE_CipherInit(op, octets(length));
const update =
  (length: number, space = 64): Call =>
  (tee, op) =>
    tee.TEE_CipherUpdate(op, octets(length), room(space));
const end =
  (length: number, space = 64): Call =>
  (tee, op) =>
    tee.TEE_CipherDoFinal(op, octets(length), room(space));

for (const [direction, mode] of [
  ['encrypting', TEE_MODE_ENCRYPT],
  ['decrypting', TEE_MODE_DECRYPT],
] as const) {
  const made: Make = (tee) => operation(tee, TEE_ALG_AES_CTS, mode, 128);
  const keyed = after(made, setKey);
  const begun = after(keyed, init(16));
  checkStateTable(`AES CTS, ${direction}`, {
    states: {
      made,
      keyed,
      begun,
      'fed 8': after(begun, update(8)),
      'fed 16': after(begun, update(16)),
      // Two blocks wait: the last one to come may need both.
      'fed 40': after(begun, update(40)),
      ended: after(begun, end(32)),
      reset: after(begun, update(40), reset),
      cleared: after(keyed, clearKey),
    },
    calls: {
      TEE_CipherInit: init(16),
      'TEE_CipherInit nothing': (tee, op) => tee.TEE_CipherInit(op, null),
      'TEE_CipherInit 15': init(15),
      'TEE_CipherInit 17': init(17),
      'TEE_CipherUpdate 8': update(8),
      'TEE_CipherUpdate 32': update(32),
      'TEE_CipherUpdate 33, room for 15': update(33, 15),
      'TEE_CipherUpdate nothing': (tee, op) => tee.TEE_CipherUpdate(op, null, memref(null)),
      'TEE_CipherDoFinal nothing': (tee, op) => tee.TEE_CipherDoFinal(op, null, room()),
      'TEE_CipherDoFinal nothing nowhere': (tee, op) => tee.TEE_CipherDoFinal(op, null, null),
      'TEE_CipherDoFinal 1': end(1),
      'TEE_CipherDoFinal 16': end(16),
      'TEE_CipherDoFinal 17': end(17),
      'TEE_CipherDoFinal 17, room for 16': end(17, 16),
      'TEE_CipherDoFinal 32': end(32, 128),
      'TEE_CipherDoFinal 33': end(33, 128),
    },
    expected: `
      function                          | made                 | keyed                | begun           | fed 8           | fed 16          | fed 40          | ended                | reset                | cleared
      TEE_CipherInit                    | panic 0              | ok                   | ok              | ok              | ok              | ok              | ok                   | ok                   | panic 0
      TEE_CipherInit nothing            | panic 0              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic 0
      TEE_CipherInit 15                 | panic 0              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic 0
      TEE_CipherInit 17                 | panic 0              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic 0
      TEE_CipherUpdate 8                | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok              | ok              | ok              | ok              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
      TEE_CipherUpdate 32               | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok              | ok              | ok              | ok              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
      TEE_CipherUpdate 33, room for 15  | panic BAD_PARAMETERS | panic BAD_PARAMETERS | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
      TEE_CipherUpdate nothing          | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok              | ok              | ok              | ok              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
      TEE_CipherDoFinal nothing         | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok              | panic BAD_STATE | panic BAD_STATE | ok              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
      TEE_CipherDoFinal nothing nowhere | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok              | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
      TEE_CipherDoFinal 1               | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_STATE | panic BAD_STATE | ok              | ok              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
      TEE_CipherDoFinal 16              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_STATE | ok              | ok              | ok              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
      TEE_CipherDoFinal 17              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok              | ok              | ok              | ok              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
      TEE_CipherDoFinal 17, room for 16 | panic BAD_PARAMETERS | panic BAD_PARAMETERS | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
      TEE_CipherDoFinal 32              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok              | ok              | ok              | ok              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
      TEE_CipherDoFinal 33              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok              | ok              | ok              | ok              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    `,
  });
}

// --- CCM
const ccm: Make = (tee) => operation(tee, TEE_ALG_AES_CCM, TEE_MODE_ENCRYPT, 128);
const start =
  (nonce = 12, tagBits = 128, aad = 20, payload = 40): Call =>
  (tee, op) =>
    tee.TEE_AEInit(op, octets(nonce), tagBits, aad, payload);
const aad =
  (length: number): Call =>
  (tee, op) =>
    tee.TEE_AEUpdateAAD(op, octets(length));
const feed =
  (length: number, space = 64): Call =>
  (tee, op) =>
    tee.TEE_AEUpdate(op, octets(length), room(space));
const finish =
  (length: number, space = 64, tag = 16): Call =>
  (tee, op) =>
    tee.TEE_AEEncryptFinal(op, octets(length), room(space), room(tag));
const ccmKeyed = after(ccm, setKey);
const ccmBegun = after(ccmKeyed, start());
const whole = after(ccmBegun, aad(20));

checkStateTable('AES CCM', {
  states: {
    keyed: ccmKeyed,
    begun: ccmBegun,
    'half the data': after(ccmBegun, aad(10)),
    'all data': whole,
    'fed 8': after(whole, feed(8)),
    'fed 40': after(whole, feed(40)),
    ended: after(whole, finish(40)),
    reset: after(whole, feed(8), reset),
  },
  calls: {
    TEE_AEInit: start(),
    'TEE_AEUpdateAAD nothing': (tee, op) => tee.TEE_AEUpdateAAD(op, null),
    'TEE_AEUpdateAAD 10': aad(10),
    'TEE_AEUpdateAAD 21': aad(21),
    // Less than a block waits in the library: the core has not seen it.
    'TEE_AEUpdate 7': feed(7),
    'TEE_AEUpdate 16': feed(16),
    'TEE_AEUpdate 16, room for 15': feed(16, 15),
    'TEE_AEUpdate 48': feed(48),
    'TEE_AEUpdate nothing': (tee, op) => tee.TEE_AEUpdate(op, null, memref(null)),
    'TEE_AEEncryptFinal nothing': finish(0),
    'TEE_AEEncryptFinal 32': finish(32),
    'TEE_AEEncryptFinal 40': finish(40),
    'TEE_AEEncryptFinal 41': finish(41, 128),
    'TEE_AEEncryptFinal 40, room for 39': finish(40, 39),
    'TEE_AEEncryptFinal 40, tag of 15': finish(40, 64, 15),
  },
  expected: `
    function                           | keyed                | begun           | half the data   | all data        | fed 8           | fed 40          | ended                | reset
    TEE_AEInit                         | ok                   | ok              | ok              | ok              | panic BAD_PARAMETERS | panic BAD_PARAMETERS | ok              | ok
    TEE_AEUpdateAAD nothing            | panic 0              | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE | panic 0         | panic 0         | panic 0              | panic 0
    TEE_AEUpdateAAD 10                 | panic 0              | ok              | ok              | panic BAD_STATE | panic 0         | panic 0         | panic 0              | panic 0
    TEE_AEUpdateAAD 21                 | panic 0              | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE | panic 0         | panic 0         | panic 0              | panic 0
    TEE_AEUpdate 7                     | panic BAD_PARAMETERS | ok              | ok              | ok              | ok              | ok              | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEUpdate 16                    | panic BAD_PARAMETERS | panic BAD_STATE | panic BAD_STATE | ok              | ok              | panic BAD_STATE | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEUpdate 16, room for 15       | panic BAD_PARAMETERS | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEUpdate 48                    | panic BAD_PARAMETERS | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEUpdate nothing               | panic BAD_PARAMETERS | ok              | ok              | ok              | ok              | ok              | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEEncryptFinal nothing         | panic BAD_PARAMETERS | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE | ok              | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEEncryptFinal 32              | panic BAD_PARAMETERS | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE | ok              | panic BAD_STATE | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEEncryptFinal 40              | panic BAD_PARAMETERS | panic BAD_STATE | panic BAD_STATE | ok              | panic BAD_STATE | panic BAD_STATE | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEEncryptFinal 41              | panic BAD_PARAMETERS | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE | panic BAD_STATE | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEEncryptFinal 40, room for 39 | panic BAD_PARAMETERS | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | panic BAD_PARAMETERS | panic BAD_PARAMETERS
    TEE_AEEncryptFinal 40, tag of 15   | panic BAD_PARAMETERS | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | SHORT_BUFFER    | panic BAD_PARAMETERS | panic BAD_PARAMETERS
  `,
});

checkStateTable('AES CCM, sizes of the start', {
  states: { keyed: ccmKeyed },
  calls: {
    'TEE_AEInit the shortest nonce': start(7),
    'TEE_AEInit a shorter one': start(6),
    'TEE_AEInit none': start(0),
    'TEE_AEInit the longest nonce': start(13),
    'TEE_AEInit a longer one': start(14),
    'TEE_AEInit the shortest tag': start(12, 32),
    'TEE_AEInit a shorter one, of 31 bits': start(12, 31),
    'TEE_AEInit an odd one': start(12, 40),
    'TEE_AEInit bits beyond octets, which nobody sees': start(12, 39),
    'TEE_AEInit a tag of 136 bits': start(12, 136),
    'TEE_AEInit no lengths': start(12, 128, 0, 0),
    'TEE_AEInit the longest payload': start(12, 128, 0, 0x7fff_ffff),
    'TEE_AEInit a longer one still': start(12, 128, 0, 0x8000_0000),
    'TEE_AEInit more data than an int has': start(12, 128, 0x8000_0000, 0),
  },
  expected: `
    function                                         | keyed
    TEE_AEInit the shortest nonce                    | ok
    TEE_AEInit a shorter one                         | panic BAD_STATE
    TEE_AEInit none                                  | panic BAD_STATE
    TEE_AEInit the longest nonce                     | ok
    TEE_AEInit a longer one                          | panic BAD_PARAMETERS
    TEE_AEInit the shortest tag                      | ok
    TEE_AEInit a shorter one, of 31 bits             | NOT_SUPPORTED
    TEE_AEInit an odd one                            | NOT_SUPPORTED
    TEE_AEInit bits beyond octets, which nobody sees | ok
    TEE_AEInit a tag of 136 bits                     | NOT_SUPPORTED
    TEE_AEInit no lengths                            | ok
    TEE_AEInit the longest payload                   | ok
    TEE_AEInit a longer one still                    | panic BAD_PARAMETERS
    TEE_AEInit more data than an int has             | panic BAD_PARAMETERS
  `,
});

const open = after(
  (tee) => operation(tee, TEE_ALG_AES_CCM, TEE_MODE_DECRYPT, 128),
  setKey,
  start(),
);
const close =
  (length: number, tag: number, space = 64): Call =>
  (tee, op) =>
    tee.TEE_AEDecryptFinal(op, octets(length), room(space), octets(tag));

checkStateTable('AES CCM, decrypting', {
  states: { begun: open, 'all data': after(open, aad(20)), 'fed 8': after(open, aad(20), feed(8)) },
  calls: {
    'TEE_AEDecryptFinal 40': close(40, 16),
    'TEE_AEDecryptFinal 32': close(32, 16),
    'TEE_AEDecryptFinal 40, room for 39': close(40, 16, 39),
    'TEE_AEDecryptFinal 40, a short tag': close(40, 8),
    'TEE_AEDecryptFinal 40, a long tag': close(40, 17),
    'TEE_AEDecryptFinal 40, no tag': close(40, 0),
    TEE_AEEncryptFinal: finish(40),
  },
  expected: `
    function                           | begun                | all data             | fed 8
    TEE_AEDecryptFinal 40              | panic BAD_STATE      | MAC_INVALID          | panic BAD_STATE
    TEE_AEDecryptFinal 32              | panic BAD_STATE      | panic BAD_STATE      | MAC_INVALID
    TEE_AEDecryptFinal 40, room for 39 | SHORT_BUFFER         | SHORT_BUFFER         | SHORT_BUFFER
    TEE_AEDecryptFinal 40, a short tag | panic BAD_STATE      | MAC_INVALID          | panic BAD_STATE
    TEE_AEDecryptFinal 40, a long tag  | panic BAD_STATE      | panic BAD_STATE      | panic BAD_STATE
    TEE_AEDecryptFinal 40, no tag      | panic BAD_STATE      | SHORT_BUFFER         | panic BAD_STATE
    TEE_AEEncryptFinal                 | panic BAD_STATE      | panic BAD_PARAMETERS | panic BAD_STATE
  `,
});
