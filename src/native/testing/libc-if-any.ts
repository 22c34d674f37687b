/** The C library for tests that can do without. */
import { NativeUnavailable, loadLibc } from '../libc.ts';
import type { Libc } from '../libc.ts';

/** The host's C library; undefined without koffi or on another system than Linux. */
export function libcIfAny(): Libc | undefined {
  try {
    return loadLibc();
  } catch (error) {
    if (error instanceof NativeUnavailable) return undefined;
    throw error;
  }
}
