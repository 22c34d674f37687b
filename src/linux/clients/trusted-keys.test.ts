/** Trusted keys from add_key() to the TA and back, on every profile; each refusal; nothing left. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  EACCES,
  EFAULT,
  EINVAL,
  EKEYREVOKED,
  ENODEV,
  ENOENT,
  ENOKEY,
  ENOMEM,
  ENOSYS,
  EPERM,
} from '../../abi/errno.ts';
import {
  TEEC_ERROR_ACCESS_DENIED,
  TEEC_ERROR_SHORT_BUFFER,
  TEEC_LOGIN_PUBLIC,
} from '../../abi/gp.ts';
import {
  KEYCTL_READ,
  KEYCTL_REVOKE,
  KEYCTL_SETPERM,
  KEYCTL_UNLINK,
  KEYCTL_UPDATE,
  KEY_POS_ALL,
  KEY_POS_READ,
  KEY_SPEC_PROCESS_KEYRING,
  KEY_SPEC_SESSION_KEYRING,
} from '../../abi/keyctl.ts';
import { TA_CMD_GET_RANDOM, TA_CMD_SEAL, TRUSTED_KEYS_UUID } from '../../abi/pta.ts';
import type { Box } from '../../box/box.ts';
import { PROFILES } from '../../box/profiles.ts';
import type { ProfileName } from '../../box/profiles.ts';
import type { Co } from '../../sched/task.ts';
import { taImageOf } from '../../ta/typescript/image.ts';
import { defineTa } from '../../ta/typescript/define.ts';
import type { TraceEvent } from '../../trace/events.ts';
import { parseKernelClient } from './modules.ts';
import type { KernelClient } from './modules.ts';
import { KeyUser, TRUSTED_KEYS_TA, boot, bootTrusted } from './testing/rig.ts';

const HEADER = 33;
const SESSION = KEY_SPEC_SESSION_KEYRING;
const profiles = Object.keys(PROFILES) as ProfileName[];

const user = (box: Box, uid = 0): KeyUser => new KeyUser(box.program({ name: 'keyctl', uid }));
const errors = (box: Box): string => box.kernel.dmesg.text;

/** A TA of the same UUID that answers otherwise. */
function peer(answer: (command: number, size: (n: number, to: number) => void) => number) {
  const { flags } = TRUSTED_KEYS_TA.head;
  const definition = defineTa({ uuid: TRUSTED_KEYS_UUID, flags }, () => ({
    TA_CreateEntryPoint: () => 0,
    TA_DestroyEntryPoint() {},
    TA_OpenSessionEntryPoint: () => 0,
    TA_CloseSessionEntryPoint() {},
    TA_InvokeCommandEntryPoint: (_session, command, _types, params) =>
      answer(command, (n, to) => (params[n]!.memref.size = to)),
  }));
  return taImageOf({ default: definition }, 'peer');
}

async function inKernel(box: Box, body: Co<unknown>): Promise<void> {
  box.kernel.kthread('test', body);
  await box.settle();
}

