/**
 * Pinned pages held against RLIMIT_MEMLOCK, for each user, as io_uring does for registered buffers
 * (io_uring/rsrc.c, __io_account_mem()). No released kernel does it for a TEE; the debate of 2023
 * about FOLL_LONGTERM asked for it.
 */
import { CAP_IPC_LOCK } from '../../abi/capability.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Cred } from '../process/process.ts';

/** What one buffer was charged for. */
export interface MemlockCharge {
  readonly uid: number;
  readonly pages: number;
}

export class MemlockAccount {
  readonly #pages = new Map<number, number>();

  /** user_struct->locked_vm, in pages. */
  pages(uid: number): number {
    return this.#pages.get(uid) ?? 0;
  }

  /**
   * Who has CAP_IPC_LOCK is not counted.
   * @param limit RLIMIT_MEMLOCK in bytes.
   * @returns undefined when the limit would be exceeded.
   */
  charge(cred: Cred, limit: number, pages: number): MemlockCharge | undefined {
    const { uid } = cred;
    if (cred.capabilities.has(CAP_IPC_LOCK)) return { uid, pages: 0 };
    const total = this.pages(uid) + pages;
    if (total > Math.floor(limit / PAGE_SIZE)) return undefined;
    this.#pages.set(uid, total);
    return { uid, pages };
  }

  uncharge(charge: MemlockCharge): void {
    const left = this.pages(charge.uid) - charge.pages;
    if (left > 0) this.#pages.set(charge.uid, left);
    else this.#pages.delete(charge.uid);
  }
}
