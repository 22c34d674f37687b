/** The bnxt firmware client: boot, core dumps in pieces, each refusal, nothing left. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL, ENODEV } from '../../abi/errno.ts';
import { TEEC_ERROR_ITEM_NOT_FOUND } from '../../abi/gp.ts';
import { BNXT_UUID, TA_CMD_BNXT_COPY_COREDUMP, TA_CMD_BNXT_FASTBOOT } from '../../abi/pta.ts';
import { QEMU_ARMV8, SMALL } from '../../boards/boards.ts';
import type { Box, BoxOptions } from '../../box/box.ts';
import { PROFILES } from '../../box/profiles.ts';
import type { ProfileName } from '../../box/profiles.ts';
import type { Co } from '../../sched/task.ts';
import { bnxtTa, dumpByte, peerTa } from './testing/peers.ts';
import { boot } from './testing/rig.ts';

const MIB = 1 << 20;
const profiles = Object.keys(PROFILES) as ProfileName[];

const bootBnxt = (options: BoxOptions = {}): Box =>
  boot({ tas: [bnxtTa()], kernelClients: ['tee_bnxt_fw'], ...options });

async function inKernel<T>(box: Box, body: Co<T>): Promise<T | undefined> {
  const task = box.kernel.kthread('bnxt_en', body);
  await box.settle();
  return task.result as T | undefined;
}

for (const profile of profiles) {
  describe(`tee_bnxt_fw as ${profile}`, () => {
    it('boots the firmware, and copies a dump that is longer than the buffer', async () => {
      using box = bootBnxt({ profile });
      const { bnxt } = box.kernelClients;
      assert.equal(await inKernel(box, bnxt.load()), 0);
      const dump = new Uint8Array(5 * MIB + 3);
      assert.equal(await inKernel(box, bnxt.copyCoredump(dump, 100)), 0);
      assert.ok(dump.every((byte, n) => byte === dumpByte(100 + n)));
      assert.equal(await inKernel(box, bnxt.copyCoredump(new Uint8Array(0), 0)), 0);
      assert.deepEqual(box.leaks(), []);
    });

    it('removed or shut down it gives 4 MiB back, and is -ENODEV', async () => {
      using box = bootBnxt({ profile });
      const { bnxt } = box.kernelClients;
      const { pages } = box.kernel;
      const used = pages.usedPages;
      await inKernel(box, box.tee.bus.unregisterDriver(bnxt));
      assert.equal(used - pages.usedPages >= 1024, true);
      assert.equal(box.opteeOs.usage().sessions, 0);
      assert.equal(await inKernel(box, bnxt.load()), -ENODEV);
      assert.equal(await inKernel(box, bnxt.copyCoredump(new Uint8Array(1), 0)), -ENODEV);
      await inKernel(box, box.tee.bus.registerDriver(bnxt));
      assert.equal(await inKernel(box, bnxt.load()), 0);
      await inKernel(box, box.tee.bus.shutdown());
      assert.equal(await inKernel(box, bnxt.load()), -ENODEV);
      assert.equal(box.opteeOs.usage().sessions, 0);
    });
  });
}

describe('tee_bnxt_fw', () => {
  it('makes -EINVAL of whatever the TEE answers', async () => {
    const refuse = (command: number): number =>
      command === TA_CMD_BNXT_FASTBOOT ? TEEC_ERROR_ITEM_NOT_FOUND : 0;
    using box = bootBnxt({ tas: [bnxtTa(refuse)] });
    const { bnxt } = box.kernelClients;
    assert.equal(await inKernel(box, bnxt.load()), -EINVAL);
    assert.match(
      box.kernel.dmesg.text,
      /tee_bnxt_fw optee-ta-6272.*TA_CMD_BNXT_FASTBOOT invoke failed TEE err: ffff0008, ret:0/,
    );
    using other = bootBnxt({
      tas: [bnxtTa((command) => (command === 0 ? 0 : TEEC_ERROR_ITEM_NOT_FOUND))],
    });
    const copy = other.kernelClients.bnxt.copyCoredump(new Uint8Array(8), 0);
    assert.equal(await inKernel(other, copy), -EINVAL);
    assert.match(other.kernel.dmesg.text, /TA_CMD_BNXT_COPY_COREDUMP invoke failed/);
  });

  it('asks for pieces as small as the TA left the size', async () => {
    const sizes: number[] = [];
    const shrink = bnxtTa((command, params) => {
      if (command === TA_CMD_BNXT_COPY_COREDUMP) {
        sizes.push(params[1].value.b);
        params[0].memref.size = 1000;
      }
      return 0;
    });
    using box = bootBnxt({ tas: [shrink] });
    const dump = new Uint8Array(4 * MIB + 2500);
    assert.equal(await inKernel(box, box.kernelClients.bnxt.copyCoredump(dump, 0)), 0);
    assert.deepEqual(sizes, [4 * MIB, 1000, 1000, 500]);
    assert.ok(dump.every((byte, n) => byte === dumpByte(n)));
  });

  it('never ends when the TA leaves no size: the box says so', async () => {
    const none = bnxtTa((_command, params) => (params[0].memref.size = 0));
    using box = bootBnxt({ tas: [none] });
    const dump = new Uint8Array(4 * MIB + 1);
    await inKernel(box, box.kernelClients.bnxt.copyCoredump(dump, 0));
    assert.match(box.halted?.text ?? '', /soft lockup: tee_bnxt_copy_coredump/);
  });

  it('needs a session and 4 MiB that hang together', () => {
    using closed = boot({
      tas: [peerTa(BNXT_UUID, { invoke: () => 0, open: TEEC_ERROR_ITEM_NOT_FOUND })],
      kernelClients: ['tee_bnxt_fw'],
    });
    assert.match(closed.kernel.dmesg.text, /tee_client_open_session failed, err: ffff0008/);
    assert.match(closed.kernel.dmesg.text, /probe of optee-ta-6272.* failed with error -22/);
    using small = bootBnxt({
      board: { ...SMALL, name: 'no room', ramBytes: QEMU_ARMV8.ramBytes / 8 },
    });
    const { text } = small.kernel.dmesg;
    assert.match(text, /tee_bnxt_fw optee-ta-6272.*tee_shm_alloc_kernel_buf failed/);
    assert.match(text, /probe of optee-ta-6272.* failed with error -12/);
    assert.equal(small.opteeOs.usage().sessions, 0);
    assert.deepEqual(small.leaks(), []);
  });

  it('quirkBnxtFailedProbe: goes on to use the context of a probe that failed', async () => {
    const options = {
      tas: [peerTa(BNXT_UUID, { invoke: () => 0, open: TEEC_ERROR_ITEM_NOT_FOUND })],
      kernelClients: ['tee_bnxt_fw'],
    } as const;
    for (const profile of ['linux-6.1', 'linux-7.3'] as const) {
      using box = boot({ ...options, profile });
      await inKernel(box, box.kernelClients.bnxt.load());
      assert.match(box.halted?.text ?? '', /use after free: tee_bnxt_fw/);
    }
    using fixed = boot({ ...options, profile: 'hardened' });
    const { bnxt } = fixed.kernelClients;
    assert.equal(await inKernel(fixed, bnxt.load()), -ENODEV);
    assert.equal(await inKernel(fixed, bnxt.copyCoredump(new Uint8Array(1), 0)), -ENODEV);
  });

  it('waits for its TA on the bus', async () => {
    using box = boot({ kernelClients: ['tee_bnxt_fw'] });
    assert.equal(await inKernel(box, box.kernelClients.bnxt.load()), -ENODEV);
  });
});