for (const profile of profiles) {
  describe(`trusted keys as ${profile}`, () => {
    it('new, print, load: the blob opens to the same key, and nothing is left', async () => {
      const box = bootTrusted({ profile });
      const keys = user(box);
      for (const length of [32, 33, 128]) {
        const serial = await keys.add(`kmk${length}`, `new ${length}`);
        assert.ok(serial > 2, String(serial));
        const blob = await keys.read(serial);
        assert.match(String(blob), new RegExp(`^00[0-9a-f]{${2 * (length + HEADER) - 2}}$`));
        const again = await keys.add(`copy${length}`, `load ${blob}`);
        assert.ok(again > 2 && again !== serial, String(again));
        assert.equal(await keys.read(again), blob, 'a loaded blob is kept as it came');
      }
      assert.deepEqual(
        box.leaks().filter(({ what }) => what.includes('registered')),
        [],
      );
      await keys.exit(box);
      assert.deepEqual(box.leaks(), []);
      box.dispose();
    });

    it('updates are refused, also by adding a key of the same name', async () => {
      using box = bootTrusted({ profile });
      const keys = user(box);
      const serial = await keys.add('kmk', 'new 32');
      const update = keys.text('update');
      assert.equal(await keys.keyctl(KEYCTL_UPDATE, serial, update, 6), -EPERM);
      assert.equal(await keys.add('kmk', 'new 64'), -EPERM);
      assert.equal(await keys.keyctl(KEYCTL_UPDATE, serial, update, 4097), -EINVAL);
      assert.equal(await keys.keyctl(KEYCTL_UPDATE, serial, 8, 6), -EFAULT);
    });

    it('an unlinked key is gone with its slab, a revoked one is refused', async () => {
      using box = bootTrusted({ profile });
      const keys = user(box);
      const serial = await keys.add('kmk', 'new 32');
      const used = box.kernel.pages.usedPages;
      assert.equal(box.kernel.map.slab.objects, 1);
      assert.equal(await keys.keyctl(KEYCTL_REVOKE, serial), 0);
      assert.equal(await keys.read(serial), -EKEYREVOKED);
      assert.equal(await keys.describe(serial), -EKEYREVOKED);
      assert.equal(await keys.keyctl(KEYCTL_UNLINK, serial, SESSION), 0);
      assert.equal(box.kernel.map.slab.objects, 0);
      assert.equal(used - box.kernel.pages.usedPages, 4, 'a slab of kmalloc-1024');
      assert.equal(await keys.read(serial), -ENOKEY);
      assert.equal(await keys.keyctl(KEYCTL_UNLINK, serial, SESSION), -ENOKEY);
      const other = await keys.add('kmk', 'new 32', { ring: KEY_SPEC_PROCESS_KEYRING });
      assert.equal(await keys.keyctl(KEYCTL_UNLINK, other, SESSION), -ENOENT);
    });

    it('whatever the TEE answers is -EFAULT, with a line in the kernel log', async () => {
      using box = bootTrusted({ profile });
      const keys = user(box);
      const blob = String(await keys.read(await keys.add('kmk', 'new 32')));
      const last = blob.endsWith('0') ? '1' : '0';
      const tampered = blob.slice(0, -1) + last;
      assert.equal(await keys.add('a', `load ${tampered}`), -EFAULT);
      assert.match(
        errors(box),
        /trusted-key-tee optee-ta-f04a.*: TA_CMD_UNSEAL invoke err: ffff000f/,
      );
      assert.match(errors(box), /trusted_key: key_unseal failed \(-14\)/);
      assert.equal(await keys.add('b', 'load 00'), -EFAULT);
      assert.match(errors(box), /TA_CMD_UNSEAL invoke err: ffff0006/);
      assert.equal(await keys.add('c', 'load '), -EFAULT);
      await keys.exit(box);
      assert.deepEqual(box.leaks(), []);
    });

    it('unloading ends the type, its keys, the session and the context', async () => {
      using box = bootTrusted({ profile });
      const keys = user(box);
      const serial = await keys.add('kmk', 'new 32');
      const [driver] = box.tee.bus.drivers;
      const { contexts } = box.tee;
      const before = contexts.size;
      await inKernel(box, box.tee.bus.unregisterDriver(driver!));
      assert.equal(contexts.size, before - 1);
      assert.equal(box.opteeOs.usage().sessions, 0);
      assert.equal(await keys.read(serial), -ENOKEY);
      assert.equal(await keys.add('kmk', 'new 32'), -ENODEV);
      assert.match(
        errors(box),
        /Key type trusted registered\n(.*\n)*.*Key type trusted unregistered/,
      );
      await inKernel(box, box.tee.bus.registerDriver(driver!));
      assert.ok((await keys.add('kmk', 'new 32')) > 0);
      assert.equal(box.halted, undefined);
    });
  });
}

