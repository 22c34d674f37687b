import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CAP_DAC_OVERRIDE } from '../../abi/capability.ts';
import {
  EACCES,
  EBUSY,
  EINVAL,
  EIO,
  EISDIR,
  ENODEV,
  ENOENT,
  ENOSPC,
  ENXIO,
  EPERM,
  ESPIPE,
} from '../../abi/errno.ts';
import {
  AT_FDCWD,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  R_OK,
  SEEK_SET,
  S_IFCHR,
  W_OK,
} from '../../abi/fcntl.ts';
import { ReplayPolicy } from '../../sched/policy.ts';
import type { Co } from '../../sched/task.ts';
import { majorOf, makedev } from './devices.ts';
import { File } from './file.ts';
import type { Program } from './program.ts';
import { makeDevice, makeKernel, makeProgram, now } from './testing/make-kernel.ts';

const names = (program: Program, path: string): string[] => {
  const fd = now(program, program.sys.open(path, O_RDONLY | O_DIRECTORY));
  const entries = now(program, program.sys.getdents64(fd));
  now(program, program.sys.close(fd));
  assert.ok(typeof entries !== 'number');
  return entries.map(({ name }) => name).filter((name) => !name.startsWith('.'));
};

describe('device nodes', () => {
  it('appear in /dev with mode, owner and number, and go again', () => {
    const kernel = makeKernel();
    const program = makeProgram(kernel);
    const { sys } = program;
    const device = makeDevice('tee0', {}, { uid: 3, gid: 44, rdev: makedev(246, 300) });
    kernel.devices.register(device);
    assert.deepEqual(names(program, '/dev'), ['full', 'null', 'random', 'tee0', 'urandom', 'zero']);
    const stat = now(program, sys.stat('/dev/tee0'));
    assert.ok(typeof stat !== 'number');
    const { mode, uid, gid, rdev } = stat;
    assert.deepEqual([mode, uid, gid, rdev], [S_IFCHR | 0o660, 3, 44, makedev(246, 300)]);
    assert.equal(majorOf(rdev), 246);
    assert.equal(kernel.devices.find('tee0'), device);
    kernel.devices.unregister(device);
    assert.equal(now(program, sys.open('/dev/tee0', O_RDWR)), -ENOENT);
    assert.equal(now(program, sys.stat('/dev/tee0')), -ENOENT);
    kernel.devices.unregister(device);
    kernel.devices.register(device);
    assert.ok(now(program, sys.open('/dev/tee0', O_RDWR)) >= 0);
  });

  it('check who opens them', () => {
    const kernel = makeKernel();
    kernel.devices.register(makeDevice('tee0', {}, { gid: 44 }));
    const open = (options: Parameters<typeof makeProgram>[1]): number => {
      const program = makeProgram(kernel, options);
      return now(program, program.sys.open('/dev/tee0', O_RDWR));
    };
    assert.equal(open({ uid: 1000 }), -EACCES);
    assert.equal(kernel.trace.lastCause?.limit, 'mode=0660 uid=0 gid=44');
    assert.equal(open({ uid: 1000, groups: [44] }), 0);
    assert.equal(open({ uid: 1000, capabilities: [CAP_DAC_OVERRIDE] }), 0);
    assert.equal(open({}), 0);
    const user = makeProgram(kernel, { uid: 1000 });
    assert.equal(now(user, user.sys.access('/dev/tee0', R_OK | W_OK)), -EACCES);
    assert.equal(now(user, user.sys.access('/dev/null', R_OK | W_OK)), 0);
  });

  it('hand on what the driver says, and open flags without O_CREAT and O_TRUNC', () => {
    const kernel = makeKernel();
    const seen: number[] = [];
    kernel.devices.register(
      makeDevice(
        'x',
        {},
        {
          *open(_current, flags): Co<File | number> {
            seen.push(flags & (O_CREAT | O_TRUNC | O_RDWR));
            return seen.length > 1 ? -EBUSY : new File({}, '/dev/x', flags, undefined);
          },
        },
      ),
    );
    const program = makeProgram(kernel);
    const { sys } = program;
    const fd = now(program, sys.open('/dev/x', O_RDWR | O_CREAT | O_TRUNC));
    assert.equal(now(program, sys.open('/dev/x', O_RDWR)), -EBUSY);
    assert.deepEqual(seen, [O_RDWR, O_RDWR]);
    const [opened, named] = [now(program, sys.fstat(fd)), now(program, sys.stat('/dev/x'))];
    assert.deepEqual(opened, named);
    assert.equal(program.process.files.size, 1);
    assert.equal(now(program, sys.read(fd, program.memory.malloc(8), 8)), -EINVAL);
    assert.equal(now(program, sys.lseek(fd, 0, SEEK_SET)), -ESPIPE);
    assert.equal(now(program, sys.fsync(fd)), -EINVAL);
  });

  it('may lie in directories of their own', () => {
    const kernel = makeKernel();
    const program = makeProgram(kernel);
    const [heap, other] = [makeDevice('dma_heap/system', {}), makeDevice('dma_heap/cma', {})];
    kernel.devices.register(heap);
    kernel.devices.register(other);
    assert.deepEqual(names(program, '/dev/dma_heap'), ['cma', 'system']);
    kernel.devices.unregister(heap);
    assert.deepEqual(names(program, '/dev/dma_heap'), ['cma']);
    kernel.devices.unregister(other);
    assert.equal(now(program, program.sys.stat('/dev/dma_heap')), -ENOENT);
    assert.equal(now(program, program.sys.open('/dev', O_RDWR)), -EISDIR);
  });

  it('a device that goes between path and open answers -ENXIO', () => {
    // Choice 1 at the preemption point of chrdev_open(): the other task runs first.
    const kernel = makeKernel({ policy: new ReplayPolicy([0, 1]) });
    const device = kernel.devices.register(makeDevice('x', {}));
    let result: number | undefined;
    const program = makeProgram(kernel);
    void program.run(
      (function* (): Co<void> {
        result = yield* program.sys.open('/dev/x', O_RDWR);
      })(),
    );
    kernel.kthread(
      'remove',
      (function* (): Co<void> {
        kernel.devices.unregister(device);
      })(),
    );
    kernel.sched.runReady();
    assert.equal(result, -ENXIO);
    assert.equal(program.process.files.size, 0);
  });

  it('dynamic majors are unique and come back', () => {
    const { devices } = makeKernel();
    const many = Array.from({ length: 21 }, (_, i) => devices.register(makeDevice(`d${i}`, {})));
    assert.throws(() => devices.register(makeDevice('one-more', {})), /major/);
    devices.unregister(many[3]!);
    devices.register(makeDevice('one-more', {}));
    assert.throws(() => devices.register(makeDevice('d0', {}, { rdev: 1 })), /exists/);
  });
});

