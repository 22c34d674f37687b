import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  EACCES,
  EBADF,
  EBUSY,
  EEXIST,
  EFAULT,
  EFBIG,
  EINVAL,
  EISDIR,
  EMFILE,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  ENXIO,
  EPERM,
  EROFS,
  EXDEV,
} from '../../abi/errno.ts';
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  F_OK,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  R_OK,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
  W_OK,
} from '../../abi/fcntl.ts';
import { MemoryStore } from '../../host/memory-store.ts';
import { StoreError } from '../../host/store.ts';
import { va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { Stat } from './inode.ts';
import type { Kernel } from './kernel.ts';
import { makeKernel, makeProgram, now } from './testing/make-kernel.ts';

/** A program of root's with shorthands for text files. */
function box(kernel: Kernel = makeKernel(), uid = 0) {
  const program = makeProgram(kernel, { uid });
  const { sys, memory } = program;
  const run = <T>(co: Co<T>): T => now(program, co);
  const put = (fd: number, text: string, offset?: number): number => {
    const at = memory.string(text);
    const n = text.length;
    return run(offset === undefined ? sys.write(fd, at, n) : sys.pwrite64(fd, at, n, offset));
  };
  const get = (fd: number, count: number, offset?: number): string | number => {
    const at = memory.malloc(count);
    const n = run(
      offset === undefined ? sys.read(fd, at, count) : sys.pread64(fd, at, count, offset),
    );
    return n < 0 ? n : new TextDecoder().decode(memory.read(at, n));
  };
  const create = (path: string, text = ''): number => {
    const fd = run(sys.open(path, O_CREAT | O_RDWR, 0o644));
    assert.ok(fd >= 0, path);
    put(fd, text);
    run(sys.close(fd));
    return fd;
  };
  const stat = (path: string): Stat => {
    const found = run(sys.stat(path));
    assert.ok(typeof found !== 'number', path);
    return found;
  };
  return { kernel, program, sys, memory, run, put, get, create, stat };
}

describe('reading and writing', () => {
  it('goes on at the position, or at an offset without moving it', () => {
    const { sys, run, put, get } = box();
    const fd = run(sys.open('/f', O_CREAT | O_RDWR, 0o600));
    assert.equal(put(fd, 'hello world'), 11);
    assert.equal(get(fd, 10), '');
    assert.equal(run(sys.lseek(fd, 6, SEEK_SET)), 6);
    assert.equal(get(fd, 100), 'world');
    assert.equal(get(fd, 5, 0), 'hello');
    assert.equal(put(fd, 'HE', 0), 2);
    assert.equal(run(sys.lseek(fd, 0, SEEK_CUR)), 11);
    assert.equal(get(fd, 5, 0), 'HEllo');
  });

  it('moves more than one chunk, and the rest of one', () => {
    const { sys, memory, run } = box(makeKernel({ mib: 32 }));
    const size = 2 * 1024 * 1024 + 12345;
    const at = memory.malloc(size);
    const bytes = Uint8Array.from({ length: size }, (_, i) => i % 251);
    memory.write(at, bytes);
    const fd = run(sys.open('/f', O_CREAT | O_RDWR, 0o600));
    assert.equal(run(sys.write(fd, at, size)), size);
    memory.write(at, new Uint8Array(size));
    assert.equal(run(sys.pread64(fd, at, size + 4096, 0)), size);
    assert.ok(Buffer.compare(memory.read(at, size), bytes) === 0);
  });

  it('answers the errors of read and write', () => {
    const { sys, memory, run, create } = box();
    create('/f', 'abc');
    const at = memory.malloc(16);
    const reader = run(sys.open('/f', O_RDONLY));
    const writer = run(sys.open('/f', O_WRONLY));
    const neither = run(sys.open('/f', 3));
    const directory = run(sys.open('/', O_RDONLY));
    assert.equal(run(sys.write(reader, at, 1)), -EBADF);
    assert.equal(run(sys.read(writer, at, 1)), -EBADF);
    assert.equal(run(sys.read(neither, at, 1)), -EBADF);
    assert.equal(run(sys.write(neither, at, 1)), -EBADF);
    assert.equal(run(sys.read(99, at, 1)), -EBADF);
    assert.equal(run(sys.read(directory, at, 1)), -EISDIR);
    assert.equal(run(sys.pread64(reader, at, 1, -1)), -EINVAL);
    assert.equal(run(sys.read(reader, va(4096), 1)), -EFAULT);
    assert.equal(run(sys.read(reader, va(2 ** 60), 1)), -EFAULT);
    assert.equal(run(sys.write(writer, va(4096), 1)), -EFAULT);
    assert.equal(run(sys.read(reader, at, 0)), 0);
    assert.equal(run(sys.pwrite64(writer, at, 1, 2 ** 30)), -EFBIG);
  });

  it('O_APPEND writes at the end', () => {
    const { sys, run, put, get, create } = box();
    create('/f', 'abc');
    const fd = run(sys.open('/f', O_RDWR | O_APPEND));
    assert.equal(put(fd, 'def'), 3);
    assert.equal(get(fd, 10, 0), 'abcdef');
  });

  it('lseek knows five origins', () => {
    const { sys, run, create } = box();
    create('/f', 'abcdef');
    const fd = run(sys.open('/f', O_RDONLY));
    assert.equal(run(sys.lseek(fd, -2, SEEK_END)), 4);
    assert.equal(run(sys.lseek(fd, -1, SEEK_CUR)), 3);
    assert.equal(run(sys.lseek(fd, 100, SEEK_SET)), 100);
    assert.equal(run(sys.lseek(fd, 2, SEEK_DATA)), 2);
    assert.equal(run(sys.lseek(fd, 2, SEEK_HOLE)), 6);
    assert.equal(run(sys.lseek(fd, 6, SEEK_DATA)), -ENXIO);
    assert.equal(run(sys.lseek(fd, -1, SEEK_SET)), -EINVAL);
    assert.equal(run(sys.lseek(fd, 0, 9)), -EINVAL);
    assert.equal(run(sys.lseek(99, 0, SEEK_SET)), -EBADF);
  });

  it('ftruncate cuts and extends with zeros', () => {
    const { sys, run, get, create, stat } = box();
    create('/f', 'abcdef');
    const fd = run(sys.open('/f', O_RDWR));
    assert.equal(run(sys.ftruncate(fd, 2)), 0);
    assert.equal(run(sys.ftruncate(fd, 4)), 0);
    assert.equal(get(fd, 9, 0), 'ab\0\0');
    assert.equal(stat('/f').size, 4);
    assert.equal(run(sys.ftruncate(fd, -1)), -EINVAL);
    assert.equal(run(sys.ftruncate(fd, 2 ** 40)), -EFBIG);
    const reader = run(sys.open('/f', O_RDONLY));
    assert.equal(run(sys.ftruncate(reader, 0)), -EINVAL);
    assert.equal(run(sys.ftruncate(99, 0)), -EBADF);
    assert.equal(run(sys.fsync(fd)), 0);
    assert.equal(run(sys.fdatasync(99)), -EBADF);
  });
});

describe('opening', () => {
  it('creates, refuses to create twice, truncates', () => {
    const { sys, run, put, stat } = box();
    const fd = run(sys.open('/f', O_CREAT | O_EXCL | O_RDWR, 0o666));
    put(fd, 'text');
    assert.equal(stat('/f').mode, S_IFREG | 0o644);
    assert.equal(run(sys.open('/f', O_CREAT | O_EXCL | O_RDWR, 0o666)), -EEXIST);
    assert.ok(run(sys.open('/f', O_CREAT | O_RDWR, 0)) > fd);
    assert.equal(stat('/f').size, 4);
    assert.ok(run(sys.open('/f', O_TRUNC | O_WRONLY)) > fd);
    assert.equal(stat('/f').size, 0);
  });

  it('answers what a path can be wrong about', () => {
    const { sys, run, create } = box();
    create('/f');
    const cases: readonly (readonly [string, number, number])[] = [
      ['', O_RDONLY, -ENOENT],
      ['/none', O_RDONLY, -ENOENT],
      ['/none/f', O_CREAT | O_RDWR, -ENOENT],
      ['/f/g', O_RDONLY, -ENOTDIR],
      ['/f/', O_RDONLY, -ENOTDIR],
      ['/f', O_DIRECTORY, -ENOTDIR],
      ['/', O_RDWR, -EISDIR],
      ['/', O_CREAT | O_RDONLY, -EISDIR],
      ['/tmp', O_TRUNC, -EISDIR],
      ['/new/', O_CREAT | O_RDWR, -EISDIR],
      ['/tmp/.', O_CREAT | O_EXCL | O_RDWR, -EEXIST],
      ['/new', O_CREAT | O_DIRECTORY | O_RDWR, -EINVAL],
      [`/${'x'.repeat(256)}`, O_RDONLY, -ENAMETOOLONG],
      [`/${'x/'.repeat(2048)}`, O_RDONLY, -ENAMETOOLONG],
    ];
    for (const [path, flags, expected] of cases) {
      assert.equal(run(sys.open(path, flags, 0o600)), expected, path.slice(0, 20));
    }
  });

  it('resolves relative to a directory, the working directory and up', () => {
    const { sys, run, create, stat } = box();
    assert.equal(run(sys.mkdirat(AT_FDCWD, '/a', 0o755)), 0);
    assert.equal(run(sys.mkdirat(AT_FDCWD, '/a/b', 0o755)), 0);
    create('/a/b/f', 'x');
    const a = run(sys.open('/a', O_RDONLY | O_DIRECTORY));
    assert.ok(run(sys.openat(a, 'b/f', O_RDONLY)) >= 0);
    assert.ok(run(sys.openat(a, '/a/b/f', O_RDONLY)) >= 0);
    assert.ok(run(sys.openat(a, 'b/../../a/./b//f', O_RDONLY)) >= 0);
    assert.equal(run(sys.openat(a, 'none/../b/f', O_RDONLY)), -ENOENT);
    assert.equal(run(sys.openat(77, 'b', O_RDONLY)), -EBADF);
    const file = run(sys.open('/a/b/f', O_RDONLY));
    assert.equal(run(sys.openat(file, 'x', O_RDONLY)), -ENOTDIR);
    assert.equal(run(sys.chdir('/a/b')), 0);
    assert.equal(sys.getcwd(), '/a/b');
    assert.ok(run(sys.open('f', O_RDONLY)) >= 0);
    assert.ok(run(sys.open('../b/f', O_RDONLY)) >= 0);
    assert.equal(run(sys.chdir('f')), -ENOTDIR);
    assert.equal(run(sys.chdir('none')), -ENOENT);
    assert.equal(stat('/../../a').ino, stat('/a').ino);
  });

  it('a full fd table opens and creates nothing', () => {
    const kernel = makeKernel();
    const program = makeProgram(kernel, { nofile: 0 });
    const { sys } = program;
    assert.equal(now(program, sys.open('/f', O_CREAT | O_RDWR, 0o600)), -EMFILE);
    assert.equal(now(program, sys.open('/none', O_RDONLY)), -EMFILE);
    assert.equal(now(program, sys.stat('/f')), -ENOENT);
  });
});

describe('rights', () => {
  it('of files and directories are those of their makers for the run', () => {
    const root = box();
    const user = box(root.kernel, 1000);
    root.create('/private');
    root.run(root.sys.mkdirat(AT_FDCWD, '/secret', 0o700));
    assert.equal(user.run(user.sys.open('/private', O_WRONLY)), -EACCES);
    assert.ok(user.run(user.sys.open('/private', O_RDONLY)) >= 0);
    assert.equal(user.run(user.sys.open('/secret/f', O_RDONLY)), -EACCES);
    assert.equal(user.run(user.sys.open('/new', O_CREAT | O_RDWR, 0o600)), -EACCES);
    assert.ok(user.run(user.sys.open('/tmp/mine', O_CREAT | O_RDWR, 0o600)) >= 0);
    const other = box(root.kernel, 1001);
    assert.equal(other.run(other.sys.open('/tmp/mine', O_RDONLY)), -EACCES);
    assert.ok(root.run(root.sys.open('/tmp/mine', O_RDONLY)) >= 0);
  });

  it('a file that was just created is open to its maker whatever its mode', () => {
    const user = box(makeKernel(), 1000);
    assert.ok(user.run(user.sys.open('/tmp/f', O_CREAT | O_RDWR, 0)) >= 0);
    assert.equal(user.run(user.sys.open('/tmp/f', O_RDWR)), -EACCES);
  });

  it('the sticky bit keeps others from removing', () => {
    const root = box();
    const owner = box(root.kernel, 1000);
    const other = box(root.kernel, 1001);
    owner.create('/tmp/f');
    assert.equal(other.run(other.sys.unlinkat(AT_FDCWD, '/tmp/f', 0)), -EPERM);
    assert.equal(other.run(other.sys.renameat2(AT_FDCWD, '/tmp/f', AT_FDCWD, '/tmp/g', 0)), -EPERM);
    assert.equal(owner.run(owner.sys.unlinkat(AT_FDCWD, '/tmp/f', 0)), 0);
  });

  it('access() judges by the real ids', () => {
    const kernel = makeKernel();
    const setuid = makeProgram(kernel, { uid: 1000, euid: 0 });
    const { sys } = setuid;
    box(kernel).create('/f');
    assert.equal(now(setuid, sys.access('/f', R_OK)), 0);
    assert.equal(now(setuid, sys.access('/f', W_OK)), -EACCES);
    assert.equal(now(setuid, sys.faccessat2(AT_FDCWD, '/f', W_OK, AT_EACCESS)), 0);
    assert.equal(now(setuid, sys.access('/none', F_OK)), -ENOENT);
    assert.equal(now(setuid, sys.access('/f', 8)), -EINVAL);
    assert.equal(now(setuid, sys.faccessat2(AT_FDCWD, '/f', R_OK, 1)), -EINVAL);
  });
});

describe('making, removing and renaming', () => {
  it('mkdirat and unlinkat answer their errors', () => {
    const { sys, run, create, stat } = box();
    assert.equal(run(sys.mkdirat(AT_FDCWD, '/d', 0o777)), 0);
    assert.equal(stat('/d').mode, S_IFDIR | 0o755);
    create('/d/f');
    assert.equal(run(sys.mkdirat(AT_FDCWD, '/d', 0o777)), -EEXIST);
    assert.equal(run(sys.mkdirat(AT_FDCWD, '/', 0o777)), -EEXIST);
    assert.equal(run(sys.mkdirat(AT_FDCWD, '/none/d', 0o777)), -ENOENT);
    assert.equal(run(sys.mkdirat(AT_FDCWD, '/d/f/g', 0o777)), -ENOTDIR);
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/d', 0)), -EISDIR);
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/d/f', AT_REMOVEDIR)), -ENOTDIR);
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/d', AT_REMOVEDIR)), -ENOTEMPTY);
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/d/.', AT_REMOVEDIR)), -EINVAL);
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/d/..', AT_REMOVEDIR)), -ENOTEMPTY);
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/', AT_REMOVEDIR)), -EBUSY);
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/tmp', AT_REMOVEDIR)), -EBUSY);
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/d/f/', 0)), -ENOTDIR);
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/d/f', 7)), -EINVAL);
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/d/none', 0)), -ENOENT);
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/d/f', 0)), 0);
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/d', AT_REMOVEDIR)), 0);
    assert.equal(run(sys.stat('/d')), -ENOENT);
  });

  it('renames files and whole directories, keeping what is open', () => {
    const { sys, run, get, create, stat } = box();
    run(sys.mkdirat(AT_FDCWD, '/d', 0o755));
    create('/d/f', 'one');
    const { ino } = stat('/d/f');
    const fd = run(sys.open('/d/f', O_RDONLY));
    assert.equal(run(sys.renameat2(AT_FDCWD, '/d', AT_FDCWD, '/e', 0)), 0);
    assert.equal(stat('/e/f').ino, ino);
    assert.equal(run(sys.stat('/d')), -ENOENT);
    assert.equal(get(fd, 9), 'one');
  });

  it('a file that is replaced or removed while open keeps its bytes', () => {
    const { sys, run, put, get, create } = box();
    create('/f', 'old');
    create('/g', 'new');
    const fd = run(sys.open('/f', O_RDWR));
    assert.equal(run(sys.renameat2(AT_FDCWD, '/g', AT_FDCWD, '/f', 0)), 0);
    assert.equal(get(fd, 9, 0), 'old');
    const replaced = run(sys.open('/f', O_RDONLY));
    assert.equal(get(replaced, 9), 'new');
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/f', 0)), 0);
    assert.equal(put(fd, 'er', 3), 2);
    assert.equal(get(fd, 9, 0), 'older');
    assert.equal(run(sys.stat('/f')), -ENOENT);
  });

  it('answers the errors of renameat2', () => {
    const { sys, run, create } = box();
    run(sys.mkdirat(AT_FDCWD, '/d', 0o755));
    run(sys.mkdirat(AT_FDCWD, '/d/sub', 0o755));
    run(sys.mkdirat(AT_FDCWD, '/empty', 0o755));
    create('/f');
    create('/d/g');
    const rename = (from: string, to: string, flags = 0): number =>
      run(sys.renameat2(AT_FDCWD, from, AT_FDCWD, to, flags));
    assert.equal(rename('/f', '/d/g', RENAME_NOREPLACE), -EEXIST);
    assert.equal(rename('/f', '/d/g', RENAME_EXCHANGE), -EINVAL);
    assert.equal(rename('/none', '/x'), -ENOENT);
    assert.equal(rename('/f', '/none/x'), -ENOENT);
    assert.equal(rename('/f', '/d'), -EISDIR);
    assert.equal(rename('/d', '/f'), -ENOTDIR);
    assert.equal(rename('/empty', '/d'), -ENOTEMPTY);
    assert.equal(rename('/d', '/d/sub/x'), -EINVAL);
    assert.equal(rename('/d/sub', '/d'), -ENOTEMPTY);
    assert.equal(rename('/f', '/tmp/f'), -EXDEV);
    assert.equal(rename('/d/.', '/x'), -EBUSY);
    assert.equal(rename('/tmp', '/x'), -EBUSY);
    assert.equal(rename('/f', '/x/'), -ENOTDIR);
    assert.equal(rename('/f', '/f'), 0);
    assert.equal(rename('/d/sub', '/empty'), 0);
    assert.equal(rename('/f', '/x', RENAME_NOREPLACE), 0);
  });
});

describe('directories and stat', () => {
  it('getdents64 lists once from the position on', () => {
    const { sys, run, create } = box();
    create('/tmp/b');
    create('/tmp/a');
    const fd = run(sys.open('/tmp', O_RDONLY | O_DIRECTORY));
    const names = (): readonly string[] | number => {
      const entries = run(sys.getdents64(fd));
      return typeof entries === 'number' ? entries : entries.map(({ name }) => name);
    };
    assert.deepEqual(names(), ['.', '..', 'a', 'b']);
    assert.deepEqual(names(), []);
    run(sys.lseek(fd, 0, SEEK_SET));
    assert.deepEqual(names(), ['.', '..', 'a', 'b']);
    const file = run(sys.open('/tmp/a', O_RDONLY));
    assert.equal(run(sys.getdents64(file)), -ENOTDIR);
  });

  it('stat tells type, owner, size and place', () => {
    const { sys, run, create, stat } = box();
    create('/f', 'x'.repeat(1000));
    const { mode, size, blocks, uid, nlink, dev } = stat('/f');
    assert.deepEqual([mode, size, blocks, uid, nlink], [S_IFREG | 0o644, 1000, 2, 0, 1]);
    assert.equal(stat('/').mode & S_IFMT, S_IFDIR);
    assert.notEqual(stat('/tmp').dev, dev);
    const fd = run(sys.open('/f', O_PATH));
    assert.deepEqual(run(sys.fstat(fd)), stat('/f'));
    assert.deepEqual(run(sys.newfstatat(fd, '', AT_EMPTY_PATH)), stat('/f'));
    assert.deepEqual(run(sys.newfstatat(AT_FDCWD, '', AT_EMPTY_PATH)), stat('/'));
    assert.equal(run(sys.newfstatat(fd, '', 0)), -ENOENT);
    assert.equal(run(sys.newfstatat(AT_FDCWD, '/f', 1)), -EINVAL);
    assert.equal(run(sys.fstat(99)), -EBADF);
  });
});

describe('mounts', () => {
  it('show a store where they are, not outside of it', () => {
    const kernel = makeKernel();
    const store = new MemoryStore();
    kernel.mount('/var/lib/tee', store, { uid: 5, fileMode: 0o600, dirMode: 0o700 });
    const { sys, run, create, stat } = box(kernel);
    create('/var/lib/tee/0', 'data');
    assert.deepEqual(store.list(''), ['0']);
    assert.equal(stat('/var/lib/tee/..').ino, stat('/var/lib').ino);
    assert.equal(stat('/var/lib/tee').uid, 5);
    store.createFile('there');
    assert.equal(stat('/var/lib/tee/there').mode, S_IFREG | 0o600);
    assert.throws(() => kernel.mount('/var/lib/tee', store), /EBUSY/);
    assert.equal(kernel.vfs.umount('/var/lib/tee'), 0);
    assert.equal(kernel.vfs.umount('/var/lib/tee'), -EINVAL);
    assert.equal(run(sys.stat('/var/lib/tee/0')), -ENOENT);
  });

  it('read-only ones refuse before they look at rights', () => {
    const kernel = makeKernel();
    const store = new MemoryStore();
    store.createFile('f');
    kernel.mount('/ro', store, { readOnly: true });
    const { sys, run } = box(kernel);
    assert.ok(run(sys.open('/ro/f', O_RDONLY)) >= 0);
    assert.equal(run(sys.open('/ro/f', O_WRONLY)), -EROFS);
    assert.equal(run(sys.open('/ro/g', O_CREAT | O_WRONLY)), -EROFS);
    assert.equal(run(sys.unlinkat(AT_FDCWD, '/ro/f', 0)), -EROFS);
    assert.equal(run(sys.mkdirat(AT_FDCWD, '/ro/d', 0)), -EROFS);
    assert.equal(run(sys.access('/ro/f', W_OK)), -EROFS);
    assert.equal(run(sys.mkdirat(AT_FDCWD, '/ro/f', 0)), -EEXIST);
  });

  it("the store's errors come through by name; others are bugs", () => {
    class Failing extends MemoryStore {
      failure: Error | undefined;
      override write(path: string, offset: number, data: Uint8Array): boolean {
        if (this.failure !== undefined) throw this.failure;
        return super.write(path, offset, data);
      }
      override truncate(path: string, length: number): boolean {
        if (this.failure !== undefined) throw this.failure;
        return super.truncate(path, length);
      }
      override stat(path: string): ReturnType<MemoryStore['stat']> {
        if (path === 'closed') throw new StoreError('EACCES', path);
        return super.stat(path);
      }
    }
    const kernel = makeKernel();
    const store = new Failing();
    kernel.mount('/s', store);
    const { sys, run, put } = box(kernel);
    const fd = run(sys.open('/s/f', O_CREAT | O_RDWR, 0o600));
    store.failure = new StoreError('ENOSPC', 'f');
    assert.equal(put(fd, 'x'), -ENOSPC);
    assert.equal(run(sys.open('/s/f', O_TRUNC | O_RDWR)), -ENOSPC);
    store.failure = new StoreError('ENOTHING', 'f');
    assert.equal(put(fd, 'x'), -5);
    store.failure = undefined;
    assert.equal(put(fd, 'x'), 1);
    assert.equal(run(sys.open('/s/closed', O_RDONLY)), -EACCES);
    store.failure = new Error('a bug');
    assert.throws(() => put(fd, 'x'), /a bug/);
  });
});
