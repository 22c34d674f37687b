/**
 * Every pointer that a program gives to an ioctl, with each thing that can be wrong with it: what is
 * read must be readable and what is written writable, from the first byte to the last.
 */
import assert from 'node:assert/strict';
import { TEE_ERROR_ITEM_NOT_FOUND } from '../../src/abi/gp.ts';
import type { StructInfo } from '../../src/abi/layout.ts';
import { PTA_DEVICE_UUID } from '../../src/abi/pta.ts';
import * as abi from '../../src/abi/tee.ts';
import { parseUuid } from '../../src/abi/uuid.ts';
import { bytesOf, encode, viewOf } from '../../src/linux/tee/testing/params.ts';
import type { UserParam } from '../../src/linux/tee/testing/params.ts';
import { outcome } from './caller.ts';
import type { Caller, Outcome } from './caller.ts';
import { PLACES } from './places.ts';
import type { Place } from './places.ts';
import { isAtLeast } from './release.ts';
import type { Release } from './release.ts';
import { OFFER, asked } from './serve.ts';
import { Case } from './suite.ts';
import type { Suite } from './suite.ts';

const PAGE = 4096;
/** A command that the device pseudo TA does not have. */
const NO_COMMAND = 0xffff;
const INOUT: UserParam = { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT };

export type IoctlName = keyof typeof abi.TEE_IOCTLS;

/** What the kernel does with what a pointer points to. */
interface Use {
  readonly reads: boolean;
  readonly writes: boolean;
  /** Where a page behind the first one is wrong; EFAULT like all others when left out. */
  readonly laterPage?: string;
}

const NEVER: Use = { reads: false, writes: false };
const READ: Use = { reads: true, writes: false };
const WRITTEN: Use = { reads: false, writes: true };
const BOTH: Use = { reads: true, writes: true };
/** Pinned, in order: the rest is missed when the first page is there. */
const PINNED: Use = { ...BOTH, laterPage: 'ENOMEM' };

/** An ioctl, ready to be made: what its struct is, or points to, and where. */
interface Ready {
  readonly caller: Caller;
  readonly fd: number;
  readonly bytes: Uint8Array;
}

/** The pointers of an ioctl. */
export interface Row {
  /** Behind the argument. */
  readonly struct: StructInfo;
  readonly privileged?: true;
  /** The first release that knows it. */
  readonly since?: Release;
  readonly arg: Use;
  /** Of the struct, those of 64 bits: pointers, and numbers. */
  readonly fields: Readonly<Record<string, Use | 'number'>>;
  /** What it answers when all is well. */
  readonly good: Outcome;
  ready(c: Case): Promise<Ready>;
}

/** An ioctl on a struct that is filled in by field. */
const plain =
  (struct: StructInfo, fill: (view: DataView, caller: Caller, fd: number) => unknown = () => {}) =>
  async (c: Case): Promise<Ready> => {
    const { caller, fd } = await c.client();
    const view = viewOf(new Uint8Array(struct.byteLength));
    await fill(view, caller, fd);
    return { caller, fd, bytes: bytesOf(view) };
  };

async function session(caller: Caller, fd: number): Promise<number> {
  return (await caller.openSession(fd, { uuid: PTA_DEVICE_UUID })).session;
}

/** A header and its parameters, behind `buf_ptr`. */
function message(
  header: StructInfo,
  params: readonly UserParam[],
  fill: (view: DataView) => void,
): Uint8Array {
  const view = encode(header.byteLength, params);
  fill(view);
  return bytesOf(view);
}

async function readyToOpen(c: Case): Promise<Ready> {
  const { uuid, numParams } = abi.TeeIoctlOpenSessionArg;
  const bytes = message(abi.TeeIoctlOpenSessionArg, [INOUT], (view) => {
    uuid.bytes(view, 0).set(parseUuid(PTA_DEVICE_UUID));
    numParams.set(view, 0, 1);
  });
  return { ...(await c.client()), bytes };
}

async function readyToInvoke(c: Case): Promise<Ready> {
  const { caller, fd } = await c.client();
  const arg = abi.TeeIoctlInvokeArg;
  const id = await session(caller, fd);
  const bytes = message(arg, [INOUT], (view) => {
    arg.func.set(view, 0, NO_COMMAND);
    arg.session.set(view, 0, id);
    arg.numParams.set(view, 0, 1);
  });
  return { caller, fd, bytes };
}

async function readyToReceive(c: Case): Promise<Ready> {
  const { numParams } = abi.TeeIoclSuppRecvArg;
  const bytes = message(abi.TeeIoclSuppRecvArg, OFFER, (view) =>
    numParams.set(view, 0, OFFER.length),
  );
  const { caller, fd } = await asked(c);
  return { caller, fd, bytes };
}

async function readyToSend(c: Case): Promise<Ready> {
  const { caller, fd } = await asked(c);
  const { params } = await caller.supplRecv(fd, OFFER);
  const { ret, numParams } = abi.TeeIoclSuppSendArg;
  const bytes = message(abi.TeeIoclSuppSendArg, params, (view) => {
    ret.set(view, 0, TEE_ERROR_ITEM_NOT_FOUND);
    numParams.set(view, 0, params.length);
  });
  return { caller, fd, bytes };
}

const BUFFER = { struct: abi.TeeIoctlBufData, arg: READ } as const;

