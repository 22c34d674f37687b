/**
 * What the arguments of path calls must be before the file is looked for: the refusals of Linux, in
 * its order.
 *
 * Upstream counterparts: fs/open.c (build_open_how(), build_open_flags(), openat2(), do_faccessat()),
 * fs/stat.c (do_statx(), vfs_statx()).
 * Left out: FMODE_NONOTIFY, a bit of the kernel's own that openat2() drops instead of refusing it.
 */
import { E2BIG, EAGAIN, EFAULT, EINVAL } from '../abi/errno.ts';
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_NO_AUTOMOUNT,
  AT_STATX_SYNC_TYPE,
  AT_SYMLINK_NOFOLLOW,
  OPEN_FLAGS,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TRUNC,
  R_OK,
  STATX__RESERVED,
  S_ISGID,
  S_ISUID,
  S_ISVTX,
  W_OK,
  X_OK,
  __O_TMPFILE,
} from '../abi/fcntl.ts';
import {
  OPEN_HOW_SIZE_VER0,
  OpenHow as OpenHowLayout,
  RESOLVE,
  RESOLVE_BENEATH,
  RESOLVE_CACHED,
  RESOLVE_IN_ROOT,
} from '../abi/openat2.ts';
import type { UserMemory } from '../linux/mm/user-memory.ts';
import { PAGE_SIZE, va } from '../machine/address.ts';
import type { HostArch, PathCall } from './arch.ts';

/** How a file is to be opened; flags have the generic numbers. */
export interface OpenHow {
  readonly flags: number;
  readonly mode: number;
  readonly resolve: number;
}

const either = (bits: Readonly<Record<string, number>>): number =>
  Object.values(bits).reduce((all, bit) => all | bit, 0);

const VALID_OPEN_FLAGS = either(OPEN_FLAGS);
const O_PATH_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
const VALID_RESOLVE_FLAGS = either(RESOLVE);
const SCOPES = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
const WILL_CREATE = O_CREAT | __O_TMPFILE;
const S_IALLUGO = S_ISUID | S_ISGID | S_ISVTX | 0o777;

const has = (bits: number, any: number): boolean => (bits & any) !== 0;
const hasAll = (bits: number, all: number): boolean => (bits & all) === all;

/** build_open_flags() */
const OPEN_CHECKS: readonly (readonly [errno: number, refuses: (how: OpenHow) => boolean])[] = [
  [EINVAL, ({ flags }) => has(flags, ~VALID_OPEN_FLAGS)],
  [EINVAL, ({ resolve }) => has(resolve, ~VALID_RESOLVE_FLAGS)],
  [EINVAL, ({ resolve }) => hasAll(resolve, SCOPES)],
  [EINVAL, ({ flags, mode }) => has(mode, has(flags, WILL_CREATE) ? ~S_IALLUGO : ~0)],
  [EINVAL, ({ flags }) => hasAll(flags, O_DIRECTORY | O_CREAT)],
  [EINVAL, ({ flags }) => has(flags, __O_TMPFILE) && !has(flags, O_DIRECTORY)],
  [EINVAL, ({ flags }) => has(flags, __O_TMPFILE) && (flags & O_ACCMODE) === O_RDONLY],
  [EINVAL, ({ flags }) => has(flags, O_PATH) && has(flags, ~O_PATH_FLAGS)],
  [
    EAGAIN,
    ({ flags, resolve }) => has(resolve, RESOLVE_CACHED) && has(flags, O_TRUNC | WILL_CREATE),
  ],
];

/** @returns 0 or a negative errno */
export function checkOpen(how: OpenHow): number {
  const refusal = OPEN_CHECKS.find(([, refuses]) => refuses(how));
  return refusal === undefined ? 0 : -refusal[0];
}

/** build_open_how(): what open(2) does not know it does not see, and O_PATH beats everything else. */
export function openHow({ openFlags }: HostArch, flags: number, mode: number): OpenHow {
  const known = genericFlags(openFlags, flags) & VALID_OPEN_FLAGS;
  const kept = has(known, O_PATH) ? known & O_PATH_FLAGS : known;
  return { flags: kept, mode: has(kept, WILL_CREATE) ? mode & S_IALLUGO : 0, resolve: 0 };
}

/** The struct that openat2(2) takes; a negative errno for one that it would not. */
export function readOpenHow(
  { openFlags }: HostArch,
  mm: Pick<UserMemory, 'read'>,
  at: number,
  size: number,
): OpenHow | number {
  if (size < OPEN_HOW_SIZE_VER0) return -EINVAL;
  if (size > PAGE_SIZE) return -E2BIG;
  const bytes = new Uint8Array(size);
  if (!mm.read(va(at), bytes)) return -EFAULT;
  if (bytes.subarray(OpenHowLayout.byteLength).some((byte) => byte !== 0)) return -E2BIG;
  const view = new DataView(bytes.buffer);
  const { flags, mode, resolve } = OpenHowLayout;
  // No field has a bit above the 32nd.
  if ([flags, mode, resolve].some((field) => field.hi(view, 0) !== 0)) return -EINVAL;
  return {
    flags: genericFlags(openFlags, flags.lo(view, 0)),
    mode: mode.lo(view, 0),
    resolve: resolve.lo(view, 0),
  };
}

/** Flags as the box numbers them. */
function genericFlags(own: HostArch['openFlags'], flags: number): number {
  const generic: Readonly<Record<string, number>> = OPEN_FLAGS;
  const moved = Object.entries(own).filter(([, bit]) => has(flags, bit));
  return moved.reduce((all, [name]) => all | generic[name]!, flags & ~either(own));
}

/** An argument by its index as the int that it is; 0 without. */
type IntOf = (index: number) => number;

const ACCESS_FLAGS = AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
const STAT_FLAGS = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;

/** Where statx has AT_* flags; the others say it themselves. */
const STATX_FLAGS = 2;

/** What is refused with EINVAL, by kind of call. */
const REFUSES: Readonly<
  Partial<Record<PathCall['kind'], (call: PathCall, int: IntOf) => boolean>>
> = {
  access: ({ arg, extra }, int) =>
    has(int(arg), ~(R_OK | W_OK | X_OK)) || has(int(extra), ~ACCESS_FLAGS),
  stat: ({ extra }, int) => has(int(extra), ~STAT_FLAGS),
  statx: ({ arg }, int) =>
    has(int(arg), STATX__RESERVED) ||
    hasAll(int(STATX_FLAGS), AT_STATX_SYNC_TYPE) ||
    has(int(STATX_FLAGS), ~STAT_FLAGS),
};

/** Of a call that opens nothing. @returns 0 or a negative errno */
export function checkArguments(call: PathCall, ints: readonly number[]): number {
  const refuses = REFUSES[call.kind]?.(call, (index) => ints[index] ?? 0) === true;
  return refuses ? -EINVAL : 0;
}

/** AT_* flags of a call that has them; 0 of any other. */
export function atFlags({ kind, dirfd, extra }: PathCall, ints: readonly number[]): number {
  if (dirfd < 0 || REFUSES[kind] === undefined) return 0;
  return ints[kind === 'statx' ? STATX_FLAGS : extra] ?? 0;
}
