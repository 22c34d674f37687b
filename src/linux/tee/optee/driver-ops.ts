/**
 * The operations of the driver's two devices: one for clients, one for a supplicant.
 * Upstream counterpart: drivers/tee/optee/smc_abi.c, section 6 (optee_clnt_ops, optee_supp_ops).
 */
import {
  OPTEE_SMC_SEC_CAP_DYNAMIC_SHM,
  OPTEE_SMC_SEC_CAP_MEMREF_NULL,
} from '../../../abi/optee-smc.ts';
import {
  TEE_GEN_CAP_GP,
  TEE_GEN_CAP_MEMREF_NULL,
  TEE_GEN_CAP_REG_MEM,
  TEE_IMPL_ID_OPTEE,
  TEE_OPTEE_CAP_TZ,
} from '../../../abi/tee.ts';
import type { TeeDesc, TeeDriverOps, TeeVersion } from '../tee-drv.ts';
import { opteeOpen, opteeRelease, opteeReleaseSupp } from './context.ts';
import type { Optee } from './optee.ts';
import { buildIdDigits, formatRevision } from './secure-config.ts';
import { cancelReq, closeSession, invokeFunc, openSession, systemSession } from './session.ts';
import { checkMemType, shmRegister, shmUnregister } from './shm.ts';

/** What both devices answer alike. */
type Common = Pick<TeeDriverOps, 'getVersion' | 'getTeeRevision' | 'open'>;

function commonOps(optee: Optee): Common {
  const { secure, switches } = optee;
  const version = getVersion(secure.secCaps);
  const common: Common = {
    getVersion: () => version,
    open: (ctx) => opteeOpen(optee, ctx),
  };
  if (!switches.teeRevision) return common;
  const revision = formatRevision(secure.revision, buildIdDigits(switches));
  return { ...common, getTeeRevision: () => revision };
}

/** optee_get_version() */
function getVersion(secCaps: number): TeeVersion {
  const regMem = (secCaps & OPTEE_SMC_SEC_CAP_DYNAMIC_SHM) !== 0 ? TEE_GEN_CAP_REG_MEM : 0;
  const memrefNull = (secCaps & OPTEE_SMC_SEC_CAP_MEMREF_NULL) !== 0 ? TEE_GEN_CAP_MEMREF_NULL : 0;
  return {
    implId: TEE_IMPL_ID_OPTEE,
    implCaps: TEE_OPTEE_CAP_TZ,
    genCaps: TEE_GEN_CAP_GP | regMem | memrefNull,
  };
}

/** optee_clnt_desc */
export function clntDesc(optee: Optee): TeeDesc {
  const ops: TeeDriverOps = {
    ...commonOps(optee),
    release: (ctx) => opteeRelease(optee, ctx),
    openSession: (ctx, arg, params, current) => openSession(optee, ctx, arg, params, current),
    closeSession: (ctx, session) => closeSession(optee, ctx, session),
    invokeFunc: (ctx, arg, params) => invokeFunc(optee, ctx, arg, params),
    cancelReq: (ctx, cancelId, session) => cancelReq(optee, ctx, cancelId, session),
    shmRegister: (_ctx, shm, pages, start, current) =>
      shmRegister(optee, shm, pages, start, current),
    shmUnregister: (_ctx, shm) => shmUnregister(optee, shm),
    ...(optee.switches.threadCount && {
      systemSession: (ctx, session) => systemSession(optee, ctx, session),
    }),
  };
  return { name: 'optee-clnt', ops, privileged: false };
}

/**
 * optee_supp_desc. A supplicant's memory is not registered: what the secure world must know of it
 * is in the answers to its RPCs.
 */
export function suppDesc(optee: Optee): TeeDesc {
  const { supp, switches } = optee;
  const ops: TeeDriverOps = {
    ...commonOps(optee),
    release: (ctx) => opteeReleaseSupp(optee, ctx),
    suppRecv: (_ctx, params) => supp.recv(params),
    suppSend: (_ctx, ret, params) => supp.send(ret, params),
    *shmRegister(_ctx, _shm, pages, start, current) {
      return checkMemType(optee, start, pages.length, current);
    },
    *shmUnregister() {
      return 0;
    },
    ...(!switches.quirkSuppReleaseByShm && { closeContext: (ctx) => supp.release(ctx) }),
  };
  return { name: 'optee-supp', ops, privileged: true };
}
