/** The tables that others rely on: every point has its test, and the two lists of commands agree. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { TA_COUNTER_CMD, TA_COUNTER_UUID, TA_TEST_CMD, TA_TEST_UUID } from './commands.ts';
import { POINTS } from './points.ts';

const here = (path: string): URL => new URL(path, import.meta.url);
const text = (path: string): string => readFileSync(here(path), 'utf8');

describe('the native tests', () => {
  it('protect each point, and name no other', () => {
    const files = readdirSync(here('.')).filter((name) => name.endsWith('.test.ts'));
    const tests = files.flatMap((name) =>
      [...text(name).matchAll(/^ {2}nativeTest\('([^']+)'/gm)].map(([, test]) => test),
    );
    const named = [...new Set(POINTS.map(({ test }) => test))];
    const isFile = (test: string): boolean => test.endsWith('.test.ts');
    assert.deepEqual(tests.toSorted(), named.filter((test) => !isFile(test)).toSorted());
    for (const file of named.filter(isFile)) assert.ok(existsSync(here(`../../${file}`)), file);
  });

  it('every .out file belongs to a theme', () => {
    const outs = readdirSync(here('programs/')).filter((name) => name.endsWith('.out'));
    const themes = new Set(
      [...text('programs/tee.h').matchAll(/^THEME\((\w+)\);/gm)].map((m) => m[1]),
    );
    const strangers = outs.filter(
      (name) => !themes.has(name.replace(/(-6\.1|-hardened)?\.out$/, '')),
    );
    assert.deepEqual(strangers, []);
  });

  it('C and TypeScript have the same commands', () => {
    const header = text('programs/test_ta.h');
    const numbers = (prefix: string): Record<string, number> =>
      Object.fromEntries(
        [...header.matchAll(new RegExp(`^#define ${prefix}_CMD_(\\w+) (\\d+)`, 'gm'))].map(
          ([, name = '', value]): [string, number] => [name, Number(value)],
        ),
      );
    assert.deepEqual(numbers('TA_TEST'), TA_TEST_CMD);
    assert.deepEqual(numbers('TA_COUNTER'), TA_COUNTER_CMD);
    const bytes = [...header.matchAll(/_UUID \{([^}]*)\}/g)].map(([, list = '']) =>
      list.replaceAll(/0x|[^0-9a-f]/g, ''),
    );
    const uuids = [TA_TEST_UUID, TA_COUNTER_UUID].map((uuid) => uuid.replaceAll('-', ''));
    assert.deepEqual(bytes, uuids);
  });
});
