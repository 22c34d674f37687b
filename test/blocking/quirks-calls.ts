/** What the bugs on the way of a call do: in the driver's queue, its RPCs, and the secure world. */
import { SIGKILL } from '../../src/abi/fcntl.ts';
import {
  TEEC_LOGIN_PUBLIC,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_VALUE_INOUT,
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_BUSY,
  TEE_ERROR_CANCEL,
  TEE_ERROR_SECURITY,
  TEE_ORIGIN_TEE,
  TEE_SUCCESS,
  TEE_TIMEOUT_INFINITE,
} from '../../src/abi/gp.ts';
import {
  OPTEE_MSG_CMD_INVOKE_COMMAND,
  OPTEE_MSG_CMD_REGISTER_SHM,
  OpteeMsgArg,
  OpteeMsgParamRmem,
  OpteeMsgParamTmem,
  OpteeMsgParamValue,
  opteeMsgParamOffset,
} from '../../src/abi/optee-msg.ts';
import {
  OPTEE_RPC_CMD_NOTIFICATION,
  OPTEE_RPC_CMD_SHM_ALLOC,
  OPTEE_RPC_CMD_SHM_FREE,
  OPTEE_RPC_CMD_SUSPEND,
  OPTEE_RPC_NOTIFICATION_SEND,
  OPTEE_RPC_NOTIFICATION_WAIT,
} from '../../src/abi/optee-rpc.ts';
import { TA_FLAG_MULTI_SESSION, TA_FLAG_SINGLE_INSTANCE } from '../../src/abi/ta-head.ts';
import { UTEE_TIME_CAT_SYSTEM } from '../../src/abi/utee.ts';
import type { BoxOptions, Profile } from '../../src/index.ts';
import { testTa } from '../../src/optee-os/testing/test-ta.ts';
import type { TestCall } from '../../src/optee-os/testing/test-ta.ts';
import type { Co } from '../../src/sched/task.ts';
import { TaParamSlot } from '../../src/ta/runtime.ts';
import type { TaParams } from '../../src/ta/runtime.ts';
import { LibTeec } from '../../src/userland/libteec/libteec.ts';
import type { ProgramMain } from '../../src/linux/process/program.ts';
import { client, refused, sharing, sleeping, waiting } from './clients.ts';
import type { QuirkCase } from './quirk-case.ts';
import { brokenTa } from './scenarios.ts';
import { Stage } from './stage.ts';
import { MANY_UUID, MISSING_UUID } from './tas.ts';
import { Tap } from './tap.ts';
import type { TappedMessage } from './tap.ts';

const PARAM = opteeMsgParamOffset(0);
const MS = 1_000_000;

/** Starts programs on a box of its own, lets it come to rest, and looks. */
const onStage =
  (options: () => BoxOptions, start: (stage: Stage) => () => unknown): QuirkCase['observe'] =>
  (profile: Profile) => {
    const stage = new Stage(profile, options(), 0);
    const look = start(stage);
    stage.run.settle();
    return look();
  };

const plain = (): BoxOptions => ({});

// --- memory of the supplicant

/** Whether another supplicant can start once the first one has gone. */
function place(stage: Stage): string {
  const { kernel } = stage.box;
  for (const { pid } of kernel.processes.alive) kernel.processes.kill(pid, SIGKILL);
  stage.run.settle();
  let ready = false;
  stage.box.startSupplicant({ onReady: () => (ready = true) });
  stage.run.settle();
  return ready ? 'free' : 'busy';
}

/** A supplicant that lends a page less than it is asked for. */
const lendsTooLittle = onStage(
  () => ({ taStore: brokenTa() }),
  (stage) => {
    const faults = { only: [OPTEE_RPC_CMD_SHM_ALLOC], liesAboutSizeBytes: -4096 };
    stage.supplicant({ faults });
    stage.client('client', refused(MISSING_UUID, []));
    return () => place(stage);
  },
);

// --- RPCs that no TA can bring about

