/** Parameters on their way to a supplicant and back (drivers/tee/optee/supp.c). */
import {
  TEE_IOCTL_PARAM_ATTR_TYPE_MASK,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
} from '../../../abi/tee.ts';
import type { TeeParam } from '../tee-drv.ts';

const typeOf = (p: TeeParam): number => p.attr & TEE_IOCTL_PARAM_ATTR_TYPE_MASK;

/** tee_param_is_memref() */
export function isMemref(p: TeeParam): boolean {
  const type = typeOf(p);
  return (
    type >= TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT && type <= TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT
  );
}

/** The whole parameter, without a reference on its memory: the asker holds one. */
export function copyParam(to: TeeParam, from: TeeParam): void {
  to.attr = from.attr;
  to.aLo = from.aLo;
  to.aHi = from.aHi;
  to.bLo = from.bLo;
  to.bHi = from.bHi;
  to.cLo = from.cLo;
  to.cHi = from.cHi;
  to.shm = from.shm;
  to.shmOffs = from.shmOffs;
  to.size = from.size;
}

/**
 * Takes what an answer may change: values of outputs, and sizes. What the supplicant wrote to its
 * buffer goes to the box's memory first, all of the window that it was given.
 */
export function updateParam(p: TeeParam, answered: TeeParam): void {
  const type = typeOf(p);
  if (
    type === TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT ||
    type === TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT
  ) {
    p.aLo = answered.aLo;
    p.aHi = answered.aHi;
    p.bLo = answered.bLo;
    p.bHi = answered.bHi;
    p.cLo = answered.cLo;
    p.cHi = answered.cHi;
  } else if (
    type === TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT ||
    type === TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT
  ) {
    p.shm?.syncForDevice(p.shmOffs, p.size);
    p.size = answered.size;
  }
}
