/** What the ioctls with parameters check of their argument, in which order. */
import assert from 'node:assert/strict';
import { TEE_ERROR_BAD_PARAMETERS, TEE_ORIGIN_TEE } from '../../src/abi/gp.ts';
import * as abi from '../../src/abi/tee.ts';
import { PTA_DEVICE_UUID } from '../../src/abi/pta.ts';
import type { UserParam } from '../../src/linux/tee/testing/params.ts';
import { BAD_ADDRESS, KERNEL_ADDRESS, outcome } from './caller.ts';
import type { BufOverride, Caller, Outcome } from './caller.ts';
import type { Suite } from './suite.ts';

const PAGE = 4096;
const BAD_PARAM: UserParam = { attr: 4 };
const VALUE: UserParam = { attr: abi.TEE_IOCTL_PARAM_ATTR_TYPE_VALUE_INPUT };

/** Either call, with something wrong. */
interface Wrong {
  readonly params?: readonly UserParam[];
  readonly numParams?: number;
  readonly buf?: BufOverride;
}

interface Call {
  readonly cmd: number;
  readonly headerSize: number;
  readonly numParamsAt: number;
  make(caller: Caller, fd: number, wrong: Wrong): Promise<Outcome>;
}

const CALLS: Readonly<Record<string, Call>> = {
  OPEN_SESSION: {
    cmd: abi.TEE_IOC_OPEN_SESSION,
    headerSize: abi.TeeIoctlOpenSessionArg.byteLength,
    numParamsAt: abi.TeeIoctlOpenSessionArg.numParams.offset,
    make: async (caller, fd, wrong) =>
      (await caller.openSession(fd, { uuid: PTA_DEVICE_UUID, ...wrong })).rc,
  },
  INVOKE: {
    cmd: abi.TEE_IOC_INVOKE,
    headerSize: abi.TeeIoctlInvokeArg.byteLength,
    numParamsAt: abi.TeeIoctlInvokeArg.numParams.offset,
    make: async (caller, fd, wrong) => (await caller.invoke(fd, { session: 0, ...wrong })).rc,
  },
};

export function argument({ conforms }: Suite): void {
  for (const [name, { cmd, headerSize, numParamsAt, make }] of Object.entries(CALLS)) {
    conforms(`${name}: the tee_ioctl_buf_data must be readable`, async (c) => {
      const { caller, fd } = await c.client();
      assert.equal(outcome(await caller.process.ioctl(fd, cmd, BAD_ADDRESS)), 'EFAULT');
    });

    conforms(`${name}: buf_len is checked before the buffer is looked at`, async (c) => {
      const { caller, fd } = await c.client();
      for (const bufLen of [0, headerSize - 1, 4097, 2 ** 32, 2n ** 64n - 1n]) {
        const buf = { bufPtr: BAD_ADDRESS, bufLen };
        assert.equal(await make(caller, fd, { buf }), 'EINVAL', `buf_len ${bufLen}`);
      }
    });

    conforms(`${name}: then the buffer must be readable`, async (c) => {
      const { caller, fd } = await c.client();
      for (const bufPtr of [0, BAD_ADDRESS, KERNEL_ADDRESS]) {
        assert.equal(await make(caller, fd, { buf: { bufPtr } }), 'EFAULT');
      }
    });

    conforms(`${name}: buf_len and num_params must fit exactly`, async (c) => {
      const { caller, fd } = await c.client();
      for (const wrong of [
        { params: [VALUE], numParams: 0 },
        { params: [VALUE], numParams: 2 },
        { params: [VALUE], numParams: 0xffff_ffff },
        { params: [VALUE], numParams: 2 ** 27 + 1 },
        { buf: { bufLen: headerSize + 1 } },
      ]) {
        assert.equal(await make(caller, fd, wrong), 'EINVAL', JSON.stringify(wrong));
      }
    });

    conforms(`${name}: parameters are read one by one, each before it is checked`, async (c) => {
      const { caller, fd } = await c.client();
      const at = await caller.map(2 * PAGE);
      await caller.process.munmap(at + PAGE, PAGE);
      const { byteLength } = abi.TeeIoctlParam;
      const bufPtr = at + PAGE - headerSize - byteLength;
      const numParams = new Uint8Array(new Uint32Array([2]).buffer);
      await caller.process.poke(bufPtr + numParamsAt, numParams);
      const buf = { bufPtr, bufLen: headerSize + 2 * byteLength };
      assert.equal(await make(caller, fd, { buf }), 'EFAULT', 'the second is missing');
      await caller.process.poke(bufPtr + headerSize, Uint8Array.of(4));
      assert.equal(await make(caller, fd, { buf }), 'EINVAL', 'the first is bad');
    });
  }

  conforms('OPEN_SESSION: reserved logins are EPERM, after the parameters', async (c) => {
    const { caller, fd } = await c.client();
    const uuid = PTA_DEVICE_UUID;
    const { TEE_IOCTL_LOGIN_REE_KERNEL_MIN: min, TEE_IOCTL_LOGIN_REE_KERNEL_MAX: max } = abi;
    for (const login of [min, min + 1, max]) {
      const open = (...params: UserParam[]) => caller.openSession(fd, { uuid, login, params });
      assert.equal((await open()).rc, 'EPERM');
      assert.equal((await open(BAD_PARAM)).rc, 'EINVAL');
      assert.equal(
        (await open(VALUE, VALUE, VALUE, VALUE, VALUE)).rc,
        'EPERM',
        'before the driver',
      );
    }
  });

  conforms('OPEN_SESSION: four parameters at most, whatever the login', async (c) => {
    const { caller, fd } = await c.client();
    const params = [VALUE, VALUE, VALUE, VALUE, VALUE];
    const { rc } = await caller.openSession(fd, { uuid: PTA_DEVICE_UUID, params, login: 99 });
    assert.equal(rc, 'EINVAL');
  });

  conforms('INVOKE: seven parameters are EINVAL; five and six reach the TEE', async (c) => {
    const { caller, fd } = await c.client();
    const { session } = await caller.openSession(fd, { uuid: PTA_DEVICE_UUID });
    for (const [count, rc, ret, origin] of [
      [7, 'EINVAL', 0, 0],
      [6, 0, TEE_ERROR_BAD_PARAMETERS, TEE_ORIGIN_TEE],
      [5, 0, TEE_ERROR_BAD_PARAMETERS, TEE_ORIGIN_TEE],
    ] as const) {
      const params = Array.from({ length: count }, () => VALUE);
      const reply = await caller.invoke(fd, { session, params });
      assert.deepEqual([reply.rc, reply.ret, reply.origin], [rc, ret, origin]);
    }
  });

  conforms('CANCEL and CLOSE_SESSION: the argument must be readable', async (c) => {
    const { caller, fd } = await c.client();
    for (const cmd of [abi.TEE_IOC_CANCEL, abi.TEE_IOC_CLOSE_SESSION]) {
      assert.equal(outcome(await caller.process.ioctl(fd, cmd, BAD_ADDRESS)), 'EFAULT');
    }
  });
}
