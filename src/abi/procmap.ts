/**
 * PROCMAP_QUERY: one VMA of a process by an ioctl on /proc/PID/maps.
 * Source: include/uapi/linux/fs.h (Linux 6.11).
 */
import { struct, u32, u64 } from './layout.ts';

export const PROCMAP_QUERY = 0xc0686611;

export const PROCMAP_QUERY_VMA_READABLE = 0x01;
export const PROCMAP_QUERY_VMA_WRITABLE = 0x02;
export const PROCMAP_QUERY_VMA_EXECUTABLE = 0x04;
export const PROCMAP_QUERY_VMA_SHARED = 0x08;
export const PROCMAP_QUERY_COVERING_OR_NEXT_VMA = 0x10;

/** struct procmap_query */
export const ProcmapQuery = struct('procmap_query', 104, {
  querySize: u64(0),
  queryFlags: u64(8),
  queryAddr: u64(16),
  vmaStart: u64(24),
  vmaEnd: u64(32),
  vmaFlags: u64(40),
  vmaPageSize: u64(48),
  vmaOffset: u64(56),
  inode: u64(64),
  devMajor: u32(72),
  devMinor: u32(76),
  vmaNameSize: u32(80),
  buildIdSize: u32(84),
  vmaNameAddr: u64(88),
  buildIdAddr: u64(96),
});
