/**
 * Shared memory as a file: what TEE_IOC_SHM_ALLOC and SHM_REGISTER return. The file holds one
 * reference, its mappings hold the file.
 * Upstream counterpart: drivers/tee/tee_shm.c, tee_shm_get_fd() and tee_shm_fops.
 */
import { EINVAL } from '../../abi/errno.ts';
import { O_RDWR } from '../../abi/fcntl.ts';
import { PAGE_SIZE, pa } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { File } from '../process/file.ts';
import type { FileOperations } from '../process/file.ts';
import type { MmapRequest } from '../process/mmap.ts';
import type { TaskStruct } from '../process/process.ts';
import { refuse } from './refuse.ts';
import { TEE_SHM_USER_MAPPED, TeeShm } from './tee-shm.ts';

/** The shared memory behind a file, if it is of that kind. */
function shmOfFile(file: File): TeeShm | undefined {
  return file.data instanceof TeeShm ? file.data : undefined;
}

const TEE_SHM_FOPS: FileOperations = {
  *release(file) {
    yield* shmOfFile(file)!.put();
  },
  mmap: (file, _current, request) => teeShmMmap(shmOfFile(file)!, request),
};

/** tee_shm_fop_mmap() */
function teeShmMmap(shm: TeeShm, request: MmapRequest): number {
  const { trace, teedev } = shm.ctx;
  if ((shm.flags & TEE_SHM_USER_MAPPED) !== 0) {
    return refuse(trace, EINVAL, 'memory that a process registered is mapped there already');
  }
  const pages = Math.ceil(request.length / PAGE_SIZE);
  const available = Math.floor(shm.size / PAGE_SIZE);
  if (request.offset / PAGE_SIZE + pages > available) {
    return refuse(trace, EINVAL, 'the mapping would end outside the buffer', {
      requested: request.offset + pages * PAGE_SIZE,
      available: available * PAGE_SIZE,
    });
  }
  const offset = teedev.tee.switches.quirkMmapOffsetIgnored ? 0 : request.offset;
  request.pfnMap = { start: pa(shm.paddr + offset), memoryType: 'normal' };
  return 0;
}

/** tee_shm_get_fd(): a new fd with a reference of its own; not closed on exec. */
export function* teeShmGetFd(shm: TeeShm, current: TaskStruct): Co<number> {
  if (shm.id < 0) return -EINVAL;
  const file = new File(TEE_SHM_FOPS, 'anon_inode:tee_shm', O_RDWR, shm.get());
  const fd = current.process.files.install(file);
  if (fd < 0) yield* file.put();
  return fd;
}
