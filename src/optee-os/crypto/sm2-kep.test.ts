/** SM2 key exchange with coordinates that have leading zeroes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as gp from '../../abi/gp.ts';
import { Bench, ref, sm2Pair, value } from './testing/asymmetric-drive.ts';
import { hex } from './testing/vector.ts';

/** As a TA of OP-TEE 4.10 on the emulated board has them; the first x is the one with zeroes. */
const KEYS = [
  {
    d: hex('5d6d6fa15608d5b2c76612d788303327f549b4447669a8533ad0deed812a2a5f'),
    x: hex('000228b76fb0654a2687157ca43c7de497c4e5e15f559c7e713692c786f142a4'),
    y: hex('506738ed8d2e4029ed35ac9227c014f1a9091ab7eb3c6ef6d6b590a61df90a6c'),
  },
  {
    d: hex('59b62d3e771ec1a60eb23f21ee7b9f97be7e3d2ec501c36fb1069e99799b7661'),
    x: hex('d045bf9f6666d081910f523b66629239da4dcb8fda8f5ebd304b9428566b3987'),
    y: hex('719e73862890bdd6efbbf1998cd60eb3db61a224e2ac8bf78feeae302357c454'),
  },
];
const PEER = {
  x: hex('90e20e750ae566547ae09bdf2a9e41f081d162355ca48b2a4acb1dd49921b268'),
  y: hex('2c3f0105d376a693aef197320df264c26a7b9edccc5a8599e113596a97f94cac'),
  ephemeralX: hex('3df141e14cd6ba775b5f5adf34c77903f55825c173b74e2cc1954ddac3b072eb'),
  ephemeralY: hex('3a3a6afd6e18568893b4cf69e7f5623130f56a77141f04020f7c4afdafdbd210'),
};

/** What it made of them: of 128 octets the first 32. */
const MADE = 'f4ab3c59823dbeae7aedb30f5a6de802009f2bfa88b0b801b0f7c89050902389';

/** What the client of that TA had given it. */
const pool = (at: number, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (at + i) * 7 + 3);

test('octets of the number before stand for leading zeroes, in the hash of an identity', () => {
  const keys = KEYS.map((key) => sm2Pair(key, gp.TEE_TYPE_SM2_KEP_KEYPAIR));
  const made = new Bench().derive(
    gp.TEE_ALG_SM2_KEP,
    keys,
    [
      value(gp.TEE_ATTR_SM2_KEP_USER, 0),
      ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_X, PEER.x),
      ref(gp.TEE_ATTR_ECC_PUBLIC_VALUE_Y, PEER.y),
      ref(gp.TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_X, PEER.ephemeralX),
      ref(gp.TEE_ATTR_ECC_EPHEMERAL_PUBLIC_VALUE_Y, PEER.ephemeralY),
      ref(gp.TEE_ATTR_SM2_ID_INITIATOR, pool(0x21, 16)),
      ref(gp.TEE_ATTR_SM2_ID_RESPONDER, pool(1, 100)),
    ],
    128,
  );
  assert.deepEqual([made.code, made.size], ['TEE_SUCCESS', 128]);
  assert.equal(made.out.slice(0, 64), MADE);
});
