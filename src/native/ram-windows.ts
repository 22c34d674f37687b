/**
 * Windows of the box's RAM that are also a file of their own: the memory behind a SHM_ALLOC fd, or
 * registered memory that is mapped in place. The client maps the memfd, the box has the same pages
 * laid over its RAM.
 */
import { closeSync } from 'node:fs';
import { PAGE_SIZE } from '../machine/address.ts';
import type { Pa } from '../machine/address.ts';
import type { HostArch } from './arch.ts';
import type { Libc } from './libc.ts';

const PROT_READ_WRITE = 3;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MFD_CLOEXEC = 0x1;
const MFD_ALLOW_SEALING = 0x2;
const F_ADD_SEALS = 1033;
const F_SEAL_SEAL = 0x1;
const F_SEAL_SHRINK = 0x2;
const F_SEAL_GROW = 0x4;

export class RamWindows {
  readonly #libc: Libc;
  readonly #arch: HostArch;
  readonly #ram: Uint8Array<ArrayBuffer>;
  readonly #address: number;

  constructor(libc: Libc, arch: HostArch, ram: Uint8Array<ArrayBuffer>) {
    this.#libc = libc;
    this.#arch = arch;
    this.#ram = ram;
    this.#address = libc.address(ram);
  }

  /**
   * A memfd. With a length it is sealed: its size cannot change, so no client can take the pages
   * away from the box.
   * @returns the fd, or a negative errno.
   */
  createFile(name: string, length: number): number {
    const label = new TextEncoder().encode(`${name}\0`.padEnd(64, '\0'));
    const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    const fd = this.#libc.syscall(this.#arch.memfdCreate, this.#libc.address(label), flags);
    if (fd < 0) return -this.#libc.errno();
    if (length === 0) return fd;
    if (this.#libc.syscall(this.#arch.ftruncate, fd, length) < 0) return this.#fail(fd);
    const seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (this.#libc.syscall(this.#arch.fcntl, fd, F_ADD_SEALS, seals) < 0) return this.#fail(fd);
    return fd;
  }

  /** Lays the file over RAM, with what RAM holds there. False when the kernel refuses. */
  overlay(offset: number, length: number, fd: number): boolean {
    const contents = this.#ram.slice(offset, offset + length);
    const ok = this.#map(offset, length, MAP_SHARED | MAP_FIXED, fd);
    if (ok) this.#ram.set(contents, offset);
    return ok;
  }

  /** Lays the file from `fileOffset` on over RAM, which shows what the file holds. */
  lay(offset: number, length: number, fd: number, fileOffset: number): boolean {
    return this.#map(offset, length, MAP_SHARED | MAP_FIXED, fd, fileOffset);
  }

  /** RAM is private again, and zero. @throws where it cannot be: a program would see what comes there */
  clear(offset: number, length: number): void {
    if (this.#map(offset, length, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1)) return;
    throw new Error(`RAM cannot be taken back from a program: errno ${this.#libc.errno()}`);
  }

  /** The same for page frames. @param base of RAM */
  clearFrames(frames: readonly Pa[], base: number): void {
    const sorted = frames.toSorted((a, b) => a - b);
    for (let i = 0; i < sorted.length;) {
      const first = sorted[i]!;
      let n = 1;
      while (sorted[i + n] === first + n * PAGE_SIZE) n += 1;
      this.clear(first - base, n * PAGE_SIZE);
      i += n;
    }
  }

  /** RAM is private again and keeps its contents. */
  restore(offset: number, length: number): void {
    const contents = this.#ram.slice(offset, offset + length);
    if (this.#map(offset, length, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1)) {
      this.#ram.set(contents, offset);
    }
  }

  #map(offset: number, length: number, flags: number, fd: number, fileOffset = 0): boolean {
    const at = this.#address + offset;
    return this.#libc.mmap(at, length, PROT_READ_WRITE, flags, fd, fileOffset) >= 0;
  }

  #fail(fd: number): number {
    const errno = this.#libc.errno();
    closeSync(fd);
    return -errno;
  }
}