/** Makes something else of the RPC by which a TA sleeps. @returns what became of it */
function insteadOfSleep(
  stage: Stage,
  change: (rpc: TappedMessage) => void,
): { ret: number | undefined; tookMs: number | undefined } {
  const { sched } = stage.box;
  const seen: ReturnType<typeof insteadOfSleep> = { ret: undefined, tookMs: undefined };
  let since: number | undefined;
  new Tap(stage.box, {
    ask(rpc) {
      if (since !== undefined || rpc.cmd !== OPTEE_RPC_CMD_SUSPEND) return;
      since = sched.nowNs();
      change(rpc);
    },
    answer({ view, at }) {
      if (since === undefined || seen.ret !== undefined) return;
      seen.ret = OpteeMsgArg.ret.get(view, at);
      seen.tookMs = Math.round((sched.nowNs() - since) / MS);
    },
  });
  return seen;
}

function setValue({ view, at }: TappedMessage, cmd: number, a: number, b: number, c = 0): void {
  OpteeMsgArg.cmd.set(view, at, cmd);
  OpteeMsgParamValue.a.setNum(view, at + PARAM, a);
  OpteeMsgParamValue.b.setNum(view, at + PARAM, b);
  OpteeMsgParamValue.c.setNum(view, at + PARAM, c);
}

// --- calls one after the other

/** Opens a session at once, makes a call that sleeps when it is time to, and no other for long. */
const opensThenCalls = (atNs: number, ms: number, ended = { ns: 0 }): ProgramMain =>
  function* (program) {
    const lib = new LibTeec(program);
    const { context } = yield* lib.initializeContext();
    const { session } = yield* lib.openSession(context, MANY_UUID, TEEC_LOGIN_PUBLIC);
    yield* program.sys.nanosleep(atNs);
    yield* sleeping(ms)(lib, session, context);
    ended.ns = program.kernel.sched.nowNs();
    yield* program.sys.nanosleep(5000 * MS);
  };

// --- TAs that call each other

const OUTER_UUID = '1f1c3a62-0c5e-4b0e-9d35-5a7b11c6d003';
const INNER_UUID = '1f1c3a62-0c5e-4b0e-9d35-5a7b11c6d004';

const noParams = (): TaParams => ({
  types: 0,
  slots: Array.from({ length: 4 }, () => new TaParamSlot()),
});

function* openTa({ tee }: TestCall, uuid: string): Co<{ result: number; session: number }> {
  const out = { session: 0, origin: TEE_ORIGIN_TEE };
  const result = yield* tee.openTaSession(uuid, TEE_TIMEOUT_INFINITE, noParams(), out);
  return { result, session: out.session };
}

function* systemMs({ tee }: TestCall): Co<number> {
  const time = { seconds: 0, millis: 0 };
  yield* tee.getTime(UTEE_TIME_CAT_SYSTEM, time);
  return time.seconds * 1000 + time.millis;
}

const TIMEOUT_MS = 100;

/** Calls another TA shortly before the end of a second, and tells when that was cancelled. */
function* callWithTimeout(call: TestCall): Co<number> {
  const { tee, params } = call;
  const { session } = yield* openTa(call, INNER_UUID);
  const now = yield* systemMs(call);
  yield* tee.wait(1950 - (now % 1000));
  const before = yield* systemMs(call);
  yield* tee.invokeTaCommand(session, TIMEOUT_MS, 0, noParams(), { origin: 0 });
  params!.slots[0]!.a = (yield* systemMs(call)) - before;
  return TEE_SUCCESS;
}

function* untilCancelled({ tee }: TestCall): Co<number> {
  tee.unmaskCancellation({ masked: false });
  for (;;) {
    const result = yield* tee.wait(10);
    if (result === TEE_ERROR_CANCEL) return result;
  }
}

/** Two TAs, the inner of which opens a session with the outer one while that waits for it. */
const CIRCLE = [
  testTa({
    uuid: OUTER_UUID,
    flags: TA_FLAG_SINGLE_INSTANCE | TA_FLAG_MULTI_SESSION,
    commands: {
      *0(call) {
        return (yield* openTa(call, INNER_UUID)).result;
      },
    },
  }),
  testTa({
    uuid: INNER_UUID,
    flags: TA_FLAG_SINGLE_INSTANCE,
    *open(call) {
      return (yield* openTa(call, OUTER_UUID)).result;
    },
  }),
];

