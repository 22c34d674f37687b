import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_LAST_CAP } from '../../abi/capability.ts';
import { EACCES } from '../../abi/errno.ts';
import { R_OK, W_OK, X_OK } from '../../abi/fcntl.ts';
import { capable, inGroup, makeCred, permission, realCred } from './cred.ts';

const OWNED = { mode: 0o640, uid: 1000, gid: 100 };

describe('credentials', () => {
  it('root has every capability, others none unless given', () => {
    assert.equal(makeCred().capabilities.size, CAP_LAST_CAP + 1);
    assert.equal(makeCred({ uid: 1000 }).capabilities.size, 0);
    const given = makeCred({ uid: 1000, capabilities: [CAP_DAC_OVERRIDE] });
    assert.ok(capable(given, CAP_DAC_OVERRIDE));
    assert.equal(makeCred({ capabilities: [] }).capabilities.size, 0);
  });

  it('groups count as well as the effective group', () => {
    const cred = makeCred({ uid: 1, gid: 2, egid: 3, groups: [4] });
    assert.deepEqual(
      [2, 3, 4].map((gid) => inGroup(cred, gid)),
      [false, true, true],
    );
  });

  it('realCred is judged without set-user-id rights', () => {
    const cred = makeCred({ uid: 1000, gid: 100, euid: 0, egid: 0 });
    assert.equal(permission(cred, { mode: 0, uid: 0, gid: 0 }, false, W_OK), 0);
    assert.equal(permission(realCred(cred), { mode: 0, uid: 0, gid: 0 }, false, W_OK), -EACCES);
  });
});

describe('permission', () => {
  const owner = makeCred({ uid: 1000 });
  const member = makeCred({ uid: 1, groups: [100] });
  const other = makeCred({ uid: 2 });

  it('takes the bits of one class only', () => {
    assert.equal(permission(owner, OWNED, false, R_OK | W_OK), 0);
    assert.equal(permission(member, OWNED, false, R_OK), 0);
    assert.equal(permission(member, OWNED, false, W_OK), -EACCES);
    assert.equal(permission(other, OWNED, false, R_OK), -EACCES);
    assert.equal(permission(owner, { ...OWNED, mode: 0o077 }, false, R_OK), -EACCES);
  });

  it('CAP_DAC_OVERRIDE passes all but executing what nobody may', () => {
    const cred = makeCred({ uid: 2, capabilities: [CAP_DAC_OVERRIDE] });
    assert.equal(permission(cred, OWNED, false, R_OK | W_OK), 0);
    assert.equal(permission(cred, OWNED, false, X_OK), -EACCES);
    assert.equal(permission(cred, { ...OWNED, mode: 0o100 }, false, X_OK), 0);
    assert.equal(permission(cred, { ...OWNED, mode: 0 }, true, R_OK | W_OK | X_OK), 0);
  });

  it('CAP_DAC_READ_SEARCH reads files and searches directories', () => {
    const cred = makeCred({ uid: 2, capabilities: [CAP_DAC_READ_SEARCH] });
    const closed = { ...OWNED, mode: 0 };
    assert.equal(permission(cred, closed, false, R_OK), 0);
    assert.equal(permission(cred, closed, false, W_OK), -EACCES);
    assert.equal(permission(cred, closed, true, R_OK | X_OK), 0);
    assert.equal(permission(cred, closed, true, W_OK), -EACCES);
  });
});
