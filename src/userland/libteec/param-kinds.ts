/**
 * What each parameter type of an operation writes into the argument of an ioctl before the call, and
 * takes out of it after.
 *
 * Upstream counterpart: the teec_pre_process_… and teec_post_process_… functions of
 * libteec/src/tee_client_api.c.
 */
import {
  TEEC_MEMREF_PARTIAL_INOUT,
  TEEC_MEMREF_PARTIAL_INPUT,
  TEEC_MEMREF_PARTIAL_OUTPUT,
  TEEC_MEMREF_TEMP_INOUT,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_MEMREF_WHOLE,
  TEEC_MEM_INPUT,
  TEEC_MEM_OUTPUT,
  TEEC_SUCCESS,
  TEEC_VALUE_INOUT,
  TEEC_VALUE_INPUT,
  TEEC_VALUE_OUTPUT,
} from '../../abi/gp.ts';
import {
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
  TeeIoctlParam,
} from '../../abi/tee.ts';
import { va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { ProgramMemory } from '../../linux/process/program-memory.ts';
import type { TeecParameter, TeecRegisteredMemoryReference, TeecSharedMemory } from './teec.ts';

/** Parameter types by how they are passed in. */
const NUM_TYPES = 16;
/** The fields of a parameter: a and b of a value; offset, size and id of a memory reference. */
const { attr: ATTR, a: A, b: B, c: C } = TeeIoctlParam;

/** What the functions of a kind work on. */
export interface ParamAccess {
  readonly memory: ProgramMemory;
  /** RAM: the parameter's `tee_ioctl_param` is in it, at the place that a function is given. */
  readonly ram: DataView;
  /** Registered for the length of the call, by parameter. */
  readonly temporaries: readonly (TeecSharedMemory | undefined)[];
  /** Records why the library refuses a call; gives TEEC_ERROR_BAD_PARAMETERS. */
  refuse(text: string, requested?: number, available?: number): number;
}

/** One parameter type. */
export interface ParamKind {
  /** TEEC_MEM_* with which its memory is registered for the length of the call; 0 when it is not. */
  readonly temporary: number;
  /** @returns a TEEC_Result. */
  readonly before: (access: ParamAccess, param: TeecParameter, n: number, at: number) => number;
  readonly after: (access: ParamAccess, param: TeecParameter, n: number, at: number) => void;
}

type Before = ParamKind['before'];
type After = ParamKind['after'];

const INOUT_FLAGS = TEEC_MEM_INPUT | TEEC_MEM_OUTPUT;

/** Inputs come back as they went. */
const unchanged: After = () => {};

const value = (attr: number, after: After): ParamKind => ({
  temporary: 0,
  before: (access, param, _n, at) => {
    const { a, b } = (param.value ??= { a: 0, b: 0 });
    ATTR.setPair(access.ram, at, attr, 0);
    A.setPair(access.ram, at, a, 0);
    B.setPair(access.ram, at, b, 0);
    return TEEC_SUCCESS;
  },
  after,
});

const valueAfter: After = (access, param, _n, at) => {
  const { ram } = access;
  const changed = param.value!;
  changed.a = A.lo(ram, at);
  changed.b = B.lo(ram, at);
};

const temporary = (attr: number, flags: number, after: After): ParamKind => ({
  temporary: flags,
  before: (access, param, n, at) => {
    const { size } = param.tmpref!;
    const shm = access.temporaries[n]!;
    if (shm.shadowBuffer !== null) copy(access, shm.shadowBuffer, bufferOf(shm), size);
    return writeMemref(access, attr, shm.id, 0, size, at);
  },
  after,
});

const temporaryAfter: After = (access, param, n, at) => {
  const tmpref = param.tmpref!;
  const shm = access.temporaries[n]!;
  const size = B.num(access.ram, at);
  if (tmpref.buffer !== null && shm.shadowBuffer !== null) {
    copy(access, bufferOf(shm), shm.shadowBuffer, Math.min(size, tmpref.size));
  }
  tmpref.size = size;
};

const partial = (attr: number, flags: number, after: After): ParamKind => ({
  temporary: 0,
  before: (access, param, n, at) => {
    const { parent: shm, offset, size } = memrefOf(param, n);
    if ((shm.flags & flags) !== flags) {
      return access.refuse('the buffer is not for this direction', flags, shm.flags);
    }
    if (!(offset >= 0 && size >= 0 && offset + size <= shm.size)) {
      return access.refuse('the reference leaves its buffer', offset + size, shm.size);
    }
    if (shm.shadowBuffer !== null && (flags & TEEC_MEM_INPUT) !== 0) {
      copy(access, shm.shadowBuffer, bufferOf(shm), size, offset);
    }
    return writeMemref(access, attr, shm.id, offset, size, at);
  },
  after,
});

const partialAfter: After = (access, param, n, at) => {
  const memref = memrefOf(param, n);
  const { parent: shm, offset } = memref;
  const size = B.num(access.ram, at);
  if (shm.shadowBuffer !== null && size <= memref.size) {
    copy(access, bufferOf(shm), shm.shadowBuffer, size, offset);
  }
  memref.size = size;
};

/** A whole buffer goes where its flags say. */
const wholeBefore: Before = (access, param, n, at) => {
  const shm = memrefOf(param, n).parent;
  const attr = ATTR_BY_FLAGS[shm.flags & INOUT_FLAGS];
  if (attr === undefined) return access.refuse('the buffer has no direction', shm.flags);
  if (shm.shadowBuffer !== null && (shm.flags & TEEC_MEM_INPUT) !== 0) {
    copy(access, shm.shadowBuffer, bufferOf(shm), shm.size);
  }
  return writeMemref(access, attr, shm.id, 0, shm.size, at);
};

const wholeAfter: After = (access, param, n, at) => {
  const memref = memrefOf(param, n);
  const shm = memref.parent;
  if ((shm.flags & TEEC_MEM_OUTPUT) === 0) return;
  const size = B.num(access.ram, at);
  if (shm.shadowBuffer !== null && size <= shm.size) {
    copy(access, bufferOf(shm), shm.shadowBuffer, size);
  }
  memref.size = size;
};

const MEMREF_INPUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT;
const MEMREF_OUTPUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT;
const MEMREF_INOUT = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT;

const ATTR_BY_FLAGS: readonly (number | undefined)[] = [
  undefined,
  MEMREF_INPUT,
  MEMREF_OUTPUT,
  MEMREF_INOUT,
];

/** By TEEC parameter type; undefined for TEEC_NONE and for types that do not exist. */
export const PARAM_KINDS: readonly (ParamKind | undefined)[] = table([
  [TEEC_VALUE_INPUT, value(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, unchanged)],
  [TEEC_VALUE_OUTPUT, value(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT, valueAfter)],
  [TEEC_VALUE_INOUT, value(TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT, valueAfter)],
  [TEEC_MEMREF_TEMP_INPUT, temporary(MEMREF_INPUT, TEEC_MEM_INPUT, unchanged)],
  [TEEC_MEMREF_TEMP_OUTPUT, temporary(MEMREF_OUTPUT, TEEC_MEM_OUTPUT, temporaryAfter)],
  [TEEC_MEMREF_TEMP_INOUT, temporary(MEMREF_INOUT, INOUT_FLAGS, temporaryAfter)],
  [TEEC_MEMREF_WHOLE, { temporary: 0, before: wholeBefore, after: wholeAfter }],
  [TEEC_MEMREF_PARTIAL_INPUT, partial(MEMREF_INPUT, TEEC_MEM_INPUT, unchanged)],
  [TEEC_MEMREF_PARTIAL_OUTPUT, partial(MEMREF_OUTPUT, TEEC_MEM_OUTPUT, partialAfter)],
  [TEEC_MEMREF_PARTIAL_INOUT, partial(MEMREF_INOUT, INOUT_FLAGS, partialAfter)],
]);

function table(
  rows: readonly (readonly [number, ParamKind])[],
): readonly (ParamKind | undefined)[] {
  const kinds = new Array<ParamKind | undefined>(NUM_TYPES).fill(undefined);
  for (const [type, kind] of rows) kinds[type] = kind;
  return kinds;
}

function writeMemref(
  { ram }: ParamAccess,
  attr: number,
  id: number,
  offset: number,
  size: number,
  at: number,
): number {
  ATTR.setPair(ram, at, attr, 0);
  A.setNum(ram, at, offset);
  B.setNum(ram, at, size);
  // Sign-extended as in C: a buffer without an id is TEE_MEMREF_NULL.
  C.setPair(ram, at, id, id >> 31);
  return TEEC_SUCCESS;
}

/** memcpy() within the program, both sides from `offset`. */
function copy({ memory }: ParamAccess, to: Va, from: Va, length: number, offset = 0): void {
  if (length > 0) memory.write(va(to + offset), memory.read(va(from + offset), length));
}

/** C dereferences NULL here. */
function memrefOf(param: TeecParameter, n: number): TeecRegisteredMemoryReference {
  if (param.memref === undefined) throw new TypeError(`parameter ${n} has no memref`);
  return param.memref;
}

/** Memory with a shadow has a buffer too. */
function bufferOf(shm: TeecSharedMemory): Va {
  if (shm.buffer === null) throw new TypeError('shared memory with a shadow has no buffer');
  return shm.buffer;
}
