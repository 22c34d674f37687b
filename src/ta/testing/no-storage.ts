/** For tests: what a core without trusted storage answers: no storage of any id is there. */
import { TEE_ERROR_ITEM_NOT_FOUND } from '../../abi/gp.ts';
import type { Co } from '../../sched/task.ts';
import type { TaStorageSyscalls } from '../runtime.ts';

// eslint-disable-next-line require-yield -- the calls of a core with storage leave the secure world
function* notFound(): Co<number> {
  return TEE_ERROR_ITEM_NOT_FOUND;
}
const absent = (): number => TEE_ERROR_ITEM_NOT_FOUND;

export class NoStorage implements TaStorageSyscalls {
  readonly objOpen = notFound;
  readonly objCreate = notFound;
  readonly objDelete = notFound;
  readonly objRename = notFound;
  readonly enumAlloc = absent;
  readonly enumFree = absent;
  readonly enumReset = absent;
  readonly enumStart = notFound;
  readonly enumNext = notFound;
  readonly objRead = notFound;
  readonly objWrite = notFound;
  readonly objTruncate = notFound;
  readonly objSeek = absent;
}
