/** Parameters: which are taken, how memory is named, and what comes back. */
import assert from 'node:assert/strict';
import {
  TEE_ERROR_NOT_IMPLEMENTED,
  TEE_ERROR_SHORT_BUFFER,
  TEE_ORIGIN_TRUSTED_APP,
} from '../../src/abi/gp.ts';
import * as abi from '../../src/abi/tee.ts';
import { PTA_DEVICE_UUID } from '../../src/abi/pta.ts';
import type { UserParam } from '../../src/linux/tee/testing/params.ts';
import type { Caller } from './caller.ts';
import { PROBE_CMD, PROBE_UUID } from './probe-ta.ts';
import type { Case, Suite } from './suite.ts';

const PAGE = 4096;
const {
  TEE_IOCTL_PARAM_ATTR_TYPE_NONE: NONE,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT: VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_OUTPUT: VALUE_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT: VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT: MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT: MEMREF_OUTPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT: MEMREF_INOUT,
  TEE_IOCTL_PARAM_ATTR_META: META,
  TEE_MEMREF_NULL,
} = abi;
const MEMREFS = [MEMREF_INPUT, MEMREF_OUTPUT, MEMREF_INOUT];

/** A session that takes any parameters as far as the kernel is concerned. */
interface Opened {
  readonly caller: Caller;
  readonly fd: number;
  readonly session: number;
  invoke(func: number, ...params: UserParam[]): ReturnType<Caller['invoke']>;
}

async function opened(c: Case, uuid: string): Promise<Opened> {
  const { caller, fd } = await c.client();
  const { rc, ret, session } = await caller.openSession(fd, { uuid });
  assert.deepEqual([rc, ret], [0, 0]);
  const invoke = (func: number, ...params: UserParam[]) =>
    caller.invoke(fd, { session, func, params });
  return { caller, fd, session, invoke };
}

/** A command that the device pseudo TA does not have: it looks at no parameter. */
const NO_COMMAND = 0xffff;

