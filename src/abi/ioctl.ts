/**
 * How Linux packs direction, size, type and number into an ioctl command.
 *
 * Upstream counterpart: include/uapi/asm-generic/ioctl.h (x86-64 and arm64 use it unchanged).
 * Left out: the layouts of mips, powerpc, sparc and alpha.
 */
import type { StructInfo } from './layout.ts';

/* Source: include/uapi/asm-generic/ioctl.h, Linux 6.1. */
export const _IOC_NRBITS = 8;
export const _IOC_TYPEBITS = 8;
export const _IOC_SIZEBITS = 14;
export const _IOC_DIRBITS = 2;
export const _IOC_NRSHIFT = 0;
export const _IOC_TYPESHIFT = 8;
export const _IOC_SIZESHIFT = 16;
export const _IOC_DIRSHIFT = 30;
export const _IOC_NONE = 0;
export const _IOC_WRITE = 1;
export const _IOC_READ = 2;

/** Directions as seen from user space: READ means that the kernel writes. */
export const IOC_DIRECTIONS = { _IOC_NONE, _IOC_WRITE, _IOC_READ } as const;

function ioc(dir: number, type: number, nr: number, size: number): number {
  return (
    ((dir << _IOC_DIRSHIFT) |
      (size << _IOC_SIZESHIFT) |
      (type << _IOC_TYPESHIFT) |
      (nr << _IOC_NRSHIFT)) >>>
    0
  );
}

const sizeOf = (arg: StructInfo | number): number =>
  typeof arg === 'number' ? arg : arg.byteLength;

/** No argument. */
export const _IO = (type: number, nr: number): number => ioc(_IOC_NONE, type, nr, 0);
/** The kernel writes the argument. `arg` is its layout or its size. */
export const _IOR = (type: number, nr: number, arg: StructInfo | number): number =>
  ioc(_IOC_READ, type, nr, sizeOf(arg));
/** The kernel reads the argument. */
export const _IOW = (type: number, nr: number, arg: StructInfo | number): number =>
  ioc(_IOC_WRITE, type, nr, sizeOf(arg));
/** Both. */
export const _IOWR = (type: number, nr: number, arg: StructInfo | number): number =>
  ioc(_IOC_READ | _IOC_WRITE, type, nr, sizeOf(arg));

/** Argument size in bytes that a command carries. */
export const _IOC_SIZE = (cmd: number): number => (cmd >>> _IOC_SIZESHIFT) & 0x3fff;
/** Number within the magic. */
export const _IOC_NR = (cmd: number): number => cmd & 0xff;
/** The driver's magic. */
export const _IOC_TYPE = (cmd: number): number => (cmd >>> _IOC_TYPESHIFT) & 0xff;
/** `_IOC_READ`, `_IOC_WRITE`, both or none. */
export const _IOC_DIR = (cmd: number): number => cmd >>> _IOC_DIRSHIFT;
