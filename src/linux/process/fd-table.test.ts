import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBADF, EBUSY, EINVAL, EMFILE, ESPIPE } from '../../abi/errno.ts';
import {
  FD_CLOEXEC,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_GETFL,
  F_SETFD,
  F_SETFL,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_LARGEFILE,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
} from '../../abi/fcntl.ts';
import { WaitQueue } from '../../sched/wait.ts';
import { Trace } from '../../trace/trace.ts';
import { Fds } from './fd-table.ts';
import { File } from './file.ts';
import type { FileOperations } from './file.ts';
import { makeDevice, makeKernel, makeProgram, now } from './testing/make-kernel.ts';

const file = (): File => new File({}, '/x', O_RDWR, undefined);

describe('an fd table', () => {
  it('gives out the lowest free number', () => {
    const fds = new Fds(new Trace(), 16);
    assert.deepEqual([fds.install(file()), fds.install(file()), fds.install(file())], [0, 1, 2]);
    fds.remove(1);
    assert.equal(fds.install(file()), 1);
    fds.remove(0);
    assert.equal(fds.installFrom(2, file(), false), 3);
    assert.equal(fds.install(file()), 0);
    assert.equal(fds.size, 4);
  });

  it('a reserved fd is neither free nor open', () => {
    const fds = new Fds(new Trace(), 16);
    assert.equal(fds.reserve(), 0);
    assert.equal(fds.install(file()), 1);
    assert.equal(fds.get(0), undefined);
    fds.unreserve(0);
    assert.equal(fds.reserve(), 0);
    fds.fill(0, file(), true);
    assert.deepEqual([fds.size, fds.isReserved(0), fds.closesOnExec(0)], [2, false, true]);
  });

  it('ends at RLIMIT_NOFILE and says so', () => {
    const trace = new Trace();
    const fds = new Fds(trace, 2);
    fds.install(file());
    fds.install(file());
    assert.equal(fds.install(file()), -EMFILE);
    assert.equal(trace.lastCause?.limit, 'RLIMIT_NOFILE=2');
    fds.remove(0);
    assert.equal(fds.install(file()), 0);
  });

  it('knows no fd that was never open', () => {
    const fds = new Fds(new Trace(), 16);
    for (const fd of [-1, 0, 0.5, NaN, 1e9]) assert.equal(fds.get(fd), undefined);
  });
});

