/**
 * User events: trace points of programs. A program gives the kernel an address; a bit there says
 * whether anybody listens, and the kernel writes it whenever that changes.
 *
 * Upstream counterpart: kernel/trace/trace_events_user.c (user_event_enabler_write and what leads to
 * it). Left out: the events' data, inheritance by fork.
 */
import { EADDRINUSE, EFAULT, EINVAL, ENOENT, ENOMEM } from '../../abi/errno.ts';
import { PAGE_SIZE, pageOffset, pageStart, va } from '../../machine/address.ts';
import { userFault } from '../mm/fault.ts';
import { FOLL_NOFAULT, FOLL_WRITE } from '../mm/gup-flags.ts';
import { pinSite, pinUser } from '../mm/pin-site.ts';
import type { Thread } from '../process/thread.ts';
import type { Process } from '../process/user-process.ts';

const ENABLER_WRITE = pinSite({
  name: 'user_event_enabler_write',
  call: 'pin_user_pages_remote',
  foll: FOLL_WRITE | FOLL_NOFAULT,
  lifetime: 'short',
  reason: 'The page is unpinned as soon as one bit has been written, before anything sleeps.',
  longterm: false,
});

/** struct user_reg */
export interface UserReg {
  readonly name: string;
  /** Where the bit is, aligned to `enableSize`. */
  readonly enableAddr: number;
  readonly enableBit: number;
  /** Bytes: 4 or 8. */
  readonly enableSize: number;
}

interface Enabler extends UserReg {
  readonly process: Process;
}

/** So often a page is faulted in for one write. */
const MOST_ATTEMPTS = 10;

export class UserEvents {
  #enablers: Enabler[] = [];
  readonly #enabled = new Set<string>();

  /** Addresses that are written when something changes. */
  get size(): number {
    return this.#enablers.length;
  }

  /**
   * DIAG_IOCSREG: 0, -EINVAL, -EFAULT outside of user space, -EADDRINUSE. The bit is written at once;
   * when it cannot be, there is no enabler, which upstream takes for -ENOMEM.
   */
  register({ process }: Thread, reg: UserReg): number {
    const { name, enableAddr, enableBit, enableSize } = reg;
    if (enableSize !== 4 && enableSize !== 8) return -EINVAL;
    if (enableAddr % enableSize !== 0 || enableBit < 0 || enableBit >= 8 * enableSize) {
      return -EINVAL;
    }
    if (!process.mm.accessOk(enableAddr, enableSize)) return -EFAULT;
    if (this.#find(process, enableAddr, enableBit) !== undefined) return -EADDRINUSE;
    const enabler = { ...reg, process };
    if (write(enabler, this.#enabled.has(name)) !== 0) return -ENOMEM;
    this.#enablers.push(enabler);
    return 0;
  }

  /** DIAG_IOCSUNREG: the bit is cleared; 0 or -ENOENT. */
  unregister({ process }: Thread, enableAddr: number, enableBit: number): number {
    const enabler = this.#find(process, enableAddr, enableBit);
    if (enabler === undefined) return -ENOENT;
    this.#enablers = this.#enablers.filter((other) => other !== enabler);
    return write(enabler, false);
  }

  /** A tracer begins or ends to listen. Processes that have gone are forgotten. */
  setEnabled(name: string, enabled: boolean): void {
    if (enabled) this.#enabled.add(name);
    else this.#enabled.delete(name);
    this.#enablers = this.#enablers.filter(({ process }) => process.exitStatus === undefined);
    for (const enabler of this.#enablers) if (enabler.name === name) write(enabler, enabled);
  }

  #find(process: Process, addr: number, bit: number): Enabler | undefined {
    return this.#enablers.find(
      (one) => one.process === process && one.enableAddr === addr && one.enableBit === bit,
    );
  }
}

/** user_event_enabler_write(), with user_event_mm_fault_in() when the page is not there: 0 or -EFAULT. */
function write(enabler: Enabler, set: boolean): number {
  const { process, enableAddr } = enabler;
  const page = Math.floor(enableAddr / PAGE_SIZE);
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    if (writeOnce(enabler, set)) return 0;
    if (userFault(process.mm.mm, page, 'write') !== undefined) return -EFAULT;
  }
  return -EFAULT;
}

/** False: the page could not be pinned, for whatever reason. */
function writeOnce({ process, enableAddr, enableBit }: Enabler, set: boolean): boolean {
  const { mm, kernel } = process;
  const start = va(pageStart(enableAddr));
  const pinned = pinUser(mm, ENABLER_WRITE, start, 1, kernel.pages.switches);
  if (typeof pinned === 'number') return false;
  const at = pageOffset(enableAddr) + (enableBit >> 3);
  const mapping = kernel.port.mapContiguous(pinned.pages, at, 1, 'write');
  const bit = 1 << (enableBit & 7);
  mapping.bytes[0] = set ? mapping.bytes[0]! | bit : mapping.bytes[0]! & ~bit;
  mapping.writeBack();
  pinned.unpin(true);
  return true;
}
