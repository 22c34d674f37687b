/**
 * What a conformance spec runs on: processes that make system calls on `/dev/tee0`. One interface
 * over a box (`box-target.ts`) and over a real kernel (`device-target.ts`). Results are as the
 * system calls give them, with a negative errno for a failure; addresses are the process's own.
 */

/** Arguments of mmap(). */
export interface MapRequest {
  readonly length: number;
  readonly prot: number;
  /** MAP_* */
  readonly flags: number;
  readonly fd?: number;
  readonly offset?: number;
}

export interface TeeProcess {
  /** With O_RDWR. */
  open(path: string): Promise<number>;
  close(fd: number): Promise<number>;
  dup(fd: number): Promise<number>;
  ioctl(fd: number, cmd: number, arg: number): Promise<number>;
  mmap(request: MapRequest): Promise<number>;
  munmap(at: number, length: number): Promise<number>;
  mprotect(at: number, length: number, prot: number): Promise<number>;
  read(fd: number, at: number, count: number): Promise<number>;
  /** Loads from its memory, which must be there. */
  peek(at: number, length: number): Promise<Uint8Array>;
  /** Stores to its memory. */
  poke(at: number, bytes: Uint8Array): Promise<void>;
  /** A child that fork() and exec() made: the same files at the same numbers, memory of its own. */
  heir(): Promise<TeeProcess>;
  /** Ends it, wherever it is; resolves when it is gone. */
  exit(): Promise<void>;
}

export interface Cred {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** What a spec may need beyond a client device. */
export type Need =
  /** `/dev/teepriv0` for itself, and an OP-TEE without supplicant. */
  | 'privileged'
  /** The public example TAs hello_world and random. */
  | 'example TAs'
  /** The TA in `probe-ta.ts`. */
  | 'probe TA'
  /** Processes of several users. */
  | 'users';

export interface TeeTarget {
  readonly name: string;
  /** As `uname -r` gives it. */
  readonly release: string;
  /** Whether the kernel is without upstream's bugs, as the profile `hardened` is. */
  readonly isHardened: boolean;
  readonly client: string;
  /** Path of the privileged device; undefined where there is none to use. */
  readonly privileged: string | undefined;
  /** Why a need cannot be met here; undefined when it can. */
  lacks(need: Need): string | undefined;
  /** A process of root's, or of somebody else's. */
  process(cred?: Cred): Promise<TeeProcess>;
  /** What a file says; undefined when there is none. */
  readFile(path: string): Promise<string | undefined>;
  /** What the processes that have exited left behind, as far as the target can tell. */
  leftovers(): Promise<readonly string[]>;
}
