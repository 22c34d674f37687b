import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { O_RDONLY, O_SYNC } from '../../abi/fcntl.ts';
import {
  TEEC_ERROR_ACCESS_CONFLICT,
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_GENERIC,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_SHORT_BUFFER,
  TEEC_ERROR_STORAGE_NOT_AVAILABLE,
  TEEC_ERROR_STORAGE_NO_SPACE,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import {
  OPTEE_RPC_CMD_FS,
  OPTEE_RPC_FS,
  OPTEE_RPC_FS_CLOSE,
  OPTEE_RPC_FS_CLOSEDIR,
  OPTEE_RPC_FS_CREATE,
  OPTEE_RPC_FS_OPEN,
  OPTEE_RPC_FS_OPENDIR,
  OPTEE_RPC_FS_READ,
  OPTEE_RPC_FS_READDIR,
  OPTEE_RPC_FS_REMOVE,
  OPTEE_RPC_FS_RENAME,
  OPTEE_RPC_FS_TRUNCATE,
  OPTEE_RPC_FS_WRITE,
} from '../../abi/optee-rpc.ts';
import { MemoryStore } from '../../host/memory-store.ts';
import { StoreError } from '../../host/store.ts';
import { UPSTREAM_USERLAND } from '../switches.ts';
import {
  INOUT,
  INPUT,
  OUTPUT,
  Supplicant,
  VALUE,
  VALUE_IN,
  VALUE_OUT,
  param,
  value,
} from '../testing/supplicant.ts';
import type { Answer, SupplicantOptions } from '../testing/supplicant.ts';
import type { TeeParam } from '../../linux/tee/tee-drv.ts';
import { NOTHING_HELD } from '../testing/tee-box.ts';
import { dirname } from './dirname.ts';

/** The requests of OP-TEE's tee_fs_rpc.c, on a directory of a store. */
class Fs extends Supplicant {
  readonly store: MemoryStore;

  constructor(store = new MemoryStore(), options: SupplicantOptions = {}, readOnly = false) {
    super(options);
    this.store = store;
    this.box.kernel.mount('/var/lib/tee', store, { readOnly });
    this.start();
  }

  fs(...params: readonly TeeParam[]): Answer {
    const answer = this.ask(OPTEE_RPC_CMD_FS, ...params);
    assert.ok(answer, 'there is an answer');
    return answer;
  }

  open(name: string, command: number = OPTEE_RPC_FS_OPEN): { ret: number; fd: number } {
    const { ret, params } = this.fs(
      value(VALUE_IN, command),
      this.memref(INPUT, `${name}\0`, 'name'),
      param(VALUE_OUT),
    );
    return { ret, fd: params[2]!.a };
  }
  create(name: string, text = ''): number {
    const { ret, fd } = this.open(name, OPTEE_RPC_FS_CREATE);
    assert.equal(ret, TEEC_SUCCESS, name);
    if (text !== '') assert.equal(this.write(fd, text), TEEC_SUCCESS);
    return fd;
  }
  close(fd: number): number {
    return this.fs(value(VALUE_IN, OPTEE_RPC_FS_CLOSE, fd)).ret;
  }
  read(fd: number, size: number, offset = 0): string | number {
    const { ret, params } = this.fs(
      value(VALUE_IN, OPTEE_RPC_FS_READ, fd, offset),
      this.room(OUTPUT, size),
    );
    return ret === TEEC_SUCCESS ? this.text(params[1]!.size) : ret;
  }
  write(fd: number, text: string, offset = 0): number {
    return this.fs(value(VALUE_IN, OPTEE_RPC_FS_WRITE, fd, offset), this.memref(INPUT, text)).ret;
  }
  truncate(fd: number, length: number): number {
    return this.fs(value(VALUE_IN, OPTEE_RPC_FS_TRUNCATE, fd, length)).ret;
  }
  remove(name: string): number {
    return this.fs(value(VALUE_IN, OPTEE_RPC_FS_REMOVE), this.memref(INPUT, `${name}\0`, 'name'))
      .ret;
  }
  rename(from: string, to: string, overwrite = 0): number {
    return this.fs(
      value(VALUE_IN, OPTEE_RPC_FS_RENAME, overwrite),
      this.memref(INPUT, `${from}\0`, 'name'),
      this.memref(INPUT, `${to}\0`, 'to'),
    ).ret;
  }
  opendir(name: string): { ret: number; fd: number } {
    return this.open(name, OPTEE_RPC_FS_OPENDIR);
  }
  closedir(handle: number): number {
    return this.fs(value(VALUE_IN, OPTEE_RPC_FS_CLOSEDIR, handle)).ret;
  }
  readdir(handle: number, size = 100): string | number {
    const { ret, params } = this.fs(
      value(VALUE_IN, OPTEE_RPC_FS_READDIR, handle),
      this.room(OUTPUT, size),
    );
    return ret === TEEC_SUCCESS ? this.text(params[1]!.size) : ret;
  }

  contents(path: string): string | undefined {
    const bytes = this.store.read(path, 0, 1000);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  }
}

/** A store that refuses. */
class Refusing extends MemoryStore {
  code: string | undefined;
  readonly synced: string[] = [];

  override createFile(path: string): boolean {
    this.#check(path);
    return super.createFile(path);
  }
  override createDirectory(path: string): boolean {
    this.#check(path);
    return super.createDirectory(path);
  }
  override write(path: string, offset: number, data: Uint8Array): boolean {
    this.#check(path);
    return super.write(path, offset, data);
  }
  override truncate(path: string, length: number): boolean {
    this.#check(path);
    return super.truncate(path, length);
  }
  override rename(from: string, to: string): boolean {
    this.#check(from);
    return super.rename(from, to);
  }
  override remove(path: string): boolean {
    this.#check(path);
    return super.remove(path);
  }
  override sync(path = ''): void {
    this.synced.push(path);
  }
  #check(path: string): void {
    if (this.code !== undefined) throw new StoreError(this.code, path);
  }
}

