/** Keyrings of threads, processes, sessions and users; look-ups, permissions, quotas, ends. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  EACCES,
  EDEADLK,
  EDQUOT,
  EFAULT,
  EINVAL,
  EIO,
  EKEYREVOKED,
  ENODEV,
  ENOENT,
  ENOKEY,
  ENOSYS,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
} from '../../abi/errno.ts';
import {
  KEYCTL_CHOWN,
  KEYCTL_CLEAR,
  KEYCTL_DESCRIBE,
  KEYCTL_GET_KEYRING_ID,
  KEYCTL_INVALIDATE,
  KEYCTL_JOIN_SESSION_KEYRING,
  KEYCTL_LINK,
  KEYCTL_READ,
  KEYCTL_REVOKE,
  KEYCTL_SEARCH,
  KEYCTL_SETPERM,
  KEYCTL_UNLINK,
  KEYCTL_UPDATE,
  KEY_GRP_ALL,
  KEY_OTH_ALL,
  KEY_POS_ALL,
  KEY_SPEC_GROUP_KEYRING,
  KEY_SPEC_PROCESS_KEYRING,
  KEY_SPEC_SESSION_KEYRING,
  KEY_SPEC_THREAD_KEYRING,
  KEY_SPEC_USER_KEYRING,
  KEY_SPEC_USER_SESSION_KEYRING,
  KEY_USR_ALL,
} from '../../abi/keyctl.ts';
import { KeyUser } from '../clients/testing/rig.ts';
import { WaitQueue } from '../../sched/wait.ts';
import { makeKernel } from '../process/testing/make-kernel.ts';
import type { Kernel } from '../process/kernel.ts';
import { Program } from '../process/program.ts';
import type { ProcessOptions } from '../process/user-process.ts';
import type { KeyType } from './key.ts';
import { KeyService } from './keyctl.ts';

const SESSION = KEY_SPEC_SESSION_KEYRING;
const KEYRING = { type: 'keyring' };

/** A type as plain as `user`, which keeps what it is given. */
const plain: KeyType = {
  name: 'plain',
  *instantiate(key, data) {
    if (data === undefined) return -EINVAL;
    key.payload = data;
    return key.reserve(data.length);
  },
  *update(key, data) {
    key.payload = data;
    return key.reserve(data?.length ?? 0);
  },
  read: (key) => key.payload as Uint8Array,
};
const PLAIN = { type: 'plain' };

function boot() {
  const kernel = makeKernel();
  const service = new KeyService(kernel);
  kernel.keys = service;
  assert.equal(service.keys.registerType(plain), 0);
  const user = (options: Partial<ProcessOptions> = {}): KeyUser =>
    new KeyUser(new Program(kernel, { name: 'keyctl', ...options }));
  return { kernel, service, keys: service.keys, user };
}

const done = async (one: KeyUser): Promise<void> => void (await one.program.exit());

