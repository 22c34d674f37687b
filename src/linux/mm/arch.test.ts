import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MM_ARCHES } from './arch.ts';

describe('architectures', () => {
  it('differ in the size of user space', () => {
    assert.equal(MM_ARCHES['x86-64'].taskSize, 0x7fff_ffff_f000);
    assert.equal(MM_ARCHES.arm64.taskSize, 0x1_0000_0000_0000);
  });

  it('differ in whether the top byte of a user pointer counts', () => {
    const lo = 0x8000_1000;
    const tagged = 0x5a00_ffff;
    assert.equal(MM_ARCHES.arm64.untaggedAddr(lo, tagged), 0xffff_8000_1000);
    assert.ok(MM_ARCHES['x86-64'].untaggedAddr(lo, tagged) > 2 ** 53);
    assert.ok(MM_ARCHES.arm64.untaggedAddr(lo, 0x5a80_ffff) > 2 ** 53);
    for (const arch of Object.values(MM_ARCHES)) {
      assert.equal(arch.untaggedAddr(lo, 0x7f12), 0x7f12_8000_1000);
    }
  });
});
