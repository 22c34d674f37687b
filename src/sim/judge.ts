/**
 * The end of a run: from the first rest to an empty system, with questions on the way.
 *
 * 1. The scenario comes to rest. Last orders: who is hostile behaves from now on, that is, answers
 *    what it was given and serves, or leaves.
 * 2. No daemon may have given up. Without a supplicant on the privileged device one is started that
 *    knows no bugs, so that whoever waits for an answer gets one. It must be able to open the device,
 *    nobody may be stuck, and nobody may have been told what is not so.
 * 3. Every process is killed. All must go, and nothing may be left behind.
 * 4. Both devices are opened and closed once more.
 *
 * What is wrong at 2 has consequences at 3 and 4, so that the run ends there.
 */
import { O_RDWR, SIGKILL } from '../abi/fcntl.ts';
import { formatErrno } from '../abi/errno.ts';
import { withoutQuirks } from '../box/profiles.ts';
import { together } from './findings.ts';
import type { Complaint } from './findings.ts';
import { heldBy } from './held.ts';
import type { Held } from './held.ts';
import {
  cannotOpen,
  endless,
  gaveUp,
  halted,
  leaks,
  stuck,
  unkillable,
  wrongAnswers,
} from './oracles.ts';
import { EndlessRun } from './run.ts';
import type { Run } from './run.ts';

const CLIENT_DEVICE = '/dev/tee0';
const SUPPLICANT_DEVICE = '/dev/teepriv0';

/** What is asked when the box has come to rest. */
type Question = () => readonly Complaint[];

/** Does something, and gives the question that comes after. */
type Stage = (run: Run, before: Held) => Question;

/** Stages, in acts: complaints of an act end the run after it. */
const ACTS: readonly (readonly Stage[])[] = [
  [comeToRest, lastOrders, serve, account],
  [killAll, (run) => reopen(run, CLIENT_DEVICE), (run) => reopen(run, SUPPLICANT_DEVICE)],
];

/**
 * Runs a scenario that has been started to its end, and says what was wrong, if anything.
 * @param before what the box held before it was started.
 */
export function judge(run: Run, before: Held): Complaint | undefined {
  for (const stages of ACTS) {
    const complaints: Complaint[] = [];
    for (const stage of stages) {
      const ask = stage(run, before);
      const ended = settle(run);
      if (ended !== undefined) return ended;
      complaints.push(...ask());
    }
    if (complaints.length > 0) return together(complaints);
  }
  return undefined;
}

/** Lets the box come to rest, unless it never does or stops. */
function settle(run: Run): Complaint | undefined {
  try {
    run.settle();
  } catch (error) {
    if (error instanceof EndlessRun) return endless(error);
    throw error;
  }
  return halted(run);
}

function comeToRest(): Question {
  return () => [];
}

function lastOrders(run: Run): Question {
  run.lastOrders();
  return () => [];
}

function serve(run: Run): Question {
  const { box } = run;
  const had = gaveUp(run);
  if (box.kernel.openFiles().some(({ file }) => file.path === SUPPLICANT_DEVICE)) {
    return () => [...had, ...stuck(run)];
  }
  let ready = false;
  box.startSupplicant({
    switches: withoutQuirks(box.profile).userland,
    device: SUPPLICANT_DEVICE,
    onReady: () => {
      ready = true;
    },
  });
  return () => [
    ...had,
    ...(ready ? [] : [cannotOpen(SUPPLICANT_DEVICE, 'by the next supplicant')]),
    ...stuck(run),
  ];
}

function account(run: Run): Question {
  return () => wrongAnswers(run);
}

function killAll(run: Run, before: Held): Question {
  const { processes } = run.box.kernel;
  for (const { pid } of processes.alive) processes.kill(pid, SIGKILL);
  return () => [...unkillable(run), ...leaks(before, heldBy(run.box))];
}

function reopen(run: Run, path: string): Question {
  let fd = 0;
  run.program('probe', function* ({ sys }) {
    fd = yield* sys.open(path, O_RDWR);
    if (fd >= 0) yield* sys.close(fd);
  });
  return () => (fd >= 0 ? [] : [cannotOpen(path, `after everybody has gone: ${formatErrno(fd)}`)]);
}
