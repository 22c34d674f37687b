/** Races over shared memory and devices, under many schedules: nothing leaks, nothing is used late. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL, ENOENT, ENXIO } from '../../abi/errno.ts';
import { O_RDWR } from '../../abi/fcntl.ts';
import * as abi from '../../abi/tee.ts';
import type { Va } from '../../machine/address.ts';
import { RandomPolicy } from '../../sched/policy.ts';
import type { Co } from '../../sched/task.ts';
import type { ProgramMemory } from '../process/program-memory.ts';
import { Program } from '../process/program.ts';
import type { Syscalls } from '../process/syscalls.ts';
import { boot, NOTHING_HELD } from './testing/box.ts';
import { bytesOf, encode, viewOf } from './testing/params.ts';

const SEEDS = Array.from({ length: 40 }, (_, n) => n + 1);

function place(memory: ProgramMemory, bytes: Uint8Array): Va {
  const at = memory.malloc(bytes.length);
  memory.write(at, bytes);
  return at;
}

function invocation(memory: ProgramMemory, id: number): Va {
  const view = encode(abi.TeeIoctlInvokeArg.byteLength, [{ attr: 7, b: 4096, c: id }]);
  abi.TeeIoctlInvokeArg.numParams.set(view, 0, 1);
  const buf = viewOf(new Uint8Array(16));
  abi.TeeIoctlBufData.bufPtr.set(buf, 0, BigInt(place(memory, bytesOf(view))));
  abi.TeeIoctlBufData.bufLen.set(buf, 0, BigInt(view.byteLength));
  return place(memory, bytesOf(buf));
}

function allocation(memory: ProgramMemory): Va {
  const view = viewOf(new Uint8Array(16));
  abi.TeeIoctlShmAllocData.size.set(view, 0, 4096n);
  return place(memory, bytesOf(view));
}

/** Opens, allocates, invokes, closes, in a program of its own; counts what went through. */
function* client(program: Program, seen: number[]): Co<number> {
  const { memory, sys } = program;
  const fd = yield* sys.open('/dev/tee0', O_RDWR);
  seen.push(Math.min(fd, 0));
  if (fd < 0) return 0;
  const data = allocation(memory);
  const file = yield* sys.ioctl(fd, abi.TEE_IOC_SHM_ALLOC, data);
  const rc = yield* sys.ioctl(
    fd,
    abi.TEE_IOC_INVOKE,
    invocation(memory, memory.u32((data + 12) as Va)),
  );
  seen.push(Math.min(file, 0), rc);
  yield* sys.close(fd);
  yield* sys.close(file);
  return 0;
}

/** Invokes with memory whose file another thread closes meanwhile. */
function* contest(program: Program, results: Set<number>): Co<number> {
  const { memory, sys } = program;
  const fd = yield* sys.open('/dev/tee0', O_RDWR);
  const data = allocation(memory);
  const file = yield* sys.ioctl(fd, abi.TEE_IOC_SHM_ALLOC, data);
  const call = invocation(memory, memory.u32((data + 12) as Va));
  const other = program.spawnThread('closer', function* (thread: { sys: Syscalls }) {
    yield* thread.sys.close(file);
  });
  results.add(yield* sys.ioctl(fd, abi.TEE_IOC_INVOKE, call));
  yield* program.kernel.sched.join(other.task);
  assert.equal(yield* sys.ioctl(fd, abi.TEE_IOC_INVOKE, call), -EINVAL);
  return 0;
}

describe('searches', () => {
  it('clients that come and go while the driver is removed', async () => {
    const outcomes = new Set<string>();
    for (const seed of SEEDS) {
      const box = boot({ policy: new RandomPolicy(seed) });
      const seen: number[] = [];
      const programs = [1, 2, 3].map((n) =>
        Program.start(box.kernel, { name: `client ${n}` }, (program) => client(program, seen)),
      );
      const rmmod = box.sched.spawn('rmmod', box.client.unregister());
      assert.equal(box.sched.runReady(), 'idle', `seed ${seed}`);
      assert.equal(rmmod.state, 'done', `seed ${seed}`);
      assert.ok(
        programs.every(({ process }) => process.exitStatus !== undefined),
        `seed ${seed}`,
      );
      const { users, ...held } = box.held();
      assert.deepEqual(
        [users, held.ids, held.registered, held.pins, held.addresses],
        [-1, 0, 0, 0, 0],
      );
      const allowed = [0, -ENOENT, -ENXIO, -EINVAL];
      assert.ok(
        seen.every((rc) => allowed.includes(rc)),
        `seed ${seed}: ${seen.join()}`,
      );
      outcomes.add(seen.join());
    }
    assert.ok(outcomes.size > 1, 'the schedules differ');
  });

  it('an id and the close of its last file: found whole, or not at all', async () => {
    const results = new Set<number>();
    for (const seed of SEEDS) {
      const box = boot({ policy: new RandomPolicy(seed) });
      Program.start(box.kernel, { name: 'contest' }, (program) => contest(program, results));
      assert.equal(box.sched.runReady(), 'idle', `seed ${seed}`);
      assert.deepEqual(box.held(), NOTHING_HELD, `seed ${seed}`);
    }
    assert.deepEqual([...results].toSorted(), [-EINVAL, 0]);
  });
});
