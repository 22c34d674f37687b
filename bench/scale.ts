/**
 * Whether operations cost the same however much there is: contexts and shared memory within a box,
 * boxes within a process. Each operation is timed at a small and at a large population, in turns.
 */
import { TEEC_MEM_INPUT, TEEC_MEM_OUTPUT } from '../src/abi/gp.ts';
import { QEMU_ARMV8 } from '../src/boards/boards.ts';
import type { Box } from '../src/index.ts';
import { PAGE_SIZE, va } from '../src/machine/address.ts';
import type { Va } from '../src/machine/address.ts';
import { TeecSharedMemory } from '../src/userland/libteec/teec.ts';
import { NoopClient, bootNoop, check } from './noop-client.ts';
import { ratioAtMost } from './row.ts';
import type { Row } from './row.ts';
import { beside, now, rowOf, turn, work } from './samples.ts';
import type { Work } from './samples.ts';

const CONTEXTS = { few: 10, many: 10_000 } as const;
const SHM = { few: 100, many: 100_000 } as const;
const BOXES = { few: 10, many: 1000 } as const;

/** So many boots later the boot is compiled. */
const WARM_UP_BOXES = 100;

const FLAT = ratioAtMost(1.3);
const MIB = 1 << 20;
const INOUT = TEEC_MEM_INPUT | TEEC_MEM_OUTPUT;

export async function* scale(): AsyncGenerator<Row> {
  yield* contexts();
  yield* sharedMemory();
  yield* boxes();
}

// --- contexts
async function* contexts(): AsyncGenerator<Row> {
  using fewBox = bootNoop();
  using manyBox = bootNoop();
  const few = withContexts(fewBox, CONTEXTS.few);
  const many = withContexts(manyBox, CONTEXTS.many);
  const cases = { 'open-close-context': openClose, invoke: (noop: NoopClient) => noop.invoke() };
  for (const [name, once] of Object.entries(cases)) {
    const large = work(`${name}-of-${CONTEXTS.many}-contexts`, () => once(many));
    yield await beside(
      large,
      work(`of ${CONTEXTS.few}`, () => once(few)),
      { goal: FLAT },
    );
  }
}

function withContexts(box: Box, count: number): NoopClient {
  const noop = new NoopClient(box, { nofile: 2 * count });
  for (let n = 1; n < count; n++) noop.openContext();
  return noop;
}

function openClose(noop: NoopClient): void {
  now(noop.client.TEEC_FinalizeContext(noop.openContext()));
}

// --- shared memory
async function* sharedMemory(): AsyncGenerator<Row> {
  using fewBox = roomyBox();
  using manyBox = roomyBox();
  const few = new Registrations(fewBox, SHM.few);
  const many = new Registrations(manyBox, SHM.many);
  const name = `register-close-4k-of-${SHM.many}-shm`;
  const large = work(name, () => many.again());
  yield await beside(
    large,
    work(`of ${SHM.few}`, () => few.again()),
    { goal: FLAT },
  );
}

/** A box whose core has room for what it keeps of each registration. */
const roomyBox = (): Box =>
  bootNoop({
    board: { ...QEMU_ARMV8, ramBytes: 128 * MIB, coreBytes: 32 * MIB },
    config: { CFG_CORE_HEAP_SIZE: 24 * MIB },
  });

const REGISTERED_PAGES = 4096;

/** A program that has registered many pages, several times each. */
class Registrations {
  readonly #noop: NoopClient;
  readonly #buffer: Va;
  #next = 0;

  constructor(box: Box, count: number) {
    this.#noop = new NoopClient(box, { nofile: 2 * count });
    const { memory } = this.#noop.client.program;
    this.#buffer = memory.memalign(PAGE_SIZE, REGISTERED_PAGES * PAGE_SIZE);
    for (let n = 0; n < count; n++) this.#register();
  }

  /** One more, and it goes. */
  again(): void {
    now(this.#noop.client.TEEC_ReleaseSharedMemory(this.#register()));
  }

  #register(): TeecSharedMemory {
    const { client, context } = this.#noop;
    const at = va(this.#buffer + this.#next * PAGE_SIZE);
    this.#next = (this.#next + 1) % REGISTERED_PAGES;
    const shm = new TeecSharedMemory(INOUT, PAGE_SIZE, at);
    check('TEEC_RegisterSharedMemory', now(client.TEEC_RegisterSharedMemory(context, shm)));
    return shm;
  }
}

// --- boxes
async function* boxes(): AsyncGenerator<Row> {
  await warmUp();
  const before = residentKib();
  const clients: NoopClient[] = [];
  const bootsUs: number[] = [];
  for (let n = 0; n < BOXES.many; n++) {
    const start = performance.now();
    clients.push(new NoopClient(bootNoop({ seed: n })));
    bootsUs.push((performance.now() - start) * 1000);
    await turn();
  }
  const eachKib = (residentKib() - before) / BOXES.many;
  yield rowOf(`boot-last-100-of-${BOXES.many}-boxes`, bootsUs.slice(-100), {
    unit: 'ms',
    convert: (us) => us / 1000,
    peer: { name: 'first 100', samples: bootsUs.slice(0, 100) },
    goal: FLAT,
  });
  yield rowOf('memory-per-box', [eachKib], { unit: 'KiB' });
  const few = clients.slice(0, BOXES.few);
  for (const [name, invokes] of Object.entries(VISITS)) {
    const large = inTurn(`${name}-of-${BOXES.many}-boxes`, clients, invokes);
    yield await beside(large, inTurn(`of ${BOXES.few}`, few, invokes), { goal: FLAT });
  }
}

/** Invokes in a box before the next one has its turn: at once, or when caches are warm again. */
const VISITS = { 'invoke-at-once-in-each': 1, 'invoke-100-times-in-each': 100 } as const;

async function warmUp(): Promise<void> {
  for (let n = 0; n < WARM_UP_BOXES; n++) {
    using box = bootNoop();
    new NoopClient(box).invoke();
    await turn();
  }
}

/** Memory of the process that is in RAM, after a garbage collection. */
function residentKib(): number {
  globalThis.gc?.();
  return process.memoryUsage().rss / 1024;
}

function inTurn(name: string, clients: readonly NoopClient[], invokes: number): Work {
  let count = 0;
  return work(name, () => {
    clients[Math.floor(count / invokes) % clients.length]!.invoke();
    count += 1;
  });
}
