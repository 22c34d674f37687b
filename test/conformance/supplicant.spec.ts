/** The ioctls of a supplicant, and which device knows which ioctls. */
import assert from 'node:assert/strict';
import { PROT_READ } from '../../src/abi/fcntl.ts';
import {
  TEE_ERROR_COMMUNICATION,
  TEE_ERROR_ITEM_NOT_FOUND,
  TEE_ERROR_OUT_OF_MEMORY,
  TEE_ORIGIN_TEE,
} from '../../src/abi/gp.ts';
import { OPTEE_RPC_CMD_LOAD_TA, OPTEE_RPC_CMD_SHM_ALLOC } from '../../src/abi/optee-rpc.ts';
import { PTA_DEVICE_UUID } from '../../src/abi/pta.ts';
import * as abi from '../../src/abi/tee.ts';
import { parseUuid } from '../../src/abi/uuid.ts';
import type { UserParam } from '../../src/linux/tee/testing/params.ts';
import { BAD_ADDRESS, outcome } from './caller.ts';
import { NO_TA, OFFER, Supplicant, asked, end, finish, opening } from './serve.ts';
import type { Suite } from './suite.ts';

const PAGE = 4096;
const {
  TEE_IOCTL_PARAM_ATTR_META: META,
  TEE_IOCTL_PARAM_ATTR_TYPE_NONE: NONE,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT: VALUE_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INOUT: VALUE_INOUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_INPUT: MEMREF_INPUT,
  TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT: MEMREF_OUTPUT,
} = abi;
const none: UserParam = { attr: NONE };

/** What the client gets when the supplicant goes, by what was asked of it. */
const GONE: ReadonlyMap<number, number> = new Map([
  [OPTEE_RPC_CMD_LOAD_TA, TEE_ERROR_COMMUNICATION],
  [OPTEE_RPC_CMD_SHM_ALLOC, TEE_ERROR_OUT_OF_MEMORY],
]);

