/** Errors towards callers, with their cause beside them. */
import { formatErrno } from '../../abi/errno.ts';
import type { Trace } from '../../trace/trace.ts';
import type { Cause } from '../../trace/events.ts';

/** What a cause may say besides its text. */
export type CauseDetails = Omit<Cause, 'layer' | 'code' | 'text'>;

/** Notes why, and gives the negative errno to return. */
export function refuse(trace: Trace, errno: number, text: string, more?: CauseDetails): number {
  trace.cause('linux', { layer: 'linux/tee', code: formatErrno(-errno), text, ...more });
  return -errno;
}
