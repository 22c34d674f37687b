/** What `device-target.ts` and its agents tell each other: lines of JSON, one answer to each call. */

/** System calls whose arguments are numbers. */
type PlainCall = 'close' | 'dup' | 'ioctl' | 'munmap' | 'mprotect' | 'read';

export type AgentCall =
  | { readonly op: 'open'; readonly path: string }
  | {
      readonly op: 'mmap';
      readonly length: number;
      readonly prot: number;
      readonly flags: number;
      readonly fd: number;
      readonly offset: number;
    }
  | { readonly op: 'peek'; readonly at: number; readonly length: number }
  | { readonly op: 'poke'; readonly at: number; readonly hex: string }
  | { readonly op: 'call'; readonly name: PlainCall; readonly args: readonly number[] }
  | { readonly op: 'heir'; readonly token: string };

/** An agent's first line. */
export interface AgentHello {
  readonly token: string;
  readonly pid: number;
}

export interface AgentReply {
  readonly result: number | string;
}
