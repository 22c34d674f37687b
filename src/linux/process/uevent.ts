/**
 * Uevents (lib/kobject_uevent.c): what udev would hear when a device comes, goes or changes.
 * Left out: the netlink socket; listeners are functions.
 */

export type UeventAction = 'add' | 'remove' | 'change' | 'bind' | 'unbind';

export interface Uevent {
  /** SEQNUM, from 1. */
  readonly seqnum: number;
  readonly action: UeventAction;
  /** Path below /sys: `/bus/tee/devices/optee-ta-…`. */
  readonly devpath: string;
  readonly subsystem: string;
  /** Further variables, such as MODALIAS. */
  readonly env: Readonly<Record<string, string>>;
}

/** Events kept for late readers; the oldest go first. */
const KEPT = 1024;

export class Uevents {
  readonly #log: Uevent[] = [];
  readonly #listeners = new Set<(event: Uevent) => void>();
  #seqnum = 0;

  /** kobject_uevent_env() */
  emit(
    action: UeventAction,
    devpath: string,
    subsystem: string,
    env: Readonly<Record<string, string>> = {},
  ): void {
    this.#seqnum += 1;
    const event = { seqnum: this.#seqnum, action, devpath, subsystem, env };
    this.#log.push(event);
    if (this.#log.length > KEPT) this.#log.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** Calls `listener` for each event from now on; returns what ends that. */
  listen(listener: (event: Uevent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What was emitted, oldest first. */
  get log(): readonly Uevent[] {
    return this.#log;
  }
}
