/**
 * add_key() and keyctl().
 *
 * Upstream counterpart: security/keys/keyctl.c. Left out: request_key() and whatever belongs to it,
 * chown, timeouts, security labels, Diffie-Hellman, asymmetric keys, moving, watching: -EOPNOTSUPP
 * as of a kernel without them.
 */
import { EACCES, EFAULT, EINVAL, ENOKEY, ENOTDIR, EOPNOTSUPP, EPERM } from '../../abi/errno.ts';
import { CAP_SYS_ADMIN } from '../../abi/capability.ts';
import {
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
  KEY_MAX_DESC_SIZE,
  KEY_MAX_PAYLOAD,
  KEY_MAX_TYPE_SIZE,
  KEY_OTH_ALL,
  KEY_OTH_LINK,
  KEY_OTH_READ,
  KEY_OTH_SEARCH,
  KEY_OTH_SETATTR,
  KEY_OTH_VIEW,
  KEY_OTH_WRITE,
  KEY_POS_ALL,
  KEY_USR_ALL,
} from '../../abi/keyctl.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { capable } from '../process/cred.ts';
import type { Kernel } from '../process/kernel.ts';
import type { KernelKeys } from '../process/key-calls.ts';
import type { Thread } from '../process/thread.ts';
import type { Process } from '../process/user-process.ts';
import type { KeyRef } from './key.ts';
import { linkKey, searchKeyring, unlinkKey } from './keyring.ts';
import { Keys } from './keys.ts';
import { ProcessKeyrings } from './process-keyrings.ts';
import type { Lookup } from './process-keyrings.ts';
import { userBytes, userString } from './user-copy.ts';

const ANY_PERM = KEY_POS_ALL | KEY_USR_ALL | KEY_GRP_ALL | KEY_OTH_ALL;

/** What a user's own keyrings show for a group (/proc/sys/kernel/overflowgid). */
const OVERFLOW_GID = 65_534;

type Call = (thread: Thread, args: readonly number[]) => Co<number>;

const utf8 = new TextEncoder();

/** Ids and lengths come as registers: 32 bits of them count. */
const int = (value: number | undefined): number => (value ?? 0) | 0;

export class KeyService implements KernelKeys {
  readonly keys: Keys;
  readonly #rings: ProcessKeyrings;
  readonly #calls: ReadonlyMap<number, Call>;