describe('special keyrings', () => {
  it('come when they are written to, and say whose they are', async () => {
    const { user, keys } = boot();
    const one = user({ uid: 1000, gid: 100 });
    for (const [id, name] of [
      [KEY_SPEC_THREAD_KEYRING, '_tid'],
      [KEY_SPEC_PROCESS_KEYRING, '_pid'],
    ] as const) {
      assert.equal(await one.keyctl(KEYCTL_GET_KEYRING_ID, id, 0), -ENOKEY);
      const serial = await one.keyctl(KEYCTL_GET_KEYRING_ID, id, 1);
      assert.equal(await one.describe(serial), `keyring;1000;100;3f010000;${name}\0`);
      assert.equal(await one.keyctl(KEYCTL_GET_KEYRING_ID, id, 0), serial);
    }
    const shared = await one.keyctl(KEYCTL_GET_KEYRING_ID, SESSION, 0);
    assert.equal(await one.describe(shared), 'keyring;1000;65534;1f3f0000;_uid_ses.1000\0');
    const own = await one.keyctl(KEYCTL_GET_KEYRING_ID, SESSION, 1);
    assert.equal(await one.describe(own), 'keyring;1000;100;3f030000;_ses\0');
    const theirs = await one.keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0);
    assert.equal(await one.describe(theirs), 'keyring;1000;65534;1f3f0000;_uid.1000\0');
    assert.equal(await one.keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_SESSION_KEYRING, 0), shared);
    assert.equal(await one.keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_GROUP_KEYRING, 0), -EINVAL);
    assert.equal(await one.keyctl(KEYCTL_GET_KEYRING_ID, 0, 0), -EINVAL);
    assert.equal(await one.keyctl(KEYCTL_GET_KEYRING_ID, 12_345, 0), -ENOKEY);
    await done(one);
    assert.equal(keys.count, 2, 'the user keeps two');
  });

  it('a session is shared by fork() and left by joining another', async () => {
    const { kernel, keys, user } = boot();
    const one = user();
    const key = await one.add('a', 'x', PLAIN);
    const seen: number[] = [];
    await one.program.run(
      one.program.fork(function* (child) {
        seen.push(yield* child.sys.keyctl(KEYCTL_READ, key, 0, 0));
        yield* child.sys.keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0);
        seen.push(yield* child.sys.keyctl(KEYCTL_READ, key, 0, 0));
      }),
    );
    await kernel.sched.drive();
    assert.deepEqual(seen, [1, -EACCES]);
    assert.equal(await one.keyctl(KEYCTL_JOIN_SESSION_KEYRING, one.text('named')), -EOPNOTSUPP);
    await done(one);
    assert.equal(keys.count, 2);
  });

  it('those of a process end with exec', async () => {
    const { keys, user } = boot();
    const one = user();
    await one.add('a', 'x', { ...PLAIN, ring: KEY_SPEC_PROCESS_KEYRING });
    await one.add('b', 'x', { ...PLAIN, ring: KEY_SPEC_THREAD_KEYRING });
    const kept = await one.add('c', 'x', PLAIN);
    const { sys } = one.program;
    await one.program.run(sys.execve('again'));
    assert.equal(await one.keyctl(KEYCTL_READ, kept, 0, 0), 1);
    assert.equal(await one.keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0), -ENOKEY);
    assert.equal(keys.count, 4, 'two of the user, the session, a key in it');
  });
});

