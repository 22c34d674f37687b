/**
 * A TEE as the source of trust: a TA seals and unseals with a key that only it can derive.
 *
 * Upstream counterpart: security/keys/trusted-keys/trusted_tee.c. The key type exists while the TA
 * does: it is registered by probe() and unregistered by remove().
 */
import { EFAULT } from '../../../abi/errno.ts';
import {
  TA_CMD_GET_RANDOM,
  TA_CMD_SEAL,
  TA_CMD_UNSEAL,
  TRUSTED_KEYS_CMD,
  TRUSTED_KEYS_UUID,
} from '../../../abi/pta.ts';
import { codeName } from '../../../abi/layout.ts';
import {
  TEE_GEN_CAP_REG_MEM,
  TEE_IMPL_ID_OPTEE,
  TEE_IOCTL_LOGIN_REE_KERNEL,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
} from '../../../abi/tee.ts';
import { NIL_UUID } from '../../../abi/uuid.ts';
import type { Co } from '../../../sched/task.ts';
import type { KeyType } from '../../keys/key.ts';
import type { Keys } from '../../keys/keys.ts';
import type { TeeClientDevice, TeeClientDriver } from '../../tee/tee-bus.ts';
import type { TeeParam } from '../../tee/tee-drv.ts';
import { teeShmRegisterKernelBuf } from '../../tee/tee-shm-register.ts';
import type { TeeShm } from '../../tee/tee-shm.ts';
import type { TeeSubsystem } from '../../tee/tee-subsystem.ts';
import type { ClientSwitches } from '../switches.ts';
import { hex, newParams, openTaSession, succeeded } from '../ta-session.ts';
import type { TaSession } from '../ta-session.ts';
import { KEY_BYTES } from './trusted-type.ts';
import type { TrustedKeyOps, TrustedKeyPayload } from './trusted-type.ts';

const INPUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
const OUTPUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT;

/** A piece of what is registered: `p->key` at 0, `p->blob` behind it. */
interface Piece {
  readonly attr: number;
  readonly offset: number;
  readonly size: number;
}

export class TrustedTee implements TrustedKeyOps, TeeClientDriver {
  readonly migratable = false;
  readonly name = 'trusted-key-tee';
  readonly idTable = [TRUSTED_KEYS_UUID, NIL_UUID];
  readonly #tee: TeeSubsystem;
  readonly #keys: Keys;
  readonly #keyType: KeyType;
  readonly #needsRegMem: boolean;
  /** pvt_data */
  #session: TaSession | undefined;

  constructor(
    tee: TeeSubsystem,
    keys: Keys,
    keyType: KeyType,
    { trustedNeedsRegMem }: ClientSwitches,
  ) {
    this.#tee = tee;
    this.#keys = keys;
    this.#keyType = keyType;
    this.#needsRegMem = trustedNeedsRegMem;
  }

  init(): Co<number> {
    return this.#tee.bus.registerDriver(this);
  }

  exit(): Co<void> {
    return this.#tee.bus.unregisterDriver(this);
  }

  *probe(device: TeeClientDevice): Co<number> {
    const match = ({ implId, genCaps }: { implId: number; genCaps: number }): boolean =>
      implId === TEE_IMPL_ID_OPTEE && (!this.#needsRegMem || (genCaps & TEE_GEN_CAP_REG_MEM) !== 0);
    const session = yield* openTaSession(this.#tee, device, TEE_IOCTL_LOGIN_REE_KERNEL, match);
    if (typeof session === 'number') return session;
    this.#session = session;
    const rc = this.#keys.registerType(this.#keyType);
    if (rc < 0) yield* this.#closeSession();
    return rc;
  }

  *remove(): Co<void> {
    yield* this.#keys.unregisterType(this.#keyType);
    yield* this.#closeSession();
  }

  *seal(payload: TrustedKeyPayload): Co<number> {
    const size = yield* this.#call(TA_CMD_SEAL, payload, payload.sealedBytes, [
      { attr: INPUT, offset: 0, size: payload.keyLen },
      { attr: OUTPUT, offset: KEY_BYTES, size: payload.maxBlobSize },
    ]);
    if (size < 0) return size;
    payload.blobLen = size;
    return 0;
  }

  *unseal(payload: TrustedKeyPayload): Co<number> {
    const size = yield* this.#call(TA_CMD_UNSEAL, payload, payload.sealedBytes, [
      { attr: INPUT, offset: KEY_BYTES, size: payload.blobLen },
      { attr: OUTPUT, offset: 0, size: KEY_BYTES },
    ]);
    if (size < 0) return size;
    payload.keyLen = size;
    return 0;
  }

  *getRandom(payload: TrustedKeyPayload, length: number): Co<number> {
    return yield* this.#call(TA_CMD_GET_RANDOM, payload, length, [
      { attr: OUTPUT, offset: 0, size: length },
    ]);
  }

  /**
   * One command, on memory that is registered for as long as it takes.
   * @param bytes from p->key.
   * @returns the size of the last piece, which is the output; -EFAULT whatever the TEE answers, or
   * why the memory could not be registered.
   */
  *#call(
    func: number,
    payload: TrustedKeyPayload,
    bytes: number,
    pieces: readonly Piece[],
  ): Co<number> {
    const session = this.#session!;
    const shm = yield* teeShmRegisterKernelBuf(session.ctx, payload.keyAddress, bytes);
    if (typeof shm === 'number') {
      session.error(func === TA_CMD_GET_RANDOM ? 'key shm register failed' : 'shm register failed');
      return shm;
    }
    const params = newParams();
    pieces.forEach((piece, n) => setMemref(params[n]!, shm, piece));
    const outcome = yield* session.invoke(func, params);
    if (!succeeded(outcome)) {
      session.error(`${codeName(TRUSTED_KEYS_CMD, func)} invoke err: ${hex(outcome.ret)}`);
    }
    yield* shm.put();
    return succeeded(outcome) ? params[pieces.length - 1]!.size : -EFAULT;
  }

  *#closeSession(): Co<void> {
    yield* this.#session!.close();
    this.#session = undefined;
  }
}

function setMemref(param: TeeParam, shm: TeeShm, { attr, offset, size }: Piece): void {
  param.attr = attr;
  param.shm = shm;
  param.shmOffs = offset;
  param.size = size;
}
