/**
 * Who a client is to a TEE: a UUID made from its user or group (drivers/tee/tee_core.c,
 * tee_session_calc_client_uuid()). RFC 4122 octets throughout.
 * Left out: user namespaces.
 */
import { EINVAL, EPERM } from '../../abi/errno.ts';
import {
  TEE_IOCTL_LOGIN_GROUP,
  TEE_IOCTL_LOGIN_PUBLIC,
  TEE_IOCTL_LOGIN_REE_KERNEL,
  TEE_IOCTL_LOGIN_USER,
} from '../../abi/tee.ts';
import { parseUuid, UUID_LEN } from '../../abi/uuid.ts';
import { inGroup, makeCred } from '../process/cred.ts';
import type { TaskStruct } from '../process/process.ts';
import { refuse } from './refuse.ts';
import type { TeeSubsystem } from './tee-subsystem.ts';

/** tee_client_uuid_ns */
const NAMESPACE = parseUuid('58ac9ca0-2086-4683-a1b8-ec4bc08e01b6');

/** gid_t of (gid_t)-1: no group. */
const INVALID_GID = 0xffff_ffff;

/** Kernel threads have root's rights. */
const KERNEL_CRED = makeCred();

/**
 * tee_session_calc_client_uuid()
 * @param login TEE_IOCTL_LOGIN_*
 * @param data `clnt_uuid` as user space gave it: a group id for TEE_IOCTL_LOGIN_GROUP.
 * @param current the caller; undefined for a kernel thread.
 * @returns 16 octets, -EPERM for a group that the caller is not in, -EINVAL for other logins.
 */
export function teeSessionCalcClientUuid(
  tee: TeeSubsystem,
  login: number,
  data: Uint8Array,
  current: TaskStruct | undefined,
): Uint8Array | number {
  const { trace } = tee.kernel;
  const cred = current === undefined ? KERNEL_CRED : current.process.cred;
  if (login === TEE_IOCTL_LOGIN_PUBLIC || login === TEE_IOCTL_LOGIN_REE_KERNEL) {
    return new Uint8Array(UUID_LEN);
  }
  if (login === TEE_IOCTL_LOGIN_USER) return uuidV5(tee, `uid=${cred.euid.toString(16)}`);
  if (login !== TEE_IOCTL_LOGIN_GROUP) {
    return refuse(trace, EINVAL, `login ${login} is not implemented`, {
      hint: 'PUBLIC, USER and GROUP are',
    });
  }
  const gid = new DataView(data.buffer, data.byteOffset).getUint32(0, true);
  if (gid === INVALID_GID || !inGroup(cred, gid)) {
    return refuse(trace, EPERM, `the caller is not in group ${gid}`);
  }
  return uuidV5(tee, `gid=${gid.toString(16)}`);
}

/** RFC 4122 §4.3, with SHA-1. */
function uuidV5(tee: TeeSubsystem, name: string): Uint8Array {
  const text = new TextEncoder().encode(name);
  const input = new Uint8Array(UUID_LEN + text.length);
  input.set(NAMESPACE);
  input.set(text, UUID_LEN);
  const uuid = tee.sha1(input).slice(0, UUID_LEN);
  uuid[6] = (uuid[6]! & 0x0f) | 0x50;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return uuid;
}
