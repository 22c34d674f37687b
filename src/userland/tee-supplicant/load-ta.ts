/**
 * Loads TAs from files: `<directory>/<uuid>.ta`, or the old form of the name, which lacks the dash
 * before the node.
 *
 * Upstream counterpart: load_ta() of tee-supplicant/src/tee_supplicant.c and
 * tee-supplicant/src/teec_ta_load.c.
 */
import { O_RDONLY, SEEK_END, SEEK_SET } from '../../abi/fcntl.ts';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_SHORT_BUFFER,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import { formatUuid } from '../../abi/uuid.ts';
import { va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { Server } from './handlers.ts';
import type { RpcRequest } from './rpc-request.ts';
import { getParam } from './rpc-shm.ts';
import type { SuppBuffer } from './rpc-shm.ts';

/** Where the dash stands that the old form of the name lacks. */
const LAST_DASH = 23;

/** LOAD_TA: [0] value a,b UUID; [1] memref out: the file, or NULL to ask for its size. */
export function* loadTa(server: Server, request: RpcRequest): Co<number> {
  if (request.numParams !== 2 || !request.isValue(0)) return TEEC_ERROR_BAD_PARAMETERS;
  const buffer = getParam(server, request, 1);
  if (buffer === undefined) return TEEC_ERROR_BAD_PARAMETERS;
  const uuid = formatUuid(request.octets(0));
  const size = yield* loadSecureModule(server, uuid, buffer);
  if (size === undefined) return notFound(server, uuid);
  request.setSize(1, size);
  if (buffer.at !== null && size > buffer.size) return TEEC_ERROR_SHORT_BUFFER;
  return TEEC_SUCCESS;
}

/** The names under which a TA's file may be in a directory, in order. */
export function taFileNames(uuid: string): readonly string[] {
  return [`${uuid}.ta`, `${uuid.slice(0, LAST_DASH)}${uuid.slice(LAST_DASH + 1)}.ta`];
}

/** TEECI_LoadSecureModule(): the size of the first file found, which is read if it fits. */
function* loadSecureModule(
  server: Server,
  uuid: string,
  buffer: SuppBuffer,
): Co<number | undefined> {
  for (const directory of server.taPath) {
    const fd = yield* openFirst(server, directory, taFileNames(uuid));
    if (fd < 0) continue;
    const size = yield* readFile(server, fd, buffer);
    yield* server.sys.close(fd);
    if (size >= 0) return size;
  }
  return undefined;
}

function* openFirst(server: Server, directory: string, names: readonly string[]): Co<number> {
  let fd = -1;
  for (const name of names) {
    fd = yield* server.sys.open(`${directory}/${name}`, O_RDONLY);
    if (fd >= 0) return fd;
  }
  return fd;
}

/** @returns the file's size, or a negative number when it cannot be read. */
function* readFile(server: Server, fd: number, buffer: SuppBuffer): Co<number> {
  const size = yield* server.sys.lseek(fd, 0, SEEK_END);
  if (size < 0 || buffer.at === null || size > buffer.size) return size;
  const rewound = yield* server.sys.lseek(fd, 0, SEEK_SET);
  if (rewound < 0) return rewound;
  return (yield* readFully(server, fd, buffer.at, size)) ? size : -1;
}

/** fread(): false when the file ends, or cannot be read, before `size` bytes. */
function* readFully(server: Server, fd: number, at: Va, size: number): Co<boolean> {
  for (let done = 0; done < size;) {
    const n = yield* server.sys.read(fd, va(at + done), size - done);
    if (n <= 0) return false;
    done += n;
  }
  return true;
}

function notFound(server: Server, uuid: string): number {
  server.emsg('  TA not found');
  server.trace.cause('client', {
    layer: 'tee-supplicant',
    code: 'TEEC_ERROR_ITEM_NOT_FOUND',
    text: `no readable file of this TA in ${server.taPath.join(':')}`,
    object: taFileNames(uuid)[0]!,
    hint: 'put the TA there, or name its directory with --ta-path',
  });
  return TEEC_ERROR_ITEM_NOT_FOUND;
}
