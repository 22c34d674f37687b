/**
 * The socket PTA: what a TA's socket library stands on. The sockets are the supplicant's, known to
 * it by the calling TA's instance id and a handle.
 *
 * Upstream counterpart: optee_os core/tee/socket.c.
 */
import {
  OPTEE_RPC_CMD_SOCKET,
  OPTEE_RPC_SHM_TYPE_APPL,
  OPTEE_RPC_SOCKET_CLOSE,
  OPTEE_RPC_SOCKET_CLOSE_ALL,
  OPTEE_RPC_SOCKET_IOCTL,
  OPTEE_RPC_SOCKET_OPEN,
  OPTEE_RPC_SOCKET_RECV,
  OPTEE_RPC_SOCKET_SEND,
} from '../../abi/optee-rpc.ts';
import {
  PTA_SOCKET_CLOSE,
  PTA_SOCKET_IOCTL,
  PTA_SOCKET_OPEN,
  PTA_SOCKET_RECV,
  PTA_SOCKET_SEND,
  PTA_SOCKET_UUID,
} from '../../abi/pta.ts';
import { PTA_DEFAULT_FLAGS, TA_FLAG_CONCURRENT } from '../../abi/ta-head.ts';
import {
  TEE_ERROR_ACCESS_DENIED,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_PARAM_TYPE_VALUE_INPUT,
  TEE_PARAM_TYPE_VALUE_OUTPUT,
  TEE_SUCCESS,
} from '../../abi/gp.ts';
import { endOf } from '../../sched/task.ts';
import type { Co } from '../../sched/task.ts';
import type { Guest } from '../guest.ts';
import type { PseudoTa, PtaCall, PtaParam } from '../kernel/pseudo-ta.ts';
import {
  RPC_IN,
  RPC_INOUT,
  RPC_OUT,
  memrefSize,
  setMemref,
  setValue,
  valueA,
  valueB,
} from '../kernel/rpc.ts';
import type { RpcDirection } from '../kernel/rpc.ts';
import type { ThreadCtx } from '../kernel/thread.ts';
import { UserTaCtx } from '../kernel/user-ta.ts';
import type { Mobj } from '../mm/mobj.ts';

const NONE = TEE_PARAM_TYPE_NONE;
const VALUE_IN = TEE_PARAM_TYPE_VALUE_INPUT;
const VALUE_OUT = TEE_PARAM_TYPE_VALUE_OUTPUT;

interface Command {
  readonly types: number;
  readonly run: (pta: SocketPta, call: PtaCall, instance: number) => Co<number>;
}

const COMMANDS: ReadonlyMap<number, Command> = new Map([
  [
    PTA_SOCKET_OPEN,
    {
      types: TEE_PARAM_TYPES(VALUE_IN, TEE_PARAM_TYPE_MEMREF_INPUT, VALUE_IN, VALUE_OUT),
      run: (pta, call, instance) => pta.open(call, instance),
    },
  ],
  [
    PTA_SOCKET_CLOSE,
    {
      types: TEE_PARAM_TYPES(VALUE_IN, NONE, NONE, NONE),
      run: (pta, call, instance) => pta.close(call, instance),
    },
  ],
  [
    PTA_SOCKET_SEND,
    {
      types: TEE_PARAM_TYPES(VALUE_IN, TEE_PARAM_TYPE_MEMREF_INPUT, VALUE_OUT, NONE),
      run: (pta, call, instance) => pta.send(call, instance),
    },
  ],
  [
    PTA_SOCKET_RECV,
    {
      types: TEE_PARAM_TYPES(VALUE_IN, TEE_PARAM_TYPE_MEMREF_OUTPUT, NONE, NONE),
      run: (pta, call, instance) => pta.receive(call, instance),
    },
  ],
  [
    PTA_SOCKET_IOCTL,
    {
      types: TEE_PARAM_TYPES(VALUE_IN, TEE_PARAM_TYPE_MEMREF_INOUT, NONE, NONE),
      run: (pta, call, instance) => pta.ioctl(call, instance),
    },
  ],
]);

export class SocketPta implements PseudoTa {
  readonly uuid = PTA_SOCKET_UUID;
  readonly name = 'socket';
  readonly flags = PTA_DEFAULT_FLAGS | TA_FLAG_CONCURRENT;
  readonly #guest: Guest;

  constructor(guest: Guest) {
    this.#guest = guest;
  }

  openSession({ thread, session }: PtaCall): number {
    const caller = thread.callingSession?.ctx;
    if (!(caller instanceof UserTaCtx)) return TEE_ERROR_ACCESS_DENIED;
    session.userCtx = caller.asid;
    return TEE_SUCCESS;
  }

