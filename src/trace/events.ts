/**
 * The catalogue of everything that a box reports: one entry an event, with its arguments' types.
 * Rooms emit by name; sinks and exporters read the names and know the arguments.
 * Times are nanoseconds of the box's clock; addresses are physical unless the name says otherwise.
 */

/** Where an event happened. `client` is user space, `linux` the kernel, `ta` inside a TA. */
export type World = 'client' | 'linux' | 'secure' | 'ta' | 'machine' | 'box';

/**
 * Why a guest-visible error was returned: what the caller cannot tell from the code alone.
 * Sizes are bytes unless the limit's name says otherwise.
 */
export interface Cause {
  /** `linux/tee`, `optee-os`, `supplicant`… — the room that decided. */
  readonly layer: string;
  /** The code as it was returned: `-ENOMEM`, `TEE_ERROR_BUSY`. */
  readonly code: string;
  readonly text: string;
  /** The thing that refused: a pool, a table, a file. */
  readonly object?: string;
  readonly requested?: number;
  readonly available?: number;
  /** The limit's upstream name and value, such as `CFG_NUM_THREADS=2`. */
  readonly limit?: string;
  /** What to do about it. */
  readonly hint?: string;
  /** What came before it, oldest first, in a phrase each: as far as the trace's level records it. */
  readonly events?: readonly string[];
}

/** Severity of a log line, as OP-TEE's trace levels and the kernel's have it in common. */
export type LogLevel = 'error' | 'warning' | 'info' | 'debug';

/** The arguments of each event. A type, so that an event can be stored as a plain record. */
export interface EventArgs {
  // --- user space and system calls
  'syscall.enter': { pid: number; name: string; args: readonly (number | string)[] };
  'syscall.exit': { pid: number; name: string; result: number };
  'ioctl.enter': {
    pid: number;
    fd: number;
    path: string;
    cmd: number;
    arg: number;
    bytes: Uint8Array;
  };
  'ioctl.exit': { pid: number; fd: number; cmd: number; result: number; bytes: Uint8Array };
  /** The variable-sized buffer of a TEE ioctl as it was read (`in`) or will be written (`out`). */
  'tee.buffer': { cmd: number; direction: 'in' | 'out'; bytes: Uint8Array };
  'process.start': { pid: number; name: string; uid: number };
  'process.exit': { pid: number; status: string };
  'signal.send': { pid: number; signal: number };
  // --- kernel
  'tee.open': { device: string; context: number };
  'tee.release': { device: string; context: number };
  'shm.alloc': { id: number; context: number; sizeBytes: number; how: string };
  'shm.free': { id: number; context: number; sizeBytes: number };
  'supp.request': { request: number; func: number };
  'supp.receive': { request: number; func: number };
  'supp.send': { request: number; ret: number };
  'rpc.begin': { cmd: number; thread: number };
  'rpc.end': { cmd: number; thread: number; ret: number };
  'bus.device': { action: 'add' | 'remove'; name: string };
  pin: { pages: number; delta: number };
  /** A folio has moved; the reason by its name of enum migrate_reason. */
  'page.migrate': { from: number; to: number; pages: number; reason: string };
  /** A candidate of cma_alloc() could not be emptied; `busy` is a page that stays, or 0. */
  'cma.busy': { area: string; address: number; pages: number; busy: number };
  // --- machine
  'smc.call': { regs: readonly number[] };
  /** `call` is the function that was called: results are codes for some, data for others. */
  'smc.return': { call: number; regs: readonly number[] };
  irq: { line: number; secure: boolean };
  fault: { master: string; address: number; access: 'read' | 'write' };
  // --- secure world
  'thread.alloc': { thread: number };
  'thread.suspend': { thread: number; rpc: number };
  'thread.resume': { thread: number };
  'thread.free': { thread: number };
  'session.open': { session: number; uuid: string };
  'session.close': { session: number; uuid: string };
  'ta.enter': { uuid: string; session: number; entry: string; command: number };
  'ta.leave': { uuid: string; session: number; entry: string; result: number };
  'ta.syscall': { uuid: string; number: number };
  'ta.panic': { uuid: string; code: number; text: string; where: string };
  'ta.lookup': { uuid: string; store: string; outcome: string };
  // --- scheduling
  'task.start': { name: string };
  'task.end': { name: string };
  'task.switch': { from: number; to: number };
  'task.block': { site: string };
  'task.wake': { site: string; status: string };
  // --- everything
  pool: { name: string; used: number; limit: number; unit: string };
  log: { source: string; level: LogLevel; text: string };
  cause: Cause;
  choice: { label: string; chosen: number; of: number };
  halt: { kind: string; text: string };
}

export type EventName = keyof EventArgs;

export interface TraceEvent<N extends EventName = EventName> {
  readonly seq: number;
  /** Nanoseconds of the box's clock. */
  readonly timeNs: number;
  readonly world: World;
  readonly cpu: number;
  /** Id of the task that ran; 0 for none. */
  readonly task: number;
  /** Id of the call that this event belongs to (one per TEE ioctl), 0 for none. */
  readonly flow: number;
  readonly name: N;
  readonly args: EventArgs[N];
}

/** How much a trace holds: each level includes those before it. */
export const TRACE_LEVELS = ['off', 'calls', 'worlds', 'all'] as const;
export type TraceLevel = (typeof TRACE_LEVELS)[number];

/** The level from which an event is recorded. `log`, `cause` and `halt` are kept at every level. */
export const EVENT_LEVELS: { readonly [N in EventName]: TraceLevel } = {
  'syscall.enter': 'all',
  'syscall.exit': 'all',
  'ioctl.enter': 'calls',
  'ioctl.exit': 'calls',
  'tee.buffer': 'calls',
  'process.start': 'calls',
  'process.exit': 'calls',
  'signal.send': 'calls',
  'tee.open': 'calls',
  'tee.release': 'calls',
  'shm.alloc': 'worlds',
  'shm.free': 'worlds',
  'supp.request': 'worlds',
  'supp.receive': 'worlds',
  'supp.send': 'worlds',
  'rpc.begin': 'worlds',
  'rpc.end': 'worlds',
  'bus.device': 'worlds',
  pin: 'all',
  'page.migrate': 'all',
  'cma.busy': 'worlds',
  'smc.call': 'worlds',
  'smc.return': 'worlds',
  irq: 'worlds',
  fault: 'calls',
  'thread.alloc': 'worlds',
  'thread.suspend': 'worlds',
  'thread.resume': 'worlds',
  'thread.free': 'worlds',
  'session.open': 'calls',
  'session.close': 'calls',
  'ta.enter': 'calls',
  'ta.leave': 'calls',
  'ta.syscall': 'all',
  'ta.panic': 'calls',
  'ta.lookup': 'worlds',
  'task.start': 'all',
  'task.end': 'all',
  'task.switch': 'all',
  'task.block': 'all',
  'task.wake': 'all',
  pool: 'worlds',
  log: 'off',
  cause: 'off',
  choice: 'all',
  halt: 'off',
};
