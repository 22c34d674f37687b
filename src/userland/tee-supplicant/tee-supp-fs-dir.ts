/**
 * Directories that the secure world lists, by handles of their own. Names that begin with a dot are
 * hidden, and a directory that holds no others is not found.
 *
 * Upstream counterpart: ree_fs_new_opendir(), ree_fs_new_closedir() and ree_fs_new_readdir() of
 * tee-supplicant/src/tee_supp_fs.c.
 */
import { O_DIRECTORY, SEEK_SET } from '../../abi/fcntl.ts';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_SHORT_BUFFER,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import type { Syscalls } from '../../linux/process/syscalls.ts';
import type { Co } from '../../sched/task.ts';
import { HandleDb } from './handle.ts';
import type { Server } from './handlers.ts';
import type { RpcRequest } from './rpc-request.ts';
import { paramToVa } from './rpc-shm.ts';

/** DIR */
interface Dir {
  readonly fd: number;
  /** Names that were read and not given out yet; undefined before the first readdir(). */
  names: string[] | undefined;
}

export class SuppDirs {
  readonly #handles = new HandleDb<Dir>();

  /** [2] value a handle. @param open the directory, with flags. */
  *opendir({ sys }: Server, request: RpcRequest, open: (flags: number) => Co<number>): Co<number> {
    const fd = yield* open(O_DIRECTORY);
    if (fd < 0) return TEEC_ERROR_ITEM_NOT_FOUND;
    if ((yield* visibleNames(sys, fd)).length === 0) {
      yield* sys.close(fd);
      return TEEC_ERROR_ITEM_NOT_FOUND;
    }
    yield* sys.lseek(fd, 0, SEEK_SET);
    request.set('a', 2, this.#handles.get({ fd, names: undefined }));
    return TEEC_SUCCESS;
  }

  /** [0] value b handle. */
  *closedir({ sys }: Server, request: RpcRequest): Co<number> {
    const dir = this.#handles.put(request.int('b', 0));
    if (dir === undefined) return TEEC_ERROR_BAD_PARAMETERS;
    yield* sys.close(dir.fd);
    return TEEC_SUCCESS;
  }

  /** [0] value b handle; [1] memref name. A name that does not fit is passed over. */
  *readdir(server: Server, request: RpcRequest): Co<number> {
    const buf = paramToVa(server, request, 1);
    if (buf === null) return TEEC_ERROR_BAD_PARAMETERS;
    const room = request.size(1);
    const dir = this.#handles.lookup(request.int('b', 0));
    if (dir === undefined) return TEEC_ERROR_BAD_PARAMETERS;
    dir.names ??= yield* visibleNames(server.sys, dir.fd);
    const name = dir.names.shift();
    if (name === undefined) return TEEC_ERROR_ITEM_NOT_FOUND;
    const bytes = new TextEncoder().encode(`${name}\0`);
    request.setSize(1, bytes.length);
    if (bytes.length > room) return TEEC_ERROR_SHORT_BUFFER;
    server.memory.write(buf, bytes);
    return TEEC_SUCCESS;
  }
}

function* visibleNames(sys: Syscalls, fd: number): Co<string[]> {
  const entries = yield* sys.getdents64(fd);
  if (typeof entries === 'number') return [];
  return entries.map(({ name }) => name).filter((name) => !name.startsWith('.'));
}
