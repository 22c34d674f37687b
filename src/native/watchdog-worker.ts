/** The thread that looks at the box's thread from outside; see watchdog.ts. */
import { Session } from 'node:inspector';
import type { Debugger } from 'node:inspector';
import { writeSync } from 'node:fs';
import { setInterval } from 'node:timers';
import { workerData } from 'node:worker_threads';
import { loadLibc } from './libc.ts';
import { HOST_ARCHS } from './arch.ts';
import { sendSignal } from './send-signal.ts';
import { WATCH } from './watchdog.ts';
import type { WatchdogData } from './watchdog.ts';

const EXIT_TIMEOUT = 124;
const LOOK_MS = 100;
/** How long the stuck thread has to show its stack. */
const STACK_MS = 5000;

const { state, limitMs }: WatchdogData = workerData;
const words = new Int32Array(state);
let seen = 0;
let sinceMs = 0;

function uuid(): string {
  return new TextDecoder().decode(new Uint8Array(state, 4 * WATCH.uuidAt, 36).slice());
}

/** Interrupts the box's thread by the inspector and reads its frames. */
function stackOfMain(): Promise<string> {
  return new Promise((resolve) => {
    const session = new Session();
    const late = setTimeout(() => resolve('(no stack could be had)'), STACK_MS);
    const urls = new Map<string, string>();
    session.connectToMainThread();
    session.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url));
    session.on('Debugger.paused', ({ params }) => {
      clearTimeout(late);
      resolve(
        params.callFrames
          .slice(0, 12)
          .map((frame) => frameText(frame, urls))
          .join('\n'),
      );
    });
    session.post('Debugger.enable');
    session.post('Debugger.pause');
  });
}

function frameText(frame: Debugger.CallFrame, urls: ReadonlyMap<string, string>): string {
  const { scriptId, lineNumber } = frame.location;
  const url = frame.url || (urls.get(scriptId) ?? '');
  return `    at ${frame.functionName || '<anonymous>'} (${url}:${lineNumber + 1})`;
}

async function timeOut(): Promise<void> {
  const stack = await stackOfMain();
  const lines = [
    `teebox: TA ${uuid()} has not left the CPU for ${limitMs} ms: a TypeScript TA that spins`,
    'without awaiting cannot be pre-empted. The box ends.',
    stack,
  ];
  writeSync(2, `${lines.join('\n')}\n`);
  for (let i = 0; i < Atomics.load(words, WATCH.pidCount); i++) {
    sendSignal(words[WATCH.pids + i]!, 'SIGKILL');
  }
  const arch = HOST_ARCHS.get(process.arch);
  loadLibc().syscall(arch?.exitGroup ?? 0, EXIT_TIMEOUT);
}

const timer = setInterval(() => {
  const now = Atomics.load(words, WATCH.entered);
  const nowMs = performance.now();
  if (now === 0 || now !== seen) {
    seen = now;
    sinceMs = nowMs;
  } else if (nowMs - sinceMs > limitMs) {
    clearInterval(timer);
    void timeOut();
  }
}, LOOK_MS);
