/**
 * Which of a native program's paths belong to the box: TEE nodes in /dev and the class in sysfs.
 * Relative paths are resolved through the program's directory, as its kernel would.
 */
import { readlinkSync } from 'node:fs';
import { posix } from 'node:path';
import { AT_FDCWD } from '../abi/fcntl.ts';

/** What follows a node's name is the box's to refuse (-ENOTDIR). */
const OURS = /^\/dev\/tee(priv)?\d+(\/|$)|^\/sys\/class\/tee(\/|$)/;
/** In every path of ours, and in few others: a test before a relative path is resolved. */
const MARK = 'tee';

/**
 * The absolute path in the box's tree, undefined for a path that the host should answer.
 * @param dirfd AT_FDCWD or a directory fd of the program.
 */
export function boxPath(tid: number, dirfd: number, path: string): string | undefined {
  if (!path.includes(MARK)) return undefined;
  let full = path;
  if (!path.startsWith('/')) {
    try {
      const link = dirfd === AT_FDCWD ? `/proc/${tid}/cwd` : `/proc/${tid}/fd/${dirfd}`;
      full = `${readlinkSync(link)}/${path}`;
    } catch {
      return undefined;
    }
  }
  const normal = posix.normalize(full);
  return OURS.test(normal) ? normal : undefined;
}