describe('what trusted keys are given', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['', -EINVAL],
    ['new', -EINVAL],
    ['new 31', -EINVAL],
    ['new 129', -EINVAL],
    ['new  32', -EINVAL],
    ['new 32x', -EINVAL],
    ['new -32', -EINVAL],
    ['new 0x20', -EINVAL],
    ['newer 32', -EINVAL],
    ['load', -EINVAL],
    ['load zz', -EINVAL],
    [`load ${'00'.repeat(513)}`, -EINVAL],
    ['update', -EINVAL],
    ['', -EINVAL],
    [`new 32 ${' '.repeat(32_760)}x`, -EINVAL],
  ];

  it('is refused before the TEE hears of it, when it is wrong', async () => {
    using box = bootTrusted();
    const keys = user(box);
    const used = box.kernel.pages.usedPages;
    for (const [payload, errno] of cases) {
      assert.equal(await keys.add('kmk', payload), errno, payload.slice(0, 20));
    }
    assert.equal(await keys.add('', 'new 32'), -EINVAL);
    const extra = box.kernel.pages.usedPages - used;
    assert.ok(extra <= 60, `only the program's own pages: ${extra}`);
    assert.doesNotMatch(errors(box), /invoke err/);
  });

  it('may have a sign, a newline, later words and an end that C would not see', async () => {
    using box = bootTrusted();
    const keys = user(box);
    for (const [n, payload] of [
      'new +32',
      'new 32\n',
      'new\t32 keyhandle=1',
      'new 32\0x',
    ].entries())
      assert.ok((await keys.add(`k${n}`, payload)) > 0, JSON.stringify(payload));
    const blob = String(await keys.read(await keys.add('kmk', 'new 32')));
    assert.ok((await keys.add('upper', `load ${blob.toUpperCase()}\n`)) > 0);
  });
});

describe('READ of a trusted key', () => {
  it('gives the length, and the digits when all of them fit', async () => {
    using box = bootTrusted();
    const keys = user(box);
    const serial = await keys.add('kmk', 'new 32');
    const length = 2 * (32 + HEADER);
    assert.equal(await keys.keyctl(KEYCTL_READ, serial, 0, 0), length);
    keys.program.memory.write(keys.buffer, new Uint8Array(4));
    assert.equal(await keys.keyctl(KEYCTL_READ, serial, keys.buffer, length - 1), length);
    assert.deepEqual([...keys.program.memory.read(keys.buffer, 4)], [0, 0, 0, 0]);
    assert.equal(await keys.keyctl(KEYCTL_READ, serial, 8, length), -EFAULT);
    assert.equal(await keys.describe(serial), 'trusted;0;0;3f010000;kmk\0');
  });

  it('is for those who have the key or may read it', async () => {
    using box = bootTrusted();
    const owner = user(box, 1000);
    const serial = await owner.add('kmk', 'new 32');
    assert.equal(await user(box, 1000).read(serial), -EACCES, 'the same user, another session');
    assert.equal(await user(box, 2000).read(serial), -EACCES);
    const perm = KEY_POS_ALL & ~KEY_POS_READ;
    assert.equal(await owner.keyctl(KEYCTL_SETPERM, serial, perm), 0);
    assert.equal(typeof (await owner.read(serial)), 'string', 'having it is enough');
  });
});

