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

/** Bytes that are looked at together for the end of a string. */
const PIECE = 64;

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
  for (let length = 0; length < most;) {
    const from = at + length;
    const piece = Math.min(PIECE, PAGE_SIZE - (from % PAGE_SIZE));
    const part = yield* load(server, va(from), piece);
    const end = part.indexOf(0);
    length += end < 0 ? piece : end;
    if (end >= 0 && length < most) return utf8.decode(yield* load(server, at, length));
  }
  return undefined;
}

const utf8 = new TextDecoder();
