/**
 * The memory devices that programs take for granted (drivers/char/mem.c, random.c): null, zero,
 * full, random, urandom. Left out: /dev/mem, kmsg, seeding by writes.
 */
import { ENOSPC } from '../../abi/errno.ts';
import type { RandomSource } from '../../sched/random.ts';
import type { DeviceTable } from './devices.ts';
import { makedev } from './devices.ts';
import { File } from './file.ts';
import type { FileOperations } from './file.ts';

/** MEM_MAJOR (include/uapi/linux/major.h). */
const MEM_MAJOR = 1;

const discard: NonNullable<FileOperations['write']> = function* (_file, _current, data) {
  return data.length;
};

const NULL_OPS: FileOperations = {
  *read() {
    return 0;
  },
  write: discard,
  size: () => 0,
};

const ZERO_OPS: FileOperations = {
  *read(_file, _current, out) {
    out.fill(0);
    return out.length;
  },
  write: discard,
  size: () => 0,
};

const FULL_OPS: FileOperations = {
  ...ZERO_OPS,
  *write() {
    return -ENOSPC;
  },
};

const randomOps = (random: RandomSource): FileOperations => ({
  *read(_file, _current, out) {
    random.fill(out);
    return out.length;
  },
  write: discard,
  size: () => 0,
});

/** Registers them; `random` is the box's source. */
export function registerMemDevices(devices: DeviceTable, random: RandomSource): void {
  const entropy = randomOps(random);
  const table: readonly (readonly [string, number, FileOperations])[] = [
    ['null', 3, NULL_OPS],
    ['zero', 5, ZERO_OPS],
    ['full', 7, FULL_OPS],
    ['random', 8, entropy],
    ['urandom', 9, entropy],
  ];
  for (const [name, minor, ops] of table) {
    devices.register({
      name,
      mode: 0o666,
      rdev: makedev(MEM_MAJOR, minor),
      *open(_current, flags) {
        return new File(ops, `/dev/${name}`, flags, undefined);
      },
    });
  }
}
