/**
 * Builds a file of frames that are to stand in place of a program's pages: laid over the box's RAM,
 * and filled with what the pages hold. All threads of the program stand still meanwhile.
 */
import { closeSync } from 'node:fs';
import { PAGE_SIZE, va } from '../machine/address.ts';
import type { Va } from '../machine/address.ts';
import type { Kernel } from '../linux/process/kernel.ts';
import type { NativePin } from './native-pin.ts';
import { namedVmas } from './native-vmas.ts';
import type { NamedVma } from './native-vmas.ts';
import type { RamWindows } from './ram-windows.ts';
import { Window } from './shared-pages.ts';
import type { SharedPages } from './shared-pages.ts';
import type { VmAccess } from './vm-access.ts';

/** Pages of a registration that follow each other in one mapping. */
export interface Piece {
  readonly pin: NativePin;
  /** Of the first page, in the pin. */
  readonly index: number;
  readonly pages: number;
  readonly start: Va;
  readonly vma: NamedVma;
  /** It begins where the stack does, which grows by its lowest mapping. */
  readonly isStackEnd: boolean;
}

/** A piece whose frames are the file's from `fileOffset` on. */
export interface LaidPiece {
  readonly piece: Piece;
  readonly fileOffset: number;
}

/** What of a process's new registrations can be mapped in place. @param note is told what cannot */
export function piecesOf(
  pins: readonly NativePin[],
  pid: number,
  note: (text: string) => void,
): readonly Piece[] {
  if (pins.length === 0) return [];
  const vmas = namedVmas(pid);
  const pieces: Piece[] = [];
  for (const pin of pins) {
    for (const piece of cut(pin, vmas)) {
      const why = whyNot(piece.vma);
      if (why === undefined) pieces.push(piece);
      else note(`${piece.pages} pages at 0x${piece.start.toString(16)} are copied: ${why}`);
    }
  }
  return pieces;
}

/** Why pages of a mapping are not replaced; undefined when they are. */
function whyNot({ shared, readable, writable }: NamedVma): string | undefined {
  if (shared) return 'the mapping is shared';
  return readable && writable ? undefined : 'the mapping is not readable and writable';
}

/** The pages of a pin that are copied so far, cut where mappings end. */
function* cut(pin: NativePin, vmas: readonly NamedVma[]): Generator<Piece> {
  for (let index = 0; index < pin.pages.length;) {
    const start = va(pin.start + index * PAGE_SIZE);
    const vma = vmas.find(({ end }) => end > start);
    let pages = 0;
    if (vma !== undefined && vma.start <= start) {
      const most = Math.min(pin.pages.length - index, (vma.end - start) / PAGE_SIZE);
      while (pages < most && pin.isCopied(index + pages)) pages += 1;
      const isStackEnd = start === vma.start && isStack(vma, vmas);
      if (pages > 0) yield { pin, index, pages, start, vma, isStackEnd };
    }
    index += Math.max(1, pages);
  }
}

/** Whether a mapping is the stack, or a part of it that was cut off: they lie end to end. */
function isStack(vma: NamedVma, vmas: readonly NamedVma[]): boolean {
  let part: NamedVma | undefined = vma;
  while (part !== undefined && part.name !== '[stack]') {
    const { end }: NamedVma = part;
    part = vmas.find(({ start }) => start === end);
  }
  return part !== undefined;
}

export class WindowBuilder {
  readonly #kernel: Kernel;
  readonly #vm: VmAccess;
  readonly #windows: RamWindows;
  readonly #pid: number;
  #file = -1;
  #window: Window | undefined;
  #laid: LaidPiece[] = [];
  readonly #placed = new Set<Piece>();

  constructor(kernel: Kernel, vm: VmAccess, windows: RamWindows, pid: number) {
    this.#kernel = kernel;
    this.#vm = vm;
    this.#windows = windows;
    this.#pid = pid;
  }

  /** The memfd, until `finish`. */
  get file(): number {
    return this.#file;
  }

  get laid(): readonly LaidPiece[] {
    return this.#laid;
  }

  /** Lays frames over a file, with the content of the pages. @returns whether there are any */
  build(pieces: readonly Piece[]): boolean {
    const total = pieces.reduce((sum, { pages }) => sum + pages, 0);
    if (total === 0) return false;
    this.#file = this.#windows.createFile('tee_shm', total * PAGE_SIZE);
    if (this.#file < 0) return false;
    let fileOffset = 0;
    for (const piece of pieces) {
      if (this.#lay(piece, fileOffset)) this.#laid.push({ piece, fileOffset });
      else this.#clear(piece);
      fileOffset += piece.pages * PAGE_SIZE;
    }
    return this.#laid.length > 0;
  }

  /** The program has the frames of a piece now. */
  place(piece: Piece, shared: SharedPages, inode: number, device: number): void {
    const window = this.#window ?? new Window(inode, device);
    this.#window = window;
    shared.windows.set(inode, window);
    const { fileOffset } = this.#laid.find((laid) => laid.piece === piece)!;
    for (let i = 0; i < piece.pages; i++) {
      window.frames.set(fileOffset / PAGE_SIZE + i, piece.pin.pages[piece.index + i]!);
      piece.pin.place(piece.index + i, window);
    }
    this.#placed.add(piece);
  }

  /** Frames that the program did not get are the box's alone. */
  finish(): void {
    for (const { piece } of this.#laid) if (!this.#placed.has(piece)) this.#clear(piece);
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }

  /** @returns false when the pages are not all there any more */
  #lay(piece: Piece, fileOffset: number): boolean {
    for (const { ramAt, at, bytes } of this.#runs(piece)) {
      if (!this.#windows.lay(ramAt, bytes, this.#file, fileOffset + at)) return false;
      if (this.#vm.readRam(this.#pid, piece.start + at, ramAt, bytes) !== bytes) return false;
    }
    return true;
  }

  #clear(piece: Piece): void {
    for (const { ramAt, bytes } of this.#runs(piece)) this.#windows.clear(ramAt, bytes);
  }

  /** The physically contiguous parts of a piece. */
  *#runs({ pin, index, pages }: Piece): Generator<{ ramAt: number; at: number; bytes: number }> {
    const { base } = this.#kernel.machine.bus;
    for (let i = 0; i < pages;) {
      const first = pin.pages[index + i]!;
      let n = 1;
      while (i + n < pages && pin.pages[index + i + n] === first + n * PAGE_SIZE) n += 1;
      yield { ramAt: first - base, at: i * PAGE_SIZE, bytes: n * PAGE_SIZE };
      i += n;
    }
  }
}
