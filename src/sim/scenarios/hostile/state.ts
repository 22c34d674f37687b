/** What a hostile supplicant knows, and with what its threads work. */
import { TEE_IOCTL_PARAM_ATTR_TYPE_NONE } from '../../../abi/tee.ts';
import type { Program } from '../../../linux/process/program.ts';
import { PAGE_SIZE, va } from '../../../machine/address.ts';
import type { Va } from '../../../machine/address.ts';
import type { Run } from '../../run.ts';
import type { RawParam, SuppIoctls } from './ioctls.ts';

/** A request that was received and not answered, as far as the process knows. */
export interface PendingRequest {
  /** Undefined for one that was received without META. */
  readonly id: number | undefined;
  readonly func: number;
  readonly params: readonly RawParam[];
}

/** How a process receives. In a mixed manner it cannot know which request an answer has met. */
export interface Manner {
  readonly threads: 1 | 2;
  readonly receives: 'with META' | 'without META' | 'either way';
}

export const MANNERS: readonly Manner[] = [
  { threads: 1, receives: 'with META' },
  { threads: 2, receives: 'with META' },
  { threads: 1, receives: 'without META' },
  { threads: 2, receives: 'either way' },
];

/** Pages that are registered as answers to SHM_ALLOC. */
export const LENDABLE_PAGES = 4;

/** The process: its threads share it. */
export class HostileProcess {
  readonly run: Run;
  readonly program: Program;
  readonly manner: Manner;
  readonly lendable: Va;
  /** /dev/teepriv0, or -1. */
  fd = -1;
  /**
   * Every request that the kernel considers received by this process and not answered is in here.
   * Others may be too: answering those is -ENOENT.
   */
  readonly pending: PendingRequest[] = [];
  /** Files of shared memory, by id. */
  readonly shms = new Map<number, number>();
  /** Ids of shared memory made through a connection that was closed since. */
  readonly staleIds: number[] = [];
  /** The highest id that was ever received. */
  highestId = 0;
  /** Last orders were given: no more tricks. */
  behaves = false;

  constructor(run: Run, program: Program, manner: Manner) {
    this.run = run;
    this.program = program;
    this.manner = manner;
    this.lendable = program.memory.memalign(PAGE_SIZE, LENDABLE_PAGES * PAGE_SIZE);
  }

  get isOpen(): boolean {
    return this.fd >= 0;
  }

  /** Takes the connection away from the threads. @returns its fd. */
  disconnect(): number {
    const { fd } = this;
    this.fd = -1;
    this.pending.length = 0;
    this.staleIds.push(...this.shms.keys());
    return fd;
  }

  /** The request that may have been answered: whoever answers takes it out first. */
  takePending(request: PendingRequest): void {
    const at = this.pending.indexOf(request);
    if (at >= 0) this.pending.splice(at, 1);
  }
}

export interface HostileThread {
  readonly process: HostileProcess;
  readonly ioctls: SuppIoctls;
}

export const EMPTY: RawParam = { attr: TEE_IOCTL_PARAM_ATTR_TYPE_NONE, a: 0, b: 0, c: 0 };

/** Nothing is ever mapped there. */
export const NOWHERE = va(16);
