import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EEXIST, ENODEV } from '../../../abi/errno.ts';
import { OPTEE_MSG_CMD_INVOKE_COMMAND } from '../../../abi/optee-msg.ts';
import { OPTEE_RPC_CMD_FS } from '../../../abi/optee-rpc.ts';
import * as smc from '../../../abi/optee-smc.ts';
import {
  PTA_CMD_GET_DEVICES,
  PTA_CMD_GET_DEVICES_RPMB,
  PTA_CMD_GET_DEVICES_SUPP,
} from '../../../abi/pta.ts';
import { parseUuid } from '../../../abi/uuid.ts';
import { LINUX_6_1 as CORE_6_1 } from '../testing/profiles.ts';
import { teedevCloseContext } from '../tee-context.ts';
import { enumerateDevices, unregisterDevices } from './device.ts';
import { makeBox, openSupplicant, readFile } from './testing/box.ts';
import type { BoxOptions, OpteeBox } from './testing/box.ts';
import { recv, send } from './testing/clients.ts';
import { RPMB_CAPS as CAPS, emmc, makeRpmb } from './testing/fake-rpmb.ts';
import type { FakeOptee } from './testing/fake-optee.ts';
import { LINUX_6_1 } from './testing/profiles.ts';

const uuid = (n: number): string => `0000000${n}-1111-2222-3333-444444444444`;
const names = (box: OpteeBox): readonly string[] => box.tee.bus.devices.map(({ name }) => name);

/** A device pseudo TA with a list for each command, or an error. */
function announce(
  world: FakeOptee,
  lists: Readonly<Record<number, readonly string[] | number>>,
): void {
  world.handle = function* (message) {
    yield* world.succeed(message);
    if (message.cmd !== OPTEE_MSG_CMD_INVOKE_COMMAND) return;
    const list = lists[message.func] ?? [];
    if (typeof list === 'number') return message.answer(list);
    const { attr, b } = message.param(0);
    assert.deepEqual([message.numParams, attr & 0xf], [4, b === 0n ? 0xa : 6]);
    message.setParam(0, { b: BigInt(16 * list.length) });
    if (Number(b) < 16 * list.length) return message.answer(0xffff0010);
    const bytes = list.length === 0 ? new Uint8Array(0) : message.bytes(0);
    list.forEach((text, n) => bytes.set(parseUuid(text), 16 * n));
  };
}

const withDevices = (lists: Parameters<typeof announce>[1], more: BoxOptions = {}): OpteeBox =>
  makeBox({ ...more, setUp: (world) => announce(world, lists) });

describe('devices of the TEE bus', () => {
  it('are what the device TA lists when the driver is probed', () => {
    const box = withDevices({ [PTA_CMD_GET_DEVICES]: [uuid(1), uuid(2)] });
    assert.deepEqual(names(box), [`optee-ta-${uuid(1)}`, `optee-ta-${uuid(2)}`]);
    assert.deepEqual(
      box.tee.bus.devices.map((device) => device.uuid),
      [uuid(1), uuid(2)],
    );
    const added = box.kernel.uevents.log.filter(({ subsystem }) => subsystem === 'tee').at(-1);
    assert.equal(added?.env['MODALIAS'], `tee:${uuid(2)}`);
    assert.equal(box.world.sessions.size, 0);
    assert.equal(box.optee.teedev.numUsers, 3, 'the driver, its context, and a page of messages');
  });

  it('may be more than one page of UUIDs', () => {
    const unique = Array.from(
      { length: 300 },
      (_, n) => `${String(n).padStart(8, '0')}-1111-2222-3333-444444444444`,
    );
    const box = withDevices({ [PTA_CMD_GET_DEVICES]: unique });
    assert.equal(names(box).length, 300);
  });

  it('need not be there: a secure world without the device TA is fine', () => {
    const box = makeBox({
      setUp: (world) => {
        world.handle = function* (message) {
          message.answer(0xffff0008, 3);
        };
        world.offer(smc.OPTEE_SMC_SEC_CAP_DYNAMIC_SHM);
      },
    });
    assert.deepEqual(names(box), []);
  });

  it('cannot be announced twice', () => {
    const box = withDevices({ [PTA_CMD_GET_DEVICES]: [uuid(1), uuid(1)] });
    assert.equal(box.probed, -EEXIST);
    assert.match(box.kernel.dmesg.text, /device registration failed, err: -17/);
    assert.deepEqual(names(box), [], 'and the driver takes them back');
  });

  it('that need a supplicant are looked for when the first one comes, once', () => {
    const box = withDevices({
      [PTA_CMD_GET_DEVICES]: [uuid(1)],
      [PTA_CMD_GET_DEVICES_SUPP]: [uuid(2)],
    });
    const supplicant = box.run(openSupplicant(box.optee));
    const name = `optee-ta-${uuid(2)}`;
    assert.ok(names(box).includes(name));
    assert.equal(readFile(box, `/sys/bus/tee/devices/${name}/need_supplicant`), '');
    assert.equal(readFile(box, `/sys/bus/tee/devices/optee-ta-${uuid(1)}/need_supplicant`), -2);
    box.run(unregisterDevices(box.tee));
    box.run(teedevCloseContext(supplicant));
    box.run(openSupplicant(box.optee));
    assert.deepEqual(names(box), []);
  });

  it('that cannot be listed are a warning then', () => {
    const box = withDevices({ [PTA_CMD_GET_DEVICES_SUPP]: 0xffff0000 });
    box.run(openSupplicant(box.optee));
    assert.match(box.kernel.dmesg.text, /WARNING: optee_bus_scan: -22/);
  });

  it('go with the driver', () => {
    const box = withDevices({ [PTA_CMD_GET_DEVICES]: [uuid(1)] });
    box.run(box.optee.remove());
    assert.deepEqual(names(box), []);
  });

  it('are -ENODEV without an OP-TEE', () => {
    const box = makeBox({ tree: { optee: undefined } });
    assert.equal(box.run(enumerateDevices(box.tee, PTA_CMD_GET_DEVICES)), -ENODEV);
  });
});

