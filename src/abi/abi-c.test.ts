/**
 * Compares the tables with the headers installed on this machine (package linux-libc-dev), through
 * the C compiler, in both directions: what we declare has the header's value, and what the header
 * declares is declared here. Whatever the header is too old for is named in a list below.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  compareStructs,
  constantsOf,
  definedNames,
  evaluate,
  readHeader,
  sameInteger,
  skipWithoutCc,
  structMembers,
} from './c-probe.test.ts';
import * as capability from './capability.ts';
import * as dmaBuf from './dma-buf.ts';
import * as dmaHeap from './dma-heap.ts';
import * as errno from './errno.ts';
import * as fcntl from './fcntl.ts';
import * as openat2 from './openat2.ts';
import * as prctl from './prctl.ts';
import * as ptrace from './ptrace.ts';
import * as socket from './socket.ts';
import type { StructInfo } from './layout.ts';
import * as tee from './tee.ts';

const INCLUDE = '/usr/include/linux';

function structsOf(module: object): StructInfo[] {
  return Object.values(module).filter(
    (v: unknown): v is StructInfo => typeof v === 'object' && v !== null && 'structName' in v,
  );
}

/** A header, what mirrors it, and where the two may differ. */
interface Mirror {
  readonly header: string;
  readonly module: object;
  readonly names: RegExp;
  /** Ours, and absent from headers of Linux 6.1. */
  readonly later: readonly string[];
  /** Theirs, and left out here on purpose. */
  readonly leftOut: readonly string[];
  /** Constants of this room that no header has. */
  readonly own: readonly string[];
  readonly laterStructs: readonly string[];
}

const MIRRORS: readonly Mirror[] = [
  {
    header: 'tee.h',
    module: tee,
    names: /^TEE_/,
    later: [
      'TEE_GEN_CAP_OBJREF',
      'TEE_OBJREF_NULL',
      'TEE_IMPL_ID_TSTEE',
      'TEE_IMPL_ID_QTEE',
      'TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT',
      'TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_OUTPUT',
      'TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INOUT',
      'TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INPUT',
      'TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_OUTPUT',
      'TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INOUT',
      'TEE_IOC_SHM_REGISTER_FD',
      'TEE_IOC_OBJECT_INVOKE',
    ],
    leftOut: [],
    own: ['TEE_MAX_ARG_SIZE_6_1', 'TEE_NUM_DEVICES'],
    laterStructs: ['tee_ioctl_shm_register_fd_data', 'tee_ioctl_object_invoke_arg'],
  },
  {
    header: 'dma-heap.h',
    module: dmaHeap,
    names: /^DMA_HEAP_/,
    later: [],
    leftOut: [],
    own: [
      'TEE_DMA_HEAP_SECURE_VIDEO_PLAY',
      'TEE_DMA_HEAP_TRUSTED_UI',
      'TEE_DMA_HEAP_SECURE_VIDEO_RECORD',
    ],
    laterStructs: [],
  },
  {
    header: 'dma-buf.h',
    module: dmaBuf,
    names: /^DMA_BUF_/,
    later: [],
    leftOut: ['DMA_BUF_SET_NAME'],
    own: [],
    laterStructs: [],
  },
  {
    header: 'openat2.h',
    module: openat2,
    names: /^RESOLVE_/,
    later: [],
    leftOut: [],
    own: ['OPEN_HOW_SIZE_VER0'],
    laterStructs: [],
  },
];

/** Both values of TEE_MAX_ARG_SIZE are right, each for its kernels. */
function acceptable(name: string, ours: number | bigint): (number | bigint)[] {
  return name === 'TEE_MAX_ARG_SIZE' ? [ours, tee.TEE_MAX_ARG_SIZE_6_1] : [ours];
}

for (const m of MIRRORS) {
  const path = `${INCLUDE}/${m.header}`;
  const skip =
    skipWithoutCc || (existsSync(path) ? false : `${path} is missing (package linux-libc-dev)`);
  // The heap's flags are written with fcntl's.
  const preamble = `#include <linux/fcntl.h>\n#include <linux/${m.header}>`;

  test(`<linux/${m.header}>: constants, both ways`, { skip }, () => {
    const header = readHeader(path);
    const theirs = definedNames(header, m.names).filter((name) => !m.leftOut.includes(name));
    const ours = constantsOf(m.module);
    assert.ok(theirs.length > 2, 'the regular expression found the constants');
    const got = evaluate(
      preamble,
      theirs.map((name) => ({ key: name, expr: name })),
    );
    for (const name of theirs) {
      const mine = ours.get(name);
      assert.notEqual(mine, undefined, `${name} is in ${path} and not here`);
      const value = got.get(name) ?? 0n;
      assert.ok(
        acceptable(name, mine ?? 0).some((v) => sameInteger(v, value)),
        `${name} is ${value} in C and ${mine} here`,
      );
    }
    const known = new Set([...theirs, ...m.later, ...m.own]);
    const extra = [...ours.keys()].filter((name) => !known.has(name));
    assert.deepEqual(extra, [], 'declared here, not in the header, and in no list of this test');
  });

  test(`<linux/${m.header}>: structs, both ways`, { skip }, () => {
    const members = structMembers(readHeader(path));
    const ours = structsOf(m.module);
    const present = ours.filter((s) => members.has(s.structName));
    assert.ok(present.length > 0);
    compareStructs(preamble, present);
    for (const s of present) {
      const declared = s.fields.filter((f) => !f.padding).map((f) => f.name);
      assert.deepEqual(declared, members.get(s.structName), `members of ${s.structName}`);
    }
    const names = new Set(ours.map((s) => s.structName));
    const missing = [...members.keys()].filter((name) => !names.has(name));
    assert.deepEqual(missing, [], `structs of ${path} that are not declared here`);
    const extra = ours.map((s) => s.structName).filter((name) => !members.has(name));
    assert.deepEqual(
      extra.filter((name) => !m.laterStructs.includes(name)),
      [],
    );
  });
}

