import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EBADF, EINVAL, ENOIOCTLCMD, ENOTTY } from '../../abi/errno.ts';
import { O_PATH, O_RDWR } from '../../abi/fcntl.ts';
import { _IO, _IOWR } from '../../abi/ioctl.ts';
import { TEE_IOC_MAGIC } from '../../abi/tee.ts';
import { va } from '../../machine/address.ts';
import type { Va } from '../../machine/address.ts';
import type { Co } from '../../sched/task.ts';
import type { TraceEvent } from '../../trace/events.ts';
import type { Kernel } from './kernel.ts';
import { ioctlOps, makeDevice, makeKernel, makeProgram, now } from './testing/make-kernel.ts';

const CMD = _IOWR(TEE_IOC_MAGIC, 1, 8);

function box(answer: (kernel: Kernel, cmd: number, arg: Va) => number) {
  const kernel = makeKernel();
  kernel.devices.register(
    makeDevice(
      'tee0',
      ioctlOps(function* (cmd, arg): Co<number> {
        return answer(kernel, cmd, arg);
      }),
    ),
  );
  const program = makeProgram(kernel);
  const fd = now(program, program.sys.open('/dev/tee0', O_RDWR));
  const ioctl = (cmd: number, arg = va(0), on = fd): number =>
    now(program, program.sys.ioctl(on, cmd, arg));
  const { sys, memory } = program;
  return { kernel, program, sys, memory, fd, ioctl };
}

describe('ioctl', () => {
  it('answers as the driver, with errors of its own before and after', () => {
    const answers = new Map([
      [CMD, 42],
      [_IO(1, 1), -EINVAL],
      [_IO(1, 2), -ENOIOCTLCMD],
    ]);
    const { program, sys, ioctl } = box((_kernel, cmd) => answers.get(cmd)!);
    assert.equal(ioctl(CMD), 42);
    assert.equal(ioctl(_IO(1, 1)), -EINVAL);
    assert.equal(ioctl(_IO(1, 2)), -ENOTTY);
    assert.equal(ioctl(CMD, va(0), 99), -EBADF);
    assert.equal(ioctl(CMD, va(0), -1), -EBADF);
    const place = now(program, sys.open('/dev/tee0', O_PATH));
    assert.equal(ioctl(CMD, va(0), place), -EBADF);
    const other = now(program, sys.open('/dev/null', O_RDWR));
    assert.equal(ioctl(CMD, va(0), other), -ENOTTY);
  });

  it('traces the argument before and after, in a flow of its own', () => {
    const flows: number[] = [];
    const { kernel, program, memory, fd, ioctl } = box(({ sched }, _cmd, arg) => {
      flows.push(sched.currentFlow);
      if (arg !== 0) program.process.mm.write(arg, Uint8Array.of(9, 9));
      return -ENOIOCTLCMD;
    });
    kernel.trace.setLevel('calls');
    const at = memory.calloc(8);
    assert.equal(ioctl(CMD, at), -ENOTTY);
    ioctl(CMD, va(0));
    const events = [...kernel.trace.events()].filter(({ name }) => name.startsWith('ioctl.'));
    const [enter, exit, unreadable] = events as [
      TraceEvent<'ioctl.enter'>,
      TraceEvent<'ioctl.exit'>,
      TraceEvent<'ioctl.enter'>,
    ];
    const { bytes: before, ...rest } = enter.args;
    assert.deepEqual(rest, { pid: program.pid, fd, path: '/dev/tee0', cmd: CMD, arg: at });
    assert.deepEqual([...before], [0, 0, 0, 0, 0, 0, 0, 0]);
    assert.deepEqual([...exit.args.bytes], [9, 9, 0, 0, 0, 0, 0, 0]);
    assert.equal(exit.args.result, -ENOTTY);
    assert.equal(unreadable.args.bytes.length, 0);
    assert.deepEqual(flows, [1, 2]);
    assert.deepEqual([enter.flow, exit.flow, program.thread.task.flow], [1, 1, 0]);
  });

  it('a trace of everything names each system call', () => {
    const { kernel, program, sys } = box(() => 0);
    kernel.trace.setLevel('all');
    now(program, sys.open('/none', O_RDWR));
    const shown = [...kernel.trace.events()].flatMap(({ name, args }) =>
      name.startsWith('syscall.') ? [JSON.stringify(args)] : [],
    );
    assert.deepEqual(shown, [
      `{"pid":2,"name":"openat","args":[-100,"/none",2,0]}`,
      `{"pid":2,"name":"openat","result":-2}`,
    ]);
  });
});
