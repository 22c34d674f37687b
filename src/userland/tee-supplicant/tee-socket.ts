/**
 * Sockets of TAs: connections to hosts, by TA instance and handle.
 *
 * Upstream counterpart: tee-supplicant/src/tee_socket.c. Connecting is in `sock-connect.ts`,
 * sending and receiving in `sock-transfer.ts`.
 */
import { SIGABRT, SIGSEGV } from '../../abi/fcntl.ts';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_GENERIC,
  TEEC_ERROR_NOT_SUPPORTED,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import {
  TEE_ISOCKET_ERROR_HOSTNAME,
  TEE_TCP_SET_RECVBUF,
  TEE_TCP_SET_SENDBUF,
  TEE_UDP_CHANGEADDR,
  TEE_UDP_CHANGEPORT,
} from '../../abi/gp-socket.ts';
import {
  OPTEE_RPC_SOCKET_CLOSE,
  OPTEE_RPC_SOCKET_CLOSE_ALL,
  OPTEE_RPC_SOCKET_IOCTL,
  OPTEE_RPC_SOCKET_OPEN,
  OPTEE_RPC_SOCKET_RECV,
  OPTEE_RPC_SOCKET_SEND,
} from '../../abi/optee-rpc.ts';
import { SOCK_STREAM, SOL_SOCKET, SO_RCVBUF, SO_SNDBUF, SO_TYPE } from '../../abi/socket.ts';
import {
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
} from '../../abi/tee.ts';
import { va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { HandleDb } from './handle.ts';
import type { Server } from './handlers.ts';
import { load, loadString, raise } from './process.ts';
import type { RpcRequest } from './rpc-request.ts';
import { paramToVa } from './rpc-shm.ts';
import { sockConnect, udpChangeAddr } from './sock-connect.ts';
import { readWithTimeout, writeWithTimeout } from './sock-transfer.ts';
import type { SockBuffer } from './sock-transfer.ts';

const VALUE_IN = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT;
const VALUE_OUT = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT;
const VALUE_INOUT = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT;
const MEMREF_IN = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
const MEMREF_OUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT;
const MEMREF_INOUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT;

/** A uint16_t. */
const PORT_MASK = 0xffff;
const PORT_SIZE = 2;
/** NI_MAXHOST: no host name is longer, and none is empty. */
const HOST_MAX = 1025;
const NO_HOST = '';

interface Command {
  readonly types: readonly number[];
  readonly run: (sockets: SuppSockets, server: Server, request: RpcRequest) => Co<number>;
}

const COMMANDS: ReadonlyMap<number, Command> = new Map<number, Command>([
  [
    OPTEE_RPC_SOCKET_OPEN,
    { types: [VALUE_IN, VALUE_IN, MEMREF_IN, VALUE_OUT], run: (own, s, r) => own.open(s, r) },
  ],
  [OPTEE_RPC_SOCKET_CLOSE, { types: [VALUE_IN], run: (own, s, r) => own.close(s, r) }],
  [OPTEE_RPC_SOCKET_CLOSE_ALL, { types: [VALUE_IN], run: (own, s, r) => own.closeAll(s, r) }],
  [
    OPTEE_RPC_SOCKET_SEND,
    { types: [VALUE_IN, MEMREF_IN, VALUE_INOUT], run: (own, s, r) => own.send(s, r) },
  ],
  [
    OPTEE_RPC_SOCKET_RECV,
    { types: [VALUE_IN, MEMREF_OUT, VALUE_IN], run: (own, s, r) => own.recv(s, r) },
  ],
  [
    OPTEE_RPC_SOCKET_IOCTL,
    { types: [VALUE_IN, MEMREF_INOUT, VALUE_IN], run: (own, s, r) => own.ioctl(s, r) },
  ],
]);

export class SuppSockets {
  /** File descriptors by handle, by TA instance. */
  readonly #instances = new Map<number, HandleDb<number>>();

  /** tee_socket_process(): [0] value a sub-command, b instance, c handle. */
  process(server: Server, request: RpcRequest): Co<number> {
    const command = request.isValue(0) ? COMMANDS.get(request.num('a', 0)) : undefined;
    if (command === undefined || !request.is(command.types)) return badParameters();
    return command.run(this, server, request);
  }

  /** [1] value a port, b protocol, c IP version; [2] memref host; [3] value a handle. */
  *open(server: Server, request: RpcRequest): Co<number> {
    const at = paramToVa(server, request, 2);
    const host = at === null ? undefined : yield* hostName(server, at, request.size(2));
    if (host === undefined) return TEE_ISOCKET_ERROR_HOSTNAME;
    const port = request.u32('a', 1) & PORT_MASK;
    const [protocol, ipVersion] = [request.u32('b', 1), request.u32('c', 1)];
    const connected = yield* sockConnect(server, { ipVersion, protocol, host, port });
    if ('result' in connected) return connected.result;
    const instance = request.u32('b', 0);
    const handles = this.#instances.get(instance) ?? new HandleDb<number>();
    this.#instances.set(instance, handles);
    request.set('a', 3, handles.get(connected.fd));
    return TEEC_SUCCESS;
  }

  *close(server: Server, request: RpcRequest): Co<number> {
    const fd = yield* this.#fdOf(server, request);
    if (fd < 0) return TEEC_ERROR_BAD_PARAMETERS;
    this.#instances.get(request.u32('b', 0))?.put(request.int('c', 0));
    return (yield* server.sys.close(fd)) < 0 ? TEEC_ERROR_GENERIC : TEEC_SUCCESS;
  }

  *closeAll({ sys }: Server, request: RpcRequest): Co<number> {
    const fds = this.#instances.get(request.u32('b', 0))?.putAll() ?? [];
    for (const fd of fds) yield* sys.close(fd);
    return TEEC_SUCCESS;
  }

  /** [1] memref data; [2] value a time-out, b bytes sent. */
  *send(server: Server, request: RpcRequest): Co<number> {
    const fd = yield* this.#fdOf(server, request);
    if (fd < 0) return TEEC_ERROR_BAD_PARAMETERS;
    const { result, size } = yield* writeWithTimeout(server, bufferOf(server, request, fd));
    if (result === TEEC_SUCCESS) request.set('b', 2, size);
    return result;
  }

  /** [1] memref buffer; [2] value a time-out. */
  *recv(server: Server, request: RpcRequest): Co<number> {
    const fd = yield* this.#fdOf(server, request);
    if (fd < 0) return TEEC_ERROR_BAD_PARAMETERS;
    const { result, size } = yield* readWithTimeout(server, bufferOf(server, request, fd));
    if (result === TEEC_SUCCESS) request.setSize(1, size);
    return result;
  }

  /** [1] memref argument; [2] value a command. */
  *ioctl(server: Server, request: RpcRequest): Co<number> {
    const fd = yield* this.#fdOf(server, request);
    if (fd < 0) return TEEC_ERROR_BAD_PARAMETERS;
    const type = yield* server.sys.getsockopt(fd, SOL_SOCKET, SO_TYPE);
    if (type < 0) return TEEC_ERROR_BAD_PARAMETERS;
    const handler = type === SOCK_STREAM ? ioctlTcp : ioctlUdp;
    return yield* handler(server, request.u32('a', 2), bufferOf(server, request, fd));
  }

  /** sock_handle_to_fd(): -1 for an instance that has no sockets. */
  *#fdOf(server: Server, request: RpcRequest): Co<number> {
    const handles = this.#instances.get(request.u32('b', 0));
    if (handles === undefined) return -1;
    const fd = handles.lookup(request.int('c', 0));
    if (fd !== undefined) return fd;
    if (!server.switches.quirkSocketHandleAborts) return -1;
    server.emsg("handle_ptr_to_fd: Assertion `ptr' failed.");
    return yield* raise(server, SIGABRT);
  }
}

