import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL } from '../../../abi/errno.ts';
import { O_RDWR } from '../../../abi/fcntl.ts';
import { OPTEE_SMC_SEC_CAP_DYNAMIC_SHM } from '../../../abi/optee-smc.ts';
import { Program } from '../../process/program.ts';
import { LINUX_6_1 as CORE_6_1 } from '../testing/profiles.ts';
import { teedevCloseContext, teedevOpen } from '../tee-context.ts';
import { teeShmAllocKernelBuf } from '../tee-shm-alloc.ts';
import type { TeeShm } from '../tee-shm.ts';
import { opteeProbe } from './probe.ts';
import { makeBox, openClient, openSupplicant } from './testing/box.ts';
import type { BoxOptions } from './testing/box.ts';
import { open } from './testing/clients.ts';
import { makeGate } from './testing/gate.ts';
import { FIXED, LINUX_6_1 } from './testing/profiles.ts';

const PROFILES: Readonly<Record<string, BoxOptions>> = {
  'linux-7.3': {},
  'linux-6.1': { core: CORE_6_1, switches: LINUX_6_1 },
  'without the bugs': { switches: FIXED },
};

for (const [name, options] of Object.entries(PROFILES)) {
  describe(`removal, ${name}`, () => {
    it('gives everything back', () => {
      let used = 0;
      const box = makeBox({
        ...options,
        setUp: (_, kernel) => {
          used = kernel.pages.usedPages;
        },
      });
      const ctx = box.run(openClient(box.optee));
      box.run(open(ctx));
      box.run(teedevCloseContext(ctx));
      box.run(box.optee.remove());
      assert.equal(box.kernel.pages.usedPages, used);
      assert.equal(box.kernel.addresses.size, 0);
      assert.equal(box.world.shared.size, 0);
      assert.equal(box.world.sessions.size, 0);
      assert.deepEqual(box.tee.devices, []);
      assert.equal(box.kernel.devices.find('tee0'), undefined);
    });

    it('can be followed by probing again', () => {
      const box = makeBox(options);
      box.run(box.optee.remove());
      const again = box.run(opteeProbe(box.tee, box.switches));
      assert.equal(typeof again, 'object');
      assert.equal(box.tee.devices[0]?.name, 'tee0');
    });

    it('waits for contexts and shared memory', () => {
      const box = makeBox(options);
      const { optee } = box;
      const ctx = box.run(openClient(optee));
      const supplicant = box.run(openSupplicant(optee));
      const shm = box.run(teeShmAllocKernelBuf(ctx, 1)) as TeeShm;
      const removing = box.spawn('remover', optee.remove());
      box.settle();
      assert.equal(removing.site, 'teedev->c_no_users');
      removing.kill();
      box.settle();
      assert.equal(removing.site, 'teedev->c_no_users', 'uninterruptibly');
      box.run(teedevCloseContext(supplicant));
      assert.equal(removing.site, 'teedev->c_no_users');
      box.run(teedevCloseContext(ctx));
      assert.equal(removing.site, 'teedev->c_no_users', 'a buffer is left');
      box.run(shm.put());
      assert.equal(removing.task.state, 'done');
      assert.equal(box.run(teedevOpen(optee.teedev)), -EINVAL);
    });
  });
}

describe('removal with programs', () => {
  it('takes the nodes away; who has one open keeps it', () => {
    const box = makeBox();
    const program = new Program(box.kernel, { name: 'client' });
    const fd = box.run(program.sys.open('/dev/tee0', O_RDWR));
    assert.ok(fd >= 0);
    const removing = box.spawn('remover', box.optee.remove());
    box.settle();
    assert.equal(box.run(program.sys.open('/dev/tee0', O_RDWR)), -2);
    assert.equal(box.run(program.sys.close(fd)), 0);
    box.settle();
    assert.equal(removing.task.state, 'done');
  });
});

describe('removal under a call', () => {
  it('frees its message: the end of the call is a use after free', () => {
    const gate = makeGate();
    const { box } = gate;
    gate.call(0);
    box.spawn('remover', box.optee.remove());
    box.settle();
    assert.match(box.kernel.dmesg.text, /optee: Freeing non-free entry/);
    assert.throws(() => gate.release(0), /optee_free_msg_arg/);
    assert.equal(box.sched.halted?.kind, 'use after free');
  });
});

describe('removal after a page of messages was had from a context that was released', () => {
  /** All slots of the first page are taken while a context closes its session. */
  function leaveDangling(options: BoxOptions): ReturnType<typeof makeGate> {
    const gate = makeGate({
      ...options,
      setUp: (world) => {
        world.threads = 20;
      },
    });
    const { box } = gate;
    const ctx = box.run(openClient(box.optee));
    box.run(open(ctx));
    for (let n = 0; n < 10; n++) gate.call(n);
    box.run(teedevCloseContext(ctx));
    for (let n = 0; n < 10; n++) gate.release(n);
    box.run(teedevCloseContext(gate.ctx));
    return gate;
  }

  it('is a use after free', () => {
    const { box } = leaveDangling({});
    assert.throws(() => box.run(box.optee.remove()), /belongs to a context that was released/);
  });

  it('is nothing special when fixed', () => {
    const { box } = leaveDangling({ switches: FIXED });
    box.run(box.optee.remove());
    assert.equal(box.world.shared.size, 0);
  });
});

describe('shutdown', () => {
  it('leaves the devices alone', () => {
    const box = makeBox({ setUp: (world) => world.offer(OPTEE_SMC_SEC_CAP_DYNAMIC_SHM) });
    box.run(box.optee.shutdown());
    const ctx = box.run(openClient(box.optee));
    assert.equal(box.run(open(ctx)).ret, 0);
  });
});
