/** Kernel clients, the TEE bus, client UUIDs. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  EBUSY,
  EEXIST,
  EINVAL,
  ENODEV,
  ENOENT,
  ENOMEM,
  EPERM,
  EPROBE_DEFER,
} from '../../abi/errno.ts';
import { TEE_GEN_CAP_PRIVILEGED } from '../../abi/tee.ts';
import { formatUuid, NIL_UUID } from '../../abi/uuid.ts';
import type { Co } from '../../sched/task.ts';
import { teeSessionCalcClientUuid } from './client-uuid.ts';
import { TeeClientDevice } from './tee-bus.ts';
import type { TeeClientDriver } from './tee-bus.ts';
import {
  teeClientCancelReq,
  teeClientCloseContext,
  teeClientCloseSession,
  teeClientGetVersion,
  teeClientInvokeFunc,
  teeClientOpenContext,
  teeClientOpenSession,
  teeClientSystemSession,
} from './tee-client.ts';
import type { TeeContext } from './tee-context.ts';
import { TeeParam } from './tee-drv.ts';
import { boot } from './testing/box.ts';
import type { TeeBox } from './testing/box.ts';

async function inKernel<T>(box: TeeBox, body: () => Co<T>): Promise<T> {
  return box.sched.call(box.sched.createTask('kernel client', { called: true }), body());
}

const context = (ctx: TeeContext | number): TeeContext => {
  if (typeof ctx === 'number') throw new Error(`no context: ${ctx}`);
  return ctx;
};

describe('kernel clients', () => {
  it('open the first device that matches, privileged ones included', async () => {
    const box = boot();
    await inKernel(box, function* () {
      const caps: number[] = [];
      const first = context(
        yield* teeClientOpenContext(box.tee, (version) => caps.push(version.genCaps) > 0),
      );
      assert.equal(first.teedev.name, 'tee0');
      assert.equal(first.suppNowait, true);
      const second = context(yield* teeClientOpenContext(box.tee, () => true, first));
      assert.equal(second.teedev.name, 'teepriv0');
      assert.equal(caps[0]! & TEE_GEN_CAP_PRIVILEGED, 0);
      assert.equal(yield* teeClientOpenContext(box.tee, () => true, second), -ENOENT);
      assert.equal(yield* teeClientOpenContext(box.tee, () => false), -ENOENT);
      assert.equal(teeClientGetVersion(first).implId, 1);
      yield* teeClientCloseContext(first);
      yield* teeClientCloseContext(second);
    });
    assert.equal(box.held().users, 0);
  });

  it('skip devices that do not open, and end at -ENOMEM', async () => {
    const box = boot();
    await inKernel(box, function* () {
      box.fake.errors.open = -EBUSY;
      assert.equal(yield* teeClientOpenContext(box.tee, () => true), -ENOENT);
      assert.deepEqual(box.fake.log, ['open 1', 'open 2']);
      box.fake.errors.open = -ENOMEM;
      assert.equal(yield* teeClientOpenContext(box.tee, () => true), -ENOMEM);
      assert.deepEqual(box.fake.log, ['open 1', 'open 2', 'open 3']);
    });
    assert.equal(box.held().users, 0);
  });

  it('call the driver without the checks of user space', async () => {
    const box = boot();
    const arg = {
      uuid: new Uint8Array(16),
      clntUuid: new Uint8Array(16),
      clntLogin: 0x8000_0000,
      cancelId: 0,
      session: 0,
      ret: 0,
      retOrigin: 0,
    };
    const call = { func: 3, session: 7, cancelId: 0, ret: 0, retOrigin: 0 };
    await inKernel(box, function* () {
      const ctx = context(yield* teeClientOpenContext(box.tee, () => true));
      assert.equal(yield* teeClientOpenSession(ctx, arg, []), 0);
      assert.equal(arg.session, 7);
      assert.equal(yield* teeClientInvokeFunc(ctx, call, [new TeeParam()]), 0);
      assert.equal(call.ret, 3);
      assert.equal(teeClientSystemSession(ctx, 7), 0);
      assert.equal(yield* teeClientCancelReq(ctx, 1, 7), 0);
      assert.equal(yield* teeClientCloseSession(ctx, 7), 0);
      const priv = context(yield* teeClientOpenContext(box.tee, () => true, ctx));
      assert.equal(yield* teeClientOpenSession(priv, arg, []), -EINVAL);
      assert.equal(yield* teeClientInvokeFunc(priv, call, []), -EINVAL);
      assert.equal(teeClientSystemSession(priv, 7), -EINVAL);
      assert.equal(yield* teeClientCancelReq(priv, 1, 7), -EINVAL);
      assert.equal(yield* teeClientCloseSession(priv, 7), -EINVAL);
    });
  });
});

const UUID = 'f04a0fe7-1f5d-4b9b-abf7-619b85b4ce8c';
const OTHER = 'ab7a617c-b8e7-4d8f-8301-d09b61036b64';

function driver(log: string[], name: string, idTable: readonly string[], rc = 0): TeeClientDriver {
  return {
    name,
    idTable,
    *probe(device) {
      log.push(`${name} probe ${device.name}`);
      return rc;
    },
    *remove(device) {
      log.push(`${name} remove ${device.name}`);
    },
    *shutdown(device) {
      log.push(`${name} shutdown ${device.name}`);
    },
  };
}

describe('TEE bus', () => {
  it('binds by UUID, whichever comes first, and tells udev', async () => {
    const box = boot();
    const { bus } = box.tee;
    const log: string[] = [];
    const rng = driver(log, 'optee-rng', [OTHER, NIL_UUID, UUID]);
    const keys = driver(log, 'trusted-key-tee', [OTHER.replace('a', 'b'), UUID]);
    const a = new TeeClientDevice(box.kernel, `optee-ta-${UUID}`, UUID);
    const b = new TeeClientDevice(box.kernel, `optee-ta-${OTHER}`, OTHER);
    await inKernel(box, function* () {
      assert.equal(yield* bus.registerDriver(rng), 0);
      assert.equal(yield* bus.registerDevice(a), 0, 'the nil UUID ends the table');
      assert.equal(yield* bus.registerDevice(b), 0);
      assert.equal(yield* bus.registerDriver(keys), 0);
      assert.equal(yield* bus.registerDriver(keys), -EBUSY);
      assert.equal(yield* bus.registerDevice(a), -EEXIST);
      yield* bus.shutdown();
      yield* bus.unregisterDriver(rng);
      yield* bus.unregisterDevice(a);
      yield* bus.unregisterDevice(b);
    });
    assert.deepEqual(log, [
      `optee-rng probe optee-ta-${OTHER}`,
      `trusted-key-tee probe optee-ta-${UUID}`,
      `optee-rng shutdown optee-ta-${OTHER}`,
      `trusted-key-tee shutdown optee-ta-${UUID}`,
      `optee-rng remove optee-ta-${OTHER}`,
      `trusted-key-tee remove optee-ta-${UUID}`,
    ]);
    const events = box.kernel.uevents.log.filter(({ devpath }) => devpath.includes(UUID));
    assert.deepEqual(
      events.map(({ action }) => action),
      ['add', 'bind', 'unbind', 'remove'],
    );
    assert.equal(events[0]?.env['MODALIAS'], `tee:${UUID}`);
    assert.equal(box.kernel.sysfs.fs.root.lookup('bus'), -ENOENT);
  });

  it('a driver that refuses leaves the device to the next one', async () => {
    const box = boot();
    const { bus } = box.tee;
    const log: string[] = [];
    const device = new TeeClientDevice(box.kernel, 'optee-ta-x', UUID, {
      need_supplicant: () => '',
    });
    await inKernel(box, function* () {
      yield* bus.registerDriver(driver(log, 'silent', [UUID], -ENODEV));
      yield* bus.registerDriver(driver(log, 'broken', [UUID], -EPROBE_DEFER));
      yield* bus.registerDriver(driver(log, 'good', [UUID]));
      yield* bus.registerDevice(device);
    });
    const uevent = box.kernel.sysfs.fs.root.lookup('bus');
    assert.equal(typeof uevent, 'object', 'the device has attributes');
    assert.equal(device.driver?.name, 'good');
    assert.equal(log.length, 3);
    assert.match(box.kernel.dmesg.text, /broken: probe of optee-ta-x failed with error -517/);
    assert.doesNotMatch(box.kernel.dmesg.text, /silent/);
  });
});

describe('client UUIDs', () => {
  const uuidOf = (login: number, gid: number, options = {}): string | number => {
    const box = boot();
    const data = new Uint8Array(16);
    new DataView(data.buffer).setUint32(0, gid, true);
    const { thread } = box.user(options).program;
    const uuid = teeSessionCalcClientUuid(box.tee, login, data, thread);
    return typeof uuid === 'number' ? uuid : formatUuid(uuid);
  };

  it('are those of the published vectors', () => {
    assert.equal(uuidOf(0, 5), NIL_UUID);
    assert.equal(uuidOf(0x8000_0000, 5), NIL_UUID);
    assert.equal(uuidOf(1, 5), 'ef0180a3-13f3-5d1c-b7f5-888c0e21059a');
    assert.equal(uuidOf(1, 5, { uid: 1000 }), 'fc34275c-d8dd-5ba7-968b-504718363b87');
    assert.equal(uuidOf(1, 5, { uid: 0, euid: 1000 }), 'fc34275c-d8dd-5ba7-968b-504718363b87');
    assert.equal(uuidOf(2, 0), 'd93bc168-f863-58d3-a1fe-bb2039421b99');
    const inGroup = { uid: 1000, gid: 5, groups: [1000] };
    assert.equal(uuidOf(2, 1000, inGroup), '0ece43ed-001d-51bd-bab7-480c8954c3cf');
  });

  it('need the group, and a login that exists', () => {
    assert.equal(uuidOf(2, 1000, { uid: 1, gid: 1 }), -EPERM);
    assert.equal(uuidOf(2, 0xffff_ffff), -EPERM);
    for (const login of [3, 4, 5, 6, 7, 0x8000_0001, 0xc000_0000, 0xffff_ffff]) {
      assert.equal(uuidOf(login, 0), -EINVAL, String(login));
    }
  });

  it('of kernel threads are those of root', () => {
    const box = boot();
    const uuid = teeSessionCalcClientUuid(box.tee, 1, new Uint8Array(16), undefined);
    assert.equal(formatUuid(uuid as Uint8Array), 'ef0180a3-13f3-5d1c-b7f5-888c0e21059a');
  });
});
