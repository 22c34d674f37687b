/**
 * Sockets to a host by its name: each address is tried until one answers.
 * Upstream counterpart: sock_connect() and udp_changeaddr() of tee-supplicant/src/tee_socket.c.
 */
import { ENOBUFS, ENOMEM, ETIMEDOUT } from '../../abi/errno.ts';
import { F_GETFD, F_SETFL, O_NONBLOCK } from '../../abi/fcntl.ts';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_COMMUNICATION,
  TEEC_ERROR_GENERIC,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import {
  TEE_IP_VERSION_4,
  TEE_IP_VERSION_6,
  TEE_IP_VERSION_DC,
  TEE_ISOCKET_ERROR_HOSTNAME,
  TEE_ISOCKET_ERROR_OUT_OF_RESOURCES,
  TEE_ISOCKET_ERROR_TIMEOUT,
  TEE_ISOCKET_PROTOCOLID_TCP,
  TEE_ISOCKET_PROTOCOLID_UDP,
} from '../../abi/gp-socket.ts';
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM } from '../../abi/socket.ts';
import { resolveHost } from '../../linux/process/resolver.ts';
import type { Syscalls } from '../../linux/process/syscalls.ts';
import type { HostEndpoint } from '../../host/net.ts';
import type { Co } from '../../sched/task.ts';
import type { Server } from './handlers.ts';

const FAMILIES: ReadonlyMap<number, 0 | 4 | 6> = new Map<number, 0 | 4 | 6>([
  [TEE_IP_VERSION_DC, 0],
  [TEE_IP_VERSION_4, 4],
  [TEE_IP_VERSION_6, 6],
]);

const TYPES: ReadonlyMap<number, number> = new Map<number, number>([
  [TEE_ISOCKET_PROTOCOLID_TCP, SOCK_STREAM],
  [TEE_ISOCKET_PROTOCOLID_UDP, SOCK_DGRAM],
]);

/** What a TA asks to be connected with. */
export interface Destination {
  /** TEE_IP_VERSION_* */
  readonly ipVersion: number;
  /** TEE_ISOCKET_PROTOCOLID_* */
  readonly protocol: number;
  readonly host: string;
  readonly port: number;
}

/** A connected socket that does not block, or why there is none. */
export type Connected = { readonly fd: number } | { readonly result: number };

export function* sockConnect(server: Server, to: Destination): Co<Connected> {
  const family = FAMILIES.get(to.ipVersion);
  const type = TYPES.get(to.protocol);
  if (family === undefined || type === undefined) return { result: TEEC_ERROR_BAD_PARAMETERS };
  const addresses = yield* resolveHost(server.kernel, to.host, family);
  let last: Connected = { result: TEE_ISOCKET_ERROR_HOSTNAME };
  for (const address of addresses) {
    last = yield* connectOne(server.sys, type, { ...address, port: to.port });
    if ('fd' in last) break;
  }
  return last;
}

function* connectOne(sys: Syscalls, type: number, peer: HostEndpoint): Co<Connected> {
  const fd = yield* sys.socket(peer.family === 6 ? AF_INET6 : AF_INET, type);
  if (fd === -ENOMEM || fd === -ENOBUFS) return { result: TEE_ISOCKET_ERROR_OUT_OF_RESOURCES };
  if (fd < 0) return { result: TEEC_ERROR_GENERIC };
  const rc = yield* sys.connect(fd, peer);
  if (rc < 0) {
    yield* sys.close(fd);
    return { result: connectError(rc) };
  }
  // As upstream: the flags of the descriptor, to which the file's is added.
  const flags = yield* sys.fcntl(fd, F_GETFD);
  yield* sys.fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  return { fd };
}

const connectError = (rc: number): number =>
  rc === -ETIMEDOUT ? TEE_ISOCKET_ERROR_TIMEOUT : TEEC_ERROR_COMMUNICATION;

/** udp_changeaddr(): the same socket gets a peer of the same family. */
export function* udpChangeAddr(
  { kernel, sys }: Server,
  fd: number,
  host: string,
  { family, port }: HostEndpoint,
): Co<number> {
  let result: number = TEE_ISOCKET_ERROR_HOSTNAME;
  for (const address of yield* resolveHost(kernel, host, family)) {
    const rc = yield* sys.connect(fd, { ...address, port });
    if (rc === 0) return TEEC_SUCCESS;
    result = connectError(rc);
  }
  return result;
}
