/**
 * Keys, their types, owners and permissions.
 *
 * Upstream counterpart: include/linux/key.h, key-type.h; security/keys/key.c, permission.c.
 * Left out: expiry, keys under construction by user space (request-key), restrictions, namespaces,
 * security modules; the collector's delays: a key goes with its last reference.
 */
import { EACCES, EDQUOT, EKEYREVOKED, ENOKEY } from '../../abi/errno.ts';
import { KEY_GRP_ALL, KEY_QUOTA, KEY_QUOTA_ROOT } from '../../abi/keyctl.ts';
import { Mutex } from '../../sched/mutex.ts';
import type { LockClass } from '../../sched/mutex.ts';
import type { Scheduler } from '../../sched/scheduler.ts';
import type { Co } from '../../sched/task.ts';
import { Kref } from '../lib/kref.ts';
import type { Cred } from '../process/process.ts';
import { inGroup } from '../process/cred.ts';

/** key->sem; keyrings come before what is linked to them. */
export const KEYRING_SEM: LockClass = { name: 'keyring->sem', order: 60 };
export const KEY_SEM: LockClass = { name: 'key->sem', order: 64 };

/** struct key_type. Results are 0 or a negative errno unless said otherwise. */
export interface KeyType {
  readonly name: string;
  /** @param data undefined when there is none. */
  instantiate(key: Key, data: Uint8Array | undefined): Co<number>;
  /** Absent: an existing key of the name is replaced, KEYCTL_UPDATE is -EOPNOTSUPP. */
  update?(key: Key, data: Uint8Array | undefined): Co<number>;
  /** What KEYCTL_READ gives, or a negative errno. */
  read?(key: Key): Uint8Array | number;
  /** The payload of an instantiated key goes. */
  destroy?(key: Key): void;
}

/** struct key_user: how much one user has in keys. */
export class KeyUser {
  readonly uid: number;
  qnkeys = 0;
  qnbytes = 0;

  constructor(uid: number) {
    this.uid = uid;
  }

  get limits(): typeof KEY_QUOTA | typeof KEY_QUOTA_ROOT {
    return this.uid === 0 ? KEY_QUOTA_ROOT : KEY_QUOTA;
  }
}

export class Key {
  readonly serial: number;
  readonly type: KeyType;
  readonly description: string;
  readonly uid: number;
  readonly gid: number;
  readonly user: KeyUser;
  readonly usage: Kref;
  readonly sem: Mutex;
  /** KEY_POS_*, KEY_USR_*, KEY_GRP_*, KEY_OTH_* */
  perm: number;
  /** KEY_IS_POSITIVE */
  instantiated = false;
  revoked = false;
  invalidated = false;
  /** Its type has gone. */
  dead = false;
  /** A user's own keyring (KEY_FLAG_UID_KEYRING). */
  uidKeyring = false;
  payload: unknown = undefined;
  /** What a keyring links to, a reference each; undefined for other keys. */
  links: Set<Key> | undefined = undefined;
  quotalen: number;
  datalen = 0;

  constructor(sched: Scheduler, serial: number, type: KeyType, what: KeyAttributes) {
    this.serial = serial;
    this.type = type;
    this.description = what.description;
    this.uid = what.uid;
    this.gid = what.gid;
    this.perm = what.perm;
    this.user = what.user;
    this.quotalen = what.quotalen;
    this.usage = new Kref(sched, `key ${serial}`);
    this.sem = new Mutex(sched, type.name === 'keyring' ? KEYRING_SEM : KEY_SEM);
  }

  /** key_validate(): 0, -ENOKEY or -EKEYREVOKED. */
  validate(): number {
    if (this.invalidated) return -ENOKEY;
    return this.revoked || this.dead ? -EKEYREVOKED : 0;
  }

  /** key_payload_reserve(): -EDQUOT when the owner has too much. */
  reserve(datalen: number): number {
    const { user } = this;
    const delta = datalen - this.datalen;
    if (delta > 0 && user.qnbytes + delta > user.limits.maxbytes) return -EDQUOT;
    user.qnbytes += delta;
    this.quotalen += delta;
    this.datalen = datalen;
    return 0;
  }
}

export interface KeyAttributes {
  readonly description: string;
  readonly uid: number;
  readonly gid: number;
  readonly perm: number;
  readonly user: KeyUser;
  readonly quotalen: number;
}

/** key_ref_t: a key, and whether the caller has it in his keyrings. */
export interface KeyRef {
  readonly key: Key;
  readonly possessed: boolean;
}

/**
 * key_task_permission()
 * @param mask KEY_OTH_* @returns 0 or -EACCES.
 */
export function keyPermission({ key, possessed }: KeyRef, cred: Cred, mask: number): number {
  const { perm } = key;
  let kperm = perm;
  if (key.uid === cred.euid) kperm = perm >>> 16;
  else if ((perm & KEY_GRP_ALL) !== 0 && inGroup(cred, key.gid)) kperm = perm >>> 8;
  if (possessed) kperm |= perm >>> 24;
  return (kperm & mask) === mask ? 0 : -EACCES;
}
