/**
 * TCP and UDP sockets: GlobalPlatform TEE Sockets API 1.0, over the socket PTA.
 *
 * Upstream counterparts: optee_os lib/libutee/tee_tcpudp_socket.c, tee_socket_pta.c,
 * include/tee_isocket.h. Left out: TLS, which upstream has not either.
 */
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_HANDLE_NULL,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import {
  TEE_IP_VERSION,
  TEE_ISOCKET_ERROR_HOSTNAME,
  TEE_ISOCKET_ERROR_PROTOCOL,
  TEE_ISOCKET_PROTOCOLID_TCP,
  TEE_ISOCKET_PROTOCOLID_UDP,
  TEE_ISOCKET_TCP_WARNING_UNKNOWN_OUT_OF_BAND,
  TEE_ISOCKET_UDP_WARNING_UNKNOWN_OUT_OF_BAND,
  TEE_ISOCKET_VERSION,
  TEE_ISOCKET_WARNING_PROTOCOL,
  TEE_TCP_SET_RECVBUF,
  TEE_TCP_SET_SENDBUF,
  TEE_UDP_CHANGEADDR,
  TEE_UDP_CHANGEPORT,
} from '../../abi/gp-socket.ts';
import {
  PTA_SOCKET_CLOSE,
  PTA_SOCKET_IOCTL,
  PTA_SOCKET_OPEN,
  PTA_SOCKET_RECV,
  PTA_SOCKET_SEND,
  PTA_SOCKET_UUID,
} from '../../abi/pta.ts';
import type { Co } from '../../sched/task.ts';
import { TeeExtensions } from './extensions.ts';
import { iSocketHandle, newParams } from './types.ts';
import type {
  MaybePromise,
  Ref,
  TEE_Memref,
  TEE_Params,
  TEE_iSocket,
  TEE_iSocketHandle,
  TEE_ipSocket_Setup,
} from './types.ts';

interface Protocol {
  /** TEE_ISOCKET_PROTOCOLID_* */
  readonly id: number;
  /** What `open` says beside a socket that works. */
  readonly warning: number;
  /** Commands of `ioctl`. */
  readonly commands: readonly number[];
}

const TCP: Protocol = {
  id: TEE_ISOCKET_PROTOCOLID_TCP,
  warning: TEE_ISOCKET_TCP_WARNING_UNKNOWN_OUT_OF_BAND,
  commands: [TEE_TCP_SET_RECVBUF, TEE_TCP_SET_SENDBUF],
};
const UDP: Protocol = {
  id: TEE_ISOCKET_PROTOCOLID_UDP,
  warning: TEE_ISOCKET_UDP_WARNING_UNKNOWN_OUT_OF_BAND,
  commands: [TEE_UDP_CHANGEADDR, TEE_UDP_CHANGEPORT],
};

/** sizeof(struct socket_ctx) */
const SOCKET_BYTES = 8;

/** As `struct socket_ctx`. */
interface SocketContext {
  /** Handle of the PTA. */
  handle: number;
  protoError: number;
  /** Where C keeps it. */
  readonly memory: Uint8Array;
}

const VALUE = TEE_PARAM_TYPE_VALUE_INPUT;
const NONE = TEE_PARAM_TYPE_NONE;
const OPEN_TYPES = TEE_PARAM_TYPES(
  VALUE,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  VALUE,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
);
const CLOSE_TYPES = TEE_PARAM_TYPES(VALUE, NONE, NONE, NONE);
const SEND_TYPES = TEE_PARAM_TYPES(
  VALUE,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  NONE,
);
const RECV_TYPES = TEE_PARAM_TYPES(VALUE, TEE_PARAM_TYPE_MEMREF_OUTPUT, NONE, NONE);
const IOCTL_TYPES = TEE_PARAM_TYPES(VALUE, TEE_PARAM_TYPE_MEMREF_INOUT, NONE, NONE);

const IP_VERSIONS: readonly number[] = Object.values(TEE_IP_VERSION);

/** __tee_socket_ioctl_cmd_to_proto(): commands of all protocols have 0 there. */
const protocolOf = (commandCode: number): number => commandCode >>> 24;

export class TeeSockets extends TeeExtensions {
  readonly #sockets = new Map<TEE_iSocketHandle, SocketContext>();
  #lastSocket = 0;
  #tcp: TEE_iSocket | undefined;
  #udp: TEE_iSocket | undefined;

  get TEE_tcpSocket(): TEE_iSocket {
    this.#tcp ??= this.#iSocket('TEE_tcpSocket', TCP);
    return this.#tcp;
  }

  get TEE_udpSocket(): TEE_iSocket {
    this.#udp ??= this.#iSocket('TEE_udpSocket', UDP);
    return this.#udp;
  }

