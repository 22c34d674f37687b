/**
 * Pages that user space keeps in memory, held against RLIMIT_MEMLOCK: of each user over all
 * processes, as io_uring counts its fixed buffers, or of one address space.
 *
 * Upstream counterpart: io_uring/rsrc.c (__io_account_mem, io_buffer_account_pin), struct
 * user_struct, account_locked_vm() in mm/util.c. Left out: mlock().
 */
import { CAP_IPC_LOCK } from '../../abi/capability.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Pa } from '../../machine/address.ts';
import type { Trace } from '../../trace/trace.ts';
import type { PageFrames } from './page-frames.ts';

/** What an address space has of locked memory, pages. */
export class MmAccount {
  /** mm->locked_vm: checked against RLIMIT_MEMLOCK by mlock() and VFIO. */
  lockedVm = 0;
  /** mm->pinned_vm: VmPin of /proc/PID/status; checked by RDMA only. */
  pinnedVm = 0;
}

/** Whoever pins: a process. */
export interface Pinner {
  readonly cred: { readonly uid: number; readonly capabilities: ReadonlySet<number> };
  /** RLIMIT_MEMLOCK, bytes, RLIM_INFINITY as Infinity. */
  readonly rlimits: { readonly memlock: number };
  readonly mm: { readonly account?: MmAccount };
}

/** What one registration was charged. It is given back once, as a whole. */
export interface PinCharge {
  /** Undefined when the user was not charged: CAP_IPC_LOCK. */
  readonly uid: number | undefined;
  readonly mm: MmAccount | undefined;
  readonly pages: number;
}

/** Whether `who` is held to RLIMIT_MEMLOCK at all. */
export const isAccounted = ({ cred }: Pinner): boolean => !cred.capabilities.has(CAP_IPC_LOCK);

export class PinAccounts {
  readonly #trace: Trace;
  /** user_struct->locked_vm by uid. */
  readonly #lockedVm = new Map<number, number>();
  readonly #highest = new Map<number, number>();
  /** RLIMIT_MEMLOCK of who was last charged, bytes. */
  readonly #limits = new Map<number, number>();

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** user_struct->locked_vm, in pages. */
  pages(uid: number): number {
    return this.#lockedVm.get(uid) ?? 0;
  }

  /** The most that it has been. */
  highest(uid: number): number {
    return this.#highest.get(uid) ?? 0;
  }

  /** RLIMIT_MEMLOCK of who was last charged, bytes; Infinity when nobody was. */
  limit(uid: number): number {
    return this.#limits.get(uid) ?? Infinity;
  }

  /** Users with pages charged, ascending. */
  get users(): readonly number[] {
    return [...this.#lockedVm.keys()].sort((a, b) => a - b);
  }

  /**
   * io_account_mem(): charges the user, and tells the address space. Pages that count already are
   * charged to nobody, and held against no limit.
   * @param accounted whether the user is charged; io_uring decides when the ring is made
   * @returns undefined, with a cause, when the user would exceed the caller's RLIMIT_MEMLOCK: -ENOMEM
   */
  charge(who: Pinner, pages: number, accounted = isAccounted(who)): PinCharge | undefined {
    const { uid } = who.cred;
    const { account } = who.mm;
    if (accounted && !this.#add(uid, pages, who.rlimits.memlock)) return undefined;
    if (account !== undefined) account.pinnedVm += pages;
    return { uid: accounted ? uid : undefined, mm: account, pages };
  }

  /** io_unaccount_mem() */
  uncharge({ uid, mm, pages }: PinCharge): void {
    if (mm !== undefined) mm.pinnedVm -= pages;
    if (uid === undefined) return;
    const left = this.pages(uid) - pages;
    if (left < 0) throw new Error(`user ${uid} is given back more than it was charged`);
    if (left > 0) this.#lockedVm.set(uid, left);
    else this.#lockedVm.delete(uid);
    this.#report(uid, left);
  }

  /** __account_locked_vm(): of one address space, not of the user. False, with a cause: -ENOMEM. */
  accountLockedVm(who: Pinner, account: MmAccount, pages: number): boolean {
    const { memlock } = who.rlimits;
    if (pages > 0 && isAccounted(who) && account.lockedVm + pages > limitPages(memlock)) {
      this.#refuse('the process', account.lockedVm, pages, memlock);
      return false;
    }
    account.lockedVm += pages;
    return true;
  }

  #add(uid: number, pages: number, memlock: number): boolean {
    if (pages === 0) return true;
    const total = this.pages(uid) + pages;
    if (total > limitPages(memlock)) {
      this.#refuse(`user ${uid}`, this.pages(uid), pages, memlock);
      return false;
    }
    this.#lockedVm.set(uid, total);
    this.#highest.set(uid, Math.max(total, this.highest(uid)));
    this.#limits.set(uid, memlock);
    this.#report(uid, total);
    return true;
  }

  #report(uid: number, used: number): void {
    if (!this.#trace.pools) return;
    const limit = limitPages(this.limit(uid));
    const name = `locked_vm of user ${uid}`;
    this.#trace.pool('linux', { name, used, limit, unit: 'pages' });
  }

  #refuse(whose: string, used: number, pages: number, memlock: number): void {
    this.#trace.cause('linux', {
      layer: 'linux/mm',
      code: '-ENOMEM',
      text: `${whose} has ${used * PAGE_SIZE} bytes pinned and may not pin ${pages * PAGE_SIZE} more`,
      object: 'locked_vm',
      requested: pages * PAGE_SIZE,
      available: Math.max(0, limitPages(memlock) - used) * PAGE_SIZE,
      limit: `RLIMIT_MEMLOCK=${memlock}`,
      hint: 'unregister buffers, raise the limit (ulimit -l, LimitMEMLOCK=), or give CAP_IPC_LOCK',
    });
  }
}

/** RLIMIT_MEMLOCK in whole pages. */
export const limitPages = (memlock: number): number => Math.floor(memlock / PAGE_SIZE);

/**
 * io_buffer_account_pin(): what pinned pages count: small folios one each time, large ones as a whole
 * and once.
 * @param counted heads of large folios that count already; those of this list are added
 */
export function pagesToAccount(
  frames: PageFrames,
  pages: readonly Pa[],
  counted: Set<number> = new Set(),
): number {
  let sum = 0;
  for (const page of pages) {
    const folio = frames.folio(frames.frame(page));
    if (frames.order[folio] === 0) sum += 1;
    else if (!counted.has(folio)) {
      counted.add(folio);
      sum += frames.folioPages(folio);
    }
  }
  return sum;
}
