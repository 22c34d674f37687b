import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  OPTEE_MSG_CMD_DO_BOTTOM_HALF,
  OPTEE_MSG_CMD_STOP_ASYNC_NOTIF,
} from '../../../abi/optee-msg.ts';
import { OPTEE_RPC_CMD_NOTIFICATION } from '../../../abi/optee-rpc.ts';
import * as smc from '../../../abi/optee-smc.ts';
import { makeBox, openClient } from './testing/box.ts';
import type { OpteeBox } from './testing/box.ts';
import { invoke, open } from './testing/clients.ts';

const CAPS =
  smc.OPTEE_SMC_SEC_CAP_DYNAMIC_SHM |
  smc.OPTEE_SMC_SEC_CAP_RPC_ARG |
  smc.OPTEE_SMC_SEC_CAP_ASYNC_NOTIF;
const LINE = 41;

function make(): OpteeBox {
  return makeBox({ setUp: (world) => world.offer(CAPS, 66) });
}

/** The secure world asserts its interrupt. */
function raise(box: OpteeBox, ...values: readonly number[]): void {
  box.world.pendingValues.push(...values);
  box.kernel.machine.interrupts.raise(LINE);
  box.settle();
}

const bottomHalves = (box: OpteeBox): number =>
  box.world.commands.filter((cmd) => cmd === OPTEE_MSG_CMD_DO_BOTTOM_HALF).length;

describe('asynchronous notifications', () => {
  it('are enabled once the interrupt is there', () => {
    const box = make();
    assert.ok(box.world.calls.includes(smc.OPTEE_SMC_ENABLE_ASYNC_NOTIF));
    assert.match(box.kernel.dmesg.text, /Asynchronous notifications enabled/);
    assert.equal(box.optee.notif.maxKey, 66);
    assert.equal(makeBox().optee.notif.maxKey, 255, 'the default without them');
  });

  it('wake who waits for their values, all that are pending', () => {
    const box = make();
    const waiting = [5, 6].map((key) => box.spawn(`waiter ${key}`, box.optee.notif.wait(key, 0)));
    box.settle();
    raise(box, 5, 6, 7);
    assert.deepEqual(
      waiting.map(({ result }) => result),
      [0, 0],
    );
    assert.equal(box.run(box.optee.notif.wait(7, 0)), 0);
    assert.equal(bottomHalves(box), 0);
  });

  it('ask for the bottom half by value 0', () => {
    const box = make();
    raise(box, 0);
    assert.equal(bottomHalves(box), 1);
    raise(box, 3, 0, 0, 4);
    assert.equal(bottomHalves(box), 2, 'once an interrupt');
  });

  it('run the bottom half again for an interrupt that comes meanwhile', () => {
    const box = make();
    box.world.handle = function* (message) {
      if (message.cmd === OPTEE_MSG_CMD_DO_BOTTOM_HALF) {
        yield* box.world.rpc(OPTEE_RPC_CMD_NOTIFICATION, [{ attr: 1, a: 0n, b: 9n }]);
      }
      yield* box.world.succeed(message);
    };
    raise(box, 0);
    raise(box, 0);
    raise(box, 0);
    assert.equal(bottomHalves(box), 1);
    raise(box, 9);
    assert.equal(bottomHalves(box), 2);
    raise(box, 9);
    assert.equal(bottomHalves(box), 2);
  });

  it('may be none, or not to be had', () => {
    const box = make();
    raise(box);
    box.world.fast.set(smc.OPTEE_SMC_GET_ASYNC_NOTIF_VALUE, [
      smc.OPTEE_SMC_RETURN_UNKNOWN_FUNCTION,
      5,
      3,
    ]);
    raise(box);
    assert.deepEqual([...box.optee.notif.waiting], []);
    const waiting = box.spawn('waiter', box.optee.notif.wait(5, 0));
    box.settle();
    assert.equal(waiting.site, 'optee_notif_wait');
  });

  it('come while the CPU is in the secure world: it leaves, and goes on', () => {
    const box = make();
    const ctx = box.run(openClient(box.optee));
    const { session } = box.run(open(ctx));
    const waiting = box.spawn('waiter', box.optee.notif.wait(5, 0));
    box.settle();
    const { interrupts, cpus } = box.kernel.machine;
    box.world.handle = function* (message) {
      box.world.pendingValues.push(5);
      interrupts.raise(LINE);
      if (cpus.some(({ foreignPending }) => foreignPending)) {
        yield [smc.OPTEE_SMC_RETURN_RPC_FOREIGN_INTR];
        assert.equal(waiting.result, 0, 'handled before the secure thread goes on');
      }
      yield* box.world.succeed(message);
    };
    for (let n = 0; n < 2; n++) assert.equal(box.run(invoke(ctx, session)).ret, 0);
    assert.equal(waiting.result, 0);
  });

  it('are stopped before the driver goes', () => {
    const box = make();
    box.run(box.optee.remove());
    assert.ok(box.world.commands.includes(OPTEE_MSG_CMD_STOP_ASYNC_NOTIF));
    const before = box.world.calls.length;
    raise(box, 5);
    assert.equal(box.world.calls.length, before, 'nobody has the interrupt');
  });

  it('are waited for when the driver goes while the bottom half runs', () => {
    const box = make();
    box.world.handle = function* (message) {
      if (message.cmd === OPTEE_MSG_CMD_DO_BOTTOM_HALF) {
        yield* box.world.rpc(OPTEE_RPC_CMD_NOTIFICATION, [{ attr: 1, a: 0n, b: 9n }]);
      }
      yield* box.world.succeed(message);
    };
    raise(box, 0);
    const removing = box.spawn('remover', box.optee.remove());
    box.settle();
    assert.equal(removing.site, 'synchronize_irq');
    box.optee.notif.send(9);
    box.settle();
    assert.equal(removing.task.state, 'done');
  });
});
