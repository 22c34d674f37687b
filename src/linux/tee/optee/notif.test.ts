import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBUSY, EINVAL, ETIMEDOUT } from '../../../abi/errno.ts';
import { jiffiesToNs, msecsToJiffies } from './jiffies.ts';
import { OpteeNotif } from './notif.ts';
import { makeBox } from './testing/box.ts';
import type { OpteeBox } from './testing/box.ts';
import { FIXED, LINUX_6_1, LINUX_7_3 } from './testing/profiles.ts';
import type { OpteeSwitches } from './switches.ts';

function make(
  switches: OpteeSwitches = LINUX_7_3,
  maxKey = 66,
): { box: OpteeBox; notif: OpteeNotif } {
  const box = makeBox();
  return { box, notif: new OpteeNotif(box.sched, switches, maxKey) };
}

/** Virtual time that a wait of 100 takes when nothing is sent; undefined when it never ends. */
function timeoutOf(switches: OpteeSwitches): number | undefined {
  const { box, notif } = make(switches);
  const before = box.sched.nowNs();
  const waiting = box.spawn('waiter', notif.wait(1, 100));
  box.settle();
  if (waiting.result === undefined) return undefined;
  assert.equal(waiting.result, -ETIMEDOUT);
  return Math.round((box.sched.nowNs() - before) / 1e6);
}

describe('notifications', () => {
  it('wake who waits for the value', () => {
    const { box, notif } = make();
    const one = box.spawn('one', notif.wait(1, 0));
    const two = box.spawn('two', notif.wait(2, 0));
    box.settle();
    assert.deepEqual([...notif.waiting], [1, 2]);
    assert.equal(notif.send(2), 0);
    box.settle();
    assert.equal(two.result, 0);
    assert.equal(one.result, undefined);
    notif.send(1);
    box.settle();
    assert.equal(one.result, 0);
    assert.deepEqual([...notif.waiting], []);
  });

  it('are kept when nobody waits, once each', () => {
    const { box, notif } = make();
    notif.send(5);
    notif.send(5);
    assert.equal(box.run(notif.wait(5, 0)), 0);
    const again = box.spawn('again', notif.wait(5, 0));
    box.settle();
    assert.equal(again.site, 'optee_notif_wait');
  });

  it('have one waiter a value', () => {
    const { box, notif } = make();
    box.spawn('first', notif.wait(5, 0));
    box.settle();
    assert.equal(box.run(notif.wait(5, 0)), -EBUSY);
  });

  it('end at the highest value that the secure world named', () => {
    const { box, notif } = make();
    assert.equal(notif.send(67), -EINVAL);
    assert.equal(box.run(notif.wait(67, 0)), -EINVAL);
    assert.equal(box.kernel.trace.lastCause?.limit, 'max_notif_value=66');
    assert.equal(notif.send(66), 0);
  });

  it('cannot be interrupted, not even by SIGKILL', () => {
    const { box, notif } = make();
    const waiting = box.spawn('waiter', notif.wait(1, 0));
    box.settle();
    waiting.kill();
    box.settle();
    assert.equal(waiting.site, 'optee_notif_wait');
  });

  it('take milliseconds for jiffies: four times as long at 250 Hz', () => {
    assert.equal(timeoutOf(LINUX_7_3), 400);
    assert.equal(timeoutOf(FIXED), 100);
    assert.equal(timeoutOf({ ...LINUX_7_3, hz: 100 }), 1000);
    assert.equal(timeoutOf(LINUX_6_1), undefined);
  });

  it('can be sent again after a time-out', () => {
    const { box, notif } = make();
    const first = box.spawn('first', notif.wait(1, 1));
    box.settle();
    assert.equal(first.result, -ETIMEDOUT);
    notif.send(1);
    assert.equal(box.run(notif.wait(1, 0)), 0, 'nobody was there: the value was kept');
  });

  it('miss a bit in their bitmap when the highest value is a multiple of 64', () => {
    for (const [switches, code] of [
      [LINUX_7_3, 'slab-out-of-bounds'],
      [FIXED, undefined],
    ] as const) {
      const { box, notif } = make(switches, 64);
      notif.send(63);
      const causeOf = (): string | undefined => box.kernel.trace.lastCause?.code;
      assert.equal(causeOf(), undefined);
      assert.equal(notif.send(64), 0);
      assert.equal(causeOf(), code);
    }
  });
});

describe('jiffies', () => {
  it('are rounded up', () => {
    assert.equal(msecsToJiffies(1, 250), 1);
    assert.equal(msecsToJiffies(5, 250), 2);
    assert.equal(msecsToJiffies(0, 250), 0);
  });

  it('are for ever where milliseconds are negative as an int', () => {
    assert.equal(msecsToJiffies(0x8000_0000, 250), Infinity);
    assert.equal(jiffiesToNs(Infinity, 250), undefined);
    assert.equal(jiffiesToNs(2, 250), 8_000_000);
  });
});
