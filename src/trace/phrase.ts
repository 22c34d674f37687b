/** What an event says, in one phrase; log lines of the worlds as their world printed them. */
import { formatErrno } from '../abi/errno.ts';
import { formatResult } from '../abi/gp.ts';
import { nameOf } from '../abi/layout.ts';
import { OPTEE_RPC_CMD } from '../abi/optee-rpc.ts';
import {
  ARM_SMCCC_IS_FAST_CALL,
  OPTEE_SMC_CALLS,
  OPTEE_SMC_RETURN,
  OPTEE_SMC_RETURN_GET_RPC_FUNC,
  OPTEE_SMC_RETURN_IS_RPC,
  OPTEE_SMC_RPC_FUNC,
} from '../abi/optee-smc.ts';
import { TEE_IOCTLS } from '../abi/tee.ts';
import type { EventArgs, EventName, TraceEvent } from './events.ts';

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;
const name = (table: Readonly<Record<string, number>>, value: number): string =>
  nameOf(table, value) ?? hex(value);
const result = (value: number): string => (value < 0 ? formatErrno(value) : `${value}`);

/** Fast calls return data more often than codes; yielding ones a code or an RPC. */
function smcResult(call: number, value: number): string {
  if (ARM_SMCCC_IS_FAST_CALL(call)) return hex(value);
  const rpc = OPTEE_SMC_RETURN_IS_RPC(value);
  return rpc
    ? name(OPTEE_SMC_RPC_FUNC, OPTEE_SMC_RETURN_GET_RPC_FUNC(value))
    : name(OPTEE_SMC_RETURN, value);
}

/** One phrase an event; events that are missing here print their arguments as they are. */
const PHRASES: { readonly [N in EventName]?: (args: EventArgs[N]) => string } = {
  'ioctl.enter': (a) => `pid ${a.pid} ioctl(${a.fd}<${a.path}>, ${name(TEE_IOCTLS, a.cmd)})`,
  'ioctl.exit': (a) => `pid ${a.pid} ${name(TEE_IOCTLS, a.cmd)} = ${result(a.result)}`,
  'syscall.enter': (a) => `pid ${a.pid} ${a.name}(${a.args.join(', ')})`,
  'syscall.exit': (a) => `pid ${a.pid} ${a.name} = ${result(a.result)}`,
  'process.start': (a) => `pid ${a.pid} ${a.name} starts, uid ${a.uid}`,
  'process.exit': (a) => `pid ${a.pid} ends: ${a.status}`,
  'signal.send': (a) => `signal ${a.signal} to pid ${a.pid}`,
  'tee.open': (a) => `open ${a.device}: context ${a.context}`,
  'tee.release': (a) => `release ${a.device}: context ${a.context}`,
  'tee.buffer': (a) => `${name(TEE_IOCTLS, a.cmd)} ${a.direction}: ${a.bytes.length} bytes`,
  'shm.alloc': (a) => `shm ${a.id}: ${a.sizeBytes} bytes ${a.how}, context ${a.context}`,
  'shm.free': (a) => `shm ${a.id}: freed`,
  'supp.request': (a) => `request ${a.request} for tee-supplicant: ${name(OPTEE_RPC_CMD, a.func)}`,
  'supp.receive': (a) =>
    `tee-supplicant takes request ${a.request}: ${name(OPTEE_RPC_CMD, a.func)}`,
  'supp.send': (a) => `tee-supplicant answers request ${a.request}: ${formatResult(a.ret)}`,
  'rpc.begin': (a) => `RPC from thread ${a.thread}: ${name(OPTEE_RPC_CMD, a.cmd)}`,
  'rpc.end': (a) => `RPC ${name(OPTEE_RPC_CMD, a.cmd)} = ${formatResult(a.ret)}`,
  'bus.device': (a) => `tee bus: ${a.action} ${a.name}`,
  'smc.call': (a) =>
    `SMC ${name(OPTEE_SMC_CALLS, a.regs[0] ?? 0)} ${a.regs.slice(1, 4).map(hex).join(' ')}`,
  'smc.return': (a) => `SMC returns ${smcResult(a.call, a.regs[0] ?? 0)}`,
  irq: (a) => `interrupt ${a.line}${a.secure ? ' (secure)' : ''}`,
  fault: (a) => `FAULT: ${a.master} may not ${a.access} 0x${a.address.toString(16)}`,
  'thread.alloc': (a) => `thread ${a.thread} starts`,
  'thread.suspend': (a) => `thread ${a.thread} leaves: RPC ${hex(a.rpc)}`,
  'thread.resume': (a) => `thread ${a.thread} goes on`,
  'thread.free': (a) => `thread ${a.thread} is free`,
  'session.open': (a) => `session ${a.session} of ${a.uuid} opens`,
  'session.close': (a) => `session ${a.session} of ${a.uuid} closes`,
  'ta.enter': (a) =>
    `${a.entry} session ${a.session}${a.entry.includes('Invoke') ? ` command ${a.command}` : ''}`,
  'ta.leave': (a) => `${a.entry} = ${formatResult(a.result)}`,
  'ta.panic': (a) => `PANIC of TA ${a.uuid}: ${a.text} (${hex(a.code)}) at ${a.where}`,
  'ta.lookup': (a) => `TA ${a.uuid} in ${a.store}: ${a.outcome}`,
  'task.block': (a) => `waits at ${a.site}`,
  'task.wake': (a) => `${a.status} at ${a.site}`,
  pool: (a) => `pool ${a.name}: ${a.used} of ${a.limit} ${a.unit}`,
  log: (a) => a.text,
  cause: (a) => `cause: ${a.code}: ${a.text}${a.hint === undefined ? '' : ` — ${a.hint}`}`,
  halt: (a) => `HALT: ${a.kind}: ${a.text}`,
};

/** What happened, in one phrase. */
export function phrase<N extends EventName>(event: TraceEvent<N>): string {
  const text: ((args: EventArgs[N]) => string) | undefined = PHRASES[event.name];
  if (text !== undefined) return text(event.args);
  const args = Object.entries(event.args).map(([key, value]) => `${key}=${String(value)}`);
  return `${event.name} ${args.join(' ')}`;
}