describe('keys', () => {
  it('of a name are updated in place, or replaced', async () => {
    const { user, keys } = boot();
    const one = user();
    const first = await one.add('a', 'x', PLAIN);
    assert.equal(await one.add('a', 'yy', PLAIN), first);
    assert.equal(await one.read(first), 'yy');
    const z = one.text('zzz');
    assert.equal(await one.keyctl(KEYCTL_UPDATE, first, z, 3), 0);
    assert.equal(await one.read(first), 'zzz');
    await one.keyctl(KEYCTL_REVOKE, first);
    const before = keys.count;
    const second = await one.add('a', 'x', PLAIN);
    assert.notEqual(second, first);
    assert.equal(keys.count, before, 'the revoked one made room');
    assert.equal(await one.read(first), -ENOKEY);
  });

  it('are linked, unlinked, cleared and invalidated', async () => {
    const { user, keys } = boot();
    const one = user();
    const ring = await one.add('ring', '', KEYRING);
    const key = await one.add('a', 'x', { ...PLAIN, ring });
    assert.equal(await one.keyctl(KEYCTL_LINK, key, SESSION), 0);
    assert.equal(await one.keyctl(KEYCTL_LINK, key, SESSION), 0, 'once is enough');
    assert.equal(await one.keyctl(KEYCTL_READ, ring, 0, 0), 4);
    assert.equal(await one.keyctl(KEYCTL_LINK, ring, ring), -EDEADLK);
    assert.equal(await one.keyctl(KEYCTL_LINK, SESSION, ring), -EDEADLK);
    assert.equal(await one.keyctl(KEYCTL_LINK, ring, key), -ENOTDIR);
    assert.equal(await one.keyctl(KEYCTL_UNLINK, key, key), -ENOTDIR);
    assert.equal(await one.keyctl(KEYCTL_UNLINK, key, ring), 0);
    assert.equal(await one.keyctl(KEYCTL_UNLINK, key, ring), -ENOENT);
    assert.equal(await one.read(key), 'x');
    assert.equal(await one.keyctl(KEYCTL_INVALIDATE, key), 0);
    assert.equal(await one.read(key), -ENOKEY);
    await one.add('b', 'x', { ...PLAIN, ring });
    const count = keys.count;
    assert.equal(await one.keyctl(KEYCTL_CLEAR, ring), 0);
    assert.equal(keys.count, count - 1);
    assert.equal(await one.keyctl(KEYCTL_CLEAR, await one.add('c', 'x', PLAIN)), -ENOTDIR);
  });

  it('are found by type and name, in keyrings below too', async () => {
    const { user } = boot();
    const one = user();
    const ring = await one.add('ring', '', KEYRING);
    const key = await one.add('a', 'x', { ...PLAIN, ring });
    const search = (name: string, destination = 0): Promise<number> =>
      one.keyctl(KEYCTL_SEARCH, SESSION, one.text('plain'), one.text(name), destination);
    assert.equal(await search('a'), key);
    assert.equal(await search('b'), -ENOKEY);
    assert.equal(await search('a', KEY_SPEC_PROCESS_KEYRING), key);
    assert.equal(await one.keyctl(KEYCTL_UNLINK, key, KEY_SPEC_PROCESS_KEYRING), 0);
    const nowhere = one.keyctl(KEYCTL_SEARCH, key, one.text('plain'), one.text('a'), 0);
    assert.equal(await nowhere, -ENOTDIR);
    await one.keyctl(KEYCTL_REVOKE, key);
    assert.equal(await search('a'), -ENOKEY);
  });

  it('answer those who have them, own them, share a group, or anybody', async () => {
    const { user } = boot();
    const owner = user({ uid: 1000, gid: 100 });
    const key = await owner.add('a', 'x', PLAIN);
    const others = {
      owner: user({ uid: 1000, gid: 7 }),
      group: user({ uid: 1, gid: 7, groups: [100] }),
      anybody: user({ uid: 2, gid: 2 }),
    };
    const allowed = async (perm: number): Promise<readonly string[]> => {
      assert.equal(await owner.keyctl(KEYCTL_SETPERM, key, perm), 0);
      const names: string[] = [];
      for (const [name, one] of Object.entries(others)) {
        if ((await one.read(key)) === 'x') names.push(name);
      }
      return names;
    };
    assert.deepEqual(await allowed(KEY_POS_ALL), []);
    assert.deepEqual(await allowed(KEY_POS_ALL | KEY_USR_ALL), ['owner']);
    assert.deepEqual(await allowed(KEY_POS_ALL | KEY_GRP_ALL), ['group']);
    assert.deepEqual(await allowed(KEY_POS_ALL | KEY_OTH_ALL), ['group', 'anybody']);
    assert.equal(await others.anybody.keyctl(KEYCTL_SETPERM, key, KEY_POS_ALL), -EACCES);
    assert.equal(await owner.keyctl(KEYCTL_SETPERM, key, 0x40), -EINVAL);
    assert.equal(await others.anybody.keyctl(KEYCTL_REVOKE, key), 0, 'others may write');
    assert.equal(await owner.keyctl(KEYCTL_UPDATE, key, 0, 0), -EKEYREVOKED);
  });
});

