/**
 * What the programs of one address space have of the box's frames: files that are laid over the
 * box's RAM, and mapped in the program in place of its own pages.
 */
import { PAGE_SIZE } from '../machine/address.ts';
import type { Pa } from '../machine/address.ts';
import type { NativeVma } from './native-vmas.ts';

/** A file whose pages are frames of the box. */
export class Window {
  /** As stat(2) has them. */
  readonly inode: number;
  readonly device: number;
  /** Frames by page of the file; what is missing could not be mapped. */
  readonly frames = new Map<number, Pa>();
  /** Registrations that have frames of it. */
  pins = 0;

  constructor(inode: number, device: number) {
    this.inode = inode;
    this.device = device;
  }
}

/** A page of a program that is a frame of the box already. */
export interface SharedPage {
  readonly window: Window;
  readonly frame: Pa;
}

export class SharedPages {
  /** By inode. */
  readonly windows = new Map<number, Window>();
  /** Those without a registration, whose files may be mapped still. */
  readonly left = new Map<number, Window>();
  /** Where the programs have an instruction that makes a system call, as last seen. */
  instruction: number | undefined;

  /** Whether nothing is, or may be, mapped in place. */
  get isEmpty(): boolean {
    return this.windows.size === 0 && this.left.size === 0;
  }

  /** Whether the mapping shows frames of the box, or did so when they were registered. */
  has({ inode, device, shared }: NativeVma): boolean {
    const window = this.windows.get(inode) ?? this.left.get(inode);
    return shared && window?.device === device;
  }

  /** The frame that a mapping shows at an address, if it is one of the box. */
  at(vma: NativeVma, address: number): SharedPage | undefined {
    const window = vma.shared ? this.windows.get(vma.inode) : undefined;
    if (window?.device !== vma.device) return undefined;
    const frame = window.frames.get((vma.offset + address - vma.start) / PAGE_SIZE);
    return frame === undefined ? undefined : { window, frame };
  }
}
