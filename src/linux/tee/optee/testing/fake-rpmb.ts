/** For tests: the kernel's RPMB class, with devices that a test adds. */
import { EINVAL } from '../../../../abi/errno.ts';
import * as smc from '../../../../abi/optee-smc.ts';
import type { RpmbClass, RpmbDevice } from '../../../rpmb/rpmb-core.ts';

export function makeRpmb(): { rpmb: RpmbClass; add(device: RpmbDevice): void } {
  const devices: RpmbDevice[] = [];
  const listeners = new Set<(device: RpmbDevice) => void>();
  return {
    rpmb: {
      devices,
      onAdd(fn) {
        listeners.add(fn);
        return () => listeners.delete(fn);
      },
    },
    add(device) {
      devices.push(device);
      for (const fn of listeners) fn(device);
    },
  };
}

export const emmc = (cid: number): RpmbDevice => ({
  type: 'emmc',
  devId: new Uint8Array(16).fill(cid),
  capacity: 32,
  reliableWrCount: 1,
  *routeFrames(request, response) {
    response.fill(cid);
    return request.length === 512 ? 0 : -EINVAL;
  },
});

/** Of a secure world that makes use of it. */
export const RPMB_CAPS =
  smc.OPTEE_SMC_SEC_CAP_DYNAMIC_SHM |
  smc.OPTEE_SMC_SEC_CAP_RPC_ARG |
  smc.OPTEE_SMC_SEC_CAP_RPMB_PROBE;
