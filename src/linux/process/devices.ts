/**
 * Character devices and their nodes in /dev (fs/char_dev.c, drivers/base/devtmpfs.c). A node leads
 * to its device only while that is registered: whoever has found the node by then gets -ENXIO.
 * Left out: block devices, nodes made by mknod, static major numbers beyond those asked for.
 */
import { ENXIO } from '../../abi/errno.ts';
import type { Scheduler } from '../../sched/scheduler.ts';
import type { Co } from '../../sched/task.ts';
import type { File } from './file.ts';
import { Inode } from './inode.ts';
import type { Dentry, FileSystem, InodeAttributes, InodeKind } from './inode.ts';
import type { TaskStruct } from './process.ts';
import { PseudoFs } from './pseudo-fs.ts';

export interface CharDevice {
  /** Path below /dev: `tee0`, `dma_heap/system`. */
  readonly name: string;
  /** Permission bits of the node. */
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  /** From makedev(); by default a free dynamic major. */
  readonly rdev?: number;
  /**
   * The driver's open(): makes the file (flags are those of the open, without O_CREAT and the
   * like), or a negative errno.
   */
  open(current: TaskStruct, flags: number): Co<File | number>;
}

/** st_rdev of a device, as user space has it (new_encode_dev() in include/linux/kdev_t.h). */
export const makedev = (major: number, minor: number): number =>
  (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
export const majorOf = (rdev: number): number => (rdev >> 8) & 0xfff;

/** Dynamic majors go down from here (CHRDEV_MAJOR_DYN_END is where they stop). */
const FIRST_DYNAMIC_MAJOR = 254;
const CHRDEV_MAJOR_DYN_END = 234;

class DeviceInode extends Inode {
  readonly fs: FileSystem;
  readonly kind: InodeKind = 'device';
  readonly ino: number;
  readonly device: CharDevice;
  readonly rdev: number;
  readonly #table: DeviceTable;

  constructor(table: DeviceTable, ino: number, device: CharDevice, rdev: number) {
    super();
    this.#table = table;
    this.fs = table.fs;
    this.ino = ino;
    this.device = device;
    this.rdev = rdev;
  }

  attributes(): InodeAttributes {
    const { mode, uid = 0, gid = 0 } = this.device;
    return { mode, uid, gid, size: 0, mtimeMs: 0, rdev: this.rdev };
  }

  /** chrdev_open() */
  *open(dentry: Dentry, current: TaskStruct, flags: number): Co<File | number> {
    const { sched } = this.#table;
    if (sched.searching) yield* sched.point();
    if (!this.#table.has(this.device)) return -ENXIO;
    const file = yield* this.device.open(current, flags);
    if (typeof file !== 'number') file.dentry = dentry;
    return file;
  }

  /** O_TRUNC on a device does nothing. */
  override truncate(): number {
    return 0;
  }
}

export class DeviceTable {
  readonly sched: Scheduler;
  readonly fs: PseudoFs;
  readonly #nodes = new Map<CharDevice, DeviceInode>();

  constructor(sched: Scheduler, dev: number) {
    this.sched = sched;
    this.fs = new PseudoFs('devtmpfs', dev);
  }

  has(device: CharDevice): boolean {
    return this.#nodes.has(device);
  }

  /** The registered device of that name, if any. */
  find(name: string): CharDevice | undefined {
    return [...this.#nodes.keys()].find((device) => device.name === name);
  }

  /** cdev_device_add(): the node appears. @throws when the name is taken: a driver's bug. */
  register(device: CharDevice): CharDevice {
    const rdev = device.rdev ?? makedev(this.allocMajor(), 0);
    const node = this.fs.add(device.name, (ino) => new DeviceInode(this, ino, device, rdev));
    this.#nodes.set(device, node);
    return device;
  }

  /** cdev_device_del(): the node goes; files that are open stay, and are the driver's to fail. */
  unregister(device: CharDevice): void {
    if (!this.#nodes.delete(device)) return;
    this.fs.remove(device.name);
  }

  /** alloc_chrdev_region(): a major that no registered device has. */
  allocMajor(): number {
    const used = new Set([...this.#nodes.values()].map((node) => majorOf(node.rdev)));
    for (let major = FIRST_DYNAMIC_MAJOR; major >= CHRDEV_MAJOR_DYN_END; major--) {
      if (!used.has(major)) return major;
    }
    throw new Error('no dynamic major number is left: pass rdev');
  }
}
