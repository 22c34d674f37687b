/**
 * A process that makes system calls on a real device for the specs. It is told what to do over a
 * socket, one call after the other, and blocks where they block. Started by `device-target.ts` with
 * the socket's path, a token that says who it is, and whose rights it is to have.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { O_RDWR } from '../../src/abi/fcntl.ts';
import { loadKoffi } from '../../src/host/node/koffi.ts';
import type { AgentCall, AgentReply } from './agent-protocol.ts';
import type { Cred } from './target.ts';

const native = loadKoffi();
const lib = native.load(null);
const libc = {
  open: lib.func('int open(uint64_t, int)'),
  close: lib.func('int close(int)'),
  dup: lib.func('int dup(int)'),
  ioctl: lib.func('int ioctl(int, unsigned long, uint64_t)'),
  mmap: lib.func('int64_t mmap(uint64_t, uint64_t, int, int, int, int64_t)'),
  munmap: lib.func('int munmap(uint64_t, uint64_t)'),
  mprotect: lib.func('int mprotect(uint64_t, uint64_t, int)'),
  read: lib.func('int64_t read(int, uint64_t, uint64_t)'),
  memcpy: lib.func('uint64_t memcpy(uint64_t, uint64_t, uint64_t)'),
};

const addressOf = (bytes: Uint8Array): number => Number(native.address(bytes));

/** What a call returns, or its negative errno. */
const result = (value: number): number => (value === -1 ? -native.errno() : value);

function peek(at: number, length: number): string {
  const bytes = Buffer.alloc(length);
  if (length > 0) libc.memcpy(addressOf(bytes), at, length);
  return bytes.toString('hex');
}

function poke(at: number, hex: string): number {
  const bytes = Buffer.from(hex, 'hex');
  if (bytes.length > 0) libc.memcpy(at, addressOf(bytes), bytes.length);
  return 0;
}

function serve(call: AgentCall): number | string {
  switch (call.op) {
    case 'open':
      return result(libc.open(addressOf(Buffer.from(`${call.path}\0`)), O_RDWR));
    case 'mmap':
      return result(libc.mmap(0, call.length, call.prot, call.flags, call.fd, call.offset));
    case 'peek':
      return peek(call.at, call.length);
    case 'poke':
      return poke(call.at, call.hex);
    case 'call':
      return result(libc[call.name](...call.args));
    case 'heir':
      return start(call.token);
  }
}

/** Files that were opened without O_CLOEXEC, as all of ours are, are the child's as well. */
function start(token: string): number {
  const args = [fileURLToPath(import.meta.url), socketPath, token];
  spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] }).unref();
  return 0;
}

const [socketPath = '', token = '', cred] = process.argv.slice(2);
const socket = connect(socketPath);
// The socket's directory is for its owner alone: rights are dropped once the socket is reached.
await once(socket, 'connect');
if (cred !== undefined) {
  const { uid, gid, groups } = JSON.parse(cred) as Cred;
  process.setgroups?.([...groups]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}
socket.write(`${JSON.stringify({ token, pid: process.pid })}\n`);
for await (const line of createInterface(socket)) {
  const call = JSON.parse(line) as AgentCall;
  const reply: AgentReply = { result: serve(call) };
  socket.write(`${JSON.stringify(reply)}\n`);
}