export function supplicant({ conforms }: Suite): void {
  conforms('a client device has no supplicant’s ioctls: EINVAL', async (c) => {
    const { caller, fd } = await c.client();
    for (const cmd of [abi.TEE_IOC_SUPPL_RECV, abi.TEE_IOC_SUPPL_SEND]) {
      assert.equal(outcome(await caller.process.ioctl(fd, cmd, BAD_ADDRESS)), 'EINVAL');
    }
  });

  conforms('a privileged device has no client’s ioctls: EINVAL', ['privileged'], async (c) => {
    const { caller, fd } = await c.supplicant();
    for (const cmd of [
      abi.TEE_IOC_OPEN_SESSION,
      abi.TEE_IOC_INVOKE,
      abi.TEE_IOC_CANCEL,
      abi.TEE_IOC_CLOSE_SESSION,
    ]) {
      assert.equal(outcome(await caller.process.ioctl(fd, cmd, BAD_ADDRESS)), 'EINVAL');
    }
    assert.equal((await caller.openSession(fd, { uuid: PTA_DEVICE_UUID })).rc, 'EINVAL');
  });

  conforms('RECV: the argument, then its length, then the buffer', ['privileged'], async (c) => {
    const { caller, fd } = await c.supplicant();
    const rc = await caller.process.ioctl(fd, abi.TEE_IOC_SUPPL_RECV, BAD_ADDRESS);
    assert.equal(outcome(rc), 'EFAULT');
    for (const bufLen of [0, 7, 4097]) {
      const reply = await caller.supplRecv(fd, [], { bufPtr: BAD_ADDRESS, bufLen });
      assert.equal(reply.rc, 'EINVAL', `buf_len ${bufLen}`);
    }
    const reply = await caller.supplRecv(fd, OFFER, { bufPtr: BAD_ADDRESS });
    assert.equal(reply.rc, 'EFAULT');
  });

  conforms('RECV: room for parameters that are NONE or META', ['privileged'], async (c) => {
    const { caller, fd } = await c.supplicant();
    const memref = { attr: MEMREF_INPUT, b: 0, c: abi.TEE_MEMREF_NULL };
    for (const [what, params] of Object.entries({
      'no parameters': [],
      'a value': [{ attr: VALUE_INPUT }],
      'a value after META': [{ attr: META }, { attr: VALUE_INPUT }],
      'META with a type': [{ attr: META | VALUE_INOUT }],
      'a NULL memref': [memref],
      'a memref without memory': [{ attr: MEMREF_INPUT, b: 0, c: 1234 }],
    })) {
      assert.equal((await caller.supplRecv(fd, params)).rc, 'EINVAL', what);
    }
    const longer = { bufLen: abi.suppRecvArgSize(1) + 1 };
    assert.equal((await caller.supplRecv(fd, [none], longer)).rc, 'EINVAL', 'a longer buffer');
  });

  conforms('RECV: a request with its id in front', ['privileged'], async (c) => {
    const real = await asked(c);
    const { caller, fd } = real;
    const { rc, func, params } = await caller.supplRecv(fd, OFFER);
    assert.deepEqual([rc, func, params.length], [0, OPTEE_RPC_CMD_LOAD_TA, 3]);
    const [meta, uuid, file] = params;
    assert.equal(meta?.attr, BigInt(META | VALUE_INOUT));
    assert.deepEqual([meta.b, meta.c], [0n, 0n]);
    const octets = new DataView(parseUuid(NO_TA).buffer);
    assert.deepEqual(uuid, {
      attr: BigInt(VALUE_INPUT),
      a: octets.getBigUint64(0, true),
      b: octets.getBigUint64(8, true),
      c: 0n,
    });
    const { TEE_MEMREF_NULL } = abi;
    assert.deepEqual(file, { attr: BigInt(MEMREF_OUTPUT), a: 0n, b: 0n, c: TEE_MEMREF_NULL });
    assert.equal(await caller.supplSend(fd, TEE_ERROR_ITEM_NOT_FOUND, params), 0);
    await end(real);
  });

  conforms('RECV: too little room is EINVAL, and the request stays', ['privileged'], async (c) => {
    const pair = await asked(c);
    for (const params of [[none], [{ attr: META }], [{ attr: META }, none]]) {
      assert.equal((await pair.caller.supplRecv(pair.fd, params)).rc, 'EINVAL');
    }
    await finish(pair);
  });

  conforms('without META: one request at a time, and no ids', ['privileged'], async (c) => {
    const real = await asked(c);
    const { caller, fd } = real;
    const { params } = await caller.supplRecv(fd, [none, none]);
    assert.deepEqual([params.length, params[0]?.attr], [2, BigInt(VALUE_INPUT)]);
    assert.equal((await caller.supplRecv(fd, OFFER)).rc, 'EINVAL');
    assert.equal(await caller.supplSend(fd, TEE_ERROR_ITEM_NOT_FOUND, params), 0);
    await end(real);
  });

  conforms(
    'without META: what it left unanswered is not the next one’s',
    ['privileged'],
    async (c) => {
      const { caller, fd, reply } = await opening(c);
      const { func } = await caller.supplRecv(fd, [none, none]);
      await caller.process.close(fd);
      const next = await Supplicant.of(c);
      next.serveAll();
      assert.equal((await reply).ret, GONE.get(func));
      await next.caller.process.exit();
      await finish(await asked(c));
    },
  );

  conforms('SEND: the argument, then its length, then the buffer', ['privileged'], async (c) => {
    const { caller, fd } = await c.supplicant();
    const rc = await caller.process.ioctl(fd, abi.TEE_IOC_SUPPL_SEND, BAD_ADDRESS);
    assert.equal(outcome(rc), 'EFAULT');
    for (const bufLen of [0, 7, 4097]) {
      const buf = { bufPtr: BAD_ADDRESS, bufLen };
      assert.equal(await caller.supplSend(fd, 0, [], buf), 'EINVAL', `buf_len ${bufLen}`);
    }
    assert.equal(await caller.supplSend(fd, 0, [none], { bufPtr: BAD_ADDRESS }), 'EFAULT');
    assert.equal(await caller.supplSend(fd, 0, [none], { numParams: 2 }), 'EINVAL');
  });

  conforms('SEND: the META value of a request comes first', ['privileged'], async (c) => {
    const real = await asked(c);
    const { caller, fd } = real;
    const { params } = await caller.supplRecv(fd, OFFER);
    const [meta, ...rest] = params;
    const id = meta!.a;
    for (const [what, sent, rc] of [
      ['nothing', [], 'EINVAL'],
      ['no META', rest, 'EINVAL'],
      ['META alone', [{ attr: META, a: id }, ...rest], 'EINVAL'],
      ['a META input', [{ attr: META | VALUE_INPUT, a: id }, ...rest], 'EINVAL'],
      ['bits that nobody knows', [meta!, { attr: 0x200 }, rest[1]!], 'EINVAL'],
      ['a parameter less', [meta!, rest[0]!], 'EINVAL'],
      ['a parameter more', [meta!, ...rest, none], 'EINVAL'],
      ['another id', [{ ...meta!, a: id + 1n }, ...rest], 'ENOENT'],
      ['id 0', [{ ...meta!, a: 0n }, ...rest], 'ENOENT'],
    ] as const) {
      assert.equal(await caller.supplSend(fd, 0, sent), rc, what);
    }
    const wide = { ...meta!, a: id + 2n ** 32n };
    const longer = { bufLen: abi.suppSendArgSize(3) };
    const sent = await caller.supplSend(fd, TEE_ERROR_ITEM_NOT_FOUND, [wide, ...rest], longer);
    assert.equal(sent, 0, 'ids count by their low 32 bits');
    await end(real);
    assert.equal(await caller.supplSend(fd, 0, params), 'ENOENT', 'a second time');
  });

  conforms('SEND: types that nobody knows count for nothing', ['privileged'], async (c) => {
    const real = await asked(c);
    const { caller, fd } = real;
    const { params } = await caller.supplRecv(fd, OFFER);
    const strange = { attr: 0xff };
    const sent = [params[0]!, strange, strange];
    assert.equal(await caller.supplSend(fd, TEE_ERROR_ITEM_NOT_FOUND, sent), 0);
    await end(real);
  });

  conforms(
    'a client that dies gives its request up: EBADF, then ENOENT',
    ['privileged'],
    async (c) => {
      const { client, caller, fd, reply } = await asked(c);
      const died = assert.rejects(reply);
      const { params } = await caller.supplRecv(fd, OFFER);
      await client.process.exit();
      await died;
      assert.equal(await caller.supplSend(fd, 0, params), 'EBADF');
      assert.equal(await caller.supplSend(fd, 0, params), 'ENOENT');
    },
  );

  conforms('a supplicant that goes fails what was asked of it', ['privileged'], async (c) => {
    const { caller, fd, reply } = await opening(c);
    const { func } = await caller.supplRecv(fd, OFFER);
    await caller.process.close(fd);
    (await Supplicant.of(c)).serveAll();
    const { rc, ret, origin } = await reply;
    assert.deepEqual([rc, ret, origin], [0, GONE.get(func), TEE_ORIGIN_TEE]);
  });

  conforms('its memory is checked, and not shared yet', ['privileged'], async (c) => {
    const { caller, fd } = await c.supplicant();
    assert.equal((await caller.shmRegister(fd, await caller.map(PAGE), PAGE)).size, PAGE);
    const readOnly = await caller.map(PAGE, PROT_READ);
    assert.equal((await caller.shmRegister(fd, readOnly, PAGE)).rc, 'EFAULT');
  });
}
