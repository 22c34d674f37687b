/**
 * Shared memory out of a region that is reserved at boot, against memory anywhere that is registered:
 * how large a buffer may be, how many there may be, what they cost in world switches.
 */
import {
  TEEC_ERROR,
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_WHOLE,
  TEEC_MEM_INPUT,
  TEEC_MEM_OUTPUT,
  TEEC_NONE,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_OUTPUT,
} from '../abi/gp.ts';
import { codeName } from '../abi/layout.ts';
import { QEMU_ARMV8 } from '../boards/boards.ts';
import { Box } from '../box/box.ts';
import type { OpteeOsConfig } from '../optee-os/config.ts';
import type { Host } from '../host/host.ts';
import { TeecSharedMemory } from '../userland/libteec/teec.ts';
import type { TeecContext, TeecSession } from '../userland/libteec/teec.ts';
import type { TeeClient } from '../userland/tee-client.ts';
import { SeededRandom } from '../sched/random.ts';
import type { Cell, Lab, LabOptions } from './lab.ts';
import { LAB_TA, LAB_UUID, sumOf } from './lab-ta.ts';
import { tryMalloc } from './shm-user.ts';

const KIB = 1024;
const SIZES = [4, 64, 512, 1024, 2048, 4096, 8192].map((kib) => kib * KIB);
const CALLS = 4;
/** More buffers at a time are not tried. */
const MOST_BUFFERS = 32;
const BOARD = { ...QEMU_ARMV8, ramBytes: 40 << 20 };
const BOTH = TEEC_MEM_INPUT | TEEC_MEM_OUTPUT;
const TYPES = TEEC_PARAM_TYPES(TEEC_MEMREF_WHOLE, TEEC_VALUE_OUTPUT, TEEC_NONE, TEEC_NONE);

interface Mode {
  readonly name: string;
  readonly config: Partial<OpteeOsConfig>;
}

const MODES: readonly Mode[] = [
  { name: 'static', config: { CFG_CORE_DYN_SHM: false, CFG_CORE_RESERVED_SHM: true } },
  { name: 'dynamic', config: { CFG_CORE_DYN_SHM: true, CFG_CORE_RESERVED_SHM: false } },
];

/** Who gives the memory: the client library, or the program, which has it already. */
const CALL_NAMES = ['TEEC_AllocateSharedMemory', 'TEEC_RegisterSharedMemory'] as const;
type CallName = (typeof CALL_NAMES)[number];

export const staticVsDynamicShm: Lab = {
  name: 'static-vs-dynamic-shm',
  question: 'what do reserved and registered shared memory hold, cost, and refuse?',
  async run(host, options) {
    const rows: Cell[][] = [];
    const series: { name: string; values: number[] }[] = [];
    for (const mode of MODES) {
      for (const call of CALL_NAMES) {
        const own: Measured[] = [];
        for (const size of SIZES) own.push(await measure(host, mode, call, size, options));
        rows.push(...own.map((measured, n) => rowOf(mode, call, SIZES[n]!, measured, options)));
        series.push({ name: `${mode.name}, ${call}`, values: own.map(({ held }) => held) });
      }
    }
    const columns = [
      'memory',
      'call',
      'KiB',
      'at a time',
      'then',
      'what was short',
      'SMCs to set up and release',
      'SMCs a call',
      'copied a call',
      ...(options.timed ? ['MiB/s'] : []),
    ];
    const plot = {
      kind: 'lines',
      title: `buffers at a time, ${MOST_BUFFERS} tried`,
      x: 'KiB of a buffer',
      y: 'buffers',
      points: SIZES.map((size) => String(size / KIB)),
      series,
    } as const;
    return { lab: 'static-vs-dynamic-shm', seed: options.seed, columns, rows, plot };
  },
};

interface Measured {
  /** Buffers of the size that there could be at a time, and what the next one met. */
  readonly held: number;
  readonly error: string;
  readonly why: string;
  /** World switches; undefined without a buffer. */
  readonly setUp: number | undefined;
  readonly call: number | undefined;
  /** Bytes that the client library copies around a call, to a buffer that the TEE sees. */
  readonly copied: number;
  /** Of the fastest call, by the host's clock. */
  readonly mibPerSecond: number;
}

function rowOf(
  mode: Mode,
  call: CallName,
  size: number,
  measured: Measured,
  { timed }: LabOptions,
): Cell[] {
  const { held, error, why, setUp, call: calls, copied, mibPerSecond } = measured;
  return [
    mode.name,
    call,
    size / KIB,
    held === MOST_BUFFERS ? `${held} or more` : String(held),
    error,
    why,
    setUp === undefined ? '-' : String(setUp),
    calls === undefined ? '-' : String(calls),
    held === 0 ? '-' : `${copied / KIB} KiB`,
    ...(timed ? [mibPerSecond] : []),
  ];
}