const CANCELS = [
  testTa({ uuid: OUTER_UUID, commands: { 0: callWithTimeout } }),
  testTa({ uuid: INNER_UUID, commands: { 0: untilCancelled } }),
];

/** Invokes command 0 of the outer TA; `seen` has the result, and value a. */
function callOuter(stage: Stage): { result: number; a: number } {
  const seen = { result: -1, a: -1 };
  stage.client('client', function* (program) {
    const lib = new LibTeec(program);
    const { context } = yield* lib.initializeContext();
    const { session } = yield* lib.openSession(context, OUTER_UUID, TEEC_LOGIN_PUBLIC);
    const value = { a: 0, b: 0 };
    const paramTypes = TEEC_PARAM_TYPES(TEEC_VALUE_INOUT, TEEC_NONE, TEEC_NONE, TEEC_NONE);
    const { result } = yield* lib.invokeCommand(session, 0, { paramTypes, params: [{ value }] });
    Object.assign(seen, { result, a: value.a });
  });
  return seen;
}

export const CALL_QUIRKS: readonly QuirkCase[] = [
  {
    quirk: 'optee.quirkShortShmAlloc',
    shows: 'memory that is too little is passed on, and keeps the supplicant’s place for ever',
    observe: lendsTooLittle,
    on: 'busy',
    off: 'free',
  },
  {
    quirk: 'opteeOs.quirkShortShmAllocLost',
    shows: 'memory that is too little is refused and never given back',
    observe: lendsTooLittle,
    on: 'busy',
    off: 'free',
  },
  {
    quirk: 'optee.quirkWakesRunningCall',
    shows: 'a call waits beside a free thread until the longest one has ended',
    observe: onStage(plain, (stage) => {
      // Every call that ends completes one in the queue: these two are all that do.
      stage.client('long', opensThenCalls(1 * MS, 1000));
      stage.client('short', opensThenCalls(2 * MS, 10));
      const ended = { ns: 0 };
      stage.client('last', opensThenCalls(3 * MS, 1, ended));
      return () => (ended.ns < 100 * MS ? 'soon' : 'late');
    }),
    on: 'late',
    off: 'soon',
  },
  {
    quirk: 'optee.quirkArgPageKeepsContext',
    shows:
      'a session that its program left open stays, when the program was the first to need a page',
    observe: onStage(
      () => ({ config: { CFG_NUM_THREADS: 1 } }),
      (stage) => {
        for (let n = 0; n < 10; n++) stage.client(`client ${n}`, client(MANY_UUID, waiting(1)));
        stage.client('careless', function* (program) {
          const lib = new LibTeec(program);
          const { context } = yield* lib.initializeContext();
          yield* lib.openSession(context, MANY_UUID, TEEC_LOGIN_PUBLIC);
        });
        return () => stage.box.opteeOs.usage().sessions;
      },
    ),
    on: 1,
    off: 0,
  },
  {
    quirk: 'optee.quirkNotifTimeoutJiffies',
    shows: 'a time-out of 100 ms takes 400',
    observe: onStage(plain, (stage) => {
      const seen = insteadOfSleep(stage, (rpc) => {
        setValue(rpc, OPTEE_RPC_CMD_NOTIFICATION, OPTEE_RPC_NOTIFICATION_WAIT, 1, 100);
      });
      stage.client('client', client(MANY_UUID, waiting(1)));
      return () => seen.tookMs;
    }),
    on: 400,
    off: 100,
    notIn: { 'linux-6.1': 'the driver knows no time-outs yet: it waits for ever' },
  },
  {
    quirk: 'optee.quirkNotifBitmapShort',
    shows: 'the highest value is a bit of somebody else’s memory',
    observe: onStage(
      () => ({ config: { CFG_NUM_THREADS: 64 } }),
      (stage) => {
        const causes: string[] = [];
        stage.box.trace.addSink((event) => {
          if (event.name === 'cause') causes.push((event.args as { code: string }).code);
        });
        insteadOfSleep(stage, (rpc) => {
          const highest = stage.box.optee.notif.maxKey;
          setValue(rpc, OPTEE_RPC_CMD_NOTIFICATION, OPTEE_RPC_NOTIFICATION_SEND, highest);
        });
        stage.client('client', client(MANY_UUID, waiting(1)));
        return () => causes;
      },
    ),
    on: ['slab-out-of-bounds'],
    off: [],
  },
  {
    quirk: 'optee.quirkShmFreeAnyType',
    shows: 'SHM_FREE of no known type succeeds',
    observe: onStage(plain, (stage) => {
      const seen = insteadOfSleep(stage, (rpc) => setValue(rpc, OPTEE_RPC_CMD_SHM_FREE, 9, 0));
      stage.client('client', client(MANY_UUID, waiting(1)));
      return () => seen.ret;
    }),
    on: TEE_SUCCESS,
    off: TEE_ERROR_BAD_PARAMETERS,
  },
  {
    quirk: 'opteeOs.quirkShmSizePageRounded',
    shows: 'a reference may leave its memory, up to the end of the page',
    observe: onStage(plain, (stage) => {
      const results: number[] = [];
      const isOurs = (m: TappedMessage | undefined): m is TappedMessage =>
        m?.cmd === OPTEE_MSG_CMD_INVOKE_COMMAND && results.length === 0;
      new Tap(stage.box, {
        enter(m) {
          if (isOurs(m)) OpteeMsgParamRmem.size.setNum(m.view, m.at + PARAM, 200);
        },
        leave(m) {
          if (isOurs(m)) results.push(OpteeMsgArg.ret.get(m.view, m.at));
        },
      });
      stage.client('client', client(MANY_UUID, sharing(100)));
      return () => results[0];
    }),
    on: TEE_SUCCESS,
    off: TEE_ERROR_SECURITY,
  },
  {
    quirk: 'opteeOs.quirkDuplicateCookies',
    shows: 'a cookie can be registered twice',
    observe: onStage(plain, (stage) => {
      const { shmRef } = OpteeMsgParamTmem;
      const results: number[] = [];
      let first: readonly [number, number] | undefined;
      new Tap(stage.box, {
        enter(m) {
          if (m?.cmd !== OPTEE_MSG_CMD_REGISTER_SHM) return;
          const at = m.at + PARAM;
          first ??= [shmRef.lo(m.view, at), shmRef.hi(m.view, at)];
          shmRef.setPair(m.view, at, ...first);
        },
        leave(m) {
          if (m?.cmd !== OPTEE_MSG_CMD_REGISTER_SHM) return;
          results.push(OpteeMsgArg.ret.get(m.view, m.at));
        },
      });
      stage.client('client', client(MANY_UUID, sharing(100)));
      return () => results.slice(0, 2);
    }),
    on: [TEE_SUCCESS, TEE_SUCCESS],
    off: [TEE_SUCCESS, TEE_ERROR_BAD_PARAMETERS],
  },
  {
    quirk: 'opteeOs.quirkCancelDeadlineCarry',
    shows: 'a call that may take 100 ms is cancelled after a second and more',
    observe: onStage(
      () => ({ tas: CANCELS }),
      (stage) => {
        const seen = callOuter(stage);
        return () => Math.round(seen.a / 100) * 100;
      },
    ),
    on: 1100,
    off: 100,
  },
  {
    quirk: 'opteeOs.quirkBusyOpenPanics',
    shows: 'TAs that open each other in a circle panic the core',
    observe: onStage(
      () => ({ tas: CIRCLE }),
      (stage) => {
        const seen = callOuter(stage);
        return () => stage.box.halted?.kind ?? seen.result;
      },
    ),
    on: 'core panic',
    off: TEE_ERROR_BUSY,
  },
  {
    quirk: 'userland.quirkSupplicantLeavesOnEbadf',
    shows: 'tee-supplicant ends when a client was killed that it works for',
    observe: onStage(plain, (stage) => {
      const supplicant = stage.supplicant({ faults: { slowNs: 10 * MS } });
      const { pid } = stage.client('client', refused(MISSING_UUID, []));
      stage.later('kill', function* () {
        stage.box.kernel.processes.kill(pid, SIGKILL);
      });
      return () => (supplicant.process.exitStatus === undefined ? 'serves' : 'gone');
    }),
    on: 'gone',
    off: 'serves',
  },
];
