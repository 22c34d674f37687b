/** What processes may do, drawn at random: mostly sensible, often not. */
import fc from 'fast-check';
import { TEE_ERROR_GENERIC, TEE_ERROR_ITEM_NOT_FOUND } from '../../src/abi/gp.ts';
import * as abi from '../../src/abi/tee.ts';
import type { Lockstep, Twin } from './lockstep.ts';
import type { OtherIoctl } from './model.ts';
import type { Param } from './params.ts';
import type { Room } from './requests.ts';
import { PAGE, endOfPages, fdsOf, namesOf } from './state.ts';
import type { Extent, FdKind } from './state.ts';

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

/** What an operation wants behind its fd: `session` is a client with one, `asked` a supplicant. */
type Wanted = FdKind | 'session' | 'asked' | 'any';

/** An operation on an fd of a kind, of whatever process has one. */
function on<T>(kind: Wanted, name: string, more: fc.Arbitrary<T>, body: Body<T>) {
  const drawn = fc.record({ pick: fc.nat(40), stray: fc.nat(STRAY - 1), more });
  return drawn.map(({ pick, stray, more: values }): Operation => {
    return {
      async run(lockstep) {
        const places = kind === 'asked' ? whoIsAsked(lockstep) : placesOf(lockstep, kind);
        const who = lockstep.twins[pick % lockstep.twins.length]!;
        const anywhere = { who, fd: pick % 8 };
        const place = stray === 0 ? anywhere : places[pick % places.length];
        if (place !== undefined) await body(lockstep, place, values);
      },
      toString: () => `${name}(${JSON.stringify({ pick, stray, values }, bigints)})`,
    };
  });
}

type OfProcess = Exclude<Wanted, 'asked'>;

function placesOf({ twins }: Lockstep, kind: OfProcess): readonly Place[] {
  return twins.flatMap((who) => fdsAs(who, kind).map((fd) => ({ who, fd })));
}

/** Where answers can be sent, while there is something to answer. */
const whoIsAsked = (lockstep: Lockstep): readonly Place[] =>
  lockstep.model.requestIds.length === 0 ? [] : placesOf(lockstep, 'supplicant');

