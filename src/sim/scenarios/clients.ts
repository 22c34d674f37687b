/** Clients of a TEE: programs over the Client API, and code of the kernel over the in-kernel one. */
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_WHOLE,
  TEEC_MEM_INPUT,
  TEEC_MEM_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
} from '../../abi/gp.ts';
import {
  TEE_IMPL_ID_OPTEE,
  TEE_IOCTL_LOGIN_REE_KERNEL,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
} from '../../abi/tee.ts';
import { UUID_LEN, parseUuid } from '../../abi/uuid.ts';
import {
  teeClientCloseContext,
  teeClientCloseSession,
  teeClientInvokeFunc,
  teeClientOpenContext,
  teeClientOpenSession,
  teeClientSystemSession,
} from '../../linux/tee/tee-client.ts';
import type { TeeContext } from '../../linux/tee/tee-context.ts';
import { TeeParam } from '../../linux/tee/tee-drv.ts';
import { teeShmAllocKernelBuf } from '../../linux/tee/tee-shm-alloc.ts';
import type { Program } from '../../linux/process/program.ts';
import { PAGE_SIZE } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import { LibTeec } from '../../userland/libteec/libteec.ts';
import { TeecSharedMemory } from '../../userland/libteec/teec.ts';
import type { TeecContext } from '../../userland/libteec/teec.ts';
import type { Run } from '../run.ts';
import { CMD_ADD } from './tas.ts';

const ONE_BUFFER = TEEC_PARAM_TYPES(TEEC_MEMREF_WHOLE, TEEC_NONE, TEEC_NONE, TEEC_NONE);

/**
 * A program that registers a page, opens a session, and invokes with the page if that went well. It
 * may leave without closing anything: the kernel has to.
 */
export function startClient(run: Run, name: string, uuid: string): Program {
  return run.program(name, function* (program) {
    const lib = new LibTeec(program);
    const page = program.memory.memalign(PAGE_SIZE, PAGE_SIZE);
    const { result, context } = yield* lib.initializeContext('optee-tz');
    if (result !== TEEC_SUCCESS) return;
    const shm = new TeecSharedMemory(TEEC_MEM_INPUT | TEEC_MEM_OUTPUT, PAGE_SIZE, page);
    if ((yield* lib.registerSharedMemory(context, shm)) === TEEC_SUCCESS) {
      const added = yield* useSession(run, lib, context, shm, uuid);
      if (added) checkCount(run, name, program.memory.read(page, 1));
      if (run.choose(2, 'exit without closing') === 1) return;
      yield* lib.releaseSharedMemory(shm);
    }
    yield* lib.finalizeContext(context);
  });
}

/** @returns whether the TA has added one to the first byte of the memory. */
function* useSession(
  run: Run,
  lib: LibTeec,
  context: TeecContext,
  shm: TeecSharedMemory,
  uuid: string,
): Co<boolean> {
  const { result, session } = yield* lib.openSession(context, uuid, TEEC_LOGIN_PUBLIC);
  if (result !== TEEC_SUCCESS) return false;
  const memref = { parent: shm, offset: 0, size: 0 };
  const operation = { paramTypes: ONE_BUFFER, params: [{ memref }] };
  const invoked = yield* lib.invokeCommand(session, CMD_ADD, operation);
  if (run.choose(2, 'leave the session open') === 0) yield* lib.closeSession(session);
  return invoked.result === TEEC_SUCCESS;
}

/** The memory is the caller's alone, and was zero. */
function checkCount(run: Run, name: string, [count]: Uint8Array): void {
  if (count !== 1) run.wrongAnswer(`${name}: the TA was to add one to 0, and ${count} is there`);
}

/** The same as code of the kernel, in a system session where there are such. */
export function startKernelClient(run: Run, uuid: string): void {
  run.kernelTask('kernel client', kernelClient(run, uuid));
}

function* kernelClient(run: Run, uuid: string): Co<void> {
  const ctx = yield* teeClientOpenContext(
    run.box.tee,
    ({ implId }) => implId === TEE_IMPL_ID_OPTEE,
  );
  if (typeof ctx === 'number') return;
  const shm = yield* teeShmAllocKernelBuf(ctx, PAGE_SIZE);
  if (typeof shm !== 'number') {
    const buffer = new TeeParam();
    buffer.attr = TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT;
    buffer.shm = shm;
    buffer.size = PAGE_SIZE;
    const added = yield* useKernelSession(ctx, uuid, buffer);
    if (added) checkCount(run, 'kernel client', shm.map(0, 1, 'read').bytes);
    yield* shm.put();
  }
  yield* teeClientCloseContext(ctx);
}

function* useKernelSession(ctx: TeeContext, uuid: string, buffer: TeeParam): Co<boolean> {
  const open = {
    uuid: parseUuid(uuid),
    clntUuid: new Uint8Array(UUID_LEN),
    clntLogin: TEE_IOCTL_LOGIN_REE_KERNEL,
    cancelId: 0,
    session: 0,
    ret: 0,
    retOrigin: 0,
  };
  const rc = yield* teeClientOpenSession(ctx, open, []);
  if (rc !== 0 || open.ret !== TEEC_SUCCESS) return false;
  const { session } = open;
  teeClientSystemSession(ctx, session);
  const params = [buffer, new TeeParam(), new TeeParam(), new TeeParam()];
  const invoke = { func: CMD_ADD, session, cancelId: 0, ret: 0, retOrigin: 0 };
  const called = yield* teeClientInvokeFunc(ctx, invoke, params);
  yield* teeClientCloseSession(ctx, session);
  return called === 0 && invoke.ret === TEEC_SUCCESS;
}
