/** What processes may do, drawn at random: mostly sensible, often not. */
import fc from 'fast-check';
import * as abi from '../../src/abi/tee.ts';
import type { Lockstep, Twin } from './lockstep.ts';
import type { Param } from './params.ts';
import { PAGE, fdsOf, namesOf } from './state.ts';
import type { FdKind } from './state.ts';

const MOST_PROCESSES = 4;
const MOST_ASKERS = 2;
const MOST_SESSIONS = 12;
/** Pages of the region at which memory to register begins. */
const FIRST_PAGES = 8;

/** Something that is done to a box and its model. */
export interface Operation {
  run(lockstep: Lockstep): Promise<void>;
  /** For counterexamples. */
  toString(): string;
}

/** Who does it, on which fd. */
interface Place {
  readonly who: Twin;
  readonly fd: number;
}

type Body<T> = (lockstep: Lockstep, place: Place, drawn: T) => Promise<void> | undefined;

/** One in so many operations is done on any fd, or on none. */
const STRAY = 10;

/** What an operation wants behind its fd; `session` is a client with one. */
type Wanted = FdKind | 'session' | 'any';

/** An operation on an fd of a kind, of whatever process has one. */
function on<T>(kind: Wanted, name: string, more: fc.Arbitrary<T>, body: Body<T>) {
  const drawn = fc.record({ pick: fc.nat(40), stray: fc.nat(STRAY - 1), more });
  return drawn.map(({ pick, stray, more: values }): Operation => {
    return {
      async run(lockstep) {
        const places = placesOf(lockstep, kind);
        const who = lockstep.twins[pick % lockstep.twins.length]!;
        const anywhere = { who, fd: pick % 8 };
        const place = stray === 0 ? anywhere : places[pick % places.length];
        if (place !== undefined) await body(lockstep, place, values);
      },
      toString: () => `${name}(${JSON.stringify({ pick, stray, values }, bigints)})`,
    };
  });
}

function placesOf({ twins }: Lockstep, kind: Wanted): readonly Place[] {
  return twins.flatMap((who) => fdsAs(who, kind).map((fd) => ({ who, fd })));
}

function fdsAs({ model }: Twin, kind: Wanted): readonly number[] {
  if (kind === 'any') return [...model.fds.keys()];
  if (kind !== 'session') return fdsOf(model, kind);
  return fdsOf(model, 'client').filter((fd) => namesOf(model, fd).sessions.length > 0);
}

/** An operation of a process as such. */
function by<T>(
  name: string,
  more: fc.Arbitrary<T>,
  body: (l: Lockstep, who: Twin, drawn: T) => Promise<void> | undefined,
) {
  const drawn = fc.record({ pick: fc.nat(40), more });
  return drawn.map(({ pick, more: values }): Operation => {
    return {
      async run(lockstep) {
        await body(lockstep, lockstep.twins[pick % lockstep.twins.length]!, values);
      },
      toString: () => `${name}(${JSON.stringify({ pick, values }, bigints)})`,
    };
  });
}

const bigints = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? `${value}n` : value;

const nothing = fc.constant(undefined);
const flags = fc.constantFrom(0, 0, 0, 0, 0, 1);

/** One of several, or something else when there is none. */
const oneOf = (items: readonly number[], pick: number, otherwise: number): number =>
  items[pick % items.length] ?? otherwise;

