/**
 * Follows a box's memory through a run: what it was at the start, when most was shared with the
 * secure world, and now. It listens for shared memory that goes, so the trace must be at `worlds`.
 */
import type { TraceEvent } from '../trace/events.ts';
import type { Box } from './box.ts';
import { memorySnapshot } from './memory-snapshot.ts';
import type { MemorySnapshot } from './memory-snapshot.ts';

/** A run's memory at three moments. */
export interface MemoryHistory {
  readonly before: MemorySnapshot;
  /** When most bytes were shared; undefined when none ever were. */
  readonly peak: MemorySnapshot | undefined;
  readonly after: MemorySnapshot;
}

export class MemoryWatch {
  readonly #box: Box;
  readonly #before: MemorySnapshot;
  #peak: MemorySnapshot | undefined;
  #sharedBytes = 0;
  #mostBytes = 0;
  /** More has come than was ever there before, and no snapshot shows it yet. */
  #unseen = false;

  constructor(box: Box) {
    this.#box = box;
    this.#before = memorySnapshot(box);
    box.trace.addSink((event) => this.#see(event));
  }

  /** To be asked once, at the end: what is shared still may be the most. */
  history(): MemoryHistory {
    if (this.#unseen) this.#look();
    return { before: this.#before, peak: this.#peak, after: memorySnapshot(this.#box) };
  }

  /** The event of freeing comes before anything is let go: then one look shows the most. */
  #see(event: TraceEvent): void {
    if (event.name === 'shm.alloc') {
      this.#sharedBytes += (event as TraceEvent<'shm.alloc'>).args.sizeBytes;
      if (this.#sharedBytes <= this.#mostBytes) return;
      this.#mostBytes = this.#sharedBytes;
      this.#unseen = true;
    } else if (event.name === 'shm.free') {
      if (this.#unseen) this.#look();
      this.#sharedBytes -= (event as TraceEvent<'shm.free'>).args.sizeBytes;
    }
  }

  #look(): void {
    this.#unseen = false;
    this.#peak = memorySnapshot(this.#box);
  }
}
