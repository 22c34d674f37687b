/** Shared memory and memory references, on devices that register and on those that do not. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL, EIO, ENOMEM } from '../../abi/errno.ts';
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../abi/fcntl.ts';
import {
  TEEC_ERROR_BAD_PARAMETERS,
  TEEC_ERROR_GENERIC,
  TEEC_ERROR_OUT_OF_MEMORY,
  TEEC_LOGIN_PUBLIC,
  TEEC_MEMREF_PARTIAL_INOUT,
  TEEC_MEMREF_PARTIAL_INPUT,
  TEEC_MEMREF_PARTIAL_OUTPUT,
  TEEC_MEMREF_TEMP_INOUT,
  TEEC_MEMREF_TEMP_INPUT,
  TEEC_MEMREF_TEMP_OUTPUT,
  TEEC_MEMREF_WHOLE,
  TEEC_MEM_INPUT,
  TEEC_MEM_OUTPUT,
  TEEC_ORIGIN_API,
  TEEC_ORIGIN_COMMS,
  TEEC_PARAM_TYPES,
  TEEC_SUCCESS,
  TEEC_VALUE_INPUT,
} from '../../abi/gp.ts';
import { TEE_GEN_CAP_GP, TEE_GEN_CAP_MEMREF_NULL, TEE_GEN_CAP_REG_MEM } from '../../abi/tee.ts';
import { PAGE_SIZE, va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { TeeParam } from '../../linux/tee/tee-drv.ts';
import type { Co } from '../../sched/task.ts';
import { TeecSharedMemory } from './teec.ts';
import type { TeecOperation, TeecSession } from './teec.ts';
import { NOTHING_HELD, OPTEE_VERSION, UserBox, invokeArg } from '../testing/tee-box.ts';
import type { RecordedClient } from '../testing/tee-box.ts';

const UUID = '8aaaf200-2450-11e4-abe2-0002a5d5c51b';
const INOUT = TEEC_MEM_INPUT | TEEC_MEM_OUTPUT;
/** Numbers of the ioctls. */
const SHM_ALLOC = 1;
const INVOKE = 3;
const SHM_REGISTER_FD = 8;
const SHM_REGISTER = 9;

/** A device that maps its own buffers into programs. */
const NO_REG_MEM = { ...OPTEE_VERSION, genCaps: TEE_GEN_CAP_GP | TEE_GEN_CAP_MEMREF_NULL };
/** A device without NULL references. */
const NO_NULL = { ...OPTEE_VERSION, genCaps: TEE_GEN_CAP_GP | TEE_GEN_CAP_REG_MEM };

interface Opened {
  readonly box: UserBox;
  readonly client: RecordedClient;
  readonly session: TeecSession;
}

/** A session; `invoke` is what the TA does. */
async function open(
  version = OPTEE_VERSION,
  invoke: (params: readonly TeeParam[]) => number = () => 0,
): Promise<Opened> {
  const box = new UserBox({ versions: [version] });
  const client = box.client();
  const { context } = await client.TEEC_InitializeContext();
  const { session } = await client.TEEC_OpenSession(context, UUID, TEEC_LOGIN_PUBLIC);
  box.fake.invoke = function* (_ctx, arg, params): Co<number> {
    arg.retOrigin = 4;
    arg.ret = 0;
    return invoke(params);
  };
  client.takeIoctls();
  return { box, client, session };
}

/** The bytes that the TA sees of a parameter. */
function seen(param: TeeParam): Uint8Array {
  if (param.shm === null) return new Uint8Array(0);
  return param.shm.map(param.shmOffs, param.size, 'write').bytes;
}

/** A page that the program may only read, with bytes in it. */
async function readOnlyPage(client: RecordedClient, bytes: Uint8Array): Promise<Va> {
  const { program } = client;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  const prot = PROT_READ | PROT_WRITE;
  const at = va(await program.run(program.sys.mmap(0, PAGE_SIZE, prot, flags, -1, 0)));
  client.memory.write(at, bytes);
  await program.run(program.sys.mprotect(at, PAGE_SIZE, PROT_READ));
  return at;
}