describe('the TEE behind trusted keys', () => {
  it('opens blobs of its own only', async () => {
    using box = bootTrusted();
    const keys = user(box);
    const one = String(await keys.read(await keys.add('a', 'new 32')));
    const two = String(await keys.read(await keys.add('b', 'new 32')));
    assert.notEqual(one, two);
    using other = bootTrusted({ seed: 2 });
    assert.ok((await user(other).add('a', `load ${one}`)) > 0, 'the same hardware key');
  });

  it('lets nobody in but the kernel', async () => {
    using box = bootTrusted();
    const client = box.client();
    const { context } = await client.TEEC_InitializeContext(null);
    const opened = await client.TEEC_OpenSession(context, TRUSTED_KEYS_UUID, TEEC_LOGIN_PUBLIC);
    assert.equal(opened.result, TEEC_ERROR_ACCESS_DENIED);
  });

  it('may come short of random bytes: -EIO', async () => {
    const short = peer((command, size) => (command === 0 ? (size(0, 16), 0) : 0));
    using box = boot({ tas: [short], kernelClients: ['trusted'] });
    assert.equal(await user(box).add('kmk', 'new 32'), -5);
    assert.match(errors(box), /trusted_key: key_create failed \(16\)/);
  });

  it('is given key and blob as one piece of memory, for one command at a time', async () => {
    using box = bootTrusted({ trace: 'worlds' });
    const before = box.opteeOs.usage().registeredShm;
    assert.ok((await user(box).add('kmk', 'new 32')) > 0);
    const sizes = [...box.trace.events()].flatMap((event) => {
      if (event.name !== 'shm.alloc') return [];
      const { how, sizeBytes } = (event as TraceEvent<'shm.alloc'>).args;
      return how === 'register' ? [sizeBytes] : [];
    });
    assert.deepEqual(sizes, [32, 129 + 512]);
    assert.equal(box.opteeOs.usage().registeredShm, before);
  });

  it('is given a page of kmalloc(), with the other keys that lie on it', async () => {
    const linux = PROFILES['linux-7.3'];
    for (const [kernelRegistration, warned] of [
      ['iov_iter', 0],
      ['iov_iter-referenced', 1],
    ] as const) {
      const profile = { ...linux, tee: { ...linux.tee, kernelRegistration } };
      using box = bootTrusted({ profile, trace: 'worlds' });
      const { slab } = box.kernel.map;
      const pages: number[] = [];
      box.trace.addSink((event) => {
        if (event.name !== 'shm.alloc') return;
        if ((event as TraceEvent<'shm.alloc'>).args.how !== 'register') return;
        const shm = [...box.tee.registered].find(({ pages: [page] }) => slab.isFrozen(page!));
        if (shm !== undefined) pages.push(...shm.pages);
      });
      const keys = user(box);
      const blobs: unknown[] = [];
      for (const name of ['a', 'b', 'c', 'd']) {
        blobs.push(await keys.read(await keys.add(name, 'new 32')));
      }
      assert.equal(new Set(blobs).size, 4);
      // Each is random bytes and sealed; four objects of 1024 bytes have a page.
      assert.deepEqual([pages.length, new Set(pages).size], [8, 1]);
      const get = /WARNING: at include\/linux\/mm\.h get_page/g;
      assert.equal(errors(box).match(get)?.length ?? 0, warned, 'the first time only');
    }
  });

  it('is left again when the key type is taken', async () => {
    using box = boot({ tas: [TRUSTED_KEYS_TA] });
    const { keys } = box.kernelClients.keys;
    assert.equal(
      keys.registerType({
        name: 'trusted',
        *instantiate() {
          return 0;
        },
      }),
      0,
    );
    await inKernel(box, box.kernelClients.load(parseKernelClient('trusted')));
    assert.match(errors(box), /trusted-key-tee: probe of optee-ta-f04a.* failed with error -17/);
    assert.equal(box.opteeOs.usage().sessions, 0);
    assert.deepEqual(box.leaks(), []);
  });

  it('may refuse each command: -EFAULT', async () => {
    for (const [refused, name] of ['GET_RANDOM', 'SEAL'].entries()) {
      const ta = peer((command) => (command === refused ? TEEC_ERROR_SHORT_BUFFER : 0));
      using box = boot({ tas: [ta], kernelClients: ['trusted'] });
      const keys = user(box);
      assert.equal(await keys.add('kmk', 'new 32'), -EFAULT);
      assert.match(errors(box), new RegExp(`TA_CMD_${name} invoke err: ffff0010`));
      await keys.exit(box);
      assert.deepEqual(box.leaks(), []);
    }
  });

  it('need not be there: the type is unknown', async () => {
    using box = boot({ kernelClients: ['trusted'] });
    assert.equal(await user(box).add('kmk', 'new 32'), -ENODEV);
    assert.equal(box.tee.bus.devices.length, 0);
  });

  it('is refused without registered memory', async () => {
    using box = bootTrusted({ config: { CFG_CORE_DYN_SHM: false } });
    assert.equal(await user(box).add('kmk', 'new 32'), -ENODEV);
    assert.deepEqual(box.leaks(), []);
    assert.doesNotMatch(errors(box), /trusted-key-tee: probe/, 'the driver does not want it');
  });

  it('is taken without registered memory in 6.1, and then no key can be made', async () => {
    using box = bootTrusted({ profile: 'linux-6.1', config: { CFG_CORE_DYN_SHM: false } });
    const keys = user(box);
    assert.equal(await keys.add('kmk', 'new 32'), -EINVAL);
    assert.match(errors(box), /trusted-key-tee optee-ta-f04a.*: key shm register failed\n/);
    assert.equal(await keys.add('kmk', 'load 00'), -EINVAL);
    assert.match(errors(box), /trusted-key-tee optee-ta-f04a.*: shm register failed\n/);
    await keys.exit(box);
    assert.deepEqual(box.leaks(), []);
  });

  it('is refused when it refuses the session', () => {
    const head = defineTa({ uuid: TRUSTED_KEYS_UUID, flags: TRUSTED_KEYS_TA.head.flags }, () => ({
      TA_CreateEntryPoint: () => TEEC_ERROR_ACCESS_DENIED,
      TA_DestroyEntryPoint() {},
      TA_OpenSessionEntryPoint: () => 0,
      TA_CloseSessionEntryPoint() {},
      TA_InvokeCommandEntryPoint: () => 0,
    }));
    const tas = [taImageOf({ default: head }, 'closed')];
    using box = boot({ tas, kernelClients: ['trusted'] });
    assert.match(
      errors(box),
      /trusted-key-tee optee-ta-f04a.*tee_client_open_session failed, err: /,
    );
    assert.match(errors(box), /trusted-key-tee: probe of optee-ta-f04a.* failed with error -22/);
    assert.deepEqual(box.leaks(), []);
  });
});

