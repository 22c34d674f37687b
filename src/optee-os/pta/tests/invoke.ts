/**
 * The PTA of self tests: what xtest asks of the core itself.
 *
 * Upstream counterpart: optee_os core/pta/tests/invoke.c. Left out: secure data path, of which there
 * is no memory; tests of lockdep, drivers in the device tree and transfer lists, which are options of
 * their own (CFG_LOCKDEP, CFG_DT_DRIVER_EMBEDDED_TEST, CFG_TRANSFER_LIST_TEST).
 */
import {
  PTA_INVOKE_TESTS_CMD_COPY_NSEC_TO_SEC,
  PTA_INVOKE_TESTS_CMD_COPY_SEC_TO_NSEC,
  PTA_INVOKE_TESTS_CMD_DT_DRIVER_TESTS,
  PTA_INVOKE_TESTS_CMD_FS_HTREE,
  PTA_INVOKE_TESTS_CMD_LOCKDEP,
  PTA_INVOKE_TESTS_CMD_MEMREF_NULL,
  PTA_INVOKE_TESTS_CMD_MUTEX,
  PTA_INVOKE_TESTS_CMD_PARAMS,
  PTA_INVOKE_TESTS_CMD_READ_MODIFY_SEC,
  PTA_INVOKE_TESTS_CMD_SELF_TESTS,
  PTA_INVOKE_TESTS_CMD_TRACE,
  PTA_INVOKE_TESTS_CMD_TRANSFER_LIST_TESTS,
  PTA_INVOKE_TESTS_UUID,
  PTA_INVOKE_TEST_CMD_AES_PERF,
} from '../../../abi/pta.ts';
import {
  PTA_DEFAULT_FLAGS,
  TA_FLAG_CONCURRENT,
  TA_FLAG_DEVICE_ENUM,
  TA_FLAG_SECURE_DATA_PATH,
} from '../../../abi/ta-head.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_NOT_SUPPORTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_PARAM_TYPES,
  TEE_PARAM_TYPE_MEMREF_INOUT,
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  TEE_PARAM_TYPE_NONE,
  TEE_SUCCESS,
} from '../../../abi/gp.ts';
import { endOf } from '../../../sched/task.ts';
import type { Co, MaybeCo } from '../../../sched/task.ts';
import type { Guest } from '../../guest.ts';
import type { PseudoTa, PtaCall } from '../../kernel/pseudo-ta.ts';
import { aesPerfTests } from './aes-perf.ts';
import { fsHtreeTests } from './fs-htree.ts';
import { selfTests } from './misc.ts';
import { MutexTests } from './mutex.ts';
import { entryParams } from './params.ts';

const NONE = TEE_PARAM_TYPE_NONE;
const ONE_MEMREF = TEE_PARAM_TYPES(TEE_PARAM_TYPE_MEMREF_INOUT, NONE, NONE, NONE);
const FROM_TO = TEE_PARAM_TYPES(
  TEE_PARAM_TYPE_MEMREF_INPUT,
  TEE_PARAM_TYPE_MEMREF_OUTPUT,
  NONE,
  NONE,
);

type Command = (pta: InvokeTestsPta, guest: Guest, call: PtaCall) => MaybeCo<number>;

