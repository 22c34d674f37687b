/**
 * What the registrations of one context count against RLIMIT_MEMLOCK: a small page each time, a large
 * folio as a whole and once, whoever registers.
 *
 * Upstream counterpart: io_uring/rsrc.c, Linux 6.1 (io_buffer_account_pin, headpage_already_acct); what
 * is the ring there is the context here. There a folio is given back with the buffer that it was
 * charged for, although others may have pages of it; here with the last registration that has.
 */
import type { Pa } from '../../machine/address.ts';
import { pagesToAccount } from '../mm/account.ts';
import type { PinAccounts, PinCharge, Pinner } from '../mm/account.ts';
import type { PageFrames } from '../mm/page-frames.ts';

/** What a registration was charged for its small pages. It is given back once, as a whole. */
export interface ShmCharge extends PinCharge {
  /** Heads of the large folios that it has pages of. */
  readonly heads: ReadonlySet<number>;
}

/** A large folio stays with whom it was charged to first, though others register it later. */
interface ChargedFolio {
  readonly charge: PinCharge;
  /** Registrations that have pages of it. */
  users: number;
}

export class MemlockCharges {
  readonly #accounts: PinAccounts;
  readonly #frames: PageFrames;
  /** By head. */
  readonly #folios = new Map<number, ChargedFolio>();

  constructor(accounts: PinAccounts, frames: PageFrames) {
    this.#accounts = accounts;
    this.#frames = frames;
  }

  /** Of pinned pages: all, or undefined, with a cause, for -ENOMEM. */
  charge(who: Pinner, pages: readonly Pa[]): ShmCharge | undefined {
    const heads = new Set<number>();
    let count = pagesToAccount(this.#frames, pages, heads);
    let small = count;
    for (const head of heads) {
      const size = this.#frames.folioPages(head);
      small -= size;
      if (this.#folios.has(head)) count -= size;
    }
    const charge = this.#accounts.charge(who, count);
    if (charge === undefined) return undefined;
    for (const head of heads) this.#take(head, charge);
    return { ...charge, pages: small, heads };
  }

  uncharge(charge: ShmCharge): void {
    this.#accounts.uncharge(charge);
    for (const head of charge.heads) this.#drop(head);
  }

  /** @param charge of the registration that has pages of it: the folio is a part of that, if new. */
  #take(head: number, charge: PinCharge): void {
    const known = this.#folios.get(head);
    if (known !== undefined) {
      known.users += 1;
      return;
    }
    const pages = this.#frames.folioPages(head);
    this.#folios.set(head, { charge: { ...charge, pages }, users: 1 });
  }

  #drop(head: number): void {
    const folio = this.#folios.get(head)!;
    folio.users -= 1;
    if (folio.users > 0) return;
    this.#folios.delete(head);
    this.#accounts.uncharge(folio.charge);
  }
}
