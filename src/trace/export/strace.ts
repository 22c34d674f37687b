/**
 * TEE ioctls as strace prints ioctls, with their fields decoded: `pid`, fd with its path, command,
 * the argument's fields by their upstream names, parameters by their kinds, result with its errno.
 */
import { errnoMeaning, errnoName } from '../../abi/errno.ts';
import { TEEC_ORIGIN, formatResult } from '../../abi/gp.ts';
import { nameOf } from '../../abi/layout.ts';
import type { StructInfo } from '../../abi/layout.ts';
import {
  TEE_IOCTLS,
  TEE_IOCTL_PARAM_ATTR_META,
  TEE_IOCTL_PARAM_ATTR_TYPE,
  TEE_IOCTL_PARAM_ATTR_TYPE_MASK,
  TEE_IOC_CANCEL,
  TEE_IOC_CLOSE_SESSION,
  TEE_IOC_INVOKE,
  TEE_IOC_OBJECT_INVOKE,
  TEE_IOC_OPEN_SESSION,
  TEE_IOC_SHM_ALLOC,
  TEE_IOC_SHM_REGISTER,
  TEE_IOC_SHM_REGISTER_FD,
  TEE_IOC_SUPPL_RECV,
  TEE_IOC_SUPPL_SEND,
  TEE_IOC_VERSION,
  TeeIoclSuppRecvArg,
  TeeIoclSuppSendArg,
  TeeIoctlCancelArg,
  TeeIoctlCloseSessionArg,
  TeeIoctlInvokeArg,
  TeeIoctlObjectInvokeArg,
  TeeIoctlOpenSessionArg,
  TeeIoctlParam,
  TeeIoctlShmAllocData,
  TeeIoctlShmRegisterData,
  TeeIoctlShmRegisterFdData,
  TeeIoctlVersionData,
} from '../../abi/tee.ts';
import { formatUuid } from '../../abi/uuid.ts';
import type { TraceEvent } from '../events.ts';

/** The struct behind a command, and whether parameters follow it. */
interface Shape {
  readonly struct: StructInfo;
  readonly params?: boolean;
}

const SHAPES: ReadonlyMap<number, Shape> = new Map([
  [TEE_IOC_VERSION, { struct: TeeIoctlVersionData }],
  [TEE_IOC_SHM_ALLOC, { struct: TeeIoctlShmAllocData }],
  [TEE_IOC_SHM_REGISTER, { struct: TeeIoctlShmRegisterData }],
  [TEE_IOC_SHM_REGISTER_FD, { struct: TeeIoctlShmRegisterFdData }],
  [TEE_IOC_CANCEL, { struct: TeeIoctlCancelArg }],
  [TEE_IOC_CLOSE_SESSION, { struct: TeeIoctlCloseSessionArg }],
  [TEE_IOC_OPEN_SESSION, { struct: TeeIoctlOpenSessionArg, params: true }],
  [TEE_IOC_INVOKE, { struct: TeeIoctlInvokeArg, params: true }],
  [TEE_IOC_SUPPL_RECV, { struct: TeeIoclSuppRecvArg, params: true }],
  [TEE_IOC_SUPPL_SEND, { struct: TeeIoclSuppSendArg, params: true }],
  [TEE_IOC_OBJECT_INVOKE, { struct: TeeIoctlObjectInvokeArg, params: true }],
]);

const hex = (n: number | bigint): string => (n === 0 || n === 0n ? '0' : `0x${n.toString(16)}`);

/** The argument of a TEE ioctl, decoded; the raw bytes for commands that are unknown. */
export function decodeIoctl(cmd: number, bytes: Uint8Array): string {
  const shape = SHAPES.get(cmd);
  if (shape === undefined || bytes.length < shape.struct.byteLength) {
    return `"${Array.from(bytes, (b) => `\\x${b.toString(16).padStart(2, '0')}`).join('')}"`;
  }
  const fields = shape.struct.fields
    .filter((field) => !field.padding)
    .map((field) => `${field.name}=${fieldText(field.name, field.offset, field.size, bytes)}`);
  if (shape.params === true) fields.push(`params=[${params(bytes, shape.struct.byteLength)}]`);
  return `{${fields.join(', ')}}`;
}

function fieldText(name: string, offset: number, size: number, bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (size === 16) return formatUuid(bytes.subarray(offset, offset + 16));
  if (size === 8) return hex(view.getBigUint64(offset, true));
  const value = view.getUint32(offset, true);
  if (name === 'ret') return formatResult(value);
  if (name === 'ret_origin') return nameOf(TEEC_ORIGIN, value) ?? `${value}`;
  return `${value}`;
}

