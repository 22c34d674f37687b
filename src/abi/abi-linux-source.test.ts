/**
 * Compares the OP-TEE tables with the kernel's own headers, which no user-space package installs:
 * they are taken out of Debian's linux-source-6.1 when the tests run. Later constants are named in
 * lists here and pinned in `abi-sheets.test.ts`.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  compareStructs,
  constantsOf,
  definedNames,
  evaluate,
  readHeader,
  sameInteger,
  skipWithoutCc,
} from './c-probe.test.ts';
import { KERNEL_ERRNO } from './errno.ts';
import * as ffa from './optee-ffa.ts';
import * as msg from './optee-msg.ts';
import * as rpc from './optee-rpc.ts';
import * as smc from './optee-smc.ts';

const TARBALL = '/usr/src/linux-source-6.1.tar.xz';
const TREE = 'linux-source-6.1';
const OPTEE = 'drivers/tee/optee';
const FILES = [
  `${OPTEE}/optee_msg.h`,
  `${OPTEE}/optee_smc.h`,
  `${OPTEE}/optee_rpc_cmd.h`,
  `${OPTEE}/optee_ffa.h`,
  'include/linux/arm-smccc.h',
  'include/linux/errno.h',
];

/** What the headers include, as far as their macros and structs need it. */
const STUBS: Readonly<Record<string, string>> = {
  'linux/types.h': `
    typedef unsigned char u8, __u8; typedef unsigned short u16, __u16;
    typedef unsigned int u32, __u32; typedef unsigned long long u64, __u64;
    typedef _Bool bool;`,
  'linux/bitops.h': `
    #define BIT(n) (1UL << (n))
    #define BIT_ULL(n) (1ULL << (n))
    #define GENMASK(h, l) ((~0UL << (l)) & (~0UL >> (63 - (h))))`,
  'linux/init.h': '',
  'linux/arm_ffa.h': '',
  'uapi/linux/const.h': '#define _AC(x, y) x##y',
};

/** The convention's macros are at the top of their header; below begins inline assembly. */
function cutSmccc(text: string): string {
  const last = /#define ARM_SMCCC_OWNER_TRUSTED_OS_END\s+\d+/.exec(text);
  assert.ok(last, 'arm-smccc.h has its owners');
  return `${text.slice(0, last.index + last[0].length)}\n#endif\n`;
}

/** A header, what mirrors it, and where the two may differ. */
interface Mirror {
  readonly file: string;
  readonly module: object;
  readonly names: RegExp;
  /** Ours, younger than Linux 6.1 or never in this header. */
  readonly later: RegExp;
  /** Theirs, and left out here on purpose. */
  readonly leftOut: readonly string[];
}

const MIRRORS: readonly Mirror[] = [
  {
    file: 'optee_msg.h',
    module: msg,
    names: /^OPTEE_MSG_/,
    later: /PROTMEM|IMAGE_LOAD|MAX_NUM_PARAMS|PAGES_PER_LIST_PAGE/,
    leftOut: [],
  },
  {
    file: 'optee_smc.h',
    module: smc,
    names: /^OPTEE_SMC_/,
    later: /PROTMEM|LOAD_IMAGE|L2CC|RPMB|BOOT_SECONDARY|VM_|RPC_PARAM_COUNT_MASK|^ARM_SMCCC_/,
    // Upstream wrote this macro with names that do not exist; nobody uses it.
    leftOut: ['OPTEE_SMC_CALLS_COUNT'],
  },
  {
    file: 'optee_rpc_cmd.h',
    module: rpc,
    names: /^OPTEE_RPC_/,
    later:
      /^RPMB_|_FS|_SOCKET|RPMB|PLUGIN|LOAD_TA|GPROF|FTRACE|BENCH_REG|SHM_TYPE_GLOBAL|SQL_FS_RESERVED/,
    leftOut: [],
  },
  {
    file: 'optee_ffa.h',
    module: ffa,
    names: /^OPTEE_FFA_/,
    later: /ASYNC_NOTIF|RPMB_PROBE|PROTMEM|^FFA_/,
    leftOut: [],
  },
];

const skip =
  skipWithoutCc ||
  (existsSync(TARBALL)
    ? false
    : `${TARBALL} is missing: install Debian's package linux-source-6.1`);

