/** Device nodes, numbers, attributes, contexts, removal. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EACCES, EBUSY, EINVAL, ENODEV, ENOENT, ENOMEM, ENOTTY } from '../../abi/errno.ts';
import { O_RDONLY } from '../../abi/fcntl.ts';
import * as abi from '../../abi/tee.ts';
import { majorOf } from '../process/devices.ts';
import { teedevCloseContext, teedevOpen } from './tee-context.ts';
import { teeDeviceAlloc } from './tee-device.ts';
import type { TeeDevice } from './tee-device.ts';
import { TeeSubsystem } from './tee-subsystem.ts';
import { boot, makeKernel, NOTHING_HELD, register, sha1 } from './testing/box.ts';
import { FakeTee } from './testing/fake-tee.ts';
import { LINUX_6_1, LINUX_7_3 } from './testing/profiles.ts';
import type { TeeUser } from './testing/user.ts';

async function cat(user: TeeUser, path: string): Promise<string | number> {
  const { sys } = user.program;
  const fd = await user.program.run(sys.open(path, O_RDONLY));
  if (fd < 0) return fd;
  const at = user.memory.malloc(256);
  const length = await user.program.run(sys.read(fd, at, 256));
  await user.close(fd);
  if (length < 0) return length;
  return new TextDecoder().decode(user.memory.read(at, length));
}

describe('device nodes', () => {
  it('take the lowest free number of their half, 16 each, and give it back', async () => {
    const kernel = makeKernel();
    const tee = new TeeSubsystem(kernel, LINUX_7_3, { sha1 });
    const fake = new FakeTee(kernel.sched);
    const alloc = (privileged: boolean): TeeDevice | number =>
      teeDeviceAlloc(tee, { name: 'fake', ops: fake.clientOps(), privileged }, undefined, 42);
    const all = [false, true].flatMap((p) => Array.from({ length: 16 }, () => alloc(p)));
    assert.deepEqual(
      all.map((teedev) => (typeof teedev === 'number' ? teedev : [teedev.name, teedev.id])),
      [
        ...Array.from({ length: 16 }, (_, n) => [`tee${n}`, n]),
        ...Array.from({ length: 16 }, (_, n) => [`teepriv${n}`, n + 16]),
      ],
    );
    for (const p of [false, true]) assert.equal(alloc(p), -ENOMEM);
    assert.match(kernel.dmesg.text, /could not register client driver\n.*privileged driver\n/s);
    const third = all[3] as TeeDevice;
    assert.equal(third.drvdata, 42);
    await kernel.sched.call(kernel.sched.createTask('rmmod', { called: true }), third.unregister());
    assert.equal((alloc(false) as TeeDevice).name, 'tee3');
  });

  it('have one major, their own minor, and the rights that were asked for', async () => {
    const box = boot({
      nodeAccess: (privileged) => ({ mode: 0o660, uid: 0, gid: privileged ? 8 : 7 }),
    });
    const user = box.user({ uid: 1000, groups: [7] });
    const { sys } = user.program;
    const stats = [];
    for (const name of ['tee0', 'teepriv0']) {
      const stat = await user.program.run(sys.stat(`/dev/${name}`));
      if (typeof stat === 'number') assert.fail(`${name}: ${stat}`);
      stats.push(stat);
    }
    assert.deepEqual(
      stats.map(({ mode, gid }) => [mode & 0o777, gid]),
      [
        [0o660, 7],
        [0o660, 8],
      ],
    );
    assert.equal(majorOf(stats[0]!.rdev), majorOf(stats[1]!.rdev));
    assert.deepEqual(
      stats.map(({ rdev }) => rdev & 0xff),
      [0, 16],
    );
    assert.ok((await user.open('/dev/tee0')) >= 0);
    assert.equal(await user.open('/dev/teepriv0'), -EACCES);
  });

  it('have sysfs attributes, `revision` since 7.x only', async () => {
    for (const switches of [LINUX_7_3, LINUX_6_1]) {
      const box = boot({ switches });
      const user = box.user();
      assert.equal(await cat(user, '/sys/class/tee/tee0/implementation_id'), '1\n');
      const major = majorOf(box.tee.rdev(16));
      assert.equal(await cat(user, '/sys/class/tee/teepriv0/dev'), `${major}:16\n`);
      const uevent = await cat(user, '/sys/class/tee/teepriv0/uevent');
      assert.equal(uevent, `MAJOR=${major}\nMINOR=16\nDEVNAME=teepriv0\n`);
      const revision = await cat(user, '/sys/class/tee/tee0/revision');
      assert.equal(revision, switches === LINUX_7_3 ? '4.10\n' : -ENOENT);
    }
    const without = boot({ left: ['getTeeRevision'] });
    assert.equal(await cat(without.user(), '/sys/class/tee/tee0/revision'), -ENOENT);
  });

  it('take further attributes from the driver', async () => {
    const box = boot();
    const desc = { name: 'more', ops: box.fake.clientOps(), privileged: false };
    const teedev = teeDeviceAlloc(box.tee, desc, undefined, undefined) as TeeDevice;
    teedev.setDevGroups({ rpmb_routing_model: () => 'user\n' });
    assert.equal(teedev.register(), 0);
    assert.equal(teedev.register(), -EINVAL);
    assert.match(box.kernel.dmesg.text, /attempt to register twice/);
    const user = box.user();
    assert.equal(await cat(user, '/sys/class/tee/tee1/rpmb_routing_model'), 'user\n');
    const events = box.kernel.uevents.log.map(({ action, devpath }) => `${action} ${devpath}`);
    assert.ok(events.includes('add /class/tee/tee1'));
  });

  it('know open, close and ioctl only', async () => {
    const user = boot().user();
    const { sys } = user.program;
    const fd = await user.open();
    const at = user.memory.malloc(8);
    assert.equal(await user.program.run(sys.read(fd, at, 8)), -EINVAL);
    assert.equal(await user.program.run(sys.write(fd, at, 8)), -EINVAL);
    assert.equal(await user.program.run(sys.mmap(0, 4096, 1, 1, fd, 0)), -ENODEV);
    assert.notEqual(await user.ioctl(fd, 0xa4ff, at), -ENOTTY);
  });
});

describe('contexts', () => {
  it('the driver may refuse an open', async () => {
    const box = boot();
    box.fake.errors.open = -EBUSY;
    assert.equal(await box.user().open('/dev/teepriv0'), -EBUSY);
    assert.deepEqual(box.held(), { ...NOTHING_HELD, pages: box.held().pages });
    assert.deepEqual(box.fake.log, ['open 1'], 'neither closed nor released');
  });

  it('wait for a supplicant when they are of a file', async () => {
    const box = boot();
    const user = box.user();
    const fd = await user.open();
    box.fake.invoke = function* (ctx) {
      assert.equal(ctx.suppNowait, false);
      return 0;
    };
    assert.equal((await user.invoke(fd, 1)).rc, 0);
  });

  it('references taken while one is released do not count', async () => {
    const box = boot();
    const task = box.sched.createTask('kernel', { called: true });
    await box.sched.call(
      task,
      (function* () {
        const ctx = yield* teedevOpen(box.client);
        if (typeof ctx === 'number') assert.fail(String(ctx));
        ctx.releasing = true;
        ctx.get();
        yield* ctx.put();
        assert.equal(ctx.refcount.count, 1);
        ctx.releasing = false;
        yield* teedevCloseContext(ctx);
      })(),
    );
    assert.deepEqual(box.fake.log, ['open 1', 'close 1', 'release 1']);
  });
});

describe('removal', () => {
  it('hides the device at once, waits for its users, then forgets the pool', async () => {
    const box = boot();
    const user = box.user();
    const fd = await user.open();
    const shm = await user.alloc(fd, 1);
    const rmmod = box.sched.spawn('rmmod', box.client.unregister());
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(rmmod.blocked?.site, 'teedev->c_no_users');
    assert.equal(rmmod.blocked.mode, 'uninterruptible');
    assert.equal(await user.open(), -ENOENT);
    assert.equal(await cat(user, '/sys/class/tee/tee0/implementation_id'), -ENOENT);
    assert.equal((await user.invoke(fd, 5)).ret, 5, 'who has it open goes on');
    assert.ok((await user.alloc(fd, 1)).fd >= 0);
    await user.close(fd);
    assert.equal(rmmod.state, 'parked', 'memory keeps it too');
    await user.close(shm.fd);
    await user.program.exit();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(rmmod.state, 'done');
    assert.equal(box.client.desc, undefined);
    assert.equal(box.client.pool, undefined);
    const again = register(
      box.tee,
      { name: 'fake', ops: box.fake.clientOps(), privileged: false },
      box.fake.pool(),
    );
    assert.equal(again.name, 'tee0');
  });

  it('a device that is gone opens no more: -EINVAL', async () => {
    const box = boot();
    const task = box.sched.createTask('kernel', { called: true });
    const rc = await box.sched.call(
      task,
      (function* () {
        yield* box.client.unregister();
        return yield* teedevOpen(box.client);
      })(),
    );
    assert.equal(rc, -EINVAL);
  });
});

describe('support', () => {
  it('every ioctl has a row', async () => {
    const { TEE_SUPPORT } = await import('./support.ts');
    const names = TEE_SUPPORT.filter(({ area }) => area === 'ioctl').map(({ name }) => name);
    assert.deepEqual(names.toSorted(), Object.keys(abi.TEE_IOCTLS).toSorted());
    for (const row of TEE_SUPPORT) assert.equal(row.status === 'supported', row.note === undefined);
  });
});
