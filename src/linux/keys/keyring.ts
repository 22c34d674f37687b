/**
 * Keyrings: keys that link to keys.
 *
 * Upstream counterpart: security/keys/keyring.c. Left out: restrictions, moving keys, the
 * associative array (a set here) and its limit.
 */
import { EDEADLK, EINVAL, ENOENT, ENOTDIR } from '../../abi/errno.ts';
import { KEYQUOTA_LINK_BYTES, KEYRING_SEARCH_MAX_DEPTH } from '../../abi/keyctl.ts';
import type { Key, KeyType } from './key.ts';

/** key_type_keyring; what it destroys, the service puts. */
export const KEY_TYPE_KEYRING: KeyType = {
  name: 'keyring',
  *instantiate(key, data) {
    if (data !== undefined) return -EINVAL;
    key.links = new Set();
    return 0;
  },
  read(key) {
    const out = new DataView(new ArrayBuffer(4 * key.links!.size));
    [...key.links!].forEach((link, n) => out.setInt32(4 * n, link.serial, true));
    return new Uint8Array(out.buffer);
  },
};

/** The key of that type and description right in the keyring (find_key_to_update()). */
export function findLink(keyring: Key, type: KeyType, description: string): Key | undefined {
  for (const key of keyring.links!) {
    if (key.type === type && key.description === description) return key;
  }
  return undefined;
}

/**
 * keyring_search(): breadth first, through keyrings that keyrings link to.
 * @param wanted of keys that are to be found; revoked ones and such are for it to judge.
 */
export function searchKeyring(
  keyring: Key,
  wanted: (key: Key) => boolean,
  depth = KEYRING_SEARCH_MAX_DEPTH,
): Key | undefined {
  if (keyring.validate() !== 0) return undefined;
  for (const key of keyring.links ?? []) if (wanted(key)) return key;
  if (depth === 0) return undefined;
  for (const key of keyring.links ?? []) {
    const found = key.links === undefined ? undefined : searchKeyring(key, wanted, depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * __key_link(), with the reference that the link is: what has the same type and description makes
 * room. @param put gives up the reference of what was there.
 * @returns 0, -ENOTDIR, -EDEADLK for a circle of keyrings, -EDQUOT.
 */
export function linkKey(keyring: Key, key: Key, put: (key: Key) => void): number {
  const { links } = keyring;
  if (links === undefined) return -ENOTDIR;
  const circular = key === keyring || (key.links && searchKeyring(key, (k) => k === keyring));
  if (circular) return -EDEADLK;
  const before = findLink(keyring, key.type, key.description);
  if (before === key) return 0;
  if (before === undefined) {
    const rc = keyring.reserve(keyring.datalen + KEYQUOTA_LINK_BYTES);
    if (rc !== 0) return rc;
  }
  links.add(key);
  key.usage.get();
  if (before !== undefined) {
    links.delete(before);
    put(before);
  }
  return 0;
}

/** key_unlink(): 0, -ENOTDIR, or -ENOENT for a key that is not there. */
export function unlinkKey(keyring: Key, key: Key, put: (key: Key) => void): number {
  if (keyring.links === undefined) return -ENOTDIR;
  if (!keyring.links.delete(key)) return -ENOENT;
  keyring.reserve(keyring.datalen - KEYQUOTA_LINK_BYTES);
  put(key);
  return 0;
}