  #iSocket(api: string, protocol: Protocol): TEE_iSocket {
    return {
      TEE_iSocketVersion: TEE_ISOCKET_VERSION,
      protocolID: protocol.id,
      open: (ctx, setup, protocolError) => {
        if (setup === null) return this.panic(0, `${api}->open`, 'no setup');
        protocolError.value = TEE_SUCCESS;
        return this.runtime.call(this.#open(protocol, ctx, setup, protocolError));
      },
      close: (ctx) => {
        if (ctx === TEE_HANDLE_NULL) return TEE_SUCCESS;
        return this.runtime.call(this.#close(ctx, this.#socket(`${api}->close`, ctx)));
      },
      send: (ctx, buf, timeout) => {
        const socket = this.#socket(`${api}->send`, ctx);
        if (buf.buffer === null) this.panic(0, `${api}->send`, 'no buffer');
        return this.runtime.call(this.#send(socket, buf, timeout));
      },
      recv: (ctx, buf, timeout) => {
        const socket = this.#transfer(`${api}->recv`, ctx, buf);
        return this.runtime.call(this.#move(socket, PTA_SOCKET_RECV, RECV_TYPES, timeout, buf));
      },
      error: (ctx) => this.#socket(`${api}->error`, ctx).protoError,
      ioctl: (ctx, commandCode, buf) =>
        this.#ioctl(`${api}->ioctl`, protocol, ctx, commandCode, buf),
    };
  }

  #ioctl(
    api: string,
    protocol: Protocol,
    ctx: TEE_iSocketHandle,
    commandCode: number,
    buf: TEE_Memref,
  ): MaybePromise<number> {
    const socket = this.#transfer(api, ctx, buf);
    if (protocolOf(commandCode) === 0) return TEE_SUCCESS;
    if (!protocol.commands.includes(commandCode)) {
      this.panic(0, api, `no such command: 0x${commandCode.toString(16)}`);
    }
    return this.runtime.call(this.#move(socket, PTA_SOCKET_IOCTL, IOCTL_TYPES, commandCode, buf));
  }

  #socket(api: string, ctx: TEE_iSocketHandle): SocketContext {
    return this.#sockets.get(ctx) ?? this.panic(0, api, `no such socket: ${ctx}`);
  }

  #transfer(api: string, ctx: TEE_iSocketHandle, buf: TEE_Memref): SocketContext {
    const socket = this.#socket(api, ctx);
    if (buf.buffer === null && buf.size > 0) this.panic(0, api, 'a size without a buffer');
    return socket;
  }

  // --- with the PTA
  *#open(
    protocol: Protocol,
    ctx: Ref<TEE_iSocketHandle>,
    setup: TEE_ipSocket_Setup,
    protocolError: Ref<number>,
  ): Co<number> {
    const memory = this.allocate('TEE_iSocket->open', SOCKET_BYTES);
    if (memory === null) return TEE_ERROR_OUT_OF_MEMORY;
    const socket: SocketContext = { handle: 0, protoError: 0, memory };
    const result = yield* this.#openInPta(protocol, setup, socket);
    ctx.value = TEE_HANDLE_NULL;
    if (result === TEE_SUCCESS) {
      this.#lastSocket += 1;
      ctx.value = iSocketHandle(this.#lastSocket);
      this.#sockets.set(ctx.value, socket);
    } else {
      this.TEE_Free(memory);
    }
    if (result !== TEE_ISOCKET_ERROR_HOSTNAME && result !== protocol.warning) return result;
    protocolError.value = result;
    return result === protocol.warning ? TEE_ISOCKET_WARNING_PROTOCOL : TEE_ISOCKET_ERROR_PROTOCOL;
  }

  *#openInPta(protocol: Protocol, setup: TEE_ipSocket_Setup, socket: SocketContext): Co<number> {
    const { ipVersion, server_addr: address, server_port: port } = setup;
    if (!IP_VERSIONS.includes(ipVersion) || address === null) return TEE_ERROR_BAD_PARAMETERS;
    const params = newParams();
    const text = Uint8Array.from(`${address}\0`, (c) => c.charCodeAt(0));
    Object.assign(params[0].value, { a: ipVersion, b: port & 0xffff });
    Object.assign(params[1].memref, { buffer: text, size: text.length });
    params[2].value.a = protocol.id;
    const result = yield* this.#invoke(PTA_SOCKET_OPEN, OPEN_TYPES, params);
    if (result === TEE_SUCCESS) socket.handle = params[3].value.a;
    return result;
  }

  *#close(ctx: TEE_iSocketHandle, socket: SocketContext): Co<number> {
    const params = newParams();
    params[0].value.a = socket.handle;
    const result = yield* this.#invoke(PTA_SOCKET_CLOSE, CLOSE_TYPES, params);
    this.#sockets.delete(ctx);
    this.TEE_Free(socket.memory);
    return result;
  }

  *#send(socket: SocketContext, buf: TEE_Memref, timeout: number): Co<number> {
    const params = newParams();
    Object.assign(params[0].value, { a: socket.handle, b: timeout });
    Object.assign(params[1].memref, buf);
    const result = yield* this.#invoke(PTA_SOCKET_SEND, SEND_TYPES, params);
    buf.size = params[2].value.a;
    socket.protoError = result;
    return result;
  }

  /** Receives, or does an ioctl: both fill a buffer. @param b a timeout, or the command */
  *#move(
    socket: SocketContext,
    command: number,
    types: number,
    b: number,
    buf: TEE_Memref,
  ): Co<number> {
    const params = newParams();
    Object.assign(params[0].value, { a: socket.handle, b });
    Object.assign(params[1].memref, buf);
    const result = yield* this.#invoke(command, types, params);
    // A uint32_t, whatever the normal world has answered.
    buf.size = params[1].memref.size >>> 0;
    socket.protoError = result;
    return result;
  }

  #invoke(command: number, types: number, params: TEE_Params): Co<number> {
    return this.invokePta(PTA_SOCKET_UUID, command, types, params);
  }
}
