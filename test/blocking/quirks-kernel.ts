/** What the bugs of Linux's TEE driver do, seen by programs that make the system calls themselves. */
import { BoxTarget } from '../conformance/box-target.ts';
import type { Caller } from '../conformance/caller.ts';
import { outcome } from '../conformance/caller.ts';
import { OFFER, serveOne } from '../conformance/serve.ts';
import { Case } from '../conformance/suite.ts';
import { MAP_SHARED, PROT_READ, PROT_WRITE } from '../../src/abi/fcntl.ts';
import { TEE_ERROR_COMMUNICATION } from '../../src/abi/gp.ts';
import * as abi from '../../src/abi/tee.ts';
import type { OpteeOsConfig } from '../../src/optee-os/config.ts';
import type { Profile } from '../../src/index.ts';
import { without } from './quirk-case.ts';
import type { QuirkCase } from './quirk-case.ts';
import { MISSING_UUID } from './tas.ts';

const PAGE = 4096;
const { TEE_IOCTL_PARAM_ATTR_META: META, TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT: VALUE_INOUT } = abi;

/**
 * Something on a box of its own; processes end with it. What a TA that is unknown asks of a supplicant
 * is LOAD_TA, and nothing before it.
 */
const onBox =
  (
    body: (c: Case, target: BoxTarget) => Promise<unknown>,
    config: Partial<OpteeOsConfig> = {},
  ): QuirkCase['observe'] =>
  async (profile: Profile) => {
    const target = new BoxTarget(profile, { CFG_SECSTOR_TA: false, ...config });
    const c = new Case(target);
    try {
      return await body(c, target);
    } finally {
      if (target.box.halted === undefined) await c.end();
    }
  };

/** What a promise has come to once the box has nothing to do: a sleeper is `sleeps`. */
async function sofar<T>(target: BoxTarget, promise: Promise<T>): Promise<T | string> {
  const quiet = target.rest().then(() => 'sleeps');
  return Promise.race([promise.catch((error: Error) => error.name), quiet]);
}

/** Whether a supplicant could start. */
async function place(c: Case): Promise<string> {
  const { process } = await c.caller();
  const fd = await process.open('/dev/teepriv0');
  await process.exit();
  return fd < 0 ? String(outcome(fd)) : 'free';
}

/** A client whose TA is looked for, and a supplicant. */
async function asked(c: Case) {
  const client = await c.client();
  const { caller, fd } = await c.supplicant();
  const opening = client.caller.openSession(client.fd, { uuid: MISSING_UUID });
  return { caller, fd, opening };
}

/** RECV into a buffer that can be read only. */
async function receiveBadly(caller: Caller, fd: number): Promise<unknown> {
  const at = await caller.map(PAGE);
  const view = new DataView(new ArrayBuffer(abi.suppRecvArgSize(OFFER.length)));
  abi.TeeIoclSuppRecvArg.numParams.set(view, 0, OFFER.length);
  abi.TeeIoctlParam.attr.set(view, abi.TeeIoclSuppRecvArg.byteLength, BigInt(META));
  await caller.process.poke(at, new Uint8Array(view.buffer));
  await caller.process.mprotect(at, PAGE, PROT_READ);
  return (await caller.supplRecv(fd, OFFER, { bufPtr: at })).rc;
}

/** Serves LOAD_TA's first round and SHM_ALLOC, so that the client holds memory of the supplicant. */
async function lend(caller: Caller, fd: number): Promise<number> {
  const sized = await caller.supplRecv(fd, OFFER);
  await caller.supplSend(fd, 0, sized.params.with(2, { ...sized.params[2]!, b: BigInt(PAGE) }));
  const alloc = await caller.supplRecv(fd, OFFER);
  const shm = await caller.shmRegister(fd, await caller.map(PAGE), PAGE);
  await caller.supplSend(fd, 0, alloc.params.with(1, { ...alloc.params[1]!, c: BigInt(shm.id) }));
  return shm.fd;
}

/** A supplicant leaves while a client holds its memory and waits for it. */
const supplicantLeaves = onBox(async (c, target) => {
  const { caller, fd, opening } = await asked(c);
  await lend(caller, fd);
  await caller.supplRecv(fd, OFFER);
  await caller.process.exit();
  const client = await sofar(target, opening);
  return [typeof client === 'string' ? client : client.ret, await place(c)];
});