const COMMANDS: ReadonlyMap<number, Command> = new Map<number, Command>([
  [PTA_INVOKE_TESTS_CMD_TRACE, (pta, guest, call) => trace(pta, guest, call)],
  [PTA_INVOKE_TESTS_CMD_PARAMS, (_, guest, call) => entryParams(guest, call)],
  [PTA_INVOKE_TESTS_CMD_MEMREF_NULL, (_pta, _guest, call) => memrefNull(call)],
  [PTA_INVOKE_TESTS_CMD_COPY_NSEC_TO_SEC, (_pta, _guest, call) => copySdp(call)],
  [PTA_INVOKE_TESTS_CMD_READ_MODIFY_SEC, () => TEE_ERROR_BAD_PARAMETERS],
  [PTA_INVOKE_TESTS_CMD_COPY_SEC_TO_NSEC, (_pta, _guest, call) => copySdp(call)],
  [PTA_INVOKE_TESTS_CMD_SELF_TESTS, (_, guest, { thread }) => selfTests(guest, thread)],
  [PTA_INVOKE_TESTS_CMD_FS_HTREE, (_, guest, call) => fsHtree(guest, call)],
  [PTA_INVOKE_TESTS_CMD_MUTEX, (pta, _, call) => pta.mutexTests.run(call)],
  [PTA_INVOKE_TESTS_CMD_LOCKDEP, () => TEE_ERROR_NOT_SUPPORTED],
  [PTA_INVOKE_TEST_CMD_AES_PERF, (_, guest, call) => aesPerfTests(guest, call)],
  [PTA_INVOKE_TESTS_CMD_DT_DRIVER_TESTS, (_, guest, call) => dtDriver(guest, call)],
  [PTA_INVOKE_TESTS_CMD_TRANSFER_LIST_TESTS, () => TEE_ERROR_NOT_SUPPORTED],
]);

export class InvokeTestsPta implements PseudoTa {
  readonly uuid = PTA_INVOKE_TESTS_UUID;
  readonly name = 'invoke_tests.pta';
  readonly flags =
    PTA_DEFAULT_FLAGS | TA_FLAG_SECURE_DATA_PATH | TA_FLAG_CONCURRENT | TA_FLAG_DEVICE_ENUM;
  readonly mutexTests: MutexTests;
  readonly #guest: Guest;

  constructor(guest: Guest) {
    this.#guest = guest;
    this.mutexTests = new MutexTests(guest);
  }

  openSession({ thread }: PtaCall): number {
    const { log } = this.#guest.nexus;
    const text = `open entry point for pseudo ta "${this.name}"`;
    if (log.debug) log.dmsg(thread, 'open_session', text);
    return TEE_SUCCESS;
  }

  *closeSession({ thread }: PtaCall): Co<void> {
    const { log } = this.#guest.nexus;
    const text = `close entry point for pseudo ta "${this.name}"`;
    if (log.debug) log.dmsg(thread, 'close_session', text);
  }

  *invokeCommand(call: PtaCall, command: number): Co<number> {
    const run = COMMANDS.get(command);
    return run === undefined
      ? TEE_ERROR_BAD_PARAMETERS
      : yield* endOf(run(this, this.#guest, call));
  }
}

/** test_trace() */
function trace({ name }: InvokeTestsPta, { nexus }: Guest, { thread }: PtaCall): number {
  nexus.log.imsg(thread, 'test_trace', `pseudo TA "${name}" says "Hello world !"`);
  return TEE_SUCCESS;
}

/** test_entry_memref_null() */
function memrefNull({ types, params }: PtaCall): number {
  return types === ONE_MEMREF && params[0]!.size === 0 ? TEE_SUCCESS : TEE_ERROR_BAD_PARAMETERS;
}

/** test_inject_sdp(), test_dump_sdp(): one of the buffers would have to be what no buffer is. */
function copySdp({ types, params }: PtaCall): number {
  const [from, to] = [params[0]!, params[1]!];
  if (types !== FROM_TO || to.size >= from.size) return TEE_ERROR_BAD_PARAMETERS;
  to.size = from.size;
  return TEE_ERROR_SHORT_BUFFER;
}

function fsHtree(guest: Guest, { thread, types }: PtaCall): MaybeCo<number> {
  const isBuilt = guest.nexus.config.CFG_REE_FS;
  return isBuilt && types === 0 ? fsHtreeTests(guest, thread) : TEE_ERROR_BAD_PARAMETERS;
}

/** core_dt_driver_tests() */
function dtDriver({ nexus }: Guest, { thread }: PtaCall): number {
  nexus.log.imsg(thread, 'core_dt_driver_tests', 'dt_driver tests are not embedded');
  return TEE_SUCCESS;
}
