/** Errors towards callers and the secure world, with their cause beside them. */
import { formatErrno } from '../../../abi/errno.ts';
import { TEEC_ERROR } from '../../../abi/gp.ts';
import { codeName } from '../../../abi/layout.ts';
import type { Trace } from '../../../trace/trace.ts';
import type { CauseDetails } from '../refuse.ts';

const LAYER = 'linux/tee/optee';

/** Notes why, and gives the negative errno to return. @param errno positive. */
export function refuse(trace: Trace, errno: number, text: string, more?: CauseDetails): number {
  trace.cause('linux', { layer: LAYER, code: formatErrno(-errno), text, ...more });
  return -errno;
}

/** Notes why, and gives the TEEC_Result to answer. */
export function answer(trace: Trace, ret: number, text: string, more?: CauseDetails): number {
  trace.cause('linux', { layer: LAYER, code: codeName(TEEC_ERROR, ret), text, ...more });
  return ret;
}
