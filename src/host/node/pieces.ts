/**
 * Bytes that are kept in pieces: copies of small ones share memory, so that a message of many tiny
 * pieces costs little; what is large and nobody else's is kept as it is.
 */

/** Bytes of the memory that small pieces share; a piece of as many is large. */
const CHUNK = 4096;

export class Pieces {
  readonly #release: (piece: Uint8Array<ArrayBuffer>) => void;
  readonly #sealed: Uint8Array[] = [];
  /** Those that were not copied. */
  readonly #kept: Uint8Array<ArrayBuffer>[] = [];
  #chunk: Uint8Array = new Uint8Array(0);
  /** The part of the chunk that holds bytes which are not among the sealed ones. */
  #start = 0;
  #end = 0;

  /** @param release told of each piece that was kept as it is, once it is not any more */
  constructor(release: (piece: Uint8Array<ArrayBuffer>) => void) {
    this.#release = release;
  }

  /** All bytes in order. */
  get all(): readonly Uint8Array[] {
    this.#seal();
    return this.#sealed;
  }

  clear(): void {
    for (const piece of this.#kept) this.#release(piece);
    this.#kept.length = 0;
    this.#sealed.length = 0;
    this.#start = 0;
    this.#end = 0;
  }

  /** Keeps a copy. @returns it: where nobody else can change it */
  copy(piece: Uint8Array): Uint8Array {
    if (this.#end + piece.length > this.#chunk.length) this.#renew(piece.length);
    const at = this.#end;
    this.#end += piece.length;
    const kept = this.#chunk.subarray(at, this.#end);
    kept.set(piece);
    return kept;
  }

  /** Keeps a piece that nobody else has. */
  keep(piece: Uint8Array<ArrayBuffer>): void {
    if (piece.length < CHUNK) {
      this.copy(piece);
      this.#release(piece);
    } else {
      this.#seal();
      this.#sealed.push(piece);
      this.#kept.push(piece);
    }
  }

  #seal(): void {
    if (this.#end === this.#start) return;
    this.#sealed.push(this.#chunk.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  #renew(least: number): void {
    this.#seal();
    this.#chunk = new Uint8Array(Math.max(CHUNK, least));
    this.#start = 0;
    this.#end = 0;
  }
}
