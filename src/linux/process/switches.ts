/** What processes and files do differently from one profile to another. */

export interface ProcessSwitches {
  /**
   * PROT_EXEC mappings of anonymous-inode files (shm fds) are refused with -EPERM, because the file
   * system that they are on is marked noexec. Linux 6.1 allows them.
   */
  readonly anonInodesNoexec: boolean;
  /**
   * memfd_secret() is there. Linux 6.1 has it behind `secretmem.enable` on the command line, and
   * answers -ENOSYS without.
   */
  readonly memfdSecret: boolean;
  /**
   * A memfd with F_SEAL_WRITE can be mapped shared to be read. Linux 6.1 counts such a mapping of a
   * file that is open for writing as one that may be written: -EPERM.
   */
  readonly sealedMapsReadOnly: boolean;
}

/** As the default profile, linux-7.3. */
export const DEFAULT_PROCESS_SWITCHES: ProcessSwitches = {
  anonInodesNoexec: true,
  memfdSecret: true,
  sealedMapsReadOnly: true,
};
