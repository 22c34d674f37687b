/**
 * What openat2(2) takes: its struct, and where a path may lead.
 * Source: include/uapi/linux/openat2.h and include/linux/fcntl.h (OPEN_HOW_SIZE_VER0), Linux 6.1.
 */
import { struct, u64 } from './layout.ts';

/** `flags` are O_*, `mode` that of a file that is made. */
export const OpenHow = struct('open_how', 24, { flags: u64(0), mode: u64(8), resolve: u64(16) });

/** Bytes of the first published struct. */
export const OPEN_HOW_SIZE_VER0 = 24;

export const RESOLVE_NO_XDEV = 0x01;
export const RESOLVE_NO_MAGICLINKS = 0x02;
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;
export const RESOLVE_IN_ROOT = 0x10;
export const RESOLVE_CACHED = 0x20;

/** Where a path may lead. */
export const RESOLVE = {
  RESOLVE_NO_XDEV,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_CACHED,
} as const;
