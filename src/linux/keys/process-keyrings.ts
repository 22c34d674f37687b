/**
 * The keyrings of threads, processes, sessions and users, and how a number becomes a key.
 *
 * Upstream counterpart: security/keys/process_keys.c. Left out: request-key's special keyrings,
 * session keyrings with names, persistent keyrings.
 */
import { EINVAL, EIO, ENOKEY } from '../../abi/errno.ts';
import {
  KEY_POS_ALL,
  KEY_POS_SETATTR,
  KEY_SPEC_PROCESS_KEYRING,
  KEY_SPEC_SESSION_KEYRING,
  KEY_SPEC_THREAD_KEYRING,
  KEY_SPEC_USER_KEYRING,
  KEY_SPEC_USER_SESSION_KEYRING,
  KEY_USR_ALL,
  KEY_USR_READ,
  KEY_USR_VIEW,
} from '../../abi/keyctl.ts';
import type { Thread } from '../process/thread.ts';
import type { Process } from '../process/user-process.ts';
import { keyPermission } from './key.ts';
import type { Key, KeyRef } from './key.ts';
import { linkKey, searchKeyring } from './keyring.ts';
import type { Keys } from './keys.ts';

/** What a process's credentials have; references are its own. */
interface Keyrings {
  session: Key | undefined;
  process: Key | undefined;
  readonly threads: Map<number, Key>;
}

interface UserKeyrings {
  readonly user: Key;
  readonly session: Key;
}

/** What a look-up may do and needs. */
export interface Lookup {
  /** KEY_LOOKUP_CREATE: a special keyring that is not there is made. */
  readonly create?: boolean;
  /** KEY_LOOKUP_PARTIAL: keys that nothing has filled yet are found too. */
  readonly partial?: boolean;
  /** KEY_OTH_*; `unlink` skips all checks, `defer` all but whether the key is made. */
  readonly need: number | 'unlink' | 'defer';
}

const OWN_PERM = KEY_POS_ALL | KEY_USR_VIEW;
const USER_PERM = (KEY_POS_ALL & ~KEY_POS_SETATTR) | KEY_USR_ALL;

type Special = (thread: Thread, create: boolean) => Key | number;

export class ProcessKeyrings {
  readonly #keys: Keys;
  readonly #processes = new Map<Process, Keyrings>();
  /** The register of users' keyrings, which keeps them. */
  readonly #users = new Map<number, UserKeyrings>();
  readonly #special: ReadonlyMap<number, Special>;

  constructor(keys: Keys) {
    this.#keys = keys;
    this.#special = new Map<number, Special>([
      [KEY_SPEC_THREAD_KEYRING, (thread, create) => this.#thread(thread, create)],
      [KEY_SPEC_PROCESS_KEYRING, (thread, create) => this.#process(thread, create)],
      [KEY_SPEC_SESSION_KEYRING, (thread, create) => this.#session(thread, create)],
      [KEY_SPEC_USER_KEYRING, (thread) => this.#userKeyrings(thread, 'user')],
      [KEY_SPEC_USER_SESSION_KEYRING, (thread) => this.#userKeyrings(thread, 'session')],
    ]);
  }

  /**
   * lookup_user_key(): a key by serial number or KEY_SPEC_*, with a reference for the caller.
   * @returns or -ENOKEY, -EINVAL, -EKEYREVOKED, -EACCES, -EIO for a key that is being made.
   */
  lookup(thread: Thread, id: number, how: Lookup): KeyRef | number {
    const ref = this.#find(thread, id, how.create ?? false);
    if (typeof ref === 'number') return ref;
    const rc = this.#check(thread, ref, how);
    if (rc === 0) return ref;
    this.#keys.put(ref.key);
    return rc;
  }

  /** join_session_keyring() without a name: a fresh one. */
  joinSession(thread: Thread): Key | number {
    const before = this.#of(thread.process);
    // The first is given in any case; who wants more pays for them.
    const overrun = before.session === undefined;
    const perm = OWN_PERM | KEY_USR_READ;
    const keyring = this.#alloc(thread, '_ses', perm, overrun);
    if (typeof keyring === 'number') return keyring;
    if (before.session !== undefined) this.#keys.put(before.session);
    before.session = keyring;
    return keyring;
  }

  fork(parent: Process, child: Process): void {
    const session = this.#processes.get(parent)?.session;
    if (session === undefined) return;
    session.usage.get();
    this.#of(child).session = session;
  }

  exec(process: Process): void {
    const own = this.#processes.get(process);
    if (own === undefined) return;
    for (const key of own.threads.values()) this.#keys.put(key);
    own.threads.clear();
    if (own.process !== undefined) this.#keys.put(own.process);
    own.process = undefined;
  }

  exit(process: Process): void {
    this.exec(process);
    const session = this.#processes.get(process)?.session;
    if (session !== undefined) this.#keys.put(session);
    this.#processes.delete(process);
  }

  #check(thread: Thread, ref: KeyRef, { partial = false, need }: Lookup): number {
    if (need === 'unlink') return 0;
    const { key } = ref;
    const bad = need === 'defer' ? 0 : key.validate();
    if (bad !== 0) return bad;
    if (!partial && !key.instantiated && !key.dead) return -EIO;
    return need === 'defer' ? 0 : keyPermission(ref, thread.process.cred, need);
  }

  #find(thread: Thread, id: number, create: boolean): KeyRef | number {
    const special = this.#special.get(id);
    if (special !== undefined) {
      const key = special(thread, create);
      if (typeof key === 'number') return key;
      key.usage.get();
      return { key, possessed: true };
    }
    if (id < 1) return -EINVAL;
    const key = this.#keys.lookup(id);
    return typeof key === 'number' ? key : { key, possessed: this.#possesses(thread, key) };
  }

  /** search_process_keyrings_rcu() for the key itself. */
  #possesses(thread: Thread, wanted: Key): boolean {
    const own = this.#processes.get(thread.process);
    const session = own?.session ?? this.#users.get(thread.process.cred.uid)?.session;
    const rings = [own?.threads.get(thread.tid), own?.process, session];
    return rings.some(
      (ring) =>
        ring === wanted ||
        (ring !== undefined && searchKeyring(ring, (key) => key === wanted) !== undefined),
    );
  }

  #of(process: Process): Keyrings {
    let own = this.#processes.get(process);
    if (own === undefined) {
      own = { session: undefined, process: undefined, threads: new Map() };
      this.#processes.set(process, own);
    }
    return own;
  }

