/** struct stat and struct statx, read back by the host's C compiler. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { Stat } from '../linux/process/inode.ts';
import { HOST_ARCHS } from './arch.ts';
import { encodeStat, encodeStatx } from './stat-layouts.ts';

const STAT: Stat = {
  dev: 6,
  ino: 0x1_0000_0002,
  mode: 0o20660,
  nlink: 3,
  uid: 1000,
  gid: 1001,
  rdev: (247 << 8) | 16,
  size: 0x1_0000_0005,
  blksize: 4096,
  blocks: 8,
  mtimeMs: 1_767_225_600_250,
};

const SOURCE = `#define _GNU_SOURCE
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
int main(void)
{
	struct stat s;
	struct statx x;
	if (fread(&s, sizeof(s), 1, stdin) != 1 || fread(&x, sizeof(x), 1, stdin) != 1)
		return 1;
	printf("%u:%u %llu %o %u %u %u %u:%u %lld %u %lld %lld.%09ld %lld %lld\\n",
	       major(s.st_dev), minor(s.st_dev), (unsigned long long)s.st_ino, s.st_mode,
	       (unsigned)s.st_nlink, s.st_uid, s.st_gid, major(s.st_rdev), minor(s.st_rdev),
	       (long long)s.st_size, (unsigned)s.st_blksize, (long long)s.st_blocks,
	       (long long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec, (long long)s.st_atim.tv_sec,
	       (long long)s.st_ctim.tv_sec);
	printf("%u:%u %llu %o %u %u %u %u:%u %lld %u %lld %lld.%09u %lld %lld\\n",
	       x.stx_dev_major, x.stx_dev_minor, (unsigned long long)x.stx_ino, x.stx_mode,
	       x.stx_nlink, x.stx_uid, x.stx_gid, x.stx_rdev_major, x.stx_rdev_minor,
	       (long long)x.stx_size, x.stx_blksize, (long long)x.stx_blocks,
	       (long long)x.stx_mtime.tv_sec, x.stx_mtime.tv_nsec,
	       (long long)x.stx_atime.tv_sec, (long long)x.stx_ctime.tv_sec);
	printf("%d\\n", x.stx_mask == STATX_BASIC_STATS && fgetc(stdin) == EOF);
	return 0;
}
`;

const EXPECTED =
  '0:6 4294967298 20660 3 1000 1001 247:16 4294967301 4096 8 1767225600.250000000 1767225600 1767225600';

const directory = mkdtempSync(join(tmpdir(), 'teebox-stat-'));
after(() => rmSync(directory, { recursive: true }));
const arch = HOST_ARCHS.get(process.arch);
const noCompiler = spawnSync('cc', ['--version']).status !== 0;

describe('stat', () => {
  it('has the fields where C looks for them', { skip: noCompiler || arch === undefined }, () => {
    writeFileSync(join(directory, 'stat.c'), SOURCE);
    const program = join(directory, 'stat');
    execFileSync('cc', ['-o', program, join(directory, 'stat.c')]);
    const input = Buffer.concat([encodeStat(arch!, STAT), encodeStatx(STAT)]);
    const printed = execFileSync(program, { input, encoding: 'utf8' });
    assert.equal(printed, `${EXPECTED}\n${EXPECTED}\n1\n`);
  });
});