describe('Linux 6.1 OP-TEE headers', { skip }, () => {
  let dir = '';
  const headerPath = (file: string): string => join(dir, TREE, OPTEE, file);
  const preamble = (file: string): string =>
    `#include <linux/types.h>\n#include <linux/bitops.h>\n#include "optee_msg.h"\n#include "${file}"`;
  const includeDirs = (): string[] => [join(dir, 'stubs'), join(dir, TREE, OPTEE)];

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'teebox-linux-'));
    const members = FILES.map((f) => `${TREE}/${f}`);
    execFileSync('tar', ['-xJf', TARBALL, '-C', dir, '--occurrence=1', ...members]);
    const smccc = cutSmccc(readFileSync(join(dir, TREE, 'include/linux/arm-smccc.h'), 'utf8'));
    for (const [name, text] of Object.entries({ ...STUBS, 'linux/arm-smccc.h': smccc })) {
      const path = join(dir, 'stubs', name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  for (const m of MIRRORS) {
    test(`${m.file}: constants, both ways`, () => {
      const ours = constantsOf(m.module);
      const header = readHeader(headerPath(m.file));
      const theirs = definedNames(header, m.names).filter((n) => !m.leftOut.includes(n));
      assert.ok(theirs.length > 5, 'the regular expression found the constants');
      const got = evaluate(
        preamble(m.file),
        theirs.map((name) => ({ key: name, expr: name })),
        includeDirs(),
      );
      for (const name of theirs) {
        const mine = ours.get(name);
        assert.notEqual(mine, undefined, `${name} is in ${m.file} and not here`);
        const value = got.get(name) ?? 0n;
        assert.ok(sameInteger(mine ?? 0, value), `${name} is ${value} in C and ${mine} here`);
      }
      const known = new Set([...theirs, ...m.leftOut]);
      const extra = [...ours.keys()].filter((name) => !known.has(name) && !m.later.test(name));
      assert.deepEqual(extra, [], 'declared here, not in the header, and in no list of this test');
    });
  }

  test('optee_msg.h: structs', () => {
    compareStructs(
      preamble('optee_msg.h'),
      [
        msg.OpteeMsgParam,
        msg.OpteeMsgParamValue,
        msg.OpteeMsgParamTmem,
        msg.OpteeMsgParamRmem,
        msg.OpteeMsgParamFmem,
        msg.OpteeMsgArg,
      ],
      includeDirs(),
    );
    const sizes = [0, 1, 4, 6].map((n) => ({
      key: String(n),
      expr: `OPTEE_MSG_GET_ARG_SIZE(${n})`,
    }));
    for (const [n, size] of evaluate(preamble('optee_msg.h'), sizes, includeDirs())) {
      assert.equal(msg.opteeMsgArgSize(Number(n)), Number(size));
    }
  });

  test('optee_smc.h: function-like macros', () => {
    const rows = [0, 5, 0xffff, 0xffff0000, 0xffff0005, 0xffffffff].map((v) => ({
      v,
      key: String(v),
    }));
    const isRpc = evaluate(
      preamble('optee_smc.h'),
      rows.map(({ v, key }) => ({ key, expr: `OPTEE_SMC_RETURN_IS_RPC(${v}u)` })),
      includeDirs(),
    );
    const func = evaluate(
      preamble('optee_smc.h'),
      rows.map(({ v, key }) => ({ key, expr: `OPTEE_SMC_RETURN_GET_RPC_FUNC(${v}u)` })),
      includeDirs(),
    );
    for (const { v, key } of rows) {
      assert.equal(smc.OPTEE_SMC_RETURN_IS_RPC(v), isRpc.get(key) === 1n, key);
      assert.equal(smc.OPTEE_SMC_RETURN_GET_RPC_FUNC(v), Number(func.get(key)), key);
    }
  });

  test('arm-smccc.h: the calling convention', () => {
    const ours = constantsOf(smc);
    const names = [...ours.keys()].filter((name) => name.startsWith('ARM_SMCCC_'));
    const got = evaluate(
      '#include <linux/arm-smccc.h>',
      names.map((name) => ({ key: name, expr: name, ifdef: name })),
      includeDirs(),
    );
    for (const [name, value] of got) assert.ok(sameInteger(ours.get(name) ?? -1, value), name);
    assert.deepEqual(
      names.filter((name) => !got.has(name)),
      ['ARM_SMCCC_OWNER_TRUSTED_OS_OPTEED'],
    );
    const id = 0xb2000009;
    const rows = [
      { key: 'fast', expr: `!!ARM_SMCCC_IS_FAST_CALL(${id}u)` },
      { key: '64', expr: `!!ARM_SMCCC_IS_64(${id}u)` },
      { key: 'func', expr: `ARM_SMCCC_FUNC_NUM(${id}u)` },
      { key: 'owner', expr: `ARM_SMCCC_OWNER_NUM(${id}u)` },
    ];
    assert.deepEqual(
      [...evaluate('#include <linux/arm-smccc.h>', rows, includeDirs()).values()].map(Number),
      [
        Number(smc.ARM_SMCCC_IS_FAST_CALL(id)),
        Number(smc.ARM_SMCCC_IS_64(id)),
        smc.ARM_SMCCC_FUNC_NUM(id),
        smc.ARM_SMCCC_OWNER_NUM(id),
      ],
    );
  });

  test('errno.h: numbers inside the kernel', () => {
    const header = readHeader(join(dir, TREE, 'include/linux/errno.h'));
    const theirs = [...header.matchAll(/#define\s+(E\w+)\s+(\d+)/g)];
    assert.deepEqual(Object.fromEntries(theirs.map((m) => [m[1], Number(m[2])])), KERNEL_ERRNO);
  });
});