describe('the directory', () => {
  it('is made at the first request, with all above it', async () => {
    const started = new Supplicant({ fsParentPath: '/data//a/tee' }).start();
    assert.equal(started.result(OPTEE_RPC_CMD_FS, value(VALUE_IN, 99)), TEEC_ERROR_BAD_PARAMETERS);
    const found = started.box.kernel.vfs.root.inode.lookup('data');
    assert.ok(typeof found !== 'number');
    assert.equal(found.attributes().mode, 0o700);
    const { files } = started.program.process;
    assert.equal(files.get(1)?.path, '/data/a/tee');
    assert.deepEqual(await started.held(), NOTHING_HELD);
  });

  it('cannot be where a file is', () => {
    const started = new Fs(new MemoryStore(), { fsParentPath: '/var/lib/tee/f/d' });
    started.store.createFile('f');
    assert.equal(started.open('x').ret, TEEC_ERROR_STORAGE_NOT_AVAILABLE);
    started.store.remove('f');
    assert.equal(started.open('x').ret, TEEC_ERROR_ITEM_NOT_FOUND, 'is tried again');
  });
});

describe('files', () => {
  it('are made, written, read, cut, closed', async () => {
    const fs = new Fs();
    const fd = fs.create('/1', 'hello');
    assert.equal(fs.contents('1'), 'hello');
    assert.equal(fs.read(fd, 100), 'hello');
    assert.equal(fs.read(fd, 2, 1), 'el');
    assert.equal(fs.read(fd, 5, 5), '');
    assert.equal(fs.write(fd, 'LLO world', 2), TEEC_SUCCESS);
    assert.equal(fs.truncate(fd, 7), TEEC_SUCCESS);
    assert.equal(fs.contents('1'), 'heLLO w');
    assert.equal(fs.close(fd), TEEC_SUCCESS);
    assert.equal(fs.close(fd), TEEC_ERROR_GENERIC);
    assert.deepEqual(await fs.held(), NOTHING_HELD);
  });

  it('are opened when they are there, emptied when they are made again', () => {
    const fs = new Fs();
    fs.close(fs.create('/1', 'text'));
    assert.equal(fs.read(fs.open('1').fd, 9), 'text');
    assert.equal(fs.open('2').ret, TEEC_ERROR_ITEM_NOT_FOUND);
    fs.create('1');
    assert.equal(fs.contents('1'), '');
  });

  it('are for their owner, and written through', () => {
    const store = new Refusing();
    const fs = new Fs(store);
    const fd = fs.create('/1');
    const file = fs.program.process.files.get(fd)!;
    assert.equal(file.flags & O_SYNC, O_SYNC);
    assert.equal(file.dentry?.inode.attributes().mode, 0o600);
    assert.deepEqual(store.synced, ['', ''], 'the directory, when it is opened and when it grows');
    fs.write(fd, 'x');
    assert.equal(store.synced.at(-1), '1');
  });

  it('an fd is any of the process', () => {
    const fs = new Fs();
    assert.equal(fs.read(0, 1), TEEC_ERROR_GENERIC, 'the device');
    assert.equal(fs.read(99, 1), TEEC_ERROR_GENERIC);
    assert.equal(fs.read(-1, 1), TEEC_ERROR_GENERIC);
    assert.equal(fs.write(99, 'x'), TEEC_ERROR_GENERIC);
    assert.equal(fs.truncate(99, 0), TEEC_ERROR_GENERIC);
  });

  it('offsets are signed', () => {
    const fs = new Fs();
    const fd = fs.create('/1', 'text');
    assert.equal(fs.read(fd, 1, -1), TEEC_ERROR_GENERIC);
    assert.equal(fs.write(fd, 'x', -1), TEEC_ERROR_GENERIC);
    assert.equal(fs.truncate(fd, -1), TEEC_ERROR_GENERIC);
  });

  it('what is opened for reading cannot be written', () => {
    const store = new MemoryStore();
    store.createFile('1');
    const fs = new Fs(store, {}, true);
    const { ret, fd } = fs.open('1');
    assert.equal(ret, TEEC_SUCCESS);
    assert.equal(fs.program.process.files.get(fd)!.flags & 3, O_RDONLY);
    assert.equal(fs.write(fd, 'x'), TEEC_ERROR_GENERIC);
    assert.equal(fs.open('2', OPTEE_RPC_FS_CREATE).ret, TEEC_ERROR_GENERIC);
    assert.equal(fs.remove('1'), TEEC_ERROR_GENERIC);
  });

  it('are read and written when they are larger than a page', () => {
    const fs = new Fs();
    const text = 'abcdefgh'.repeat(2000);
    const fd = fs.create('/1', text);
    assert.equal(fs.read(fd, text.length + 10), text);
  });
});

