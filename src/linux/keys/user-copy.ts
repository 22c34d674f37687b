/** Strings and buffers of the caller (lib/strncpy_from_user.c, mm/util.c: strndup_user()). */
import { EFAULT, EINVAL } from '../../abi/errno.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { Thread } from '../process/thread.ts';

const decoder = new TextDecoder();

/**
 * A string that ends within `size` bytes, NUL included; -EFAULT, or -EINVAL for a longer one.
 * Pages are read one by one: what lies behind the NUL need not be there.
 */
export function userString(thread: Thread, at: Va, size: number): string | number {
  const bytes = new Uint8Array(size);
  for (let done = 0; done < size;) {
    const start = va(at + done);
    const piece = bytes.subarray(done, Math.min(size, done + PAGE_SIZE - (start % PAGE_SIZE)));
    if (!thread.process.mm.read(start, piece)) return -EFAULT;
    const end = piece.indexOf(0);
    if (end >= 0) return decoder.decode(bytes.subarray(0, done + end));
    done += piece.length;
  }
  return -EINVAL;
}

/** A payload; undefined for none, -EFAULT. */
export function userBytes(thread: Thread, at: Va, length: number): Uint8Array | number | undefined {
  if (length === 0) return undefined;
  const bytes = new Uint8Array(length);
  return thread.process.mm.read(at, bytes) ? bytes : -EFAULT;
}
