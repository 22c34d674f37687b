/**
 * All keys of one kernel: types, serial numbers, quotas, and what adding or changing a key does.
 *
 * Upstream counterpart: security/keys/key.c, gc.c. Left out: see `key.ts`.
 */
import { EDQUOT, EEXIST, EINVAL, ENODEV, ENOKEY, ENOTDIR, EOPNOTSUPP } from '../../abi/errno.ts';
import {
  KEY_OTH_WRITE,
  KEY_POS_LINK,
  KEY_POS_READ,
  KEY_POS_SEARCH,
  KEY_POS_SETATTR,
  KEY_POS_VIEW,
  KEY_POS_WRITE,
  KEY_USR_VIEW,
} from '../../abi/keyctl.ts';
import { Mutex } from '../../sched/mutex.ts';
import type { LockClass } from '../../sched/mutex.ts';
import type { Co } from '../../sched/task.ts';
import { WaitQueue } from '../../sched/wait.ts';
import type { Kernel } from '../process/kernel.ts';
import type { Cred } from '../process/process.ts';
import { Key, KeyUser, keyPermission } from './key.ts';
import type { KeyRef, KeyType } from './key.ts';
import { KEY_TYPE_KEYRING, findLink, linkKey, unlinkKey } from './keyring.ts';

/** One key at a time is made; whoever makes it may call into a TEE. */
const KEY_CONSTRUCTION_MUTEX: LockClass = { name: 'key_construction_mutex', order: 62 };

const utf8 = new TextEncoder();

/** What key_alloc() is told. */
export interface NewKey {
  readonly description: string;
  readonly uid: number;
  readonly gid: number;
  readonly perm: number;
  /** KEY_ALLOC_QUOTA_OVERRUN: counted, never refused. */
  readonly overrun?: boolean;
}

