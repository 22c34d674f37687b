import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EINVAL, EMFILE, EPERM, ESRCH } from '../../abi/errno.ts';
import { O_RDONLY, RLIMIT_MEMLOCK, RLIMIT_NOFILE, RLIMIT_STACK } from '../../abi/fcntl.ts';
import type { Kernel } from './kernel.ts';
import type { Program } from './program.ts';
import type { Rlimit } from './rlimit.ts';
import { makeKernel, makeProgram } from './testing/make-kernel.ts';
import type { ProcessOptions } from './user-process.ts';

const MIB = 1 << 20;
const USER = { uid: 1000 };

function make(options: Partial<ProcessOptions> = USER): { kernel: Kernel; program: Program } {
  const kernel = makeKernel();
  return { kernel, program: makeProgram(kernel, options) };
}

const prlimit = (
  program: Program,
  resource: number,
  limit?: Rlimit,
  pid = 0,
): Rlimit | number | Promise<Rlimit | number> =>
  program.run(program.sys.prlimit64(pid, resource, limit));

describe('prlimit64', () => {
  it('gives the limits that a program starts with', async () => {
    const { program } = make({ ...USER, memlock: 4096 });
    assert.deepEqual(await prlimit(program, RLIMIT_NOFILE), { cur: 1024, max: 4096 });
    assert.deepEqual(await prlimit(program, RLIMIT_MEMLOCK), { cur: 4096, max: 8 * MIB });
    assert.deepEqual(await prlimit(program, RLIMIT_STACK), { cur: Infinity, max: Infinity });
    assert.equal(await prlimit(program, 16), -EINVAL);
  });

  it('sets within the hard limit, which only goes down without CAP_SYS_RESOURCE', async () => {
    const { program } = make();
    const { rlimits } = program.process;
    const before = { cur: 8 * MIB, max: 8 * MIB };
    assert.deepEqual(await prlimit(program, RLIMIT_MEMLOCK, { cur: MIB, max: 4 * MIB }), before);
    assert.equal(rlimits.memlock, MIB);
    assert.deepEqual(await prlimit(program, RLIMIT_MEMLOCK, { cur: 4 * MIB, max: 4 * MIB }), {
      cur: MIB,
      max: 4 * MIB,
    });
    assert.equal(await prlimit(program, RLIMIT_MEMLOCK, { cur: MIB, max: 8 * MIB }), -EPERM);
    assert.equal(await prlimit(program, RLIMIT_MEMLOCK, { cur: 2, max: 1 }), -EINVAL);
    assert.equal(rlimits.memlock, 4 * MIB);
    const root = makeProgram(program.kernel);
    const unlimited = { cur: Infinity, max: Infinity };
    assert.deepEqual(await prlimit(root, RLIMIT_MEMLOCK, unlimited), before);
    assert.equal(root.process.rlimits.memlock, Infinity);
  });

  it('bounds the fds that are given out from now on', async () => {
    const { program } = make();
    await prlimit(program, RLIMIT_NOFILE, { cur: 1, max: 4096 });
    const open = () => program.run(program.sys.open('/dev/null', O_RDONLY));
    assert.equal(await open(), 0);
    assert.equal(await open(), -EMFILE);
    await prlimit(program, RLIMIT_NOFILE, { cur: 2, max: 4096 });
    assert.equal(await open(), 1);
    const root = makeProgram(program.kernel);
    const most = 1024 * 1024;
    assert.equal(await prlimit(root, RLIMIT_NOFILE, { cur: 1, max: most + 1 }), -EPERM);
    assert.ok(typeof (await prlimit(root, RLIMIT_NOFILE, { cur: 1, max: most })) === 'object');
  });

  it('of another process: the same user, or CAP_SYS_RESOURCE', async () => {
    const { kernel, program } = make();
    const [same, other] = [makeProgram(kernel, USER), makeProgram(kernel, { uid: 1001 })];
    const limit = { cur: MIB, max: MIB };
    assert.ok(typeof (await prlimit(same, RLIMIT_MEMLOCK, limit, program.pid)) === 'object');
    assert.equal(program.process.rlimits.memlock, MIB);
    assert.equal(await prlimit(other, RLIMIT_MEMLOCK, limit, program.pid), -EPERM);
    assert.equal(await prlimit(program, RLIMIT_MEMLOCK, limit, 999), -ESRCH);
    const root = makeProgram(kernel);
    assert.ok(typeof (await prlimit(root, RLIMIT_MEMLOCK, limit, other.pid)) === 'object');
  });

  it('fork copies the limits, and what a child changes is its own', async () => {
    const { program } = make();
    await prlimit(program, RLIMIT_MEMLOCK, { cur: MIB, max: MIB });
    const seen: number[] = [];
    await program.run(
      program.fork(function* (child) {
        seen.push(child.process.rlimits.memlock);
        yield* child.sys.prlimit64(0, RLIMIT_MEMLOCK, { cur: 0, max: 0 });
        seen.push(child.process.rlimits.memlock);
      }),
    );
    await program.run(program.sys.wait4(-1));
    assert.deepEqual([...seen, program.process.rlimits.memlock], [MIB, 0, MIB]);
  });
});
