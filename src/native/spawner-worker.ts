/** The thread that carries the seccomp filter and forks programs; see spawner.ts. */
import { spawn } from 'node:child_process';
import { closeSync, writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import {
  PR_SET_NO_NEW_PRIVS,
  SECCOMP_FILTER_FLAG_NEW_LISTENER,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
  SECCOMP_SET_MODE_FILTER,
  SockFprog,
} from '../abi/seccomp.ts';
import { HOST_ARCHS } from './arch.ts';
import type { HostArch } from './arch.ts';
import { buildFilter } from './filter.ts';
import { loadLibc } from './libc.ts';
import type { Libc } from './libc.ts';
import { PosixSpawn } from './posix-spawn.ts';
import type { FromWorker, SpawnRequest, ToWorker, WorkerData } from './spawner.ts';

const { port, wakeFd, shm }: WorkerData = workerData;

function report(message: FromWorker): void {
  port.postMessage(message);
  writeSync(wakeFd, new BigUint64Array([1n]));
}

/** Installs the filter on this thread. Root needs no PR_SET_NO_NEW_PRIVS, so setuid programs work. */
function install(libc: Libc, arch: HostArch): FromWorker {
  const filter = buildFilter(arch, shm);
  const fprog = new Uint8Array(SockFprog.byteLength);
  const view = new DataView(fprog.buffer);
  SockFprog.len.set(view, 0, filter.length);
  SockFprog.filter.setNum(view, 0, libc.address(filter.bytes));
  const flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  const seccomp = (): number =>
    libc.syscall(arch.seccomp, SECCOMP_SET_MODE_FILTER, flags, libc.address(fprog));
  let listener = seccomp();
  if (listener < 0) {
    if (libc.syscall(arch.prctl, PR_SET_NO_NEW_PRIVS, 1) < 0) {
      return { kind: 'refused', step: 'prctl(PR_SET_NO_NEW_PRIVS)', errno: libc.errno() };
    }
    listener = seccomp();
  }
  if (listener < 0) {
    const step = 'seccomp(NEW_LISTENER | WAIT_KILLABLE_RECV), which needs Linux 5.19,';
    return { kind: 'refused', step, errno: libc.errno() };
  }
  return { kind: 'ready', listener };
}

function start(id: number, request: SpawnRequest): void {
  try {
    if (shm === 'copy') fork(id, request);
    else report({ kind: 'started', id, pid: new PosixSpawn(libc, arch!).spawn(request) });
  } catch (error) {
    // What Node refuses without trying: an empty name, a NUL in an argument.
    report({ kind: 'failed', id, error: error instanceof Error ? error.message : String(error) });
  }
  if (request.closeStdio === true) for (const fd of new Set(request.stdio)) closeSync(fd);
}

function fork(id: number, request: SpawnRequest): void {
  const [file = '', ...args] = request.argv;
  const child = spawn(file, args, {
    cwd: request.cwd,
    env: { ...request.env },
    stdio: [...request.stdio],
  });
  child.once('error', (error) => report({ kind: 'failed', id, error: error.message }));
  child.once('exit', (code, signal) => report({ kind: 'exit', id, exit: { code, signal } }));
  if (child.pid !== undefined) report({ kind: 'started', id, pid: child.pid });
}

const arch = HOST_ARCHS.get(process.arch);
if (arch === undefined) throw new Error(`no system call table for ${process.arch}`);
const libc = loadLibc();
port.on('message', (message: ToWorker) => {
  if (message === 'close') port.close();
  else start(message.id, message.request);
});
report(install(libc, arch));