describe('names', () => {
  it('may lead out of the directory', () => {
    const fs = new Fs();
    fs.close(fs.create('../up', 'x'));
    assert.deepEqual(fs.store.list(''), []);
    assert.equal(fs.open('../../lib/up').ret, TEEC_SUCCESS);
  });

  it('end with NUL, wherever the buffer ends', () => {
    const fs = new Fs();
    fs.memref(INPUT, 'longname\0', 'name');
    const part = fs.room(INPUT, 4, 'name');
    const create = value(VALUE_IN, OPTEE_RPC_FS_CREATE);
    assert.equal(fs.fs(create, part, param(VALUE_OUT)).ret, TEEC_SUCCESS);
    assert.deepEqual(fs.store.list(''), ['longname']);
  });

  it('have a greatest length', () => {
    const fs = new Fs();
    assert.equal(fs.open('a'.repeat(255), OPTEE_RPC_FS_CREATE).ret, TEEC_SUCCESS);
    assert.equal(fs.open('a'.repeat(256), OPTEE_RPC_FS_CREATE).ret, TEEC_ERROR_GENERIC);
    assert.equal(fs.open('a/'.repeat(2046)).ret, TEEC_ERROR_ITEM_NOT_FOUND);
    for (const length of [4093, 5000]) {
      assert.equal(fs.open('a'.repeat(length)).ret, TEEC_ERROR_BAD_PARAMETERS);
    }
  });

  for (const [path, parent] of [
    ['./a/b', './a'],
    ['.//a', '.'],
    ['.', '.'],
    ['./a//b/', './a'],
    ['/a', '/'],
    ['/', '/'],
    ['', '.'],
  ] as const) {
    it(`dirname(${JSON.stringify(path)})`, () => assert.equal(dirname(path), parent));
  }
});

