/**
 * memfd_create() and seals: shared memory with an fd, whose users can rule out that others change it.
 *
 * Upstream counterpart: mm/memfd.c, shmem_file_operations in mm/shmem.c. Left out: huge pages, seals
 * on execution, waiting up to 150 ms for pins to go before F_SEAL_WRITE is refused.
 */
import { EBUSY, EINVAL, ENOSYS, EPERM } from '../../abi/errno.ts';
import {
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_HUGETLB,
  O_LARGEFILE,
  O_RDWR,
} from '../../abi/fcntl.ts';
import { Shmem } from '../mm/shmem.ts';
import { VM_MAYWRITE } from '../mm/vma.ts';
import type { Ownership } from './cred.ts';
import { File } from './file.ts';
import type { FileOperations } from './file.ts';
import { Dentry } from './inode.ts';
import { KernInode } from './kern-mount.ts';
import type { Kernel } from './kernel.ts';
import type { Thread } from './thread.ts';

/** MFD_NAME_MAX_LEN: NAME_MAX without the prefix. */
const MFD_NAME_MAX_LEN = 249;
const ALL_SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
const WRITE_SEALS = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;

export class MemfdInode extends KernInode {
  readonly owner: Ownership;
  readonly memory: Shmem;
  /** F_SEAL_* */
  seals: number;
  /** A shared mapping to read is allowed under F_SEAL_WRITE. */
  readonly mapsReadOnly: boolean;

  constructor(kernel: Kernel, name: string, owner: Ownership) {
    super(kernel.shmMnt);
    this.owner = owner;
    this.seals = F_SEAL_SEAL;
    this.mapsReadOnly = kernel.switches.sealedMapsReadOnly;
    this.memory = new Shmem(kernel.pages, { name, bytes: 0 });
    this.memory.open();
  }

  get size(): number {
    return this.memory.bytes;
  }

  sealed(seals: number): boolean {
    return (this.seals & seals) !== 0;
  }

  /** mapping_deny_writable(): somebody may write through a mapping, now or after mprotect(). */
  get mappedForWriting(): boolean {
    return [...this.memory.vmas].some((vma) => vma.shared && (vma.flags & VM_MAYWRITE) !== 0);
  }

  /** shmem_setattr() */
  override truncate(length: number): number {
    if (length < this.size && this.sealed(F_SEAL_SHRINK)) return -EPERM;
    if (length > this.size && this.sealed(F_SEAL_GROW)) return -EPERM;
    this.memory.truncate(length);
    return 0;
  }

  /** shmem_write_begin() */
  write(data: Uint8Array, position: number): number {
    if (this.sealed(WRITE_SEALS)) return -EPERM;
    if (this.sealed(F_SEAL_GROW) && position + data.length > this.size) return -EPERM;
    return this.memory.write(data, position);
  }
}

const inodeOf = (file: File): MemfdInode => file.data as MemfdInode;

const MEMFD_OPS: FileOperations = {
  *read(file, _current, out, position) {
    return inodeOf(file).memory.read(out, position);
  },
  *write(file, _current, data, position) {
    return inodeOf(file).write(data, position);
  },
  size: (file) => inodeOf(file).size,
  truncate: (file, length) => inodeOf(file).truncate(length),
  fsync: () => 0,
  /** shmem_mmap(), memfd_check_seals_mmap() */
  mmap(file, _current, request) {
    const inode = inodeOf(file);
    request.cache = inode.memory;
    if (!request.shared || !inode.sealed(WRITE_SEALS)) return 0;
    if (request.writable) return -EPERM;
    if (inode.sealed(F_SEAL_WRITE) && file.writable && !inode.mapsReadOnly) return -EPERM;
    request.mayWrite = false;
    return 0;
  },
  *release(file) {
    inodeOf(file).memory.close();
  },
};

/** @returns an fd, -EINVAL, -EMFILE; -ENOSYS for huge pages, as without hugetlbfs. */
export function memfdCreate(thread: Thread, name: string, flags: number): number {
  if ((flags & MFD_HUGETLB) !== 0) return -ENOSYS;
  if ((flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING)) !== 0) return -EINVAL;
  if (name.length > MFD_NAME_MAX_LEN) return -EINVAL;
  const { kernel, cred, files } = thread.process;
  const owner = { uid: cred.euid, gid: cred.egid, mode: 0o777 };
  const inode = new MemfdInode(kernel, `memfd:${name}`, owner);
  if ((flags & MFD_ALLOW_SEALING) !== 0) inode.seals = 0;
  const path = `/memfd:${name} (deleted)`;
  const dentry = new Dentry(inode, undefined, path);
  const file = new File(MEMFD_OPS, path, O_RDWR | O_LARGEFILE, inode, dentry);
  const fd = files.install(file, (flags & MFD_CLOEXEC) !== 0);
  if (fd < 0) kernel.fput.put(file);
  return fd;
}

/**
 * memfd_add_seals(). A page that is pinned, by a registration with a TEE for instance, can still be
 * written by its holder: F_SEAL_WRITE is -EBUSY then.
 */
export function addSeals(file: File, seals: number): number {
  if (!file.writable) return -EPERM;
  if ((seals & ~ALL_SEALS) !== 0) return -EINVAL;
  const inode: unknown = file.data;
  if (!(inode instanceof MemfdInode)) return -EINVAL;
  if (inode.sealed(F_SEAL_SEAL)) return -EPERM;
  if ((seals & ~inode.seals & F_SEAL_WRITE) !== 0) {
    if (inode.mappedForWriting || inode.memory.pinned) return -EBUSY;
  }
  inode.seals |= seals;
  return 0;
}

/** memfd_get_seals() */
export function getSeals(file: File): number {
  const inode: unknown = file.data;
  return inode instanceof MemfdInode ? inode.seals : -EINVAL;
}
