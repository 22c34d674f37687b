/** Signals that end programs, to a command that has programs of its own. */
import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';

export const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];
/** A terminal sends these to its programs too, which decide what they mean. */
const FROM_TERMINALS: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT']);

/** From its making on none of them ends this process: they are kept until somebody takes them. */
export class Signals {
  readonly #kept: NodeJS.Signals[] = [];
  #taker: ((signal: NodeJS.Signals) => void) | undefined;

  constructor() {
    for (const signal of SIGNALS) process.on(signal, () => this.#come(signal));
  }

  /** The first that nobody has taken. */
  get first(): NodeJS.Signals | undefined {
    return this.#kept[0];
  }

  /** From now on they are for this one, those that have come too. */
  take(taker: (signal: NodeJS.Signals) => void): void {
    this.#taker = taker;
    for (const signal of this.#kept.splice(0)) taker(signal);
  }

  #come(signal: NodeJS.Signals): void {
    if (this.#taker === undefined) this.#kept.push(signal);
    else this.#taker(signal);
  }
}

/** Whether a program in this process's session has a signal already when this process gets it. */
export function isShared(signal: NodeJS.Signals): boolean {
  if (!FROM_TERMINALS.has(signal)) return false;
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/** Its number; 0 for none. */
export function signalNumber(name: string | null): number {
  const numbers: Readonly<Record<string, number>> = constants.signals;
  return name === null ? 0 : (numbers[name] ?? 0);
}
