/** What the TypeScript user space does differently from one profile to the next. */
export interface UserlandSwitches {
  /**
   * tee-supplicant leaves its main loop, and with it the TEE, when TEE_IOC_SUPPL_SEND answers EBADF:
   * that is, when a client was killed while its request was being served. Without, it goes on to the
   * next request.
   */
  readonly quirkSupplicantLeavesOnEbadf: boolean;
}
