/**
 * What C programs do with memory and do to themselves: strings that end with NUL, and signals for
 * what cannot go on.
 */
import { SIGSEGV } from '../../abi/fcntl.ts';
import { UserFault } from '../../linux/process/program-memory.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { Server } from './handlers.ts';

/** The thread kills its process, as abort() and a stray pointer do. */
export function* raise(server: Server, signal: number): Co<never> {
  const { sys } = server;
  yield* sys.tgkill(sys.getpid(), sys.gettid(), signal);
  throw new Error(`tee-supplicant outlives signal ${signal}`);
}

/** Bytes of memory that C code reads whatever they are. */
export function* load(server: Server, at: Va, length: number): Co<Uint8Array> {
  try {
    return server.memory.read(at, length);
  } catch (error) {
    if (!(error instanceof UserFault)) throw error;
  }
  return yield* raise(server, SIGSEGV);
}

/**
 * The string at an address, wherever the buffer that it was meant to be in ends.
 * @returns undefined when it has no end within `most` bytes.
 */
export function* loadString(server: Server, at: Va, most: number): Co<string | undefined> {
  const bytes: number[] = [];
  for (let from = at as number; bytes.length < most;) {
    const part = yield* load(server, va(from), PAGE_SIZE - (from % PAGE_SIZE));
    const end = part.indexOf(0);
    bytes.push(...(end < 0 ? part : part.subarray(0, end)));
    if (end >= 0) return bytes.length < most ? textOf(bytes) : undefined;
    from += part.length;
  }
  return undefined;
}

const textOf = (bytes: readonly number[]): string =>
  new TextDecoder().decode(Uint8Array.from(bytes));
