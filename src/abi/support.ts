/**
 * How a room declares what it supports: one row for each ioctl, SMC, RPC command, PTA command,
 * TA system call and GlobalPlatform function. `teebox support` and the support page print them.
 */
export interface SupportRow {
  /** `ioctl`, `SMC`, `RPC`, `PTA`, `syscall`, `Internal Core API`, `Client API`, `machine`, … */
  readonly area: string;
  /** The upstream name. */
  readonly name: string;
  readonly status: 'supported' | 'partial' | 'absent';
  /** Why it is partial, or which error an absent one gives. */
  readonly note?: string;
}
