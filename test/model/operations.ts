/** What processes may do, drawn at random: mostly sensible, often not. */
import fc from 'fast-check';
import * as abi from '../../src/abi/tee.ts';
import type { Lockstep, Twin } from './lockstep.ts';
import { PAGE } from './model.ts';
import type { Param } from './model.ts';

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

type Draw = (lockstep: Lockstep, who: Twin, fd: number) => Promise<void> | undefined;

/** An operation of some process on some fd; most often one that is there. */
function operation<T>(name: string, more: fc.Arbitrary<T>, body: (drawn: T) => Draw) {
  const drawn = fc.record({ who: fc.nat(20), pick: fc.nat(20), stray: fc.nat(15), more });
  return drawn.map(({ who, pick, stray, more: values }): Operation => {
    const draw = body(values);
    return {
      async run(lockstep) {
        const process = lockstep.twins[who % lockstep.twins.length];
        if (process === undefined) return;
        const fds = [...process.model.fds.keys()];
        const fd = stray === 0 || fds.length === 0 ? pick : fds[pick % fds.length]!;
        await draw(lockstep, process, fd);
      },
      toString: () => `${name}(${JSON.stringify({ who, pick, stray, values }, bigints)})`,
    };
  });
}

const bigints = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? `${value}n` : value;

const nothing = fc.constant(undefined);
const flags = fc.constantFrom(0, 0, 0, 0, 0, 1);
const sizes = fc.constantFrom(
  ...[0n, 1n, 100n, 4096n, 4097n, 8192n, 12288n, 20000n],
  ...[8n << 20n, 1n << 40n, 2n ** 64n - 1n],
);

const types = fc.constantFrom(
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_NONE,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
  abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
);
const sound: fc.Arbitrary<Param> = fc.record({
  attr: types,
  a: fc.constantFrom(0n, 0n, 0n, 1n, 100n, 0x1_0000_0001n),
  b: fc.constantFrom(0n, 1n, 50n, 4096n, 0xffff_ffffn),
  c: fc.constantFrom(1n, 1n, 2n, 3n, 4n, 0x1_0000_0001n, abi.TEE_MEMREF_NULL),
});
const unsound = sound.map((param) => ({
  ...param,
  attr: abi.TEE_IOCTL_PARAM_ATTR_META | param.attr,
}));
const unknown = sound.map((param) => ({ ...param, attr: 4 }));
const param = fc.oneof(
  { weight: 30, arbitrary: sound },
  { weight: 1, arbitrary: unsound },
  { weight: 1, arbitrary: unknown },
);
const params = fc.oneof(
  { weight: 9, arbitrary: fc.array(param, { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.array(param, { minLength: 5, maxLength: 7 }) },
);

/** A session that is there, most often. */
const sessionOf = (lockstep: Lockstep, pick: number): number =>
  1 + (pick % (lockstep.model.openSessions + 1));

export const operations: fc.Arbitrary<Operation> = fc.oneof(
  operation(
    'open',
    fc.record({ name: names(), cloexec: fc.boolean() }),
    (o) => (l, who) => l.open(who, o.name, o.cloexec),
  ),
  operation('close', nothing, () => (l, who, fd) => l.close(who, fd)),
  operation('dup', nothing, () => (l, who, fd) => l.dup(who, fd)),
  operation(
    'mmap',
    fc.record({ pages: fc.nat(4), offset: fc.constantFrom(0, 0, 1, 2) }),
    ({ pages, offset }) =>
      (l, who, fd) =>
        l.mmap(who, fd, pages, offset),
  ),
  operation('munmap', fc.nat(), (n) => (l, who) => l.munmap(who, n % (who.mappings.length + 1))),
  operation('fork', nothing, () => (l, who) => {
    return l.twins.length < MOST_PROCESSES ? l.fork(who) : undefined;
  }),
  operation('exec', nothing, () => (l, who) => l.exec(who)),
  operation('exit', nothing, () => (l, who) => (l.twins.length > 1 ? l.exit(who) : undefined)),
  operation(
    'SHM_ALLOC',
    fc.record({ size: sizes, flags }),
    (o) => (l, who, fd) => l.shmAlloc(who, fd, o.size, o.flags),
  ),
  operation(
    'SHM_REGISTER',
    fc.record({
      page: fc.nat(FIRST_PAGES - 1),
      offset: fc.constantFrom(0, 0, 1, 100, PAGE - 1),
      length: fc.constantFrom(0, 1, 100, PAGE, PAGE + 1, 3 * PAGE),
      flags,
    }),
    ({ page, offset, length, flags: bits }) =>
      (l, who, fd) =>
        l.shmRegister(who, fd, page * PAGE + offset, length, bits),
  ),
  operation('SHM_REGISTER of a mapping', fc.nat(), (n) => (l, who, fd) => {
    const count = who.mappings.length;
    return count === 0 ? undefined : l.shmRegisterMapping(who, fd, n % count);
  }),
  operation(
    'OPEN_SESSION',
    fc.record({ login: fc.constantFrom(0, 0, 0, 1, 4, 0x8000_0000), params }),
    ({ login, params: given }) =>
      (l, who, fd) => {
        if (l.model.openSessions >= MOST_SESSIONS) return undefined;
        return l.openSession(who, fd, login, given);
      },
  ),
  ...[0, 1].map(() =>
    operation(
      'INVOKE',
      fc.record({ session: fc.nat(30), func: fc.nat(2), params }),
      (o) => (l, who, fd) => l.invoke(who, fd, sessionOf(l, o.session), o.func, o.params),
    ),
  ),
  operation('CANCEL', fc.nat(30), (n) => (l, who, fd) => l.cancel(who, fd, sessionOf(l, n))),
  operation(
    'CLOSE_SESSION',
    fc.nat(30),
    (n) => (l, who, fd) => l.closeSession(who, fd, sessionOf(l, n)),
  ),
  operation('ask', nothing, () => (l) => (l.askers.length < MOST_ASKERS ? l.ask() : undefined)),
  operation('kill an asker', fc.nat(), (n) => (l) => l.killAsker(n % (l.askers.length + 1))),
  operation(
    'SUPPL_RECV',
    fc.constantFrom(4, 4, 4, 2, 1),
    (room) => (l, who, fd) => l.recv(who, fd, room),
  ),
  operation(
    'SUPPL_SEND',
    fc.record({ id: fc.nat(3), ret: fc.constantFrom(0xffff_0008, 0xffff_0000), count: counts() }),
    ({ id, ret, count }) =>
      (l, who, fd) =>
        l.send(who, fd, id, ret, count),
  ),
);

function names() {
  return fc.constantFrom(...(['client', 'client', 'supplicant'] as const));
}

function counts() {
  return fc.constantFrom(2, 2, 2, 1, 3);
}