export class Keys {
  readonly kernel: Kernel;
  readonly #types = new Map<string, KeyType>();
  /** Readers of key_types_sem, by type: whoever is using one. */
  readonly #users = new Map<KeyType, number>();
  readonly #unused: WaitQueue;
  readonly #bySerial = new Map<number, Key>();
  readonly #keyUsers = new Map<number, KeyUser>();
  readonly #construction: Mutex;
  readonly put = (key: Key): void => this.#put(key);

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.#unused = new WaitQueue(kernel.sched, 'key_types_sem');
    this.#construction = new Mutex(kernel.sched, KEY_CONSTRUCTION_MUTEX);
    this.#types.set(KEY_TYPE_KEYRING.name, KEY_TYPE_KEYRING);
  }

  /** Keys that somebody refers to, for leak checks. */
  get count(): number {
    return this.#bySerial.size;
  }

  keyUser(uid: number): KeyUser {
    let user = this.#keyUsers.get(uid);
    if (user === undefined) this.#keyUsers.set(uid, (user = new KeyUser(uid)));
    return user;
  }

  /** key_lookup(): the key, with a reference, or -ENOKEY. */
  lookup(serial: number): Key | number {
    const key = this.#bySerial.get(serial);
    if (key === undefined) return -ENOKEY;
    key.usage.get();
    return key;
  }

  // --- types
  /** register_key_type(): 0 or -EEXIST. */
  registerType(type: KeyType): number {
    if (this.#types.has(type.name)) return -EEXIST;
    this.#types.set(type.name, type);
    this.kernel.printk(`Key type ${type.name} registered`, 'notice');
    return 0;
  }

  /** unregister_key_type(): waits for those who use it; its keys lose their payload and are dead. */
  *unregisterType(type: KeyType): Co<void> {
    yield* this.#unused.waitUntil(() => !this.#users.has(type), 'uninterruptible');
    this.#types.delete(type.name);
    for (const key of this.#bySerial.values()) {
      if (key.type !== type) continue;
      key.dead = true;
      key.perm = 0;
      this.#destroyPayload(key);
    }
    for (const key of [...this.#bySerial.values()]) {
      if (key.type === type) this.unlinkEverywhere(key);
    }
    this.kernel.printk(`Key type ${type.name} unregistered`, 'notice');
  }

  /** key_type_lookup() … key_type_put() around `body`. */
  *#withType(name: string, body: (type: KeyType) => Co<number>): Co<number | undefined> {
    const type = this.#types.get(name);
    if (type === undefined) return undefined;
    this.#users.set(type, (this.#users.get(type) ?? 0) + 1);
    const rc = yield* body(type);
    const left = this.#users.get(type)! - 1;
    if (left > 0) this.#users.set(type, left);
    else this.#users.delete(type);
    this.#unused.wakeAll();
    return rc;
  }

  // --- keys
  /** What the collector does with a key that is of no use any more. */
  unlinkEverywhere(key: Key): void {
    for (const keyring of [...this.#bySerial.values()]) {
      if (keyring.links?.has(key) === true) unlinkKey(keyring, key, this.put);
    }
  }

  /** key_alloc(): a key of no payload, with the caller's reference; -EDQUOT. */
  alloc(type: KeyType, what: NewKey): Key | number {
    const user = this.keyUser(what.uid);
    const quotalen = utf8.encode(what.description).length + 1;
    const { maxkeys, maxbytes } = user.limits;
    const tooMuch = user.qnkeys + 1 > maxkeys || user.qnbytes + quotalen > maxbytes;
    if (tooMuch && what.overrun !== true) return this.#overQuota(user);
    user.qnkeys += 1;
    user.qnbytes += quotalen;
    const key = new Key(this.kernel.sched, this.#newSerial(), type, { ...what, user, quotalen });
    this.#bySerial.set(key.serial, key);
    return key;
  }

  /** keyring_alloc() */
  allocKeyring(what: NewKey): Key | number {
    const key = this.alloc(KEY_TYPE_KEYRING, what);
    if (typeof key === 'number') return key;
    key.links = new Set();
    key.instantiated = true;
    return key;
  }

  /**
   * key_create_or_update()
   * @returns the serial number; -ENODEV for an unknown type, -EINVAL without a description, -ENOTDIR
   * for what is no keyring, -EACCES, -EDQUOT, and what the type says.
   */
  *createOrUpdate(
    ring: KeyRef,
    cred: Cred,
    typeName: string,
    description: string,
    data: Uint8Array | undefined,
  ): Co<number> {
    const rc = yield* this.#withType(typeName, (type) =>
      this.#createOrUpdate(ring, cred, type, description, data),
    );
    return rc ?? -ENODEV;
  }

  /** key_update(): -EACCES, -EOPNOTSUPP for a type without, or what the type says. */
  *update(ref: KeyRef, cred: Cred, data: Uint8Array | undefined): Co<number> {
    const { key } = ref;
    const refused = keyPermission(ref, cred, KEY_OTH_WRITE);
    if (refused !== 0) return refused;
    const { type } = key;
    if (type.update === undefined) return -EOPNOTSUPP;
    return yield* key.sem.during(() => type.update!(key, data));
  }

  *#createOrUpdate(
    ring: KeyRef,
    cred: Cred,
    type: KeyType,
    description: string,
    data: Uint8Array | undefined,
  ): Co<number> {
    if (description === '') return -EINVAL;
    const keyring = ring.key;
    if (keyring.links === undefined) return -ENOTDIR;
    if (!keyring.sem.tryLock()) yield* keyring.sem.lock();
    const found = this.#toUpdate(ring, cred, type, description);
    if (typeof found !== 'object') {
      const rc = found ?? (yield* this.#create(keyring, cred, type, description, data));
      keyring.sem.unlock();
      return rc;
    }
    found.usage.get();
    keyring.sem.unlock();
    const rc = yield* this.update({ key: found, possessed: ring.possessed }, cred, data);
    this.#put(found);
    return rc === 0 ? found.serial : rc;
  }

  /** The key that is there already, an errno, or undefined when one is to be made. */
  #toUpdate(
    ring: KeyRef,
    cred: Cred,
    type: KeyType,
    description: string,
  ): Key | number | undefined {
    const refused = keyPermission(ring, cred, KEY_OTH_WRITE);
    if (refused !== 0) return refused;
    const key = findLink(ring.key, type, description);
    const usable = key !== undefined && !key.revoked && !key.invalidated;
    return usable && type.update !== undefined ? key : undefined;
  }

  *#create(
    keyring: Key,
    cred: Cred,
    type: KeyType,
    description: string,
    data: Uint8Array | undefined,
  ): Co<number> {
    const { euid: uid, egid: gid } = cred;
    const key = this.alloc(type, { description, uid, gid, perm: defaultPerm(type) });
    if (typeof key === 'number') return key;
    let rc = yield* this.#construction.during(() => type.instantiate(key, data));
    if (rc === 0) {
      key.instantiated = true;
      rc = linkKey(keyring, key, this.put);
    }
    const { serial } = key;
    this.#put(key);
    return rc === 0 ? serial : rc;
  }

  /** key_put(): the last reference takes the key with it. */
  #put(key: Key): void {
    if (!key.usage.put()) return;
    this.#bySerial.delete(key.serial);
    for (const link of key.links ?? []) this.#put(link);
    this.#destroyPayload(key);
    const { user } = key;
    user.qnkeys -= 1;
    user.qnbytes -= key.quotalen;
  }

  #destroyPayload(key: Key): void {
    if (key.instantiated) key.type.destroy?.(key);
    key.instantiated = false;
    key.payload = undefined;
  }

  /** key_alloc_serial(): 31 random bits, 3 and up, not in use. */
  #newSerial(): number {
    const bytes = new Uint8Array(4);
    for (;;) {
      this.kernel.random.fill(bytes);
      const serial = new DataView(bytes.buffer).getUint32(0, true) >>> 1;
      if (serial >= 3 && !this.#bySerial.has(serial)) return serial;
    }
  }

  #overQuota(user: KeyUser): number {
    const { trace } = this.kernel;
    const { maxkeys, maxbytes } = user.limits;
    if (trace.worlds) {
      trace.cause('linux', {
        layer: 'keys',
        code: '-EDQUOT',
        text: `uid ${user.uid} has ${user.qnkeys} of ${maxkeys} keys, ${user.qnbytes} of ${maxbytes} bytes`,
        hint: 'unlink keys that are no longer needed',
      });
    }
    return -EDQUOT;
  }
}

/** What a possessor may do with a fresh key, and its owner: view it. */
function defaultPerm(type: KeyType): number {
  const always = KEY_POS_VIEW | KEY_POS_SEARCH | KEY_POS_LINK | KEY_POS_SETATTR | KEY_USR_VIEW;
  const writable = type === KEY_TYPE_KEYRING || type.update !== undefined;
  return always | (type.read ? KEY_POS_READ : 0) | (writable ? KEY_POS_WRITE : 0);
}
