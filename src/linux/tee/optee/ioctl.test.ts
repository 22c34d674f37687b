import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBUSY } from '../../../abi/errno.ts';
import { MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE } from '../../../abi/fcntl.ts';
import {
  OPTEE_RPC_CMD_LOAD_TA,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
} from '../../../abi/optee-rpc.ts';
import * as tee from '../../../abi/tee.ts';
import { va } from '../../../machine/address.ts';
import type { Va } from '../../../machine/address.ts';
import type { Co } from '../../../sched/task.ts';
import { Program } from '../../process/program.ts';
import { makeBox } from './testing/box.ts';
import type { OpteeBox } from './testing/box.ts';

const PARAM = tee.TeeIoctlParam.byteLength;
const INVOKE = tee.TeeIoctlInvokeArg;
const TA_BYTES = Uint8Array.from({ length: 5000 }, (_, n) => n % 251);

/** An ioctl that takes a `tee_ioctl_buf_data`. */
function* bufIoctl(program: Program, fd: number, cmd: number, at: Va, length: number): Co<number> {
  const { memory, sys } = program;
  const data = memory.malloc(tee.TeeIoctlBufData.byteLength);
  memory.setU64(data, BigInt(at));
  memory.setU64(va(data + 8), BigInt(length));
  const rc = yield* sys.ioctl(fd, cmd, data);
  memory.free(data);
  return rc;
}

/** A program with a session that invokes one command. */
function* client(program: Program): Co<number> {
  const { memory, sys } = program;
  const fd = yield* sys.open('/dev/tee0', O_RDWR);
  const session = memory.calloc(tee.openSessionArgSize(0));
  const length = tee.openSessionArgSize(0);
  assert.equal(yield* bufIoctl(program, fd, tee.TEE_IOC_OPEN_SESSION, session, length), 0);
  const arg = memory.calloc(tee.invokeArgSize(1));
  memory.setU32(va(arg + INVOKE.func.offset), 5);
  const id = memory.u32(va(session + tee.TeeIoctlOpenSessionArg.session.offset));
  memory.setU32(va(arg + INVOKE.session.offset), id);
  memory.setU32(va(arg + INVOKE.numParams.offset), 1);
  memory.setU64(va(arg + INVOKE.byteLength), 3n);
  memory.setU64(va(arg + INVOKE.byteLength + 8), 20n);
  assert.equal(yield* bufIoctl(program, fd, tee.TEE_IOC_INVOKE, arg, tee.invokeArgSize(1)), 0);
  assert.equal(memory.u32(va(arg + INVOKE.ret.offset)), 0);
  assert.equal(memory.u64(va(arg + INVOKE.byteLength + 8)), 42n);
  return yield* sys.close(fd);
}

/** As tee-supplicant: serves memory and one trusted application, then ends. */
function* supplicant(program: Program, log: number[]): Co<void> {
  const { memory, sys } = program;
  const fd = yield* sys.open('/dev/teepriv0', O_RDWR);
  const slots = 5;
  const length = tee.suppRecvArgSize(slots);
  const arg = memory.calloc(length);
  const param = (n: number): Va => va(arg + tee.TeeIoclSuppRecvArg.byteLength + n * PARAM);
  const buffers = new Map<number, Va>();
  for (let done = false; !done;) {
    memory.write(arg, new Uint8Array(length));
    memory.setU32(va(arg + 4), slots);
    memory.setU64(param(0), BigInt(tee.TEE_IOCTL_PARAM_ATTR_META));
    assert.equal(yield* bufIoctl(program, fd, tee.TEE_IOC_SUPPL_RECV, arg, length), 0);
    const func = memory.u32(arg);
    log.push(func);
    if (func === OPTEE_RPC_CMD_SHM_ALLOC) {
      const shm = memory.calloc(tee.TeeIoctlShmAllocData.byteLength);
      memory.setU64(shm, memory.u64(va(param(1) + 16)));
      const shmFd = yield* sys.ioctl(fd, tee.TEE_IOC_SHM_ALLOC, shm);
      const size = Number(memory.u64(shm));
      const at = yield* sys.mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, shmFd, 0);
      yield* sys.close(shmFd);
      const id = memory.u32(va(shm + tee.TeeIoctlShmAllocData.id.offset));
      buffers.set(id, va(at));
      memory.setU64(va(param(1) + 24), BigInt(id));
    } else if (func === OPTEE_RPC_CMD_LOAD_TA) {
      const at = buffers.get(Number(memory.u64(va(param(1) + 24))))!;
      memory.write(va(at + Number(memory.u64(va(param(1) + 8)))), TA_BYTES);
      memory.setU64(va(param(1) + 16), BigInt(TA_BYTES.length));
    } else {
      assert.equal(func, OPTEE_RPC_CMD_SHM_FREE);
      yield* sys.munmap(buffers.get(Number(memory.u64(va(param(1) + 16))))!, 8192);
      done = true;
    }
    memory.setU32(arg, 0);
    assert.equal(yield* bufIoctl(program, fd, tee.TEE_IOC_SUPPL_SEND, arg, length), 0);
  }
}

/** The secure world loads a TA through the supplicant, and looks at what came. */
function loadTa(box: OpteeBox): { loaded: Uint8Array } {
  const result = { loaded: new Uint8Array(0) };
  const { world } = box;
  world.handle = function* (message) {
    if (message.func === 5) {
      const alloc = { attr: 1, a: 0n, b: 6000n };
      const given = (yield* world.rpc(OPTEE_RPC_CMD_SHM_ALLOC, [alloc])).param(0);
      const memory = world.readPageList(given.a, given.b);
      const memref = { attr: 6, a: 16n, b: 6000n, c: given.c };
      const loaded = (yield* world.rpc(OPTEE_RPC_CMD_LOAD_TA, [memref])).param(0);
      const { bytes } = world.port.mapContiguous(memory.pages, 16, Number(loaded.b), 'read');
      result.loaded = bytes.slice();
      yield* world.rpc(OPTEE_RPC_CMD_SHM_FREE, [{ attr: 1, a: 0n, b: given.c }]);
      message.setParam(0, { a: message.param(0).a + 22n });
    }
    yield* world.succeed(message);
  };
  return result;
}

describe('programs', () => {
  it('invoke a TA that a supplicant brings', () => {
    const box = makeBox();
    const result = loadTa(box);
    const log: number[] = [];
    const { kernel } = box;
    Program.start(kernel, { name: 'tee-supplicant' }, (p) => supplicant(p, log));
    Program.start(kernel, { name: 'client' }, client);
    box.settle();
    assert.deepEqual(result.loaded, TA_BYTES);
    assert.deepEqual(log, [OPTEE_RPC_CMD_SHM_ALLOC, OPTEE_RPC_CMD_LOAD_TA, OPTEE_RPC_CMD_SHM_FREE]);
    assert.equal(box.world.sessions.size, 0);
    assert.equal(box.optee.supp.ctx, undefined, 'its exit closed the device');
  });

  it('have the supplicant’s device one at a time', () => {
    const box = makeBox();
    const open = (): number =>
      box.run(new Program(box.kernel, { name: 'p' }).sys.open('/dev/teepriv0', O_RDWR));
    assert.ok(open() >= 0);
    assert.equal(open(), -EBUSY);
  });
});