  *closeSession({ thread, session }: PtaCall): Co<void> {
    const instance = session.userCtx;
    yield* this.#guest.rpc.value(
      thread,
      OPTEE_RPC_CMD_SOCKET,
      OPTEE_RPC_SOCKET_CLOSE_ALL,
      instance,
    );
  }

  *invokeCommand(call: PtaCall, command: number): Co<number> {
    const row = COMMANDS.get(command);
    if (row === undefined) return TEE_ERROR_NOT_IMPLEMENTED;
    if (call.types !== row.types) return TEE_ERROR_BAD_PARAMETERS;
    return yield* row.run(this, call, call.session.userCtx);
  }

  *open({ thread, params }: PtaCall, instance: number): Co<number> {
    const [address, server, protocol, handle] = params as Four;
    const buffer = yield* this.#lend(thread, server, true);
    if (buffer === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    const begun = yield* this.#begin(thread, 4, OPTEE_RPC_SOCKET_OPEN, instance);
    if (begun !== TEE_SUCCESS) return begun;
    setValue(thread, 1, RPC_IN, address.b, protocol.a, address.a);
    setMemref(thread, 2, RPC_IN, buffer, 0, server.size);
    setValue(thread, 3, RPC_OUT, 0, 0, 0);
    const res = yield* this.#guest.rpc.send(thread);
    if (res === TEE_SUCCESS) handle.a = valueA(thread, 3) >>> 0;
    return res;
  }

  *close({ thread, params }: PtaCall, instance: number): Co<number> {
    const { rpc } = this.#guest;
    const { a } = params[0]!;
    return yield* rpc.value(thread, OPTEE_RPC_CMD_SOCKET, OPTEE_RPC_SOCKET_CLOSE, instance, a);
  }

  *send({ thread, params }: PtaCall, instance: number): Co<number> {
    const [{ a: handle, b: timeout }, data, sent] = params as Four;
    const buffer = yield* this.#lend(thread, data, true);
    if (buffer === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    const begun = yield* this.#begin(thread, 3, OPTEE_RPC_SOCKET_SEND, instance, handle);
    if (begun !== TEE_SUCCESS) return begun;
    setMemref(thread, 1, RPC_IN, buffer, 0, data.size);
    setValue(thread, 2, RPC_INOUT, timeout, 0, 0);
    const res = yield* this.#guest.rpc.send(thread);
    sent.a = valueB(thread, 2) >>> 0;
    return res;
  }

  *receive({ thread, params }: PtaCall, instance: number): Co<number> {
    const [{ a: handle, b: timeout }, data] = params as Four;
    const buffer = yield* this.#lend(thread, data, false);
    if (buffer === undefined && data.size > 0) return TEE_ERROR_OUT_OF_MEMORY;
    const begun = yield* this.#begin(thread, 3, OPTEE_RPC_SOCKET_RECV, instance, handle);
    if (begun !== TEE_SUCCESS) return begun;
    return yield* this.#exchange(thread, data, buffer, RPC_OUT, timeout);
  }

  *ioctl({ thread, params }: PtaCall, instance: number): Co<number> {
    const [{ a: handle, b: command }, data] = params as Four;
    const buffer = yield* this.#lend(thread, data, true);
    if (buffer === undefined) return TEE_ERROR_OUT_OF_MEMORY;
    const begun = yield* this.#begin(thread, 3, OPTEE_RPC_SOCKET_IOCTL, instance, handle);
    if (begun !== TEE_SUCCESS) return begun;
    return yield* this.#exchange(thread, data, buffer, RPC_INOUT, command);
  }

  /** Sends a request whose buffer comes back, and gives the caller as much of it as fits. */
  *#exchange(
    thread: ThreadCtx,
    data: PtaParam,
    buffer: Mobj | undefined,
    direction: RpcDirection,
    argument: number,
  ): Co<number> {
    setMemref(thread, 1, direction, buffer, 0, data.size);
    setValue(thread, 2, RPC_IN, argument, 0, 0);
    const res = yield* this.#guest.rpc.send(thread);
    const size = memrefSize(thread, 1);
    // An ioctl's answer that does not fit is not delivered, data that were received are, in part.
    const fits = size <= data.size || direction === RPC_OUT;
    if (buffer !== undefined && fits) {
      const count = Math.min(size, data.size);
      buffer.read(this.#guest.nexus.port, 0, data.bytes.subarray(0, count));
    }
    data.size = size;
    return res;
  }

  /** A buffer of the normal world's for a parameter, with its bytes if they are wanted there. */
  *#lend(thread: ThreadCtx, { size, bytes }: PtaParam, filled: boolean): Co<Mobj | undefined> {
    const cache = this.#guest.rpcShmCache;
    const mobj = yield* cache.alloc(thread, 'socket', OPTEE_RPC_SHM_TYPE_APPL, size);
    if (filled) mobj?.write(this.#guest.nexus.port, 0, bytes);
    return mobj;
  }

  *#begin(
    thread: ThreadCtx,
    numParams: number,
    command: number,
    instance: number,
    handle = 0,
  ): Co<number> {
    const begun = yield* endOf(this.#guest.rpc.begin(thread, OPTEE_RPC_CMD_SOCKET, numParams));
    if (begun === TEE_SUCCESS) setValue(thread, 0, RPC_IN, command, instance, handle);
    return begun;
  }
}

type Four = readonly [PtaParam, PtaParam, PtaParam, PtaParam];
