/**
 * The rules of this room, checked on every file of it: each code has one name, aliases are listed
 * here, a table's member is the exported constant of that name, and nothing is imported from
 * outside.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { CodeTable, StructInfo } from './layout.ts';
import { nameOf } from './layout.ts';

const DIR = import.meta.dirname;
const FILES = readdirSync(DIR).filter((f) => f.endsWith('.ts') && !f.endsWith('.test.ts'));

/** Upstream's aliases within one table, as `alias = name`. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  'errno.ERRNO': ['EWOULDBLOCK = EAGAIN', 'EDEADLOCK = EDEADLK'],
  'fcntl.AT_FLAGS': ['AT_REMOVEDIR = AT_EACCESS'],
  'gp.TEE_ALG_DEPRECATED': [
    'TEE_ALG_ECDH_P224 = TEE_ALG_ECDH_P192',
    'TEE_ALG_ECDH_P256 = TEE_ALG_ECDH_P192',
    'TEE_ALG_ECDH_P384 = TEE_ALG_ECDH_P192',
    'TEE_ALG_ECDH_P521 = TEE_ALG_ECDH_P192',
  ],
  'optee-msg.OPTEE_MSG_ATTR_TYPE': [
    'OPTEE_MSG_ATTR_TYPE_FMEM_INPUT = OPTEE_MSG_ATTR_TYPE_RMEM_INPUT',
    'OPTEE_MSG_ATTR_TYPE_FMEM_OUTPUT = OPTEE_MSG_ATTR_TYPE_RMEM_OUTPUT',
    'OPTEE_MSG_ATTR_TYPE_FMEM_INOUT = OPTEE_MSG_ATTR_TYPE_RMEM_INOUT',
  ],
};

function isTable(v: unknown): v is CodeTable {
  if (typeof v !== 'object' || v === null || Array.isArray(v)) return false;
  const entries = Object.entries(v);
  return (
    entries.length > 0 && entries.every(([k, x]) => /^_*[A-Z]/.test(k) && typeof x === 'number')
  );
}

function isStruct(v: unknown): v is StructInfo {
  return typeof v === 'object' && v !== null && 'structName' in v;
}

const modules = new Map<string, object>();
for (const file of FILES) {
  const module: unknown = await import(join(DIR, file));
  assert.ok(typeof module === 'object' && module !== null);
  modules.set(file.replace('.ts', ''), module);
}

describe('name tables', () => {
  let tables = 0;
  for (const [name, module] of modules) {
    test(name, () => {
      const exported = new Map<string, unknown>(Object.entries(module));
      for (const [key, table] of exported) {
        if (!isTable(table)) continue;
        tables++;
        const aliases: string[] = [];
        for (const [code, value] of Object.entries(table)) {
          const first = nameOf(table, value);
          assert.ok(first !== undefined);
          assert.equal(table[first], value);
          if (first !== code) aliases.push(`${code} = ${first}`);
          const constant = exported.get(code);
          // arm64's flags repeat names of the generic ones with other values.
          if (typeof constant === 'number' && key !== 'ARM64_OPEN_FLAGS') {
            assert.equal(constant, value, `${key}.${code}`);
          }
        }
        assert.deepEqual(aliases, ALIASES[`${name}.${key}`] ?? [], `aliases in ${name}.${key}`);
      }
    });
  }

  test('there are many', () => {
    assert.ok(tables > 100, `${tables} tables`);
    for (const place of Object.keys(ALIASES)) {
      const [file, key] = place.split('.');
      const module = new Map<string, unknown>(Object.entries(modules.get(file ?? '') ?? {}));
      assert.ok(isTable(module.get(key ?? '')), place);
    }
  });
});

test('struct names are not used twice', () => {
  const seen = new Map<string, string>();
  for (const [name, module] of modules) {
    for (const [key, s] of Object.entries(module)) {
      if (!isStruct(s)) continue;
      assert.equal(seen.get(s.structName), undefined, `${name}.${key}: ${s.structName}`);
      seen.set(s.structName, key);
    }
  }
  assert.ok(seen.size > 40, `${seen.size} structs`);
});

test('a constant has the same value wherever it is exported', () => {
  const seen = new Map<string, unknown>();
  for (const [name, module] of modules) {
    for (const [key, value] of Object.entries(module)) {
      if (typeof value !== 'number' && typeof value !== 'bigint') continue;
      if (seen.has(key)) assert.equal(value, seen.get(key), `${name}.${key}`);
      seen.set(key, value);
    }
  }
  assert.ok(seen.size > 1000, `${seen.size} constants`);
});

describe('files', () => {
  for (const file of FILES) {
    test(file, () => {
      const text = readFileSync(join(DIR, file), 'utf8');
      assert.match(text, /^\/\*\*\n/, 'opens with what it models');
      const imports = [...text.matchAll(/from '([^']+)'/g)].map((m) => m[1] ?? '');
      for (const from of imports) assert.match(from, /^\.\/[\w-]+\.ts$/, 'imports from this room');
    });
  }
});
