/** struct stat and struct statx as native programs expect them, written from the box's `Stat`. */
import { STATX_BASIC_STATS } from '../abi/fcntl.ts';
import type { HostArch } from './arch.ts';
import type { Stat } from '../linux/process/inode.ts';

/** Offsets of struct stat's fields (asm/stat.h); x86-64 has nlink as 64 bits before the mode. */
const OFFSETS = {
  'x86-64': {
    size: 144,
    nlink: 16,
    mode: 24,
    uid: 28,
    rdev: 40,
    length: 48,
    blksize: 56,
    blocks: 64,
    times: [72, 88, 104],
  },
  generic: {
    size: 128,
    nlink: 20,
    mode: 16,
    uid: 24,
    rdev: 32,
    length: 48,
    blksize: 56,
    blocks: 64,
    times: [72, 88, 104],
  },
} as const;

/** struct stat of the host's architecture. */
export function encodeStat(arch: HostArch, stat: Stat): Uint8Array {
  const at = OFFSETS[arch.statLayout];
  const bytes = new Uint8Array(at.size);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(stat.dev), true);
  view.setBigUint64(8, BigInt(stat.ino), true);
  view.setUint32(at.nlink, stat.nlink, true);
  view.setUint32(at.mode, stat.mode, true);
  view.setUint32(at.uid, stat.uid, true);
  view.setUint32(at.uid + 4, stat.gid, true);
  view.setBigUint64(at.rdev, BigInt(stat.rdev), true);
  view.setBigUint64(at.length, BigInt(stat.size), true);
  view.setUint32(at.blksize, stat.blksize, true);
  view.setBigUint64(at.blocks, BigInt(stat.blocks), true);
  for (const time of at.times) {
    view.setBigInt64(time, seconds(stat), true);
    view.setBigInt64(time + 8, BigInt(nanoseconds(stat)), true);
  }
  return bytes;
}

const STATX_SIZE = 256;
/** stx_atime, stx_ctime, stx_mtime */
const STATX_TIMES = [64, 96, 112] as const;

/** struct statx (include/uapi/linux/stat.h): the basic fields. */
export function encodeStatx(stat: Stat): Uint8Array {
  const bytes = new Uint8Array(STATX_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, STATX_BASIC_STATS, true);
  view.setUint32(4, stat.blksize, true);
  view.setUint32(16, stat.nlink, true);
  view.setUint32(20, stat.uid, true);
  view.setUint32(24, stat.gid, true);
  view.setUint16(28, stat.mode, true);
  view.setBigUint64(32, BigInt(stat.ino), true);
  view.setBigUint64(40, BigInt(stat.size), true);
  view.setBigUint64(48, BigInt(stat.blocks), true);
  for (const time of STATX_TIMES) {
    view.setBigInt64(time, seconds(stat), true);
    view.setUint32(time + 8, nanoseconds(stat), true);
  }
  view.setUint32(128, major(stat.rdev), true);
  view.setUint32(132, minor(stat.rdev), true);
  view.setUint32(136, major(stat.dev), true);
  view.setUint32(140, minor(stat.dev), true);
  return bytes;
}

/** The box's files have one time for all three: access, modification, change. */
const seconds = (stat: Stat): bigint => BigInt(Math.floor(stat.mtimeMs / 1000));
const nanoseconds = (stat: Stat): number => Math.floor((stat.mtimeMs % 1000) * 1e6);

/** new_decode_dev() of include/linux/kdev_t.h */
const major = (dev: number): number => (dev >> 8) & 0xfff;
const minor = (dev: number): number => (dev & 0xff) | ((dev >> 12) & ~0xff);