  #thread(thread: Thread, create: boolean): Key | number {
    const { threads } = this.#of(thread.process);
    const there = threads.get(thread.tid);
    if (there !== undefined || !create) return there ?? -ENOKEY;
    const key = this.#alloc(thread, '_tid', OWN_PERM, true);
    if (typeof key !== 'number') threads.set(thread.tid, key);
    return key;
  }

  #process(thread: Thread, create: boolean): Key | number {
    const own = this.#of(thread.process);
    if (own.process !== undefined || !create) return own.process ?? -ENOKEY;
    const key = this.#alloc(thread, '_pid', OWN_PERM, true);
    if (typeof key !== 'number') own.process = key;
    return key;
  }

  /** Whoever has none gets the user's to look at, and one of his own to write to. */
  #session(thread: Thread, create: boolean): Key | number {
    const own = this.#of(thread.process);
    if (own.session === undefined) {
      const theirs = this.#userKeyrings(thread, 'session');
      if (typeof theirs === 'number') return theirs;
      if (create) return this.joinSession(thread);
      theirs.usage.get();
      own.session = theirs;
    }
    return own.session.uidKeyring && create ? this.joinSession(thread) : own.session;
  }

  /** look_up_user_keyrings() */
  #userKeyrings(thread: Thread, which: keyof UserKeyrings): Key | number {
    const { uid } = thread.process.cred;
    const there = this.#users.get(uid);
    if (there !== undefined) return there[which];
    const user = this.#allocOfUser(uid, `_uid.${uid}`);
    if (typeof user === 'number') return user;
    const session = this.#allocOfUser(uid, `_uid_ses.${uid}`);
    const rc = typeof session === 'number' ? session : linkKey(session, user, this.#keys.put);
    if (typeof session === 'number' || rc !== 0) {
      this.#keys.put(user);
      if (typeof session !== 'number') this.#keys.put(session);
      return rc;
    }
    const made = { user, session };
    this.#users.set(uid, made);
    return made[which];
  }

  #allocOfUser(uid: number, description: string): Key | number {
    // The group is nobody's.
    const key = this.#keys.allocKeyring({ description, uid, gid: -1, perm: USER_PERM });
    if (typeof key !== 'number') key.uidKeyring = true;
    return key;
  }

  #alloc(thread: Thread, description: string, perm: number, overrun: boolean): Key | number {
    const { uid, gid } = thread.process.cred;
    return this.#keys.allocKeyring({ description, uid, gid, perm, overrun });
  }
}