describe('dup and fcntl', () => {
  const opened = () => {
    const kernel = makeKernel();
    let released = 0;
    kernel.devices.register(
      makeDevice('x', {
        *release() {
          released += 1;
        },
      }),
    );
    const program = makeProgram(kernel, { nofile: 4 });
    const fd = now(program, program.sys.open('/dev/x', O_RDWR));
    return { program, sys: program.sys, fd, released: () => released };
  };

  it('dup shares the open file; the last close releases it', () => {
    const { program, sys, fd, released } = opened();
    const copy = now(program, sys.dup(fd));
    const { files } = program.process;
    assert.equal(copy, 1);
    assert.equal(files.get(copy), files.get(fd));
    assert.equal(now(program, sys.close(fd)), 0);
    assert.equal(released(), 0);
    assert.equal(now(program, sys.close(copy)), 0);
    assert.equal(released(), 1);
    assert.equal(now(program, sys.close(copy)), -EBADF);
  });

  it('dup of a bad fd, and beyond the limit', () => {
    const { program, sys, fd } = opened();
    assert.equal(now(program, sys.dup(9)), -EBADF);
    for (const expected of [1, 2, 3, -EMFILE]) assert.equal(now(program, sys.dup(fd)), expected);
    assert.equal(program.process.files.get(fd)!.refs, 4);
  });

  it('dup2 closes what was there, and accepts the same number', () => {
    const { program, sys, fd, released } = opened();
    const other = now(program, sys.open('/dev/x', O_RDWR));
    assert.equal(now(program, sys.dup2(fd, other)), other);
    assert.equal(released(), 1);
    assert.equal(now(program, sys.dup2(fd, fd)), fd);
    assert.equal(now(program, sys.dup2(9, 9)), -EBADF);
    assert.equal(now(program, sys.dup2(9, 1)), -EBADF);
    assert.equal(now(program, sys.dup2(fd, 4)), -EBADF);
    assert.equal(now(program, sys.dup2(fd, -1)), -EBADF);
    assert.equal(now(program, sys.dup2(fd, 3)), 3);
  });

  it('dup3 refuses the same number and unknown flags', () => {
    const { program, sys, fd } = opened();
    assert.equal(now(program, sys.dup3(fd, fd, 0)), -EINVAL);
    assert.equal(now(program, sys.dup3(fd, 2, O_NONBLOCK)), -EINVAL);
    assert.equal(now(program, sys.dup3(fd, 2, O_CLOEXEC)), 2);
    assert.equal(now(program, sys.fcntl(2, F_GETFD)), FD_CLOEXEC);
  });

  it('F_DUPFD starts from its argument', () => {
    const { program, sys, fd } = opened();
    assert.equal(now(program, sys.fcntl(fd, F_DUPFD, 2)), 2);
    assert.equal(now(program, sys.fcntl(fd, F_DUPFD_CLOEXEC, 2)), 3);
    assert.equal(now(program, sys.fcntl(3, F_GETFD)), FD_CLOEXEC);
    assert.equal(now(program, sys.fcntl(fd, F_DUPFD, 4)), -EINVAL);
    assert.equal(now(program, sys.fcntl(fd, F_DUPFD, -1)), -EINVAL);
    assert.equal(now(program, sys.fcntl(9, F_DUPFD, 0)), -EBADF);
  });

  it('F_SETFD and F_SETFL change what they may', () => {
    const { program, sys, fd } = opened();
    assert.equal(now(program, sys.fcntl(fd, F_GETFD)), 0);
    assert.equal(now(program, sys.fcntl(fd, F_SETFD, FD_CLOEXEC)), 0);
    assert.equal(now(program, sys.fcntl(fd, F_GETFD)), FD_CLOEXEC);
    assert.equal(now(program, sys.fcntl(fd, F_SETFL, O_RDONLY | O_APPEND | O_TRUNC)), 0);
    assert.equal(now(program, sys.fcntl(fd, F_GETFL)), O_RDWR | O_APPEND | O_LARGEFILE);
    assert.equal(now(program, sys.fcntl(fd, 12345)), -EINVAL);
    assert.equal(now(program, sys.fcntl(9, F_GETFL)), -EBADF);
  });

  it('an anonymous inode has no place and no positions', () => {
    const { program, sys } = opened();
    const { memory } = program;
    const ops: FileOperations = {
      *read() {
        return 0;
      },
      size: () => 8192,
    };
    const fd = program.process.files.install(new File(ops, 'anon_inode:x', O_RDWR, undefined));
    const stat = now(program, sys.fstat(fd));
    assert.ok(typeof stat !== 'number');
    assert.deepEqual([stat.mode, stat.size, stat.rdev], [0o600, 8192, 0]);
    assert.equal(now(program, sys.read(fd, memory.malloc(8), 8)), 0);
    assert.equal(now(program, sys.pread64(fd, memory.malloc(8), 8, 0)), -ESPIPE);
    assert.equal(now(program, sys.pwrite64(fd, memory.malloc(8), 8, 0)), -ESPIPE);
  });

  it("dup2 does not take the fd of another thread's open()", async () => {
    const kernel = makeKernel();
    const queue = new WaitQueue(kernel.sched, 'open');
    const slow = makeDevice(
      'slow',
      {},
      {
        *open(_current, flags) {
          yield* queue.wait('uninterruptible');
          return new File({}, '/dev/slow', flags, undefined);
        },
      },
    );
    kernel.devices.register(slow);
    const program = makeProgram(kernel);
    const other = now(program, program.sys.open('/dev/null', O_RDWR));
    let fd = -1;
    program.spawnThread('opener', function* (own) {
      fd = yield* own.sys.open('/dev/slow', O_RDWR);
    });
    await kernel.sched.drive();
    assert.equal(now(program, program.sys.dup2(other, 1)), -EBUSY);
    queue.wakeAll();
    await kernel.sched.drive();
    assert.equal(fd, 1);
  });

  it('an O_PATH file can be duplicated but not used', () => {
    const { program, sys } = opened();
    const place = now(program, sys.open('/tmp', O_PATH));
    assert.equal(now(program, sys.dup(place)), 2);
    assert.equal(now(program, sys.fcntl(place, F_SETFL, 0)), -EBADF);
    assert.equal(now(program, sys.getdents64(place)), -EBADF);
    assert.equal(now(program, sys.openat(place, 'f', O_CREAT | O_RDWR, 0o600)), 3);
  });
});
