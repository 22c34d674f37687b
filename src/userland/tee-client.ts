/**
 * The TEE Client API for async callers (tests, the example clients): the functions of GlobalPlatform
 * under their own names, on the main thread of a program. A call that does not block gives its value
 * at once, another one a promise; `await` takes both. Await each call before the next one: a thread
 * makes one call at a time. More threads are coroutines, each with a `LibTeec` of its own.
 *
 * Upstream counterpart: libteec/include/tee_client_api.h and tee_client_api_extensions.h. What C
 * returns through pointers is in the value: `{ result, context }`, `{ result, origin, session }`,
 * `{ result, origin }`; functions without an origin return the TEEC_Result alone.
 */
import type { Program } from '../linux/process/program.ts';
import type { Syscalls } from '../linux/process/syscalls.ts';
import { LibTeec } from './libteec/libteec.ts';
import type {
  TeecContext,
  TeecContextReply,
  TeecOpenReply,
  TeecOperation,
  TeecReply,
  TeecSession,
  TeecSharedMemory,
} from './libteec/teec.ts';

type Awaitable<T> = T | Promise<T>;

export class TeeClient {
  /** The process that makes the calls; buffers are addresses in `program.memory`. */
  readonly program: Program;
  readonly #lib: LibTeec;

  /** @param sys the main thread's system calls, where somebody listens in on them. */
  constructor(program: Program, sys: Syscalls = program.sys) {
    this.program = program;
    this.#lib = new LibTeec(program, sys);
  }

  /** @param name `optee-tz`, or null for any GP TEE. */
  TEEC_InitializeContext(name: string | null = null): Awaitable<TeecContextReply> {
    return this.program.run(this.#lib.initializeContext(name));
  }

  TEEC_FinalizeContext(ctx: TeecContext): Awaitable<void> {
    return this.program.run(this.#lib.finalizeContext(ctx));
  }

  /**
   * @param destination the TA's UUID as text.
   * @param connectionMethod TEEC_LOGIN_*
   * @param connectionData the group id of the methods that take one.
   */
  TEEC_OpenSession(
    ctx: TeecContext,
    destination: string,
    connectionMethod: number,
    connectionData: number | null = null,
    operation: TeecOperation | null = null,
  ): Awaitable<TeecOpenReply> {
    return this.program.run(
      this.#lib.openSession(ctx, destination, connectionMethod, connectionData, operation),
    );
  }

  TEEC_CloseSession(session: TeecSession): Awaitable<void> {
    return this.program.run(this.#lib.closeSession(session));
  }

  TEEC_InvokeCommand(
    session: TeecSession,
    commandId: number,
    operation: TeecOperation | null = null,
  ): Awaitable<TeecReply> {
    return this.program.run(this.#lib.invokeCommand(session, commandId, operation));
  }

  /** Of an operation whose invocation has ended, or that another thread invokes. */
  TEEC_RequestCancellation(operation: TeecOperation): Awaitable<void> {
    return this.program.run(this.#lib.requestCancellation(operation));
  }

  /** Registers the program's memory at `shm.buffer`. @returns TEEC_Result */
  TEEC_RegisterSharedMemory(ctx: TeecContext, shm: TeecSharedMemory): Awaitable<number> {
    return this.program.run(this.#lib.registerSharedMemory(ctx, shm));
  }

  /** Registers a dma-buf of a protected heap. @returns TEEC_Result */
  TEEC_RegisterSharedMemoryFileDescriptor(
    ctx: TeecContext,
    shm: TeecSharedMemory,
    fd: number,
  ): Awaitable<number> {
    return this.program.run(this.#lib.registerSharedMemoryFileDescriptor(ctx, shm, fd));
  }

  /** Allocates `shm.size` bytes and registers them. @returns TEEC_Result */
  TEEC_AllocateSharedMemory(ctx: TeecContext, shm: TeecSharedMemory): Awaitable<number> {
    return this.program.run(this.#lib.allocateSharedMemory(ctx, shm));
  }

  TEEC_ReleaseSharedMemory(shm: TeecSharedMemory): Awaitable<void> {
    return this.program.run(this.#lib.releaseSharedMemory(shm));
  }
}
