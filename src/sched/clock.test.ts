import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Timers } from './clock.ts';

describe('timers', () => {
  it('fire in order of time, then of creation', () => {
    const timers = new Timers();
    const fired: string[] = [];
    for (const [at, name] of [
      [20, 'c'],
      [10, 'a'],
      [20, 'd'],
      [10, 'b'],
    ] as const) {
      timers.add(at, () => fired.push(name));
    }
    assert.equal(timers.nextNs(), 10);
    assert.ok(timers.fire(10));
    assert.deepEqual(fired, ['a', 'b']);
    assert.ok(!timers.fire(19));
    assert.ok(timers.fire(20));
    assert.deepEqual(fired, ['a', 'b', 'c', 'd']);
  });

  it('that are cancelled do not fire, and a fired one can be', () => {
    const timers = new Timers();
    const first = timers.add(1, () => assert.fail('it was cancelled'));
    const second = timers.add(2, () => {});
    first.cancel();
    first.cancel();
    assert.equal(timers.nextNs(), 2);
    assert.ok(timers.fire(2));
    second.cancel();
    assert.equal(timers.nextNs(), undefined);
    assert.equal(timers.size, 0);
  });

  it('do not pile up behind one that is far away', () => {
    const timers = new Timers();
    const fired: number[] = [];
    for (const at of [3000, 1000, 2000]) timers.add(at, () => fired.push(at));
    for (let n = 0; n < 10_000; n++) timers.add(5000 + n, () => fired.push(n)).cancel();
    assert.ok(timers.size < 200, `${timers.size} are kept`);
    timers.fire(20_000);
    assert.deepEqual(fired, [1000, 2000, 3000]);
  });
});
