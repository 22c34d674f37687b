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
import { RPMB_FILE } from '../../src/userland/tee-supplicant/rpmb.ts';
import { pathOf } from './fixtures.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
/** Longest that a run may take before it counts as hung, milliseconds. */
const HUNG_MS = 120_000;
const work = mkdtempSync(join(tmpdir(), 'teebox-storage-'));
after(() => rmSync(work, { recursive: true }));

function storage(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'storage', ...args], {
    encoding: 'utf8',
    timeout: HUNG_MS,
    killSignal: 'SIGKILL',
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
      [['list'], /one directory, or one image/],
      [['list', work], /no dirf\.db in/],
    ] as const) {
      const { status, stderr } = storage(...args);
      assert.equal(status, EXIT.usage);
      assert.match(stderr, reason);
    }
  });
});

/** The device of the real system, with one byte changed. */
function damagedDevice(at: number): string {
  const path = join(work, `rpmb-${at}`);
  const bytes = readFileSync(join(pathOf('real-rpmb'), RPMB_FILE));
  bytes[at] = bytes[at]! ^ 1;
  writeFileSync(path, bytes);
  return path;
}

describe('teebox storage of an RPMB device', () => {
  const device = join(pathOf('real-rpmb'), RPMB_FILE);
  const TA = '5709a6e0-1111-4a4a-9b9b-0123456789ab';

  it('list: what is where, and whose key it has', () => {
    const { status, lines } = storage('list', device);
    assert.equal(status, EXIT.pass);
    assert.equal(lines.length, 12);
    assert.deepEqual(lines.slice(0, 4), [
      '.rpmb-emu: 11 files, write counter 291, the key of CFG_RPMB_TESTKEY',
      '00000000-0000-0000-0000-000000000000  "/dirfile.db.hash"  of the core, 32 bytes  block 1022',
      `${TA}  "cut"  data, 5000 bytes  blocks 820 to 839`,
      `${TA}  "empty"  data, 0 bytes  block 1021`,
    ]);
    assert.ok(lines.includes(`${TA}  "aes256"  TEE_TYPE_AES, 100 bytes  block 1019`));
  });

  it('verify: a damaged device says what is wrong', () => {
    assert.deepEqual(storage('verify', device), {
      status: EXIT.pass,
      lines: ['.rpmb-emu: 11 of 11 files can be read'],
      stderr: '',
    });
    const entry = 512 + 2 * 256;
    const { status, lines } = storage('verify', damagedDevice(entry + 16));
    assert.equal(status, EXIT.failure);
    assert.match(lines[0]!, /^rpmb-1040: entry 2: TEE_ERROR_CORRUPT_OBJECT: its head is none/);
    assert.equal(lines[1], 'rpmb-1040: 10 of 11 files can be read');
    const foreign = storage('verify', damagedDevice(0));
    assert.equal(foreign.status, EXIT.failure);
    assert.match(foreign.lines[0]!, /^rpmb-0: the table: TEE_ERROR_GENERIC: no file system/);
  });

  it('tree: the table and what the blocks are used for', () => {
    const { status, lines } = storage('tree', device);
    assert.equal(status, EXIT.pass);
    assert.deepEqual(lines.slice(0, 4), [
      '.rpmb-emu  RPMB device, 262144 bytes, write counter 291, the key of CFG_RPMB_TESTKEY',
      '  CID fe014e4d4d4330344742c8f6552a6115',
      '  file system version 2, 12 entries',
      '  entry 0  00000000-0000-0000-0000-000000000000  "/dirfile.db.hash", 32 bytes  block 1022',
    ]);
    assert.equal(lines.at(-1), '  1024 blocks: 14 table, 128 files, 75 dirty, 807 free');
  });

  it('stands beside the files of its directory', () => {
    const { status, lines } = storage('verify', pathOf('real-rpmb'));
    assert.equal(status, EXIT.pass);
    assert.deepEqual(lines, ['3 of 3 files verify', '.rpmb-emu: 11 of 11 files can be read']);
    const all = storage('list', pathOf('real-rpmb')).lines;
    assert.ok(!all.some((line) => line.startsWith('files of no object')));
  });

  it('--json: the reports of the devices', () => {
    interface Json {
      readonly objects?: unknown[];
      readonly rpmb: { readonly file: string; readonly key: string; readonly files: unknown[] }[];
    }
    const both = JSON.parse(storage('list', pathOf('real-rpmb'), '--json').lines.join('')) as Json;
    const one = JSON.parse(storage('list', device, '--json').lines.join('')) as Json;
    assert.equal(both.objects?.length, 2);
    assert.equal(one.objects, undefined);
    assert.deepEqual(one.rpmb, both.rpmb);
    const [{ file, key, files } = { files: [] }] = one.rpmb;
    assert.deepEqual([file, key, files.length], [RPMB_FILE, 'test', 11]);
  });

  it('a file that is no image', () => {
    const path = join(work, 'short');
    writeFileSync(path, readFileSync(device).subarray(0, 1000));
    for (const view of ['list', 'verify', 'tree']) {
      const { status, lines } = storage(view, path);
      assert.equal(status, EXIT.failure);
      assert.match(lines.join(), /^short: 1000 bytes: the image of an RPMB device is of/);
    }
    assert.equal(storage('list', join(work, 'absent')).status, EXIT.usage);
  });
});
