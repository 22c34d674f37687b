/**
 * Perfetto TrackEvent export (protos/perfetto/trace/track_event/track_event.proto): worlds are
 * processes, tasks threads, a TEE call one flow from the client to the TA and back, pools counters.
 * Open the file in ui.perfetto.dev.
 */
import type { EventName, TraceEvent, World } from '../events.ts';
import { Message } from './protobuf.ts';

/** Field numbers, by message. */
const TRACE = { packet: 1 };
const PACKET = { timestamp: 8, sequenceId: 10, trackEvent: 11, trackDescriptor: 60 };
const DESCRIPTOR = { uuid: 1, name: 2, process: 3, thread: 4, parentUuid: 5, counter: 8 };
const PROCESS = { pid: 1, name: 6 };
const THREAD = { pid: 1, tid: 2, name: 5 };
const COUNTER = { unitName: 6 };
const EVENT = { type: 9, trackUuid: 11, category: 22, name: 23, counterValue: 30, annotation: 4 };
const FLOWS = { ids: 47 };
const ANNOTATION = { name: 10, text: 6 };
const TYPE = { begin: 1, end: 2, instant: 3, counter: 4 };

const WORLDS: readonly World[] = ['client', 'linux', 'secure', 'ta', 'machine', 'box'];

/** How an event shows: the slice it begins, the end of one, or a mark. */
interface Shape {
  readonly type: number;
  /** The world whose track it goes to, when that is not the event's own. */
  readonly world?: World;
}

const BEGIN: Shape = { type: TYPE.begin };
const END: Shape = { type: TYPE.end };

const SHAPES: { readonly [N in EventName]?: Shape } = {
  'ioctl.enter': { ...BEGIN, world: 'client' },
  'ioctl.exit': { ...END, world: 'client' },
  'syscall.enter': { ...BEGIN, world: 'client' },
  'syscall.exit': { ...END, world: 'client' },
  'smc.call': { ...BEGIN, world: 'secure' },
  'smc.return': { ...END, world: 'secure' },
  'rpc.begin': BEGIN,
  'rpc.end': END,
  'ta.enter': { ...BEGIN, world: 'ta' },
  'ta.leave': { ...END, world: 'ta' },
};

export interface PerfettoOptions {
  /** The name of a task, by its id. */
  readonly taskName: (id: number) => string;
  /** What to call a slice or mark; by default the event's name. */
  readonly label?: (event: TraceEvent) => string;
}

/** Encodes events, oldest first, as one trace file. */
export function exportPerfetto(events: Iterable<TraceEvent>, options: PerfettoOptions): Uint8Array {
  const trace = new Message();
  const tracks = new Tracks(trace, options.taskName);
  WORLDS.forEach((world, i) => tracks.process(world, i + 1));
  for (const event of events) {
    if (isPool(event)) {
      const track = tracks.counter(event.args.name, event.args.unit);
      const message = new Message()
        .varint(EVENT.type, TYPE.counter)
        .varint(EVENT.trackUuid, track)
        .varint(EVENT.counterValue, event.args.used);
      packet(trace, event.timeNs, message);
      continue;
    }
    const shape: Shape = SHAPES[event.name] ?? { type: TYPE.instant };
    const track = tracks.thread(shape.world ?? event.world, event.task);
    packet(trace, event.timeNs, trackEvent(event, shape, track, options));
  }
  return trace.finish();
}

function isPool(event: TraceEvent): event is TraceEvent<'pool'> {
  return event.name === 'pool';
}

function trackEvent(
  event: TraceEvent,
  shape: Shape,
  track: number,
  options: PerfettoOptions,
): Message {
  const message = new Message().varint(EVENT.type, shape.type).varint(EVENT.trackUuid, track);
  if (shape.type === TYPE.end) return message;
  message.string(EVENT.name, options.label?.(event) ?? event.name);
  message.string(EVENT.category, event.world);
  for (const [name, value] of Object.entries(event.args)) {
    const annotation = new Message().string(ANNOTATION.name, name);
    message.message(EVENT.annotation, annotation.string(ANNOTATION.text, annotationText(value)));
  }
  if (event.flow !== 0) message.fixed64(FLOWS.ids, event.flow);
  return message;
}

function annotationText(value: unknown): string {
  if (typeof value === 'number')
    return value > 9 ? `${value} (0x${value.toString(16)})` : `${value}`;
  if (value instanceof Uint8Array) {
    return Array.from(value.subarray(0, 256), (b) => b.toString(16).padStart(2, '0')).join('');
  }
  return Array.isArray(value)
    ? value.map((x) => `0x${Number(x).toString(16)}`).join(' ')
    : String(value);
}

function packet(trace: Message, timeNs: number, event: Message): void {
  const message = new Message()
    .varint(PACKET.timestamp, Math.max(0, Math.round(timeNs)))
    .varint(PACKET.sequenceId, 1)
    .message(PACKET.trackEvent, event);
  trace.message(TRACE.packet, message);
}

/** Tracks described so far. Ids: worlds 1–9, threads world·2^20 + task, counters from 2^30. */
class Tracks {
  readonly #trace: Message;
  readonly #taskName: (id: number) => string;
  readonly #threads = new Set<number>();
  readonly #counters = new Map<string, number>();

  constructor(trace: Message, taskName: (id: number) => string) {
    this.#trace = trace;
    this.#taskName = taskName;
  }

  process(world: World, pid: number): void {
    const process = new Message().varint(PROCESS.pid, pid).string(PROCESS.name, world);
    this.#describe(new Message().varint(DESCRIPTOR.uuid, pid).message(DESCRIPTOR.process, process));
  }

  thread(world: World, task: number): number {
    const pid = WORLDS.indexOf(world) + 1;
    const uuid = pid * 2 ** 20 + task + 1;
    if (!this.#threads.has(uuid)) {
      this.#threads.add(uuid);
      const thread = new Message()
        .varint(THREAD.pid, pid)
        .varint(THREAD.tid, pid * 1_000_000 + task)
        .string(THREAD.name, task === 0 ? 'no task' : this.#taskName(task));
      this.#describe(
        new Message()
          .varint(DESCRIPTOR.uuid, uuid)
          .varint(DESCRIPTOR.parentUuid, pid)
          .message(DESCRIPTOR.thread, thread),
      );
    }
    return uuid;
  }

  counter(name: string, unit: string): number {
    let uuid = this.#counters.get(name);
    if (uuid === undefined) {
      uuid = 2 ** 30 + this.#counters.size;
      this.#counters.set(name, uuid);
      this.#describe(
        new Message()
          .varint(DESCRIPTOR.uuid, uuid)
          .string(DESCRIPTOR.name, name)
          .message(DESCRIPTOR.counter, new Message().string(COUNTER.unitName, unit)),
      );
    }
    return uuid;
  }

  #describe(descriptor: Message): void {
    const message = new Message()
      .varint(PACKET.sequenceId, 1)
      .message(PACKET.trackDescriptor, descriptor);
    this.#trace.message(TRACE.packet, message);
  }
}