export const ROWS: Readonly<Record<IoctlName, Row>> = {
  TEE_IOC_VERSION: {
    struct: abi.TeeIoctlVersionData,
    arg: WRITTEN,
    fields: {},
    good: 0,
    ready: plain(abi.TeeIoctlVersionData),
  },
  TEE_IOC_SHM_ALLOC: {
    struct: abi.TeeIoctlShmAllocData,
    arg: BOTH,
    fields: { size: 'number' },
    good: 0,
    ready: plain(abi.TeeIoctlShmAllocData, (view) =>
      abi.TeeIoctlShmAllocData.size.set(view, 0, 1n),
    ),
  },
  TEE_IOC_SHM_REGISTER: {
    struct: abi.TeeIoctlShmRegisterData,
    arg: BOTH,
    fields: { addr: PINNED, length: 'number' },
    good: 0,
    ready: plain(abi.TeeIoctlShmRegisterData, async (view, caller) => {
      const { addr, length } = abi.TeeIoctlShmRegisterData;
      addr.set(view, 0, BigInt(await caller.map(2 * PAGE)));
      length.set(view, 0, BigInt(2 * PAGE));
    }),
  },
  TEE_IOC_SHM_REGISTER_FD: {
    struct: abi.TeeIoctlShmRegisterFdData,
    since: [6, 18],
    arg: READ,
    fields: { fd: 'number', size: 'number' },
    good: 'EINVAL',
    ready: plain(abi.TeeIoctlShmRegisterFdData, (view, _caller, fd) =>
      abi.TeeIoctlShmRegisterFdData.fd.set(view, 0, BigInt(fd)),
    ),
  },
  TEE_IOC_CANCEL: {
    struct: abi.TeeIoctlCancelArg,
    arg: READ,
    fields: {},
    good: 0,
    ready: plain(abi.TeeIoctlCancelArg, async (view, caller, fd) =>
      abi.TeeIoctlCancelArg.session.set(view, 0, await session(caller, fd)),
    ),
  },
  TEE_IOC_CLOSE_SESSION: {
    struct: abi.TeeIoctlCloseSessionArg,
    arg: READ,
    fields: {},
    good: 0,
    ready: plain(abi.TeeIoctlCloseSessionArg, async (view, caller, fd) =>
      abi.TeeIoctlCloseSessionArg.session.set(view, 0, await session(caller, fd)),
    ),
  },
  TEE_IOC_OPEN_SESSION: {
    ...BUFFER,
    fields: { buf_ptr: BOTH, buf_len: 'number' },
    good: 0,
    ready: readyToOpen,
  },
  TEE_IOC_INVOKE: {
    ...BUFFER,
    fields: { buf_ptr: BOTH, buf_len: 'number' },
    good: 0,
    ready: readyToInvoke,
  },
  TEE_IOC_SUPPL_RECV: {
    ...BUFFER,
    privileged: true,
    fields: { buf_ptr: BOTH, buf_len: 'number' },
    good: 0,
    ready: readyToReceive,
  },
  TEE_IOC_SUPPL_SEND: {
    ...BUFFER,
    privileged: true,
    fields: { buf_ptr: READ, buf_len: 'number' },
    good: 0,
    ready: readyToSend,
  },
  TEE_IOC_OBJECT_INVOKE: {
    ...BUFFER,
    arg: NEVER,
    fields: { buf_ptr: NEVER, buf_len: 'number' },
    good: 'EINVAL',
    ready: readyToInvoke,
  },
};

const FINE = PLACES['whole pages']!;

/** Makes the ioctl with its argument in a place, or what a field of it points to. */
async function call(name: IoctlName, pointer: string, place: Place, ready: Ready): Promise<number> {
  const { caller, fd, bytes } = ready;
  const { struct } = ROWS[name];
  const isBuffer = struct === abi.TeeIoctlBufData;
  const argument = isBuffer ? await bufData(caller, bytes) : bytes;
  const field = struct.fields.find((one) => one.name === pointer);
  const at = Number(await (field === undefined ? place : FINE).put(caller, argument));
  if (field !== undefined) {
    const pointed = isBuffer ? bytes : new Uint8Array(2 * PAGE);
    const address = BigUint64Array.of(await place.put(caller, pointed));
    await caller.process.poke(at + field.offset, new Uint8Array(address.buffer));
  }
  return caller.process.ioctl(fd, abi.TEE_IOCTLS[name], at);
}

async function bufData(caller: Caller, bytes: Uint8Array): Promise<Uint8Array> {
  const view = viewOf(new Uint8Array(abi.TeeIoctlBufData.byteLength));
  abi.TeeIoctlBufData.bufPtr.set(view, 0, await FINE.put(caller, bytes));
  abi.TeeIoctlBufData.bufLen.set(view, 0, BigInt(bytes.length));
  return bytesOf(view);
}

function expected(row: Row, use: Use, place: Place, release: string): Outcome {
  if (row.since !== undefined && !isAtLeast(release, row.since)) return row.good;
  const { reads, writes, laterPage } = use;
  const wrong = (reads && !place.readable) || (writes && !place.writable);
  if (!wrong) return row.good;
  return place.later === true ? (laterPage ?? 'EFAULT') : 'EFAULT';
}

export function pointers({ conforms }: Suite): void {
  for (const name of Object.keys(ROWS) as IoctlName[]) {
    const row = ROWS[name];
    const needs = row.privileged === true ? (['privileged'] as const) : [];
    for (const [pointer, use] of [
      ['the argument', row.arg],
      ...Object.entries(row.fields),
    ] as const) {
      if (use === 'number') continue;
      conforms(`${name}: ${pointer}`, needs, async ({ target }) => {
        for (const [what, place] of Object.entries(PLACES)) {
          if (pointer === 'the argument' && place.inexact === true) continue;
          const c = new Case(target);
          try {
            const rc = await call(name, pointer, place, await row.ready(c));
            const wanted = expected(row, use, place, target.release);
            assert.equal(outcome(Math.min(rc, 0)), wanted, what);
          } finally {
            await c.end();
          }
        }
      });
    }
  }
}