describe('memory devices', () => {
  it('behave as their names say', () => {
    const kernel = makeKernel();
    const program = makeProgram(kernel, { uid: 1000 });
    const { sys, memory } = program;
    const at = memory.malloc(16);
    const readOf = (name: string): Uint8Array => {
      const fd = now(program, sys.open(`/dev/${name}`, O_RDWR));
      memory.write(at, new Uint8Array(16).fill(0xee));
      const n = now(program, sys.read(fd, at, 16));
      const full = name === 'full';
      assert.equal(now(program, sys.write(fd, at, 5)), full ? -ENOSPC : 5);
      return memory.read(at, n);
    };
    assert.equal(readOf('null').length, 0);
    assert.deepEqual([...readOf('zero')], new Array(16).fill(0));
    assert.deepEqual([...readOf('full')], new Array(16).fill(0));
    const random = [...readOf('urandom')];
    assert.equal(random.length, 16);
    assert.notDeepEqual(random, [...readOf('random')]);
  });
});

describe('sysfs', () => {
  it('shows attributes that functions make', () => {
    const kernel = makeKernel();
    const program = makeProgram(kernel);
    const { sys, memory } = program;
    let value = 1;
    kernel.sysfs.add('/class/tee/tee0/implementation_id', () => `${value}\n`);
    assert.deepEqual(names(program, '/sys/class/tee'), ['tee0']);
    const path = '/sys/class/tee/tee0/implementation_id';
    const fd = now(program, sys.open(path, O_RDONLY));
    const at = memory.malloc(64);
    const text = (n: number): string => new TextDecoder().decode(memory.read(at, n));
    assert.equal(text(now(program, sys.read(fd, at, 64))), '1\n');
    assert.equal(now(program, sys.read(fd, at, 64)), 0);
    value = 22;
    assert.equal(text(now(program, sys.pread64(fd, at, 64, 0))), '22\n');
    assert.equal(text(now(program, sys.pread64(fd, at, 1, 1))), '2');
    const stat = now(program, sys.stat(path));
    assert.ok(typeof stat !== 'number');
    assert.deepEqual([stat.mode & 0o777, stat.size], [0o444, 4096]);
  });

  it('refuses writing where nothing takes it, even to root', () => {
    const kernel = makeKernel();
    const program = makeProgram(kernel);
    const { sys, memory } = program;
    const written: string[] = [];
    kernel.sysfs.add('/a/ro', () => 'x\n');
    kernel.sysfs.add(
      '/a/rw',
      () => -EIO,
      (text) => {
        written.push(text);
        return text === 'bad' ? -EINVAL : 0;
      },
    );
    assert.equal(now(program, sys.open('/sys/a/ro', O_WRONLY)), -EACCES);
    const fd = now(program, sys.open('/sys/a/rw', O_RDWR | O_TRUNC));
    assert.equal(now(program, sys.write(fd, memory.string('good'), 4)), 4);
    assert.equal(now(program, sys.write(fd, memory.string('bad'), 3)), -EINVAL);
    assert.deepEqual(written, ['good', 'bad']);
    assert.equal(now(program, sys.pread64(fd, memory.malloc(8), 8, 0)), -EIO);
    assert.equal(now(program, sys.open('/sys/new', O_CREAT | O_RDWR, 0o600)), -EACCES);
    assert.equal(now(program, sys.mkdirat(AT_FDCWD, '/sys/new', 0o700)), -EPERM);
    assert.equal(now(program, sys.unlinkat(AT_FDCWD, '/sys/a/rw', 0)), -EPERM);
  });

  it('an attribute that has gone answers -ENODEV through files that are open', () => {
    const kernel = makeKernel();
    const program = makeProgram(kernel);
    const { sys, memory } = program;
    kernel.sysfs.add('/class/tee/tee0/a', () => 'a\n');
    kernel.sysfs.add('/class/tee/tee0/b', () => 'b\n');
    const fd = now(program, sys.open('/sys/class/tee/tee0/a', O_RDONLY));
    kernel.sysfs.remove('/class/tee/tee0');
    assert.equal(now(program, sys.read(fd, memory.malloc(8), 8)), -ENODEV);
    assert.equal(now(program, sys.stat('/sys/class')), -ENOENT);
    assert.throws(() => {
      kernel.sysfs.add('/x', () => '');
      kernel.sysfs.add('/x/y', () => '');
    }, /no directory/);
    kernel.sysfs.remove('/none/at/all');
  });
});
