/**
 * OP-TEE's random numbers as a hardware generator.
 *
 * Upstream counterpart: drivers/char/hw_random/optee-rng.c. remove() closes the session before the
 * generator is unregistered, as devres has it: a read in between gets an error of the TEE.
 */
import { EINVAL } from '../../../abi/errno.ts';
import { PTA_CMD_GET_ENTROPY, PTA_CMD_GET_RNG_INFO, PTA_RNG_UUID } from '../../../abi/pta.ts';
import {
  TEE_IMPL_ID_OPTEE,
  TEE_IOCTL_LOGIN_PUBLIC,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
} from '../../../abi/tee.ts';
import { NIL_UUID } from '../../../abi/uuid.ts';
import type { Co } from '../../../sched/task.ts';
import type { TeeClientDevice, TeeClientDriver } from '../../tee/tee-bus.ts';
import { teeShmAllocKernelBuf } from '../../tee/tee-shm-alloc.ts';
import type { TeeShm } from '../../tee/tee-shm.ts';
import type { TeeSubsystem } from '../../tee/tee-subsystem.ts';
import { deviceError, hex, newParams, openTaSession, succeeded } from '../ta-session.ts';
import type { TaSession } from '../ta-session.ts';
import type { HwRandom, Hwrng, HwrngOps } from './hwrng.ts';

const NAME = 'optee-rng';
/** MAX_ENTROPY_REQ_SZ, bytes. */
const MAX_ENTROPY_REQ_SZ = 4 * 1024;
const NS_PER_MS = 1e6;
/** So often a reader waits for what was missing. */
const RETRIES = 1;

/** struct optee_rng_private */
class OpteeRng implements HwrngOps {
  readonly name = NAME;
  readonly session: TaSession;
  /** Bytes per second; 0 for a generator that has all at once. */
  readonly #dataRate: number;
  readonly quality: number;
  #pool: TeeShm | undefined;

  constructor(session: TaSession, dataRate: number, quality: number) {
    this.session = session;
    this.#dataRate = dataRate;
    this.quality = quality;
  }

  *init(): Co<number> {
    const shm = yield* teeShmAllocKernelBuf(this.session.ctx, MAX_ENTROPY_REQ_SZ);
    if (typeof shm === 'number') {
      this.session.error('tee_shm_alloc_kernel_buf failed');
      return shm;
    }
    this.#pool = shm;
    return 0;
  }

  *cleanup(): Co<void> {
    yield* this.#pool!.put();
    this.#pool = undefined;
  }

  /** optee_rng_read(): never an error; what the TEE refuses is 0 bytes. */
  *read(out: Uint8Array, wait: boolean): Co<number> {
    const max = Math.min(out.length, MAX_ENTROPY_REQ_SZ);
    const { sched } = this.session.ctx.teedev.kernel;
    for (let read = 0, left = RETRIES; ; left--) {
      read += yield* this.#getData(out.subarray(read, max));
      if (!wait || this.#dataRate === 0 || left === 0 || read >= max) return read;
      const ms = Math.floor((1000 * (max - read)) / this.#dataRate);
      yield* sched.sleep(ms * NS_PER_MS, 'uninterruptible', 'msleep');
    }
  }

  /** get_optee_rng_data() */
  *#getData(out: Uint8Array): Co<number> {
    const shm = this.#pool!;
    const params = newParams();
    const entropy = params[0]!;
    entropy.attr = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT;
    entropy.shm = shm;
    entropy.size = out.length;
    const outcome = yield* this.session.invoke(PTA_CMD_GET_ENTROPY, params);
    if (!succeeded(outcome)) {
      this.session.error(`TA_CMD_GET_ENTROPY invoke err: ${hex(outcome.ret)}`);
      return 0;
    }
    const { size } = entropy;
    if (size > out.length) {
      const { kernel } = this.session.ctx.teedev;
      kernel.bug(`optee-rng: ${size} bytes are copied to a buffer of ${out.length}`);
    }
    if (size > 0) out.set(shm.map(0, size, 'read').bytes);
    return size;
  }
}

export class OpteeRngDriver implements TeeClientDriver {
  readonly name = NAME;
  readonly idTable = [PTA_RNG_UUID, NIL_UUID];
  readonly #tee: TeeSubsystem;
  readonly #core: HwRandom;
  #rng: Hwrng | undefined;
  #session: TaSession | undefined;

  constructor(tee: TeeSubsystem, core: HwRandom) {
    this.#tee = tee;
    this.#core = core;
  }

  *probe(device: TeeClientDevice): Co<number> {
    const isOptee = ({ implId }: { implId: number }): boolean => implId === TEE_IMPL_ID_OPTEE;
    const session = yield* openTaSession(this.#tee, device, TEE_IOCTL_LOGIN_PUBLIC, isOptee);
    if (typeof session === 'number') return session;
    const rc = yield* this.#register(session, device);
    if (rc !== 0) yield* session.close();
    else this.#session = session;
    return rc;
  }

  *remove(): Co<void> {
    yield* this.#session!.close();
    yield* this.#core.unregister(this.#rng!);
    this.#rng = undefined;
    this.#session = undefined;
  }

  *#register(session: TaSession, device: TeeClientDevice): Co<number> {
    const params = newParams();
    const info = params[0]!;
    info.attr = TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT;
    const outcome = yield* session.invoke(PTA_CMD_GET_RNG_INFO, params);
    if (!succeeded(outcome)) {
      session.error(`TA_CMD_GET_RNG_INFO invoke err: ${hex(outcome.ret)}`);
      return -EINVAL;
    }
    const rng = yield* this.#core.register(new OpteeRng(session, info.aLo, info.bLo & 0xffff));
    if (typeof rng === 'number') {
      deviceError(this.#tee, device, `hwrng registration failed (${rng})`);
      return rng;
    }
    this.#rng = rng;
    return 0;
  }
}
