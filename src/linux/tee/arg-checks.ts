/** What the ioctls with parameters check of their argument before they look at its parameters. */
import { EFAULT, EINVAL } from '../../abi/errno.ts';
import { TeeIoctlParam } from '../../abi/tee.ts';
import type { Va } from '../../machine/address.ts';
import type { UserMemory } from '../mm/user-memory.ts';
import { refuse } from './refuse.ts';
import type { TeeContext } from './tee-context.ts';
import type { UserArg } from './user-arg.ts';

const PARAM_SIZE = TeeIoctlParam.byteLength;

/** The driver has no such operation: a supplicant's on a client device, or the other way round. */
export function noSuchOperation(ctx: TeeContext): number {
  return refuse(ctx.trace, EINVAL, `the driver of ${ctx.teedev.name} has no such operation`);
}

/**
 * Reads the `tee_ioctl_buf_data` at `at`, and the header that it points to.
 * @param size bytes of the header.
 * @param first where upstream starts to read it.
 * @returns 0, -EFAULT or -EINVAL.
 */
export function openArg(
  ctx: TeeContext,
  mm: UserMemory,
  arg: UserArg,
  at: Va,
  size: number,
  first = 0,
): number {
  const rc = arg.open(mm, at, size, first);
  if (rc === 0) return arg.has(mm, size) ? 0 : -EFAULT;
  if (rc !== -EINVAL) return rc;
  const limit = arg.bytes.length;
  return refuse(ctx.trace, EINVAL, `buf_len is not between ${size} and ${limit}`, {
    limit: `TEE_MAX_ARG_SIZE=${limit}`,
  });
}

/** `buf_len` must be that of a header of `size` bytes and `count` parameters: 0 or -EINVAL. */
export function checkLength(ctx: TeeContext, arg: UserArg, size: number, count: number): number {
  const needed = size + PARAM_SIZE * count;
  if (needed === arg.length) return 0;
  return refuse(ctx.trace, EINVAL, `buf_len does not fit num_params ${count}`, {
    requested: needed,
    available: arg.length,
  });
}
