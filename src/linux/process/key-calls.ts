/**
 * What processes ask of the key retention service, where a kernel has one (CONFIG_KEYS). Without it
 * add_key() and keyctl() are -ENOSYS. Implemented in linux/keys.
 */
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { Thread } from './thread.ts';
import type { Process } from './user-process.ts';

export interface KernelKeys {
  /** @returns the key's serial number, or a negative errno. Addresses are the caller's. */
  addKey(
    thread: Thread,
    type: Va,
    description: Va,
    payload: Va,
    plen: number,
    ring: number,
  ): Co<number>;
  keyctl(thread: Thread, option: number, args: readonly number[]): Co<number>;
  /** copy_creds(): the child shares the session keyring. */
  fork(parent: Process, child: Process): void;
  /** The new image has the session keyring only. */
  exec(process: Process): void;
  exit(process: Process): void;
}