test('flexible arrays begin where the header ends', { skip: skipWithoutCc }, () => {
  const heads = [
    tee.TeeIoctlOpenSessionArg,
    tee.TeeIoctlInvokeArg,
    tee.TeeIoclSuppRecvArg,
    tee.TeeIoclSuppSendArg,
  ];
  const got = evaluate(
    '#include <linux/tee.h>',
    heads.map((s) => ({
      key: s.structName,
      expr: `__builtin_offsetof(${s.cType}, params[3])`,
    })),
  );
  assert.deepEqual(
    heads.map((s) => Number(got.get(s.structName))),
    [
      tee.openSessionArgSize(3),
      tee.invokeArgSize(3),
      tee.suppRecvArgSize(3),
      tee.suppSendArgSize(3),
    ],
  );
});

/** Compares every constant that the included headers define; returns the names they do not. */
function compareDefined(preamble: string, ours: ReadonlyMap<string, number | bigint>): string[] {
  const names = [...ours.keys()];
  const got = evaluate(
    preamble,
    names.map((name) => ({ key: name, expr: name, ifdef: name })),
  );
  for (const [name, value] of got) {
    const mine = ours.get(name) ?? 0;
    assert.ok(sameInteger(mine, value), `${name} is ${value} in C and ${mine} here`);
  }
  return names.filter((name) => !got.has(name));
}

test('<asm/errno.h>', { skip: skipWithoutCc }, () => {
  const table = new Map<string, number>(Object.entries(errno.ERRNO));
  const preamble = '#include <asm/errno.h>';
  assert.deepEqual(compareDefined(preamble, table), []);
  const generic = ['errno-base.h', 'errno.h'].map((f) => `/usr/include/asm-generic/${f}`);
  const theirs = generic.flatMap((path) => definedNames(readHeader(path), /^E[A-Z0-9]+$/));
  assert.ok(theirs.length > 130);
  assert.deepEqual(
    theirs.filter((name) => !table.has(name)),
    [],
  );
});

test('<linux/capability.h>', { skip: skipWithoutCc }, () => {
  const ours = constantsOf(capability);
  assert.deepEqual(compareDefined('#include <linux/capability.h>', ours), []);
  const theirs = definedNames(readHeader(`${INCLUDE}/capability.h`), /^CAP_[A-Z_]+$/);
  assert.deepEqual(
    theirs.filter((name) => !ours.has(name)),
    [],
  );
});

test('<linux/prctl.h>', { skip: skipWithoutCc }, () => {
  assert.deepEqual(compareDefined('#include <linux/prctl.h>', constantsOf(prctl)), []);
});

test('<linux/ptrace.h>', { skip: skipWithoutCc }, () => {
  const headers = ['linux/ptrace.h', 'linux/elf.h', 'linux/sched.h', 'linux/wait.h'];
  const includes = headers.map((header) => `#include <${header}>`).join('\n');
  assert.deepEqual(compareDefined(includes, constantsOf(ptrace)), []);
});

test('files, mappings, limits, signals', { skip: skipWithoutCc }, () => {
  const ours = new Map<string, number | bigint>(
    Object.entries(fcntl).filter(
      (e): e is [string, number] => typeof e[1] === 'number' && /^_*[A-Z]/.test(e[0]),
    ),
  );
  // The header writes it with a macro that user space does not get.
  ours.delete('SIGRTMAX');
  if (process.arch === 'arm64') {
    for (const [name, value] of Object.entries(fcntl.ARM64_OPEN_FLAGS)) ours.set(name, value);
  }
  const headers = ['fcntl', 'mman', 'stat', 'fs', 'memfd', 'resource'];
  const preamble = [...headers.map((h) => `#include <linux/${h}.h>`), '#include <asm/signal.h>'];
  const unknown = compareDefined(preamble.join('\n'), ours);
  // access(2)'s modes are libc's.
  assert.deepEqual(unknown, ['F_OK', 'R_OK', 'W_OK', 'X_OK']);
});

test('sockets and poll', { skip: skipWithoutCc }, () => {
  const ours = new Map([...constantsOf(socket)].filter(([name]) => name !== 'SOCK_TYPE_MASK'));
  const preamble = [
    '#define _GNU_SOURCE',
    ...['sys/socket', 'netinet/in', 'poll'].map((header) => `#include <${header}.h>`),
  ];
  assert.deepEqual(compareDefined(preamble.join('\n'), ours), []);
});

test("arm64's own open flags", (t) => {
  const path = ['/usr/aarch64-linux-gnu/include/asm/fcntl.h', '/usr/include/asm/fcntl.h'].find(
    (p) => existsSync(p) && /O_DIRECTORY\s+0\d/.test(readFileSync(p, 'utf8')),
  );
  if (path === undefined) {
    t.skip('no arm64 <asm/fcntl.h> here (package linux-libc-dev-arm64-cross)');
    return;
  }
  const header = readHeader(path);
  for (const [name, value] of Object.entries(fcntl.ARM64_OPEN_FLAGS)) {
    const m = new RegExp(`define\\s+${name}\\s+0(\\d+)`).exec(header);
    assert.equal(Number.parseInt(m?.[1] ?? '', 8), value, name);
  }
});
