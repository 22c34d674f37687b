/** The thread that carries the seccomp filter and starts programs; see spawner.ts. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { PR_SET_NO_NEW_PRIVS } from '../abi/prctl.ts';
import {
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

function start(spawner: PosixSpawn, id: number, request: SpawnRequest): void {
  try {
    report({ kind: 'started', id, pid: spawner.spawn(request) });
  } catch (error) {
    report({ kind: 'failed', id, error: error instanceof Error ? error.message : String(error) });
  }
}

const arch = HOST_ARCHS.get(process.arch);
if (arch === undefined) throw new Error(`no system call table for ${process.arch}`);
const libc = loadLibc();
const installed = install(libc, arch);
if (installed.kind === 'ready') {
  const spawner = new PosixSpawn(libc, arch, installed.listener);
  port.on('message', (message: ToWorker) => {
    if (message === 'close') port.close();
    else start(spawner, message.id, message.request);
  });
}
report(installed);
