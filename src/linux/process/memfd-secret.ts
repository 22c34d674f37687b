/**
 * memfd_secret(): an fd for memory that only those who map it can see.
 *
 * Upstream counterpart: mm/secretmem.c, the system call and its file. It is mapped shared or not at
 * all, has a size once and for all, and can be neither read nor written. Its pages count as locked
 * memory of the user who made it, root's too; the limit is that of the process that made it, where
 * upstream asks the one that touches a page first. Left out: the refusal when the machine cannot unmap
 * single pages from the linear map.
 */
import { EINVAL, ENOSYS } from '../../abi/errno.ts';
import { O_CLOEXEC, O_RDWR } from '../../abi/fcntl.ts';
import type { PinCharge } from '../mm/account.ts';
import { SecretMem } from '../mm/secretmem.ts';
import type { SecretAccount } from '../mm/secretmem.ts';
import { File } from './file.ts';
import type { FileOperations } from './file.ts';
import { Dentry } from './inode.ts';
import { KernInode } from './kern-mount.ts';
import type { Thread } from './thread.ts';
import type { Process } from './user-process.ts';

class SecretInode extends KernInode {
  readonly owner = { uid: 0, gid: 0, mode: 0o600 };
  readonly memory: SecretMem;

  constructor(process: Process) {
    const { kernel } = process;
    super(kernel.secretmemMnt);
    this.memory = new SecretMem(kernel.pages, accountOf(process));
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

/** secretmem_account_folio(): CAP_IPC_LOCK makes no difference. */
function accountOf({ kernel, cred, rlimits }: Process): SecretAccount {
  const charges: PinCharge[] = [];
  const user = { cred, rlimits, mm: {} };
  return {
    charge() {
      const charge = kernel.accounts.charge(user, 1, true);
      if (charge !== undefined) charges.push(charge);
      return charge !== undefined;
    },
    unchargeAll() {
      for (const charge of charges.splice(0)) kernel.accounts.uncharge(charge);
    },
  };
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
  const inode = new SecretInode(thread.process);
  const path = '/secretmem (deleted)';
  const file = new File(SECRETMEM_OPS, path, O_RDWR, inode, new Dentry(inode, undefined, path));
  const fd = files.install(file, (flags & O_CLOEXEC) !== 0);
  if (fd < 0) kernel.fput.put(file);
  return fd;
}
