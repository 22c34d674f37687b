/**
 * For tests: who is charged what for registered memory, by another way than the kernel's. Nothing is
 * added up while things happen: who has which registration open is noted, and sums are made anew from
 * that each time.
 */
import { PAGE_SIZE } from '../../../machine/address.ts';

/** Pages that come and go together, as one folio. */
export interface ModelFolio {
  readonly pages: number;
}

/** An open context. */
export interface ModelContext {
  readonly kind: 'context';
}

export interface ModelRegistration {
  readonly kind: 'registration';
  readonly context: ModelContext;
  readonly by: ModelProcess;
  /** Pages that are folios of their own. */
  readonly small: number;
  /** Large folios, and who pays for each. */
  readonly large: ReadonlyMap<ModelFolio, ModelProcess>;
}

export interface ModelProcess {
  readonly uid: number;
  /** CAP_IPC_LOCK */
  readonly locks: boolean;
  /** RLIMIT_MEMLOCK, bytes. */
  limit: number;
  /** Pages of its memory that are not mapped. */
  readonly holes: Set<number>;
  /** What it has open, by fd. */
  readonly files: Map<number, ModelContext | ModelRegistration>;
}

export type Outcome = 'registered' | 'over limit' | 'nothing there' | 'not all there';

interface Share {
  readonly payer: ModelProcess;
  readonly pages: number;
}

export class MemlockModel {
  /** Those that are alive. */
  readonly processes = new Set<ModelProcess>();
  /** Folios by page, one page after the other; every process has the same memory. */
  readonly memory: ModelFolio[];
  /** Whether anybody is charged at all. */
  readonly #charges: boolean;

  constructor(memory: readonly ModelFolio[], charges: boolean) {
    this.memory = [...memory];
    this.#charges = charges;
  }

  start(uid: number, locks: boolean, limit: number): ModelProcess {
    const process = { uid, locks, limit, holes: new Set<number>(), files: new Map() };
    this.processes.add(process);
    return process;
  }

  fork(parent: ModelProcess): ModelProcess {
    const { uid, locks, limit, holes, files } = parent;
    const child = { uid, locks, limit, holes: new Set(holes), files: new Map(files) };
    this.processes.add(child);
    return child;
  }

  /** What would come of a registration, and the file that it would be. */
  register(
    by: ModelProcess,
    context: ModelContext,
    first: number,
    count: number,
  ): readonly [Outcome, ModelRegistration] {
    const pages = Array.from({ length: count }, (_, n) => first + n);
    const folios = pages.map((page) => this.memory[page]!);
    const large = new Map<ModelFolio, ModelProcess>();
    for (const folio of folios) {
      if (folio.pages > 1) large.set(folio, this.#payer(context, folio) ?? by);
    }
    const small = folios.filter((folio) => folio.pages === 1).length;
    const file = { kind: 'registration', context, by, small, large } as const;
    if (by.holes.has(first)) return ['nothing there', file];
    if (pages.some((page) => by.holes.has(page))) return ['not all there', file];
    return [this.#fits(file) ? 'registered' : 'over limit', file];
  }

  /** Open registrations, each once. */
  get registrations(): ReadonlySet<ModelRegistration> {
    const open = [...this.processes].flatMap(({ files }) => [...files.values()]);
    return new Set(open.filter((file) => file.kind === 'registration'));
  }

  /** user_struct->locked_vm, pages. */
  lockedVm(uid: number): number {
    return sum(this.#shares().filter(({ payer }) => payer.uid === uid && !payer.locks));
  }

  /** mm->pinned_vm of a process, alive or not. */
  pinnedVm(process: ModelProcess): number {
    return sum(this.#shares().filter(({ payer }) => payer === process));
  }

  #fits(file: ModelRegistration): boolean {
    const { by } = file;
    if (!this.#charges || by.locks) return true;
    const own = [...file.large].filter(([folio]) => this.#payer(file.context, folio) === undefined);
    const more = file.small + own.reduce((pages, [folio]) => pages + folio.pages, 0);
    return more === 0 || (this.lockedVm(by.uid) + more) * PAGE_SIZE <= by.limit;
  }

  /** Who pays for a folio in a context, if it is registered there. */
  #payer(context: ModelContext, folio: ModelFolio): ModelProcess | undefined {
    const others = [...this.registrations].filter((other) => other.context === context);
    return others.find(({ large }) => large.has(folio))?.large.get(folio);
  }

  #shares(): readonly Share[] {
    if (!this.#charges) return [];
    const shares: Share[] = [];
    const seen = new Map<ModelContext, Set<ModelFolio>>();
    for (const { context, by, small, large } of this.registrations) {
      shares.push({ payer: by, pages: small });
      const counted = seen.get(context) ?? new Set<ModelFolio>();
      seen.set(context, counted);
      for (const [folio, payer] of large) {
        if (!counted.has(folio)) shares.push({ payer, pages: folio.pages });
        counted.add(folio);
      }
    }
    return shares;
  }
}

const sum = (shares: readonly Share[]): number =>
  shares.reduce((pages, share) => pages + share.pages, 0);
