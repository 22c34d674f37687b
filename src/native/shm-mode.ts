/** How memory that native programs register is shared with the box: `--shm`. */
export const SHM_MODES = ['copy', 'inplace'] as const;

/**
 * `copy`: moved at each call, in and out. `inplace`: the program's pages are replaced by the box's, so
 * that both see the same bytes at once.
 */
export type ShmMode = (typeof SHM_MODES)[number];
