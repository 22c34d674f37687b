/**
 * Sending and receiving with a time-out, on sockets that do not block.
 * Upstream counterpart: write_with_timeout(), read_with_timeout() and poll_with_timeout() of
 * tee-supplicant/src/tee_socket.c. Left out: waiting on after a signal, which nothing here handles.
 */
import { EAGAIN } from '../../abi/errno.ts';
import { TEEC_ERROR_BAD_PARAMETERS, TEEC_ERROR_OUT_OF_MEMORY, TEEC_SUCCESS } from '../../abi/gp.ts';
import { TEE_ISOCKET_ERROR_TIMEOUT } from '../../abi/gp-socket.ts';
import { OPTEE_RPC_SOCKET_TIMEOUT_BLOCKING } from '../../abi/optee-rpc.ts';
import {
  MSG_DONTWAIT,
  MSG_PEEK,
  MSG_TRUNC,
  POLLIN,
  POLLOUT,
  SOCK_DGRAM,
  SOL_SOCKET,
  SO_TYPE,
} from '../../abi/socket.ts';
import { va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { Syscalls } from '../../linux/process/syscalls.ts';
import type { Co } from '../../sched/task.ts';
import { pagedAlignedAlloc } from '../paged-aligned-alloc.ts';
import type { Server } from './handlers.ts';

/** SUPP_MAX_PEEK_LEN: up to here the length of what is queued is told exactly. */
const SUPP_MAX_PEEK_LEN = 4096;
/** The longest time that poll() takes, milliseconds. */
const INT_MAX = 0x7fff_ffff;

/** A buffer of a request; `at` is null when the request named none. */
export interface SockBuffer {
  readonly fd: number;
  readonly at: Va | null;
  readonly size: number;
  /** Milliseconds, or OPTEE_RPC_SOCKET_TIMEOUT_BLOCKING. */
  readonly timeout: number;
}

/** TEEC_Result, and bytes when that is TEEC_SUCCESS. */
export interface Moved {
  readonly result: number;
  readonly size: number;
}

const failed = (result: number): Moved => ({ result, size: 0 });
const moved = (size: number): Moved => ({ result: TEEC_SUCCESS, size });

function* pollWithTimeout(sys: Syscalls, { fd, timeout }: SockBuffer, events: number): Co<number> {
  const ms = timeout === OPTEE_RPC_SOCKET_TIMEOUT_BLOCKING ? -1 : Math.min(timeout, INT_MAX);
  const ready = yield* sys.poll([{ fd, events }], ms);
  if (typeof ready === 'number') return TEEC_ERROR_BAD_PARAMETERS;
  return ready[0] === 0 ? TEE_ISOCKET_ERROR_TIMEOUT : TEEC_SUCCESS;
}

/** Sends once, as much as is taken. */
export function* writeWithTimeout({ sys }: Server, buffer: SockBuffer): Co<Moved> {
  const ready = yield* pollWithTimeout(sys, buffer, POLLOUT);
  if (ready !== TEEC_SUCCESS) return failed(ready);
  const sent = yield* sys.write(buffer.fd, buffer.at ?? NULL, buffer.size);
  if (sent >= 0) return moved(sent);
  return failed(sent === -EAGAIN ? TEE_ISOCKET_ERROR_TIMEOUT : TEEC_ERROR_BAD_PARAMETERS);
}

/**
 * Receives once. Without room it tells how much is queued, at once; of a datagram that does not fit
 * it tells a length beyond the room.
 */
export function* readWithTimeout(server: Server, buffer: SockBuffer): Co<Moved> {
  const { sys } = server;
  const { fd, size } = buffer;
  const type = yield* sys.getsockopt(fd, SOL_SOCKET, SO_TYPE);
  if (type < 0) return failed(TEEC_ERROR_BAD_PARAMETERS);
  if (size > 0) {
    const ready = yield* pollWithTimeout(sys, buffer, POLLIN);
    if (ready !== TEEC_SUCCESS) return failed(ready);
  }
  let queued = 0;
  if ((type === SOCK_DGRAM && size < SUPP_MAX_PEEK_LEN) || size === 0) {
    const peeked = yield* peekLength(server, buffer);
    if (peeked.result !== TEEC_SUCCESS || size === 0) return peeked;
    queued = peeked.size;
  }
  const got = yield* sys.recvmsg(fd, buffer.at ?? NULL, size, MSG_DONTWAIT);
  if (typeof got === 'number') return failed(receiveError(got));
  const cut = type === SOCK_DGRAM && (got.flags & MSG_TRUNC) !== 0;
  return moved(cut ? Math.max(queued, got.length + 1) : got.length);
}

function* peekLength({ sys, memory }: Server, { fd, size }: SockBuffer): Co<Moved> {
  const at = pagedAlignedAlloc(memory, SUPP_MAX_PEEK_LEN);
  if (at === null) return failed(TEEC_ERROR_OUT_OF_MEMORY);
  const got = yield* sys.recvmsg(fd, at, SUPP_MAX_PEEK_LEN, MSG_PEEK | MSG_DONTWAIT);
  memory.free(at);
  if (typeof got !== 'number') {
    // What was cut is one byte longer at least.
    return moved((got.flags & MSG_TRUNC) !== 0 ? got.length + 1 : got.length);
  }
  return got === -EAGAIN && size === 0 ? moved(0) : failed(receiveError(got));
}

const receiveError = (rc: number): number =>
  rc === -EAGAIN ? TEE_ISOCKET_ERROR_TIMEOUT : TEEC_ERROR_BAD_PARAMETERS;

const NULL = va(0);
