/**
 * Which of a native program's paths belong to the box: TEE nodes in /dev and the class in sysfs.
 * Relative paths are resolved through the program's directory, as its kernel would.
 */
import { readlinkSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { EXDEV } from '../abi/errno.ts';
import { AT_FDCWD } from '../abi/fcntl.ts';
import { RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_XDEV } from '../abi/openat2.ts';

/** What follows a node's name is the box's to refuse (-ENOTDIR). */
const OURS = /^\/dev\/tee(priv)?\d+(\/|$)|^\/sys\/class\/tee(\/|$)/;
/** In every path of ours, and in few others: a test before anything else is looked at. */
export const mayBeOurs = (path: string): boolean => path.includes('tee');

/** A path as a program gives it. */
export interface GivenPath {
  readonly tid: number;
  /** AT_FDCWD or a directory fd of the program. */
  readonly dirfd: number;
  readonly text: string;
  /** RESOLVE_* of openat2(2). */
  readonly resolve: number;
}

/** The absolute path in the box's tree, undefined for a path that the host should answer. */
export function boxPath(given: GivenPath): string | undefined {
  const start = startOf(given);
  if (start === undefined) return undefined;
  const normal = posix.normalize(`${start}/${below(given)}`);
  return OURS.test(normal) ? normal : undefined;
}

/**
 * Whether a path of the box's keeps to what RESOLVE_* asks for (nd_jump_root(), handle_dots()).
 * Mounts are told apart by their device. @returns 0 or a negative errno
 */
export function checkResolve(given: GivenPath): number {
  const { resolve } = given;
  const leaves = isAbsolute(given) || /^\.\.(\/|$)/.test(posix.normalize(given.text));
  if ((resolve & RESOLVE_BENEATH) !== 0 && leaves) return -EXDEV;
  return (resolve & RESOLVE_NO_XDEV) !== 0 && crossesMounts(given) ? -EXDEV : 0;
}

const isAbsolute = ({ text, resolve }: GivenPath): boolean =>
  text.startsWith('/') && (resolve & RESOLVE_IN_ROOT) === 0;

/** What of the path is to be followed from its start: one that is a root has nothing above it. */
const below = ({ text, resolve }: GivenPath): string =>
  (resolve & RESOLVE_IN_ROOT) === 0 ? text : posix.normalize(`/${text}`);

/** The directory that a path starts at; undefined when that cannot be told. */
function startOf(given: GivenPath): string | undefined {
  if (isAbsolute(given)) return '/';
  const { tid, dirfd } = given;
  try {
    return readlinkSync(dirfd === AT_FDCWD ? `/proc/${tid}/cwd` : `/proc/${tid}/fd/${dirfd}`);
  } catch {
    return undefined;
  }
}

function crossesMounts(given: GivenPath): boolean {
  let at = startOf(given) ?? '/';
  const first = deviceOf(at);
  for (const name of posix.dirname(below(given)).split('/')) {
    at = posix.join(at, name);
    if ((deviceOf(at) ?? first) !== first) return true;
  }
  return false;
}

/** The host's file system with a directory; undefined for one that only the box has. */
function deviceOf(path: string): number | undefined {
  try {
    return statSync(path).dev;
  } catch {
    return undefined;
  }
}
