import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL } from '../../abi/errno.ts';
import {
  PR_GET_TAGGED_ADDR_CTRL,
  PR_SET_TAGGED_ADDR_CTRL,
  PR_TAGGED_ADDR_ENABLE,
} from '../../abi/prctl.ts';
import type { Co } from '../../sched/task.ts';
import type { Program } from './program.ts';
import { makeKernel, makeProgram, now } from './testing/make-kernel.ts';

const set = ({ sys }: Pick<Program, 'sys'>, ...args: readonly number[]): Co<number> =>
  sys.prctl(PR_SET_TAGGED_ADDR_CTRL, ...args);
const get = ({ sys }: Pick<Program, 'sys'>, ...args: readonly number[]): Co<number> =>
  sys.prctl(PR_GET_TAGGED_ADDR_CTRL, ...args);

describe('the tagged address ABI', () => {
  it('is turned on and off by each thread for itself', () => {
    const program = makeProgram(makeKernel());
    assert.equal(now(program, get(program)), 0);
    assert.equal(now(program, set(program, PR_TAGGED_ADDR_ENABLE)), 0);
    assert.equal(now(program, get(program)), PR_TAGGED_ADDR_ENABLE);
    assert.equal(program.thread.taggedAddr, true);
    assert.equal(now(program, set(program, 0)), 0);
    assert.equal(now(program, get(program)), 0);
  });

  it('takes no other flag, and no other argument', () => {
    const program = makeProgram(makeKernel());
    const enable = PR_TAGGED_ADDR_ENABLE;
    // PR_MTE_TCF_SYNC among them: the CPU has no MTE.
    for (const flags of [2, 3, 8, 2 ** 32, 2 ** 32 + 1]) {
      assert.equal(now(program, set(program, flags)), -EINVAL, `${flags}`);
    }
    for (const extra of [[1], [0, 1], [0, 0, 1]]) {
      assert.equal(now(program, set(program, enable, ...extra)), -EINVAL);
      assert.equal(now(program, get(program, 0, ...extra)), -EINVAL);
    }
    assert.equal(now(program, get(program, enable)), -EINVAL);
    assert.equal(now(program, program.sys.prctl(0)), -EINVAL, 'an option that is not known');
    assert.equal(now(program, get(program)), 0);
  });

  it('is arm64’s', () => {
    const program = makeProgram(makeKernel({ arch: 'x86-64' }));
    assert.equal(now(program, set(program, PR_TAGGED_ADDR_ENABLE)), -EINVAL);
    assert.equal(now(program, get(program)), -EINVAL);
  });

  it('cannot be turned on under abi.tagged_addr_disabled; who has it keeps it', () => {
    const kernel = makeKernel();
    const [before, after] = [makeProgram(kernel), makeProgram(kernel)];
    assert.equal(now(before, set(before, PR_TAGGED_ADDR_ENABLE)), 0);
    kernel.taggedAddrDisabled = true;
    assert.equal(now(after, set(after, PR_TAGGED_ADDR_ENABLE)), -EINVAL);
    assert.equal(now(after, set(after, 0)), 0);
    assert.equal(now(before, get(before)), PR_TAGGED_ADDR_ENABLE);
  });

  it('goes to children and new threads, and ends with exec', async () => {
    const kernel = makeKernel();
    const program = makeProgram(kernel);
    const seen: number[] = [];
    now(program, set(program, PR_TAGGED_ADDR_ENABLE));
    const child = function* (own: Program): Co<void> {
      seen.push(yield* get(own));
      yield* own.sys.execve('other');
      seen.push(yield* get(own));
    };
    assert.ok(now(program, program.fork(child)) > 0);
    program.spawnThread('worker', function* (own) {
      seen.push(yield* get(own));
      yield* set(own, 0);
    });
    await kernel.sched.drive();
    assert.deepEqual(seen, [PR_TAGGED_ADDR_ENABLE, 0, PR_TAGGED_ADDR_ENABLE]);
    assert.equal(now(program, get(program)), PR_TAGGED_ADDR_ENABLE, 'it is the thread’s own');
  });
});