/** Everything is closed; what is left would leak. */
async function closed({ box, client, session }: Opened): Promise<Readonly<Record<string, number>>> {
  await client.TEEC_CloseSession(session);
  await client.TEEC_FinalizeContext(session.ctx);
  assert.equal(client.program.process.files.size, 0);
  await client.program.exit();
  return box.held();
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe('TEEC_RegisterSharedMemory', () => {
  it('registers the buffer as it is, and closes the registration with it', async () => {
    const opened = await open();
    const { client, session } = opened;
    const at = va(client.place(new Uint8Array(100)) + 3);
    const shm = new TeecSharedMemory(INOUT, 97, at);
    assert.equal(await client.TEEC_RegisterSharedMemory(session.ctx, shm), TEEC_SUCCESS);
    const arg = '000000000000000061000000000000000000000000000000';
    assert.deepEqual(client.takeIoctls(), [{ nr: SHM_REGISTER, arg, result: shm.registeredFd }]);
    assert.equal(shm.buffer, at);
    assert.equal(shm.shadowBuffer, null);
    await client.TEEC_ReleaseSharedMemory(shm);
    assert.equal(shm.id, -1);
    assert.equal(shm.buffer, null);
    assert.deepEqual(await closed(opened), NOTHING_HELD);
  });

  it('registers eight bytes for none', async () => {
    const { client, session } = await open();
    const shm = new TeecSharedMemory(INOUT, 0, client.place(new Uint8Array(8)));
    assert.equal(await client.TEEC_RegisterSharedMemory(session.ctx, shm), TEEC_SUCCESS);
    assert.equal(client.takeIoctls()[0]?.arg.slice(16, 18), '08');
  });

  for (const [flags, buffer] of [
    [0, va(4096)],
    [4, va(4096)],
    [INOUT | 8, va(4096)],
    [INOUT, null],
  ] as const) {
    it(`refuses flags ${flags} with buffer ${buffer} without a call`, async () => {
      const { client, session } = await open();
      const shm = new TeecSharedMemory(flags, 16, buffer);
      const result = await client.TEEC_RegisterSharedMemory(session.ctx, shm);
      assert.equal(result, TEEC_ERROR_BAD_PARAMETERS);
      assert.deepEqual(client.takeIoctls(), []);
      await client.TEEC_ReleaseSharedMemory(shm);
    });
  }

  it('registers a shadow of memory that cannot be written', async () => {
    const opened = await open(OPTEE_VERSION, ([param]) => {
      assert.deepEqual([...seen(param!)], [1, 2, 3]);
      return 0;
    });
    const { client, session } = opened;
    const before = client.memory.heapUsed;
    const shm = new TeecSharedMemory(TEEC_MEM_INPUT, 3, await readOnlyPage(client, bytes(1, 2, 3)));
    assert.equal(await client.TEEC_RegisterSharedMemory(session.ctx, shm), TEEC_SUCCESS);
    assert.deepEqual(client.takeNumbers(), [SHM_REGISTER, SHM_REGISTER]);
    assert.ok(shm.shadowBuffer !== null && shm.shadowBuffer % PAGE_SIZE === 0);
    const params = [{ memref: { parent: shm, offset: 0, size: 0 } }];
    await client.TEEC_InvokeCommand(session, 0, { paramTypes: TEEC_MEMREF_WHOLE, params });
    await client.TEEC_ReleaseSharedMemory(shm);
    assert.equal(client.memory.heapUsed, before);
    assert.deepEqual(await closed(opened), NOTHING_HELD);
  });

  for (const [rc, result] of [
    [-ENOMEM, TEEC_ERROR_OUT_OF_MEMORY],
    [-EINVAL, TEEC_ERROR_GENERIC],
    [-EIO, TEEC_ERROR_GENERIC],
  ] as const) {
    it(`gives 0x${result.toString(16)} when the shadow fails too, with ${rc}`, async () => {
      const opened = await open();
      const { box, client, session } = opened;
      box.fake.errors.register = rc;
      const before = client.memory.heapUsed;
      const shm = new TeecSharedMemory(INOUT, 8, client.place(new Uint8Array(8)));
      assert.equal(await client.TEEC_RegisterSharedMemory(session.ctx, shm), result);
      client.memory.free(shm.buffer!);
      assert.equal(client.memory.heapUsed, before);
      assert.deepEqual(await closed(opened), NOTHING_HELD);
    });
  }

  it('maps a buffer of the kernel as the shadow where the device cannot register', async () => {
    const opened = await open(NO_REG_MEM, ([param]) => {
      seen(param!).set([9, 8], 1);
      return 0;
    });
    const { client, session } = opened;
    const shm = new TeecSharedMemory(INOUT, 4, client.place(bytes(1, 2, 3, 4)));
    assert.equal(await client.TEEC_RegisterSharedMemory(session.ctx, shm), TEEC_SUCCESS);
    assert.deepEqual(client.takeNumbers(), [SHM_ALLOC]);
    assert.equal(shm.registeredFd, -1, 'the mapping alone keeps it');
    assert.equal(client.program.process.files.size, 1);
    const params = [{ memref: { parent: shm, offset: 0, size: 0 } }];
    await client.TEEC_InvokeCommand(session, 0, { paramTypes: TEEC_MEMREF_WHOLE, params });
    assert.deepEqual([...client.memory.read(shm.buffer!, 4)], [1, 9, 8, 4]);
    await client.TEEC_ReleaseSharedMemory(shm);
    assert.deepEqual(await closed(opened), NOTHING_HELD);
  });
});

describe('TEEC_AllocateSharedMemory', () => {
  for (const [what, version, numbers] of [
    ['own memory', OPTEE_VERSION, [SHM_REGISTER]],
    ["the kernel's", NO_REG_MEM, [SHM_ALLOC]],
  ] as const) {
    it(`gives whole pages of ${what}, which the TA sees`, async () => {
      const opened = await open(version, ([param]) => {
        assert.equal(param!.size, 5000);
        seen(param!)[4999] = 0x55;
        return 0;
      });
      const { client, session } = opened;
      const before = client.memory.heapUsed;
      const shm = new TeecSharedMemory(INOUT, 5000);
      assert.equal(await client.TEEC_AllocateSharedMemory(session.ctx, shm), TEEC_SUCCESS);
      assert.deepEqual(client.takeNumbers(), numbers);
      assert.equal(shm.buffer! % PAGE_SIZE, 0);
      const params = [{ memref: { parent: shm, offset: 0, size: 0 } }];
      await client.TEEC_InvokeCommand(session, 0, { paramTypes: TEEC_MEMREF_WHOLE, params });
      assert.equal(client.memory.u8(va(shm.buffer! + 4999)), 0x55);
      await client.TEEC_ReleaseSharedMemory(shm);
      await client.TEEC_ReleaseSharedMemory(shm);
      assert.equal(client.memory.heapUsed, before);
      assert.deepEqual(await closed(opened), NOTHING_HELD);
    });
  }

  for (const version of [OPTEE_VERSION, NO_REG_MEM]) {
    it(`runs out of memory with caps ${version.genCaps}`, async () => {
      const opened = await open(version);
      const { client, session } = opened;
      const shm = new TeecSharedMemory(INOUT, 2 ** 40);
      const result = await client.TEEC_AllocateSharedMemory(session.ctx, shm);
      assert.equal(result, TEEC_ERROR_OUT_OF_MEMORY);
      assert.equal(shm.id, -1);
      assert.deepEqual(await closed(opened), NOTHING_HELD);
    });

    it(`refuses bad flags with caps ${version.genCaps}`, async () => {
      const { client, session } = await open(version);
      const shm = new TeecSharedMemory(0, 8);
      const result = await client.TEEC_AllocateSharedMemory(session.ctx, shm);
      assert.equal(result, TEEC_ERROR_BAD_PARAMETERS);
      assert.deepEqual(client.takeIoctls(), []);
    });
  }

  it('gives the memory back when the kernel does not register it', async () => {
    const opened = await open();
    const { box, client, session } = opened;
    const before = client.memory.heapUsed;
    box.fake.errors.register = -EINVAL;
    const shm = new TeecSharedMemory(INOUT, 8);
    const result = await client.TEEC_AllocateSharedMemory(session.ctx, shm);
    assert.equal(result, TEEC_ERROR_OUT_OF_MEMORY);
    assert.equal(client.memory.heapUsed, before);
    assert.deepEqual(await closed(opened), NOTHING_HELD);
  });
});

describe('TEEC_RegisterSharedMemoryFileDescriptor', () => {
  it('asks the kernel, and gives BAD_PARAMETERS for whatever it answers', async () => {
    const { client, session } = await open();
    const shm = new TeecSharedMemory(INOUT, 0);
    const result = await client.TEEC_RegisterSharedMemoryFileDescriptor(session.ctx, shm, 42);
    assert.equal(result, TEEC_ERROR_BAD_PARAMETERS);
    const arg = '2a0000000000000000000000000000000000000000000000';
    assert.deepEqual(client.takeIoctls(), [{ nr: SHM_REGISTER_FD, arg, result: -EINVAL }]);
  });

  for (const [fd, flags] of [
    [-1, INOUT],
    [3, 0],
    [3, 4],
  ] as const) {
    it(`refuses fd ${fd} with flags ${flags} without a call`, async () => {
      const { client, session } = await open();
      const shm = new TeecSharedMemory(flags, 0);
      const result = await client.TEEC_RegisterSharedMemoryFileDescriptor(session.ctx, shm, fd);
      assert.equal(result, TEEC_ERROR_BAD_PARAMETERS);
      assert.deepEqual(client.takeIoctls(), []);
    });
  }
});

describe('temporary references', () => {
  const tmpref = (type: number, buffer: Va | Uint8Array | null, size: number): TeecOperation => ({
    paramTypes: type,
    params: [{ tmpref: { buffer, size } }],
  });

  it('registers the memory for the length of the call', async () => {
    const opened = await open(OPTEE_VERSION, ([param]) => {
      assert.deepEqual([...seen(param!)], [1, 2, 3]);
      seen(param!).set([4, 5], 0);
      param!.size = 2;
      return 0;
    });
    const { client, session } = opened;
    const at = client.place(bytes(1, 2, 3));
    const operation = tmpref(TEEC_MEMREF_TEMP_INOUT, at, 3);
    await client.TEEC_InvokeCommand(session, 0, operation);
    const [register, invoke] = client.takeIoctls();
    assert.equal(register?.nr, SHM_REGISTER);
    assert.equal(invoke?.buf, invokeArg([4, 7], [24, 7], [40, 3], [48, 1]));
    assert.deepEqual([...client.memory.read(at, 3)], [4, 5, 3]);
    assert.equal(operation.params[0]?.tmpref?.size, 2);
    assert.deepEqual(await closed(opened), NOTHING_HELD);
  });

  it('says how much room an output would have needed', async () => {
    const { client, session } = await open(OPTEE_VERSION, ([param]) => {
      param!.size = 1000;
      return 0;
    });
    const input = tmpref(TEEC_MEMREF_TEMP_INPUT, client.place(bytes(1)), 1);
    await client.TEEC_InvokeCommand(session, 0, input);
    assert.equal(input.params[0]?.tmpref?.size, 1, 'an input keeps its size');
    const output = tmpref(TEEC_MEMREF_TEMP_OUTPUT, client.place(bytes(1)), 1);
    await client.TEEC_InvokeCommand(session, 0, output);
    assert.equal(output.params[0]?.tmpref?.size, 1000);
  });

  it('passes NULL as TEE_MEMREF_NULL where the device knows it', async () => {
    const opened = await open(OPTEE_VERSION, ([param]) => {
      assert.equal(param!.shm, null);
      param!.size = 16;
      return 0;
    });
    const { client, session } = opened;
    const operation = tmpref(TEEC_MEMREF_TEMP_OUTPUT, null, 0);
    assert.equal((await client.TEEC_InvokeCommand(session, 0, operation)).result, TEEC_SUCCESS);
    const buf = invokeArg([4, 7], [24, 6], [48, 0xffffffff], [52, 0xffffffff]);
    assert.deepEqual(
      client.takeIoctls().map(({ nr, buf }) => ({ nr, buf })),
      [{ nr: INVOKE, buf }],
    );
    assert.equal(operation.params[0]?.tmpref?.size, 16);
    assert.deepEqual(await closed(opened), NOTHING_HELD);
  });

  it('passes eight bytes of its own for NULL where the device does not', async () => {
    const opened = await open(NO_NULL, ([param]) => {
      assert.equal(param!.size, 0);
      assert.equal(param!.shm?.size, 8);
      return 0;
    });
    const { client, session } = opened;
    const before = client.memory.heapUsed;
    // No reference at all is NULL too.
    const operation: TeecOperation = { paramTypes: TEEC_MEMREF_TEMP_INPUT, params: [] };
    await client.TEEC_InvokeCommand(session, 0, operation);
    assert.deepEqual(client.takeNumbers(), [SHM_REGISTER, INVOKE]);
    assert.equal(client.memory.heapUsed, before);
    assert.deepEqual(await closed(opened), NOTHING_HELD);
  });

  it('refuses NULL with a size, and gives back what it had registered by then', async () => {
    const opened = await open();
    const { box, client, session } = opened;
    const operation: TeecOperation = {
      paramTypes: TEEC_PARAM_TYPES(TEEC_MEMREF_TEMP_INPUT, TEEC_MEMREF_TEMP_INPUT, 0, 0),
      params: [
        { tmpref: { buffer: client.place(bytes(1)), size: 1 } },
        { tmpref: { buffer: null, size: 1 } },
      ],
    };
    assert.deepEqual(await client.TEEC_InvokeCommand(session, 0, operation), {
      result: TEEC_ERROR_BAD_PARAMETERS,
      origin: TEEC_ORIGIN_API,
    });
    assert.deepEqual(client.takeNumbers(), [SHM_REGISTER]);
    assert.equal(box.kernel.trace.lastCause?.requested, 1);
    assert.deepEqual(await closed(opened), NOTHING_HELD);
  });

  it('gives back what it had registered before a type that does not exist', async () => {
    const opened = await open();
    const { client, session } = opened;
    const array = bytes(1, 2, 3);
    const operation: TeecOperation = {
      paramTypes: TEEC_PARAM_TYPES(TEEC_MEMREF_TEMP_INOUT, TEEC_VALUE_INPUT, 8, 0),
      params: [{ tmpref: { buffer: array, size: 3 } }],
    };
    const before = client.memory.heapUsed;
    const { origin } = await client.TEEC_InvokeCommand(session, 0, operation);
    assert.equal(origin, TEEC_ORIGIN_API);
    assert.equal(client.memory.heapUsed, before);
    assert.deepEqual(await closed(opened), NOTHING_HELD);
  });

  it('fails with what registering gave', async () => {
    const opened = await open();
    const { box, client, session } = opened;
    box.fake.errors.register = -ENOMEM;
    const operation = tmpref(TEEC_MEMREF_TEMP_INPUT, bytes(1), 1);
    assert.deepEqual(await client.TEEC_InvokeCommand(session, 0, operation), {
      result: TEEC_ERROR_OUT_OF_MEMORY,
      origin: TEEC_ORIGIN_API,
    });
    assert.deepEqual(client.takeNumbers(), [SHM_REGISTER, SHM_REGISTER]);
    assert.deepEqual(await closed(opened), NOTHING_HELD);
  });

  it('gives back what it registered when the call fails', async () => {
    const opened = await open(OPTEE_VERSION, () => -EIO);
    const { client, session } = opened;
    const operation = tmpref(TEEC_MEMREF_TEMP_INOUT, client.place(bytes(1, 2)), 2);
    const { origin } = await client.TEEC_InvokeCommand(session, 0, operation);
    assert.equal(origin, TEEC_ORIGIN_COMMS);
    assert.deepEqual(await closed(opened), NOTHING_HELD);
  });

  for (const [what, version, numbers] of [
    ['read-only memory', OPTEE_VERSION, [SHM_REGISTER, SHM_REGISTER, INVOKE]],
    ['a device that cannot register', NO_REG_MEM, [SHM_ALLOC, INVOKE]],
  ] as const) {
    it(`goes through a shadow for ${what}`, async () => {
      const opened = await open(version, ([param]) => {
        assert.deepEqual([...seen(param!)], [7, 7]);
        return 0;
      });
      const { client, session } = opened;
      const at = await readOnlyPage(client, bytes(7, 7));
      await client.TEEC_InvokeCommand(session, 0, tmpref(TEEC_MEMREF_TEMP_INPUT, at, 2));
      assert.deepEqual(client.takeNumbers(), numbers);
      assert.deepEqual(await closed(opened), NOTHING_HELD);
    });
  }

  it('copies no more back from a shadow than the buffer holds', async () => {
    const opened = await open(NO_REG_MEM, ([param]) => {
      seen(param!).set([1, 2]);
      param!.size = 100;
      return 0;
    });
    const { client, session } = opened;
    const at = client.place(bytes(9, 9, 9));
    const operation = tmpref(TEEC_MEMREF_TEMP_OUTPUT, at, 2);
    await client.TEEC_InvokeCommand(session, 0, operation);
    assert.deepEqual([...client.memory.read(at, 3)], [1, 2, 9]);
    assert.equal(operation.params[0]?.tmpref?.size, 100);
    assert.deepEqual(await closed(opened), NOTHING_HELD);
  });

  for (const [type, expected] of [
    [TEEC_MEMREF_TEMP_INPUT, [1, 2, 3, 4]],
    [TEEC_MEMREF_TEMP_OUTPUT, [9, 2, 3, 4]],
    [TEEC_MEMREF_TEMP_INOUT, [9, 2, 3, 4]],
  ] as const) {
    it(`lends a byte array as type ${type}`, async () => {
      const opened = await open(OPTEE_VERSION, ([param]) => {
        assert.deepEqual([...seen(param!)], [1, 2, 3]);
        seen(param!)[0] = 9;
        return 0;
      });
      const { client, session } = opened;
      const before = client.memory.heapUsed;
      const array = bytes(1, 2, 3, 4);
      await client.TEEC_InvokeCommand(session, 0, tmpref(type, array, 3));
      assert.deepEqual([...array], expected);
      assert.equal(client.memory.heapUsed, before);
      assert.deepEqual(await closed(opened), NOTHING_HELD);
    });
  }

  it('lends an empty array as eight bytes, which is not NULL', async () => {
    const opened = await open(OPTEE_VERSION, ([param]) => {
      assert.deepEqual([param!.shm?.size, param!.size], [8, 0]);
      return 0;
    });
    const { client, session } = opened;
    const operation = tmpref(TEEC_MEMREF_TEMP_INOUT, new Uint8Array(0), 0);
    assert.equal((await client.TEEC_InvokeCommand(session, 0, operation)).result, TEEC_SUCCESS);
    assert.deepEqual(await closed(opened), NOTHING_HELD);
  });

  it('refuses to lend more than an array has', async () => {
    const { client, session } = await open();
    const operation = tmpref(TEEC_MEMREF_TEMP_INPUT, bytes(1), 2);
    assert.throws(() => client.TEEC_InvokeCommand(session, 0, operation), RangeError);
  });
});

describe('references to shared memory', () => {
  async function shared(flags: number, invoke: (params: readonly TeeParam[]) => number) {
    const opened = await open(NO_REG_MEM, invoke);
    const { client, session } = opened;
    const shm = new TeecSharedMemory(flags, 8, client.place(bytes(0, 1, 2, 3, 4, 5, 6, 7)));
    await client.TEEC_RegisterSharedMemory(session.ctx, shm);
    client.takeIoctls();
    return { ...opened, shm };
  }

  for (const [flags, attr] of [
    [TEEC_MEM_INPUT, 5],
    [TEEC_MEM_OUTPUT, 6],
    [INOUT, 7],
  ] as const) {
    it(`passes a whole buffer as its flags ${flags} say`, async () => {
      const { client, session, shm } = await shared(flags, ([param]) => {
        assert.equal(param!.attr, attr);
        assert.equal(param!.size, 8);
        const input = (flags & TEEC_MEM_INPUT) !== 0;
        assert.equal(seen(param!)[7], input ? 7 : 0, 'what is no input is not copied in');
        seen(param!)[0] = 0x99;
        param!.size = 4;
        return 0;
      });
      const memref = { parent: shm, offset: 3, size: 2 };
      const params = [{ memref }];
      await client.TEEC_InvokeCommand(session, 0, { paramTypes: TEEC_MEMREF_WHOLE, params });
      const output = (flags & TEEC_MEM_OUTPUT) !== 0;
      assert.equal(client.memory.u8(shm.buffer!), output ? 0x99 : 0);
      assert.equal(memref.size, output ? 4 : 2);
    });
  }

  it('refuses a whole buffer without a direction', async () => {
    const { client, session, shm } = await shared(INOUT, () => 0);
    shm.flags = 0;
    const params = [{ memref: { parent: shm, offset: 0, size: 0 } }];
    const operation = { paramTypes: TEEC_MEMREF_WHOLE, params };
    const { origin } = await client.TEEC_InvokeCommand(session, 0, operation);
    assert.equal(origin, TEEC_ORIGIN_API);
  });

  it('passes part of a buffer', async () => {
    const { client, session, shm } = await shared(INOUT, ([param]) => {
      assert.deepEqual([param!.attr, param!.shmOffs, param!.size], [7, 2, 3]);
      assert.deepEqual([...seen(param!)], [2, 3, 4]);
      seen(param!).set([8, 8, 8]);
      param!.size = 2;
      return 0;
    });
    const memref = { parent: shm, offset: 2, size: 3 };
    const operation = { paramTypes: TEEC_MEMREF_PARTIAL_INOUT, params: [{ memref }] };
    await client.TEEC_InvokeCommand(session, 0, operation);
    const buf = invokeArg([4, 7], [24, 7], [32, 2], [40, 3], [48, shm.id]);
    assert.equal(client.takeIoctls()[0]?.buf, buf);
    assert.deepEqual([...client.memory.read(shm.buffer!, 8)], [0, 1, 8, 8, 4, 5, 6, 7]);
    assert.equal(memref.size, 2);
  });

  it('copies nothing back of a part that would not fit, and says its size', async () => {
    const { client, session, shm } = await shared(INOUT, ([param]) => {
      seen(param!).fill(8);
      param!.size = 4;
      return 0;
    });
    const memref = { parent: shm, offset: 2, size: 3 };
    const operation = { paramTypes: TEEC_MEMREF_PARTIAL_OUTPUT, params: [{ memref }] };
    await client.TEEC_InvokeCommand(session, 0, operation);
    assert.deepEqual([...client.memory.read(shm.buffer!, 8)], [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.equal(memref.size, 4);
  });

  for (const [what, type, flags, offset, size] of [
    ['an output of an input buffer', TEEC_MEMREF_PARTIAL_OUTPUT, TEEC_MEM_INPUT, 0, 1],
    ['an input of an output buffer', TEEC_MEMREF_PARTIAL_INPUT, TEEC_MEM_OUTPUT, 0, 1],
    ['both of an input buffer', TEEC_MEMREF_PARTIAL_INOUT, TEEC_MEM_INPUT, 0, 1],
    ['a part behind the end', TEEC_MEMREF_PARTIAL_INPUT, INOUT, 9, 0],
    ['a part across the end', TEEC_MEMREF_PARTIAL_INPUT, INOUT, 4, 5],
    ['a negative size', TEEC_MEMREF_PARTIAL_INPUT, INOUT, 4, -1],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const { box, client, session, shm } = await shared(flags, () => 0);
      const params = [{ memref: { parent: shm, offset, size } }];
      const reply = await client.TEEC_InvokeCommand(session, 0, { paramTypes: type, params });
      assert.deepEqual(reply, { result: TEEC_ERROR_BAD_PARAMETERS, origin: TEEC_ORIGIN_API });
      assert.deepEqual(client.takeIoctls(), []);
      assert.equal(box.kernel.trace.lastCause?.code, 'TEEC_ERROR_BAD_PARAMETERS');
    });
  }

  it('allows an empty part at the end', async () => {
    const { client, session, shm } = await shared(INOUT, () => 0);
    const params = [{ memref: { parent: shm, offset: 8, size: 0 } }];
    const operation = { paramTypes: TEEC_MEMREF_PARTIAL_INPUT, params };
    assert.equal((await client.TEEC_InvokeCommand(session, 0, operation)).result, TEEC_SUCCESS);
  });

  it('passes a released buffer as NULL, as C does', async () => {
    const { client, session, shm } = await shared(INOUT, ([param]) => {
      assert.equal(param!.shm, null);
      return 0;
    });
    await client.TEEC_ReleaseSharedMemory(shm);
    const params = [{ memref: { parent: shm, offset: 0, size: 0 } }];
    const operation = { paramTypes: TEEC_MEMREF_WHOLE, params };
    assert.equal((await client.TEEC_InvokeCommand(session, 0, operation)).result, TEEC_SUCCESS);
  });

  it('throws where C dereferences NULL', async () => {
    const { client, session } = await open();
    const operation = { paramTypes: TEEC_MEMREF_WHOLE, params: [] };
    assert.throws(() => client.TEEC_InvokeCommand(session, 0, operation), TypeError);
  });
});