async function measure(
  host: Host,
  { config }: Mode,
  call: CallName,
  size: number,
  { seed }: LabOptions,
): Promise<Measured> {
  using box = new Box(host, {
    config,
    board: BOARD,
    tas: [LAB_TA],
    supplicant: 'none',
    seed,
    trace: 'calls',
  });
  const client = box.client();
  const { context } = await client.TEEC_InitializeContext();
  const { session } = await client.TEEC_OpenSession(context, LAB_UUID, TEEC_LOGIN_PUBLIC);
  const one = await useOne(box, client, { context, session, call, size, seed });
  const many = await fillUp(box, client, context, call, size);
  return { ...one, ...many };
}

interface Use {
  readonly context: TeecContext;
  readonly session: TeecSession;
  readonly call: CallName;
  readonly size: number;
  readonly seed: number;
}

/** A buffer of the size, filled and used some times, and released. */
async function useOne(
  box: Box,
  client: TeeClient,
  { context, session, call, size, seed }: Use,
): Promise<Pick<Measured, 'setUp' | 'call' | 'copied' | 'mibPerSecond'>> {
  const smcs = smcCounter(box);
  const shm = await share(client, context, call, size);
  if (shm === undefined) return { setUp: undefined, call: undefined, copied: 0, mibPerSecond: 0 };
  const shared = smcs.count;
  const data = new Uint8Array(size);
  new SeededRandom(seed).fill(data);
  client.program.memory.write(shm.buffer!, data);
  const sum = sumOf(data);
  let fastestNs = Infinity;
  for (let n = 0; n < CALLS; n++) {
    const started = box.host.clock.monotonicNs();
    await invoke(client, session, shm, sum);
    fastestNs = Math.min(fastestNs, box.host.clock.monotonicNs() - started);
  }
  const used = smcs.count;
  const copied = shm.shadowBuffer === null ? 0 : 2 * size;
  await client.TEEC_ReleaseSharedMemory(shm);
  return {
    setUp: shared + smcs.count - used,
    call: (used - shared) / CALLS,
    copied,
    mibPerSecond: (size / 2 ** 20) * (1e9 / fastestNs),
  };
}

/** The TA must have seen these very bytes. @throws when it has not */
async function invoke(
  client: TeeClient,
  session: TeecSession,
  parent: TeecSharedMemory,
  sum: number,
): Promise<void> {
  const value = { a: 0, b: 0 };
  const params = [{ memref: { parent, offset: 0, size: 0 } }, { value }];
  const { result } = await client.TEEC_InvokeCommand(session, 0, { paramTypes: TYPES, params });
  if (result !== TEEC_SUCCESS || value.a !== sum) throw new Error('the TA saw something else');
}

async function share(
  client: TeeClient,
  context: TeecContext,
  call: CallName,
  size: number,
): Promise<TeecSharedMemory | undefined> {
  const shm = bufferOf(client, call, size);
  if (shm === undefined) return undefined;
  return (await callOf(client, context, call, shm)) === TEEC_SUCCESS ? shm : undefined;
}

/** What the call is given; undefined without memory for it. */
function bufferOf(
  { program }: TeeClient,
  call: CallName,
  size: number,
): TeecSharedMemory | undefined {
  if (call === 'TEEC_AllocateSharedMemory') return new TeecSharedMemory(BOTH, size);
  const at = tryMalloc(program, size);
  return at === undefined ? undefined : new TeecSharedMemory(BOTH, size, at);
}

const callOf = (
  client: TeeClient,
  context: TeecContext,
  call: CallName,
  shm: TeecSharedMemory,
): number | Promise<number> => client[call](context, shm);

/** As many as there can be. */
async function fillUp(
  box: Box,
  client: TeeClient,
  context: TeecContext,
  call: CallName,
  size: number,
): Promise<Pick<Measured, 'held' | 'error' | 'why'>> {
  for (let held = 0; held < MOST_BUFFERS; held++) {
    const shm = bufferOf(client, call, size);
    if (shm === undefined) return { held, error: 'malloc() is NULL', why: 'RAM' };
    const before = box.trace.lastCause;
    const result = await callOf(client, context, call, shm);
    if (result === TEEC_SUCCESS) continue;
    const cause = box.trace.lastCause;
    // The library has its memory from malloc() before it asks the kernel.
    const why = cause === undefined || cause === before ? 'RAM' : (cause.limit ?? cause.text);
    return { held, error: codeName(TEEC_ERROR, result), why };
  }
  return { held: MOST_BUFFERS, error: 'enough', why: '' };
}

/** World switches from now on: SMCs that the normal world makes. */
function smcCounter(box: Box): { count: number } {
  const counter = { count: 0 };
  box.trace.addSink(({ name }) => void (counter.count += Number(name === 'smc.call')));
  box.trace.setLevel('worlds');
  return counter;
}
