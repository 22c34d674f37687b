/** `teebox storage` as a user runs it, on directories of the real system. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, describe, it } from 'node:test';
import { EXIT } from '../../src/cli/command.ts';
import { REE_FS_BLOCK_SIZE } from '../../src/abi/tee-fs.ts';
import { pathOf } from './fixtures.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'teebox-storage-'));
after(() => rmSync(work, { recursive: true }));

function storage(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'storage', ...args], {
    encoding: 'utf8',
  });
  return { status, lines: stdout.trimEnd().split('\n'), stderr };
}

/** A copy of the PKCS#11 TA's directory with one byte changed. */
function damaged(file: string, at: number): string {
  const path = join(work, `${file}-${at}`);
  cpSync(pathOf('after-pkcs11'), path, { recursive: true });
  const bytes = readFileSync(join(path, file));
  bytes[at] = bytes[at]! ^ 1;
  writeFileSync(join(path, file), bytes);
  return path;
}

const BLOCK_0 = 2 * REE_FS_BLOCK_SIZE;

describe('teebox storage', () => {
  it('list: TA, id, type and size of each object', () => {
    const { status, lines } = storage('list', pathOf('after-secure-storage'));
    assert.equal(status, EXIT.pass);
    const core = '00000000-0000-0000-0000-000000000000';
    assert.deepEqual(lines, [
      '3 objects, dirf.db version 10',
      `${core}  "ta.db" and 1 zero bytes  of the core, 0 bytes  file 0, version 1`,
      `${core}  "ta_ver.db" and 1 zero bytes  of the core, 28 bytes  file 1, version 4`,
      'f4e750bb-1437-4fbf-8785-8d3580c34994  "object#2"  data, 44 bytes  file 2, version 3',
    ]);
  });

  it('verify: what is wrong, and the exit code says that something is', () => {
    assert.deepEqual(storage('verify', pathOf('after-pkcs11')), {
      status: EXIT.pass,
      lines: ['7 of 7 files verify'],
      stderr: '',
    });
    const { status, lines } = storage('verify', damaged('3', BLOCK_0 + REE_FS_BLOCK_SIZE));
    assert.equal(status, EXIT.failure);
    assert.deepEqual(lines, [
      '3: TEE_ERROR_CORRUPT_OBJECT: block 0, version 1: the tag is not that of its contents',
      '6 of 7 files verify',
    ]);
  });

  it('tree: heads and nodes of each file', () => {
    const { status, lines } = storage('tree', pathOf('after-secure-storage'));
    assert.equal(status, EXIT.pass);
    assert.deepEqual(lines.slice(0, 4), [
      'dirf.db  the directory, 360 bytes in a file of 16384',
      '  head 0  version 10  counts',
      '  head 1  version 9  old',
      '  node 1  block 0, copy 1',
    ]);
    assert.equal(lines.filter((line) => line.includes('counts')).length, 4);
  });

  it('a directory whose dirf.db is damaged has no objects, only files', () => {
    const path = damaged('dirf.db', REE_FS_BLOCK_SIZE);
    assert.equal(storage('list', path).status, EXIT.failure);
    const other = damaged('dirf.db', REE_FS_BLOCK_SIZE + 66);
    const lines = [...storage('list', path).lines, ...storage('list', other).lines];
    assert.ok(lines.includes('files of no object: 0 1 2 3 4 5'));
  });

  it('--json: the whole report, bytes as hex digits', () => {
    const { lines } = storage('list', pathOf('after-secure-storage'), '--json');
    const report = JSON.parse(lines.join('\n')) as { objects: { id: string }[] };
    assert.deepEqual(
      report.objects.map(({ id }) => Buffer.from(id, 'hex').toString()),
      ['ta.db\0', 'ta_ver.db\0', 'object#2'],
    );
  });

  it('refuses other views, and directories without storage', () => {
    for (const [args, reason] of [
      [['show', work], /no view show: list, verify, tree/],
      [['list'], /one directory/],
      [['list', work], /no dirf\.db in/],
    ] as const) {
      const { status, stderr } = storage(...args);
      assert.equal(status, EXIT.usage);
      assert.match(stderr, reason);
    }
  });
});
