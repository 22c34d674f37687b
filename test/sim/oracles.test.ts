/** Each oracle speaks when it must, and is silent otherwise. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { O_RDWR } from '../../src/abi/fcntl.ts';
import {
  OPTEE_MSG_CMD_INVOKE_COMMAND,
  OpteeMsgParamRmem,
  opteeMsgParamOffset,
} from '../../src/abi/optee-msg.ts';
import { PROFILES } from '../../src/box/profiles.ts';
import { nodeHost } from '../../src/host/node/host.ts';
import { PAGE_SIZE } from '../../src/machine/address.ts';
import { teeClientOpenContext } from '../../src/linux/tee/tee-client.ts';
import { Kref } from '../../src/linux/lib/kref.ts';
import { Mutex } from '../../src/sched/mutex.ts';
import { RandomPolicy } from '../../src/sched/policy.ts';
import type { Co, WaitMode } from '../../src/sched/task.ts';
import { WaitQueue } from '../../src/sched/wait.ts';
import { execute } from '../../src/sim/execute.ts';
import type { Complaint } from '../../src/sim/findings.ts';
import type { Run } from '../../src/sim/run.ts';
import { startClient } from '../../src/sim/scenarios/clients.ts';
import { COUNTER_TA, TA_IMAGES, UNKNOWN_TA } from '../../src/sim/scenarios/tas.ts';
import { Tap } from '../blocking/tap.ts';
import type { TappedMessage } from '../blocking/tap.ts';

function complaintOf(start: (run: Run) => void, profile = PROFILES['linux-7.3']) {
  const scenario = { name: 'test', summary: '', boot: () => ({ tas: TA_IMAGES }), start };
  return execute(nodeHost(), { scenario, profile, policy: new RandomPolicy(1) }).complaint;
}

function* sleep({ box }: Run, mode: WaitMode): Co<void> {
  yield* new WaitQueue(box.sched, 'nobody wakes').wait(mode);
}

/** The TA of a call with a page sees it from the second byte on. */
function shiftMemory(message: TappedMessage | undefined): void {
  if (message?.cmd !== OPTEE_MSG_CMD_INVOKE_COMMAND) return;
  const { offs, size } = OpteeMsgParamRmem;
  const at = message.at + opteeMsgParamOffset(0);
  if (size.num(message.view, at) !== PAGE_SIZE) return;
  size.setNum(message.view, at, PAGE_SIZE - 1);
  offs.setNum(message.view, at, 1);
}

const CASES: Readonly<Record<string, readonly [start: (run: Run) => void, Complaint | undefined]>> =
  {
    'says nothing of clients that are served': [
      (run) => {
        startClient(run, 'client', COUNTER_TA);
        startClient(run, 'stranger', UNKNOWN_TA);
      },
      undefined,
    ],
    'says nothing of a daemon that waits for work': [
      (run) => run.daemon('idle', () => sleep(run, 'interruptible')),
      undefined,
    ],
    'hears a kernel BUG': [
      (run) =>
        run.kernelTask(
          'bug',
          (function* () {
            run.box.kernel.bug('at 7');
          })(),
        ),
      { oracle: 'kernel BUG', text: 'at N' },
    ],
    'sees a use after the last put': [
      (run) =>
        run.kernelTask(
          'put',
          (function* () {
            const ref = new Kref(run.box.sched, 'thing 5');
            ref.put();
            ref.get();
          })(),
        ),
      { oracle: 'use after put', text: 'thing N is used after its last put' },
    ],
    'sees a deadlock': [
      (run) => {
        const { sched } = run.box;
        const [a, b] = ['a', 'b'].map((name) => new Mutex(sched, { name, order: 1 }));
        run.kernelTask(
          'twice',
          a!.during(() => b!.during(function* () {})),
        );
      },
      {
        oracle: 'deadlock',
        text: 'twice holds a and wants b, which comes before it in the lock order',
      },
    ],
    'sees a program that nobody will wake': [
      (run) => run.program('sleeper', () => sleep(run, 'killable')),
      { oracle: 'stuck', text: 'a caller sleeps for ever in nobody wakes' },
    ],
    'sees a daemon that does not wait for work': [
      (run) => run.daemon('sleeper', () => sleep(run, 'killable')),
      { oracle: 'stuck', text: 'a daemon sleeps for ever in nobody wakes' },
    ],
    'sees code of the kernel that nobody will wake': [
      (run) => run.kernelTask('sleeper', sleep(run, 'uninterruptible')),
      { oracle: 'stuck', text: 'a caller sleeps for ever in nobody wakes' },
    ],
    'sees a context that was never closed': [
      (run) =>
        run.kernelTask(
          'forgetful',
          teeClientOpenContext(run.box.tee, () => true),
        ),
      { oracle: 'leak', text: 'left behind: contexts of tee0' },
    ],
    'sees a device that nobody has open and nobody can open': [
      ({ box }) => (box.optee.supp.ctx = box.optee.ctx),
      {
        oracle: 'device busy',
        text: '/dev/teepriv0 cannot be opened by the next supplicant',
      },
    ],
    'sees a call that did not do what it says': [
      (run) => {
        new Tap(run.box, { enter: shiftMemory });
        startClient(run, 'client', COUNTER_TA);
      },
      { oracle: 'wrong answer', text: 'client: the TA was to add one to N, and N is there' },
    ],
    'sees a daemon that gives up': [
      (run) =>
        run.daemon('tired', function* () {
          return 3;
        }),
      { oracle: 'daemon gave up', text: 'tired: exit 3' },
    ],
    'sees a run without an end': [
      (run) =>
        run.kernelTask(
          'busy',
          (function* () {
            for (;;) yield* run.box.sched.point();
          })(),
        ),
      { oracle: 'livelock', text: 'still running after N steps' },
    ],
    'sees a bug of teebox': [
      (run) =>
        run.kernelTask(
          'wrong',
          (function* () {
            throw new TypeError('x is not a function');
          })(),
        ),
      { oracle: 'teebox bug', text: 'task wrong: x is not a function' },
    ],
  };

describe('an oracle', () => {
  for (const [what, [start, expected]] of Object.entries(CASES)) {
    it(what, () => assert.deepEqual(complaintOf(start), expected));
  }

  it('sees who cannot be killed', () => {
    const complaint = complaintOf((run) => {
      // Sleeps only once it is killed: in an exit, where nobody looks for it.
      run.daemon('unkillable', function* ({ sys }) {
        const fd = yield* sys.open('/dev/teepriv0', O_RDWR);
        yield* sleep(run, 'interruptible');
        try {
          yield* sys.close(fd);
        } finally {
          yield* sleep(run, 'uninterruptible');
        }
      });
    });
    assert.match(complaint?.oracle ?? '', /^unkillable/);
  });

  it('knows how a kernel without the bugs differs', () => {
    assert.equal(
      complaintOf(() => {}, PROFILES.hardened),
      undefined,
    );
  });
});
