/** Contexts, sessions, values, cancellation: what is called, and what comes back. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBUSY, EINVAL, EIO, ENOMEM } from '../../abi/errno.ts';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_GENERIC,
  TEEC_ERROR_ITEM_NOT_FOUND,
  TEEC_ERROR_OUT_OF_MEMORY,
  TEEC_ERROR_TARGET_DEAD,
  TEEC_LOGIN_GROUP,
  TEEC_LOGIN_GROUP_APPLICATION,
  TEEC_LOGIN_PUBLIC,
  TEEC_LOGIN_USER,
  TEEC_NONE,
  TEEC_ORIGIN_API,
  TEEC_ORIGIN_COMMS,
  TEEC_ORIGIN_TEE,
  TEEC_ORIGIN_TRUSTED_APP,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INOUT,
  TEEC_VALUE_INPUT,
  TEEC_VALUE_OUTPUT,
} from '../../abi/gp.ts';
import { TEE_GEN_CAP_GP, TEE_IMPL_ID_AMDTEE } from '../../abi/tee.ts';
import { parseUuid } from '../../abi/uuid.ts';
import type { Co } from '../../sched/task.ts';
import { LibTeec } from './libteec.ts';
import type { TeecContext, TeecOperation, TeecReply, TeecSession } from './teec.ts';
import { NOTHING_HELD, OPTEE_VERSION, UserBox, invokeArg, openArg } from '../testing/tee-box.ts';
import type { RecordedClient } from '../testing/tee-box.ts';

const UUID = '8aaaf200-2450-11e4-abe2-0002a5d5c51b';
const OCTETS = parseUuid(UUID);

async function contextOf(client: RecordedClient): Promise<TeecContext> {
  const { result, context } = await client.TEEC_InitializeContext();
  assert.equal(result, TEEC_SUCCESS);
  return context;
}

async function sessionOf(client: RecordedClient): Promise<TeecSession> {
  const reply = await client.TEEC_OpenSession(await contextOf(client), UUID, TEEC_LOGIN_PUBLIC);
  assert.equal(reply.result, TEEC_SUCCESS);
  client.takeIoctls();
  return reply.session;
}

describe('TEEC_InitializeContext', () => {
  it('takes the first GP device', async () => {
    const none = { ...OPTEE_VERSION, genCaps: 0 };
    const gpOnly = { ...OPTEE_VERSION, genCaps: TEE_GEN_CAP_GP };
    const box = new UserBox({ versions: [none, gpOnly, OPTEE_VERSION] });
    const client = box.client();
    const { result, context } = await client.TEEC_InitializeContext();
    assert.equal(result, TEEC_SUCCESS);
    assert.equal(client.program.process.files.get(context.fd)?.path, '/dev/tee1');
    assert.equal(context.regMem, false);
    assert.equal(context.memrefNull, false);
    assert.equal(client.program.process.files.size, 1, 'the refused one is closed');
  });

  it('optee-tz takes OP-TEE in TrustZone only', async () => {
    const amd = { ...OPTEE_VERSION, implId: TEE_IMPL_ID_AMDTEE };
    const elsewhere = { ...OPTEE_VERSION, implCaps: 0 };
    const box = new UserBox({ versions: [amd, elsewhere, OPTEE_VERSION] });
    const client = box.client();
    const { context } = await client.TEEC_InitializeContext('optee-tz');
    assert.equal(client.program.process.files.get(context.fd)?.path, '/dev/tee2');
    assert.equal(context.regMem, true);
    assert.equal(context.memrefNull, true);
  });

  for (const [what, versions, name] of [
    ['without a device', [], null],
    ['for a name that is no capability', [OPTEE_VERSION], 'optee'],
    ['without a GP device', [{ ...OPTEE_VERSION, genCaps: 0 }], null],
  ] as const) {
    it(`finds nothing ${what}`, async () => {
      const box = new UserBox({ versions });
      const client = box.client();
      const { result, context } = await client.TEEC_InitializeContext(name);
      assert.equal(result, TEEC_ERROR_ITEM_NOT_FOUND);
      assert.equal(context.fd, -1);
      assert.equal(client.program.process.files.size, 0);
      assert.equal(box.kernel.trace.lastCause?.layer, 'libteec');
    });
  }

  it('does not look beyond the tenth device', async () => {
    const versions = Array.from({ length: 11 }, (_, n) =>
      n === 10 ? OPTEE_VERSION : { ...OPTEE_VERSION, genCaps: 0 },
    );
    const client = new UserBox({ versions }).client();
    assert.equal((await client.TEEC_InitializeContext()).result, TEEC_ERROR_ITEM_NOT_FOUND);
    assert.equal(client.takeNumbers().length, 10);
  });

  it('gives the device back with TEEC_FinalizeContext', async () => {
    const box = new UserBox();
    const client = box.client();
    await client.TEEC_FinalizeContext(await contextOf(client));
    await client.program.exit();
    assert.deepEqual(box.held(), NOTHING_HELD);
  });
});

describe('TEEC_OpenSession', () => {
  it('passes the UUID as octets and always four parameters', async () => {
    const client = new UserBox().client();
    const context = await contextOf(client);
    client.takeIoctls();
    const { result, origin, session } = await client.TEEC_OpenSession(
      context,
      UUID,
      TEEC_LOGIN_PUBLIC,
    );
    assert.deepEqual([result, origin, session.sessionId], [TEEC_SUCCESS, 4, 7]);
    const arg = '0000000000000000b800000000000000';
    assert.deepEqual(client.takeIoctls(), [{ nr: 2, arg, buf: openArg([0, OCTETS]), result: 0 }]);
  });

  for (const [login, data, places] of [
    [TEEC_LOGIN_USER, null, [[32, 1]]],
    [TEEC_LOGIN_USER, 1000, [[32, 1]]],
    [
      TEEC_LOGIN_GROUP,
      0x12345678,
      [
        [16, 0x12345678],
        [32, 2],
      ],
    ],
    [
      TEEC_LOGIN_GROUP_APPLICATION,
      5,
      [
        [16, 5],
        [32, 6],
      ],
    ],
    [0xc0000000, 5, [[32, 0xc0000000]]],
  ] as const) {
    it(`passes login ${login} with data ${data}`, async () => {
      const client = new UserBox().client();
      const context = await contextOf(client);
      client.takeIoctls();
      await client.TEEC_OpenSession(context, UUID, login, data);
      assert.equal(client.takeIoctls()[0]?.buf, openArg([0, OCTETS], ...places));
    });
  }

  it('throws where C would read a group id through NULL', async () => {
    const client = new UserBox().client();
    const context = await contextOf(client);
    assert.throws(() => client.TEEC_OpenSession(context, UUID, TEEC_LOGIN_GROUP), TypeError);
  });

  for (const [rc, result] of [
    [-ENOMEM, TEEC_ERROR_OUT_OF_MEMORY],
    [-EINVAL, TEEC_ERROR_BAD_PARAMETERS],
    [-EBUSY, TEEC_ERROR_GENERIC],
  ] as const) {
    it(`gives 0x${result.toString(16)} from COMMS for ${rc}`, async () => {
      const box = new UserBox();
      const client = box.client();
      const context = await contextOf(client);
      box.fake.openSession = function* (): Co<number> {
        return rc;
      };
      const reply = await client.TEEC_OpenSession(context, UUID, TEEC_LOGIN_PUBLIC);
      assert.deepEqual([reply.result, reply.origin], [result, TEEC_ORIGIN_COMMS]);
    });
  }

  it('hands the TA on: values come back even when it refuses', async () => {
    const box = new UserBox();
    const client = box.client();
    const context = await contextOf(client);
    box.fake.openSession = function* (_ctx, arg, params): Co<number> {
      params[0]!.aLo = 77;
      arg.ret = 0x1234;
      arg.retOrigin = TEEC_ORIGIN_TRUSTED_APP;
      arg.session = 9;
      return 0;
    };
    const value = { a: 1, b: 2 };
    const operation: TeecOperation = { paramTypes: TEEC_VALUE_INOUT, params: [{ value }] };
    const reply = await client.TEEC_OpenSession(context, UUID, TEEC_LOGIN_PUBLIC, null, operation);
    assert.deepEqual([reply.result, reply.origin], [0x1234, TEEC_ORIGIN_TRUSTED_APP]);
    assert.equal(reply.session.sessionId, 0, 'no session');
    assert.deepEqual(value, { a: 77, b: 2 });
  });
});

describe('TEEC_InvokeCommand', () => {
  it('passes nothing without an operation, whatever the call before it left behind', async () => {
    const client = new UserBox().client();
    const session = await sessionOf(client);
    const value = { a: 0xffffffff, b: 0xffffffff };
    const params = [{ value }, { value }, { value }, { value }];
    await client.TEEC_InvokeCommand(session, 9, { paramTypes: 0x1111, params });
    client.takeIoctls();
    const { result, origin } = await client.TEEC_InvokeCommand(session, 3);
    assert.deepEqual([result, origin], [3, 4]);
    const arg = '00000000000000009800000000000000';
    const buf = invokeArg([0, 3], [4, 7]);
    assert.deepEqual(client.takeIoctls(), [{ nr: 3, arg, buf, result: 0 }]);
  });

  it('passes values, and takes back those that are outputs', async () => {
    const client = new UserBox().client();
    const session = await sessionOf(client);
    const operation: TeecOperation = {
      paramTypes: TEEC_PARAM_TYPES(
        TEEC_VALUE_INPUT,
        TEEC_VALUE_OUTPUT,
        TEEC_VALUE_INOUT,
        TEEC_NONE,
      ),
      params: [{ value: { a: 10, b: 11 } }, {}, { value: { a: 0xffffffff, b: 0x80000000 } }],
    };
    await client.TEEC_InvokeCommand(session, 0, operation);
    const buf = invokeArg(
      [4, 7],
      [24, 1],
      [32, 10],
      [40, 11],
      [56, 2],
      [88, 3],
      [96, 0xffffffff],
      [104, 0x80000000],
    );
    assert.equal(client.takeIoctls()[0]?.buf, buf);
    // The driver adds one to a: 32 bits of what it gives are taken.
    assert.deepEqual(operation.params, [
      { value: { a: 10, b: 11 } },
      { value: { a: 1, b: 0 } },
      { value: { a: 0, b: 0x80000000 } },
    ]);
    assert.equal(operation.session, session);
  });

  for (const type of [4, 8, 9, 10, 11]) {
    it(`refuses parameter type ${type} without a call`, async () => {
      const box = new UserBox();
      const client = box.client();
      const session = await sessionOf(client);
      const operation = { paramTypes: type << 8, params: [] };
      const reply = await client.TEEC_InvokeCommand(session, 0, operation);
      assert.deepEqual(reply, { result: TEEC_ERROR_BAD_PARAMETERS, origin: TEEC_ORIGIN_API });
      assert.deepEqual(client.takeIoctls(), []);
      assert.equal(box.kernel.trace.lastCause?.text, `parameter 2 has type ${type}`);
    });
  }

  it('ignores types beyond the fourth', async () => {
    const client = new UserBox().client();
    const session = await sessionOf(client);
    const operation = { paramTypes: 0x44440000, params: [] };
    assert.equal((await client.TEEC_InvokeCommand(session, 0, operation)).result, 0);
  });

  it('gives the result and origin of whoever answered', async () => {
    const box = new UserBox();
    const client = box.client();
    const session = await sessionOf(client);
    box.fake.invoke = function* (_ctx, arg): Co<number> {
      arg.ret = TEEC_ERROR_TARGET_DEAD;
      arg.retOrigin = TEEC_ORIGIN_TEE;
      return 0;
    };
    assert.deepEqual(await client.TEEC_InvokeCommand(session, 0), {
      result: TEEC_ERROR_TARGET_DEAD,
      origin: TEEC_ORIGIN_TEE,
    });
  });

  it('leaves the operation alone when the call fails', async () => {
    const box = new UserBox();
    const client = box.client();
    const session = await sessionOf(client);
    box.fake.invoke = function* (_ctx, _arg, params): Co<number> {
      params[0]!.aLo = 5;
      return -EIO;
    };
    const value = { a: 1, b: 2 };
    const operation = { paramTypes: TEEC_VALUE_INOUT, params: [{ value }] };
    assert.deepEqual(await client.TEEC_InvokeCommand(session, 0, operation), {
      result: TEEC_ERROR_GENERIC,
      origin: TEEC_ORIGIN_COMMS,
    });
    assert.deepEqual(value, { a: 1, b: 2 });
  });

  it('fails on a context that is closed', async () => {
    const client = new UserBox().client();
    const session = await sessionOf(client);
    await client.TEEC_FinalizeContext(session.ctx);
    const reply = await client.TEEC_InvokeCommand(session, 0);
    assert.deepEqual(reply, { result: TEEC_ERROR_GENERIC, origin: TEEC_ORIGIN_COMMS });
  });

  it('finds its arguments where a fork has moved them', async () => {
    const box = new UserBox();
    const client = box.client();
    const session = await sessionOf(client);
    const { program } = client;
    let child = 0;
    box.fake.invoke = function* (_ctx, arg): Co<number> {
      child = yield* program.fork(function* () {});
      arg.ret = 0x77;
      return 0;
    };
    assert.equal((await client.TEEC_InvokeCommand(session, 0)).result, 0x77);
    assert.ok(child > 0);
    assert.equal((await client.TEEC_InvokeCommand(session, 0)).result, 0x77);
  });
});

describe('TEEC_CloseSession', () => {
  it('closes, and says so when the kernel knows no such session', async () => {
    const box = new UserBox();
    const client = box.client();
    const session = await sessionOf(client);
    await client.TEEC_CloseSession(session);
    box.fake.errors.close = -EINVAL;
    await client.TEEC_CloseSession(session);
    assert.deepEqual(client.takeIoctls(), [
      { nr: 5, arg: '07000000', result: 0 },
      { nr: 5, arg: '07000000', result: -EINVAL },
    ]);
    const logs = [...box.kernel.trace.events()].filter(({ name }) => name === 'log');
    assert.equal(logs.length, 1);
  });
});

describe('TEEC_RequestCancellation', () => {
  it('does nothing for an operation that was never invoked', async () => {
    const client = new UserBox().client();
    await sessionOf(client);
    await client.TEEC_RequestCancellation({ paramTypes: 0, params: [] });
    assert.deepEqual(client.takeIoctls(), []);
  });

  it('cancels by the session, always with id 0', async () => {
    const client = new UserBox().client();
    const session = await sessionOf(client);
    const operation: TeecOperation = { paramTypes: 0, params: [] };
    await client.TEEC_InvokeCommand(session, 0, operation);
    client.takeIoctls();
    await client.TEEC_RequestCancellation(operation);
    assert.deepEqual(client.takeIoctls(), [{ nr: 4, arg: '0000000007000000', result: 0 }]);
  });

  it('reaches an operation that another thread waits in', async () => {
    const box = new UserBox();
    const client = box.client();
    const session = await sessionOf(client);
    const { queue, log } = box.fake;
    box.fake.invoke = function* (_ctx, arg): Co<number> {
      yield* queue.waitUntil(() => log.includes('cancel 0 7'), 'uninterruptible');
      arg.ret = 0xffff0002;
      return 0;
    };
    const operation: TeecOperation = { paramTypes: 0, params: [] };
    const replies: TeecReply[] = [];
    client.program.spawnThread('invoker', function* ({ sys }) {
      const lib = new LibTeec(client.program, sys);
      replies.push(yield* lib.invokeCommand(session, 0, operation));
    });
    box.kernel.sched.runReady();
    assert.equal(replies.length, 0, 'it waits');
    await client.TEEC_RequestCancellation(operation);
    queue.wakeAll();
    box.kernel.sched.runReady();
    assert.equal(replies[0]?.result, 0xffff0002);
  });
});