describe('the scan that a supplicant starts', () => {
  /** A scan whose TA asks the supplicant for something. */
  function scanning(options: BoxOptions): OpteeBox {
    return makeBox({
      ...options,
      setUp: (world) => {
        world.handle = function* (message) {
          yield* world.succeed(message);
          if (
            message.cmd === OPTEE_MSG_CMD_INVOKE_COMMAND &&
            message.func === PTA_CMD_GET_DEVICES_SUPP
          ) {
            yield* world.rpc(OPTEE_RPC_CMD_FS, [{ attr: 1 }]);
          }
        };
      },
    });
  }

  it('is not waited for by the supplicant’s release', () => {
    const box = scanning({});
    const supplicant = box.run(openSupplicant(box.optee));
    assert.equal(box.optee.scanBusWork?.blocked?.site, 'optee_supp_thrd_req');
    box.run(teedevCloseContext(supplicant));
    assert.equal(box.optee.scanBusWork?.state, 'done');
  });

  it('and that release wait for each other for ever in 6.1', () => {
    const box = scanning({ core: CORE_6_1, switches: LINUX_6_1 });
    const supplicant = box.run(openSupplicant(box.optee));
    const closing = box.spawn('supplicant', teedevCloseContext(supplicant));
    box.settle();
    assert.equal(closing.site, 'join');
    assert.equal(box.optee.scanBusWork?.blocked?.site, 'optee_supp_thrd_req');
  });

  it('ends well in 6.1 when the supplicant answers', () => {
    const box = scanning({ core: CORE_6_1, switches: LINUX_6_1 });
    const supplicant = box.run(openSupplicant(box.optee));
    box.run(send(supplicant, box.run(recv(supplicant))));
    box.run(teedevCloseContext(supplicant));
    assert.equal(box.optee.supp.ctx, undefined);
  });
});

describe('devices that need RPMB', () => {
  it('are looked for when an RPMB device comes, until the list has been had', () => {
    const { rpmb, add } = makeRpmb();
    const lists: Record<number, readonly string[] | number> = {
      [PTA_CMD_GET_DEVICES_RPMB]: 0xf0100003,
    };
    const box = makeBox({
      platform: { rpmb },
      setUp: (world) => {
        world.offer(CAPS);
        announce(world, lists);
      },
    });
    assert.equal(readFile(box, '/sys/class/tee/tee0/rpmb_routing_model'), 'kernel\n');
    add(emmc(1));
    box.settle();
    assert.deepEqual(names(box), []);
    assert.doesNotMatch(box.kernel.dmesg.text, /Scanning/, 'an RPMB that is not usable is normal');
    lists[PTA_CMD_GET_DEVICES_RPMB] = 0xffff0000;
    add(emmc(2));
    box.settle();
    assert.match(box.kernel.dmesg.text, /Scanning for RPMB device: ret -22/);
    lists[PTA_CMD_GET_DEVICES_RPMB] = [uuid(3)];
    add(emmc(3));
    box.settle();
    assert.deepEqual(names(box), [`optee-ta-${uuid(3)}`]);
    add(emmc(4));
    box.settle();
    assert.equal(names(box).length, 1);
    box.run(box.optee.remove());
    add(emmc(5));
    box.settle();
  });

  it('are not looked for where the secure world or the kernel does not probe', () => {
    for (const [caps, switches] of [
      [CAPS & ~smc.OPTEE_SMC_SEC_CAP_RPMB_PROBE, {}],
      [CAPS, { rpmbRouting: false }],
    ] as const) {
      const { rpmb, add } = makeRpmb();
      const box = makeBox({
        switches,
        platform: { rpmb },
        setUp: (world) => {
          world.offer(caps);
          announce(world, { [PTA_CMD_GET_DEVICES_RPMB]: [uuid(3)] });
        },
      });
      add(emmc(1));
      box.settle();
      assert.deepEqual(names(box), []);
    }
  });
});
