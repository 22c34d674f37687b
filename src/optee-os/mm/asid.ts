/**
 * Address space ids: one for each context of a user TA, shared by all guests. They bound how many
 * there can be, and sockets are known to the normal world by them.
 *
 * Upstream counterpart: optee_os core/arch/arm/mm/core_mmu.c (asid_alloc(), asid_free()).
 */

/** Source: core/arch/arm/mm/core_mmu.c, OP-TEE OS 4.10. */
export const MMU_NUM_ASID_PAIRS = 64;

export class AsidPool {
  readonly #used = new Array<boolean>(MMU_NUM_ASID_PAIRS).fill(false);

  /** @returns 0 when there is none left */
  alloc(): number {
    const pair = this.#used.indexOf(false);
    if (pair >= 0) this.#used[pair] = true;
    return 2 * (pair + 1);
  }

  free(asid: number): void {
    this.#used[asid / 2 - 1] = false;
  }
}
