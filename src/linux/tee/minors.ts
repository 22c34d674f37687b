/** Minor numbers of TEE devices (dev_mask, drivers/tee/tee_core.c): clients low, privileged high. */
import { TEE_NUM_DEVICES } from '../../abi/tee.ts';

/** First minor of privileged devices. */
export const PRIVILEGED_BASE = TEE_NUM_DEVICES / 2;

export class Minors {
  readonly #used = new Set<number>();

  /** The lowest free minor of a half; undefined when it is full. */
  alloc(privileged: boolean): number | undefined {
    const first = privileged ? PRIVILEGED_BASE : 0;
    for (let id = first; id < first + PRIVILEGED_BASE; id++) {
      if (this.#used.has(id)) continue;
      this.#used.add(id);
      return id;
    }
    return undefined;
  }

  free(id: number): void {
    this.#used.delete(id);
  }
}
