/**
 * Numbers of sockets and poll: address families, types, protocols, options, message flags, events.
 *
 * Upstream counterparts: include/linux/socket.h, include/linux/net.h, include/uapi/linux/in.h,
 * include/uapi/asm-generic/{socket,poll}.h. The numbers are those of x86-64 and arm64.
 * Left out: families other than IP, raw sockets, socket address structs (they are values here).
 */
import { O_CLOEXEC, O_NONBLOCK } from './fcntl.ts';

/* Source: include/linux/socket.h, Linux 6.1. */
export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** Address families. */
export const AF = { AF_UNSPEC, AF_INET, AF_INET6 } as const;

/* Source: include/linux/net.h, Linux 6.1. */
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;

/** Socket types, under `SOCK_TYPE_MASK`. */
export const SOCK_TYPE = { SOCK_STREAM, SOCK_DGRAM } as const;
export const SOCK_TYPE_MASK = 0xf;

export const SOCK_CLOEXEC = O_CLOEXEC;
export const SOCK_NONBLOCK = O_NONBLOCK;

/* Source: include/linux/net.h (enum sock_shutdown_cmd), Linux 6.1. */
export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

/** What shutdown() ends. */
export const SHUT = { SHUT_RD, SHUT_WR, SHUT_RDWR } as const;

/* Source: include/uapi/linux/in.h, Linux 6.1. */
export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;

/** Protocols; IPPROTO_IP asks for the one that fits the type. */
export const IPPROTO = { IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP } as const;

/* Source: include/uapi/asm-generic/socket.h, Linux 6.1. */
export const SOL_SOCKET = 1;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_PROTOCOL = 38;
export const SO_DOMAIN = 39;

/** Options at SOL_SOCKET. */
export const SO = { SO_TYPE, SO_ERROR, SO_SNDBUF, SO_RCVBUF, SO_PROTOCOL, SO_DOMAIN } as const;

/* Source: include/linux/socket.h, Linux 6.1. */
export const MSG_PEEK = 0x2;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;

/** Message flags. */
export const MSG = { MSG_PEEK, MSG_TRUNC, MSG_DONTWAIT, MSG_NOSIGNAL } as const;

/* Source: include/uapi/asm-generic/poll.h, Linux 6.1. */
export const POLLIN = 0x1;
export const POLLPRI = 0x2;
export const POLLOUT = 0x4;
export const POLLERR = 0x8;
export const POLLHUP = 0x10;
export const POLLNVAL = 0x20;
export const POLLRDNORM = 0x40;
export const POLLWRNORM = 0x100;
export const POLLRDHUP = 0x2000;

/** Events of poll(). */
export const POLL = {
  POLLIN,
  POLLPRI,
  POLLOUT,
  POLLERR,
  POLLHUP,
  POLLNVAL,
  POLLRDNORM,
  POLLWRNORM,
  POLLRDHUP,
} as const;
