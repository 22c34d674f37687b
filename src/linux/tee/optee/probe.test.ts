import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL, ENODEV, ENOENT, ENOMEM, ENXIO } from '../../../abi/errno.ts';
import { OPTEE_RPC_CMD_NOTIFICATION } from '../../../abi/optee-rpc.ts';
import * as smc from '../../../abi/optee-smc.ts';
import { pa } from '../../../machine/address.ts';
import { LINUX_6_1 as CORE_6_1 } from '../testing/profiles.ts';
import { teeDeviceAlloc } from '../tee-device.ts';
import { teeShmAllocKernelBuf, teeShmAllocPrivBuf } from '../tee-shm-alloc.ts';
import type { TeeShm } from '../tee-shm.ts';
import { opteeProbe } from './probe.ts';
import { makeBox, readFile } from './testing/box.ts';
import type { BoxOptions, OpteeBox } from './testing/box.ts';
import type { FakeOptee } from './testing/fake-optee.ts';
import { LINUX_6_1 } from './testing/profiles.ts';

const OLD: BoxOptions = { core: CORE_6_1, switches: LINUX_6_1 };
const DYNAMIC = smc.OPTEE_SMC_SEC_CAP_DYNAMIC_SHM;
const RPC_ARG = smc.OPTEE_SMC_SEC_CAP_RPC_ARG;
const RESERVED = smc.OPTEE_SMC_SEC_CAP_HAVE_RESERVED_SHM;
const SHM = { base: 0x4000_0000 + (31 << 20), size: 1 << 20 };

/** Registers that a fast call answers with. */
const answering =
  (id: number, ...regs: readonly number[]) =>
  (world: FakeOptee): void => {
    world.fast.set(id, regs);
  };

interface Failure {
  readonly options: BoxOptions;
  readonly rc: number;
  readonly log?: RegExp;
}

const FAILURES: Readonly<Record<string, Failure>> = {
  'no node in the device tree': { options: { tree: { optee: undefined } }, rc: -ENODEV },
  'a kdump kernel': { options: { platform: { kdump: true } }, rc: -ENODEV },
  'another trusted OS': {
    options: { setUp: answering(smc.OPTEE_SMC_CALLS_UID, 1, 2, 3, 4) },
    rc: -EINVAL,
    log: /optee: api uid mismatch/,
  },
  'no trusted OS': {
    options: {
      setUp: answering(smc.OPTEE_SMC_CALLS_UID, smc.OPTEE_SMC_RETURN_UNKNOWN_FUNCTION),
    },
    rc: -EINVAL,
    log: /api uid mismatch/,
  },
  'another major revision': {
    options: { setUp: answering(smc.OPTEE_SMC_CALLS_REVISION, 3, 0) },
    rc: -EINVAL,
    log: /api revision mismatch/,
  },
  'a minor revision that is negative as an int': {
    options: { setUp: answering(smc.OPTEE_SMC_CALLS_REVISION, 2, 0xffff_ffff) },
    rc: -EINVAL,
    log: /api revision mismatch/,
  },
  'capabilities that do not agree': {
    options: {
      setUp: answering(smc.OPTEE_SMC_EXCHANGE_CAPABILITIES, smc.OPTEE_SMC_RETURN_ENOTAVAIL),
    },
    rc: -EINVAL,
    log: /capabilities mismatch/,
  },
  'no shared memory of any kind': {
    options: { setUp: (world) => world.offer(0) },
    rc: -EINVAL,
  },
  'reserved memory that is not there': {
    options: { setUp: (world) => world.offer(RESERVED) },
    rc: -ENOENT,
    log: /static shm service not available/,
  },
  'reserved memory that is not cached': {
    options: {
      setUp: (world) => {
        world.offer(RESERVED);
        world.fast.set(smc.OPTEE_SMC_GET_SHM_CONFIG, [0, SHM.base, SHM.size, 0]);
      },
    },
    rc: -EINVAL,
    log: /only normal cached shared memory supported/,
  },
  'RPC messages larger than a page': {
    options: { setUp: (world) => world.offer(DYNAMIC | RPC_ARG, 0, 255) },
    rc: -EINVAL,
  },
  'notifications without an interrupt': {
    options: {
      tree: { optee: { method: 'smc', interrupt: undefined } },
      setUp: (world) => world.offer(DYNAMIC | RPC_ARG | smc.OPTEE_SMC_SEC_CAP_ASYNC_NOTIF),
    },
    rc: -ENXIO,
    log: /platform_get_irq: ret -6/,
  },
};