function* badParameters(): Co<number> {
  return TEEC_ERROR_BAD_PARAMETERS;
}

function bufferOf(server: Server, request: RpcRequest, fd: number): SockBuffer {
  const at = paramToVa(server, request, 1);
  return { fd, at, size: request.size(1), timeout: request.u32('a', 2) };
}

/** A string that fills its buffer; undefined when that does not end with NUL. */
function* hostName(server: Server, at: Va, size: number): Co<string | undefined> {
  if (size === 0) return undefined;
  const [last] = yield* load(server, va(at + size - 1), 1);
  return last === 0 ? ((yield* loadString(server, at, HOST_MAX)) ?? NO_HOST) : undefined;
}

type Ioctl = (server: Server, command: number, buffer: SockBuffer) => Co<number>;

const TCP_OPTIONS: ReadonlyMap<number, number> = new Map<number, number>([
  [TEE_TCP_SET_RECVBUF, SO_RCVBUF],
  [TEE_TCP_SET_SENDBUF, SO_SNDBUF],
]);

/** tee_socket_ioctl_tcp() */
const ioctlTcp: Ioctl = function* ({ sys }, command, { fd, at, size }) {
  const option = TCP_OPTIONS.get(command);
  if (option === undefined) return TEEC_ERROR_NOT_SUPPORTED;
  const rc = yield* sys.setsockopt(fd, SOL_SOCKET, option, at ?? va(0), size);
  return rc < 0 ? TEEC_ERROR_BAD_PARAMETERS : TEEC_SUCCESS;
};

/** tee_socket_ioctl_udp(): upstream looks at the argument without looking whether there is one. */
const ioctlUdp: Ioctl = function* (server, command, { fd, at, size }) {
  const { sys } = server;
  const peer = yield* sys.getpeername(fd);
  if (typeof peer === 'number') return TEEC_ERROR_BAD_PARAMETERS;
  if (command !== TEE_UDP_CHANGEADDR && command !== TEE_UDP_CHANGEPORT) {
    return TEEC_ERROR_NOT_SUPPORTED;
  }
  if (command === TEE_UDP_CHANGEPORT && size !== PORT_SIZE) return TEEC_ERROR_BAD_PARAMETERS;
  if (at === null) return yield* raise(server, SIGSEGV);
  if (command === TEE_UDP_CHANGEADDR) {
    const host = yield* hostName(server, at, size);
    return host === undefined
      ? TEE_ISOCKET_ERROR_HOSTNAME
      : yield* udpChangeAddr(server, fd, host, peer);
  }
  const [low = 0, high = 0] = yield* load(server, at, PORT_SIZE);
  const rc = yield* sys.connect(fd, { ...peer, port: low | (high << 8) });
  return rc < 0 ? TEEC_ERROR_GENERIC : TEEC_SUCCESS;
};