// --- parameters
const {
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT: MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT: MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_META: META,
} = abi;
const types = fc.constantFrom(
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_NONE,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  ...[MEMREF_INPUT, abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT, MEMREF_INOUT],
);
const sound: fc.Arbitrary<Param> = fc.record({
  attr: types,
  a: fc.constantFrom(0n, 0n, 0n, 0n, 0n, 0n, 1n, 100n, 0x1_0000_0001n),
  b: fc.constantFrom(0n, 0n, 1n, 1n, 50n, 50n, 50n, 4096n, 0xffff_ffffn),
  c: fc.constantFrom(0n, 1n, 2n, 3n, 4n, 0x1_0000_0000n, 0x1_0000_0063n, 99n, abi.TEE_MEMREF_NULL),
});
const meta = sound.map((param) => ({ ...param, attr: META | param.attr }));
const unknown = sound.map((param) => ({ ...param, attr: 4 }));
const param = fc.oneof(
  { weight: 40, arbitrary: sound },
  { weight: 1, arbitrary: meta },
  { weight: 1, arbitrary: unknown },
);
const params = fc.oneof(
  { weight: 9, arbitrary: fc.array(param, { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.array(param, { minLength: 5, maxLength: 7 }) },
);

/** Small numbers in `c` of a memref become ids that are there; the upper half stays. */
function named({ who, fd }: Place, given: readonly Param[]): readonly Param[] {
  const { memory } = namesOf(who.model, fd);
  return given.map((one) => {
    const isMemref = one.attr >= MEMREF_INPUT && one.attr <= MEMREF_INOUT;
    const index = Number(one.c & 0xffn);
    if (!isMemref || index === 99 || one.c === abi.TEE_MEMREF_NULL) return one;
    if (memory.length === 0) return { ...one, c: abi.TEE_MEMREF_NULL };
    const id = BigInt(memory[index % memory.length]!);
    return { ...one, c: (one.c & ~0xffn) | id };
  });
}

/** A session of the context; of any other, or none, where it may be stray. */
function sessionAt({ model }: Lockstep, { who, fd }: Place, pick: number): number {
  const any = 1 + (pick % (model.openSessions + 1));
  return pick < STRAY ? any : oneOf(namesOf(who.model, fd).sessions, pick, any);
}

const session = fc.nat(60);
const sizes = fc.constantFrom(
  ...[0n, 1n, 100n, 4096n, 4097n, 8192n, 12288n, 20000n],
  ...[8n << 20n, 1n << 40n, 2n ** 64n - 1n],
);
const registered = fc.record({
  page: fc.nat(FIRST_PAGES - 1),
  offset: fc.constantFrom(0, 0, 1, 100, PAGE - 1),
  length: fc.constantFrom(0, 1, 100, PAGE, PAGE + 1, 3 * PAGE),
  flags,
});
const opened = fc.record({ cloexec: fc.boolean() });

/** How often each operation is drawn. */
const WEIGHTED: readonly (readonly [weight: number, operation: fc.Arbitrary<Operation>])[] = [
  // files and processes
  [6, by('open tee0', opened, (l, who, o) => l.open(who, 'client', o.cloexec))],
  [3, by('open teepriv0', opened, (l, who, o) => l.open(who, 'supplicant', o.cloexec))],
  [2, on('any', 'close', nothing, (l, { who, fd }) => l.close(who, fd))],
  [1, on('memory', 'close', nothing, (l, { who, fd }) => l.close(who, fd))],
  [2, on('any', 'dup', nothing, (l, { who, fd }) => l.dup(who, fd))],
  [
    3,
    on(
      'memory',
      'mmap',
      fc.record({ pages: fc.nat(4), offset: fc.constantFrom(0, 0, 1, 2) }),
      (l, { who, fd }, { pages, offset }) => l.mmap(who, fd, pages, offset),
    ),
  ],
  [2, by('munmap', fc.nat(), (l, who, n) => l.munmap(who, n % (who.mappings.length + 1)))],
  [2, by('fork', nothing, (l, who) => (l.twins.length < MOST_PROCESSES ? l.fork(who) : undefined))],
  [1, by('exec', nothing, (l, who) => l.exec(who))],
  [1, by('exit', nothing, (l, who) => (l.twins.length > 1 ? l.exit(who) : undefined))],
  // shared memory
  ...(['client', 'client', 'supplicant', 'any'] as const).flatMap(
    (kind): (typeof WEIGHTED)[number][] => [
      [
        2,
        on(kind, 'SHM_ALLOC', fc.record({ size: sizes, flags }), (l, { who, fd }, o) =>
          l.shmAlloc(who, fd, o.size, o.flags),
        ),
      ],
      [
        2,
        on(kind, 'SHM_REGISTER', registered, (l, { who, fd }, o) =>
          l.shmRegister(who, fd, o.page * PAGE + o.offset, o.length, o.flags),
        ),
      ],
    ],
  ),
  [
    1,
    on('any', 'SHM_REGISTER of a mapping', fc.nat(), (l, { who, fd }, n) => {
      const count = who.mappings.length;
      return count === 0 ? undefined : l.shmRegisterMapping(who, fd, n % count);
    }),
  ],
  // sessions
  [
    5,
    on(
      'client',
      'OPEN_SESSION',
      fc.record({ login: fc.constantFrom(0, 0, 0, 0, 1, 4, 0x8000_0000), params }),
      (l, place, o) => {
        if (l.model.openSessions >= MOST_SESSIONS) return undefined;
        return l.openSession(place.who, place.fd, o.login, named(place, o.params));
      },
    ),
  ],
  [
    8,
    on('session', 'INVOKE', fc.record({ session, func: fc.nat(2), params }), (l, place, o) => {
      const id = sessionAt(l, place, o.session);
      return l.invoke(place.who, place.fd, id, o.func, named(place, o.params));
    }),
  ],
  [
    1,
    on('session', 'CANCEL', session, (l, place, n) =>
      l.cancel(place.who, place.fd, sessionAt(l, place, n)),
    ),
  ],
  [
    3,
    on('session', 'CLOSE_SESSION', session, (l, place, n) =>
      l.closeSession(place.who, place.fd, sessionAt(l, place, n)),
    ),
  ],
  // supplicants
  [4, by('ask', nothing, (l) => (l.askers.length < MOST_ASKERS ? l.ask() : undefined))],
  [1, by('kill an asker', fc.nat(), (l, _who, n) => l.killAsker(n % (l.askers.length + 1)))],
  [
    4,
    on('supplicant', 'SUPPL_RECV', fc.constantFrom(4, 4, 4, 2, 1), (l, { who, fd }, room) =>
      l.recv(who, fd, room),
    ),
  ],
  [
    4,
    on(
      'supplicant',
      'SUPPL_SEND',
      fc.record({
        id: fc.nat(20),
        ret: fc.constantFrom(0xffff_0008, 0xffff_0000),
        count: fc.constantFrom(2, 2, 2, 1, 3),
      }),
      (l, { who, fd }, { id, ret, count }) =>
        l.send(who, fd, id < 2 ? id : oneOf(l.model.requestIds, id, 1), ret, count),
    ),
  ],
];

export const operations: fc.Arbitrary<Operation> = fc.oneof(
  ...WEIGHTED.map(([weight, arbitrary]) => ({ weight, arbitrary })),
);
