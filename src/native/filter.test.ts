/** The seccomp filter, run by a small interpreter of the instructions that it is made of. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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
import { TEE_IOC_INVOKE, TEE_IOC_VERSION } from '../abi/tee.ts';
import { HOST_ARCHS } from './arch.ts';
import { buildFilter } from './filter.ts';

interface SeccompData {
  readonly arch: number;
  readonly nr: number;
  readonly arg0?: number;
  readonly arg1: number;
}

/** What the kernel does with a call. @throws for an instruction that the filter must not have */
function verdict(filter: ReturnType<typeof buildFilter>, data: SeccompData): number {
  const view = new DataView(filter.bytes.buffer);
  const loads = new Map([
    [SECCOMP_DATA_ARCH, data.arch],
    [SECCOMP_DATA_NR, data.nr],
    [SECCOMP_DATA_ARG0_LOW, data.arg0 ?? 0],
    [SECCOMP_DATA_ARG1_LOW, data.arg1],
  ]);
  let accumulator = 0;
  for (let pc = 0; pc < filter.length; pc++) {
    const at = pc * SockFilter.byteLength;
    const code = SockFilter.code.get(view, at);
    const k = SockFilter.k.get(view, at);
    if (code === BPF_RET_K) return k;
    if (code === BPF_LD_W_ABS) accumulator = loads.get(k)!;
    else if (code === BPF_ALU_AND_K) accumulator = (accumulator & k) >>> 0;
    else if (code === BPF_JMP_JEQ_K) {
      pc += (accumulator === k ? SockFilter.jt : SockFilter.jf).get(view, at);
    } else assert.fail(`instruction ${pc} has code ${code}`);
  }
  assert.fail('the filter has no end');
}

for (const arch of HOST_ARCHS.values()) {
  describe(`the filter for ${arch.name}`, () => {
    const filter = buildFilter(arch);
    const of = (nr: number, arg1 = 0): number => verdict(filter, { arch: arch.audit, nr, arg1 });

    it('asks about every call with a path, about fstat and execs', () => {
      const asked = [...arch.pathCalls.keys(), arch.fstat, ...arch.execCalls];
      assert.ok(asked.length >= 8);
      for (const nr of asked) assert.equal(of(nr), SECCOMP_RET_USER_NOTIF, `call ${nr}`);
    });

    it('lets every other call run', () => {
      const asked = new Set([...arch.pathCalls.keys(), arch.fstat, ...arch.execCalls, arch.ioctl]);
      for (let nr = 0; nr < 600; nr++) {
        if (!asked.has(nr)) assert.equal(of(nr), SECCOMP_RET_ALLOW, `call ${nr}`);
      }
    });

    it('asks about ioctls with the TEE magic alone', () => {
      const TCGETS = 0x5401;
      for (const cmd of [TEE_IOC_VERSION, TEE_IOC_INVOKE]) {
        assert.equal(of(arch.ioctl, cmd), SECCOMP_RET_USER_NOTIF);
      }
      assert.equal(of(arch.ioctl, TCGETS), SECCOMP_RET_ALLOW);
      assert.equal(of(arch.ioctl, 0), SECCOMP_RET_ALLOW);
    });

    it('lets no program put its memory out of reach', () => {
      const PR_SET_NAME = 15;
      const prctl = (arg0: number, arg1: number): number =>
        verdict(filter, { arch: arch.audit, nr: arch.prctl, arg0, arg1 });
      assert.equal(prctl(PR_SET_DUMPABLE, 0), SECCOMP_RET_ERRNO);
      assert.equal(prctl(PR_SET_DUMPABLE, 1), SECCOMP_RET_ALLOW);
      assert.equal(prctl(PR_SET_NAME, 0), SECCOMP_RET_ALLOW);
    });

    it('asks about what copies or grows memory where that is in place', () => {
      const inPlace = buildFilter(arch, 'inplace');
      const verdictOf = (nr: number, arg0 = 0, arg1 = 0): number =>
        verdict(inPlace, { arch: arch.audit, nr, arg0, arg1 });
      const SIGCHLD = 17;
      const THREAD = CLONE_VM | 0x10000;
      const asked = [...arch.pathCalls.keys(), arch.fstat, ...arch.execCalls];
      const copying = [arch.clone3, arch.mremap, ...(arch.fork === undefined ? [] : [arch.fork])];
      for (const nr of [...asked, ...copying]) {
        assert.equal(verdictOf(nr), SECCOMP_RET_USER_NOTIF, `call ${nr}`);
      }
      assert.equal(verdictOf(arch.clone, SIGCHLD), SECCOMP_RET_USER_NOTIF);
      assert.equal(verdictOf(arch.clone, THREAD), SECCOMP_RET_ALLOW);
      assert.equal(verdictOf(arch.ioctl, 3, TEE_IOC_INVOKE), SECCOMP_RET_USER_NOTIF);
      const others = new Set([...asked, ...copying, arch.clone, arch.ioctl]);
      for (let nr = 0; nr < 600; nr++) {
        if (!others.has(nr)) assert.equal(verdictOf(nr), SECCOMP_RET_ALLOW, `call ${nr}`);
      }
    });

    it('leaves programs of another architecture alone', () => {
      const AUDIT_ARCH_I386 = 0x40000003;
      for (const nr of [...arch.pathCalls.keys(), arch.ioctl]) {
        const data = { arch: AUDIT_ARCH_I386, nr, arg1: TEE_IOC_VERSION };
        assert.equal(verdict(filter, data), SECCOMP_RET_ALLOW);
      }
    });
  });
}