function fdsAs({ model }: Twin, kind: OfProcess): readonly number[] {
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
const newerTypes = fc.constantFrom(
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_OUTPUT,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INOUT,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INPUT,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_OUTPUT,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INOUT,
);
/** Which bytes of its memory a reference means. */
type Reach = 'inside' | 'as drawn' | 'nothing, behind its last page';

/** A parameter as it is drawn: a reference to memory is completed when it is known what there is. */
interface Drawn extends Param {
  readonly reach: Reach;
  /** Whose memory: the one in so many of the context's, or that of an id, whoever's it is. */
  readonly index: number | { readonly id: bigint } | 'NULL';
}

const reaches: fc.Arbitrary<Reach> = fc.oneof(
  { weight: 12, arbitrary: fc.constant('inside' as const) },
  { weight: 1, arbitrary: fc.constant('as drawn' as const) },
  { weight: 1, arbitrary: fc.constant('nothing, behind its last page' as const) },
);
const indices: fc.Arbitrary<Drawn['index']> = fc.oneof(
  { weight: 12, arbitrary: fc.nat(20) },
  { weight: 1, arbitrary: fc.record({ id: fc.constantFrom(1n, 2n, 3n, 35n, 0xffff_ffffn) }) },
  { weight: 1, arbitrary: fc.constant('NULL' as const) },
);
const sound: fc.Arbitrary<Drawn> = fc.record({
  attr: types,
  a: fc.constantFrom(0n, 0n, 0n, 1n, 100n, 0x1_0000_0001n),
  b: fc.constantFrom(0n, 1n, 50n, 4096n, 0xffff_ffffn),
  c: fc.constantFrom(0n, 0n, 3n, 2n ** 32n),
  reach: reaches,
  index: indices,
});
const meta = sound.map((param) => ({ ...param, attr: META | param.attr }));
const unknown = sound.map((param) => ({ ...param, attr: 4 }));
const newer: fc.Arbitrary<Drawn> = fc.record({
  attr: newerTypes,
  a: fc.constantFrom(0n, 4096n, 2n ** 47n, 2n ** 48n, 2n ** 63n, 2n ** 64n - 1n),
  b: fc.constantFrom(0n, 1n, 4096n, 2n ** 47n, 2n ** 64n - 1n),
  c: fc.constantFrom(0n, 1n),
  reach: reaches,
  index: indices,
});
const param = fc.oneof(
  { weight: 40, arbitrary: sound },
  { weight: 1, arbitrary: meta },
  { weight: 1, arbitrary: unknown },
  { weight: 1, arbitrary: newer },
);
const params = fc.oneof(
  { weight: 9, arbitrary: fc.array(param, { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.array(param, { minLength: 5, maxLength: 7 }) },
);

/** The parameters of a call: references get ids and ranges. */
function named({ who, fd }: Place, given: readonly Drawn[]): readonly Param[] {
  const { memory } = namesOf(who.model, fd);
  return given.map(({ reach, index, ...one }) => {
    if (one.attr < MEMREF_INPUT || one.attr > MEMREF_INOUT) return one;
    if (index === 'NULL' || memory.length === 0) return { ...one, c: abi.TEE_MEMREF_NULL };
    if (typeof index === 'object') return { ...one, c: index.id };
    const { id, extent } = memory[index % memory.length]!;
    // The upper half of an id does not count.
    return { ...one, ...REACHES[reach](one, extent), c: (one.c & (2n ** 32n)) | BigInt(id) };
  });
}

const REACHES: Readonly<Record<Reach, (drawn: Param, extent: Extent) => Partial<Param>>> = {
  inside({ a, b }, { size }) {
    const room = BigInt(size);
    const from = a < room ? a : room;
    return { a: from, b: b < room - from ? b : room - from };
  },
  'as drawn': () => ({}),
  'nothing, behind its last page': (_, extent) => ({ a: BigInt(endOfPages(extent)), b: 0n }),
};

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

const otherIoctls = fc.constantFrom<OtherIoctl[]>(
  ...(['TEE_IOC_VERSION', 'TEE_IOC_SHM_REGISTER_FD', 'TEE_IOC_OBJECT_INVOKE'] as const),
);
/** Three supplicants in four work with META. */
const withMeta = fc.constantFrom(true, true, true, false);
const rooms: fc.Arbitrary<Room> = fc.record({
  params: fc.constantFrom(4, 4, 4, 2, 2, 2, 1, 0),
  meta: withMeta,
  filled: fc.constantFrom(
    ...(['none', 'none', 'none', 'none', 'none', 'none', 'value', 'memref'] as const),
  ),
});
const answers = fc.record({
  pick: fc.nat(20),
  params: fc.constantFrom(2, 2, 2, 2, 2, 1, 3, 0),
  meta: withMeta,
  ret: fc.constantFrom(TEE_ERROR_ITEM_NOT_FOUND, TEE_ERROR_GENERIC),
});

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
  [
    1,
    on('any', 'an ioctl besides', otherIoctls, (l, { who, fd }, name) =>
      l.otherIoctl(who, fd, name),
    ),
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
    16,
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
  [5, by('ask', nothing, (l) => (l.askers.length < MOST_ASKERS ? l.ask() : undefined))],
  [1, by('kill an asker', fc.nat(), (l, _who, n) => l.killAsker(n % (l.askers.length + 1)))],
  [6, on('supplicant', 'SUPPL_RECV', rooms, (l, { who, fd }, room) => l.recv(who, fd, room))],
  [
    6,
    on('asked', 'SUPPL_SEND', answers, (l, { who, fd }, { pick, params, meta, ret }) => {
      const id = pick < 2 ? pick : oneOf(l.model.requestIds, pick, 1);
      return l.send(who, fd, { id, params, meta }, ret);
    }),
  ],
];

export const operations: fc.Arbitrary<Operation> = fc.oneof(
  ...WEIGHTED.map(([weight, arbitrary]) => ({ weight, arbitrary })),
);