export const KERNEL_QUIRKS: readonly QuirkCase[] = [
  {
    quirk: 'tee.quirkMmapOffsetIgnored',
    shows: 'a mapping of the second page shows the first',
    observe: onBox(async (c) => {
      const { caller, fd } = await c.client();
      const { process } = caller;
      const shm = await caller.shmAlloc(fd, 2 * PAGE);
      const request = { length: 2 * PAGE, prot: PROT_READ | PROT_WRITE, flags: MAP_SHARED };
      const whole = await process.mmap({ ...request, fd: shm.fd });
      await process.poke(whole + PAGE, Uint8Array.of(2));
      const second = await process.mmap({ ...request, length: PAGE, offset: PAGE, fd: shm.fd });
      return (await process.peek(second, 1))[0];
    }),
    on: 0,
    off: 2,
  },
  {
    quirk: 'tee.quirkShortPinLeaksPage',
    shows: 'a registration that fails half-way leaves a page pinned, after its process too',
    observe: onBox(async (c, { box }) => {
      const { caller, fd } = await c.client();
      const at = await caller.map(3 * PAGE);
      await caller.process.munmap(at + 2 * PAGE, PAGE);
      const { rc } = await caller.shmRegister(fd, at + 1, 2 * PAGE);
      await c.end();
      return [rc, box.kernel.pages.pinsOutstanding];
    }),
    on: ['ENOMEM', 1],
    off: ['ENOMEM', 0],
  },
  {
    quirk: 'tee.quirkPageCountIsInt',
    shows: 'of a buffer of 16 TiB and a page one page is registered',
    observe: onBox(async (c, { box }) => {
      const { caller, fd } = await c.client();
      const length = 2 ** 44 + PAGE;
      const shm = await caller.shmRegister(fd, await caller.map(length), length);
      return [outcome(Math.min(0, shm.fd)), shm.size, box.kernel.pages.pinsOutstanding];
    }),
    on: [0, PAGE, 1],
    off: ['ENOMEM', 2 ** 44 + PAGE, 0],
  },
  {
    quirk: 'tee.quirkSupplRecvLeaksMemrefs',
    shows: 'a bad RECV with memory in it keeps the supplicant’s place for ever',
    observe: onBox(async (c) => {
      const { caller, fd } = await c.supplicant();
      const shm = await caller.shmRegister(fd, await caller.map(PAGE), PAGE);
      const memref = { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT, b: 1, c: shm.id };
      const { rc } = await caller.supplRecv(fd, [memref, { attr: 4 }]);
      await c.end();
      return [rc, await place(c)];
    }),
    on: ['EINVAL', 'EBUSY'],
    off: ['EINVAL', 'free'],
  },
  {
    quirk: 'tee.quirkSupplRecvFaultLosesRequest',
    shows: 'a RECV that cannot write loses the request: its client waits until it is killed',
    observe: onBox(async (c, target) => {
      const { caller, fd, opening } = await asked(c);
      const rc = await receiveBadly(caller, fd);
      const next = await sofar(target, serveOne(caller, fd, TEE_ERROR_COMMUNICATION));
      const client = await sofar(target, opening);
      return [rc, typeof next, typeof client];
    }),
    on: ['EFAULT', 'string', 'string'],
    off: ['EFAULT', 'object', 'object'],
  },
  {
    quirk: 'optee.quirkSendQueuedRequest',
    shows: 'an answer to a request that nobody received corrupts the queue: kernel BUG',
    observe: onBox(async (c, target) => {
      const { caller, fd, opening } = await asked(c);
      await target.rest();
      const meta = { attr: META | VALUE_INOUT, a: 1 };
      const rc = await caller.supplSend(fd, 0, [meta, { attr: 0 }, { attr: 0 }]);
      await sofar(target, opening);
      await sofar(target, caller.supplRecv(fd, OFFER));
      return [rc, target.box.halted?.kind];
    }),
    on: [0, 'kernel BUG'],
    off: ['ENOENT', undefined],
  },
  {
    quirk: 'optee.quirkSuppReleaseByShm',
    shows: 'a supplicant that leaves while a client holds its memory leaves the client waiting',
    observe: (profile) =>
      // That bug would have the client wait again, for a supplicant to free the memory.
      supplicantLeaves(without(profile, 'optee.quirkShmFreeOfClosedSupplicant')),
    on: ['sleeps', 'EBUSY'],
    off: [TEE_ERROR_COMMUNICATION, 'free'],
  },
  {
    quirk: 'optee.quirkShmFreeOfClosedSupplicant',
    shows: 'a client whose supplicant has left waits for one that frees the memory of the first',
    observe: (profile) => supplicantLeaves(without(profile, 'optee.quirkSuppReleaseByShm')),
    on: ['sleeps', 'free'],
    off: [TEE_ERROR_COMMUNICATION, 'free'],
  },
  {
    quirk: 'optee.quirkSuppPoolRegisters',
    shows: 'a supplicant needs a secure thread to lend memory, and the only one waits for it',
    observe: onBox(
      async (c, target) => {
        const { caller, fd, opening } = await asked(c);
        await caller.supplRecv(fd, OFFER);
        const alloc = await sofar(target, caller.shmAlloc(fd, PAGE));
        void opening.catch(() => {});
        return typeof alloc === 'string' ? alloc : 'allocated';
      },
      { CFG_NUM_THREADS: 1 },
    ),
    on: 'sleeps',
    off: 'allocated',
  },
  {
    quirk: 'optee.quirkReleaseWaitsForScan',
    shows: 'a supplicant’s release waits for a scan that waits for the supplicant',
    observe: onBox(
      async (c, target) => {
        const client = await c.client();
        const opening = client.caller.openSession(client.fd, { uuid: MISSING_UUID });
        await target.rest();
        const { caller, fd } = await c.supplicant();
        const closed = await sofar(target, caller.process.close(fd));
        const answer = await sofar(target, opening);
        return [closed, typeof answer === 'string' ? answer : answer.ret];
      },
      { CFG_NUM_THREADS: 1 },
    ),
    on: ['sleeps', 'sleeps'],
    off: [0, TEE_ERROR_COMMUNICATION],
  },
];