describe('directories of files', () => {
  it('one is made for a file, and goes with it', () => {
    const fs = new Fs();
    fs.close(fs.create('/ta/object', 'x'));
    assert.deepEqual(fs.store.list(''), ['ta']);
    assert.equal(fs.remove('/ta/object'), TEEC_SUCCESS);
    assert.deepEqual(fs.store.list(''), []);
  });

  it('stays while there are other files', () => {
    const fs = new Fs();
    for (const name of ['/d/ta/1', '/d/ta/2']) {
      fs.store.createDirectory('d');
      fs.close(fs.create(name));
    }
    fs.remove('/d/ta/1');
    assert.deepEqual(fs.store.list('d/ta'), ['2']);
    fs.remove('/d/ta/2');
    assert.deepEqual(fs.store.list(''), [], 'the parent goes too');
  });

  it('two are made at the second attempt, as upstream', () => {
    const fs = new Fs();
    assert.equal(fs.open('a/b/f', OPTEE_RPC_FS_CREATE).ret, TEEC_ERROR_GENERIC);
    assert.deepEqual(fs.store.list(''), ['a']);
    assert.equal(fs.open('a/b/f', OPTEE_RPC_FS_CREATE).ret, TEEC_SUCCESS);
  });

  it('two are made at once without the bug, and three never', () => {
    const switches = { ...UPSTREAM_USERLAND, quirkCreateTwoDirectories: false };
    const fs = new Fs(new MemoryStore(), { switches });
    assert.equal(fs.open('a/b/f', OPTEE_RPC_FS_CREATE).ret, TEEC_SUCCESS);
    assert.equal(fs.open('x/y/z/f', OPTEE_RPC_FS_CREATE).ret, TEEC_ERROR_ITEM_NOT_FOUND);
    assert.deepEqual(fs.store.list(''), ['a']);
  });

  for (const name of ['a/NO', 'a/b/NO']) {
    it(`go again when ${name} cannot be made in them`, () => {
      class NoFile extends MemoryStore {
        override createFile(path: string): boolean {
          if (path.endsWith('NO')) throw new StoreError('ENOSPC', path);
          return super.createFile(path);
        }
      }
      const switches = { ...UPSTREAM_USERLAND, quirkCreateTwoDirectories: false };
      const fs = new Fs(new NoFile(), { switches });
      assert.equal(fs.open(name, OPTEE_RPC_FS_CREATE).ret, TEEC_ERROR_STORAGE_NO_SPACE);
      assert.deepEqual(fs.store.list(''), []);
    });
  }
});

describe('remove', () => {
  it('answers for what is not there, and for directories', () => {
    const fs = new Fs();
    fs.store.createDirectory('d');
    assert.equal(fs.remove('none'), TEEC_ERROR_ITEM_NOT_FOUND);
    assert.equal(fs.remove('none/f'), TEEC_ERROR_ITEM_NOT_FOUND);
    assert.equal(fs.remove('d'), TEEC_ERROR_GENERIC);
  });

  it('leaves files that are open to whoever has them open', () => {
    const fs = new Fs();
    const fd = fs.create('f', 'text');
    assert.equal(fs.remove('f'), TEEC_SUCCESS);
    assert.equal(fs.read(fd, 9), 'text');
  });
});

