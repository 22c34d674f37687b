/** Sessions: whose they are, how long they last, and what a call answers. */
import assert from 'node:assert/strict';
import { TA_HELLO_WORLD_UUID } from '../../examples/hello_world/hello-world-ta.ts';
import { TA_RANDOM_UUID } from '../../examples/random/random-ta.ts';
import { MAP_SHARED, PROT_READ, PROT_WRITE } from '../../src/abi/fcntl.ts';
import {
  TEE_ERROR_BAD_PARAMETERS,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ORIGIN_TEE as TEE,
  TEE_ORIGIN_TRUSTED_APP as TRUSTED_APP,
} from '../../src/abi/gp.ts';
import { PTA_DEVICE_UUID } from '../../src/abi/pta.ts';
import * as abi from '../../src/abi/tee.ts';
import { parseUuid } from '../../src/abi/uuid.ts';
import { outcome } from './caller.ts';
import { PROBE_CMD, PROBE_UUID } from './probe-ta.ts';
import { NO_TA, asked, finish } from './serve.ts';
import type { Suite } from './suite.ts';

const PAGE = 4096;

export function session({ conforms }: Suite): void {
  conforms('a TA answers with its own origin', ['example TAs'], async (c) => {
    const { caller, fd } = await c.client();
    const open = await caller.openSession(fd, { uuid: TA_HELLO_WORLD_UUID });
    assert.deepEqual([open.rc, open.ret, open.origin], [0, 0, TRUSTED_APP]);
    assert.notEqual(open.session, 0);
    const value = { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT, a: 42n, b: 7n };
    const none = { attr: 0 };
    const params = [value, none, none, none];
    const reply = await caller.invoke(fd, { session: open.session, params });
    assert.deepEqual([reply.rc, reply.ret, reply.origin], [0, 0, TRUSTED_APP]);
    assert.deepEqual([reply.params[0]?.a, reply.params[0]?.b], [43n, 7n]);
    const wrong = await caller.invoke(fd, { session: open.session });
    assert.deepEqual(
      [wrong.rc, wrong.ret, wrong.origin],
      [0, TEE_ERROR_BAD_PARAMETERS, TRUSTED_APP],
    );
  });

  conforms('a TA fills memory of its client', ['example TAs'], async (c) => {
    const { caller, fd } = await c.client();
    const { session: id } = await caller.openSession(fd, { uuid: TA_RANDOM_UUID });
    const at = await caller.map(PAGE);
    const shm = await caller.shmRegister(fd, at, 16);
    const memref = { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT, b: 16n, c: shm.id };
    const none = { attr: 0 };
    const params = [memref, none, none, none];
    const reply = await caller.invoke(fd, { session: id, params });
    assert.deepEqual([reply.rc, reply.ret, reply.params[0]?.b], [0, 0, 16n]);
    assert.ok((await caller.process.peek(at, 16)).some((byte) => byte !== 0));
  });

  conforms('a TA that nobody has', ['privileged'], async (c) => {
    const { rc, ret, origin, session: id } = await finish(await asked(c));
    assert.deepEqual([rc, ret, origin, id], [0, TEE_ERROR_ITEM_NOT_FOUND, TEE, 0]);
  });

  conforms('results of a TA pass as they are', ['probe TA'], async (c) => {
    const { caller, fd } = await c.client();
    const { session: id } = await caller.openSession(fd, { uuid: PROBE_UUID });
    for (const result of [1, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe]) {
      const params = [{ attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT, a: result }];
      const reply = await caller.invoke(fd, { session: id, func: PROBE_CMD.RESULT, params });
      assert.deepEqual([reply.rc, reply.ret, reply.origin], [0, result, TRUSTED_APP]);
    }
  });

  conforms('sessions that there are not: EINVAL', async (c) => {
    const { caller, fd } = await c.client();
    for (const id of [0, 1, 9999, 0xffff_ffff]) {
      assert.equal((await caller.invoke(fd, { session: id })).rc, 'EINVAL');
      assert.equal(await caller.cancel(fd, id), 'EINVAL');
      assert.equal(await caller.closeSession(fd, id), 'EINVAL');
    }
  });

  conforms('a session belongs to the context that opened it', async (c) => {
    const { caller, fd } = await c.client();
    const { session: id } = await caller.openSession(fd, { uuid: PTA_DEVICE_UUID });
    const again = await caller.process.open(c.target.client);
    const other = await c.client();
    for (const [who, which] of [
      [caller, again],
      [other.caller, other.fd],
    ] as const) {
      assert.equal((await who.invoke(which, { session: id })).rc, 'EINVAL');
      assert.equal(await who.cancel(which, id), 'EINVAL');
      assert.equal(await who.closeSession(which, id), 'EINVAL');
    }
    assert.equal(await caller.closeSession(fd, id), 0);
  });

  conforms('any fd of the context will do, in whatever process', async (c) => {
    const { caller, fd } = await c.client();
    const { session: id } = await caller.openSession(fd, { uuid: PTA_DEVICE_UUID });
    const twin = await caller.process.dup(fd);
    await caller.process.close(fd);
    assert.equal((await caller.invoke(twin, { session: id })).rc, 0);
    const heir = await c.adopt(await caller.process.heir());
    await caller.process.exit();
    assert.equal((await heir.invoke(twin, { session: id })).rc, 0);
    assert.equal(await heir.closeSession(twin, id), 0);
  });

  conforms('a session is closed once', async (c) => {
    const { caller, fd } = await c.client();
    const { session: id } = await caller.openSession(fd, { uuid: PTA_DEVICE_UUID });
    assert.equal(await caller.closeSession(fd, id), 0);
    assert.equal(await caller.closeSession(fd, id), 'EINVAL');
    assert.equal((await caller.invoke(fd, { session: id })).rc, 'EINVAL');
  });

  conforms('CANCEL is 0 for any session of the context, and changes nothing', async (c) => {
    const { caller, fd } = await c.client();
    const { session: id } = await caller.openSession(fd, { uuid: PTA_DEVICE_UUID });
    for (const cancelId of [0, 1, 0xffff_ffff]) {
      assert.equal(await caller.cancel(fd, id, cancelId), 0);
    }
    assert.equal((await caller.invoke(fd, { session: id })).rc, 0);
  });

  conforms('a session whose number cannot be told is closed again: EFAULT', async (c) => {
    const { caller, fd } = await c.client();
    const { session: id } = await caller.openSession(fd, { uuid: PTA_DEVICE_UUID });
    const at = await caller.map(PAGE);
    await caller.process.poke(at, parseUuid(PTA_DEVICE_UUID));
    await caller.process.mprotect(at, PAGE, PROT_READ);
    const buf = { bufPtr: at, bufLen: abi.TeeIoctlOpenSessionArg.byteLength };
    assert.equal((await caller.openSession(fd, { uuid: NO_TA, buf })).rc, 'EFAULT');
    assert.equal((await caller.invoke(fd, { session: id + 1 })).rc, 'EINVAL');
    assert.equal((await caller.invoke(fd, { session: id })).rc, 0, 'the other one is there');
  });

  conforms(
    'an answer that cannot be told is EFAULT, and the call was made',
    ['probe TA'],
    async (c) => {
      const { caller, fd } = await c.client();
      const { session: id } = await caller.openSession(fd, { uuid: PROBE_UUID });
      const shm = await caller.shmAlloc(fd, PAGE);
      const memory = { length: PAGE, prot: PROT_READ | PROT_WRITE, flags: MAP_SHARED, fd: shm.fd };
      const at = await caller.process.mmap(memory);
      const memref = { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INOUT, b: 1, c: shm.id };
      const call = { session: id, func: PROBE_CMD.INVERT, params: [memref] };
      const readOnly = await copyOf(call);
      assert.equal(outcome(readOnly), 'EFAULT');
      assert.deepEqual([...(await caller.process.peek(at, 1))], [0xff]);

      /** The same call with an argument in read-only memory. */
      async function copyOf({ session: to, func }: typeof call): Promise<number> {
        const view = new DataView(new ArrayBuffer(abi.invokeArgSize(1)));
        abi.TeeIoctlInvokeArg.session.set(view, 0, to);
        abi.TeeIoctlInvokeArg.func.set(view, 0, func);
        abi.TeeIoctlInvokeArg.numParams.set(view, 0, 1);
        const param = abi.TeeIoctlInvokeArg.byteLength;
        abi.TeeIoctlParam.attr.set(view, param, BigInt(memref.attr));
        abi.TeeIoctlParam.b.set(view, param, 1n);
        abi.TeeIoctlParam.c.set(view, param, BigInt(shm.id));
        const page = await caller.map(PAGE);
        await caller.process.poke(page, new Uint8Array(view.buffer));
        const data = new DataView(new ArrayBuffer(abi.TeeIoctlBufData.byteLength));
        abi.TeeIoctlBufData.bufPtr.set(data, 0, BigInt(page));
        abi.TeeIoctlBufData.bufLen.set(data, 0, BigInt(view.byteLength));
        await caller.process.poke(page + PAGE / 2, new Uint8Array(data.buffer));
        await caller.process.mprotect(page, PAGE, PROT_READ);
        return caller.process.ioctl(fd, abi.TEE_IOC_INVOKE, page + PAGE / 2);
      }
    },
  );
}
