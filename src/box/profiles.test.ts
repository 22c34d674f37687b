/** What the tests of the driver's parts take for a kernel is what a box of that kernel has. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as optee from '../linux/tee/optee/testing/profiles.ts';
import * as tee from '../linux/tee/testing/profiles.ts';
import { PROFILES, withoutQuirks } from './profiles.ts';

describe('the switches that parts are tested with', () => {
  it('of the TEE core are those of the profiles', () => {
    assert.deepEqual(tee.LINUX_7_3, PROFILES['linux-7.3'].tee);
    assert.deepEqual(tee.LINUX_6_1, PROFILES['linux-6.1'].tee);
    assert.deepEqual(tee.HARDENED, PROFILES.hardened.tee);
  });

  it('of the OP-TEE driver are those of the profiles', () => {
    assert.deepEqual(optee.LINUX_7_3, PROFILES['linux-7.3'].optee);
    assert.deepEqual(optee.LINUX_6_1, PROFILES['linux-6.1'].optee);
    assert.deepEqual(optee.FIXED, withoutQuirks(PROFILES['linux-7.3']).optee);
    assert.deepEqual(optee.FIXED, PROFILES.hardened.optee);
  });
});