describe('probing fails for', () => {
  for (const [name, { options, rc, log }] of Object.entries(FAILURES)) {
    it(name, () => {
      let used = 0;
      const box = makeBox({
        ...options,
        setUp: (world, kernel) => {
          used = kernel.pages.usedPages;
          options.setUp?.(world, kernel);
        },
      });
      assert.equal(box.probed, rc);
      if (log !== undefined) assert.match(box.kernel.dmesg.text, log);
      assert.deepEqual(box.tee.devices, []);
      assert.equal(box.kernel.pages.usedPages, used);
      assert.equal(box.kernel.addresses.size, 0);
    });
  }

  it('a kernel without device numbers, and gives back the one that it got', () => {
    const box = makeBox({ tree: { optee: undefined } });
    const desc = {
      name: 'other',
      privileged: true,
      ops: {
        getVersion: () => ({ implId: 2, implCaps: 0, genCaps: 0 }),
        *open() {
          return 0;
        },
        *release() {},
      },
    };
    while (typeof teeDeviceAlloc(box.tee, desc, undefined, undefined) !== 'number');
    Object.assign(box.kernel.machine.tree, { optee: { method: 'smc', interrupt: 1 } });
    assert.equal(box.run(opteeProbe(box.tee, box.switches)), -ENOMEM);
    const client = teeDeviceAlloc(box.tee, { ...desc, privileged: false }, undefined, undefined);
    assert.equal(typeof client === 'number' ? client : client.name, 'tee0');
  });

  it('a list of devices that cannot be had, and takes everything back', () => {
    let used = 0;
    const box = makeBox({
      setUp: (world, kernel) => {
        used = kernel.pages.usedPages;
        world.handle = function* (message) {
          yield* world.succeed(message);
          if (message.cmd === 1) message.answer(0xffff0000);
        };
      },
    });
    assert.equal(box.probed, -EINVAL);
    assert.match(box.kernel.dmesg.text, /PTA_CMD_GET_DEVICES invoke function err: ffff0000/);
    assert.deepEqual(box.tee.devices, []);
    assert.equal(box.kernel.pages.usedPages, used);
    assert.equal(box.world.shared.size, 0);
    assert.equal(box.kernel.devices.find('tee0'), undefined);
  });
});

