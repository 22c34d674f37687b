/**
 * The ioctl of `/dev/dma_heap/*`.
 *
 * Upstream counterpart: include/uapi/linux/dma-heap.h; the TEE heaps' names come from
 * drivers/tee/tee_heap.c. Left out: nothing.
 */
import { O_ACCMODE, O_CLOEXEC } from './fcntl.ts';
import { _IOWR } from './ioctl.ts';
import { struct, u32, u64 } from './layout.ts';

/* Source: include/uapi/linux/dma-heap.h, Linux 6.1. */
export const DMA_HEAP_VALID_FD_FLAGS = O_CLOEXEC | O_ACCMODE;
export const DMA_HEAP_VALID_HEAP_FLAGS = 0;

/** `fd` must be 0 on input and is the dma-buf on output. */
export const DmaHeapAllocationData = struct('dma_heap_allocation_data', 24, {
  len: u64(0),
  fd: u32(8),
  fdFlags: u32(12),
  heapFlags: u64(16),
});

/** `'H'`. */
export const DMA_HEAP_IOC_MAGIC = 0x48;
export const DMA_HEAP_IOCTL_ALLOC = _IOWR(DMA_HEAP_IOC_MAGIC, 0x0, DmaHeapAllocationData);

/** ioctl commands by name. */
export const DMA_HEAP_IOCTLS = { DMA_HEAP_IOCTL_ALLOC } as const;

/* Protected heaps. Source: include/linux/tee_core.h, Linux 6.18. */
export const TEE_DMA_HEAP_SECURE_VIDEO_PLAY = 1;
export const TEE_DMA_HEAP_TRUSTED_UI = 2;
export const TEE_DMA_HEAP_SECURE_VIDEO_RECORD = 3;

/** Ids of protected heaps: the numbers of OPTEE_MSG_PROTMEM. */
export const TEE_DMA_HEAP_ID = {
  TEE_DMA_HEAP_SECURE_VIDEO_PLAY,
  TEE_DMA_HEAP_TRUSTED_UI,
  TEE_DMA_HEAP_SECURE_VIDEO_RECORD,
} as const;

/** Name under /dev/dma_heap by id. Source: drivers/tee/tee_heap.c, Linux 6.18. */
export const TEE_DMA_HEAP_NAME: Readonly<Record<1 | 2 | 3, string>> = {
  [TEE_DMA_HEAP_SECURE_VIDEO_PLAY]: 'protected,secure-video',
  [TEE_DMA_HEAP_TRUSTED_UI]: 'protected,trusted-ui',
  [TEE_DMA_HEAP_SECURE_VIDEO_RECORD]: 'protected,secure-video-record',
};
