/**
 * System calls on sockets (net/socket.c). Addresses are values; data and option values go through
 * user addresses.
 */
import {
  EAFNOSUPPORT,
  EBADF,
  EFAULT,
  EINVAL,
  ENOPROTOOPT,
  ENOTCONN,
  ENOTSOCK,
  EPIPE,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
} from '../../abi/errno.ts';
import { O_NONBLOCK, O_RDWR, SIGPIPE } from '../../abi/fcntl.ts';
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_PEEK,
  MSG_TRUNC,
  SHUT_RDWR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOCK_TYPE_MASK,
  SOL_SOCKET,
  SO_DOMAIN,
  SO_ERROR,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_SNDBUF,
  SO_TYPE,
} from '../../abi/socket.ts';
import type { HostEndpoint } from '../../host/net.ts';
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { endIdle } from './exit.ts';
import type { File } from './file.ts';
import { sendSignal } from './send-signal.ts';
import { makeSocketFile, socketFrom } from './socket.ts';
import type { Socket } from './socket.ts';
import { withFile } from './sys-file.ts';
import { TcpSocket } from './tcp.ts';
import type { Thread } from './thread.ts';
import { UdpSocket } from './udp.ts';

const MAKERS = new Map([
  [SOCK_STREAM, { protocol: IPPROTO_TCP, Kind: TcpSocket }],
  [SOCK_DGRAM, { protocol: IPPROTO_UDP, Kind: UdpSocket }],
]);

/** __sys_socket() */
export function makeSocket(thread: Thread, domain: number, type: number, protocol: number): number {
  const flags = type & ~SOCK_TYPE_MASK;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  if (domain !== AF_INET && domain !== AF_INET6) return -EAFNOSUPPORT;
  const maker = MAKERS.get(type & SOCK_TYPE_MASK);
  if (maker === undefined) return -ESOCKTNOSUPPORT;
  if (protocol !== IPPROTO_IP && protocol !== maker.protocol) return -EPROTONOSUPPORT;
  const { kernel, files } = thread.process;
  const file = makeSocketFile(new maker.Kind(kernel, domain), O_RDWR | (flags & SOCK_NONBLOCK));
  return files.install(file, (flags & SOCK_CLOEXEC) !== 0);
}

type SocketBody<T> = (socket: Socket, file: File) => Co<T | number>;

const withSocket = <T>(thread: Thread, fd: number, body: SocketBody<T>): Co<T | number> =>
  withFile(thread, fd, onSocket<T>, body);

function* onSocket<T>(file: File, _thread: Thread, body: SocketBody<T>): Co<T | number> {
  const socket = socketFrom(file);
  return socket === undefined ? -ENOTSOCK : yield* body(socket, file);
}

const waitsNot = (file: File, flags: number): boolean =>
  (file.flags & O_NONBLOCK) !== 0 || (flags & MSG_DONTWAIT) !== 0;

/** __sys_connect() */
export function connectSocket(thread: Thread, fd: number, peer: HostEndpoint): Co<number> {
  return withSocket(thread, fd, function* (socket, file) {
    const domain = peer.family === 6 ? AF_INET6 : AF_INET;
    if (domain !== socket.domain) return -EAFNOSUPPORT;
    return yield* socket.connect(peer, waitsNot(file, 0));
  });
}

/** A message's place in user memory, and MSG_* flags. */
export interface Message {
  readonly buf: Va;
  readonly length: number;
  readonly flags: number;
}

/** __sys_sendto() without an address */
export function sendMessage(thread: Thread, fd: number, message: Message): Co<number> {
  return withSocket(thread, fd, function* (socket, file) {
    const data = new Uint8Array(message.length);
    if (!thread.process.mm.read(message.buf, data)) return -EFAULT;
    const sent = yield* socket.send(data, waitsNot(file, message.flags));
    if (sent === -EPIPE && (message.flags & MSG_NOSIGNAL) === 0) {
      sendSignal(thread.process, SIGPIPE, endIdle, thread);
    }
    return sent;
  });
}

/** struct msghdr as recvmsg() leaves it. */
export interface Received {
  readonly length: number;
  /** MSG_TRUNC: the datagram was longer. */
  readonly flags: number;
}

