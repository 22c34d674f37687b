/**
 * Behaviour of OP-TEE that a profile may change. Every entry is something that upstream (4.10) does
 * and its authors did not mean; `true` models it, `false` does what was meant.
 */
export interface OpteeOsSwitches {
  /**
   * Registered memory is as long as its pages, not as long as the normal world said: an RMEM
   * parameter may reach past the registered end up to the page's (mobj_reg_shm_alloc()).
   */
  readonly quirkShmSizePageRounded: boolean;
  /**
   * A cookie may be registered twice; look-ups find the newer one (mobj_reg_shm_alloc()). Without
   * the quirk the second registration is TEE_ERROR_BAD_PARAMETERS.
   */
  readonly quirkDuplicateCookies: boolean;
  /**
   * A SHM_ALLOC reply smaller than asked for is refused and never given back, so that the normal
   * world's buffer is lost (get_rpc_alloc_res()).
   */
  readonly quirkShortShmAllocLost: boolean;
  /**
   * When the milliseconds of a cancellation deadline carry over, its seconds are taken from the
   * current time plus two, whatever the timeout was (set_invoke_timeout()).
   */
  readonly quirkCancelDeadlineCarry: boolean;
  /**
   * A TA that opens a session with a TA which waits for it is to get TEE_ERROR_BUSY. But the refused
   * session is closed as any other, which enters that TA, and that panics the core
   * (tee_ta_open_session(), close_session(), tee_ta_set_busy()).
   */
  readonly quirkBusyOpenPanics: boolean;
}

/** What upstream does. */
export const UPSTREAM_SWITCHES: OpteeOsSwitches = {
  quirkShmSizePageRounded: true,
  quirkDuplicateCookies: true,
  quirkShortShmAllocLost: true,
  quirkCancelDeadlineCarry: true,
  quirkBusyOpenPanics: true,
};
