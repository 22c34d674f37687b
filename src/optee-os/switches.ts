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
  /**
   * A dirf.db that cannot be opened is removed, unless RPMB or a counter protects it: with it goes
   * every object, though the file may be sound and only memory or the supplicant failed. What this
   * was made for is a power cut right after the file was created, which leaves it empty; the first
   * call after that fails with TEE_ERROR_CORRUPT_OBJECT (ree_fs_open_primitive(), OP-TEE/optee_os
   * issues 4619, 7037, 7512). Without the quirk an empty file is filled and any other is kept.
   */
  readonly quirkDirfileRemovedOnError: boolean;
  /**
   * Truncating takes nodes out of the hash tree and leaves the hashes of their parents as they were,
   * which cover them: a file that had four blocks or more and keeps one at least is corrupt when it
   * is opened again (tee_fs_htree_truncate()).
   */
  readonly quirkTruncateKeepsHashes: boolean;
  /**
   * Truncating cuts the file before the new head is written: when that fails, or the power is cut,
   * the old head counts on blocks that are gone (ree_fs_ftruncate_internal()).
   */
  readonly quirkTruncateBeforeCommit: boolean;
  /**
   * A directory in which an object cannot be looked for, because reading it fails, counts as one
   * without the object when that is created or renamed. The next use of the directory then finds it
   * closed, so that the result is TEE_ERROR_CORRUPT_OBJECT instead of what went wrong, and creating
   * removes the object that was to be overwritten (set_name(), ree_fs_rename(),
   * syscall_storage_obj_create()).
   */
  readonly quirkFailedFindIsAbsence: boolean;
  /**
   * An object that is made persistent by the handle of its attributes stays in creation as long as
   * the handle is open: nobody else can open it, whatever it shares (syscall_storage_obj_create()).
   */
  readonly quirkOwnHandleStaysCreating: boolean;
  /**
   * An object made from the attributes of a persistent one may be used for nothing, because the
   * usage of that one is looked for in the wrong place (tee_svc_storage_init_file()).
   */
  readonly quirkCopiedUsageLost: boolean;
  /**
   * TEE_GetNextPersistentObject after an enumerator could not be started follows a NULL pointer,
   * which panics the core (syscall_storage_next_enum(), ree_fs_readdir_rpc()); in RPMB it is
   * TEE_ERROR_GENERIC, which panics the TA (rpmb_fs_readdir()). Without the quirk it is
   * TEE_ERROR_ITEM_NOT_FOUND, as for one that was never started.
   */
  readonly quirkNextOfFailedEnumPanics: boolean;
  /**
   * A new object in RPMB is made under a temporary name, and what a power cut has left there is taken
   * for its beginning: a longer file stays as long, so that the object ends with old data of the same
   * TA (rpmb_fs_open_internal()). Without the quirk it is removed first.
   */
  readonly quirkRpmbTemporaryKept: boolean;
  /**
   * An object in RPMB that is replaced, or has another renamed to its name, is gone before the new one
   * has the name: a power cut between the two leaves none (rpmb_fs_rename_internal()). Without the
   * quirk the new one has the name first.
   */
  readonly quirkRpmbReplaceLoses: boolean;
  /**
   * A file that is not in the RPMB table is found all the same when its handle has had an entry. So a
   * creation that fails while the table grows clears what was the table's last entry, and the table
   * has no end any more: nothing that is not in it can be told from what is (read_fat()). Without the
   * quirk only what is in the table is found.
   */
  readonly quirkRpmbStaleEntryFound: boolean;
}

/** What upstream does. */
export const UPSTREAM_SWITCHES: OpteeOsSwitches = {
  quirkShmSizePageRounded: true,
  quirkDuplicateCookies: true,
  quirkShortShmAllocLost: true,
  quirkCancelDeadlineCarry: true,
  quirkBusyOpenPanics: true,
  quirkDirfileRemovedOnError: true,
  quirkTruncateKeepsHashes: true,
  quirkTruncateBeforeCommit: true,
  quirkFailedFindIsAbsence: true,
  quirkOwnHandleStaysCreating: true,
  quirkCopiedUsageLost: true,
  quirkNextOfFailedEnumPanics: true,
  quirkRpmbTemporaryKept: true,
  quirkRpmbReplaceLoses: true,
  quirkRpmbStaleEntryFound: true,
};
