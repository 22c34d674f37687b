/**
 * Asks a C compiler what it makes of a header: constants by name, sizeof, offsetof, member sizes
 * and signedness. Shared by the tests that compare `src/abi` with headers; its own test runs only
 * when this file is the program.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { StructInfo } from './layout.ts';
import { BytesField, S32Field, S64Field, struct, u32, u8 } from './layout.ts';

/** The C compiler, or undefined when there is none. */
export const CC: string | undefined = ['cc', 'gcc', 'clang'].find(
  (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
);

/** Reason to skip a test that needs a compiler; false when there is one. */
export const skipWithoutCc: string | false =
  CC === undefined ? 'no C compiler (cc, gcc or clang) in PATH' : false;

/** A temporary directory that lives as long as `body` runs. */
export function withTempDir<T>(body: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'teebox-abi-'));
  try {
    return body(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Evaluates C integer expressions, each guarded by `#ifdef` when `ifdef` is set. */
export function evaluate(
  preamble: string,
  rows: readonly { readonly key: string; readonly expr: string; readonly ifdef?: string }[],
  includeDirs: readonly string[] = [],
): Map<string, bigint> {
  const lines = rows.map(({ key, expr, ifdef }) => {
    const print = `printf("%s\\t%lld\\n", ${JSON.stringify(key)}, (long long)(${expr}));`;
    return ifdef === undefined ? print : `#ifdef ${ifdef}\n${print}\n#endif`;
  });
  const source = `${preamble}
int printf(const char *, ...);
int main(void) {
${lines.join('\n')}
return 0; }
`;
  return withTempDir((dir) => {
    const c = join(dir, 'probe.c');
    const exe = join(dir, 'probe');
    writeFileSync(c, source);
    // Plain char is unsigned on Arm.
    const flags = [
      '-std=gnu11',
      '-funsigned-char',
      '-w',
      '-o',
      exe,
      ...includeDirs.map((d) => `-I${d}`),
      c,
    ];
    execFileSync(CC ?? 'cc', flags, { stdio: ['ignore', 'inherit', 'inherit'] });
    const out = execFileSync(exe, { encoding: 'utf8', maxBuffer: 1 << 26 });
    const pairs = out.trimEnd().split('\n');
    return new Map(
      pairs
        .filter((line) => line !== '')
        .map((line): [string, bigint] => {
          const tab = line.indexOf('\t');
          return [line.slice(0, tab), BigInt(line.slice(tab + 1))];
        }),
    );
  });
}

/** Whether a TypeScript constant is what C computed, whatever integer type C gave it. */
export function sameInteger(ours: number | bigint, theirs: bigint): boolean {
  const v = BigInt(ours);
  if (BigInt.asUintN(64, v) === BigInt.asUintN(64, theirs)) return true;
  // `1 << 31` is a negative int in C and sometimes in TypeScript.
  const fits32 = v >= -(1n << 31n) && v < 1n << 32n && theirs >= -(1n << 31n);
  return fits32 && theirs < 1n << 32n && BigInt.asUintN(32, v) === BigInt.asUintN(32, theirs);
}

/** Header text without comments and with continued lines joined. */
export function readHeader(path: string): string {
  const text = readFileSync(path, 'utf8');
  return text
    .replace(/\/\*[\s\S]*?\*\//g, ' ')
    .replace(/\/\/.*$/gm, ' ')
    .replace(/\\\n/g, ' ');
}

/** Names that the header defines as object-like macros with a value. */
export function definedNames(header: string, pattern: RegExp): string[] {
  const names: string[] = [];
  for (const m of header.matchAll(/^[ \t]*#[ \t]*define[ \t]+(\w+)(?![\w(])[ \t]+\S/gm)) {
    const name = m[1] ?? '';
    if (pattern.test(name)) names.push(name);
  }
  return [...new Set(names)];
}

/** Members of the structs in a header that do not nest, flexible arrays left out. */
export function structMembers(header: string): Map<string, string[]> {
  const structs = new Map<string, string[]>();
  for (const m of header.matchAll(/struct\s+(\w+)\s*\{([^{}]*)\}/g)) {
    const members: string[] = [];
    for (const decl of (m[2] ?? '').split(';')) {
      const d = /(\w+)\s*(\[[^\]]*\])?\s*$/.exec(decl.trim());
      if (d?.[1] !== undefined && !/^\[\s*\]$/.test(d[2] ?? '')) members.push(d[1]);
    }
    structs.set(m[1] ?? '', members);
  }
  return structs;
}

/** Compares layouts with the compiler's: size, and each member's offset, size and signedness. */
export function compareStructs(
  preamble: string,
  structs: readonly StructInfo[],
  includeDirs: readonly string[] = [],
): void {
  const rows: { key: string; expr: string }[] = [];
  const want = new Map<string, number>();
  const ask = (key: string, expr: string, value: number): void => {
    rows.push({ key, expr });
    want.set(key, value);
  };
  for (const s of structs) {
    ask(`sizeof ${s.structName}`, `sizeof(${s.cType})`, s.byteLength);
    for (const f of s.fields.filter((field) => !field.padding)) {
      const at = `${s.structName}.${f.name}`;
      const member = `((${s.cType} *)0)->${f.name}`;
      ask(`offsetof ${at}`, `__builtin_offsetof(${s.cType}, ${f.name})`, f.offset);
      ask(`sizeof ${at}`, `sizeof(${member})`, f.size);
      if (f instanceof BytesField) continue;
      const signed = f instanceof S32Field || f instanceof S64Field;
      ask(`signed ${at}`, `((__typeof__(${member}))-1) < (__typeof__(${member}))1`, signed ? 1 : 0);
    }
  }
  const got = evaluate(preamble, rows, includeDirs);
  for (const [key, value] of want) assert.equal(Number(got.get(key)), value, key);
}

/** Numbers that a module exports under upper-case names, members of its tables included. */
export function constantsOf(module: object): Map<string, number | bigint> {
  const found = new Map<string, number | bigint>();
  const add = (name: string, value: unknown): void => {
    if (!/^_*[A-Z][A-Z0-9_a-z]*$/.test(name) || !name.includes('_')) return;
    if (typeof value === 'number' || typeof value === 'bigint') found.set(name, value);
  };
  for (const [name, value] of Object.entries(module)) {
    add(name, value);
    if (typeof value === 'object' && value !== null && !('structName' in value)) {
      for (const [key, member] of Object.entries(value)) add(key, member);
    }
  }
  return found;
}

if (import.meta.main) {
  const C_PAIR = 'struct pair { unsigned char c; unsigned int n; }; typedef struct pair pair_t;';

  test('a wrong layout is refused', { skip: skipWithoutCc }, () => {
    const packed = struct('pair', 5, { c: u8(0), n: u32(1) });
    assert.throws(() => compareStructs(C_PAIR, [packed]), /sizeof pair/);
  });

  test('expressions, guards and typedefs are evaluated', { skip: skipWithoutCc }, () => {
    const got = evaluate(`${C_PAIR}\n#define HERE 0x80000000u`, [
      { key: 'size', expr: 'sizeof(pair_t)' },
      { key: 'minus', expr: '-100' },
      { key: 'HERE', expr: 'HERE', ifdef: 'HERE' },
      { key: 'GONE', expr: 'GONE', ifdef: 'GONE' },
    ]);
    assert.deepEqual(
      [...got],
      [
        ['size', 8n],
        ['minus', -100n],
        ['HERE', 0x80000000n],
      ],
    );
    assert.equal(sameInteger(-100, -100n), true);
    assert.equal(sameInteger(0x80000000, -0x80000000n), true);
    assert.equal(sameInteger(0xffff_ffff_ffff_ffffn, -1n), true);
    assert.equal(sameInteger(1, 2n), false);
    assert.equal(sameInteger(0, 1n << 32n), false);
  });
}
