/**
 * The ioctls of a dma-buf descriptor.
 *
 * Upstream counterpart: include/uapi/linux/dma-buf.h. Left out: the pointer-sized DMA_BUF_SET_NAME,
 * which is DMA_BUF_SET_NAME_A or _B.
 */
import { _IOW, _IOWR } from './ioctl.ts';
import { s32, struct, u32, u64 } from './layout.ts';

/* Source: include/uapi/linux/dma-buf.h, Linux 6.1. */
export const DmaBufSync = struct('dma_buf_sync', 8, { flags: u64(0) });

export const DMA_BUF_SYNC_READ = 1 << 0;
export const DMA_BUF_SYNC_WRITE = 2 << 0;
export const DMA_BUF_SYNC_RW = DMA_BUF_SYNC_READ | DMA_BUF_SYNC_WRITE;
export const DMA_BUF_SYNC_START = 0 << 2;
export const DMA_BUF_SYNC_END = 1 << 2;
export const DMA_BUF_SYNC_VALID_FLAGS_MASK = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END;

/** Flags of DMA_BUF_IOCTL_SYNC. START is the absence of END. */
export const DMA_BUF_SYNC = {
  DMA_BUF_SYNC_START,
  DMA_BUF_SYNC_READ,
  DMA_BUF_SYNC_WRITE,
  DMA_BUF_SYNC_END,
} as const;

/** Longest name, with its NUL. */
export const DMA_BUF_NAME_LEN = 32;

export const DmaBufExportSyncFile = struct('dma_buf_export_sync_file', 8, {
  flags: u32(0),
  fd: s32(4),
});
export const DmaBufImportSyncFile = struct('dma_buf_import_sync_file', 8, {
  flags: u32(0),
  fd: s32(4),
});

/** `'b'`. */
export const DMA_BUF_BASE = 0x62;
export const DMA_BUF_IOCTL_SYNC = _IOW(DMA_BUF_BASE, 0, DmaBufSync);
/** Takes a string's address; the encoded size is that of a 32-bit pointer, or of a 64-bit one. */
export const DMA_BUF_SET_NAME_A = _IOW(DMA_BUF_BASE, 1, 4);
export const DMA_BUF_SET_NAME_B = _IOW(DMA_BUF_BASE, 1, 8);
export const DMA_BUF_IOCTL_EXPORT_SYNC_FILE = _IOWR(DMA_BUF_BASE, 2, DmaBufExportSyncFile);
export const DMA_BUF_IOCTL_IMPORT_SYNC_FILE = _IOW(DMA_BUF_BASE, 3, DmaBufImportSyncFile);

/** ioctl commands by name. */
export const DMA_BUF_IOCTLS = {
  DMA_BUF_IOCTL_SYNC,
  DMA_BUF_SET_NAME_A,
  DMA_BUF_SET_NAME_B,
  DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
  DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
} as const;