describe('rename', () => {
  it('replaces only when it is told to', () => {
    const fs = new Fs();
    fs.close(fs.create('a', 'A'));
    fs.close(fs.create('b', 'B'));
    assert.equal(fs.rename('a', 'b'), TEEC_ERROR_ACCESS_CONFLICT);
    assert.equal(fs.contents('b'), 'B');
    assert.equal(fs.rename('a', 'b', 1), TEEC_SUCCESS);
    assert.equal(fs.contents('b'), 'A');
    assert.equal(fs.rename('a', 'c'), TEEC_ERROR_ITEM_NOT_FOUND);
    assert.equal(fs.rename('b', 'none/c'), TEEC_ERROR_ITEM_NOT_FOUND);
    // Any other number than 0 says so.
    fs.close(fs.create('a', '2'));
    assert.equal(fs.rename('a', 'b', -1), TEEC_SUCCESS);
    assert.equal(fs.contents('b'), '2');
  });

  for (const [quirk, result] of [
    [true, TEEC_SUCCESS],
    [false, TEEC_ERROR_STORAGE_NO_SPACE],
  ] as const) {
    it(`that fails otherwise, quirk ${quirk}: 0x${result.toString(16)}`, () => {
      const store = new Refusing();
      const switches = { ...UPSTREAM_USERLAND, quirkRenameFailsSilently: quirk };
      const fs = new Fs(store, { switches });
      fs.create('a');
      store.code = 'ENOSPC';
      assert.equal(fs.rename('a', 'b', 1), result);
    });
  }
});

describe('listing', () => {
  it('gives out names one by one', async () => {
    const fs = new Fs();
    for (const name of ['one', 'two', '.hidden']) fs.close(fs.create(name));
    const { ret, fd: handle } = fs.opendir('/');
    assert.deepEqual([ret, handle], [TEEC_SUCCESS, 0]);
    assert.equal(fs.opendir('/').fd, 1);
    assert.equal(fs.readdir(handle), 'one\0');
    assert.equal(fs.readdir(1), 'one\0');
    assert.equal(fs.readdir(handle), 'two\0');
    assert.equal(fs.readdir(handle), TEEC_ERROR_ITEM_NOT_FOUND);
    assert.equal(fs.closedir(handle), TEEC_SUCCESS);
    assert.equal(fs.closedir(handle), TEEC_ERROR_BAD_PARAMETERS);
    assert.equal(fs.readdir(handle), TEEC_ERROR_BAD_PARAMETERS);
    assert.equal(fs.opendir('/').fd, 0, 'the lowest handle');
    assert.deepEqual(await fs.held(), NOTHING_HELD);
  });

  it('passes over a name that does not fit', () => {
    const fs = new Fs();
    for (const name of ['long-name', 'x']) fs.close(fs.create(name));
    const { fd: handle } = fs.opendir('/');
    const read = [value(VALUE_IN, OPTEE_RPC_FS_READDIR, handle), fs.room(OUTPUT, 9)];
    const { ret, params } = fs.fs(...read);
    assert.deepEqual([ret, params[1]!.size], [TEEC_ERROR_SHORT_BUFFER, 10]);
    assert.equal(fs.readdir(handle), 'x\0');
  });

  it('does not find what holds nothing, is a file, or is not there', () => {
    const fs = new Fs();
    fs.store.createDirectory('empty');
    fs.store.createFile('f');
    fs.store.createFile('empty/.hidden');
    for (const name of ['empty', 'f', 'none']) {
      assert.equal(fs.opendir(name).ret, TEEC_ERROR_ITEM_NOT_FOUND, name);
    }
    assert.equal(fs.program.process.files.size, 3, 'device, directory and the buffer of names');
  });

  it('handles are numbers of their own', () => {
    const fs = new Fs();
    for (const handle of [-1, 7, 0]) {
      assert.equal(fs.closedir(handle), TEEC_ERROR_BAD_PARAMETERS);
      assert.equal(fs.readdir(handle), TEEC_ERROR_BAD_PARAMETERS);
    }
  });
});

