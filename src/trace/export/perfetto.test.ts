/** Perfetto files, read back with a decoder of protobuf's wire format. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventArgs, EventName, TraceEvent, World } from '../events.ts';
import { exportPerfetto } from './perfetto.ts';
import { Message } from './protobuf.ts';

type Value = number | bigint | Uint8Array;
type Fields = ReadonlyMap<number, readonly Value[]>;

/** The fields of a message: numbers, 64-bit numbers, bytes. */
function decode(bytes: Uint8Array): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fields = new Map<number, Value[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  const read = (wireType: number): Value => {
    if (wireType === 0) return varint();
    if (wireType === 1) return view.getBigUint64((at += 8) - 8, true);
    assert.equal(wireType, 2);
    const length = varint();
    return bytes.subarray(at, (at += length));
  };
  while (at < bytes.length) {
    const tag = varint();
    const value = read(tag % 8);
    const field = Math.floor(tag / 8);
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  assert.equal(at, bytes.length);
  return fields;
}

const part = (fields: Fields, ...path: readonly number[]): Fields =>
  path.reduce((inner, field) => {
    const value = inner.get(field)?.[0];
    return value instanceof Uint8Array ? decode(value) : new Map();
  }, fields);
const text = (fields: Fields, field: number): string => {
  const value = fields.get(field)?.[0];
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : '';
};

/** The packets of a trace file: of track events, or of descriptors. */
function packets(file: Uint8Array, field: 11 | 60): Fields[] {
  const all = (decode(file).get(1) ?? []).map((packet) => decode(packet as Uint8Array));
  return all.filter((packet) => packet.has(field));
}

let seq = 0;
const event = <N extends EventName>(
  world: World,
  task: number,
  name: N,
  args: EventArgs[N],
  flow = 0,
): TraceEvent<N> => ({ seq: seq++, timeNs: 1000 * seq, world, cpu: 0, task, flow, name, args });

const CALL = { pid: 3, fd: 4, cmd: 0x8010a403, bytes: new Uint8Array(2) };
const EVENTS: readonly TraceEvent[] = [
  event('client', 7, 'ioctl.enter', { ...CALL, path: '/dev/tee0', arg: 2 ** 47 - 1 }, 5),
  event('linux', 7, 'smc.call', { regs: [0x32000004, 1] }, 5),
  event('secure', 7, 'thread.alloc', { thread: 0 }, 5),
  event('linux', 7, 'smc.return', { call: 0, regs: [0] }, 5),
  event('linux', 0, 'pool', { name: 'shm', used: 300, limit: 512, unit: 'pages' }),
  event('client', 7, 'ioctl.exit', { ...CALL, result: 0 }, 5),
];
const [BEGIN, END, INSTANT, COUNTER] = [1, 2, 3, 4];

describe('a Perfetto trace', () => {
  const file = exportPerfetto(EVENTS, { taskName: (id) => `task-${id}` });
  const descriptors = packets(file, 60).map((packet) => part(packet, 60));
  const events = packets(file, 11);

  it('has a process for each world and a thread for each task in it', () => {
    const processes = descriptors.filter((d) => d.has(3)).map((d) => text(part(d, 3), 6));
    assert.deepEqual(processes, ['client', 'linux', 'secure', 'ta', 'machine', 'box']);
    const threads = descriptors.filter((d) => d.has(4)).map((d) => [d.get(5), text(part(d, 4), 5)]);
    assert.deepEqual(threads, [
      [[1], 'task-7'],
      [[3], 'task-7'],
    ]);
  });

  it('has slices, marks and counters on tracks that are described', () => {
    const shapes = events.map((packet) => part(packet, 11).get(9)?.[0]);
    assert.deepEqual(shapes, [BEGIN, BEGIN, INSTANT, END, COUNTER, END]);
    const known = new Set(descriptors.map((d) => d.get(1)?.[0]));
    for (const packet of events) assert.ok(known.has(part(packet, 11).get(11)?.[0]));
    const tracks = events.map((packet) => part(packet, 11).get(11)?.[0]);
    assert.equal(tracks[1], tracks[3], 'an SMC begins and ends on one track');
    const counter = descriptors.find((d) => d.has(8));
    assert.deepEqual([text(counter!, 2), text(part(counter!, 8), 6)], ['shm', 'pages']);
    assert.equal(part(events[4]!, 11).get(30)?.[0], 300);
  });

  it('has times, names, arguments and flows', () => {
    assert.deepEqual(
      events.map((packet) => packet.get(8)?.[0]),
      [1000, 2000, 3000, 4000, 5000, 6000],
    );
    const first = part(events[0]!, 11);
    assert.equal(text(first, 23), 'ioctl.enter');
    assert.deepEqual(first.get(47), [5n]);
    const args = (first.get(4) ?? []).map((bytes) => decode(bytes as Uint8Array));
    const shown = Object.fromEntries(args.map((arg) => [text(arg, 10), text(arg, 6)]));
    assert.deepEqual(shown, {
      pid: '3',
      fd: '4',
      cmd: `${0x8010a403} (0x8010a403)`,
      bytes: '0000',
      path: '/dev/tee0',
      arg: `${2 ** 47 - 1} (0x7fffffffffff)`,
    });
  });
});

describe('protobuf messages', () => {
  it('grow, and hold numbers up to 2^53', () => {
    const large = new Uint8Array(1000).fill(3);
    const fields = decode(
      new Message()
        .bytes(1, large)
        .varint(2, Number.MAX_SAFE_INTEGER)
        .fixed64(3, 2 ** 40)
        .finish(),
    );
    assert.deepEqual(fields.get(1), [large]);
    assert.deepEqual(fields.get(2), [Number.MAX_SAFE_INTEGER]);
    assert.deepEqual(fields.get(3), [2n ** 40n]);
  });
});
