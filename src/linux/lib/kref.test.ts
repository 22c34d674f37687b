import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BoxHalted } from '../../sched/halt.ts';
import { makeSched } from './testing/sched.ts';
import { Kref } from './kref.ts';

describe('kref', () => {
  it('says which put was the last', () => {
    const ref = new Kref(makeSched(), 'thing');
    ref.get();
    assert.equal(ref.count, 2);
    assert.equal(ref.put(), false);
    assert.equal(ref.put(), true);
  });

  it('is not taken from zero by who only found the object', () => {
    const ref = new Kref(makeSched(), 'thing');
    assert.equal(ref.getUnlessZero(), true);
    ref.put();
    ref.put();
    assert.equal(ref.getUnlessZero(), false);
    assert.equal(ref.count, 0);
  });

  for (const use of ['get', 'put', 'touch'] as const) {
    it(`stops the box at ${use} after the last put`, () => {
      const sched = makeSched();
      const ref = new Kref(sched, 'tee_shm 4');
      ref.put();
      assert.throws(() => ref[use](), BoxHalted);
      assert.equal(sched.halted?.kind, 'use after free');
      assert.match(sched.halted?.text ?? '', /tee_shm 4/);
    });
  }
});
