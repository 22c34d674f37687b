/**
 * The key retention service: commands of keyctl(), special keyring ids, permissions, limits.
 *
 * Upstream counterparts: include/uapi/linux/keyctl.h, include/linux/key.h, security/keys/internal.h.
 * Left out: the structures of Diffie-Hellman and asymmetric keys, watch queues.
 */

/* Source: include/uapi/linux/keyctl.h, Linux 6.1. */
export const KEY_SPEC_THREAD_KEYRING = -1;
export const KEY_SPEC_PROCESS_KEYRING = -2;
export const KEY_SPEC_SESSION_KEYRING = -3;
export const KEY_SPEC_USER_KEYRING = -4;
export const KEY_SPEC_USER_SESSION_KEYRING = -5;
export const KEY_SPEC_GROUP_KEYRING = -6;
export const KEY_SPEC_REQKEY_AUTH_KEY = -7;
export const KEY_SPEC_REQUESTOR_KEYRING = -8;

export const KEYCTL_GET_KEYRING_ID = 0;
export const KEYCTL_JOIN_SESSION_KEYRING = 1;
export const KEYCTL_UPDATE = 2;
export const KEYCTL_REVOKE = 3;
export const KEYCTL_CHOWN = 4;
export const KEYCTL_SETPERM = 5;
export const KEYCTL_DESCRIBE = 6;
export const KEYCTL_CLEAR = 7;
export const KEYCTL_LINK = 8;
export const KEYCTL_UNLINK = 9;
export const KEYCTL_SEARCH = 10;
export const KEYCTL_READ = 11;
export const KEYCTL_INSTANTIATE = 12;
export const KEYCTL_NEGATE = 13;
export const KEYCTL_SET_TIMEOUT = 15;
export const KEYCTL_INVALIDATE = 21;

/* Source: include/linux/key.h, Linux 6.1: possessor, owner, group and others have a byte each. */
export const KEY_OTH_VIEW = 0x01;
export const KEY_OTH_READ = 0x02;
export const KEY_OTH_WRITE = 0x04;
export const KEY_OTH_SEARCH = 0x08;
export const KEY_OTH_LINK = 0x10;
export const KEY_OTH_SETATTR = 0x20;
export const KEY_OTH_ALL = 0x3f;
export const KEY_GRP_ALL = 0x3f00;
export const KEY_USR_VIEW = 0x0001_0000;
export const KEY_USR_READ = 0x0002_0000;
export const KEY_USR_ALL = 0x003f_0000;
export const KEY_POS_VIEW = 0x0100_0000;
export const KEY_POS_READ = 0x0200_0000;
export const KEY_POS_WRITE = 0x0400_0000;
export const KEY_POS_SEARCH = 0x0800_0000;
export const KEY_POS_LINK = 0x1000_0000;
export const KEY_POS_SETATTR = 0x2000_0000;
export const KEY_POS_ALL = 0x3f00_0000;

/* Source: security/keys/internal.h and keyctl.c, Linux 6.1. */
/** Bytes of a description with its NUL. */
export const KEY_MAX_DESC_SIZE = 4096;
/** Bytes of a type's name with its NUL. */
export const KEY_MAX_TYPE_SIZE = 32;
/** add_key() takes a payload of fewer bytes. */
export const KEY_MAX_PAYLOAD = 1024 * 1024 - 1;
/** What a link costs its keyring's owner. */
export const KEYQUOTA_LINK_BYTES = 4;
export const KEYRING_SEARCH_MAX_DEPTH = 6;

/* Source: security/keys/key.c, Linux 6.1: /proc/sys/kernel/keys/. */
export const KEY_QUOTA = { maxkeys: 200, maxbytes: 20_000 } as const;
export const KEY_QUOTA_ROOT = { maxkeys: 1_000_000, maxbytes: 25_000_000 } as const;
