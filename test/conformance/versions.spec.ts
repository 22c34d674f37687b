/**
 * What a program on /dev/tee0 can see of the kernel's version: one row a difference, each with what
 * either kernel answers. A row whose version is known holds for kernels in between; of one whose
 * version is not, they may answer either way.
 */
import assert from 'node:assert/strict';
import { MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from '../../src/abi/fcntl.ts';
import { TEE_ERROR_OUT_OF_MEMORY, TEE_ERROR_SECURITY } from '../../src/abi/gp.ts';
import { OPTEE_RPC_CMD_LOAD_TA, OPTEE_RPC_CMD_SHM_FREE } from '../../src/abi/optee-rpc.ts';
import { PTA_DEVICE_UUID } from '../../src/abi/pta.ts';
import * as abi from '../../src/abi/tee.ts';
import type { UserParam } from '../../src/linux/tee/testing/params.ts';
import { BAD_ADDRESS, KERNEL_ADDRESS, outcome } from './caller.ts';
import type { Caller, Outcome } from './caller.ts';
import { isAtLeast } from './release.ts';
import type { Release } from './release.ts';
import { OFFER, asked } from './serve.ts';
import type { Case, Suite } from './suite.ts';
import type { Need } from './target.ts';

const PAGE = 4096;

type Seen = readonly unknown[];

interface Difference {
  readonly what: string;
  readonly needs?: readonly Need[];
  observe(c: Case): Promise<Seen>;
  readonly '6.1': Seen;
  readonly '7.3': Seen;
  /** The first release that behaves as 7.3 does. */
  readonly since?: Release;
}

const sizes = (...list: (number | bigint)[]) =>
  async function (c: Case): Promise<Seen> {
    const { caller, fd } = await c.client();
    const seen: Outcome[] = [];
    for (const size of list) {
      const shm = await caller.shmAlloc(fd, size);
      seen.push(shm.fd < 0 ? shm.rc : shm.size);
      if (shm.fd >= 0) await caller.process.close(shm.fd);
    }
    return seen;
  };

/** Registers nothing, at several addresses. */
async function registerNothing({ caller, fd }: { caller: Caller; fd: number }): Promise<Seen> {
  const at = await caller.map(PAGE);
  const seen: Outcome[] = [];
  for (const addr of [at, 0, at + 1]) {
    const shm = await caller.shmRegister(fd, addr, 0);
    seen.push(shm.fd < 0 ? shm.rc : 'registered');
  }
  return seen;
}

async function registerFd(c: Case): Promise<Seen> {
  const { caller, fd } = await c.client();
  const data = abi.TeeIoctlShmRegisterFdData;
  const good = await caller.map(PAGE);
  const seen: Outcome[] = [];
  for (const [arg, dmabuf, flags] of [
    [BAD_ADDRESS, 0, 0],
    [good, -1, 0],
    [good, fd, 0],
    [good, fd, 1],
  ] as const) {
    const view = new DataView(new ArrayBuffer(data.byteLength));
    data.fd.set(view, 0, BigInt(dmabuf));
    data.flags.set(view, 0, flags);
    await caller.process.poke(good, new Uint8Array(view.buffer));
    seen.push(outcome(await caller.process.ioctl(fd, abi.TEE_IOC_SHM_REGISTER_FD, arg)));
  }
  return seen;
}

async function newAttributes(c: Case): Promise<Seen> {
  const { caller, fd } = await c.client();
  const { session } = await caller.openSession(fd, { uuid: PTA_DEVICE_UUID });
  const at = await caller.map(PAGE);
  const seen: Outcome[] = [];
  for (const param of [
    { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT, a: KERNEL_ADDRESS, b: 1 },
    { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INPUT, a: at, b: PAGE },
    { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_UBUF_INOUT, a: at, b: 2n ** 64n - 1n },
    { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_OUTPUT },
    { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_OBJREF_INOUT },
  ]) {
    seen.push((await caller.invoke(fd, { session, params: [param] })).rc);
  }
  return seen;
}

/** An answer to no request, whose length is between the two limits. */
async function longArgument(c: Case): Promise<Seen> {
  const { caller, fd } = await c.supplicant();
  const meta = {
    attr: abi.TEE_IOCTL_PARAM_ATTR_META | abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT,
    a: 99,
  };
  const seen: Outcome[] = [];
  for (const count of [31, 32, 127, 128]) {
    const params: UserParam[] = Array.from({ length: count }, () => ({ attr: 0 }));
    seen.push(await caller.supplSend(fd, 0, [meta, ...params.slice(1)]));
  }
  return seen;
}

/** LOAD_TA of a file of one page, for which the supplicant lends memory from SHM_ALLOC. */
async function allocatedAnswer(c: Case): Promise<Seen> {
  const { caller, fd, supplicant, reply } = await asked(c);
  const load = await caller.supplRecv(fd, OFFER);
  const sized = load.params.with(2, { ...load.params[2]!, b: BigInt(PAGE) });
  await caller.supplSend(fd, 0, sized);
  const alloc = await caller.supplRecv(fd, OFFER);
  const shm = await caller.shmAlloc(fd, PAGE);
  const lent = alloc.params.with(1, { ...alloc.params[1]!, c: BigInt(shm.id) });
  await caller.supplSend(fd, 0, lent);
  const funcs: number[] = [];
  // The last one waits in RECV for what does not come, and ends with its process.
  serveRest().catch(() => {});
  const { ret } = await reply;
  return [ret, ...funcs];

  async function serveRest(): Promise<void> {
    for (;;) {
      const request = await caller.supplRecv(fd, OFFER);
      if (supplicant.isReturn(request)) {
        await supplicant.answer(request);
      } else {
        funcs.push(request.func);
        await caller.supplSend(fd, 0, request.params);
      }
    }
  }
}

async function sysfs(c: Case): Promise<Seen> {
  const names = ['implementation_id', 'revision', 'rpmb_routing_model'];
  const device = c.target.client.replace('/dev/', '/sys/class/tee/');
  const texts = await Promise.all(names.map((name) => c.target.readFile(`${device}/${name}`)));
  return names.map((name, n) => (texts[n] === undefined ? `no ${name}` : name));
}

async function executable(c: Case): Promise<Seen> {
  const { caller, fd } = await c.client();
  const shm = await caller.shmAlloc(fd, PAGE);
  const prot = PROT_READ | PROT_WRITE;
  const request = { length: PAGE, flags: MAP_SHARED, fd: shm.fd };
  const mapped = await caller.process.mmap({ ...request, prot: prot | PROT_EXEC });
  const at = await caller.process.mmap({ ...request, prot });
  const made = await caller.process.mprotect(at, PAGE, prot | PROT_EXEC);
  return [mapped < 0 ? outcome(mapped) : 'mapped', outcome(made)];
}

const DIFFERENCES: readonly Difference[] = [
  {
    what: 'SHM_ALLOC rounds to a power of two of pages, or to whole pages',
    observe: sizes(PAGE + 1, 3 * PAGE, 5 * PAGE),
    '6.1': [2 * PAGE, 4 * PAGE, 8 * PAGE],
    '7.3': [2 * PAGE, 3 * PAGE, 5 * PAGE],
  },
  { what: 'SHM_ALLOC of nothing', observe: sizes(0), '6.1': ['ENOMEM'], '7.3': ['EINVAL'] },
  {
    what: 'SHM_ALLOC of nearly 2^64',
    observe: sizes(2n ** 64n - 1n, 2n ** 64n - 4095n),
    '6.1': ['ENOMEM', 'ENOMEM'],
    '7.3': ['EINVAL', 'EINVAL'],
  },
  {
    what: 'SHM_ALLOC of 4 MiB and of 8 MiB',
    observe: sizes(4 << 20, 8 << 20),
    '6.1': [4 << 20, 'ENOMEM'],
    '7.3': [4 << 20, 'ENOMEM'],
  },
  {
    what: 'SHM_REGISTER of nothing: aligned, NULL, unaligned',
    observe: async (c) => registerNothing(await c.client()),
    '6.1': ['EINVAL', 'EINVAL', 'registered'],
    '7.3': ['ENOMEM', 'ENOMEM', 'ENOMEM'],
    since: [6, 8],
  },
  {
    what: 'SHM_REGISTER of nothing by a supplicant: aligned, NULL, unaligned',
    needs: ['privileged'],
    observe: async (c) => registerNothing(await c.supplicant()),
    '6.1': ['registered', 'registered', 'registered'],
    '7.3': ['ENOMEM', 'ENOMEM', 'ENOMEM'],
    since: [6, 8],
  },
  {
    what: 'SHM_REGISTER_FD: bad pointer, no fd, another fd, flags',
    observe: registerFd,
    '6.1': ['EINVAL', 'EINVAL', 'EINVAL', 'EINVAL'],
    '7.3': ['EFAULT', 'EINVAL', 'EINVAL', 'EINVAL'],
    since: [6, 18],
  },
  {
    what: 'OBJECT_INVOKE: OP-TEE has none',
    async observe(c) {
      const { caller, fd } = await c.client();
      return [outcome(await caller.process.ioctl(fd, abi.TEE_IOC_OBJECT_INVOKE, BAD_ADDRESS))];
    },
    '6.1': ['EINVAL'],
    '7.3': ['EINVAL'],
  },
  {
    what: 'UBUF outside user space, UBUF, UBUF that wraps, OBJREF',
    observe: newAttributes,
    '6.1': ['EINVAL', 'EINVAL', 'EINVAL', 'EINVAL', 'EINVAL'],
    '7.3': ['EFAULT', 'EINVAL', 'EFAULT', 'EINVAL', 'EINVAL'],
    since: [6, 18],
  },
  {
    what: 'arguments of 1000, 1032, 4072 and 4104 bytes',
    needs: ['privileged'],
    observe: longArgument,
    '6.1': ['ENOENT', 'EINVAL', 'EINVAL', 'EINVAL'],
    '7.3': ['ENOENT', 'ENOENT', 'ENOENT', 'EINVAL'],
  },
  {
    what: 'a supplicant lends memory from SHM_ALLOC: the call’s result and further requests',
    needs: ['privileged'],
    observe: allocatedAnswer,
    '6.1': [TEE_ERROR_OUT_OF_MEMORY],
    '7.3': [TEE_ERROR_SECURITY, OPTEE_RPC_CMD_LOAD_TA, OPTEE_RPC_CMD_SHM_FREE],
    since: [6, 9],
  },
  {
    what: 'attributes in sysfs',
    observe: sysfs,
    '6.1': ['implementation_id', 'no revision', 'no rpmb_routing_model'],
    '7.3': ['implementation_id', 'revision', 'rpmb_routing_model'],
  },
  {
    what: 'shared memory mapped executable, or made so',
    observe: executable,
    '6.1': ['mapped', 0],
    '7.3': ['EPERM', 'EACCES'],
  },
];

/** What a kernel may answer. */
function acceptable(row: Difference, release: string): readonly Seen[] {
  if (!isAtLeast(release, [6, 2])) return [row['6.1']];
  if (isAtLeast(release, [7, 3])) return [row['7.3']];
  if (row.since === undefined) return [row['6.1'], row['7.3']];
  return [isAtLeast(release, row.since) ? row['7.3'] : row['6.1']];
}

export function versions({ conforms }: Suite): void {
  for (const row of DIFFERENCES) {
    conforms(row.what, row.needs ?? [], async (c) => {
      const seen = await row.observe(c);
      const [first, ...others] = acceptable(row, c.target.release);
      const same = others.find((other) => JSON.stringify(other) === JSON.stringify(seen));
      assert.deepEqual(seen, same ?? first);
    });
  }
}
