/**
 * A thread's stack frame: the few hundred bytes of the program's memory in which a library builds
 * the arguments of its system calls. A thread makes one call at a time, so it needs one frame.
 */
import { PAGE_SIZE, va } from '../machine/address.ts';
import type { Va } from '../machine/address.ts';
import type { AddressSpace } from '../linux/mm/address-space.ts';
import type { Program } from '../linux/process/program.ts';
import type { Process } from '../linux/process/user-process.ts';

export class Frame {
  readonly at: Va;
  readonly size: number;
  /** All of RAM: what stands at `offset` of the frame is at `base + offset` of it. */
  readonly ram: DataView;
  readonly bytes: Uint8Array;
  base = 0;
  readonly #process: Process;
  /** Where `base` was right, and its `changes` then: exec gives a process another one. */
  #mm: AddressSpace | undefined;
  #changes = -1;

  /** @param size a power of two up to a page, so that the frame lies within one. */
  constructor(program: Program, size: number) {
    if (size > PAGE_SIZE) throw new RangeError(`a frame of ${size} bytes leaves its page`);
    this.#process = program.process;
    this.ram = program.kernel.port.view;
    this.bytes = program.kernel.port.u8;
    this.size = size;
    this.at = program.memory.memalign(size, size);
    this.refresh();
  }

  /**
   * Where the frame is now. To be called again after whatever may have blocked: another thread may
   * have forked, and the page moves with the next write to it (copy on write).
   */
  refresh(): number {
    const { mm } = this.#process;
    if (mm === this.#mm && mm.changes === this.#changes) return this.base;
    const base = mm.load(this.at, this.size, 'write');
    if (base < 0) throw new Error(`${this.#process.name}: its stack is not mapped`);
    this.base = base;
    this.#mm = mm;
    this.#changes = mm.changes;
    return base;
  }

  /** The address of an offset into the frame. */
  address(offset: number): Va {
    return va(this.at + offset);
  }

  /**
   * Zeroes part of the frame, by words of eight bytes: for so few of them `fill` takes three times as
   * long. @returns where that is in RAM.
   */
  clear(offset: number, length: number): number {
    const from = this.refresh() + offset;
    for (let at = from; at < from + length; at += 8) this.ram.setFloat64(at, 0);
    return from;
  }
}
