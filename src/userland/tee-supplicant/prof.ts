/**
 * Profiles that the secure world dumps: `/tmp/gmon-UUID.out` and `/tmp/ftrace-UUID.out`, in pieces
 * that are appended; further runs get `.1`, `.2` and so on before the `.out`.
 *
 * Upstream counterpart: tee-supplicant/src/prof.c.
 */
import { EEXIST } from '../../abi/errno.ts';
import { O_APPEND, O_CREAT, O_EXCL, O_WRONLY } from '../../abi/fcntl.ts';
import { TEEC_ERROR_BAD_PARAMETERS, TEEC_ERROR_GENERIC, TEEC_SUCCESS } from '../../abi/gp.ts';
import {
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
} from '../../abi/tee.ts';
import { UUID_LEN, formatUuid, swapUuid } from '../../abi/uuid.ts';
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { Handler, Server } from './handlers.ts';
import { paramToVa } from './rpc-shm.ts';

const TYPES = [
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
];
/** Ids are 1 (no suffix) to 100; 0 asks for a new file. */
const MOST_FILES = 100;
const MODE = 0o644;

/**
 * prof_process(): [0] value a id, 0 for a new file whose id is returned; [1] memref TEEC_UUID;
 * [2] memref data.
 */
export const profProcess = (prefix: 'gmon-' | 'ftrace-'): Handler =>
  function* (server, request) {
    if (!request.is(TYPES)) return TEEC_ERROR_BAD_PARAMETERS;
    const id = request.int('a', 0);
    if (request.size(1) !== UUID_LEN) return TEEC_ERROR_BAD_PARAMETERS;
    const uuidAt = paramToVa(server, request, 1);
    const data = paramToVa(server, request, 2);
    if (uuidAt === null || data === null) return TEEC_ERROR_BAD_PARAMETERS;
    if (id < 0 || id > MOST_FILES) return TEEC_ERROR_BAD_PARAMETERS;
    const uuid = formatUuid(swapUuid(server.memory.read(uuidAt, UUID_LEN)));
    const opened = yield* openFile(server, `/tmp/${prefix}${uuid}`, id);
    if (opened === undefined) return TEEC_ERROR_GENERIC;
    if (!(yield* append(server, opened.fd, data, request.size(2)))) return TEEC_ERROR_GENERIC;
    request.set('a', 0, opened.id);
    return TEEC_SUCCESS;
  };

interface Opened {
  readonly fd: number;
  readonly id: number;
}

function* openFile({ sys }: Server, path: string, wanted: number): Co<Opened | undefined> {
  const creates = wanted === 0 ? O_CREAT | O_EXCL : 0;
  for (let id = Math.max(wanted, 1); id <= MOST_FILES; id++) {
    const suffix = id > 1 ? `.${id - 1}` : '';
    const fd = yield* sys.open(`${path}${suffix}.out`, O_APPEND | O_WRONLY | creates, MODE);
    if (fd >= 0) return { fd, id };
    if (fd !== -EEXIST) return undefined;
  }
  return undefined;
}

function* append({ sys }: Server, fd: number, data: Va, size: number): Co<boolean> {
  const written = yield* sys.write(fd, data, size);
  yield* sys.close(fd);
  return written === size;
}