function params(bytes: Uint8Array, from: number): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const texts: string[] = [];
  for (
    let at = from;
    at + TeeIoctlParam.byteLength <= bytes.length;
    at += TeeIoctlParam.byteLength
  ) {
    texts.push(param(view, at));
  }
  return texts.join(', ');
}

function param(view: DataView, at: number): string {
  const attr = TeeIoctlParam.attr.num(view, at);
  const type = attr % (TEE_IOCTL_PARAM_ATTR_TYPE_MASK + 1);
  const name = nameOf(TEE_IOCTL_PARAM_ATTR_TYPE, type);
  const kind = name?.replace('TEE_IOCTL_PARAM_ATTR_TYPE_', '') ?? hex(attr);
  const meta = (attr & TEE_IOCTL_PARAM_ATTR_META) !== 0 ? 'META|' : '';
  if (kind === 'NONE') return `{${meta}NONE}`;
  const labels = kind.startsWith('MEMREF') ? ['offs', 'size', 'id'] : ['a', 'b', 'c'];
  const values = [TeeIoctlParam.a, TeeIoctlParam.b, TeeIoctlParam.c].map(
    (field, i) => `${labels[i]}=${hex(field.get(view, at))}`,
  );
  return `{${meta}${kind}, ${values.join(', ')}}`;
}

const returnText = (result: number): string =>
  result < 0
    ? `-1 ${errnoName(-result) ?? -result} (${errnoMeaning(-result) ?? 'Unknown error'})`
    : `${result}`;

interface OpenCall {
  readonly head: string;
  body: string;
  after: string;
}

/** Turns events into lines as they come: a call's line is complete when the call ends. */
export class Strace {
  readonly #open = new Map<number, OpenCall>();

  /** The line of the call that this event ends, if it ends one. */
  see(event: TraceEvent): string | undefined {
    if (is(event, 'ioctl.enter')) this.#enter(event);
    else if (is(event, 'tee.buffer')) this.#buffer(event);
    else if (is(event, 'ioctl.exit')) return this.#exit(event);
    return undefined;
  }

  /** Calls that have not ended. */
  unfinished(): readonly string[] {
    return [...this.#open.values()].map((call) => `${call.head}${call.body} <unfinished ...>`);
  }

  #enter({ task, args }: TraceEvent<'ioctl.enter'>): void {
    const name = nameOf(TEE_IOCTLS, args.cmd) ?? hex(args.cmd);
    const head = `[pid ${args.pid}] ioctl(${args.fd}<${args.path}>, ${name}, `;
    this.#open.set(task, { head, body: decodeIoctl(args.cmd, args.bytes), after: '' });
  }

  #buffer({ task, args }: TraceEvent<'tee.buffer'>): void {
    const call = this.#open.get(task);
    if (call === undefined) return;
    const text = decodeIoctl(args.cmd, args.bytes);
    if (args.direction === 'in') call.body = text;
    else call.after = ` => ${text}`;
  }

  #exit({ task, args }: TraceEvent<'ioctl.exit'>): string | undefined {
    const call = this.#open.get(task);
    this.#open.delete(task);
    if (call === undefined) return undefined;
    const { result, cmd, bytes } = args;
    const writes = call.after === '' && ARGUMENT_RETURNS.has(cmd);
    const after = writes ? ` => ${decodeIoctl(cmd, bytes)}` : call.after;
    return `${call.head}${call.body}${result < 0 ? '' : after}) = ${returnText(result)}`;
  }
}

/** Commands whose argument itself comes back changed. */
const ARGUMENT_RETURNS: ReadonlySet<number> = new Set([
  TEE_IOC_VERSION,
  TEE_IOC_SHM_ALLOC,
  TEE_IOC_SHM_REGISTER,
  TEE_IOC_SHM_REGISTER_FD,
]);

/** One line per TEE ioctl, as they end; calls under way at the end of the trace are unfinished. */
export function* exportStrace(events: Iterable<TraceEvent>): Generator<string, void, void> {
  const strace = new Strace();
  for (const event of events) {
    const line = strace.see(event);
    if (line !== undefined) yield line;
  }
  yield* strace.unfinished();
}

function is<N extends TraceEvent['name']>(event: TraceEvent, name: N): event is TraceEvent<N> {
  return event.name === name;
}
