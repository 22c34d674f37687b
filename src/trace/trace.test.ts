import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TraceEvent } from './events.ts';
import { EVENT_LEVELS, TRACE_LEVELS } from './events.ts';
import { consoleLine } from './export/console.ts';
import { phrase } from './phrase.ts';
import { decodeIoctl, exportStrace } from './export/strace.ts';
import { Trace } from './trace.ts';

const CAUSE = { layer: 'linux/tee', code: '-ENOMEM', text: 'no page', hint: 'more RAM' };
const only = (trace: Trace): TraceEvent => [...trace.events()][0]!;

describe('the trace', () => {
  it('keeps what its level lets through, and causes, logs and halts always', () => {
    for (const level of TRACE_LEVELS) {
      const trace = new Trace();
      trace.setLevel(level);
      assert.equal(trace.level, level);
      trace.emit('client', 'tee.open', { device: 'tee0', context: 1 });
      trace.emit('linux', 'irq', { line: 1, secure: false });
      trace.emit('box', 'task.start', { name: 'x' });
      trace.cause('linux', CAUSE);
      trace.log('linux', 'optee', 'info', 'text');
      assert.equal(trace.count, 2 + TRACE_LEVELS.indexOf(level));
      assert.equal(trace.lastCause, CAUSE);
      assert.deepEqual(
        [trace.calls, trace.worlds, trace.all].filter(Boolean).length,
        trace.count - 2,
      );
    }
    for (const name of ['log', 'cause', 'halt'] as const) assert.equal(EVENT_LEVELS[name], 'off');
  });

  it('overwrites its oldest events', () => {
    const trace = new Trace(3);
    for (let i = 0; i < 5; i++) trace.log('box', 'test', 'info', `${i}`);
    const texts = [...trace.events()].map(({ args }) => Reflect.get(args, 'text'));
    assert.deepEqual(texts, ['2', '3', '4']);
    assert.equal(trace.count, 5);
  });

  it('shows events to sinks until they are removed', () => {
    const trace = new Trace();
    const seen: number[] = [];
    const remove = trace.addSink(({ seq }) => seen.push(seq));
    trace.log('box', 'test', 'info', '');
    remove();
    trace.log('box', 'test', 'info', '');
    assert.deepEqual(seen, [0]);
  });

  it('asks who runs, and when', () => {
    const trace = new Trace();
    trace.attach({ nowNs: () => 1_234_567, currentTaskId: 4, currentCpu: 1, currentFlow: 9 });
    trace.cause('linux', CAUSE);
    const { timeNs, task, cpu, flow, world } = only(trace);
    assert.deepEqual(
      { timeNs, task, cpu, flow, world },
      {
        timeNs: 1_234_567,
        task: 4,
        cpu: 1,
        flow: 9,
        world: 'linux',
      },
    );
    const line = consoleLine(only(trace), (id) => `task-${id}`);
    assert.equal(
      line,
      '  0.0012346 linux  cpu1 task-4           cause: -ENOMEM: no page — more RAM',
    );
  });
});

describe('lines of events', () => {
  it('print what they know by name, and the rest as it is', () => {
    const trace = new Trace();
    trace.setLevel('all');
    trace.emit('linux', 'smc.call', { regs: [0xb2000009, 1, 2, 3, 4] });
    trace.emit('linux', 'rpc.begin', { cmd: 0, thread: 1 });
    trace.emit('box', 'choice', { label: 'lose', chosen: 0, of: 2 });
    assert.deepEqual(
      [...trace.events()].map((event) => phrase(event)),
      [
        'SMC OPTEE_SMC_EXCHANGE_CAPABILITIES 0x1 0x2 0x3',
        'RPC from thread 1: OPTEE_RPC_CMD_LOAD_TA',
        'choice label=lose chosen=0 of=2',
      ],
    );
  });
});

describe('strace lines', () => {
  const enter = { pid: 1, fd: 3, path: '/dev/tee0', cmd: 0x8004a406, arg: 4096 };

  it('show failures, unknown commands and calls that have not ended', () => {
    const trace = new Trace();
    trace.setLevel('calls');
    const context = { nowNs: () => 0, currentTaskId: 1, currentCpu: 0, currentFlow: 0 };
    trace.attach(context);
    const close = { ...enter, bytes: Uint8Array.of(7, 0, 0, 0) };
    trace.emit('client', 'ioctl.enter', close);
    trace.emit('client', 'ioctl.exit', { ...close, result: -22 });
    const unknown = { ...enter, cmd: 0x5401, bytes: Uint8Array.of(1, 255) };
    trace.emit('client', 'ioctl.enter', unknown);
    assert.deepEqual(
      [...exportStrace(trace.events())],
      [
        '[pid 1] ioctl(3</dev/tee0>, 0x8004a406, "\\x07\\x00\\x00\\x00") = -1 EINVAL (an argument is not acceptable)',
        '[pid 1] ioctl(3</dev/tee0>, 0x5401, "\\x01\\xff" <unfinished ...>',
      ],
    );
  });

  it('print bytes that are too few for their struct', () => {
    assert.equal(decodeIoctl(0xc018a409, Uint8Array.of(1)), '"\\x01"');
  });
});
