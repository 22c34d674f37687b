/** What the TypeScript user space does differently from one profile to the next. */
export interface UserlandSwitches {
  /**
   * tee-supplicant leaves its main loop, and with it the TEE, when TEE_IOC_SUPPL_SEND answers EBADF:
   * that is, when a client was killed while its request was being served. Without, it goes on to the
   * next request.
   */
  readonly quirkSupplicantLeavesOnEbadf: boolean;
  /**
   * tee-supplicant answers a rename that failed, other than for a target that exists or a source
   * that does not, with success (ree_fs_new_rename()). Without, with the error.
   */
  readonly quirkRenameFailsSilently: boolean;
  /**
   * A file two directories down, neither of which exists, is not created: dirname() has cut the path
   * in place, so that tee-supplicant makes the upper directory twice and the lower one never
   * (ree_fs_new_create()). A second attempt succeeds. Without, the first one does.
   */
  readonly quirkCreateTwoDirectories: boolean;
  /**
   * tee-supplicant aborts on a socket handle that its TA instance does not have
   * (handle_ptr_to_fd()). Without, the request is TEEC_ERROR_BAD_PARAMETERS, as for an instance
   * without sockets.
   */
  readonly quirkSocketHandleAborts: boolean;
  /**
   * RPMB requests of several frames are refused, because the types of all but the first are compared
   * without their bytes being swapped (rpmb_data_req()). OP-TEE sends one at a time.
   */
  readonly quirkRpmbSingleFrames: boolean;
}

/** tee-supplicant as it is upstream. */
export const UPSTREAM_USERLAND: UserlandSwitches = {
  quirkSupplicantLeavesOnEbadf: true,
  quirkRenameFailsSilently: true,
  quirkCreateTwoDirectories: true,
  quirkSocketHandleAborts: true,
  quirkRpmbSingleFrames: true,
};