  constructor(kernel: Kernel) {
    this.keys = new Keys(kernel);
    this.#rings = new ProcessKeyrings(this.keys);
    this.#calls = new Map<number, Call>([
      [KEYCTL_GET_KEYRING_ID, (t, [id, create]) => this.#keyringId(t, int(id), int(create) !== 0)],
      [KEYCTL_JOIN_SESSION_KEYRING, (t, [name]) => this.#join(t, name ?? 0)],
      [KEYCTL_UPDATE, (t, [id, at, len]) => this.#update(t, int(id), va(at ?? 0), len ?? 0)],
      [KEYCTL_REVOKE, (t, [id]) => this.#revoke(t, int(id))],
      [KEYCTL_SETPERM, (t, [id, perm]) => this.#setPerm(t, int(id), int(perm))],
      [KEYCTL_DESCRIBE, (t, [id, at, len]) => this.#describe(t, int(id), va(at ?? 0), len ?? 0)],
      [KEYCTL_CLEAR, (t, [id]) => this.#clear(t, int(id))],
      [KEYCTL_LINK, (t, [id, ring]) => this.#link(t, int(id), int(ring))],
      [KEYCTL_UNLINK, (t, [id, ring]) => this.#unlink(t, int(id), int(ring))],
      [KEYCTL_SEARCH, (t, args) => this.#search(t, args)],
      [KEYCTL_READ, (t, [id, at, len]) => this.#read(t, int(id), va(at ?? 0), len ?? 0)],
      [KEYCTL_INVALIDATE, (t, [id]) => this.#invalidate(t, int(id))],
    ]);
  }

  *addKey(
    thread: Thread,
    type: Va,
    description: Va,
    payload: Va,
    plen: number,
    ring: number,
  ): Co<number> {
    if (plen > KEY_MAX_PAYLOAD) return -EINVAL;
    const name = typeName(thread, type);
    if (typeof name === 'number') return name;
    const text = description === 0 ? '' : userString(thread, description, KEY_MAX_DESC_SIZE);
    if (typeof text === 'number') return text;
    if (text.startsWith('.') && name.startsWith('keyring')) return -EPERM;
    const data = userBytes(thread, payload, plen);
    if (typeof data === 'number') return data;
    const { cred } = thread.process;
    return yield* this.#with(thread, int(ring), { create: true, need: KEY_OTH_WRITE }, (ref) =>
      this.keys.createOrUpdate(ref, cred, name, text, data),
    );
  }

  *keyctl(thread: Thread, option: number, args: readonly number[]): Co<number> {
    const call = this.#calls.get(int(option));
    return call === undefined ? -EOPNOTSUPP : yield* call(thread, args);
  }

  fork(parent: Process, child: Process): void {
    this.#rings.fork(parent, child);
  }

  exec(process: Process): void {
    this.#rings.exec(process);
  }

  exit(process: Process): void {
    this.#rings.exit(process);
  }

  /** Looks up, does, and puts. */
  *#with(thread: Thread, id: number, how: Lookup, body: (ref: KeyRef) => Co<number>): Co<number> {
    const ref = this.#rings.lookup(thread, id, how);
    if (typeof ref === 'number') return ref;
    const rc = yield* body(ref);
    this.keys.put(ref.key);
    return rc;
  }

  #keyringId(thread: Thread, id: number, create: boolean): Co<number> {
    return this.#with(thread, id, { create, need: KEY_OTH_SEARCH }, function* ({ key }) {
      return key.serial;
    });
  }

  *#join(thread: Thread, name: number): Co<number> {
    if (name !== 0) return -EOPNOTSUPP;
    const key = this.#rings.joinSession(thread);
    return typeof key === 'number' ? key : key.serial;
  }

  *#update(thread: Thread, id: number, at: Va, plen: number): Co<number> {
    if (plen > PAGE_SIZE) return -EINVAL;
    const data = userBytes(thread, at, plen);
    if (typeof data === 'number') return data;
    const { cred } = thread.process;
    return yield* this.#with(thread, id, { need: KEY_OTH_WRITE }, (ref) =>
      this.keys.update(ref, cred, data),
    );
  }

  /** Who may write to a key may revoke it, and who may change its attributes. */
  *#revoke(thread: Thread, id: number): Co<number> {
    const revoke = ({ key }: KeyRef): Co<number> =>
      key.sem.with(() => {
        key.revoked = true;
        return 0;
      });
    const rc = yield* this.#with(thread, id, { need: KEY_OTH_WRITE }, revoke);
    if (rc !== -EACCES) return rc;
    return yield* this.#with(thread, id, { need: KEY_OTH_SETATTR }, revoke);
  }

  *#setPerm(thread: Thread, id: number, perm: number): Co<number> {
    if ((perm & ~ANY_PERM) !== 0) return -EINVAL;
    const { cred } = thread.process;
    const how = { create: true, partial: true, need: KEY_OTH_SETATTR };
    return yield* this.#with(thread, id, how, function* ({ key }) {
      if (key.uid !== cred.euid && !capable(cred, CAP_SYS_ADMIN)) return -EACCES;
      key.perm = perm;
      return 0;
    });
  }

  #describe(thread: Thread, id: number, at: Va, length: number): Co<number> {
    return this.#with(thread, id, { partial: true, need: KEY_OTH_VIEW }, function* ({ key }) {
      const perm = (key.perm >>> 0).toString(16).padStart(8, '0');
      const gid = key.gid < 0 ? OVERFLOW_GID : key.gid;
      const info = `${key.type.name};${key.uid};${gid};${perm};${key.description}\0`;
      return toUser(thread, at, length, utf8.encode(info));
    });
  }

  #clear(thread: Thread, id: number): Co<number> {
    const { put } = this.keys;
    return this.#with(thread, id, { create: true, need: KEY_OTH_WRITE }, function* ({ key }) {
      if (key.links === undefined) return -ENOTDIR;
      for (const link of key.links) unlinkKey(key, link, put);
      return 0;
    });
  }

  #link(thread: Thread, id: number, ring: number): Co<number> {
    const { put } = this.keys;
    const how = { create: true, need: KEY_OTH_WRITE };
    return this.#with(thread, ring, how, (keyring) =>
      this.#with(thread, id, { create: true, need: KEY_OTH_LINK }, function* ({ key }) {
        return linkKey(keyring.key, key, put);
      }),
    );
  }

  #unlink(thread: Thread, id: number, ring: number): Co<number> {
    const { put } = this.keys;
    return this.#with(thread, ring, { need: KEY_OTH_WRITE }, (keyring) =>
      this.#with(thread, id, { partial: true, need: 'unlink' }, function* ({ key }) {
        return unlinkKey(keyring.key, key, put);
      }),
    );
  }

  /** [keyring, type, description, keyring to link what is found to, or 0] */
  *#search(thread: Thread, args: readonly number[]): Co<number> {
    const [id, type, description, destination] = args;
    const name = typeName(thread, va(type ?? 0));
    if (typeof name === 'number') return name;
    const text = userString(thread, va(description ?? 0), KEY_MAX_DESC_SIZE);
    if (typeof text === 'number') return text;
    const found = yield* this.#with(thread, int(id), { need: KEY_OTH_SEARCH }, function* (ref) {
      if (ref.key.links === undefined) return -ENOTDIR;
      const key = searchKeyring(
        ref.key,
        (k) => k.type.name === name && k.description === text && k.validate() === 0,
      );
      return key?.serial ?? -ENOKEY;
    });
    if (found < 0 || int(destination) === 0) return found;
    const linked = yield* this.#link(thread, found, int(destination));
    return linked === 0 ? found : linked;
  }

  /** A key that may not be read by its permissions can be read by whoever has it in a keyring. */
  *#read(thread: Thread, id: number, at: Va, length: number): Co<number> {
    const ref = this.#rings.lookup(thread, id, { need: 'defer' });
    if (typeof ref === 'number') return -ENOKEY;
    const { key, possessed } = ref;
    const rc = possessed || this.#mayRead(thread, id) ? 0 : -EACCES;
    if (rc === 0) {
      const data = yield* key.sem.with(
        () => key.validate() || (key.type.read?.(key) ?? -EOPNOTSUPP),
      );
      this.keys.put(key);
      return typeof data === 'number' ? data : toUser(thread, at, length, data);
    }
    this.keys.put(key);
    return rc;
  }

  #mayRead(thread: Thread, id: number): boolean {
    const ref = this.#rings.lookup(thread, id, { partial: true, need: KEY_OTH_READ });
    if (typeof ref === 'number') return ref !== -EACCES;
    this.keys.put(ref.key);
    return true;
  }

  /** The collector takes it from all keyrings at once. */
  #invalidate(thread: Thread, id: number): Co<number> {
    const { keys } = this;
    return this.#with(thread, id, { need: KEY_OTH_SEARCH }, function* ({ key }) {
      key.invalidated = true;
      keys.unlinkEverywhere(key);
      return 0;
    });
  }
}

/** Bytes that the result has; they are copied when all of them fit. */
function toUser(thread: Thread, at: Va, length: number, data: Uint8Array): number {
  if (at === 0 || data.length > length) return data.length;
  return thread.process.mm.write(at, data) ? data.length : -EFAULT;
}

/** key_get_type_from_user() */
function typeName(thread: Thread, at: Va): string | number {
  const name = userString(thread, at, KEY_MAX_TYPE_SIZE);
  if (typeof name === 'number') return name;
  if (name === '') return -EINVAL;
  return name.startsWith('.') ? -EPERM : name;
}
