/**
 * The objects of the TEE Client API, as a TypeScript program holds them.
 *
 * Upstream counterpart: libteec/include/tee_client_api.h. A parameter is a union there, told apart
 * by `paramTypes`; here it has one optional member for each arm, with the same rule. Results that C
 * stores through pointers are members of the value that a function returns.
 * Left out: `started` of an operation, which libteec never looks at.
 */
import type { Va } from '../../machine/address.ts';

/** TEEC_Context: an open TEE device. */
export interface TeecContext {
  readonly fd: number;
  /** The device takes the program's own memory (TEE_GEN_CAP_REG_MEM). */
  readonly regMem: boolean;
  /** The device knows NULL references (TEE_GEN_CAP_MEMREF_NULL). */
  readonly memrefNull: boolean;
}

/** TEEC_Session */
export interface TeecSession {
  readonly ctx: TeecContext;
  readonly sessionId: number;
}

/** TEEC_SharedMemory: set the first three, then register or allocate. */
export class TeecSharedMemory {
  /** TEEC_MEM_INPUT, TEEC_MEM_OUTPUT or both. */
  flags: number;
  /** Bytes. */
  size: number;
  /** Where the program sees it; null until it is allocated, and for memory behind an fd. */
  buffer: Va | null;
  /** The kernel's id of the buffer, -1 for none. As c of a parameter, -1 is TEE_MEMREF_NULL. */
  id = -1;
  allocedSize = 0;
  /** What the TEE sees instead of `buffer`; copied before and after each call. */
  shadowBuffer: Va | null = null;
  /** Holds the registration; -1 for memory that is mapped from the device. */
  registeredFd = -1;
  /** What must be freed with it. */
  owns: 'nothing' | 'buffer' | 'shadow' = 'nothing';

  constructor(flags: number, size: number, buffer: Va | null = null) {
    this.flags = flags;
    this.size = size;
    this.buffer = buffer;
  }
}

/** TEEC_Value: 32 bits each. */
export interface TeecValue {
  a: number;
  b: number;
}

/**
 * TEEC_TempMemoryReference. `size` is what the TEE wrote, or needs, after a call.
 * A byte array stands for one that the program has on its heap: it is copied there for the call, and
 * back from there when the TEE may have written to it.
 */
export interface TeecTempMemoryReference {
  buffer: Va | Uint8Array | null;
  size: number;
}

/** TEEC_RegisteredMemoryReference. For TEEC_MEMREF_WHOLE, offset and size count only afterwards. */
export interface TeecRegisteredMemoryReference {
  readonly parent: TeecSharedMemory;
  readonly offset: number;
  size: number;
}

/** TEEC_Parameter. An absent member is one of zeros, as after memset(). */
export interface TeecParameter {
  value?: TeecValue;
  tmpref?: TeecTempMemoryReference;
  memref?: TeecRegisteredMemoryReference;
}

/** TEEC_Operation: up to four parameters, with the types that TEEC_PARAM_TYPES() packs. */
export interface TeecOperation {
  readonly paramTypes: number;
  readonly params: TeecParameter[];
  /** Where it was last invoked, for TEEC_RequestCancellation. */
  session?: TeecSession;
}

/** What TEEC_InvokeCommand gives back. */
export interface TeecReply {
  /** TEEC_Result */
  readonly result: number;
  /** TEEC_ORIGIN_* */
  readonly origin: number;
}

/** What TEEC_OpenSession gives back; without success the session is none that the kernel knows. */
export interface TeecOpenReply extends TeecReply {
  readonly session: TeecSession;
}

/** What TEEC_InitializeContext gives back; without success the context's fd is -1. */
export interface TeecContextReply {
  /** TEEC_Result */
  readonly result: number;
  readonly context: TeecContext;
}
