/** What processes and files do differently from one profile to another. */

export interface ProcessSwitches {
  /**
   * PROT_EXEC mappings of anonymous-inode files (shm fds) are refused with -EPERM, because the file
   * system that they are on is marked noexec. Linux 6.1 allows them.
   */
  readonly anonInodesNoexec: boolean;
}

/** As the default profile, linux-7.3. */
export const DEFAULT_PROCESS_SWITCHES: ProcessSwitches = { anonInodesNoexec: true };