describe('a store that refuses', () => {
  for (const [code, result] of [
    ['ENOSPC', TEEC_ERROR_STORAGE_NO_SPACE],
    ['EDQUOT', TEEC_ERROR_GENERIC],
    ['EACCES', TEEC_ERROR_GENERIC],
    ['EIO', TEEC_ERROR_GENERIC],
  ] as const) {
    it(`${code}: 0x${result.toString(16)}`, () => {
      const store = new Refusing();
      const fs = new Fs(store);
      const fd = fs.create('f', 'text');
      store.code = code;
      assert.equal(fs.write(fd, 'more', 4), result);
      assert.equal(fs.truncate(fd, 1), result);
      assert.equal(fs.remove('f'), result);
      assert.equal(fs.open('g', OPTEE_RPC_FS_CREATE).ret, result);
      assert.equal(fs.open('d/g', OPTEE_RPC_FS_CREATE).ret, result);
      assert.equal(fs.read(fd, 9), 'text');
    });
  }
});

describe('parameters', () => {
  const name = (fs: Fs): TeeParam => fs.memref(INPUT, 'f\0');
  const right: Readonly<Record<keyof typeof OPTEE_RPC_FS, (fs: Fs) => TeeParam[]>> = {
    OPTEE_RPC_FS_OPEN: (fs) => [name(fs), param(VALUE_OUT)],
    OPTEE_RPC_FS_CREATE: (fs) => [name(fs), param(VALUE_OUT)],
    OPTEE_RPC_FS_CLOSE: () => [],
    OPTEE_RPC_FS_READ: (fs) => [fs.room(OUTPUT, 8)],
    OPTEE_RPC_FS_WRITE: (fs) => [fs.room(INPUT, 8)],
    OPTEE_RPC_FS_TRUNCATE: () => [],
    OPTEE_RPC_FS_REMOVE: (fs) => [name(fs)],
    OPTEE_RPC_FS_RENAME: (fs) => [name(fs), fs.memref(INPUT, 'g\0', 'to')],
    OPTEE_RPC_FS_OPENDIR: (fs) => [name(fs), param(VALUE_OUT)],
    OPTEE_RPC_FS_CLOSEDIR: () => [],
    OPTEE_RPC_FS_READDIR: (fs) => [fs.room(OUTPUT, 8)],
  };

  for (const [command, rest] of Object.entries(right)) {
    it(`${command} wants its own, in number and kind`, () => {
      const fs = new Fs();
      const func = OPTEE_RPC_FS[command as keyof typeof OPTEE_RPC_FS];
      const refuses = (...params: TeeParam[]): void => {
        assert.equal(fs.fs(...params).ret, TEEC_ERROR_BAD_PARAMETERS);
      };
      const first = value(VALUE_IN, func, 99);
      refuses(first, ...rest(fs), param(VALUE));
      refuses(value(VALUE, func, 99), ...rest(fs));
      rest(fs).forEach((_, n) => {
        refuses(first, ...rest(fs).slice(0, n), param(INOUT), ...rest(fs).slice(n + 1));
        if (rest(fs)[n]!.shm !== null) {
          // Memory that is not ours, and too much of it.
          refuses(
            first,
            ...rest(fs).slice(0, n),
            param(rest(fs)[n]!.attr),
            ...rest(fs).slice(n + 1),
          );
          const wide = Object.assign(rest(fs)[n]!, { size: 1 << 20 });
          refuses(first, ...rest(fs).slice(0, n), wide, ...rest(fs).slice(n + 1));
        }
      });
    });
  }

  it('a sub-command is 64 bits wide, and one of these', () => {
    const fs = new Fs();
    for (const first of [
      value(VALUE_IN, 11),
      param(VALUE_IN, { aHi: 1, aLo: OPTEE_RPC_FS_CLOSE }),
    ]) {
      assert.equal(fs.fs(first).ret, TEEC_ERROR_BAD_PARAMETERS);
    }
    assert.equal(fs.fs().ret, TEEC_ERROR_BAD_PARAMETERS);
    assert.equal(fs.fs(name(fs)).ret, TEEC_ERROR_BAD_PARAMETERS);
  });
});
