/**
 * How long until there is an answer: a box in a process that runs already, the first box of a new
 * process, and `teebox run` from the shell. The peers of new processes are Node itself.
 */
import { fileURLToPath } from 'node:url';
import { boot as bootBox } from '../src/index.ts';
import { TEEBOX, Workshop, firstOutputMs, output } from './native.ts';
import { NOOP_IMAGE, NoopClient } from './noop-client.ts';
import { atMost } from './row.ts';
import type { Row } from './row.ts';
import { inTurns, rowOf, work } from './samples.ts';

const HELLO_WORLD = fileURLToPath(new URL('../examples/hello_world', import.meta.url));
const FIRST_BOOT = fileURLToPath(new URL('first-boot.ts', import.meta.url));
const STARTS = 9;

export async function* boot(): AsyncGenerator<Row> {
  const toMs = { unit: 'ms', convert: (us: number) => us / 1000 } as const;
  const [boots = [], answers = []] = await inTurns([bootWork(), answerWork()], { ms: 6000 });
  yield rowOf('boot', boots, toMs);
  yield rowOf('boot-to-first-answer', answers, { ...toMs, goal: atMost(20) });
  yield* firstBoots();
  yield await fromShell();
}

function bootWork() {
  return work('boot', () => bootBox({ tas: [NOOP_IMAGE] }).dispose());
}

function answerWork() {
  return work('first answer', () => {
    using box = bootBox({ tas: [NOOP_IMAGE] });
    new NoopClient(box).invoke();
  });
}

/** In new processes, as each file of a test suite is one. */
async function* firstBoots(): AsyncGenerator<Row> {
  const runs = Array.from({ length: STARTS }, (): { loadMs: number; answerMs: number } =>
    JSON.parse(output([process.execPath, FIRST_BOOT])),
  );
  const ms = { unit: 'ms' } as const;
  yield rowOf(
    'first-load-of-modules',
    runs.map(({ loadMs }) => loadMs),
    ms,
  );
  yield rowOf(
    'first-boot-to-first-answer',
    runs.map(({ answerMs }) => answerMs),
    ms,
  );
}

async function fromShell(): Promise<Row> {
  using workshop = new Workshop();
  const client = workshop.compile('programs/first-answer.c');
  const teebox = [...TEEBOX, 'run', '-q', '--ta', HELLO_WORLD, '--', client];
  const node = [process.execPath, '-e', 'console.log()'];
  const own: number[] = [];
  const peer: number[] = [];
  for (let n = 0; n < STARTS; n++) {
    own.push(await firstOutputMs(teebox));
    peer.push(await firstOutputMs(node));
  }
  return rowOf('shell-to-first-answer', own, {
    unit: 'ms',
    peer: { name: 'node start', samples: peer },
    goal: atMost(500),
  });
}
