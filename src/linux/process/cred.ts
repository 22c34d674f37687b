/**
 * Rights (kernel/cred.c, security/commoncap.c, generic_permission() in fs/namei.c): credentials as
 * values, capability and group tests, and the permission check of files and directories.
 * Left out: user namespaces, securebits, saved ids, ACLs, security modules.
 */
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_LAST_CAP } from '../../abi/capability.ts';
import { EACCES } from '../../abi/errno.ts';
import { R_OK, W_OK, X_OK } from '../../abi/fcntl.ts';
import type { Cred } from './process.ts';

const ALL_CAPABILITIES: ReadonlySet<number> = new Set(
  Array.from({ length: CAP_LAST_CAP + 1 }, (_, cap) => cap),
);
const NO_CAPABILITIES: ReadonlySet<number> = new Set();

/** Who a program is. Ids default to root's; root has every capability, others those named. */
export interface CredOptions {
  readonly uid?: number;
  readonly gid?: number;
  readonly euid?: number;
  readonly egid?: number;
  readonly groups?: readonly number[];
  readonly capabilities?: Iterable<number>;
}

export function makeCred(options: CredOptions = {}): Cred {
  const uid = options.uid ?? 0;
  const gid = options.gid ?? uid;
  const euid = options.euid ?? uid;
  const given = options.capabilities;
  const byUid = euid === 0 ? ALL_CAPABILITIES : NO_CAPABILITIES;
  return {
    uid,
    gid,
    euid,
    egid: options.egid ?? gid,
    groups: [...(options.groups ?? [])],
    capabilities: given === undefined ? byUid : new Set(given),
  };
}

/** As access() judges: by the real ids, with capabilities only for a real root. */
export function realCred(cred: Cred): Cred {
  const capabilities = cred.uid === 0 ? cred.capabilities : NO_CAPABILITIES;
  return { ...cred, euid: cred.uid, egid: cred.gid, capabilities };
}

export const capable = (cred: Cred, cap: number): boolean => cred.capabilities.has(cap);

/** in_group_p() */
export const inGroup = (cred: Cred, gid: number): boolean =>
  cred.egid === gid || cred.groups.includes(gid);

/** What a permission check looks at. */
export interface Ownership {
  /** Permission bits, 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * generic_permission()
 * @param mask R_OK, W_OK and X_OK together.
 * @returns 0 or -EACCES.
 */
export function permission(
  cred: Cred,
  file: Ownership,
  isDirectory: boolean,
  mask: number,
): number {
  if ((mask & ~classBits(cred, file)) === 0) return 0;
  // Nobody may execute what has no x bit at all; directories are searched by right.
  const executable = isDirectory || (file.mode & 0o111) !== 0;
  if (capable(cred, CAP_DAC_OVERRIDE) && ((mask & X_OK) === 0 || executable)) return 0;
  const searches = isDirectory ? (mask & W_OK) === 0 : mask === R_OK;
  return searches && capable(cred, CAP_DAC_READ_SEARCH) ? 0 : -EACCES;
}

/** The rwx bits that apply to this caller: one class only, even if another would give more. */
function classBits(cred: Cred, file: Ownership): number {
  if (cred.euid === file.uid) return (file.mode >> 6) & 7;
  if (inGroup(cred, file.gid)) return (file.mode >> 3) & 7;
  return file.mode & 7;
}
