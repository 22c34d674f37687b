/**
 * What the host must allow for native programs, tried one by one: the kernel may be too old, a
 * container's seccomp profile or a security module may forbid a call.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { formatErrno } from '../abi/errno.ts';
import { PROCMAP_QUERY, PROCMAP_QUERY_COVERING_OR_NEXT_VMA, ProcmapQuery } from '../abi/procmap.ts';
import { HOST_ARCHS } from './arch.ts';
import type { HostArch } from './arch.ts';
import { loadLibc } from './libc.ts';
import type { Libc } from './libc.ts';
import { Spawner } from './spawner.ts';
import { Tracer } from './tracer.ts';

export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  /** teebox works without it, more slowly. */
  readonly optional: boolean;
  readonly detail: string;
}

const found = (name: string, ok: boolean, detail: string, optional = false): Finding => ({
  name,
  ok,
  optional,
  detail,
});

/** Tries everything that the supervisor uses. */
export async function diagnose(): Promise<readonly Finding[]> {
  const findings = [
    found('system', process.platform === 'linux', `${process.platform} ${release()}`),
  ];
  const arch = HOST_ARCHS.get(process.arch);
  const tested = arch?.name === 'arm64' ? ' (tables only: never tested)' : '';
  findings.push(found('architecture', arch !== undefined, `${process.arch}${tested}`));
  if (arch === undefined) return findings;
  let libc: Libc;
  try {
    libc = loadLibc();
    findings.push(found('koffi', true, 'the C library is reachable'));
  } catch (error) {
    return [
      ...findings,
      found('koffi', false, error instanceof Error ? error.message : String(error)),
    ];
  }
  findings.push(notification(), await listener(libc, arch), await otherMemory(libc));
  findings.push(await tracing(libc, arch));
  findings.push(call(libc, 'pidfd_open', () => libc.syscall(arch.pidfdOpen, process.pid, 0)));
  findings.push(call(libc, 'epoll', () => libc.syscall(arch.epollCreate1, 0)));
  findings.push(call(libc, 'inotify', () => libc.syscall(arch.inotifyInit1, 0)));
  findings.push(procmap(libc), compiler());
  return findings;
}

function notification(): Finding {
  const name = 'seccomp user notification';
  try {
    const actions = readFileSync('/proc/sys/kernel/seccomp/actions_avail', 'latin1').trim();
    const ok = actions.split(' ').includes('user_notif');
    return found(name, ok, ok ? 'the kernel has it' : `the kernel has only: ${actions}`);
  } catch {
    return found(name, false, '/proc/sys/kernel/seccomp is not there: no seccomp, or no /proc');
  }
}

async function listener(libc: Libc, arch: HostArch): Promise<Finding> {
  const name = 'filter with WAIT_KILLABLE_RECV';
  const wakeFd = libc.syscall(arch.eventfd2, 0, 0);
  try {
    const spawner = await Spawner.start(libc, wakeFd);
    await spawner.close();
    return found(name, true, 'a thread of this process can install it');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return found(name, false, `${why}; in a container, allow the seccomp system call`);
  } finally {
    closeSync(wakeFd);
  }
}

/** The arguments of calls: tried on a child that waits, as programs in a call do. */
async function otherMemory(libc: Libc): Promise<Finding> {
  const name = 'process_vm_readv and writev of children';
  const child = spawn('/bin/cat', { stdio: ['pipe', 'ignore', 'ignore'] });
  try {
    await once(child, 'spawn');
    const errno = moveSomeBytes(libc, child.pid ?? 0);
    return errno === 0 ? found(name, true, 'permitted') : found(name, false, whyNot(errno));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return found(name, false, `a child cannot be looked at: ${why}`);
  } finally {
    child.stdin.end();
  }
}

/** What `--shm=inplace` needs: a child is stopped, and let go of. */
async function tracing(libc: Libc, arch: HostArch): Promise<Finding> {
  const name = 'ptrace of children';
  const child = spawn('/bin/cat', { stdio: ['pipe', 'ignore', 'ignore'] });
  const tracer = new Tracer(libc, arch);
  try {
    await once(child, 'spawn');
    const pid = child.pid ?? 0;
    const standing = tracer.stopAll(
      () => [pid],
      () => false,
    );
    for (const tid of standing) tracer.letGo(tid);
    if (standing.length === 0) throw new Error('the child does not stop');
    return found(name, true, 'permitted', true);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return found(name, false, `${why}: --shm=inplace copies`, true);
  } finally {
    child.stdin.end();
  }
}

/** Reads eight bytes of the process, and writes the same ones back. @returns an errno */
function moveSomeBytes(libc: Libc, pid: number): number {
  const maps = readFileSync(`/proc/${pid}/maps`, 'latin1');
  const at = /^([0-9a-f]+)-\S+ rw/m.exec(maps)?.[1];
  if (at === undefined) throw new Error(`nothing writable in /proc/${pid}/maps`);
  const iovecs = new BigUint64Array(new ArrayBuffer(128));
  const local = libc.address(new Uint8Array(iovecs.buffer));
  const remote = local + 16;
  iovecs.set([BigInt(local + 64), 8n, BigInt(`0x${at}`), 8n]);
  for (const move of [libc.processVmReadv, libc.processVmWritev]) {
    if (move(pid, local, 1, remote, 1) !== 8) return libc.errno();
  }
  return 0;
}

function whyNot(errno: number): string {
  const scope = yamaScope();
  const why = `${formatErrno(-errno)}: a container or a security module forbids it`;
  return scope === undefined || scope === 0
    ? why
    : `${why}; kernel.yama.ptrace_scope is ${scope}, and lets a parent in up to 1`;
}

function yamaScope(): number | undefined {
  try {
    return Number(readFileSync('/proc/sys/kernel/yama/ptrace_scope', 'latin1'));
  } catch {
    return undefined;
  }
}

function call(libc: Libc, name: string, open: () => number): Finding {
  const fd = open();
  if (fd < 0) return found(name, false, `errno ${libc.errno()}`);
  closeSync(fd);
  return found(name, true, 'works');
}

function procmap(libc: Libc): Finding {
  const query = new Uint8Array(new ArrayBuffer(128));
  const view = new DataView(query.buffer);
  ProcmapQuery.querySize.setNum(view, 0, ProcmapQuery.byteLength);
  ProcmapQuery.queryFlags.setNum(view, 0, PROCMAP_QUERY_COVERING_OR_NEXT_VMA);
  const fd = openSync('/proc/self/maps', 'r');
  const ok = libc.ioctl(fd, PROCMAP_QUERY, libc.address(query)) === 0;
  closeSync(fd);
  const detail = ok ? 'works' : 'needs Linux 6.11: /proc/PID/maps is read instead, more slowly';
  return found('PROCMAP_QUERY', ok, detail, true);
}

function compiler(): Finding {
  const ok = spawnSync('cc', ['--version']).status === 0;
  const detail = ok ? 'there' : 'not there: tests and benchmarks with C programs are skipped';
  return found('C compiler', ok, detail, true);
}
