/** TEE_IOC_SUPPL_RECV, properly and with every kind of argument that a program can give it. */
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../../abi/fcntl.ts';
import {
  TEE_IOCTL_PARAM_ATTR_META,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT,
  TeeIoclSuppRecvArg,
} from '../../../abi/tee.ts';
import { PAGE_SIZE, va } from '../../../machine/address.ts';
import type { Co } from '../../../sched/task.ts';
import { recvArg } from './ioctls.ts';
import type { RawParam, RawRequest } from './ioctls.ts';
import { EMPTY, NOWHERE } from './state.ts';
import type { HostileProcess, HostileThread } from './state.ts';

/** Parameters of the largest request, and the one for its id. */
const ENOUGH = 5;
const META: RawParam = { ...EMPTY, attr: TEE_IOCTL_PARAM_ATTR_META };
/** No attribute has these bits. */
const BAD_ATTR = 0xff00;

/** As tee-supplicant does, or, in a process that receives without META, as old ones did. */
export function receiveProperly(thread: HostileThread): Co<number> {
  const { receives } = thread.process.manner;
  return receive(thread, slots(ENOUGH, receives !== 'without META'));
}

type Variant = (thread: HostileThread) => Co<unknown>;

const VARIANTS: readonly (readonly [label: string, variant: Variant])[] = [
  ['any room', receiveWithAnyRoom],
  ['pointer to nowhere', (t) => t.ioctls.recvAt(t.process.fd, NOWHERE, argLength(t))],
  ['a length that is none', (t) => t.ioctls.recvAt(t.process.fd, t.process.lendable, 1)],
  ['read-only buffer', (t) => receiveInto(t, PAGE_SIZE)],
  ['buffer with a read-only end', (t) => receiveInto(t, PAGE_SIZE - TeeIoclSuppRecvArg.byteLength)],
  ['a memref', (t) => receive(t, [...slots(1, takesMeta(t)), someMemref(t.process)])],
  ['a memref and a bad attribute', receiveWithBadAttribute],
];

export function* receiveOddly(thread: HostileThread): Co<void> {
  const [, variant] = thread.process.run.oneOf(VARIANTS, 'how to receive');
  yield* variant(thread);
}

function* receive(thread: HostileThread, offered: readonly RawParam[]): Co<number> {
  const { process } = thread;
  const got = yield* thread.ioctls.recv(process.fd, offered);
  if (typeof got === 'number') return got;
  note(process, got);
  return 0;
}

function note(process: HostileProcess, { func, params }: RawRequest): void {
  const [first] = params;
  const isAsync = first !== undefined && (first.attr & TEE_IOCTL_PARAM_ATTR_META) !== 0;
  const id = isAsync ? first.a : undefined;
  process.pending.push({ id, func, params: isAsync ? params.slice(1) : params });
  process.highestId = Math.max(process.highestId, id ?? 0);
}

const slots = (room: number, meta: boolean): readonly RawParam[] =>
  Array.from({ length: room }, (_, n) => (n === 0 && meta ? META : EMPTY));

function takesMeta({ process }: HostileThread): boolean {
  const { receives } = process.manner;
  if (receives !== 'either way') return receives === 'with META';
  return process.run.choose(2, 'without META') === 0;
}

const argLength = (thread: HostileThread): number =>
  recvArg(slots(ENOUGH, takesMeta(thread))).length;

function receiveWithAnyRoom(thread: HostileThread): Co<number> {
  const room = thread.process.run.choose(ENOUGH + 1, 'room');
  return receive(thread, slots(room, takesMeta(thread)));
}

function receiveWithBadAttribute(thread: HostileThread): Co<number> {
  return receive(thread, [someMemref(thread.process), { ...EMPTY, attr: BAD_ATTR }]);
}

/** A memref of shared memory that the process has, or of none that there is. */
function someMemref(process: HostileProcess): RawParam {
  const id = process.run.oneOf([...process.shms.keys(), 1], 'which memory');
  return { attr: TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT, a: 0, b: PAGE_SIZE, c: id };
}

/** Receives into fresh memory that is read-only from its second page on. @param offset into it. */
function* receiveInto(thread: HostileThread, offset: number): Co<void> {
  const { process, ioctls } = thread;
  const { sys } = ioctls;
  const access = PROT_READ | PROT_WRITE;
  const at = yield* sys.mmap(0, 2 * PAGE_SIZE, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at < 0) return;
  const argument = recvArg(slots(ENOUGH, takesMeta(thread)));
  if (!process.program.process.mm.write(va(at + offset), argument)) return;
  yield* sys.mprotect(at + PAGE_SIZE, PAGE_SIZE, PROT_READ);
  yield* ioctls.recvAt(process.fd, va(at + offset), argument.length);
  yield* sys.munmap(at, 2 * PAGE_SIZE);
}