/** ____sys_recvmsg() without addresses and control data */
export function receiveMessage(
  thread: Thread,
  fd: number,
  { buf, length, flags }: Message,
): Co<Received | number> {
  return withSocket(thread, fd, function* (socket, file): Co<Received | number> {
    const ready = yield* socket.readable(waitsNot(file, flags));
    if (ready < 0) return ready;
    if (ready === 0) return { length: 0, flags: 0 };
    const { bytes, whole } = socket.peek(length);
    if (!thread.process.mm.write(buf, bytes)) return -EFAULT;
    if ((flags & MSG_PEEK) === 0) socket.consume(bytes.length);
    const truncated = whole > bytes.length;
    const told = truncated && (flags & MSG_TRUNC) !== 0 ? whole : bytes.length;
    return { length: told, flags: truncated ? MSG_TRUNC : 0 };
  });
}

export function shutdownSocket(thread: Thread, fd: number, how: number): Co<number> {
  return withSocket(thread, fd, function* (socket) {
    return how < 0 || how > SHUT_RDWR ? -EINVAL : socket.shutdown(how);
  });
}

/** The other end, or this one, of a connection. */
export function nameOf(thread: Thread, fd: number, which: 'peer' | 'local'): HostEndpoint | number {
  const file = thread.process.files.get(fd);
  if (file === undefined || file.isPath) return -EBADF;
  const socket = socketFrom(file);
  if (socket === undefined) return -ENOTSOCK;
  if (which === 'peer') return socket.peer ?? -ENOTCONN;
  return socket.local ?? anyEndpoint(socket.domain);
}

const anyEndpoint = (domain: number): HostEndpoint =>
  domain === AF_INET6
    ? { family: 6, address: '::', port: 0 }
    : { family: 4, address: '0.0.0.0', port: 0 };

const GETTERS: ReadonlyMap<number, (socket: Socket) => number> = new Map<
  number,
  (socket: Socket) => number
>([
  [SO_TYPE, (socket) => socket.type],
  [SO_PROTOCOL, (socket) => socket.protocol],
  [SO_DOMAIN, (socket) => socket.domain],
  [SO_ERROR, (socket) => Math.abs(socket.takeError())],
  [SO_RCVBUF, (socket) => socket.rcvbuf],
  [SO_SNDBUF, (socket) => socket.sndbuf],
]);

/** sk_getsockopt(): the value of an integer option, or a negative errno. */
export function getOption(thread: Thread, fd: number, level: number, name: number): Co<number> {
  return withSocket(thread, fd, function* (socket) {
    const getter = level === SOL_SOCKET ? GETTERS.get(name) : undefined;
    return getter === undefined ? -ENOPROTOOPT : getter(socket);
  });
}

/** net.core.rmem_max and wmem_max, bytes. */
const SK_MEM_MAX = 212992;
/** Least buffers: one packet (TCP_SKB_MIN_TRUESIZE), or two to send. */
const SOCK_MIN_RCVBUF = 2304;
const SOCK_MIN_SNDBUF = 2 * SOCK_MIN_RCVBUF;
const INT_SIZE = 4;

/** Twice what was asked for, since Linux counts what packets cost; negative is very much. */
const bufferSize = (value: number, least: number): number =>
  Math.max(2 * Math.min(value >>> 0, SK_MEM_MAX), least);

const SETTERS: ReadonlyMap<number, (socket: Socket, value: number) => void> = new Map<
  number,
  (socket: Socket, value: number) => void
>([
  [SO_RCVBUF, (socket, value) => (socket.rcvbuf = bufferSize(value, SOCK_MIN_RCVBUF))],
  [SO_SNDBUF, (socket, value) => (socket.sndbuf = bufferSize(value, SOCK_MIN_SNDBUF))],
]);

/** An option's value in user memory. */
export interface OptionValue {
  readonly level: number;
  readonly name: number;
  readonly at: Va;
  readonly length: number;
}

/** sk_setsockopt(): an integer option; bytes behind the first four are not looked at. */
export function setOption(thread: Thread, fd: number, option: OptionValue): Co<number> {
  return withSocket(thread, fd, function* (socket) {
    if (option.level !== SOL_SOCKET) return -ENOPROTOOPT;
    if (option.length < INT_SIZE) return -EINVAL;
    const bytes = new Uint8Array(INT_SIZE);
    if (!thread.process.mm.read(option.at, bytes)) return -EFAULT;
    const setter = SETTERS.get(option.name);
    if (setter === undefined) return -ENOPROTOOPT;
    setter(socket, new DataView(bytes.buffer).getInt32(0, true));
    return 0;
  });
}
