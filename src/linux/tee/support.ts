/** What the TEE core supports, for the support page. */
import type { SupportRow } from '../../abi/support.ts';

const ioctl = (name: string, status: SupportRow['status'], note?: string): SupportRow => ({
  area: 'ioctl',
  name,
  status,
  ...(note !== undefined && { note }),
});

const core = (name: string, status: SupportRow['status'], note?: string): SupportRow => ({
  area: 'TEE core',
  name,
  status,
  ...(note !== undefined && { note }),
});

export const TEE_SUPPORT: readonly SupportRow[] = [
  ioctl('TEE_IOC_VERSION', 'supported'),
  ioctl('TEE_IOC_SHM_ALLOC', 'supported'),
  ioctl('TEE_IOC_SHM_REGISTER', 'supported'),
  ioctl('TEE_IOC_SHM_REGISTER_FD', 'absent', 'no protected heaps: -EINVAL for every fd'),
  ioctl('TEE_IOC_OPEN_SESSION', 'supported'),
  ioctl('TEE_IOC_INVOKE', 'supported'),
  ioctl('TEE_IOC_CANCEL', 'supported'),
  ioctl('TEE_IOC_CLOSE_SESSION', 'supported'),
  ioctl('TEE_IOC_SUPPL_RECV', 'supported'),
  ioctl('TEE_IOC_SUPPL_SEND', 'supported'),
  ioctl('TEE_IOC_OBJECT_INVOKE', 'absent', 'no driver has objects: -EINVAL'),
  core('shared-memory files', 'supported'),
  core('kernel client API', 'supported'),
  core('tee_shm_register_kernel_buf', 'supported'),
  core('tee_shm_register_kernel_pages', 'supported'),
  core('shared-memory pools', 'supported'),
  core('tagged user pointers', 'partial', 'of memory; a tagged buf_ptr is -EFAULT'),
  core('TEE bus', 'partial', 'no deferred probing'),
  core('client UUIDs', 'partial', 'group ids are of the initial user namespace'),
  core('protected DMA-buf heaps', 'absent', 'nothing below /dev/dma_heap'),
];