describe('probing', () => {
  it('says what it finds', () => {
    const box = makeBox();
    assert.deepEqual(
      box.kernel.dmesg.lines().map(({ text }) => text),
      [
        'optee: probing for conduit method.',
        'optee: revision 4.10 (000000001a2b3c4d)',
        'optee: dynamic shared memory is enabled',
        'optee: initialized driver',
      ],
    );
    assert.match(makeBox(OLD).kernel.dmesg.text, /optee: revision 4.10 \(1a2b3c4d\)\n/);
    const setUp = answering(smc.OPTEE_SMC_CALL_GET_OS_REVISION, 3, 1, 0);
    assert.match(makeBox({ setUp }).kernel.dmesg.text, /optee: revision 3.1\n/);
  });

  it('tells the secure world when there is one CPU', () => {
    for (const [cpus, a1] of [
      [1, smc.OPTEE_SMC_NSEC_CAP_UNIPROCESSOR],
      [2, 0],
    ] as const) {
      let seen: number | undefined;
      makeBox({
        cpus,
        setUp: (world) => {
          const plain = world.smc.bind(world);
          world.smc = function* (cpu, regs) {
            if (regs[0] === smc.OPTEE_SMC_EXCHANGE_CAPABILITIES) seen = regs[1];
            yield* plain(cpu, regs);
          };
        },
      });
      assert.equal(seen, a1);
    }
  });

  it('registers both devices', () => {
    const { tee, kernel } = makeBox();
    assert.deepEqual(
      tee.devices.map(({ name }) => name),
      ['tee0', 'teepriv0'],
    );
    assert.notEqual(kernel.devices.find('tee0'), undefined);
    assert.notEqual(kernel.devices.find('teepriv0'), undefined);
  });

  it('makes capabilities of those of the secure world', () => {
    const caps = [
      [DYNAMIC | RPC_ARG, 0x5],
      [DYNAMIC | smc.OPTEE_SMC_SEC_CAP_MEMREF_NULL, 0xd],
    ] as const;
    for (const [secCaps, genCaps] of caps) {
      const { optee } = makeBox({ setUp: (world) => world.offer(secCaps) });
      const version = { implId: 1, implCaps: 1, genCaps };
      assert.deepEqual(optee.teedev.desc?.ops.getVersion(), version);
      assert.deepEqual(optee.suppTeedev.desc?.ops.getVersion(), version);
      assert.equal(optee.ctx.capMemrefNull, (genCaps & 8) !== 0);
    }
  });

  it('uses whole pages of reserved memory, in granules of 512 bytes', () => {
    const box = makeBox({
      tree: { reservedShm: { base: pa(SHM.base), size: SHM.size } },
      setUp: (world) => {
        world.offer(RESERVED);
        const config = [0, SHM.base + 100, 3 * 4096, smc.OPTEE_SMC_SHM_CACHED];
        world.fast.set(smc.OPTEE_SMC_GET_SHM_CONFIG, config);
      },
    });
    const shm = box.run(teeShmAllocPrivBuf(box.optee.ctx, 1)) as TeeShm;
    assert.deepEqual([shm.paddr, shm.size], [SHM.base + 2 * 4096, 512], 'behind the messages');
    assert.equal(box.run(teeShmAllocPrivBuf(box.optee.ctx, 8192)), -ENOMEM);
    assert.doesNotMatch(box.kernel.dmesg.text, /dynamic/);
    box.run(shm.put());
  });

  it('empties the secure world’s cache without looking at what comes out', () => {
    const setUp = (world: FakeOptee): void => {
      world.cached.push([0xffff0000, 0x40], [0xdead, 0xbeef]);
    };
    const { world } = makeBox({ setUp });
    assert.deepEqual(world.cached, []);
    assert.equal(world.cacheEnabled, false, 'messages for RPCs come with the calls');
  });

  it('enables the cache when RPCs bring their own messages, and empties it at shutdown', () => {
    const { box, kept } = withCache();
    assert.equal(box.world.cacheEnabled, true);
    box.run(box.optee.shutdown());
    assert.equal(box.world.cacheEnabled, false);
    assert.equal(kept.refcount.count, 0, 'what the secure world kept is freed');
  });

  it('waits for ever with a secure world that is always busy', () => {
    const setUp = (world: FakeOptee): void => {
      world.offer(DYNAMIC);
      world.fast.set(smc.OPTEE_SMC_ENABLE_SHM_CACHE, [smc.OPTEE_SMC_RETURN_EBUSY]);
    };
    assert.throws(() => makeBox({ setUp }), /sleeps in optee_cq_wait_for_completion/);
  });

  it('waits with the cache until no secure thread is busy', () => {
    const { box } = withCache();
    box.world.handle = function* (message) {
      yield* box.world.rpc(OPTEE_RPC_CMD_NOTIFICATION, [{ attr: 1, a: 0n, b: 5n }]);
      yield* box.world.succeed(message);
    };
    const call = box.spawn('caller', teeShmAllocKernelBuf(box.optee.ctx, 1));
    box.settle();
    const down = box.spawn('shutdown', box.optee.shutdown());
    box.settle();
    assert.equal(down.site, 'optee_cq_wait_for_completion');
    box.optee.notif.send(5);
    box.settle();
    assert.equal(down.task.state, 'done');
    assert.equal(call.task.state, 'done');
  });
});

/** A secure world that keeps the memory of its RPC messages, and holds one piece. */
function withCache(): { box: OpteeBox; kept: TeeShm } {
  const box = makeBox({ setUp: (world) => world.offer(DYNAMIC) });
  const kept = box.run(teeShmAllocPrivBuf(box.optee.ctx, 100)) as TeeShm;
  box.world.cached.push([kept.address.hi, kept.address.lo]);
  return { box, kept };
}

describe('sysfs', () => {
  it('has the revision and who serves RPMB', () => {
    const box = makeBox();
    const attribute = (path: string, of = box): string | number =>
      readFile(of, `/sys/class/tee/${path}`);
    assert.equal(attribute('tee0/implementation_id'), '1\n');
    assert.equal(attribute('tee0/revision'), '4.10 (000000001a2b3c4d)\n');
    assert.equal(attribute('teepriv0/rpmb_routing_model'), 'user\n');
    const old = makeBox(OLD);
    assert.equal(attribute('tee0/implementation_id', old), '1\n');
    assert.equal(attribute('tee0/revision', old), -ENOENT);
    assert.equal(attribute('tee0/rpmb_routing_model', old), -ENOENT);
  });
});
