/**
 * The file system that secure storage lies in: files by name below one directory, which is made at
 * the first request, and their file descriptors, which the secure world holds.
 * Names may lead out of the directory (`..`), as upstream's may.
 *
 * Upstream counterpart: tee-supplicant/src/tee_supp_fs.c. Directories are in `tee-supp-fs-dir.ts`.
 */
import { EEXIST, ENOENT, ENOSPC } from '../../abi/errno.ts';
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TRUNC,
  RENAME_NOREPLACE,
  S_IFDIR,
  S_IFMT,
} from '../../abi/fcntl.ts';
import {
  TEEC_ERROR_ACCESS_CONFLICT,
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_GENERIC,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_STORAGE_NOT_AVAILABLE,
  TEEC_ERROR_STORAGE_NO_SPACE,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import {
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
import {
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
} from '../../abi/tee.ts';
import { va } from '../../machine/address.ts';
import type { Syscalls } from '../../linux/process/syscalls.ts';
import { endOf } from '../../sched/task.ts';
import type { Co, MaybeCo } from '../../sched/task.ts';
import type { Handler, Server } from './handlers.ts';
import { dirname } from './dirname.ts';
import { loadString } from './process.ts';
import type { RpcRequest } from './rpc-request.ts';
import { paramToVa } from './rpc-shm.ts';
import { SuppDirs } from './tee-supp-fs-dir.ts';

/** Where secure storage is: CFG_TEE_FS_PARENT_PATH, --fs-parent-path. */
export const TEE_FS_PARENT_PATH = '/var/lib/tee';

/** PATH_MAX: longer names, with `./` and NUL, are refused. */
const PATH_MAX = 4096;
const DIR_MODE = 0o700;
const FILE_MODE = 0o600;

export const VALUE_IN = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT;
export const VALUE_OUT = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT;
export const MEMREF_IN = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
export const MEMREF_OUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT;

/** errno_to_teec() */
function errnoToTeec(rc: number): number {
  if (rc === -ENOSPC) return TEEC_ERROR_STORAGE_NO_SPACE;
  return rc === -ENOENT ? TEEC_ERROR_ITEM_NOT_FOUND : TEEC_ERROR_GENERIC;
}

/** A sub-command: the parameters that it must have, and what it does with them. */
interface Command {
  readonly types: readonly number[];
  readonly run: Handler;
}

export class SuppFs {
  readonly #parentPath: string;
  readonly #dirs = new SuppDirs();
  /** tee_fs_fd */
  #fd = -1;
  readonly #commands: ReadonlyMap<number, Command> = new Map<number, Command>([
    [
      OPTEE_RPC_FS_OPEN,
      { types: [VALUE_IN, MEMREF_IN, VALUE_OUT], run: (s, r) => this.#open(s, r) },
    ],
    [
      OPTEE_RPC_FS_CREATE,
      { types: [VALUE_IN, MEMREF_IN, VALUE_OUT], run: (s, r) => this.#create(s, r) },
    ],
    [OPTEE_RPC_FS_CLOSE, { types: [VALUE_IN], run: close }],
    [OPTEE_RPC_FS_READ, { types: [VALUE_IN, MEMREF_OUT], run: read }],
    [OPTEE_RPC_FS_WRITE, { types: [VALUE_IN, MEMREF_IN], run: write }],
    [OPTEE_RPC_FS_TRUNCATE, { types: [VALUE_IN], run: truncate }],
    [OPTEE_RPC_FS_REMOVE, { types: [VALUE_IN, MEMREF_IN], run: (s, r) => this.#remove(s, r) }],
    [
      OPTEE_RPC_FS_RENAME,
      { types: [VALUE_IN, MEMREF_IN, MEMREF_IN], run: (s, r) => this.#rename(s, r) },
    ],
    [
      OPTEE_RPC_FS_OPENDIR,
      { types: [VALUE_IN, MEMREF_IN, VALUE_OUT], run: (s, r) => this.#opendir(s, r) },
    ],
    [OPTEE_RPC_FS_CLOSEDIR, { types: [VALUE_IN], run: (s, r) => this.#dirs.closedir(s, r) }],
    [
      OPTEE_RPC_FS_READDIR,
      { types: [VALUE_IN, MEMREF_OUT], run: (s, r) => this.#dirs.readdir(s, r) },
    ],
  ]);

  constructor(parentPath: string) {
    this.#parentPath = parentPath;
  }

  /** tee_supp_fs_process(): [0] value a sub-command. */
  process(server: Server, request: RpcRequest): MaybeCo<number> {
    if (!request.isValue(0)) return TEEC_ERROR_BAD_PARAMETERS;
    return this.#fd === -1 ? this.#processFirst(server, request) : this.#run(server, request);
  }

  *#processFirst(server: Server, request: RpcRequest): Co<number> {
    if ((yield* this.root(server)) < 0) return TEEC_ERROR_STORAGE_NOT_AVAILABLE;
    return yield* endOf(this.#run(server, request));
  }

  #run(server: Server, request: RpcRequest): MaybeCo<number> {
    const command = this.#commands.get(request.num('a', 0));
    if (command === undefined || !request.is(command.types)) return TEEC_ERROR_BAD_PARAMETERS;
    return command.run(server, request);
  }

  /** The directory's fd; tee_supp_fs_init() at first. */
  *root(server: Server): Co<number> {
    if (this.#fd !== -1) return this.#fd;
    const { sys } = server;
    const path = this.#parentPath;
    this.#fd = (yield* mkpath(sys, path)) ? Math.max(yield* sys.open(path, O_RDONLY), -1) : -1;
    if (this.#fd >= 0) yield* this.#fsync(sys);
    else server.emsg(`error tee_supp_fs_init: failed to create ${path}/`);
    return this.#fd;
  }

  /** Files that the secure world writes are durable when it is told so. */
  *#fsync(sys: Syscalls): Co<void> {
    yield* sys.fsync(this.#fd);
  }

  #openat(sys: Syscalls, name: string, flags: number): Co<number> {
    return sys.openat(this.#fd, name, flags | O_SYNC, FILE_MODE);
  }

  *#open(server: Server, request: RpcRequest): Co<number> {
    const name = yield* relativeName(server, request, 1);
    if (name === undefined) return TEEC_ERROR_BAD_PARAMETERS;
    let fd = yield* this.#openat(server.sys, name, O_RDWR);
    // The file system may be read-only.
    if (fd < 0) fd = yield* this.#openat(server.sys, name, O_RDONLY);
    if (fd < 0) return TEEC_ERROR_ITEM_NOT_FOUND;
    request.set('a', 2, fd);
    return TEEC_SUCCESS;
  }

  *#create(server: Server, request: RpcRequest): Co<number> {
    const name = yield* relativeName(server, request, 1);
    if (name === undefined) return TEEC_ERROR_BAD_PARAMETERS;
    let fd = yield* this.#creat(server.sys, name);
    if (fd === -ENOENT) fd = yield* this.#createWithDirectories(server, name);
    if (fd < 0) return errnoToTeec(fd);
    yield* this.#fsync(server.sys);
    request.set('a', 2, fd);
    return TEEC_SUCCESS;
  }

  #creat(sys: Syscalls, name: string): Co<number> {
    return this.#openat(sys, name, O_RDWR | O_CREAT | O_TRUNC);
  }

  /** The file's directory is missing, and its parent may be too. */
  *#createWithDirectories({ sys, switches }: Server, name: string): Co<number> {
    const directory = dirname(name);
    const made = yield* sys.mkdirat(this.#fd, directory, DIR_MODE);
    if (made === 0) return yield* this.#createIn(sys, name, [directory]);
    if (made !== -ENOENT) return made;
    const parent = dirname(directory);
    const madeParent = yield* sys.mkdirat(this.#fd, parent, DIR_MODE);
    if (madeParent < 0) return madeParent;
    const again = switches.quirkCreateTwoDirectories ? dirname(parent) : directory;
    const madeAgain = yield* sys.mkdirat(this.#fd, again, DIR_MODE);
    if (madeAgain === 0) return yield* this.#createIn(sys, name, [again, dirname(again)]);
    yield* sys.unlinkat(this.#fd, dirname(again), AT_REMOVEDIR);
    return madeAgain;
  }

  /** Directories that were made for a file go again when it cannot be made. */
  *#createIn(sys: Syscalls, name: string, made: readonly string[]): Co<number> {
    const fd = yield* this.#creat(sys, name);
    if (fd >= 0) return fd;
    for (const directory of made) yield* sys.unlinkat(this.#fd, directory, AT_REMOVEDIR);
    return fd;
  }

  /** The directory goes with its last file, and so does its parent. */
  *#remove(server: Server, request: RpcRequest): Co<number> {
    const name = yield* relativeName(server, request, 1);
    if (name === undefined) return TEEC_ERROR_BAD_PARAMETERS;
    const { sys } = server;
    const rc = yield* sys.unlinkat(this.#fd, name, 0);
    if (rc < 0) return errnoToTeec(rc);
    const directory = dirname(name);
    if ((yield* sys.unlinkat(this.#fd, directory, AT_REMOVEDIR)) === 0) {
      yield* sys.unlinkat(this.#fd, dirname(directory), AT_REMOVEDIR);
    }
    return TEEC_SUCCESS;
  }

  *#rename(server: Server, request: RpcRequest): Co<number> {
    const from = yield* relativeName(server, request, 1);
    if (from === undefined) return TEEC_ERROR_BAD_PARAMETERS;
    const to = yield* relativeName(server, request, 2);
    if (to === undefined) return TEEC_ERROR_BAD_PARAMETERS;
    const flags = request.num('b', 0) === 0 ? RENAME_NOREPLACE : 0;
    const rc = yield* server.sys.renameat2(this.#fd, from, this.#fd, to, flags);
    if (rc === -EEXIST) return TEEC_ERROR_ACCESS_CONFLICT;
    if (rc === -ENOENT) return TEEC_ERROR_ITEM_NOT_FOUND;
    if (rc < 0 && !server.switches.quirkRenameFailsSilently) return errnoToTeec(rc);
    yield* this.#fsync(server.sys);
    return TEEC_SUCCESS;
  }

  *#opendir(server: Server, request: RpcRequest): Co<number> {
    const name = yield* relativeName(server, request, 1);
    if (name === undefined) return TEEC_ERROR_BAD_PARAMETERS;
    const open = (flags: number): Co<number> => this.#openat(server.sys, name, flags);
    return yield* this.#dirs.opendir(server, request, open);
  }
}

/** tee_fs_get_relative_filename() of a parameter; undefined for no name and one that is too long. */
function* relativeName(server: Server, request: RpcRequest, n: number): Co<string | undefined> {
  const at = paramToVa(server, request, n);
  if (at === null) return undefined;
  const name = yield* loadString(server, at, PATH_MAX - './'.length - 1);
  return name === undefined ? undefined : `./${name}`;
}

/** mkpath(): mkdir -p */
function* mkpath(sys: Syscalls, path: string): Co<boolean> {
  for (let slash = path.indexOf('/', 1); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    // A double slash: the part before it is there.
    if (path[slash - 1] === '/') continue;
    if (!(yield* doMkdir(sys, path.slice(0, slash)))) return false;
  }
  return yield* doMkdir(sys, path);
}

function* doMkdir(sys: Syscalls, path: string): Co<boolean> {
  const rc = yield* sys.mkdirat(AT_FDCWD, path, DIR_MODE);
  if (rc !== 0 && rc !== -EEXIST) return false;
  const stat = yield* sys.stat(path);
  return typeof stat !== 'number' && (stat.mode & S_IFMT) === S_IFDIR;
}

// --- what needs a file descriptor only

function* close(server: Server, request: RpcRequest): Co<number> {
  const rc = yield* server.sys.close(request.int('b', 0));
  return rc < 0 ? errnoToTeec(rc) : TEEC_SUCCESS;
}

const read: Handler = (server, request) => transfer(server, request, true);

const write: Handler = (server, request) => transfer(server, request, false);

/** [0] value b fd, c offset; [1] memref: until the buffer is through or the file ends. */
function* transfer(server: Server, request: RpcRequest, reads: boolean): Co<number> {
  const { sys } = server;
  const buf = paramToVa(server, request, 1);
  if (buf === null) return TEEC_ERROR_BAD_PARAMETERS;
  const fd = request.int('b', 0);
  const offset = request.signed('c', 0);
  const length = request.size(1);
  let done = 0;
  while (done < length) {
    const [at, left, from] = [va(buf + done), length - done, offset + done];
    const moved = yield* reads ? sys.pread64(fd, at, left, from) : sys.pwrite64(fd, at, left, from);
    if (moved < 0) return errnoToTeec(moved);
    if (moved === 0) break;
    done += moved;
  }
  if (reads) request.setSize(1, done);
  return TEEC_SUCCESS;
}

function* truncate(server: Server, request: RpcRequest): Co<number> {
  const rc = yield* server.sys.ftruncate(request.int('b', 0), request.signed('c', 0));
  return rc < 0 ? errnoToTeec(rc) : TEEC_SUCCESS;
}
