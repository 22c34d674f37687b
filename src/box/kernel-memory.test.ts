/** Kernel buffers as parameters of calls, through driver and secure world, on every profile. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TA_RANDOM_CMD_GENERATE, TA_RANDOM_UUID } from '../../examples/random/random-ta.ts';
import { EFAULT, EINVAL, ENOMEM } from '../abi/errno.ts';
import { TEEC_SUCCESS } from '../abi/gp.ts';
import { TEE_IOCTL_LOGIN_PUBLIC, TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT } from '../abi/tee.ts';
import { parseUuid } from '../abi/uuid.ts';
import { nodeHost } from '../host/node/host.ts';
import {
  teeClientCloseContext,
  teeClientCloseSession,
  teeClientInvokeFunc,
  teeClientOpenContext,
  teeClientOpenSession,
} from '../linux/tee/tee-client.ts';
import type { TeeContext } from '../linux/tee/tee-context.ts';
import { TeeParam } from '../linux/tee/tee-drv.ts';
import { teeShmRegisterKernelBuf } from '../linux/tee/tee-shm-register.ts';
import type { TeeShm } from '../linux/tee/tee-shm.ts';
import { loadTas } from '../load-ta.ts';
import { PAGE_SIZE, va } from '../machine/address.ts';
import type { Va } from '../machine/address.ts';
import type { Co } from '../sched/task.ts';
import { Box } from './box.ts';
import { PROFILES } from './profiles.ts';
import type { ProfileName } from './profiles.ts';

const { images } = await loadTas([
  fileURLToPath(new URL('../../examples/random', import.meta.url)),
]);
const NAMES = Object.keys(PROFILES) as readonly ProfileName[];

/** A kernel thread with a context that waits for the supplicant, as the TA is loaded by it. */
function inKernel<T>(box: Box, body: (ctx: TeeContext) => Co<T>): Promise<T> {
  const task = box.sched.createTask('kernel client', { called: true });
  return Promise.resolve(box.sched.call(task, run()));
  function* run(): Co<T> {
    const ctx = yield* teeClientOpenContext(box.tee, () => true);
    if (typeof ctx === 'number') throw new Error(`no context: ${ctx}`);
    const result = yield* body(ctx);
    yield* teeClientCloseContext(ctx);
    return result;
  }
}

/** Has the TA fill `size` bytes from `offset` of the memory. */
function* fill(ctx: TeeContext, shm: TeeShm, offset: number, size: number): Co<void> {
  const open = {
    uuid: parseUuid(TA_RANDOM_UUID),
    clntUuid: new Uint8Array(16),
    clntLogin: TEE_IOCTL_LOGIN_PUBLIC,
    cancelId: 0,
    session: 0,
    ret: 0,
    retOrigin: 0,
  };
  assert.deepEqual([yield* teeClientOpenSession(ctx, open, []), open.ret], [0, TEEC_SUCCESS]);
  const { session } = open;
  const param = new TeeParam();
  Object.assign(param, {
    attr: TEE_IOCTL_PARAM_ATTR_TYPE_MEMREF_OUTPUT,
    shm,
    shmOffs: offset,
    size,
  });
  const arg = { func: TA_RANDOM_CMD_GENERATE, session, cancelId: 0, ret: 0, retOrigin: 0 };
  const params = [param, new TeeParam(), new TeeParam(), new TeeParam()];
  assert.deepEqual([yield* teeClientInvokeFunc(ctx, arg, params), arg.ret], [0, TEEC_SUCCESS]);
  yield* teeClientCloseSession(ctx, session);
}

/** As kernel code reads it, byte by byte. */
const readKernel = ({ kernel }: Box, at: Va, length: number): number[] =>
  Array.from(
    { length },
    (_, n) => kernel.port.bytes(kernel.map.translate(va(at + n))!, 1, 'read')[0]!,
  );

describe('kernel memory as a parameter', () => {
  for (const profile of NAMES) {
    it(`${profile}: of vmalloc, with a page list of two pages`, async () => {
      using box = new Box(nodeHost(), { tas: images, profile });
      const { map } = box.kernel;
      const at = map.vmalloc.vzalloc(600 * PAGE_SIZE)!;
      await inKernel(box, function* (ctx) {
        const shm = yield* teeShmRegisterKernelBuf(ctx, va(at + 8), 599 * PAGE_SIZE);
        assert.ok(typeof shm === 'object');
        // Across the border of two pages, behind the entries of the first page of the list.
        const offset = 540 * PAGE_SIZE - 8 - 32;
        yield* fill(ctx, shm, offset, 64);
        const seen = readKernel(box, va(at + 8 + offset - 8), 80);
        assert.deepEqual(new Set([...seen.slice(0, 8), ...seen.slice(72)]), new Set([0]));
        assert.ok(new Set(seen.slice(8, 40)).size > 8 && new Set(seen.slice(40, 72)).size > 8);
        yield* shm.put();
      });
      map.vmalloc.vfree(at);
      await box.settle();
      assert.deepEqual(box.leaks(), []);
    });

    it(`${profile}: of kmalloc`, async () => {
      using box = new Box(nodeHost(), { tas: images, profile });
      const { slab } = box.kernel.map;
      const [before, at, after] = [slab.kzalloc(128)!, slab.kzalloc(128)!, slab.kzalloc(128)!];
      await inKernel(box, function* (ctx) {
        const shm = yield* teeShmRegisterKernelBuf(ctx, at, 128);
        assert.ok(typeof shm === 'object');
        yield* fill(ctx, shm, 0, 128);
        yield* shm.put();
      });
      assert.ok(new Set(readKernel(box, at, 128)).size > 16);
      for (const other of [before, after]) {
        assert.deepEqual(new Set(readKernel(box, other, 128)), new Set([0]));
        slab.kfree(other);
      }
      slab.kfree(at);
      await box.settle();
      assert.deepEqual(box.leaks(), []);
    });

    it(`${profile}: a hole is refused, by whoever sees it`, async () => {
      using box = new Box(nodeHost(), { tas: images, profile });
      const at = box.kernel.map.vmalloc.vmalloc(PAGE_SIZE)!;
      const expected = { 'linux-6.1': -ENOMEM, 'linux-7.3': -EINVAL, hardened: -EFAULT };
      await inKernel(box, function* (ctx) {
        const shm = yield* teeShmRegisterKernelBuf(ctx, at, 2 * PAGE_SIZE);
        assert.equal(shm, expected[profile]);
      });
      assert.equal(box.halted, undefined);
    });
  }
});