export function params({ conforms }: Suite): void {
  conforms('attributes that nobody knows are EINVAL', async (c) => {
    const { invoke } = await opened(c, PTA_DEVICE_UUID);
    for (const attr of [4, 14, 0xff, 0x200, 0x1_0000, 2n ** 32n, 2n ** 63n]) {
      assert.equal((await invoke(NO_COMMAND, { attr })).rc, 'EINVAL', `attribute ${attr}`);
    }
  });

  conforms('META is for the kernel: EINVAL with any type', async (c) => {
    const { caller, fd, invoke } = await opened(c, PTA_DEVICE_UUID);
    for (const type of [NONE, VALUE_INPUT, VALUE_OUTPUT, VALUE_INOUT]) {
      const meta = { attr: META | type };
      assert.equal((await invoke(NO_COMMAND, meta)).rc, 'EINVAL');
      const reply = await caller.openSession(fd, { uuid: PTA_DEVICE_UUID, params: [meta] });
      assert.equal(reply.rc, 'EINVAL');
    }
  });

  conforms('the first bad parameter decides; good ones before it leave nothing', async (c) => {
    const { caller, fd, invoke } = await opened(c, PTA_DEVICE_UUID);
    const shm = await caller.shmAlloc(fd, PAGE);
    const good = { attr: MEMREF_INPUT, a: 0, b: PAGE, c: shm.id };
    assert.equal((await invoke(NO_COMMAND, good, { attr: 4 })).rc, 'EINVAL');
    await caller.process.close(shm.fd);
    assert.equal((await invoke(NO_COMMAND, good)).rc, 'EINVAL', 'the memory has gone');
  });

  conforms('memory is named by ids of the same context', async (c) => {
    const { caller, fd, invoke } = await opened(c, PTA_DEVICE_UUID);
    const own = await caller.shmAlloc(fd, PAGE);
    const other = await c.client();
    const theirs = await other.caller.shmAlloc(other.fd, PAGE);
    const again = await caller.process.open(c.target.client);
    const second = await caller.shmAlloc(again, PAGE);
    for (const attr of MEMREFS) {
      for (const id of [0, theirs.id, second.id, 9999, 0x7fff_ffff, 0xffff_ffff]) {
        assert.equal((await invoke(NO_COMMAND, { attr, b: 1, c: id })).rc, 'EINVAL', `id ${id}`);
      }
      assert.equal((await invoke(NO_COMMAND, { attr, b: 1, c: own.id })).rc, 0);
    }
  });

  conforms('ids count by their low 32 bits', async (c) => {
    const { caller, fd, invoke } = await opened(c, PTA_DEVICE_UUID);
    const shm = await caller.shmAlloc(fd, PAGE);
    const id = BigInt(shm.id) + 2n ** 32n;
    assert.equal((await invoke(NO_COMMAND, { attr: MEMREF_INOUT, b: 1, c: id })).rc, 0);
  });

  conforms('ranges must lie inside of the memory, and must not wrap', async (c) => {
    const { caller, fd, invoke } = await opened(c, PTA_DEVICE_UUID);
    const shm = await caller.shmRegister(fd, (await caller.map(2 * PAGE)) + 100, PAGE);
    for (const [a, b, rc] of [
      [0, PAGE, 0],
      [PAGE, 0, 0],
      [1, PAGE - 1, 0],
      [0, PAGE + 1, 'EINVAL'],
      [PAGE, 1, 'EINVAL'],
      [PAGE + 1, 0, 'EINVAL'],
      [2n ** 64n - 1n, 1, 'EINVAL'],
      [1, 2n ** 64n - 1n, 'EINVAL'],
      [2n ** 63n, 2n ** 63n, 'EINVAL'],
    ] as const) {
      const reply = await invoke(NO_COMMAND, { attr: MEMREF_INPUT, a, b, c: shm.id });
      assert.equal(reply.rc, rc, `${b} bytes at ${a}`);
    }
  });

  conforms('NULL memrefs pass, whatever offset and size', async (c) => {
    const { invoke } = await opened(c, PTA_DEVICE_UUID);
    for (const [a, b] of [
      [0, 0],
      [0, PAGE],
      [PAGE, PAGE],
    ] as const) {
      const memref = { attr: MEMREF_INPUT, a, b, c: TEE_MEMREF_NULL };
      const { rc, ret } = await invoke(NO_COMMAND, memref);
      assert.deepEqual([rc, ret], [0, TEE_ERROR_NOT_IMPLEMENTED]);
    }
  });

  conforms('values: 32 bits of a and b go there and back, c stays', ['probe TA'], async (c) => {
    const { invoke } = await opened(c, PROBE_UUID);
    const value = { attr: VALUE_INOUT, a: 0x1_0000_0002n, b: 2n ** 64n - 1n, c: 0x1234_5678_9abcn };
    const { rc, ret, params: out } = await invoke(PROBE_CMD.SWAP, value, { attr: VALUE_OUTPUT });
    assert.deepEqual([rc, ret], [0, 0]);
    assert.deepEqual(out[0], { ...value, attr: BigInt(VALUE_INOUT), a: 0xffff_ffffn, b: 2n });
  });

  conforms('outputs are not read, and are written whole', ['probe TA'], async (c) => {
    const { invoke } = await opened(c, PROBE_UUID);
    const output = { attr: VALUE_OUTPUT, a: 7n, b: 7n, c: 7n };
    const { params: out } = await invoke(PROBE_CMD.SWAP, { attr: VALUE_INOUT }, output);
    const types = BigInt(VALUE_INOUT | (VALUE_OUTPUT << 4));
    assert.deepEqual(out[1], { attr: BigInt(VALUE_OUTPUT), a: types, b: 0n, c: 0n });
  });

  conforms('inputs and NONE come back as they were', ['probe TA'], async (c) => {
    const { invoke } = await opened(c, PROBE_UUID);
    const none = { attr: BigInt(NONE), a: 1n, b: 2n, c: 3n };
    const input = { attr: BigInt(VALUE_INPUT), a: 4n, b: 5n, c: 6n };
    const reply = await invoke(PROBE_CMD.SWAP, { attr: VALUE_INOUT }, none, input);
    assert.deepEqual(reply.params.slice(1), [none, input]);
  });

  conforms('memory is seen in place, registered or allocated', ['probe TA'], async (c) => {
    const { caller, fd, invoke } = await opened(c, PROBE_UUID);
    const at = await caller.map(3 * PAGE);
    await caller.process.poke(at + PAGE - 2, Uint8Array.of(1, 2, 3, 4, 5, 6));
    const shm = await caller.shmRegister(fd, at + 10, 2 * PAGE);
    const memref = { attr: MEMREF_INOUT, a: PAGE - 11, b: 4, c: shm.id };
    const { rc, ret, params: out } = await invoke(PROBE_CMD.INVERT, memref);
    assert.deepEqual([rc, ret, out[0]?.b], [0, 0, 4n]);
    const seen = await caller.process.peek(at + PAGE - 2, 6);
    assert.deepEqual([...seen], [1, 253, 252, 251, 250, 6]);
  });

  conforms('a buffer that is too short: the size that is needed', ['probe TA'], async (c) => {
    const { caller, fd, invoke } = await opened(c, PROBE_UUID);
    const shm = await caller.shmAlloc(fd, PAGE);
    const memref = { attr: MEMREF_OUTPUT, a: 0, b: PAGE, c: shm.id };
    const { rc, ret, origin, params: out } = await invoke(PROBE_CMD.SHORT, memref);
    assert.deepEqual([rc, ret, origin], [0, TEE_ERROR_SHORT_BUFFER, TEE_ORIGIN_TRUSTED_APP]);
    assert.equal(out[0]?.b, BigInt(PAGE + 1));
  });
}
