/**
 * The parameters of an operation: into the argument of an ioctl before the call, and out of it after;
 * and the memory that is registered for the length of the call.
 *
 * Upstream counterpart: teec_pre_process_operation(), teec_post_process_operation() and
 * teec_free_temp_refs() of libteec/src/tee_client_api.c. Added: byte arrays as temporary references.
 */
import {
  TEEC_CONFIG_PAYLOAD_REF_COUNT,
  TEEC_MEM_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPE_GET,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import { TeeIoctlParam } from '../../abi/tee.ts';
import type { Va } from '../../machine/address.ts';
import type { ProgramMemory } from '../../linux/process/program-memory.ts';
import type { Co } from '../../sched/task.ts';
import type { Frame } from '../frame.ts';
import { PARAM_KINDS } from './param-kinds.ts';
import type { ParamAccess } from './param-kinds.ts';
import type { SharedMemoryCalls } from './shared-memory.ts';
import { TeecSharedMemory } from './teec.ts';
import type { TeecContext, TeecOperation, TeecTempMemoryReference } from './teec.ts';

/** The packed types of all parameters; higher bits of `paramTypes` mean nothing. */
const ALL_TYPES = 2 ** (4 * TEEC_CONFIG_PAYLOAD_REF_COUNT) - 1;

/** Shortest heap block for an array, because libteec registers eight bytes for an empty one. */
const SHORTEST_ARRAY = 8;

/** A byte array that a call has on the program's heap. */
interface LentArray {
  readonly array: Uint8Array;
  readonly heap: Va;
  /** TEEC_MEM_* */
  readonly flags: number;
  /** Bytes, as they were before the call. */
  readonly size: number;
}

/** The parameters of one thread's calls. */
export class OperationParams {
  readonly #frame: Frame;
  readonly #shm: SharedMemoryCalls;
  readonly #access: ParamAccess;
  readonly #memory: ProgramMemory;
  readonly #temporaries = new Array<TeecSharedMemory | undefined>(TEEC_CONFIG_PAYLOAD_REF_COUNT);
  readonly #arrays: LentArray[] = [];

  constructor(
    memory: ProgramMemory,
    frame: Frame,
    shm: SharedMemoryCalls,
    refuse: ParamAccess['refuse'],
  ) {
    this.#memory = memory;
    this.#frame = frame;
    this.#shm = shm;
    this.#access = { memory, ram: frame.ram, temporaries: this.#temporaries, refuse };
  }

  /** Whether an operation has references that the two coroutines below are for. */
  hasTempRefs(operation: TeecOperation): boolean {
    for (let rest = operation.paramTypes & ALL_TYPES; rest !== 0; rest >>>= 4) {
      const kind = PARAM_KINDS[TEEC_PARAM_TYPE_GET(rest, 0)];
      if (kind !== undefined && kind.temporary !== 0) return true;
    }
    return false;
  }

  /**
   * Writes the parameters of an operation without temporary references at `offset` of the frame,
   * which holds zeros. @returns a TEEC_Result.
   */
  preProcess(operation: TeecOperation, offset: number): number {
    for (let n = 0; n < TEEC_CONFIG_PAYLOAD_REF_COUNT; n++) {
      const result = this.#preProcessOne(operation, n, offset);
      if (result !== TEEC_SUCCESS) return result;
    }
    return TEEC_SUCCESS;
  }

  /**
   * The same for any operation: temporary references are registered, each in its turn, and wait for
   * freeTempRefs(), after a failure too.
   */
  *preProcessTempRefs(ctx: TeecContext, operation: TeecOperation, offset: number): Co<number> {
    for (let n = 0; n < TEEC_CONFIG_PAYLOAD_REF_COUNT; n++) {
      const kind = PARAM_KINDS[TEEC_PARAM_TYPE_GET(operation.paramTypes, n)];
      if (kind !== undefined && kind.temporary !== 0) {
        const tmpref = ((operation.params[n] ??= {}).tmpref ??= { buffer: null, size: 0 });
        const registered = yield* this.#register(ctx, n, kind.temporary, tmpref);
        this.#frame.refresh();
        if (registered !== TEEC_SUCCESS) return registered;
      }
      const result = this.#preProcessOne(operation, n, offset);
      if (result !== TEEC_SUCCESS) return result;
    }
    return TEEC_SUCCESS;
  }

  /** Takes back what the call has changed. */
  postProcess(operation: TeecOperation, offset: number): void {
    for (let n = 0; n < TEEC_CONFIG_PAYLOAD_REF_COUNT; n++) {
      const kind = PARAM_KINDS[TEEC_PARAM_TYPE_GET(operation.paramTypes, n)];
      if (kind === undefined) continue;
      kind.after(this.#access, operation.params[n]!, n, this.#at(offset, n));
    }
  }

  /** Releases the temporary references, and gives arrays what was written to them. */
  *freeTempRefs(): Co<void> {
    for (let n = 0; n < TEEC_CONFIG_PAYLOAD_REF_COUNT; n++) {
      const shm = this.#temporaries[n];
      this.#temporaries[n] = undefined;
      if (shm !== undefined) yield* this.#shm.release(shm);
    }
    for (const { array, heap, flags, size } of this.#arrays.splice(0)) {
      if ((flags & TEEC_MEM_OUTPUT) !== 0) array.set(this.#memory.read(heap, size));
      this.#memory.free(heap);
    }
  }

  #preProcessOne(operation: TeecOperation, n: number, offset: number): number {
    const type = TEEC_PARAM_TYPE_GET(operation.paramTypes, n);
    if (type === TEEC_NONE) return TEEC_SUCCESS;
    const kind = PARAM_KINDS[type];
    if (kind === undefined) return this.#access.refuse(`parameter ${n} has type ${type}`);
    return kind.before(this.#access, (operation.params[n] ??= {}), n, this.#at(offset, n));
  }

  /** Registers the memory of a temporary reference; NULL is none, where the device knows that. */
  *#register(
    ctx: TeecContext,
    n: number,
    flags: number,
    { buffer, size }: TeecTempMemoryReference,
  ): Co<number> {
    const shm = new TeecSharedMemory(flags, size);
    this.#temporaries[n] = shm;
    if (buffer === null) {
      if (size !== 0) return this.#access.refuse(`parameter ${n} is NULL and has a size`, size, 0);
      return ctx.memrefNull ? TEEC_SUCCESS : yield* this.#shm.allocate(ctx, shm);
    }
    shm.buffer = typeof buffer === 'number' ? buffer : this.#lend(buffer, flags, size);
    return yield* this.#shm.register(ctx, shm);
  }

  /** Puts a byte array on the program's heap until freeTempRefs(). */
  #lend(array: Uint8Array, flags: number, size: number): Va {
    if (size > array.length) throw new RangeError(`${size} bytes of an array of ${array.length}`);
    const heap = this.#memory.malloc(Math.max(size, SHORTEST_ARRAY));
    this.#memory.write(heap, array.subarray(0, size));
    this.#arrays.push({ array, heap, flags, size });
    return heap;
  }

  /** Where a parameter is in RAM. */
  #at(offset: number, n: number): number {
    return this.#frame.base + offset + n * TeeIoctlParam.byteLength;
  }
}
