/** What kernel clients of a TEE, and the cores that they register with, do differently by kernel. */
export interface ClientSwitches {
  /**
   * What the hwrng core makes of a generator that claims no quality, and the most that one may
   * claim: 1024 bits per 1024 (since 6.2). In 6.1 an unknown quality stays 0: nothing is credited.
   */
  readonly hwrngDefaultQuality: number;
  /** A generator that registers is read once for 32 bytes (up to 6.9); later kernels leave that to the thread. */
  readonly hwrngEarlyRandomness: boolean;
  /**
   * Trusted keys look for a TEE that takes registered memory (6.6). Off: for any OP-TEE, so that there
   * is a key type all the same and no key can be made: -EINVAL.
   */
  readonly trustedNeedsRegMem: boolean;
  /**
   * When the bnxt client's probe fails after it has opened its context, it closes that and goes on to
   * point at it: firmware that is loaded then is called for through freed memory, kernel BUG. Fixed:
   * -ENODEV, as without the TA.
   */
  readonly quirkBnxtFailedProbe: boolean;
  /** A blob may have 512 bytes; 1152 in kernels that are built with PowerVM's key wrapping. */
  readonly maxBlobSize: number;
}
