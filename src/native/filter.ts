/**
 * The seccomp filter of native programs: path system calls that could name a TEE node, fstat, execs,
 * and ioctls with the TEE magic, go to the supervisor; everything else runs untouched. Where
 * registered memory is mapped in place, forks and mremap() go there too: a child must not share it,
 * and a mapping that grows must not grow into it. A program that makes itself undumpable would put its
 * memory out of the supervisor's reach: the call succeeds and does nothing. Calls of another
 * architecture (a 32-bit program on a 64-bit host) are allowed, so they find no TEE.
 */
import { PR_SET_DUMPABLE } from '../abi/prctl.ts';
import { CLONE_VM } from '../abi/ptrace.ts';
import {
  BPF_ALU_AND_K,
  BPF_JMP_JEQ_K,
  BPF_LD_W_ABS,
  BPF_RET_K,
  SECCOMP_DATA_ARCH,
  SECCOMP_DATA_ARG0_LOW,
  SECCOMP_DATA_ARG1_LOW,
  SECCOMP_DATA_NR,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_USER_NOTIF,
  SockFilter,
} from '../abi/seccomp.ts';
import { TEE_IOC_MAGIC } from '../abi/tee.ts';
import type { HostArch } from './arch.ts';
import type { ShmMode } from './shm-mode.ts';

/** One BPF instruction: code, jump when true, jump when false, constant. */
type Instruction = readonly [code: number, jt: number, jf: number, k: number];

/** Calls that copy an address space or make a mapping longer; clone() only without CLONE_VM. */
export function sharedCalls({ fork, clone, clone3, mremap }: HostArch): readonly number[] {
  return [fork, clone, clone3, mremap].filter((nr) => nr !== undefined);
}

/** Calls that are asked about whatever their arguments are. */
function askedAbout(arch: HostArch, shm: ShmMode): readonly number[] {
  const always = [...arch.pathCalls.keys(), arch.fstat, ...arch.execCalls];
  if (shm === 'copy') return always;
  return [...always, ...sharedCalls(arch).filter((nr) => nr !== arch.clone)];
}

/** The program, ready for struct sock_fprog. */
export function buildFilter(
  arch: HostArch,
  shm: ShmMode = 'copy',
): { length: number; bytes: Uint8Array } {
  const asked = askedAbout(arch, shm);
  // clone() without CLONE_VM is asked about; behind the check of its number.
  const clone = shm === 'copy' ? 0 : 4;
  // Layout: arch check, nr checks, prctl and ioctl checks, then `notify`, `allow` and `ignore`.
  const program: Instruction[] = [];
  const prctl = 5;
  const notify = 3 + asked.length + clone + prctl + 1 + 3;
  const allow = notify + 1;
  const ignore = allow + 1;
  const jump = (to: number): number => to - program.length - 1;
  program.push([BPF_LD_W_ABS, 0, 0, SECCOMP_DATA_ARCH]);
  program.push([BPF_JMP_JEQ_K, 0, jump(allow), arch.audit]);
  program.push([BPF_LD_W_ABS, 0, 0, SECCOMP_DATA_NR]);
  for (const nr of asked) program.push([BPF_JMP_JEQ_K, jump(notify), 0, nr]);
  if (clone > 0) {
    program.push([BPF_JMP_JEQ_K, 0, clone - 1, arch.clone]);
    program.push([BPF_LD_W_ABS, 0, 0, SECCOMP_DATA_ARG0_LOW]);
    program.push([BPF_ALU_AND_K, 0, 0, CLONE_VM]);
    program.push([BPF_JMP_JEQ_K, jump(notify), jump(allow), 0]);
  }
  program.push([BPF_JMP_JEQ_K, 0, prctl - 1, arch.prctl]);
  program.push([BPF_LD_W_ABS, 0, 0, SECCOMP_DATA_ARG0_LOW]);
  program.push([BPF_JMP_JEQ_K, 0, jump(allow), PR_SET_DUMPABLE]);
  program.push([BPF_LD_W_ABS, 0, 0, SECCOMP_DATA_ARG1_LOW]);
  program.push([BPF_JMP_JEQ_K, jump(ignore), jump(allow), 0]);
  program.push([BPF_JMP_JEQ_K, 0, jump(allow), arch.ioctl]);
  program.push([BPF_LD_W_ABS, 0, 0, SECCOMP_DATA_ARG1_LOW]);
  program.push([BPF_ALU_AND_K, 0, 0, 0xff00]);
  program.push([BPF_JMP_JEQ_K, jump(notify), jump(allow), TEE_IOC_MAGIC << 8]);
  program.push([BPF_RET_K, 0, 0, SECCOMP_RET_USER_NOTIF]);
  program.push([BPF_RET_K, 0, 0, SECCOMP_RET_ALLOW]);
  program.push([BPF_RET_K, 0, 0, SECCOMP_RET_ERRNO]);
  const bytes = new Uint8Array(program.length * SockFilter.byteLength);
  const view = new DataView(bytes.buffer);
  program.forEach(([code, jt, jf, k], i) => {
    const at = i * SockFilter.byteLength;
    SockFilter.code.set(view, at, code);
    SockFilter.jt.set(view, at, jt);
    SockFilter.jf.set(view, at, jf);
    SockFilter.k.set(view, at, k);
  });
  return { length: program.length, bytes };
}
