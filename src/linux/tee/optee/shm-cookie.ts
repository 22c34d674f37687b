/**
 * Cookies: what the secure world knows shared memory by. On the SMC ABI a cookie is the kernel
 * address of the `TeeShm`, and the driver believes the secure world: a cookie that is none makes
 * the kernel follow a wild pointer.
 */
import type { KernelAddresses } from '../../lib/kernel-addresses.ts';
import type { Scheduler } from '../../../sched/scheduler.ts';
import { TeeShm } from '../tee-shm.ts';

export class ShmCookies {
  readonly #sched: Scheduler;
  readonly #addresses: KernelAddresses;

  constructor(sched: Scheduler, addresses: KernelAddresses) {
    this.#sched = sched;
    this.#addresses = addresses;
  }

  /** The memory behind a cookie, null for 0. Halts the box where the kernel would oops. */
  resolve(lo: number, hi: number): TeeShm | null {
    if (lo === 0 && hi === 0) return null;
    const shm = this.#addresses.find(lo, hi);
    if (shm instanceof TeeShm) return shm;
    throw this.#sched.halt('kernel BUG', oops(lo, hi));
  }

  /** The same where the kernel does not expect 0. */
  deref(lo: number, hi: number): TeeShm {
    const shm = this.resolve(lo, hi);
    if (shm === null) throw this.#sched.halt('kernel BUG', oops(0, 0));
    return shm;
  }
}

function oops(lo: number, hi: number): string {
  const hex = (n: number): string => n.toString(16).padStart(8, '0');
  return `Unable to handle kernel paging request at virtual address ${hex(hi)}${hex(lo)}: the secure world named shared memory that does not exist`;
}
