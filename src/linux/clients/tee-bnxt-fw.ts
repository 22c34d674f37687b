/**
 * Firmware of Broadcom's bnxt network controllers: a TA boots it and hands over its core dumps.
 *
 * Upstream counterpart: drivers/firmware/broadcom/tee_bnxt_fw.c, whose two functions the network
 * driver calls.
 */
import { EINVAL, ENODEV } from '../../abi/errno.ts';
import { BNXT_UUID, TA_CMD_BNXT_COPY_COREDUMP, TA_CMD_BNXT_FASTBOOT } from '../../abi/pta.ts';
import {
  TEE_IMPL_ID_OPTEE,
  TEE_IOCTL_LOGIN_PUBLIC,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
} from '../../abi/tee.ts';
import { NIL_UUID } from '../../abi/uuid.ts';
import type { Co } from '../../sched/task.ts';
import type { TeeClientDevice, TeeClientDriver } from '../tee/tee-bus.ts';
import type { TeeParam } from '../tee/tee-drv.ts';
import { teeShmAllocKernelBuf } from '../tee/tee-shm-alloc.ts';
import type { TeeShm } from '../tee/tee-shm.ts';
import type { TeeSubsystem } from '../tee/tee-subsystem.ts';
import type { ClientSwitches } from './switches.ts';
import { hex, newParams, openTaSession, succeeded } from './ta-session.ts';
import type { Outcome, TaSession } from './ta-session.ts';

/** MAX_SHM_MEM_SZ, bytes. */
const MAX_SHM_MEM_SZ = 4 << 20;

interface Private {
  readonly session: TaSession;
  readonly shm: TeeShm;
}

export class TeeBnxtFw implements TeeClientDriver {
  readonly name = 'tee_bnxt_fw';
  readonly idTable = [BNXT_UUID, NIL_UUID];
  readonly #tee: TeeSubsystem;
  readonly #switches: ClientSwitches;
  #private: Private | undefined;
  /** pvt_data.ctx is left from a probe that failed. */
  #dangling = false;

  constructor(tee: TeeSubsystem, switches: ClientSwitches) {
    this.#tee = tee;
    this.#switches = switches;
  }

  *probe(device: TeeClientDevice): Co<number> {
    const rc = yield* this.#probe(device);
    this.#dangling = rc !== 0 && this.#switches.quirkBnxtFailedProbe;
    return rc;
  }

  *#probe(device: TeeClientDevice): Co<number> {
    const isOptee = ({ implId }: { implId: number }): boolean => implId === TEE_IMPL_ID_OPTEE;
    const session = yield* openTaSession(this.#tee, device, TEE_IOCTL_LOGIN_PUBLIC, isOptee);
    if (typeof session === 'number') return session;
    const shm = yield* teeShmAllocKernelBuf(session.ctx, MAX_SHM_MEM_SZ);
    if (typeof shm === 'number') {
      session.error('tee_shm_alloc_kernel_buf failed');
      yield* session.close();
      return shm;
    }
    this.#private = { session, shm };
    return 0;
  }

  *remove(): Co<void> {
    const gone = this.#private;
    this.#private = undefined;
    if (gone === undefined) return;
    yield* gone.shm.put();
    yield* gone.session.close();
  }

  /** The machine goes down: calls that come later are -ENODEV. */
  shutdown(): Co<void> {
    return this.remove();
  }

  /** tee_bnxt_fw_load(): 0, -ENODEV without the TA, -EINVAL whatever the TEE answers. */
  *load(): Co<number> {
    if (this.#private === undefined) return this.#absent();
    const { session } = this.#private;
    const outcome = yield* session.invoke(TA_CMD_BNXT_FASTBOOT, newParams());
    return succeeded(outcome) ? 0 : failed(session, 'FASTBOOT', outcome);
  }

  /**
   * tee_bnxt_copy_coredump()
   * @param out as many bytes of the dump as are wanted. @param offset into it.
   * @returns as `load`. Pieces before one that fails are copied.
   */
  *copyCoredump(out: Uint8Array, offset: number): Co<number> {
    if (this.#private === undefined) return this.#absent();
    const { session, shm } = this.#private;
    const params = newParams();
    const [dump, range] = [params[0]!, params[1]!];
    dump.attr = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT;
    dump.shm = shm;
    dump.size = MAX_SHM_MEM_SZ;
    range.attr = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT;
    for (let done = 0; done < out.length;) {
      // The size is what the TA left there in the call before: pieces may get smaller, never larger.
      const bytes = this.#pieceOf(dump, out.length - done);
      range.aLo = offset + done;
      range.bLo = bytes;
      const outcome = yield* session.invoke(TA_CMD_BNXT_COPY_COREDUMP, params);
      if (!succeeded(outcome)) return failed(session, 'COPY_COREDUMP', outcome);
      out.set(shm.map(0, bytes, 'read').bytes, done);
      done += bytes;
    }
    return 0;
  }

  #absent(): number {
    if (!this.#dangling) return -ENODEV;
    return this.#tee.kernel.bug(
      'use after free: tee_bnxt_fw calls through the context of a probe that failed',
    );
  }

  #pieceOf(dump: TeeParam, left: number): number {
    const { kernel } = this.#tee;
    const bytes = Math.min(left, dump.size);
    if (bytes === 0) kernel.bug('soft lockup: tee_bnxt_copy_coredump() asks for 0 bytes for ever');
    if (bytes > MAX_SHM_MEM_SZ) kernel.bug('tee_bnxt_fw: the core dump is read past its buffer');
    return bytes;
  }
}

function failed(session: TaSession, command: string, { rc, ret }: Outcome): number {
  session.error(`TA_CMD_BNXT_${command} invoke failed TEE err: ${hex(ret)}, ret:${hex(rc)}`);
  return -EINVAL;
}