describe('bad calls', () => {
  it('get their errors', async () => {
    const { user } = boot();
    const one = user();
    const { program } = one;
    const [plainType, a] = [one.text('plain'), one.text('a')];
    const add = async (type: number, name: number, at: number, length: number, ring = SESSION) => {
      const va = (n: number): Parameters<typeof program.sys.addKey>[0] => n as never;
      return await program.run(program.sys.addKey(va(type), va(name), va(at), length, ring));
    };
    assert.equal(await add(plainType, a, a, 1 << 20), -EINVAL);
    assert.equal(await add(8, a, a, 1), -EFAULT);
    assert.equal(await add(plainType, 8, a, 1), -EFAULT);
    assert.equal(await add(plainType, a, 8, 1), -EFAULT);
    assert.equal(await add(plainType, 0, a, 1), -EINVAL);
    assert.equal(await add(plainType, one.text('x'.repeat(4096)), a, 1), -EINVAL);
    assert.equal(await add(one.text('t'.repeat(32)), a, a, 1), -EINVAL);
    assert.equal(await add(one.text(''), a, a, 1), -EINVAL);
    assert.equal(await add(one.text('.plain'), a, a, 1), -EPERM);
    assert.equal(await add(one.text('keyring'), one.text('.a'), a, 0), -EPERM);
    assert.equal(await add(one.text('keyring'), a, a, 1), -EINVAL);
    assert.equal(await add(one.text('none'), a, a, 1), -ENODEV);
    assert.equal(await add(plainType, a, a, 1, 4711), -ENOKEY);
    const key = await add(plainType, a, a, 1);
    assert.equal(await add(plainType, a, a, 1, key), -ENOTDIR);
    assert.equal(await one.keyctl(KEYCTL_CHOWN, key, 1, 1), -EOPNOTSUPP);
    assert.equal(await one.keyctl(999), -EOPNOTSUPP);
    assert.equal(await one.keyctl(KEYCTL_DESCRIBE, key, 8, 100), -EFAULT);
    assert.equal(await one.keyctl(KEYCTL_UPDATE, key, 8, 1), -EFAULT);
  });

  it('get errors while the key is being made, which only a look at it does not', async () => {
    const { kernel, service, user } = boot();
    const queue = new WaitQueue(kernel.sched, 'maker');
    let serial = 0;
    const slow: KeyType = {
      ...plain,
      name: 'slow',
      *instantiate(key) {
        ({ serial } = key);
        yield* queue.wait('uninterruptible');
        key.payload = Uint8Array.of(1);
        return 0;
      },
    };
    service.keys.registerType(slow);
    const [maker, other] = [user(), user()];
    const making = maker.add('k', 'x', { type: 'slow' });
    await new Promise(setImmediate);
    assert.match(String(await other.describe(serial)), /^slow;/);
    assert.equal(await other.keyctl(KEYCTL_UPDATE, serial, 0, 0), -EIO);
    assert.equal(await other.keyctl(KEYCTL_REVOKE, serial), -EIO);
    assert.equal(await other.read(serial), -ENOKEY);
    queue.wakeAll();
    assert.equal(await making, serial);
  });

  it('without a key service are unknown', async () => {
    const kernel: Kernel = makeKernel();
    const one = new KeyUser(new Program(kernel, { name: 'keyctl' }));
    assert.equal(await one.add('a', 'x', PLAIN), -ENOSYS);
    assert.equal(await one.keyctl(KEYCTL_READ, 1, 0, 0), -ENOSYS);
  });

  it('beyond a quota are -EDQUOT, and all is given back', async () => {
    const { keys, user } = boot();
    const one = user({ uid: 1000 });
    const ring = await one.add('ring', '', KEYRING);
    const use = (): readonly number[] => {
      const { qnkeys, qnbytes } = keys.keyUser(1000);
      return [qnkeys, qnbytes];
    };
    const before = use();
    let rc = 1;
    for (let n = 0; rc > 0 && n < 300; n++) rc = await one.add(`k${n}`, 'x', { ...PLAIN, ring });
    assert.equal(rc, -EDQUOT);
    assert.equal(keys.keyUser(1000).qnkeys, 200);
    await one.keyctl(KEYCTL_CLEAR, ring);
    assert.deepEqual(use(), before);
    assert.equal(await one.add('big', 'x'.repeat(20_000), { ...PLAIN, ring }), -EDQUOT);
    assert.deepEqual(use(), before);
    await done(one);
    assert.equal(keys.keyUser(1000).qnkeys, 2);
  });
});
