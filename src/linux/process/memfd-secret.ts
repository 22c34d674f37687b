/**
 * memfd_secret(): an fd for memory that only those who map it can see.
 *
 * Upstream counterpart: mm/secretmem.c, the system call and its file. It is mapped shared or not at
 * all, has a size once and for all, and can be neither read nor written. Left out: the refusal when
 * the machine cannot unmap single pages from the linear map, RLIMIT_MEMLOCK.
 */
import { EINVAL, ENOSYS } from '../../abi/errno.ts';
import { O_CLOEXEC, O_RDWR } from '../../abi/fcntl.ts';
import { SecretMem } from '../mm/secretmem.ts';
import type { PageAllocator } from '../mm/page-allocator.ts';
import { File } from './file.ts';
import type { FileOperations } from './file.ts';
import { Dentry } from './inode.ts';
import { KernInode } from './kern-mount.ts';
import type { KernMount } from './kern-mount.ts';
import type { Thread } from './thread.ts';

class SecretInode extends KernInode {
  readonly owner = { uid: 0, gid: 0, mode: 0o600 };
  readonly memory: SecretMem;

  constructor(mount: KernMount, pages: PageAllocator) {
    super(mount);
    this.memory = new SecretMem(pages);
  }

  get size(): number {
    return this.memory.bytes;
  }

  /** secretmem_setattr() */
  override truncate(length: number): number {
    if (this.size !== 0) return -EINVAL;
    this.memory.bytes = length;
    return 0;
  }
}

const inodeOf = (file: File): SecretInode => file.data as SecretInode;

const SECRETMEM_OPS: FileOperations = {
  truncate: (file, length) => inodeOf(file).truncate(length),
  mmap(file, _current, request) {
    if (!request.shared) return -EINVAL;
    request.cache = inodeOf(file).memory;
    return 0;
  },
  *release(file) {
    inodeOf(file).memory.close();
  },
};

/** @returns an fd, -ENOSYS, -EINVAL or -EMFILE. */
export function memfdSecret(thread: Thread, flags: number): number {
  const { kernel, files } = thread.process;
  if (!kernel.switches.memfdSecret) return -ENOSYS;
  if ((flags & ~O_CLOEXEC) !== 0) return -EINVAL;
  const inode = new SecretInode(kernel.secretmemMnt, kernel.pages);
  const path = '/secretmem (deleted)';
  const file = new File(SECRETMEM_OPS, path, O_RDWR, inode, new Dentry(inode, undefined, path));
  const fd = files.install(file, (flags & O_CLOEXEC) !== 0);
  if (fd < 0) kernel.fput.put(file);
  return fd;
}