describe('the module trusted', () => {
  it('takes its random numbers from where it is told', async () => {
    const commands = async (client: KernelClient): Promise<readonly number[]> => {
      using box = bootTrusted({ kernelClients: [client], trace: 'worlds' });
      assert.ok((await user(box).add('kmk', 'new 32')) > 0);
      return [...box.trace.events()].flatMap((event) => {
        if (event.name !== 'ta.enter') return [];
        const { uuid, entry, command } = (event as TraceEvent<'ta.enter'>).args;
        const ours = uuid === TRUSTED_KEYS_UUID && entry === 'TA_InvokeCommandEntryPoint';
        return ours ? [command] : [];
      });
    };
    assert.deepEqual(await commands('trusted'), [TA_CMD_GET_RANDOM, TA_CMD_SEAL]);
    assert.deepEqual(await commands('trusted rng=tee'), [TA_CMD_GET_RANDOM, TA_CMD_SEAL]);
    assert.deepEqual(await commands('trusted rng=kernel'), [TA_CMD_SEAL]);
  });

  it('refuses a generator that is not there', () => {
    assert.throws(() => bootTrusted({ kernelClients: ['trusted rng=tpm'] }), {
      message: 'the box did not boot: modprobe trusted rng=tpm: -EINVAL',
    });
    assert.throws(() => bootTrusted({ kernelClients: ['trusted size=3'] }), /takes source=, rng=/);
  });

  it('loads without a source: there is no type then', async () => {
    using box = bootTrusted({ kernelClients: ['trusted source=tpm'] });
    assert.equal(await user(box).add('kmk', 'new 32'), -ENODEV);
    using other = bootTrusted({ kernelClients: ['trusted source=tee'] });
    assert.ok((await user(other).add('kmk', 'new 32')) > 0);
  });

  it('is in no box that does not ask', async () => {
    using box = boot({ tas: [TRUSTED_KEYS_TA] });
    assert.equal(await user(box).add('kmk', 'new 32'), -ENOSYS);
    assert.throws(() => bootTrusted({ kernelClients: ['trusted', 'trusted'] }), {
      message: /modprobe trusted: -EBUSY/,
    });
  });

  it('stops users at their quota, as -ENOMEM', async () => {
    using box = bootTrusted({ trace: 'worlds' });
    const keys = user(box, 1000);
    let made = 0;
    let rc = 1;
    for (; rc > 0 && made < 100; made++) rc = await keys.add(`k${made}`, 'new 32');
    assert.equal(rc, -ENOMEM);
    assert.equal(made - 1, 29, '20,000 bytes, 672 and a name each');
    const cause = [...box.trace.events()].findLast(({ name }) => name === 'cause');
    assert.match(JSON.stringify(cause?.args), /kernel\.keys\.maxbytes/);
    assert.ok((await user(box, 2000).add('kmk', 'new 32')) > 0, 'others keep working');
    await keys.exit(box);
    assert.ok((await user(box, 1000).add('kmk', 'new 32')) > 0);
  });
});
