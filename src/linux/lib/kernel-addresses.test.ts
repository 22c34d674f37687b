import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KernelAddresses } from './kernel-addresses.ts';

describe('kernel addresses', () => {
  it('are unique, not zero, aligned, and lead back to the object', () => {
    const addresses = new KernelAddresses();
    const objects = [{ name: 'a' }, { name: 'b' }];
    const at = objects.map((object) => addresses.assign(object));
    assert.notEqual(at[0]!.lo, at[1]!.lo);
    for (const [i, { lo, hi }] of at.entries()) {
      assert.equal(hi, 0xffff0000);
      assert.notEqual(lo, 0);
      assert.equal(lo % 64, 0);
      assert.equal(addresses.find(lo, hi), objects[i]);
    }
  });

  it('name nothing once released, nor in halves', () => {
    const addresses = new KernelAddresses();
    const { lo, hi } = addresses.assign({});
    assert.equal(addresses.find(lo, 0), undefined);
    assert.equal(addresses.find(lo + 1, hi), undefined);
    addresses.release(lo, hi);
    assert.equal(addresses.find(lo, hi), undefined);
    assert.notEqual(addresses.assign({}).lo, lo);
    assert.equal(addresses.size, 1);
  });
});
